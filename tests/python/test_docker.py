"""Docker MCP Gateway with stock pflow: the faithful imitation, and the real `docker-mcp` where it is on PATH."""

from __future__ import annotations

import json
import os
import shutil
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import HERE, FakeGateway, Pflow, needed
from held import Call, Held
from processes import Program, free_port, written

Start = Callable[..., FakeGateway]
VARIABLE = "MCP_GATEWAY_AUTH_TOKEN"
FIRST = ("github__list_issues", {"repo": "acme/site"})
SECOND = ("slack__post_message", {"channel": "general", "text": "hello"})
READ_ONLY: Call = ("slack__list_channels", {})


@pytest.fixture
def pflow(pflow: Pflow) -> Pflow:
    """Stock pflow; the gateway's commands come from the program."""
    pflow.env |= {"PFLOW_GATEWAY_DISABLE": "1", VARIABLE: "a-token-of-docker"}
    return pflow


def report(pflow: Pflow, *words: str) -> Any:
    """What a command of the program says in JSON."""
    return json.loads(pflow.program(needed("PFLOW_GATEWAY_BIN"), *words, "--json").stdout)


def add(pflow: Pflow, url: str, *flags: str) -> None:
    declared = ("--service", "github=github__", "--service", "slack=slack__", "--bearer-env", VARIABLE)
    done = pflow.program(needed("PFLOW_GATEWAY_BIN"), "add", "docker", url, *declared, *flags)
    assert done.returncode == 0, done.stderr


def docker(fake_gateway: Start, *flags: str, services: str = "github,slack,bulk:120") -> FakeGateway:
    return fake_gateway("docker", "--prefix", "--services", services, "--token", "a-token-of-docker", *flags)


def tools_called(gateway: FakeGateway) -> list[str]:
    return [request["tool"] for request in gateway.requests("tools/call")]


def test_a_service_that_is_down_at_the_start_has_no_tools_and_is_named(pflow: Pflow, fake_gateway: Start) -> None:
    gateway = docker(fake_gateway, "--down", "slack")
    add(pflow, gateway.url)
    services = report(pflow, "services", "docker")
    assert {one["name"]: one["tools"] for one in services["services"]} == {"github": 6, "slack": 0, "bulk": 120}
    assert any("slack" in warning for warning in services["warnings"])
    assert report(pflow, "call", "docker", FIRST[0], "--args", json.dumps(FIRST[1]))["ok"] is True


def test_a_service_that_dies_during_a_run_fails_alone(pflow: Pflow, fake_gateway: Start) -> None:
    gateway = docker(fake_gateway)
    add(pflow, gateway.url)
    with Held(pflow, "docker", FIRST, SECOND) as run:
        gateway.order(do="backend", name="slack", state="down")
        code, said = run.go_on()
    assert code == 1
    assert "the service slack cannot be reached by the gateway" in said
    assert "(error class: upstream_error)" in said
    assert tools_called(gateway) == [FIRST[0], SECOND[0]], "nothing is sent twice"


def test_a_token_that_a_restart_replaces_during_a_run_is_read_again(pflow: Pflow, fake_gateway: Start) -> None:
    """A restart also ends the sessions: both are renewed for one call."""
    gateway = docker(fake_gateway)
    del pflow.env[VARIABLE]
    pflow("settings", "set-env", VARIABLE, "a-token-of-docker")
    add(pflow, gateway.url)
    with Held(pflow, "docker", FIRST, SECOND) as run:
        gateway.order(do="restart", token="another-token-of-docker")
        pflow("settings", "set-env", VARIABLE, "another-token-of-docker")
        code, said = run.go_on()
    assert code == 0, said
    assert "token-of-docker" not in said
    # The calls that were refused never reached a service.
    assert tools_called(gateway)[0] == FIRST[0]
    assert set(tools_called(gateway)[1:]) == {SECOND[0]}


def test_a_session_that_a_restart_ends_during_a_run_is_opened_again(pflow: Pflow, fake_gateway: Start) -> None:
    gateway = docker(fake_gateway)
    add(pflow, gateway.url)
    with Held(pflow, "docker", FIRST, SECOND) as run:
        gateway.order(do="restart", token="a-token-of-docker")
        code, said = run.go_on()
    assert code == 0, said
    sessions = {request["session"] for request in gateway.requests("tools/call")}
    assert len(sessions) == 2


