"""End to end, all real: ContextForge with four services of different credentials, and stock pflow.

The tests in `both` run against both ways in which it speaks: stateless with JSON, and with sessions and event streams.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from pathlib import Path

import pytest
from conftest import WORKFLOWS, Pflow
from contextforge import SLUGS, TOOLS, ContextForge
from pflow_gateway import AuthError, Gateway

VARIABLE = "CF_TOKEN"


both = pytest.mark.parametrize("context_forge", ["forge", "stateful_forge"], indirect=True)


@pytest.fixture
def context_forge(request: pytest.FixtureRequest) -> ContextForge:
    """The gateway; it takes its time to start, and is shared with the other tests."""
    gateway: ContextForge = request.getfixturevalue(getattr(request, "param", "forge"))
    return gateway


@pytest.fixture
def pflow(pflow: Pflow, context_forge: ContextForge) -> Pflow:
    """pflow with the gateway's token, and the gateway added."""
    pflow.env[VARIABLE] = context_forge.token
    pflow("mcp", "gateway", "add", "cf", context_forge.url, "--bearer-env", VARIABLE)
    return pflow


def test_add_writes_an_entry_without_the_token(pflow: Pflow, context_forge: ContextForge) -> None:
    entry = pflow.servers["cf"]
    assert entry["gateway"]["url"] == context_forge.url
    assert entry["gateway"]["kind"] == "context-forge", "add tests the gateway first, and saw what it is"
    assert entry["env"][VARIABLE] == f"${{{VARIABLE}}}"
    for path in pflow.home.rglob("*"):
        if path.is_file():
            assert context_forge.token.encode() not in path.read_bytes(), path


@both
def test_test_goes_through_every_step(pflow: Pflow) -> None:
    report = pflow.json("mcp", "gateway", "test", "cf")
    assert report["ok"] is True
    assert report["kind"] == "context-forge"
    assert report["era"] == "legacy"
    assert [check["name"] for check in report["checks"] if check["ok"] is False] == []
    assert report["tools"] == sum(TOOLS.values())
    assert report["services"] == len(TOOLS)
    assert report["error"] is None
    text = pflow("mcp", "gateway", "test", "cf")
    assert "✓" in text
    assert "✗" not in text


@both
def test_services_are_exact_and_certain(pflow: Pflow) -> None:
    report = pflow.json("mcp", "gateway", "services", "cf")
    assert {service["name"]: service["tools"] for service in report["services"]} == TOOLS
    for service in report["services"]:
        assert service["attribution"] == "reported", service
        assert service["confidence"] == "certain", service
    assert report["unattributed"] == 0


@both
def test_tools_are_all_there_each_with_its_service(pflow: Pflow) -> None:
    report = pflow.json("mcp", "gateway", "tools", "cf")
    assert report["total"] == sum(TOOLS.values())
    assert len(report["tools"]) == report["total"]
    assert Counter(tool["service"] for tool in report["tools"]) == TOOLS
    assert all(tool["name"].startswith(f"{tool['service']}-") for tool in report["tools"])
    names = [tool["name"] for tool in report["tools"]]
    assert names == sorted(names)
    only = pflow.json("mcp", "gateway", "tools", "cf", "--service", "slack")
    assert {tool["service"] for tool in only["tools"]} == {"slack"}
    assert only["filtered_out"] == report["total"] - TOOLS["slack"]


@both
def test_a_workflow_of_stock_pflow_calls_two_services(pflow: Pflow, context_forge: ContextForge) -> None:
    stock = {"PFLOW_GATEWAY_DISABLE": "1"}
    synced = pflow("mcp", "sync", "cf", **stock)
    assert f"Discovered {sum(TOOLS.values())} tools" in synced
    assert f"Registered {sum(TOOLS.values())} tools" in synced
    listed = pflow("mcp", "list", **stock)
    assert f"cf ({sum(TOOLS.values())} tools)" in listed
    found = pflow("mcp", "list", "slack", **stock)
    for tool in ("post-message", "list-channels", "search"):
        assert f"mcp-cf-slack-{tool}" in found
    assert "big-catalog" not in found, "`pflow mcp list slack` finds the tools of that service alone"

    before = {service: len(context_forge.calls(service)) for service in SLUGS}
    out = pflow("-p", WORKFLOWS / "issues-to-slack.pflow.md", "repo=acme/site", **stock)
    assert out.strip() == "general"
    seen = {service: context_forge.calls(service)[count:] for service, count in before.items()}
    assert seen["github"] == [{"service": "github", "tool": "list_issues", "arguments": {"repo": "acme/site"}}]
    assert seen["slack"] == [
        {
            "service": "slack",
            "tool": "post_message",
            "arguments": {"channel": "general", "text": "3 open issues in acme/site"},
        }
    ]
    assert seen["catalog"] == []
    assert seen["drive"] == []


