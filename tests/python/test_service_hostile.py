"""A hostile gateway behind the service and a hostile client before it: each ends within a stated time, and harms nobody else."""

from __future__ import annotations

import http.client
import json
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import upstream
from conftest import FakeGateway
from service import TEAM, Answer, Replica, precompiled, settings

WRITES = {"name": "write", "arguments": {"title": "t"}}


@pytest.fixture(scope="module")
def code(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The service's machine code."""
    return precompiled(tmp_path_factory.mktemp("service"))


@pytest.fixture
def gateway() -> Iterator[upstream.Server]:
    """A gateway that does as it is told."""
    server = upstream.Server()
    yield server
    server.stop()


Start = Callable[..., Replica]


@pytest.fixture
def start(tmp_path: Path, code: Path) -> Iterator[Start]:
    """Starts a replica; ends it."""
    replicas: list[Replica] = []

    def one(gateway: dict[str, object], **more: str) -> Replica:
        replicas.append(Replica(tmp_path, code, settings({"gw": gateway}, **more), f"replica-{len(replicas)}"))
        return replicas[-1]

    yield one
    for replica in replicas:
        replica.program.stop()


def told(answer: Answer) -> str:
    """The first text of an error result."""
    result = answer.json["result"]
    assert result["isError"] is True, result
    return str(result["content"][0]["text"])


@pytest.mark.parametrize(
    ("misbehave", "kind"),
    [
        (upstream.hangs, "timeout"),
        (upstream.drips, "timeout"),
        (upstream.drips_events, "timeout"),
        (upstream.huge, "limit"),
        (upstream.smuggles, None),
        (upstream.splits, None),
        (upstream.enormous_head, None),
    ],
)
def test_a_call_ends_in_time_and_is_said_to_have_perhaps_run(
    start: Start, gateway: upstream.Server, misbehave: upstream.Misbehave, kind: str | None
) -> None:
    replica = start({"url": gateway.url, "timeout": 3, "limits": {"response_body_bytes": 1_000_000}})
    session = replica.initialize()
    gateway.misbehave = misbehave
    began = time.monotonic()
    answer = replica.legacy(session, "tools/call", WRITES)
    took = time.monotonic() - began
    words = told(answer)
    assert "write may have run; check before calling it again" in words
    assert took < 20, f"{took} s"
    if kind:
        assert f"(error class: {kind})" in words
    gateway.misbehave = None
    assert "done t" in replica.legacy(session, "tools/call", WRITES).text, "the next call is served"


@pytest.mark.parametrize("misbehave", [upstream.hangs, upstream.drips, upstream.huge])
@pytest.mark.parametrize("at", ["initialize", "tools/list"])
def test_what_is_before_a_call_ends_in_time_too(
    start: Start, gateway: upstream.Server, misbehave: upstream.Misbehave, at: str
) -> None:
    replica = start({"url": gateway.url, "timeout": 3, "era": "legacy", "limits": {"response_body_bytes": 1_000_000}})
    session = replica.initialize() if at == "tools/list" else ""
    gateway.at, gateway.misbehave = at, misbehave
    began = time.monotonic()
    if session:
        words = told(replica.legacy(session, "tools/call", WRITES))
        assert "may have run" not in words, words
    else:
        answer = replica.post({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {}})
        words = answer.json["error"]["data"]["class"]
    assert ("limit" if misbehave is upstream.huge else "timeout") in words
    assert time.monotonic() - began < 20
    assert not gateway.ran


def raw(replica: Replica, sent: bytes, seconds: float = 20) -> bytes:
    """What comes back of these bytes, to the end of the connection."""
    with socket.create_connection(("127.0.0.1", replica.port), timeout=seconds) as connection:
        connection.sendall(sent)
        back = b""
        try:
            while part := connection.recv(65536):
                back += part
                if b"\r\n\r\n" in back and b"Content-Length" not in back.split(b"\r\n\r\n")[0].title():
                    continue
        except (TimeoutError, ConnectionError):
            pass
        return back


def head(replica: Replica, token: str, *more: str) -> bytes:
    """A request's head."""
    lines = [
        "POST /gw/mcp HTTP/1.1", f"Host: {replica.address}", f"Authorization: Bearer {token}",
        "Content-Type: application/json", "Accept: application/json", *more,
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def test_a_body_that_drips_is_given_up_and_the_others_are_served(start: Start, gateway: upstream.Server) -> None:
    replica = start({"url": gateway.url}, LIMITS=json.dumps({"request_seconds": 2}))
    with socket.create_connection(("127.0.0.1", replica.port), timeout=30) as slow:
        slow.sendall(head(replica, TEAM, "Content-Length: 1000") + b"{")
        began = time.monotonic()
        status = b""
        slow.settimeout(0.2)
        while not status and time.monotonic() - began < 20:
            try:
                slow.sendall(b" ")
                status = slow.recv(1000)
                slow.settimeout(10)
                while b"did not come" not in status and (more := slow.recv(1000)):
                    status += more
            except TimeoutError:
                continue
            except ConnectionError:
                break
            assert replica.ask("GET", "/health").status == 200
        assert b" 408 " in status and b"did not come within 2 s" in status, status
        assert 1 < time.monotonic() - began < 15


def test_who_is_not_let_in_is_told_before_the_body_comes(start: Start, gateway: upstream.Server) -> None:
    replica = start({"url": gateway.url})
    for token, more, status in [
        ("somebody-elses-token", (), b"401"),
        (TEAM, ("Origin: https://evil.example",), b"403"),
        (TEAM, ("Content-Encoding: gzip", "Content-Type: text/plain"), b"415"),
    ]:
        with socket.create_connection(("127.0.0.1", replica.port), timeout=20) as client:
            # Only the head: a service that reads the body first would answer nothing before its time is over.
            client.sendall(head(replica, token, "Content-Length: 5000000", *more))
            began = time.monotonic()
            answer = client.recv(1000)
            assert answer.split()[1] == status, answer
            assert time.monotonic() - began < 10
    assert not gateway.ran


def test_a_client_that_takes_nothing_of_its_answer_is_left(start: Start, fake_gateway: Callable[..., FakeGateway]) -> None:
    fake = fake_gateway("generic", "--services", "big:20000")
    replica = start({"url": fake.url, "timeout": 60}, LIMITS=json.dumps({"answer_seconds": 1}))
    session = replica.initialize()
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}).encode()
    with socket.socket() as idle:
        idle.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        idle.settimeout(60)
        idle.connect(("127.0.0.1", replica.port))
        idle.sendall(head(replica, TEAM, f"Mcp-Session-Id: {session}", f"Content-Length: {len(body)}") + body)
        time.sleep(1)
        assert replica.ask("GET", "/health").status == 200
    assert replica.legacy(session, "ping").status == 200


