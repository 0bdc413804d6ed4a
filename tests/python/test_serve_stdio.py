"""`serve` over stdio, driven as clients drive it: odd lines, many calls at once, pauses, storms, the end.

The gateways are those of `cases/`, with one thing changed.
"""

from __future__ import annotations

import collections
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
from cases.peer import Peer, event, http, notice, text, tool
from cases.server import Ends, Reply, Request, Server
from stdio import Serve, until

Start = Callable[..., tuple[Peer, Serve]]


@pytest.fixture
def start(tmp_path: Path, shared_cache: Path) -> Iterator[Start]:
    """Start a peer, and a `serve` for it; both end with the test."""
    server = Server()
    started: list[Serve] = []

    def one(case: type[Peer], begin: bool = True, **entry: Any) -> tuple[Peer, Serve]:
        peer = case()
        server.host(f"serve/{len(started)}", peer)
        home = tmp_path / f"home-{len(started)}"
        started.append(Serve(home, {"url": peer.url, "timeout": 20, **entry}, shared_cache, begin))
        return peer, started[-1]

    yield one
    for serve in started:
        serve.close()
    server.close()


def line(id: Any, method: str, **params: Any) -> bytes:
    """A request as a line."""
    return json.dumps({"jsonrpc": "2.0", "id": id, "method": method, "params": params}).encode() + b"\n"


@pytest.mark.parametrize(
    ("sent", "id"),
    [
        (line(101, "ping").replace(b"\n", b"\r\n"), 101),
        (b"\n\n  \n" + line(102, "ping"), 102),
        (line("abc", "ping"), "abc"),
        (line("7", "ping"), "7"),
        (line(9007199254740993, "ping"), 9007199254740993),
        (b'{"jsonrpc":"2.0","id":103,"method":"tools/list"}\n', 103),
        (b'{"jsonrpc":"2.0","id":104,"method":"tools/list","params":null}\n', 104),
        (b'{"jsonrpc":"2.0","method":"notifications/roots/list_changed"}\n' + line(105, "ping"), 105),
        (line(106, "tools/call", name="note__add"), 106),
        (line(107, "tools/call", name="note__add", arguments=None), 107),
    ],
)
def test_an_odd_line_is_understood(sent: bytes, id: Any, start: Start) -> None:
    _, serve = start(Peer)
    serve.send(sent)
    assert "result" in serve.wait(id)


@pytest.mark.parametrize(
    ("sent", "id", "code"),
    [
        (b"not json\n", None, -32700),
        (b'{"jsonrpc":"2.0","id":111,"method":\n', None, -32700),
        (line(112, "tools/call", name="note__add", arguments=[1]), 112, -32602),
        (line(113, "no/such"), 113, -32601),
    ],
)
def test_a_wrong_line_is_refused_and_the_next_one_is_answered(sent: bytes, id: Any, code: int, start: Start) -> None:
    peer, serve = start(Peer)
    serve.send(sent)
    assert serve.wait(id)["error"]["code"] == code
    assert "result" in serve.ask("ping")
    assert peer.ran == 0


def test_digits_of_arguments_reach_the_tool_as_they_were_written(start: Start) -> None:
    peer, serve = start(Peer)
    serve.send(
        b'{"jsonrpc":"2.0","id":120,"method":"tools/call","params":{"name":"note__add",'
        b'"arguments":{"a":25000000000000000001,"b":1.0,"c":-0.0,"d":1e2,"e":0.10}}}\n'
    )
    assert "result" in serve.wait(120)
    sent = next(request.body for request in peer.seen if request.rpc == "tools/call")
    assert b'{"a":25000000000000000001,"b":1.0,"c":-0.0,"d":1e2,"e":0.10}' in sent