def test_a_restarted_service_is_healed_by_a_new_session_where_that_is_safe(pflow: Pflow, fake_gateway: Start) -> None:
    gateway = docker(fake_gateway)
    add(pflow, gateway.url)
    with Held(pflow, "docker", READ_ONLY, READ_ONLY) as run:
        gateway.order(do="restart-backend", name="slack")
        code, said = run.go_on()
    assert code == 0, said
    with Held(pflow, "docker", SECOND, SECOND) as run:
        gateway.order(do="restart-backend", name="slack")
        code, said = run.go_on()
    assert code == 1, "what may change something is not called twice"
    assert "(error class: session_lost)" in said


@pytest.mark.parametrize("tools", [150, 1_000, 10_000])
def test_many_tools_are_all_there(tools: int, pflow: Pflow, fake_gateway: Start) -> None:
    gateway = docker(fake_gateway, services=f"github,slack,bulk:{tools - 9}")
    add(pflow, gateway.url)
    assert f"Registered {tools} tools" in pflow("mcp", "sync", "docker")
    assert len(pflow.registered("docker")) == tools


@pytest.mark.skipif(
    shutil.which("docker-mcp") is None, reason="docker-mcp is not on PATH; the imitation stands in for it"
)
def test_the_real_gateway(pflow: Pflow, tmp_path: Path) -> None:
    """Two remote services of different credentials, without a Docker engine."""
    python, ports = needed("CONTEXTFORGE_PYTHON"), {}
    running: list[Program] = []
    try:
        for name in ("github", "slack"):
            port_file = tmp_path / f"{name}.port"
            argv = [python, HERE / "programs" / "backend.py", name, port_file, tmp_path / f"{name}.jsonl"]
            running.append(Program(argv, tmp_path / f"{name}.log"))
            ports[name] = running[-1].ready(written(port_file), 120)
        headers = {
            "github": {"Authorization": "Bearer github-backend-token"},
            "slack": {"X-API-Key": "slack-backend-key"},
        }
        registry = {
            name: {
                "title": name,
                "description": name,
                "type": "remote",
                "remote": {
                    "url": f"http://127.0.0.1:{port}/mcp",
                    "transport_type": "streamable-http",
                    "headers": headers[name],
                },
            }
            for name, port in ports.items()
        }
        catalogs = tmp_path / ".docker" / "mcp" / "catalogs"
        catalogs.mkdir(parents=True)
        # JSON is YAML.
        catalog = {"version": 2, "name": "local", "displayName": "Local", "registry": registry}
        (catalogs / "local.yaml").write_text(json.dumps(catalog), encoding="utf-8")
        features = {"features": {"tool-name-prefix": "enabled"}}
        (tmp_path / ".docker" / "config.json").write_text(json.dumps(features), encoding="utf-8")
        port = free_port()
        flags = ["--static", "--catalog", "local.yaml", "--servers", "github,slack", "--secrets", os.devnull]
        gateway = Program(
            [
                *("docker-mcp", "gateway", "run", *flags),
                *("--host", "127.0.0.1", "--port", str(port), "--transport", "streaming"),
            ],
            tmp_path / "docker-mcp.log",
            {
                "PATH": os.environ["PATH"],
                "HOME": str(tmp_path),
                "DOCKER_CONFIG": str(tmp_path / ".docker"),
                "DOCKER_MCP_IN_CONTAINER": "1",
                "DOCKER_MCP_ALLOW_INSECURE_REMOTE_URLS": "1",
                VARIABLE: pflow.env[VARIABLE],
            },
        )
        running.append(gateway)

        def healthy() -> bool | None:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5) as answer:
                    return True if answer.status == 200 else None
            except OSError:
                return None

        gateway.ready(healthy, 120)
        add(pflow, f"http://127.0.0.1:{port}/mcp")
        tested = report(pflow, "test", "docker")
        assert (tested["ok"], tested["kind"], tested["tools"]) == (True, "docker", 6), tested
        with Held(pflow, "docker", FIRST, SECOND) as run:
            code, said = run.go_on()
        assert code == 0, said
        running[1].process.kill()
        running[1].process.wait()
        error = report(pflow, "call", "docker", SECOND[0], "--args", json.dumps(SECOND[1]))["error"]
        assert (error["class"], error["service"]) == ("upstream_error", "slack")
    finally:
        for program in reversed(running):
            program.stop()
