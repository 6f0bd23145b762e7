"""Redis, fed by hand-written Python: one Lua script a batch adds the deltas and keeps the offsets.

A script runs alone and whole, as a MULTI does, and need not send three commands for each key. The
server is started here, on a socket in a temporary directory, with an append-only file.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from itertools import chain
from pathlib import Path

sys.path.pop(0)
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from loadtests.peers import peer

peer.enter("redis")

import redis

from loadtests.peers import totals
from loadtests.peers.chunks import CHUNK_MESSAGES, CONSUMER_SETTINGS, MEASURED_FROM

_SERVER = {
    "port": "0",
    "appendonly": "yes",
    "appendfsync": "everysec",
    "save": "",
    "auto-aof-rewrite-percentage": "0",
    "maxmemory-policy": "noeviction",
}
_START_TIMEOUT_S = 20.0
_SCAN_KEYS = 10_000
_SCRIPT = """
local call = redis.call
for i = 2, tonumber(ARGV[1]) * 2, 2 do
  call('HSET', 'offsets', ARGV[i], ARGV[i + 1])
end
for i = tonumber(ARGV[1]) * 2 + 2, #ARGV, 4 do
  local key = ARGV[i]
  local seen = call('HMGET', key, 'orders', 'total', 'last_ts')
  if seen[1] then
    local last = ARGV[i + 3]
    if tonumber(seen[3]) > tonumber(last) then last = seen[3] end
    call('HSET', key,
         'orders', string.format('%.0f', seen[1] + ARGV[i + 1]),
         'total', string.format('%.0f', seen[2] + ARGV[i + 2]),
         'last_ts', last)
  else
    call('HSET', key, 'orders', ARGV[i + 1], 'total', ARGV[i + 2], 'last_ts', ARGV[i + 3])
  end
end
"""


def main() -> None:
    request = peer.request()
    program = shutil.which("redis-server")
    if program is None:
        peer.missing("redis-server is not installed: apt install redis-server")
    directory = peer.scratch()
    socket = directory / "redis.sock"
    options = chain.from_iterable((f"--{key}", each) for key, each in _SERVER.items())
    server = subprocess.Popen(  # noqa: S603 - our own command
        [program, *options, "--unixsocket", str(socket), "--dir", str(directory)],
        stdout=subprocess.DEVNULL,
    )
    try:
        client = redis.Redis(unix_socket_path=str(socket))
        _wait(client)
        version = client.info("server")["redis_version"]
        script = client.register_script(_SCRIPT)

        def write(delta: totals.Delta, offsets: dict[int, int]) -> None:
            arguments: list[str | int] = [len(offsets)]
            arguments.extend(chain.from_iterable(offsets.items()))
            for user_id, row in delta.items():
                arguments.append(user_id)
                arguments.extend(row)
            script(args=arguments)

        seconds = totals.apply_all(request, write)
        columns = _table(client)
        if sum(columns[1]) != request.events:
            sys.exit(f"error: {sum(columns[1])} events were applied, not {request.events}")
        peer.write_table(request.output, columns)
    finally:
        server.terminate()
        server.wait(_START_TIMEOUT_S)
        shutil.rmtree(directory, ignore_errors=True)
    peer.report(
        "redis",
        version,
        request.events,
        seconds,
        f"{MEASURED_FROM} to the answer to the last script",
        {
            "batch_events": totals.BATCH_EVENTS,
            "batch_s": totals.BATCH_S,
            "chunk_messages": CHUNK_MESSAGES,
            "script": "one EVALSHA a batch, deltas and offsets",
            **_SERVER,
            **CONSUMER_SETTINGS,
        },
    )


def _wait(client: redis.Redis) -> None:
    deadline = peer.Deadline(_START_TIMEOUT_S)
    while True:
        try:
            client.ping()
        except redis.ConnectionError:
            time.sleep(min(0.02, deadline.left_s()))
        else:
            return


def _table(client: redis.Redis) -> list[list[object]]:
    columns: list[list[object]] = [[], [], [], []]
    keys = [key for key in client.scan_iter(count=_SCAN_KEYS) if key != b"offsets"]
    for at in range(0, len(keys), _SCAN_KEYS):
        some = keys[at : at + _SCAN_KEYS]
        pipeline = client.pipeline(transaction=False)
        for key in some:
            pipeline.hmget(key, "orders", "total", "last_ts")
        for key, row in zip(some, pipeline.execute(), strict=True):
            columns[0].append(key.decode())
            for column, value in zip(columns[1:], row, strict=True):
                column.append(int(value))
    return columns


if __name__ == "__main__":
    main()
