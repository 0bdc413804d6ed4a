"""The service beyond one machine: the gateway component behind front, bridge and egress, on engines that exist.

Three replicas share nothing but their settings. The gateways behind them are imitations that count what they are asked.
"""

from __future__ import annotations

import base64
import http.client
import json
import os
import re
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import upstream
from conftest import WORKFLOWS, FakeGateway, Pflow, needed
from processes import Program, free_port
from service import CANARY, MODERN, TEAM, Replica, bearer, precompiled, settings


@pytest.fixture(scope="session")
def code(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The service's machine code."""
    return precompiled(tmp_path_factory.mktemp("service"))


Start = Callable[..., Replica]


@pytest.fixture
def start(tmp_path: Path, code: Path) -> Iterator[Start]:
    """Starts replicas; ends those that are left."""
    replicas: list[Replica] = []

    def one(variables: dict[str, str]) -> Replica:
        replica = Replica(tmp_path, code, variables, f"replica-{len(replicas)}")
        replicas.append(replica)
        return replica

    yield one
    for replica in replicas:
        replica.program.stop()


Fake = Callable[..., FakeGateway]


def names(answer: Any) -> list[str]:
    """Tools of a list."""
    return [tool["name"] for tool in answer.json["result"]["tools"]]


def text(answer: Any) -> str:
    """The first text of a call's result."""
    return str(answer.json["result"]["content"][0]["text"])


def test_both_eras_list_and_call_through_a_gateway_of_the_other(start: Start, fake_gateway: Fake) -> None:
    old, new = fake_gateway("generic", "--bearer", CANARY), fake_gateway("generic", "--era", "modern")
    replica = start(
        settings({"gw": bearer(old.url), "new": {"url": new.url, "trust": "claims"}}, GW_TOKEN=CANARY)
    )
    session = replica.initialize()
    assert replica.legacy(session, "ping").json["result"] == {}
    note = {"jsonrpc": "2.0", "method": "notifications/initialized"}
    assert replica.post(note, Mcp_Session_Id=session).status == 202
    listed = names(replica.legacy(session, "tools/list"))
    assert "github__create_issue" in listed and listed == sorted(listed)
    arguments = {"name": "lab__echo", "arguments": {"text": "hello"}}
    assert "hello" in replica.legacy(session, "tools/call", arguments).text

    discovered = replica.modern("server/discover").json["result"]
    assert (discovered["supportedVersions"], discovered["resultType"]) == ([MODERN], "complete")
    assert names(replica.modern("tools/list")) == listed
    called = replica.modern("tools/call", arguments)
    assert "hello" in called.text and called.json["result"]["resultType"] == "complete"

    over = replica.initialize(path="/new/mcp")
    assert names(replica.legacy(over, "tools/list", path="/new/mcp")) == listed
    assert "hello" in replica.legacy(over, "tools/call", arguments, path="/new/mcp").text


def test_arguments_that_travel_as_headers_are_checked_here_and_sent_on(start: Start) -> None:
    """`Mcp-Param-*` of 2026-07-28: what the tool's schema marks with `x-mcp-header`."""
    schema = {"type": "object", "properties": {"title": {"type": "string", "x-mcp-header": "Title"}}}
    server = upstream.Server()
    server.modern, server.tools = True, [{"name": "write", "inputSchema": schema}]
    try:
        replica = start(settings({"gw": {"url": server.url}}))
        [tool] = replica.modern("tools/list").json["result"]["tools"]
        assert tool["inputSchema"] == schema
        arguments = {"name": "write", "arguments": {"title": "Zürich"}}
        for told in ({}, {"Mcp_Param_Title": "Genf"}, {"Mcp_Param_Title": "=?base64?%%?="}):
            refused = replica.modern("tools/call", arguments, **told)
            assert (refused.status, refused.json["error"]["code"]) == (400, -32020), refused.text
            assert "Mcp-Param-Title" in refused.json["error"]["message"]
        assert not server.ran
        coded = f"=?base64?{base64.b64encode('Zürich'.encode()).decode()}?="
        called = replica.modern("tools/call", arguments, Mcp_Param_Title=coded, Mcp_Param_Other="x")
        assert text(called) == "done Zürich"
        assert replica.modern("tools/call", {"name": "write", "arguments": {}}).status == 200
        assert [heard.get("mcp-param-title") for heard in server.heard] == [coded, None]
        assert not any("mcp-param-other" in heard for heard in server.heard)
        # A client of the eras before knows no such headers; the gateway is sent them all the same.
        session = replica.initialize()
        assert "done b" in replica.legacy(session, "tools/call", {"name": "write", "arguments": {"title": "b"}}).text
        assert server.heard[-1]["mcp-param-title"] == "b"
    finally:
        server.stop()


def test_a_gateway_without_sessions_is_asked_once_by_each_instance_how_it_speaks(tmp_path: Path, code: Path) -> None:
    server = upstream.Server()
    server.modern, server.at = True, "server/discover"
    asked: list[str] = []

    def count(_: upstream.Handler, message: dict[str, Any]) -> bool:
        asked.append(message["method"])
        return False

    server.misbehave = count
    replica = Replica(tmp_path, code, settings({"gw": {"url": server.url}}), "kept", 0, "--max-instance-reuse-count", "100")
    try:
        for _ in range(5):
            assert text(replica.modern("tools/call", {"name": "read", "arguments": {"title": "x"}})) == "done x"
        assert len(asked) == 1 and server.ran["read", "x"] == 5
        # It was exchanged for one that knows the eras before only: the call that finds out says so, and the next one runs.
        server.modern = False
        replica.modern("tools/call", {"name": "read", "arguments": {"title": "y"}})
        assert text(replica.modern("tools/call", {"name": "read", "arguments": {"title": "z"}})) == "done z"
    finally:
        replica.program.stop()
        server.stop()


def test_a_session_ends_at_the_gateway_when_the_client_ends_it(start: Start, fake_gateway: Fake) -> None:
    fake = fake_gateway("generic")
    replica = start(settings({"gw": {"url": fake.url}}))
    session = replica.initialize()
    ended = replica.ask("DELETE", "/gw/mcp", headers={"Authorization": f"Bearer {TEAM}", "Mcp-Session-Id": session})
    assert ended.status == 204, ended.text
    assert [request["method"] for request in fake.requests()][-1] == "DELETE"
    # A request that stands for itself leaves no session behind either.
    before = len(fake.requests())
    assert replica.modern("tools/list").status == 200
    assert [request["method"] for request in fake.requests()][before:][-1] == "DELETE"


def test_progress_comes_while_the_call_runs(start: Start, fake_gateway: Fake) -> None:
    fake = fake_gateway("generic", "--framing", "sse")
    replica = start(settings({"gw": {"url": fake.url}}))
    session = replica.initialize()
    connection = http.client.HTTPConnection("127.0.0.1", replica.port, timeout=60)
    params = {"name": "lab__steps", "arguments": {"steps": 3, "seconds": 3}, "_meta": {"progressToken": "p-1"}}
    message = json.dumps({"jsonrpc": "2.0", "id": 9, "method": "tools/call", "params": params})
    headers = {
        "Authorization": f"Bearer {TEAM}",
        "Content-Type": "application/json",
        "Accept": "application/json, text/event-stream",
        "Mcp-Session-Id": session,
    }
    connection.request("POST", "/gw/mcp", message, headers)
    response = connection.getresponse()
    assert response.getheader("Content-Type") == "text/event-stream"
    seen: list[tuple[float, Any]] = []
    for line in response:
        if line.startswith(b"data: "):
            seen.append((time.monotonic(), json.loads(line[6:])))
    connection.close()
    progress = [event["params"] for _, event in seen if event.get("method") == "notifications/progress"]
    assert [one["progress"] for one in progress] == [1, 2, 3]
    assert {one["progressToken"] for one in progress} == {"p-1"}
    assert seen[-1][1]["id"] == 9 and "result" in seen[-1][1]
    # Not in one piece at the end: the first came well before the last.
    assert seen[-1][0] - seen[0][0] > 0.5


def test_log_messages_come_to_a_modern_client_that_asks_for_them(start: Start, fake_gateway: Fake) -> None:
    fake = fake_gateway("generic", "--framing", "sse")
    replica = start(settings({"gw": {"url": fake.url}}))
    level = {"io.modelcontextprotocol/logLevel": "debug"}
    call = {"name": "lab__say", "arguments": {"text": "spoken", "steps": 2}}
    heard = replica.modern("tools/call", call | {"_meta": level}).events
    assert [event.get("method") for event in heard].count("notifications/message") >= 1, heard
    assert heard[-1]["id"] == 7
    assert "event" not in replica.modern("tools/call", call).headers["content-type"], "who asks for nothing gets JSON"


def test_every_replica_serves_a_session_and_a_killed_one_runs_nothing_twice(start: Start) -> None:
    fake = upstream.Server(seconds=0.03)
    variables = settings({"gw": {"url": fake.url}})
    replicas = [start(variables) for _ in range(3)]
    session = replicas[0].initialize()
    outcomes: list[str] = []
    lock = threading.Lock()
    half = threading.Event()

    def work(start_at: int) -> None:
        for number in range(start_at, start_at + 40):
            # No two calls are the same: what ran twice is seen.
            arguments = {"name": "write", "arguments": {"title": f"{start_at}-{number}"}}
            try:
                answer = replicas[number % 3].legacy(session, "tools/call", arguments)
                result = answer.json["result"]
                good = not result.get("isError", False)
                kind = "ran" if good else text(answer)
            except (OSError, http.client.HTTPException) as error:
                kind = f"broken: {error}"
            with lock:
                outcomes.append(kind)
                if len(outcomes) == 40:
                    half.set()

    workers = [threading.Thread(target=work, args=(at,)) for at in range(3)]
    for worker in workers:
        worker.start()
    assert half.wait(120)
    replicas[1].program.process.kill()
    for worker in workers:
        worker.join(120)
    fake.stop()
    called = sum(fake.ran.values())
    ran = outcomes.count("ran")
    broken = [one for one in outcomes if one.startswith("broken")]
    assert len(outcomes) == 120
    assert fake.initialized == 1, "one session, made by one replica, used by all"
    assert set(fake.ran.values()) == {1}, "none ran twice"
    assert ran + len(broken) == 120, outcomes
    assert broken and ran >= 40 + 2 * 20
    # What the killed one had on its way may have run; nothing ran twice, and nothing was said to have run that did not.
    assert ran <= called <= 120
    assert called - ran <= 3, "three workers had at most three calls on their way"


# Failures of a call, some of which say that it ran, some that it did not, and some that nobody knows.
FAULTS = [
    "auth-401-at-call",
    "auth-403-at-call",
    "backend-401-code-0",
    "backend-ambiguous-text",
    "backend-error-32603",
    "backend-timeout-text",
    "call-500",
    "call-502",
    "call-504",
    "call-broken-json",
    "call-closed",
    "call-html",
    "call-never-answered",
    "call-reset",
    "call-reset-mid-answer",
    "call-reset-read-only",
    "call-stream-ends",
    "call-unknown-error",
    "rate-429-at-call",
]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_failure_says_of_delivery_what_serve_says(
    start: Start, fake_gateway: Fake, pflow: Pflow, fault: str
) -> None:
    fake = fake_gateway("fault", fault)
    tool = "github__list_issues" if fault.endswith("read-only") else "github__create_issue"
    arguments = {"repo": "a/b"} if fault.endswith("read-only") else {"repo": "a/b", "title": "t"}
    gateway = {"url": fake.url, "timeout": 3}
    replica = start(settings({"gw": gateway}))
    session = replica.initialize()
    before = len(fake.requests("tools/call"))
    result = replica.legacy(session, "tools/call", {"name": tool, "arguments": arguments}).json["result"]
    assert result["isError"] is True, result
    told = result["content"][0]["text"]
    assert len(fake.requests("tools/call")) - before <= 1, "it was made once"
    pflow.configure({"gw": {"command": "x", "args": [], "gateway": gateway}})
    done = pflow.program(needed("PFLOW_GATEWAY_BIN"), "call", "gw", tool, "--args", json.dumps(arguments), "--json")
    error = json.loads(done.stdout)["error"]
    hint = error["hint"] or ""
    assert f"(error class: {error['class']})" in told, (told, error)
    for sentence in (
        f"{tool} may have run; check before calling it again. It is not marked read-only or idempotent, so it was not repeated",
        f"{tool} only reads: it can be called again",
    ):
        assert (sentence in told) == (sentence in hint), (told, error)
    if "may have run" in told:
        assert not any(advice in told.lower() for advice in ("try again", "retry", "again later")), told


def test_what_was_not_delivered_is_not_said_to_have_run(start: Start, fake_gateway: Fake) -> None:
    fake = fake_gateway("generic")
    replica = start(settings({"gw": {"url": fake.url, "timeout": 5}}))
    session = replica.initialize()
    fake.program.stop()
    told = text(replica.legacy(session, "tools/call", {"name": "github__create_issue", "arguments": {}}))
    assert "may have run" not in told and "(error class: unreachable)" in told, told


def test_a_session_that_the_gateway_lost_is_renewed_within_the_request(start: Start, fake_gateway: Fake) -> None:
    fake = fake_gateway("generic")
    replica = start(settings({"gw": {"url": fake.url}}))
    session = replica.initialize()
    fake.order(do="lose-sessions")
    answer = replica.legacy(session, "tools/call", {"name": "lab__echo", "arguments": {"text": "again"}})
    assert "again" in text(answer)
    assert len(fake.requests("tools/call")) == 1
    # The session that was made for this one request is not left behind.
    assert fake.requests()[-1]["method"] == "DELETE"


def test_a_session_id_opens_only_what_it_was_sealed_for(start: Start, fake_gateway: Fake) -> None:
    fake = fake_gateway("generic")
    other_token = "other-token-0123456789"
    clients = {"team": {"token": "${TEAM_TOKEN}"}, "other": {"token": "${OTHER_TOKEN}"}}
    variables = settings(
        {"gw": {"url": fake.url}, "second": {"url": fake.url}},
        CLIENTS=json.dumps(clients),
        OTHER_TOKEN=other_token,
    )
    replica = start(variables)
    session = replica.initialize()
    assert replica.legacy(session, "ping").status == 200
    assert replica.legacy(session, "ping", token=other_token).status == 404, "somebody else's"
    assert replica.legacy(session, "ping", path="/second/mcp").status == 404, "another gateway's"
    flipped = session[:-4] + ("AAAA" if session[-4:] != "AAAA" else "BBBB")
    made_up = base64.urlsafe_b64encode(secrets.token_bytes(200)).decode().rstrip("=")
    for forged in (flipped, made_up, session[:40], "x", session + "A"):
        answer = replica.legacy(forged, "ping")
        assert (answer.status, answer.json["error"]["code"]) == (404, -32001), forged
    note = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
    assert replica.post(note).status == 400, "none at all"


def test_a_rotated_key_still_opens_and_a_dropped_one_does_not(start: Start, fake_gateway: Fake) -> None:
    fake = fake_gateway("generic")
    old, new = secrets.token_hex(32), base64.b64encode(secrets.token_bytes(32)).decode()
    gateways = {"gw": {"url": fake.url}}
    before = start(settings(gateways, SESSION_KEYS=old))
    between = start(settings(gateways, SESSION_KEYS=f"{new},{old}"))
    after = start(settings(gateways, SESSION_KEYS=new))
    session = before.initialize()
    assert between.legacy(session, "ping").status == 200
    assert after.legacy(session, "ping").status == 404, "a session of the key that was given up is replayed"
    assert after.legacy(between.initialize(), "ping").status == 200
    assert before.legacy(between.initialize(), "ping").status == 404


def test_who_is_not_known_does_not_come_in(start: Start, fake_gateway: Fake) -> None:
    fake = fake_gateway("generic")
    replica = start(settings({"gw": {"url": fake.url}}))
    message = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {}}
    none = replica.post(message, token=None)
    assert (none.status, none.headers["www-authenticate"]) == (401, 'Bearer realm="pflow-gateway"')
    wrong = replica.post(message, token=TEAM[:-1] + "8")
    assert wrong.status == 401 and 'error="invalid_token"' in wrong.headers["www-authenticate"]
    assert replica.post(message, Host="evil.example").status == 421
    assert replica.post(message, Host=f"localhost:{replica.port}").status == 200
    assert replica.post(message, Origin="https://evil.example").status == 403
    assert replica.post(message, Origin=f"http://localhost:{replica.port}").status == 200
    assert replica.post(message, path="/nothing/mcp").status == 404
    basic = {"Authorization": f"Basic {TEAM}", "Content-Type": "application/json"}
    assert replica.ask("POST", "/gw/mcp", b"{}", basic).status == 401
    assert len(fake.requests("initialize")) == 2, "the two that were let in"