class OutOfOrder(Peer):
    """Answers late, and every second call by an event stream."""

    tools: ClassVar[list[dict[str, Any]]] = [tool("echo", annotations={"readOnlyHint": True})]

    def call(self, request: Request) -> Reply:
        number = request.params["arguments"]["n"]
        answer = self.message(request, text(str(number)))
        whole = (
            self.stream(event(answer)) if number % 2 else http(200, ("Content-Type", "application/json"), body=answer)
        )
        assert isinstance(whole, bytes)
        return [0.05 * ((40 - number) % 7), whole]


def test_forty_calls_at_once_get_each_its_own_answer(start: Start) -> None:
    peer, serve = start(OutOfOrder)
    ids = {number: serve.start("tools/call", {"name": "echo", "arguments": {"n": number}}) for number in range(40)}
    for number, id in ids.items():
        assert serve.wait(id)["result"]["content"][0]["text"] == str(number)
    assert peer.ran == 40
    used = collections.Counter(
        (request.header("mcp-session-id"), request.id)
        for request in peer.seen
        if request.id is not None and request.rpc
    )
    assert [key for key, times in used.items() if key[0] and times > 1] == [], "an id was used twice in one session"
    assert max(id for _, id in used) < 2**31


class ClosesWhenIdle(Peer):
    """Closes a connection that was idle for 0.1 s, without saying so."""

    idle = 0.1


def test_pauses_between_calls_do_no_harm_where_idle_connections_are_closed(start: Start) -> None:
    peer, serve = start(ClosesWhenIdle)
    for number in range(4):
        time.sleep(0.4)
        assert "added" in serve.call("note__add", {"text": str(number)})["result"]["content"][0]["text"]
    assert peer.ran == 4


class Storm(Peer):
    """Tells five hundred times during one call that its tools changed."""

    def hello(self) -> dict[str, Any]:
        return super().hello() | {"capabilities": {"tools": {"listChanged": True}}}

    def call(self, request: Request) -> Reply:
        return self.stream(event(notice("notifications/tools/list_changed")) * 500, self.answered(request))


def test_a_storm_of_changes_is_told_once(start: Start) -> None:
    peer, serve = start(Storm)
    serve.ask("tools/list")
    lists = sum(request.rpc == "tools/list" for request in peer.seen)
    assert "result" in serve.call("note__add")
    assert until(lambda: serve.told)
    time.sleep(1)
    assert [message["method"] for message in serve.told] == ["notifications/tools/list_changed"]
    assert sum(request.rpc == "tools/list" for request in peer.seen) - lists <= 2


class Silent(Peer):
    """Never answers a call."""

    def call(self, request: Request) -> Reply:
        return Ends.SILENCE


def test_a_call_that_is_cancelled_is_cancelled_at_the_gateway(start: Start) -> None:
    peer, serve = start(Silent)
    id = serve.start("tools/call", {"name": "note__add", "arguments": {}})
    assert until(lambda: peer.ran == 1)
    serve.send({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": id}})
    assert until(lambda: any(request.rpc == "notifications/cancelled" for request in peer.seen))
    called, told = (
        next(request for request in peer.seen if request.rpc == rpc)
        for rpc in ("tools/call", "notifications/cancelled")
    )
    assert told.params["requestId"] == called.id
    assert told.header("mcp-session-id") == called.header("mcp-session-id")
    assert "result" in serve.ask("ping")


def test_the_end_of_stdin_during_a_call_ends_it_and_tells_the_gateway(start: Start) -> None:
    peer, serve = start(Silent)
    serve.start("tools/call", {"name": "note__add", "arguments": {}})
    assert until(lambda: peer.ran == 1)
    assert serve.close() == 0
    assert any(request.rpc == "notifications/cancelled" for request in peer.seen)
    assert any(request.verb == "DELETE" for request in peer.seen)
    assert peer.ran == 1


def test_a_call_that_times_out_says_both_places_of_the_setting(start: Start) -> None:
    peer, serve = start(Silent, timeout=2)
    answer = serve.call("note__add")["result"]
    assert answer["isError"] is True
    said = answer["content"][0]["text"]
    assert "may have run" in said
    assert "again" not in said.replace("before calling it again", "")
    assert '"timeout"' in said
    assert peer.ran == 1
