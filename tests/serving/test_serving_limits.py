"""Limits, tokens, other origins: what keeps a worker safe from its clients."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import os
import socket
import time
from collections.abc import Callable, Iterator

import httpx
import pyarrow as pa
import pytest

from serving.limits import GZIP_MEMBERS_MAX, Bodies, decoded, read_body
from serving.problem import RefusedError, problem_answer
from tests.serving.conftest import Server, problem, read_all
from tests.serving.state import State, spend

TIMEOUT_S = 0.5
POST = b"POST /v1/sources/orders/events HTTP/1.1\r\nhost: x\r\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    state = State(tmp_path_factory.mktemp("limits") / "data")
    state.put("spend", {("AA",): spend()})
    state.commit()
    server = Server(
        state.directory,
        request_timeout_ms=int(TIMEOUT_S * 1000),
        body_bytes_max=10_000,
        push_events_max=100,
        cors_origins=("https://app.example",),
    )
    server.up().at(state.record.sequence)
    yield server
    server.close()
    state.close()


def raw_problem(answer: bytes, status: int, code: str) -> None:
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status), answer
    assert b"application/problem+json" in head
    assert json.loads(body)["code"] == code


def read_answer(connection: socket.socket) -> bytes:
    """Read one answer whose body is an object that ends in an object."""
    answer = b""
    while not answer.endswith(b"}}"):
        part = connection.recv(65_536)
        assert part, answer
        answer += part
    return answer


@pytest.mark.parametrize(
    "start",
    [
        b"GET /v1/views/spend/rows/AA HTTP/1.1\r\nhost: x\r\nx-slow:",
        POST + b"content-length: 100\r\n\r\n{",
        POST + b"transfer-encoding: chunked\r\n\r\n1\r\n{\r\n",
    ],
)
def test_a_slow_sender_is_cut_off(server: Server, start: bytes) -> None:
    began = time.monotonic()
    answer = read_all(server.raw(start))
    raw_problem(answer, 408, "request_timeout")
    assert TIMEOUT_S * 0.9 < time.monotonic() - began < TIMEOUT_S + 5


def test_a_connection_that_says_nothing_is_closed(server: Server) -> None:
    assert read_all(server.raw(b"")) == b""


def test_empty_lines_are_no_request(server: Server) -> None:
    raw_problem(read_all(server.raw(b"\r\n" * 10)), 408, "request_timeout")
    connection = server.raw(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
    assert read_answer(connection).startswith(b"HTTP/1.1 200")
    connection.sendall(b"\r\n")
    assert read_all(connection) == b""


def test_silence_after_an_answer_is_not_hurried(server: Server) -> None:
    request = b"GET /v1/views/spend/rows/AA HTTP/1.1\r\nhost: x\r\n\r\n"
    connection = server.raw(request)
    assert read_answer(connection).startswith(b"HTTP/1.1 200")
    began = time.monotonic()
    while time.monotonic() < began + TIMEOUT_S * 2:
        assert server.get("/healthz").status_code == 200
    connection.sendall(request)
    assert read_answer(connection).startswith(b"HTTP/1.1 200")
    connection.close()


def test_an_answer_that_nobody_takes_is_given_up(server: Server) -> None:
    page = b"GET /openapi.json HTTP/1.1\r\nhost: x\r\n\r\n"
    connection = server.raw(b"")
    connection.setblocking(False)
    end = time.monotonic() + 20
    while time.monotonic() < end:  # send and never read, until the other side has had enough
        try:
            connection.send(page)
        except BlockingIOError:
            time.sleep(0.02)
        except (BrokenPipeError, ConnectionResetError):
            break
    else:
        pytest.fail("the connection was never cut off")
    connection.close()
    assert server.get("/healthz").status_code == 200


@pytest.mark.parametrize("path", [b"/v1/views/spend/rows/AA", b"/v1/views"])
@pytest.mark.parametrize("lines", [1, 100])
def test_headers_up_to_64_kib_are_taken_however_they_come(
    server: Server, path: bytes, lines: int
) -> None:
    def ask(size: int, pieces: int) -> bytes:
        head = b"GET %b HTTP/1.1\r\nhost: x\r\nconnection: close\r\n" % path
        filler = (size - len(head)) // lines - len(b"x-y: \r\n")
        request = head + b"x-y: %b\r\n" % (b"z" * filler) * lines + b"\r\n"
        step = len(request) // pieces + 1
        connection = server.raw(request[:step])
        with contextlib.suppress(ConnectionError):
            for at in range(step, len(request), step):
                time.sleep(0.01)  # so that it comes in reads of its own
                connection.sendall(request[at : at + step])
        return read_all(connection)

    for pieces in (1, 4):
        assert ask(65_000, pieces).startswith(b"HTTP/1.1 200 ")
        raw_problem(ask(66_000, pieces), 431, "headers_too_large")


def test_the_headers_of_pipelined_requests_are_counted_one_by_one(server: Server) -> None:
    request = b"GET /v1/views/spend/rows/AA HTTP/1.1\r\nhost: x\r\nx-y: %b\r\n" % (b"z" * 9_000)
    connection = server.raw((request + b"\r\n") * 10 + request)
    time.sleep(0.05)
    connection.sendall(b"connection: close\r\n\r\n")
    assert read_all(connection).count(b"HTTP/1.1 200 ") == 11


def test_endless_headers_are_refused(server: Server) -> None:
    connection = server.raw(b"GET / HTTP/1.1\r\nhost: x\r\n")
    answer = b""
    try:
        for at in range(4_000):
            connection.sendall(b"x-%d: %b\r\n" % (at, b"y" * 40))
    except (BrokenPipeError, ConnectionResetError):
        pass
    try:
        answer = read_all(connection)
    except ConnectionResetError:
        return  # cut off while still sending; the answer was lost on the way
    raw_problem(answer, 431, "headers_too_large")


def test_what_is_no_http_is_a_problem_too(server: Server) -> None:
    raw_problem(read_all(server.raw(b"\x16\x03\x01 hello\r\n\r\n")), 400, "bad_request")


@pytest.mark.parametrize("path", ["/v1/sources/orders/events", "/v1/views/spend/lookup"])
def test_a_large_body_is_refused(server: Server, path: str) -> None:
    problem(server.client.post(path, content=b"x" * 10_001), 413, "too_large")

    def endless() -> Iterator[bytes]:
        for _ in range(20):
            yield b"y" * 1_000

    problem(httpx.post(server.url + path, content=endless()), 413, "too_large")


def test_a_body_that_grows_too_large_when_unpacked_is_refused(server: Server) -> None:
    path = "/v1/sources/orders/events"
    bomb = b"\n" * 10_000_000
    for name, packed in (("gzip", gzip.compress(bomb)), ("zstd", pa.compress(
        bomb, "zstd", asbytes=True))):  # fmt: skip
        assert len(packed) < 10_000, name
        answer = server.client.post(path, content=packed, headers={"content-encoding": name})
        problem(answer, 413, "too_large")
        answer = server.client.post(
            path, content=packed[:-30] + b"x", headers={"content-encoding": name}
        )
        assert answer.json()["code"] in ("bad_request", "too_large")
    answer = server.client.post(path, content=b"x", headers={"content-encoding": "br"})
    problem(answer, 415, "unsupported_media_type")
    answer = server.client.post(path, content=b"nonsense", headers={"content-encoding": "gzip"})
    problem(answer, 400, "bad_request")


def test_gzip_members_are_joined_and_bounded() -> None:
    noise = os.urandom(300_000)
    for cut in (0, 1, 65_519, 300_000):
        packed = gzip.compress(noise[:cut]) + gzip.compress(noise[cut:])
        assert decoded(packed, "gzip", 300_000) == noise
        with pytest.raises(RefusedError, match="more than 299999 bytes"):
            decoded(packed, "gzip", 299_999)
        with pytest.raises(RefusedError, match="not whole"):
            decoded(packed[:-1], "gzip", 300_000)
    empty = gzip.compress(b"")
    assert decoded(empty * GZIP_MEMBERS_MAX, "gzip", 10) == b""
    with pytest.raises(RefusedError, match="more than 64 gzip members"):
        decoded(empty * (GZIP_MEMBERS_MAX + 1), "gzip", 10)


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_a_body_of_empty_pieces_costs_little(encoding: str) -> None:
    empty = gzip.compress(b"") if encoding == "gzip" else pa.compress(b"", "zstd", asbytes=True)
    began = time.perf_counter()
    with contextlib.suppress(RefusedError):
        assert decoded(empty * (800_000 // len(empty)), encoding, 16 << 20) == b""
    assert time.perf_counter() - began < 0.5


def test_too_many_events_are_refused(server: Server) -> None:
    problem(
        server.client.post("/v1/sources/orders/events", content=b"{}\n" * 101), 413, "too_large"
    )


def test_named_origins_may_call_and_others_may_not(server: Server) -> None:
    for path in ("/v1/views/spend/rows/AA", "/v1/views"):
        mine = server.get(path, headers={"origin": "https://app.example"})
        assert mine.headers["access-control-allow-origin"] == "https://app.example"
        other = server.get(path, headers={"origin": "https://evil.example"})
        assert "access-control-allow-origin" not in other.headers
    preflight = server.client.options(
        "/v1/views/spend/lookup",
        headers={"origin": "https://app.example", "access-control-request-method": "POST"},
    )
    assert preflight.status_code == 200


def test_tokens(state: State, serve: Callable[..., Server]) -> None:
    state.put("spend", {("AA",): spend()})
    server = serve(state.directory, api_tokens=("first-token", "second-token")).up()
    server.at(state.commit())
    for path in ("/v1/views/spend/rows/AA", "/v1/views", "/%761/views", "/v1/nothing"):
        for headers in (
            {},
            {"authorization": "Bearer wrong"},
            {"authorization": "Bearer"},
            {"authorization": "Basic first-token"},
            {"authorization": "first-token"},
        ):
            answer = server.get(path, headers=headers)
            problem(answer, 401, "unauthorized")
            assert answer.headers["www-authenticate"].startswith("Bearer")
    problem(server.client.post("/v1/sources/orders/events", content=b"{}"), 401, "unauthorized")
    for token in ("first-token", "second-token"):
        headers = {"authorization": f"Bearer {token}"}
        assert server.get("/v1/views/spend/rows/AA", headers=headers).status_code == 200
        assert server.get("/v1/views", headers=headers).status_code == 200
    assert server.get("/metrics").status_code == 200
    assert "access-control-allow-origin" not in server.get("/healthz").headers


def test_bodies_that_are_held_at_once_are_bounded() -> None:
    bodies = Bodies(100)
    with bodies.hold() as first:
        first(90)
        first(90)  # alone it may have more
        with bodies.hold() as second, pytest.raises(RefusedError) as refused:
            second(1)
        assert (refused.value.code, bodies.held_bytes) == ("busy", 180)
    with bodies.hold() as first, bodies.hold() as second:
        first(60)
        second(40)
        with pytest.raises(RefusedError, match="bodies of 100 bytes"):
            second(1)
    assert bodies.held_bytes == 0


def test_a_body_beyond_the_bound_is_refused_and_its_connection_closed() -> None:
    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": b"x" * 10, "more_body": True}

    async def both() -> None:
        bodies = Bodies(1_000)
        with bodies.hold() as other, bodies.hold() as take:
            other(985)
            with pytest.raises(RefusedError) as refused:
                await read_body({"headers": []}, receive, 10_000, 1.0, take)
            answer = problem_answer(refused.value)
            assert answer.status == 503
            assert {(b"connection", b"close"), (b"retry-after", b"1")} <= set(answer.headers)

    asyncio.run(both())