def test_what_is_too_large_or_no_message_is_refused_and_the_next_is_served(start: Start, fake_gateway: Fake) -> None:
    fake = fake_gateway("generic")
    replica = start(settings({"gw": {"url": fake.url}}))
    session = replica.initialize()
    large = replica.legacy(session, "tools/call", {"name": "lab__echo", "arguments": {"text": "x" * (9 * 1024 * 1024)}})
    assert large.status == 413
    headers = {"Authorization": f"Bearer {TEAM}", "Content-Type": "application/json", "Mcp-Session-Id": session}
    for body, status, error in (
        (b"{", 400, -32700),
        (b"[]", 400, -32600),
        (b'{"jsonrpc": "1.0", "id": 1, "method": "ping"}', 400, -32600),
        (b'{"jsonrpc": "2.0", "id": {}, "method": "ping"}', 400, -32600),
        (b"\xff", 400, -32700),
        (b"[" * 100_000, 400, -32600),
        (b'{"jsonrpc": "2.0", "id": 1, "method": "ping", "params": [1]}', 400, -32602),
    ):
        answer = replica.ask("POST", "/gw/mcp", body, headers)
        assert (answer.status, answer.json["error"]["code"]) == (status, error), body[:50]
    many = {f"X-{number}": "y" for number in range(200)}
    assert replica.ask("POST", "/gw/mcp", b"{}", headers | many).status == 431
    assert replica.ask("POST", "/gw/mcp", b"{}", headers | {"Content-Type": "text/plain"}).status == 415
    assert replica.ask("GET", "/gw/mcp", headers=headers).status == 405
    assert replica.legacy(session, "no/such").json["error"]["code"] == -32601
    assert replica.legacy(session, "tools/call", {"name": "no_such"}).json["error"]["code"] == -32602
    assert replica.legacy(session, "ping").status == 200


