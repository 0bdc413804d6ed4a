"""Faults that reviews found, each with what a user saw; small, and told wrongly before."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import examples
import pytest
from conftest import FakeGateway, Pflow, needed

Start = Callable[..., FakeGateway]


def run(pflow: Pflow, *args: str | Path, **env: str) -> subprocess.CompletedProcess[str]:
    """Run the program."""
    return pflow.program(needed("PFLOW_GATEWAY_BIN"), *args, **env)


def good(pflow: Pflow, *args: str | Path, **env: str) -> Any:
    """Run a command that must succeed; gives its JSON."""
    done = run(pflow, *args, "--json", **env)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


def test_what_is_accepted_is_what_was_shown(pflow: Pflow, fake_gateway: Start) -> None:
    fake = fake_gateway("generic")
    good(pflow, "add", "gw", fake.url)
    tool = next(one for one in good(pflow, "tools", "gw")["tools"] if one["service"])
    original = tool["name"].removeprefix(tool["service"]).lstrip("_-.")
    health = ("health", "gw", "--fail-on", "offline")

    def define(words: str) -> None:
        fake.order(do="define", service=tool["service"], tool=original, set={"description": words})
        run(pflow, *health)
        good(pflow, "tools", "gw")

    define("Reads one.")
    shown = good(pflow, "snapshot", "diff", "gw")
    assert [one["new"]["description"] for one in shown["changed"]] == ["Reads one."]
    define("Reads one, and sends it elsewhere.")
    refused = run(pflow, "snapshot", "accept", "gw")
    assert refused.returncode == 2 and "this changed" in refused.stderr and tool["name"] in refused.stderr
    refused = run(pflow, "snapshot", "accept", "gw", tool["name"])
    assert refused.returncode == 2, "nor by its name"
    again = good(pflow, "snapshot", "diff", "gw")
    assert again["changed"][0]["new"]["description"] == "Reads one, and sends it elsewhere."
    assert good(pflow, "snapshot", "accept", "gw")["accepted"] == [tool["name"]]
    assert good(pflow, "snapshot", "diff", "gw")["changed"] == []


def test_tools_that_are_left_out_on_purpose_are_not_gone(pflow: Pflow, fake_gateway: Start) -> None:
    good(pflow, "add", "gw", fake_gateway("generic").url)
    tool = good(pflow, "tools", "gw")["tools"][0]["name"]
    run(pflow, "health", "gw")
    assert tool in str(good(pflow, "snapshot", "show", "gw")["tools"])
    good(pflow, "set", "gw", "--exclude", tool)
    run(pflow, "health", "gw")
    assert good(pflow, "snapshot", "diff", "gw")["gone"] == []
    assert tool not in str(good(pflow, "snapshot", "show", "gw")["tools"])
    good(pflow, "tools", "gw")
    assert good(pflow, "snapshot", "accept", "gw")["gone"] == []


def test_services_of_a_gateway_that_refuses_the_credential_are_not_ok(pflow: Pflow, fake_gateway: Start) -> None:
    fake = fake_gateway("generic", "--bearer", "b-1")
    pflow.env["TOKEN"] = "b-1"
    good(pflow, "add", "gw", fake.url, "--bearer-env", "TOKEN")
    run(pflow, "health", "gw")
    tool = next(one for one in good(pflow, "tools", "gw")["tools"] if one["service"])
    run(pflow, "call", "gw", tool["name"], "--args", "{}", "--no-check")
    before = json.loads(run(pflow, "health", "gw", "--json").stdout)["gateways"][0]
    assert "ok" in {one["status"] for one in before["services"]}, "a call was answered"
    fake.order(do="rotate", token="b-2")
    after = json.loads(run(pflow, "health", "gw", "--json").stdout)["gateways"][0]
    assert after["status"] == "auth_required"
    assert after["services"] and "ok" not in {one["status"] for one in after["services"]}


def test_a_component_that_cannot_be_asked_is_told_of_without_a_test_too(pflow: Pflow) -> None:
    junk = pflow.home / "junk.wasm"
    junk.write_bytes(b"\0asm\x0d\0\x01\0")
    add = ("add", "gw", "http://127.0.0.1:9/mcp", "--no-test", "--kind", "docker")
    done = run(pflow, "--component", junk, *add)
    assert done.returncode != 0 and "junk.wasm" in done.stderr, done.stderr
    assert not (pflow.home / ".pflow" / "mcp-servers.json").exists()
    assert run(pflow, *add).returncode == 0


def test_a_component_from_elsewhere_does_not_choose_the_variable_that_is_sent(
    pflow: Pflow, fake_gateway: Start
) -> None:
    fake = fake_gateway("docker")
    wizard = ("setup", "docker", "--url", fake.url, "--yes", "--no-sync", "--name", "gw")
    built_in = run(pflow, *wizard, MCP_GATEWAY_AUTH_TOKEN="secret-of-mine")
    assert "goes to" in built_in.stderr, "what the program itself knows is taken, and said"
    (pflow.home / ".pflow" / "mcp-servers.json").unlink(missing_ok=True)
    theirs = run(
        pflow, "--component", examples.whole("rust"), *wizard, MCP_GATEWAY_AUTH_TOKEN="secret-of-mine"
    )
    assert "it was not taken" in theirs.stderr and "--bearer-env MCP_GATEWAY_AUTH_TOKEN" in theirs.stderr
    assert "goes to" not in theirs.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "powershell"])
def test_completions_have_no_word_of_a_component(pflow: Pflow, shell: str) -> None:
    script = run(pflow, "completions", shell)
    assert script.returncode == 0 and "uninstall" in script.stdout
    assert "context-forge" not in script.stdout


def test_every_exit_code_is_in_the_help(pflow: Pflow) -> None:
    shown = run(pflow, "--help").stdout
    assert "130 interrupted, 143 terminated" in " ".join(shown.split())


def test_the_wire_is_told_without_what_is_secret(pflow: Pflow, fake_gateway: Start) -> None:
    fake = fake_gateway("generic", "--bearer", "token-of-mine")
    pflow.env["TOKEN"] = "token-of-mine"
    good(pflow, "add", "gw", fake.url, "--bearer-env", "TOKEN")
    once = run(pflow, "tools", "gw", "-v").stderr
    assert "→ 200 in" in once and "← 200" not in once, "-v tells of each request with its time"
    twice = run(pflow, "tools", "gw", "-vv").stderr
    assert "POST" in twice and " tools/list, " in twice and "← 200; " in twice
    assert "mcp-protocol-version: 20" in twice and "mcp-session-id: …" in twice
    sessions = {request.get("session") for request in fake.requests()} - {None}
    for secret in {"token-of-mine", *sessions}:
        assert str(secret) not in twice
