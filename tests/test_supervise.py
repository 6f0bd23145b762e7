"""The supervisor against small real processes that stand in for the roles."""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import httpx
import pytest

from keyfold.errors import SettingsError
from keyfold.settings import Settings
from keyfold.supervise import (
    Role,
    Supervisor,
    address_url,
    backoff_ms,
    ingest_role,
    lake_role,
    listen,
    serving_roles,
)

T = TypeVar("T")

JOURNAL = """
import os, signal, sys, time
from pathlib import Path
journal, name = Path(sys.argv[1]), sys.argv[2]
def tell(word):
    with journal.open("a") as out:
        out.write(f"{word} {name} {os.getpid()}\\n")
"""

STAYS = (
    JOURNAL
    + """
def stop(*_):
    tell("stop")
    sys.exit(0)
signal.signal(signal.SIGTERM, stop)
tell("start")
while True:
    time.sleep(0.05)
"""
)

DIES = JOURNAL + 'tell("start")\nsys.exit(7)\n'

FINISHES = JOURNAL + 'tell("last")\n'

REFUSES = JOURNAL + 'tell("start")\nsys.exit(2)\n'

REFUSES_AGAIN = (
    JOURNAL
    + """
before = journal.exists() and journal.read_text().count("start " + name)
tell("start")
sys.exit(2 if before in (1, 2) else 7)
"""
)

DEAF = (
    JOURNAL
    + """
signal.signal(signal.SIGTERM, signal.SIG_IGN)
tell("start")
while True:
    time.sleep(0.05)
"""
)

ANSWERS = """
import os, socket, sys
door = socket.socket(fileno=int(sys.argv[1]))
door.setblocking(True)
while True:
    connection, _ = door.accept()
    connection.recv(65536)
    body = str(os.getpid()).encode()
    connection.sendall(b"HTTP/1.1 200 OK\\r\\nconnection: close\\r\\ncontent-length: "
        + str(len(body)).encode() + b"\\r\\n\\r\\n" + body)
    connection.close()
"""

ROLE = """
import sys
from pathlib import Path
from typing import TypeVar
from keyfold.process import run_role, start_role, stop_event
def main():
    start_role("stand-in")
    Path(sys.argv[1]).write_text(str(__import__("os").getpid()))
    stop_event().wait()
    Path(sys.argv[1] + ".stopped").touch()
run_role(main)
"""

SUPERVISED = """
import sys, threading
from keyfold.settings import Settings
from keyfold.supervise import Role, Supervisor
role = Role("ingest", "ingest", (sys.executable, sys.argv[1], sys.argv[2]))
Supervisor(Settings(), [role]).run(threading.Event())
"""


def until(look: Callable[[], T], seconds: float = 20.0) -> T:
    deadline = time.monotonic() + seconds
    while not (seen := look()):
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.01)
    return seen


def settings(**values: object) -> Settings:
    return Settings.model_validate(
        {"restart_backoff_ms_min": 50, "restart_backoff_ms_max": 5_000} | values
    )