def test_a_modern_header_that_contradicts_its_message_is_refused(start: Start, fake_gateway: Fake) -> None:
    fake = fake_gateway("generic")
    replica = start(settings({"gw": {"url": fake.url}}))
    call = {"name": "lab__echo", "arguments": {"text": "x"}}
    for headers in ({"Mcp_Method": "tools/list"}, {"Mcp_Name": "github__create_issue"}, {"MCP_Protocol_Version": "2025-06-18"}):
        answer = replica.modern("tools/call", call, **headers)
        assert (answer.status, answer.json["error"]["code"]) == (400, -32020), headers
    later = {"_meta": {"io.modelcontextprotocol/protocolVersion": "2031-01-01"}}
    answer = replica.modern("tools/list", later, MCP_Protocol_Version="2031-01-01")
    assert (answer.status, answer.json["error"]["code"]) == (400, -32022)
    assert answer.json["error"]["data"]["supported"] == [MODERN]
    assert replica.modern("prompts/list").status == 404
    assert fake.requests("tools/call") == []


def test_each_client_is_shown_its_own_services_and_can_call_no_other(start: Start, fake_gateway: Fake) -> None:
    fake = fake_gateway("generic")
    other = "other-token-0123456789"
    declared = {"services": {"declare": ["github=github__", "slack=slack__", "lab=lab__"]}}
    clients = {
        "team": {"token": "${TEAM_TOKEN}", "services": ["github"], "tools": {"exclude": ["*_delete_*"]}},
        "other": {"token": "${OTHER_TOKEN}", "gateways": ["elsewhere"]},
    }
    variables = settings(
        {"gw": {"url": fake.url} | declared, "elsewhere": {"url": fake.url}},
        CLIENTS=json.dumps(clients),
        OTHER_TOKEN=other,
    )
    replica = start(variables)
    session = replica.initialize()
    shown = names(replica.legacy(session, "tools/list"))
    assert shown and all(name.startswith("github__") and "_delete_" not in name for name in shown)
    for hidden in ("slack__post_message", "github__delete_branch"):
        answer = replica.legacy(session, "tools/call", {"name": hidden, "arguments": {}})
        assert answer.json["error"]["message"] == f"Unknown tool: {hidden}"
    assert fake.requests("tools/call") == []
    assert replica.post({"jsonrpc": "2.0", "id": 1, "method": "initialize"}, token=other).status == 404