def test_no_second_request_is_smuggled_behind_a_first(start: Start, gateway: upstream.Server) -> None:
    replica = start({"url": gateway.url})
    session = replica.initialize()
    call = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": WRITES})
    inner = head(replica, TEAM, f"Mcp-Session-Id: {session}", f"Content-Length: {len(call)}").decode() + call
    ping = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "ping"})
    for framing in (
        ("Content-Length: 5", f"Content-Length: {len(ping)}"),
        ("Content-Length: 5, 6",),
        ("Transfer-Encoding: chunked, identity",),
        ("Transfer-Encoding: xchunked",),
        ("Content-Length: +5",),
        ("Content-Length: 0x5",),
    ):
        sent = head(replica, TEAM, f"Mcp-Session-Id: {session}", "Connection: close", *framing) + ping.encode() + inner.encode()
        back = raw(replica, sent, 5)
        assert back.count(b"HTTP/1.1 ") <= 1, (framing, back)
    # Both framings at once: what is in the body of the first is no request, whichever of them wins.
    chunked = f"{len(inner):x}\r\n{inner}\r\n0\r\n\r\n".encode()
    raw(replica, head(replica, TEAM, "Connection: close", "Content-Length: 4", "Transfer-Encoding: chunked") + chunked, 5)
    assert not gateway.ran, "a call within a body ran"
    assert replica.legacy(session, "ping").status == 200


def test_a_hundred_clients_that_hang_keep_nobody_from_being_served(start: Start, gateway: upstream.Server) -> None:
    replica = start({"url": gateway.url}, LIMITS=json.dumps({"request_seconds": 5}))
    session = replica.initialize()
    idle = []
    for _ in range(100):
        one = socket.create_connection(("127.0.0.1", replica.port), timeout=20)
        one.sendall(head(replica, TEAM, f"Mcp-Session-Id: {session}", "Content-Length: 100") + b"{")
        idle.append(one)
    try:
        assert "done t" in replica.legacy(session, "tools/call", WRITES).text
    finally:
        for one in idle:
            one.close()


def test_a_replayed_message_of_another_client_or_path_runs_nothing(start: Start, gateway: upstream.Server) -> None:
    clients = {"team": {"token": "${TEAM_TOKEN}"}, "other": {"token": "${OTHER}"}}
    replica = start({"url": gateway.url}, CLIENTS=json.dumps(clients), OTHER="other-token-0123456789")
    session = replica.initialize()
    assert replica.legacy(session, "tools/call", WRITES, token="other-token-0123456789").status == 404
    for path in ("/gw/mcp/", "//gw/mcp", "/gw/../gw/mcp", "/gw%2fmcp", "/GW/mcp"):
        try:
            assert replica.legacy(session, "tools/call", WRITES, path=path).status == 404, path
        except http.client.HTTPException:
            pass
    assert not gateway.ran