class Scene:
    """A supervisor that runs beside the test, with a journal that the children write."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.journal = directory / "journal"
        self.stop = threading.Event()
        self.code: int | None = None
        self._thread: threading.Thread | None = None

    def role(self, script: str, kind: str, name: str = "", **how: object) -> Role:
        name = name or kind
        path = self.directory / f"{name}.py"
        path.write_text(script)
        return Role(kind, name, (sys.executable, str(path), str(self.journal), name), **how)

    def start(self, chosen: Settings, *roles: Role) -> None:
        supervisor = Supervisor(chosen, roles)

        def run() -> None:
            self.code = supervisor.run(self.stop)

        self._thread = threading.Thread(target=run)
        self._thread.start()

    def told(self, word: str, name: str = "") -> list[str]:
        lines = self.journal.read_text().splitlines() if self.journal.exists() else []
        return [line.split()[1] for line in lines if line.startswith(f"{word} {name}")]

    def pids(self) -> set[int]:
        return {int(line.split()[2]) for line in self.journal.read_text().splitlines()}

    def last_pid(self) -> int:
        return int(self.journal.read_text().splitlines()[-1].split()[2])

    def end(self) -> int | None:
        self.stop.set()
        return self.wait()

    def wait(self) -> int | None:
        if self._thread is not None:
            self._thread.join(20)
            assert not self._thread.is_alive()
        return self.code


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    made = Scene(tmp_path)
    yield made
    made.end()


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    if not Path("/proc/self/stat").exists():
        return True
    # An orphan that ended stays in the table until init reaps it, which may be at any moment.
    try:
        state = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state.rsplit(")", 1)[1].split()[0] != "Z"


@pytest.mark.parametrize(
    ("at_once", "waits"),
    [(False, [200, 400, 800, 1_000, 1_000]), (True, [0, 200, 400, 800, 1_000])],
)
def test_the_wait_doubles_up_to_its_bound(at_once: bool, waits: list[int]) -> None:
    told = [
        backoff_ms(deaths, first_at_once=at_once, minimum_ms=200, maximum_ms=1_000)
        for deaths in range(1, 6)
    ]
    assert told == waits
    assert backoff_ms(9_999, first_at_once=False, minimum_ms=1, maximum_ms=70) == 70


def test_a_role_that_dies_is_restarted_with_backoff_and_the_log_says_so(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    scene.start(settings(), scene.role(DIES, "ingest"))
    until(lambda: len(scene.told("start")) >= 4)
    assert scene.end() == 0
    told = [record.getMessage() for record in caplog.records if "died" in record.getMessage()]
    assert told[:3] == [
        f"ingest died (exit code 7): restarting in {wait} ms" for wait in (50, 100, 200)
    ]


def test_a_role_that_was_healthy_for_a_while_starts_its_backoff_afresh(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    chosen = settings(restart_backoff_ms_min=1, restart_backoff_ms_max=100)
    scene.start(chosen, scene.role(STAYS, "lake"))
    for deaths in range(1, 4):
        until(lambda deaths=deaths: len(scene.told("start")) == deaths)
        time.sleep(0.15)  # its healthy while, which is the thing under test
        os.kill(scene.last_pid(), signal.SIGKILL)
    until(lambda: len(scene.told("start")) == 4)
    told = [record.getMessage() for record in caplog.records if "died" in record.getMessage()]
    assert told == ["lake died (signal SIGKILL): restarting in 1 ms"] * 3


def test_a_role_that_refuses_to_start_stops_everything(scene: Scene) -> None:
    scene.start(settings(), scene.role(STAYS, "ingest"), scene.role(REFUSES, "lake"))
    assert scene.wait() == 2
    assert scene.told("start", "lake") == ["lake"]
    assert not any(alive(pid) for pid in scene.pids())


def test_a_role_that_refuses_after_it_had_run_is_tried_again_and_stops_nobody(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    scene.start(settings(), scene.role(REFUSES_AGAIN, "ingest"), scene.role(STAYS, "lake"))
    until(lambda: len(scene.told("start", "ingest")) >= 4)
    assert scene.told("start", "lake") == ["lake"]
    assert scene.end() == 0
    told = [one for one in caplog.records if "refused to start again" in one.getMessage()]
    assert [one.levelname for one in told] == ["ERROR"] * 2
    assert told[0].getMessage().endswith("(exit code 2): restarting in 100 ms")


def test_roles_stop_in_their_order_and_none_is_left(scene: Scene) -> None:
    workers = [scene.role(STAYS, "serving", f"serving-{number}") for number in range(2)]
    scene.start(settings(), scene.role(STAYS, "ingest"), scene.role(STAYS, "lake"), *workers)
    until(lambda: len(scene.told("start")) == 4)
    assert scene.end() == 0
    stopped = scene.told("stop")
    assert stopped[:2] == ["ingest", "lake"]
    assert sorted(stopped[2:]) == ["serving-0", "serving-1"]
    assert not any(alive(pid) for pid in scene.pids())


@pytest.mark.parametrize(
    ("last", "said"),
    [
        (FINISHES, "lake took its last snapshots"),
        (DIES, "lake did not take its last snapshots (exit code 7): the next start takes them"),
    ],
)
def test_a_lake_that_waits_for_its_restart_is_started_for_its_last_snapshots(
    scene: Scene, caplog: pytest.LogCaptureFixture, last: str, said: str
) -> None:
    once = scene.role(last, "lake", "once")
    lake = scene.role(DIES, "lake", last_argv=once.argv)
    with caplog.at_level(logging.INFO):
        scene.start(settings(restart_backoff_ms_min=5_000), scene.role(STAYS, "ingest"), lake)
        until(lambda: len(scene.told("start")) == 2)
        until(lambda: any(one.startswith("lake died") for one in caplog.messages))
        assert scene.end() == 0
    assert "lake was down: starting it for its last snapshots" in caplog.messages
    assert said in caplog.messages
    words = [line.rsplit(" ", 1)[0] for line in scene.journal.read_text().splitlines()]
    assert words.index("stop ingest") < len(words) - 1, "what ingest drained is in the snapshots"
    assert words[-1] == ("last once" if last == FINISHES else "start once")


def test_a_role_that_does_not_stop_in_time_is_killed(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    chosen = settings(drain_timeout_ms=200)
    scene.start(chosen, scene.role(DEAF, "ingest"), scene.role(STAYS, "lake"))
    until(lambda: len(scene.told("start")) == 2)
    assert scene.end() == 0
    assert "ingest did not stop in 200 ms: killed" in caplog.messages
    assert scene.told("stop") == ["lake"]
    assert not any(alive(pid) for pid in scene.pids())


def test_a_killed_serving_worker_costs_no_refused_connection(scene: Scene, tmp_path: Path) -> None:
    script = tmp_path / "answers.py"
    script.write_text(ANSWERS)
    with listen("127.0.0.1", 0) as door:
        role = Role(
            "serving",
            "serving-0",
            (sys.executable, str(script), str(door.fileno())),
            descriptors=(door.fileno(),),
            first_restart_at_once=True,
        )
        scene.start(settings(), role)
        url = address_url(door)
        answered = set()
        for _ in range(3):
            pid = int(httpx.get(url, timeout=10).text)
            answered.add(pid)
            os.kill(pid, signal.SIGKILL)
            until(lambda pid=pid: not alive(pid))
        assert len(answered) == 3
        scene.end()


def test_children_do_not_survive_a_killed_supervisor(tmp_path: Path) -> None:
    role, supervised, pid_file = (tmp_path / name for name in ("role.py", "run.py", "pid"))
    role.write_text(ROLE)
    supervised.write_text(SUPERVISED)
    command = [sys.executable, str(supervised), str(role), str(pid_file)]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        pid = int(until(lambda: pid_file.exists() and pid_file.read_text()))
    finally:
        process.kill()
        process.wait()
    until(lambda: not alive(pid))
    assert Path(f"{pid_file}.stopped").exists(), "it stopped as if it had been asked to"


def test_an_address_in_use_is_an_error_with_a_way_out() -> None:
    with listen("127.0.0.1", 0) as door:
        port = door.getsockname()[1]
        with pytest.raises(SettingsError, match=f"127.0.0.1:{port} is in use") as caught:
            listen("127.0.0.1", port)
    assert "--port" in caught.value.hint


def test_a_host_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(SettingsError, match="is not known"):
        listen("no-such-host.invalid", 0)


def test_the_url_of_a_socket_is_one_that_a_client_can_use() -> None:
    with listen("0.0.0.0", 0) as door:  # noqa: S104
        assert address_url(door) == f"http://localhost:{door.getsockname()[1]}"
    if socket.has_ipv6:
        with listen("::1", 0) as door:
            assert address_url(door) == f"http://[::1]:{door.getsockname()[1]}"


def test_roles_are_started_with_the_interpreter_and_arguments_that_they_know() -> None:
    assert ingest_role(Path("p.sql")).argv[1:] == ("-P", "-m", "ingest", "p.sql")
    assert lake_role().last_argv[1:] == ("-P", "-m", "lake", "once")
    *flags, request = ingest_role(Path("p.sql"), ["a", "b"]).argv[1:]
    assert flags == [
        *("-P", "-m", "ingest", "p.sql"),
        *("--rebuild", "a", "--rebuild", "b", "--rebuild-request"),
    ]
    assert ingest_role(Path("p.sql"), drop=["a"]).argv[4:] == ("p.sql", "--drop", "a")
    # Each start asks anew; a restart of the role asks for the same again, which is done once.
    assert request != ingest_role(Path("p.sql"), ["a", "b"]).argv[-1]
    assert ingest_role(Path("p.sql"), run="r1").argv[4:] == ("p.sql", "--run", "r1")
    with listen("127.0.0.1", 0) as door:
        assert serving_roles(door, 1, "r1")[0].argv[-2:] == ("--run", "r1")
        second = serving_roles(door, 2)[1]
        assert second.argv[1:] == (
            *("-P", "-m", "serving"),
            *("--fd", str(door.fileno()), "--worker", "1"),
        )
        assert second.descriptors == (door.fileno(),)


INSIDE_WAIT = """
import os, signal, threading
from keyfold.supervise import stop_on_signals
stop = threading.Event()
stop_on_signals(stop)
with stop._cond:  # where the main thread is for a moment in each Event.wait
    os.kill(os.getpid(), signal.SIGTERM)
    sum(range(1_000))  # the handler runs between two of these
assert stop.wait(10)
"""


def test_a_signal_inside_of_a_wait_is_no_deadlock() -> None:
    subprocess.run([sys.executable, "-c", INSIDE_WAIT], check=True, timeout=30)