def test_pages_of_a_large_catalogue_hold_every_tool_once(start: Start, fake_gateway: Fake) -> None:
    fake = fake_gateway("generic", "--services", "big:2300", "--page", "500")
    replica = start(settings({"gw": {"url": fake.url, "timeout": 60}}))
    session = replica.initialize()
    seen: list[str] = []
    cursor: str | None = None
    sizes = []
    while True:
        answer = replica.legacy(session, "tools/list", {"cursor": cursor} if cursor else {})
        sizes.append(len(names(answer)))
        seen += names(answer)
        cursor = answer.json["result"].get("nextCursor")
        if cursor is None:
            break
    assert sizes == [1000, 1000, 300] and len(set(seen)) == 2300
    wrong = replica.legacy(session, "tools/list", {"cursor": "?"})
    assert wrong.json["error"]["code"] == -32602


def test_a_glob_that_is_none_is_told_before_anybody_asks(start: Start) -> None:
    replica = start(settings({"gw": {"url": "http://127.0.0.1:9/mcp", "tools": {"exclude": ["[a"]}}}))
    ready = replica.ask("GET", "/ready")
    assert ready.status == 503 and 'GATEWAYS.gw: the pattern "[a" is none' in ready.json["problem"], ready.text


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"GATEWAYS": ""}, "GATEWAYS is not set"),
        ({"GATEWAYS": "{"}, "GATEWAYS is not valid JSON: line 1, column 1"),
        ({"GATEWAYS": '{"gw": {"url": "http://127.0.0.1:9/mcp", "knid": "docker"}}'}, "GATEWAYS.gw.knid is not known → there are url"),
        ({"CLIENTS": ""}, "CLIENTS is not set"),
        ({"TEAM_TOKEN": ""}, "CLIENTS.team.token points to TEAM_TOKEN, which is not set → give the service the variable TEAM_TOKEN"),
        ({"TEAM_TOKEN": "short"}, "CLIENTS.team.token is shorter than 16 characters"),
        ({"LIMITS": '{"request_seconds": 0}'}, "LIMITS.request_seconds must be a whole number from 1 to 600"),
        ({"SESSION_KEYS": ""}, "SESSION_KEYS is not set"),
        ({"SESSION_KEYS": "abc"}, "SESSION_KEYS[0] is not 32 bytes in hex or base64 → make one with: openssl rand -hex 32"),
    ],
)
def test_wrong_settings_are_told_with_their_member_and_the_remedy(start: Start, changes: dict[str, str], says: str) -> None:
    variables = settings({"gw": {"url": "http://127.0.0.1:9/mcp"}}) | changes
    replica = start({name: value for name, value in variables.items() if value})
    ready = replica.ask("GET", "/ready")
    assert ready.status == 503 and ready.json["problem"].startswith(says), ready.text
    first = replica.post({"jsonrpc": "2.0", "id": 1, "method": "initialize"})
    assert first.status == 503 and says in first.json["error"]["message"]
    assert replica.ask("GET", "/health").status == 200, "it lives all the same"


