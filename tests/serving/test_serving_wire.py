"""The short way through the protocol answers as the long one does, whatever a connection says."""

from __future__ import annotations

import itertools
import re
import socket
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.serving.conftest import Server, read_all
from tests.serving.state import State, spend

ROW = b"GET /v1/views/spend/rows/AA"
HEADS = (
    b" HTTP/1.1\r\nhost: x\r\n\r\n",
    b" HTTP/1.1\r\nhost: x\r\naccept: */*\r\n\r\n",
    b" HTTP/1.1\r\nHost:  x \r\nX-A: 1\r\nx-a: 2\r\n\r\n",
)
REQUESTS = (
    ROW,
    b"GET /v1/views/spend/rows/BB",
    b"GET /v1/views/spend/rows/nobody",
    b"GET /v1/views/spend/rows/%41A",
    b"GET /v1/views/spend/rows/AA?offsets=1",
    b"GET /v1/views/spend/rows/AA#x",
    b"GET /v1/views/spend/rows/A A",
    b"GET /v1/views/spend/rows/\xc3\xa9",
    b"GET /v1/views/spend/rows",
    b"GET /v1/nothing",
    b"HEAD /v1/views/spend/rows/AA",
    b"DELETE /v1/views/spend/rows/AA",
)
_TIMES = re.compile(rb'(date: [^\r]*|"as_of":"[^"]*"|"staleness_ms":\d+|content-length: \d+)')


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    state = State(tmp_path_factory.mktemp("wire") / "data")
    state.put("spend", {("AA",): spend(), ("BB",): spend(9)})
    state.commit()
    server = Server(state.directory, stale_after_ms=3_600_000)
    server.up().at(state.record.sequence)
    yield server
    server.close()
    state.close()


def read_answer(connection: socket.socket, *, head_only: bool = False) -> bytes:
    """Read one answer, less what changes with the clock."""
    answer = b""
    while b"\r\n\r\n" not in answer and (part := connection.recv(65_536)):
        answer += part
    head, _, body = answer.partition(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", head)
    assert length is not None, answer
    while not head_only and len(body) < int(length[1]):
        body += connection.recv(65_536)
    return _TIMES.sub(b"", head + body)


def alone(server: Server, request: bytes) -> bytes:
    with server.raw(request) as connection:
        return read_answer(connection, head_only=request.startswith(b"HEAD"))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(REQUESTS), st.sampled_from(HEADS), st.integers(0, 30)),
        min_size=1,
        max_size=8,
    )
)
def test_an_answer_does_not_depend_on_what_the_connection_said_before(
    server: Server, said: list[tuple[bytes, bytes, int]]
) -> None:
    connection = server.raw(ROW + HEADS[0])
    read_answer(connection)
    for line, head, cut in said:
        request = line + head
        expected = alone(server, request)
        # In one piece or in two, which the parser alone can put together.
        for part in (request[:cut], request[cut:]) if cut else (request,):
            connection.sendall(part)
        assert read_answer(connection, head_only=line.startswith(b"HEAD")) == expected
        if (
            expected.startswith(b"HTTP/1.1 400 Bad Request\r\n")
            and b"connection: close" in expected
        ):
            connection.close()
            connection = server.raw(ROW + HEADS[0])
            read_answer(connection)
    connection.close()


def test_known_headers_are_no_leave_for_what_follows_them(server: Server) -> None:
    known = HEADS[0]
    row = ROW + known
    with_body = ROW + b" HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\n\r\nbody"
    chunked = (
        ROW + b" HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n"
    )
    last = ROW + b" HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
    for between in (with_body, chunked, row + row, row + row[:9]):
        connection = server.raw(row)
        read_answer(connection)
        connection.sendall(between)
        if between.endswith(row[:9]):
            connection.sendall(row[9:])
        else:
            connection.sendall(row)
        connection.sendall(last)
        answers = read_all(connection).split(b"HTTP/1.1 ")[1:]
        assert all(one.startswith(b"200 OK") for one in answers)
        assert len(answers) == (3 if between in (with_body, chunked) else 4) - (
            1 if between.endswith(row[:9]) else 0
        )


def test_a_body_is_never_taken_for_a_request(server: Server) -> None:
    row = ROW + HEADS[0]
    connection = server.raw(row)
    read_answer(connection)
    connection.sendall(ROW + b" HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % len(row))
    connection.sendall(row)  # the body, which looks like a request whose headers are known
    read_answer(connection)
    connection.sendall(ROW + b" HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
    assert read_all(connection).count(b"HTTP/1.1 200 OK") == 1


def test_rows_that_are_answered_the_short_way_are_counted(server: Server) -> None:
    def counted() -> float:
        text = server.get("/metrics").text
        (line,) = [
            one
            for one in text.splitlines()
            if one.startswith("keyfold_lookup_duration_seconds_count") and 'view="spend"' in one
        ]
        return float(line.rsplit(" ", 1)[1])

    server.get("/v1/views/spend/rows/AA")
    before = counted()
    connection = server.raw(b"")
    for key in itertools.islice(itertools.cycle((b"AA", b"BB")), 10):
        connection.sendall(b"GET /v1/views/spend/rows/" + key + HEADS[1])
        read_answer(connection)
    connection.close()
    assert counted() == before + 10