def test_pflow_mcp_list_names_the_gateway_and_its_services(pflow: Pflow) -> None:
    pflow("mcp", "sync", "cf")
    line = next(line for line in pflow("mcp", "list").splitlines() if line.startswith("  cf ("))
    assert line.startswith("  cf (context-forge): ")
    for service, tools in TOOLS.items():
        assert f"{service} ({tools})" in line


def test_the_registry_says_where_each_tool_is_from(pflow: Pflow) -> None:
    pflow("mcp", "sync", "cf")
    registered = pflow.registered("cf")
    assert registered["slack-search"]["gateway"] == {
        "name": "cf",
        "kind": "context-forge",
        "service": "slack",
        "inferred": False,
        "claimed": False,
    }
    services = Counter(metadata["gateway"]["service"] for metadata in registered.values())
    assert services == TOOLS


def test_describe_names_the_service(pflow: Pflow) -> None:
    pflow("mcp", "sync", "cf")
    described = pflow("mcp", "describe", "mcp-cf-github-work-create-issue").splitlines()
    assert "Gateway: cf (context-forge), service github-work" in described


def test_a_filter_holds_for_stock_pflow_and_for_calls(pflow: Pflow, context_forge: ContextForge) -> None:
    pflow(
        *("mcp", "gateway", "add", "narrow", context_forge.url, "--bearer-env", VARIABLE),
        *("--include", "slack-*", "--include", "github-work-list-*"),
    )
    stock = {"PFLOW_GATEWAY_DISABLE": "1"}
    pflow("mcp", "sync", "--all", **stock)
    assert set(pflow.registered("narrow")) == {
        "slack-post-message",
        "slack-list-channels",
        "slack-search",
        "github-work-list-issues",
    }
    before = len(context_forge.calls("github"))
    refused = pflow.run(
        *("mcp", "gateway", "call", "narrow", "github-work-create-issue"),
        *("--args", '{"repo": "acme/site", "title": "no"}'),
    )
    assert refused.returncode != 0
    assert len(context_forge.calls("github")) == before, "a filtered tool was called all the same"


@both
def test_a_call_names_the_service(pflow: Pflow, context_forge: ContextForge) -> None:
    report = pflow.json("mcp", "gateway", "call", "cf", "slack-search", "--args", '{"query": "lunch"}')
    assert report["ok"] is True
    assert report["service"] == "slack"
    assert "lunch" in str(report["result"]["content"])
    assert context_forge.calls("slack")[-1]["arguments"] == {"query": "lunch"}


@both
def test_health_is_good_for_every_service(pflow: Pflow) -> None:
    report = pflow.json("mcp", "gateway", "health", "cf")
    assert report["status"] == "ok", report
    assert {service["name"]: service["status"] for service in report["gateways"][0]["services"]} == dict.fromkeys(
        TOOLS, "ok"
    )


@both
def test_a_wrong_token_is_said_to_be_one(pflow: Pflow) -> None:
    done = pflow.run("mcp", "gateway", "test", "cf", **{VARIABLE: "wrong"})
    assert done.returncode == 1
    assert re.search(rf"{VARIABLE}", done.stdout + done.stderr)
    report = pflow.run("mcp", "gateway", "test", "cf", "--json", **{VARIABLE: "wrong"})
    assert '"auth_required"' in report.stdout


def test_python_sees_the_same(pflow: Pflow, context_forge: ContextForge, monkeypatch: pytest.MonkeyPatch) -> None:
    config = pflow.home / ".pflow" / "mcp-servers.json"
    monkeypatch.setitem(os.environ, VARIABLE, context_forge.token)
    # Another user's home, as far as this process knows: it wants a variable of ours.
    monkeypatch.setitem(os.environ, "PFLOW_GATEWAY_TRUST", str(config))
    with Gateway("cf", config=config) as gateway:
        assert {service["name"]: service["tools"] for service in gateway.services()["services"]} == TOOLS
        assert gateway.call("github-work-list-issues", {"repo": "a/b"})["ok"] is True
    monkeypatch.setitem(os.environ, VARIABLE, "wrong")
    with pytest.raises(AuthError) as raised, Gateway("cf", config=Path(config)) as gateway:
        gateway.services()
    assert raised.value.error_class == "auth_required"
    assert raised.value.hint


def test_a_renamed_service_is_followed(context_forge: ContextForge) -> None:
    """Measured on the real one: renaming a gateway renames all its tools, its id and their original names stay."""
    path = f"/v1/gateways/{context_forge.ids['catalog']}"
    before = len(context_forge.calls("catalog"))
    with Gateway(context_forge.url, bearer=context_forge.token) as gateway:
        assert gateway.call("big-catalog-item-007-lookup", {"key": "a"})["ok"]
        context_forge.rest("PUT", path, {"name": "Stock List"})
        try:
            report = gateway.call("big-catalog-item-007-lookup", {"key": "b"})
        finally:
            context_forge.rest("PUT", path, {"name": "big_catalog"})
    assert (report["ok"], report["tool"]) == (True, "stock-list-item-007-lookup"), report
    keys = [call["arguments"]["key"] for call in context_forge.calls("catalog")[before:]]
    assert keys == ["a", "b"], "each once"