def test_a_credential_that_is_missing_is_told_and_the_other_gateways_work(start: Start, fake_gateway: Fake) -> None:
    fake = fake_gateway("generic")
    replica = start(settings({"gw": bearer(fake.url), "open": {"url": fake.url}}))
    answer = replica.post({"jsonrpc": "2.0", "id": 1, "method": "initialize"})
    assert "GATEWAYS.gw.auth.token points to GW_TOKEN, which is not set" in answer.json["error"]["message"]
    assert replica.initialize(path="/open/mcp")
    ready = replica.ask("GET", "/ready")
    assert ready.status == 503 and ready.json["problem"].startswith("GATEWAYS.gw.auth.token points to GW_TOKEN")


def test_a_credential_is_in_no_answer_and_no_log(start: Start, fake_gateway: Fake, tmp_path: Path) -> None:
    fake = fake_gateway("generic", "--bearer", CANARY)
    replica = start(settings({"gw": bearer(fake.url)}, GW_TOKEN=CANARY))
    session = replica.initialize()
    coded = base64.b64encode(CANARY.encode()).decode()
    said = []
    for echo in (CANARY, quote(CANARY, safe=""), coded):
        called = replica.legacy(session, "tools/call", {"name": "lab__echo", "arguments": {"text": f"<{echo}>"}})
        said.append(called.text)
        assert "***" in called.text, called.text
    said += [replica.legacy(session, "tools/list").text, replica.ask("GET", "/ready").text]
    token = {"Authorization": f"Bearer {TEAM}"}
    said += [replica.ask("GET", "/ready", headers=token).text, replica.ask("GET", "/metrics", headers=token).text]
    fake.order(do="rotate", token="another")
    refused = replica.legacy(session, "tools/call", {"name": "lab__echo", "arguments": {"text": "x"}})
    assert "auth_required" in refused.text, refused.text
    said += [refused.text, replica.program.log.read_text(encoding="utf-8")]
    for one in said:
        for secret in (CANARY, quote(CANARY, safe=""), coded[:-4], TEAM):
            assert secret not in one


