"""What goes wrong around the real ContextForge, seen by stock pflow.

Mixed credentials, a service that dies, tokens that end, sessions that are lost, many tools.
"""

from __future__ import annotations

import json
import re
import subprocess
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import HERE, Pflow, needed
from contextforge import ContextForge
from held import Held, until_refused

VARIABLE = "CF_TOKEN"
FIRST = ("github-work-list-issues", {"repo": "acme/site"})
SECOND = ("slack-post-message", {"channel": "general", "text": "hello"})
PATIENCE = 120


@pytest.fixture
def pflow(pflow: Pflow) -> Pflow:
    """Stock pflow; the gateway's commands come from the program."""
    pflow.env["PFLOW_GATEWAY_DISABLE"] = "1"
    return pflow


def gateway(pflow: Pflow, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
    """A command of the program."""
    return pflow.program(needed("PFLOW_GATEWAY_BIN"), *words, **env)


def add(pflow: Pflow, url: str, token: str, *flags: str) -> None:
    """The gateway as `cf`."""
    pflow.env[VARIABLE] = token
    done = gateway(pflow, "add", "cf", url, *(flags or ("--bearer-env", VARIABLE)))
    assert done.returncode == 0, done.stderr


def call(pflow: Pflow, tool: str, arguments: dict[str, str], **env: str) -> dict[str, Any]:
    """The report of one call, whatever it says."""
    done = gateway(pflow, "call", "cf", tool, "--args", json.dumps(arguments), "--json", **env)
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def until(seconds: float, done: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, what
        time.sleep(0.2)


def test_services_behind_a_token_a_key_oauth_and_nothing_answer(pflow: Pflow, forge: ContextForge) -> None:
    add(pflow, forge.url, forge.token)
    issued = forge.tokens_issued()
    for service, tool, arguments in (
        ("github", "github-work-get-file", {"repo": "a/b", "path": "README"}),
        ("slack", "slack-search", {"query": "lunch"}),
        ("drive", "drive-read-text", {"file": "plan.txt"}),
        ("catalog", "big-catalog-item-007-lookup", {"key": "k"}),
    ):
        report = call(pflow, tool, arguments)
        assert report["ok"] is True, report
        assert forge.calls(service)[-1]["arguments"] == arguments
    assert forge.tokens_issued() > issued, "the gateway itself got a token for drive"


def test_a_service_whose_oauth_client_is_refused_fails_alone(pflow: Pflow, forge: ContextForge) -> None:
    add(pflow, forge.url, forge.token)
    forge.let_oauth_client(False)
    try:
        before = len(forge.calls("drive"))
        error = call(pflow, "drive-read-text", {"file": "plan.txt"})["error"]
        assert (error["class"], error["service"]) == ("auth_required", "drive")
        assert len(forge.calls("drive")) == before
        assert call(pflow, "slack-search", {"query": "lunch"})["ok"] is True
    finally:
        forge.let_oauth_client(True)
    # The gateway may have taken the service for dead in between.
    until(
        PATIENCE, lambda: bool(call(pflow, "drive-read-text", {"file": "plan.txt"})["ok"]), "drive does not come back"
    )


def test_a_service_dies_in_a_run_is_down_at_the_next_start_and_comes_back(pflow: Pflow, forge: ContextForge) -> None:
    add(pflow, forge.url, forge.token)
    try:
        with Held(pflow, "cf", FIRST, SECOND) as run:
            issues, messages = len(forge.calls("github")), len(forge.calls("slack"))
            forge.stop_backend("slack")
            code, said = run.go_on()
        assert code == 1, said
        assert "Tool invocation failed: All connection attempts failed" in said or "currently offline" in said
        assert len(forge.calls("github")) == issues, "what was done is not done again"
        assert len(forge.calls("slack")) == messages

        # A new start while it is down: everything else works, and its tools are still there.
        add(pflow, forge.url, forge.token, "--bearer-env", VARIABLE, "--replace")
        error = call(pflow, *SECOND)["error"]
        assert (error["class"], error["service"]) == ("upstream_error", "slack")
        assert call(pflow, *FIRST)["ok"] is True
    finally:
        forge.start_backend("slack")
    until(PATIENCE, lambda: bool(call(pflow, *SECOND)["ok"]), "slack does not come back")
    with Held(pflow, "cf", FIRST, SECOND) as run:
        code, said = run.go_on()
    assert code == 0, said


def test_a_token_that_ends_during_a_run_is_made_again(pflow: Pflow, python: Path, forge: ContextForge) -> None:
    claims, log = pflow.home / "claims.json", pflow.home / "minted"
    claims.write_text(json.dumps(forge.claims), encoding="utf-8")
    add(pflow, forge.url, forge.token, "--token-command", f"{python} {HERE / 'programs' / 'mint.py'} {claims} 5 {log}")

    def minted() -> list[str]:
        return log.read_text(encoding="utf-8").split()

    with Held(pflow, "cf", FIRST, SECOND) as run:
        before = minted()
        until_refused(forge.url, before[-1])
        messages = len(forge.calls("slack"))
        code, said = run.go_on()
    assert code == 0, said
    assert len(minted()) > len(before)
    assert len(forge.calls("slack")) == messages + 1
    assert not any(token in said for token in minted())


def test_a_token_that_is_revoked_during_a_run_is_read_again_from_the_settings(
    pflow: Pflow, forge: ContextForge
) -> None:
    def token(name: str) -> tuple[str, str]:
        made = forge.rest("POST", "/v1/tokens", {"name": f"{name}-{uuid.uuid4()}", "expires_in_days": 1})
        return made["token"]["id"], made["access_token"]

    old_id, old = token("old")
    _, new = token("new")
    pflow("settings", "set-env", VARIABLE, old)
    assert gateway(pflow, "add", "cf", forge.url, "--bearer-env", VARIABLE).returncode == 0
    with Held(pflow, "cf", FIRST, SECOND) as run:
        forge.rest("DELETE", f"/v1/tokens/{old_id}")
        until_refused(forge.url, old)
        pflow("settings", "set-env", VARIABLE, new)
        messages = len(forge.calls("slack"))
        code, said = run.go_on()
    assert code == 0, said
    assert len(forge.calls("slack")) == messages + 1


def test_a_token_that_has_ended_is_said_to_have_ended(pflow: Pflow, forge: ContextForge) -> None:
    add(pflow, forge.url, forge.token)
    pflow("mcp", "sync", "cf")
    ended = {VARIABLE: forge.jwt(-90)}
    issues = len(forge.calls("github"))
    error = call(pflow, *FIRST, **ended)["error"]
    assert error["class"] == "token_expired"
    assert re.search(r"expired \d+ (seconds|minutes?) ago", error["message"]), error
    workflow = pflow.home / "one.pflow.md"
    workflow.write_text(
        "# One\n\nOne call.\n\n## Steps\n\n### only\n\nCalls a tool.\n\n"
        "- type: mcp-cf-github-work-list-issues\n- repo: acme/site\n",
        encoding="utf-8",
    )
    done = pflow.run("-p", workflow, **ended)
    assert done.returncode == 1
    assert "(error class: token_expired)" in done.stdout + done.stderr
    assert len(forge.calls("github")) == issues


def test_a_session_that_the_gateway_forgets_during_a_run_is_opened_again(
    pflow: Pflow, stateful_forge: ContextForge
) -> None:
    add(pflow, stateful_forge.url, stateful_forge.token)
    with Held(pflow, "cf", FIRST, SECOND) as run:
        issues, messages = len(stateful_forge.calls("github")), len(stateful_forge.calls("slack"))
        stateful_forge.restart()
        code, said = run.go_on()
    assert code == 0, said
    assert len(stateful_forge.calls("github")) == issues
    assert len(stateful_forge.calls("slack")) == messages + 1


def test_a_thousand_tools_and_ten_thousand_are_all_there(pflow: Pflow, forge: ContextForge) -> None:
    url, token = forge.add_catalog(1000)
    add(pflow, url, token, "--bearer-env", VARIABLE, "--timeout", "120")
    assert "Discovered 1000 tools" in pflow("mcp", "sync", "cf")
    assert call(pflow, "catalog-1000-item-999-lookup", {"key": "k"})["ok"] is True

    # Registering ten thousand at the gateway takes it three minutes; that it lists them is what is shown here.
    forge.copy_tools("catalog 1000", 9)
    report = json.loads(gateway(pflow, "tools", "cf", "--json").stdout)
    assert len({tool["name"] for tool in report["tools"]}) == report["total"] == 10_000
    assert {(tool["service"], tool["confidence"]) for tool in report["tools"]} == {("catalog-1000", "certain")}