def test_its_own_pages_say_how_it_is_and_ask_nobody_without_a_token(start: Start, fake_gateway: Fake) -> None:
    fake = fake_gateway("generic")
    replica = start(settings({"gw": {"url": fake.url, "trust": "claims"}}))
    assert "/NAME/mcp" in replica.ask("GET", "/").text
    assert replica.ask("GET", "/health").json["status"] == "ok"
    assert replica.ask("GET", "/ready").json == {"ready": True}
    assert "gateway=" not in replica.ask("GET", "/metrics").text
    assert fake.requests() == [], "without a token nobody makes it ask"
    token = {"Authorization": f"Bearer {TEAM}"}
    ready = replica.ask("GET", "/ready", headers=token)
    assert ready.status == 200 and ready.json["gateways"][0]["ok"] is True
    assert {one["name"] for one in ready.json["gateways"][0]["services"]} == {"github", "slack", "lab"}
    metrics = replica.ask("GET", "/metrics", headers=token)
    assert metrics.headers["content-type"].startswith("application/openmetrics-text")
    assert 'pflow_gateway_up{gateway="gw"} 1\n' in metrics.text and metrics.text.endswith("# EOF\n")
    fake.program.stop()
    gone = replica.ask("GET", "/ready", headers=token)
    assert (gone.status, gone.json["gateways"][0]["error"]["class"]) == (503, "unreachable")
    assert replica.ask("POST", "/health").status == 405


def test_stock_pflow_syncs_and_calls_through_it(start: Start, fake_gateway: Fake, pflow: Pflow) -> None:
    fake = fake_gateway("generic", "--bearer", CANARY)
    replica = start(settings({"gw": bearer(fake.url)}, GW_TOKEN=CANARY))
    auth = {"type": "bearer", "token": TEAM}
    pflow.configure({"team": {"type": "http", "url": replica.url(), "auth": auth}})
    pflow("mcp", "sync", "team", PFLOW_GATEWAY_DISABLE="1")
    assert "github__create_issue" in pflow.registered("team")
    workflow = (WORKFLOWS / "two-services.pflow.md").read_text(encoding="utf-8").replace("SERVER", "team")
    (pflow.home / "run.pflow.md").write_text(workflow, encoding="utf-8")
    pflow("-p", pflow.home / "run.pflow.md", PFLOW_GATEWAY_DISABLE="1")
    called = [request["tool"] for request in fake.requests("tools/call")]
    assert called == ["github__list_issues", "slack__post_message"]


def test_pflow_gateway_before_it_knows_as_exactly_which_service_a_tool_is_from(
    start: Start, fake_gateway: Fake, pflow: Pflow
) -> None:
    forge = fake_gateway("context-forge")
    hello = forge.hello
    replica = start(
        settings({"cf": bearer(hello["url"], kind="context-forge", trust="certain")}, GW_TOKEN=hello["token"])
    )
    program = needed("PFLOW_GATEWAY_BIN")
    env = {"TEAM_TOKEN": TEAM}
    url = replica.url("cf")
    added = pflow.program(program, "add", "team", url, "--bearer-env", "TEAM_TOKEN", **env)
    assert added.returncode == 0, added.stdout + added.stderr
    tested = json.loads(pflow.program(program, "test", "team", "--json", **env).stdout)
    assert tested["ok"] is True, tested
    tools = json.loads(pflow.program(program, "tools", "team", "--json", **env).stdout)["tools"]
    direct = json.loads(
        pflow.program(program, "tools", hello["url"], "--bearer-env", "T", "--json", T=hello["token"]).stdout
    )["tools"]
    through = {tool["name"]: (tool["service"], tool["attribution"], tool["confidence"]) for tool in tools}
    exact = {tool["name"]: (tool["service"], "reported", "certain") for tool in direct}
    assert exact and through == exact


@pytest.mark.parametrize("era", ["modern", "legacy"])
def test_fastmcp_behind_it_lists_and_calls(start: Start, tmp_path: Path, era: str) -> None:
    from test_fastmcp import Aggregate

    aggregate = Aggregate(tmp_path, era)
    try:
        replica = start(settings({"gw": {"url": aggregate.url, "timeout": 60}}))
        session = replica.initialize()
        listed = replica.legacy(session, "tools/list")
        assert len(names(listed)) == 6
        tool = next(tool for tool in listed.json["result"]["tools"] if "search" in tool["name"] or "list" in tool["name"])
        arguments = {name: "x" for name in tool["inputSchema"].get("required", [])}
        called = replica.legacy(session, "tools/call", {"name": tool["name"], "arguments": arguments})
        assert called.json["result"].get("content"), called.text
        assert len(aggregate.calls()) == 1
    finally:
        aggregate.program.stop()


def test_another_engine_serves_the_same_file(fake_gateway: Fake, tmp_path: Path) -> None:
    fake = fake_gateway("generic", "--bearer", CANARY)
    port = free_port()
    variables = settings({"gw": bearer(fake.url)}, GW_TOKEN=CANARY)
    engine = Program(
        [needed("NODE_CLIENTS") / "node", needed("JCO"), "serve", needed("SERVICE_WASM"), "--port", str(port), "--host", "127.0.0.1"],
        tmp_path / "jco.log",
        {"PATH": os.environ["PATH"], "HOME": str(tmp_path)} | variables,
        family=True,
    )
    replica = Replica.at(port, engine)

    def alive() -> bool | None:
        try:
            return replica.ask("GET", "/health").status == 200 or None
        except (OSError, http.client.HTTPException):
            return None

    try:
        engine.ready(alive, 180)
        session = replica.initialize()
        assert "github__create_issue" in names(replica.legacy(session, "tools/list"))
        assert "hello" in replica.legacy(session, "tools/call", {"name": "lab__echo", "arguments": {"text": "hello"}}).text
        assert replica.post({"jsonrpc": "2.0", "id": 1, "method": "ping"}, token=None).status == 401
        assert CANARY not in engine.log.read_text(encoding="utf-8")
    finally:
        engine.stop()
    with pytest.raises(OSError):
        replica.ask("GET", "/health")


def test_the_file_asks_an_engine_for_nothing_but_wasi(code: Path, tmp_path: Path) -> None:
    """An import that only we know would be refused by engines that look before they run it."""
    data = needed("SERVICE_WASM").read_bytes()
    outer = imports(data)
    assert outer and all(name.startswith("wasi:") for name in outer), outer
    assert "wasi:http/outgoing-handler" in {name.split("@")[0] for name in outer}
    assert {name.split("@")[1] for name in outer} == {"0.2.12"}, "one version of WASI in all parts"
    assert not any(name.startswith(("wasi:sockets/", "wasi:filesystem/")) for name in outer)


def leb(data: bytes, at: int) -> tuple[int, int]:
    """An unsigned LEB128 number, and where it ends."""
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def imports(component: bytes) -> list[str]:
    """Names that a component imports itself, not those of the parts within it."""
    found = []
    at = 8
    while at < len(component):
        kind = component[at]
        size, at = leb(component, at + 1)
        if kind == 10:
            count, here = leb(component, at)
            section = component[here : at + size]
            names = re.findall(rb"[a-z0-9-]+:[a-z0-9-]+/[a-z0-9-]+@[0-9.]+", section)
            assert len(names) == count, section
            found += [name.decode() for name in names]
        at += size
    return found
