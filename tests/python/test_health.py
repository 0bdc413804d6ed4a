"""Health against the real ContextForge and the real FastMCP: a service dies, comes back, is switched off, loses its credential.

The monitor's metrics are read by Prometheus' own parser.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import HERE, needed
from contextforge import ContextForge
from processes import Program, written

PATIENCE = 120


class Gateway:
    """The program as a user has it, with one gateway configured."""

    def __init__(self, home: Path, cache: Path, url: str, token: str | None = None) -> None:
        self.home = home
        self.binary = needed("PFLOW_GATEWAY_BIN")
        gateway: dict[str, Any] = {"url": url}
        if token:
            gateway["auth"] = {"type": "bearer", "token": "${GW_TOKEN}"}
        folder = home / ".pflow"
        folder.mkdir(parents=True)
        servers = {"gw": {"command": "pflow-gateway", "args": ["serve", "gw"], "gateway": gateway}}
        (folder / "mcp-servers.json").write_text(json.dumps({"mcpServers": servers}), encoding="utf-8")
        self.env = {"PATH": os.environ["PATH"], "HOME": str(home), "XDG_CACHE_HOME": str(cache)}
        if token:
            self.env["GW_TOKEN"] = token

    def json(self, *args: str) -> Any:
        """A command with `--json`, whatever its exit code."""
        done = subprocess.run(
            [self.binary, *args, "--json"],
            env=self.env,
            cwd=self.home,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.stdout, done.stderr
        return json.loads(done.stdout)

    def health(self) -> dict[str, Any]:
        """The one gateway's report."""
        report: dict[str, Any] = self.json("health")["gateways"][0]
        return report

    def until(self, service: str, *wanted: str) -> dict[str, Any]:
        """Look until the service has one of these states."""
        deadline = time.monotonic() + PATIENCE
        while True:
            report = self.health()
            found = next((one for one in report["services"] if one["name"] == service), None)
            if found and found["status"] in wanted:
                return found
            assert time.monotonic() < deadline, f"{service} did not become {wanted}: {json.dumps(report, indent=1)}"
            time.sleep(1)

    def serve_call(self, tool: str) -> dict[str, Any]:
        """One tool call through `serve`, as pflow makes it."""
        messages = [
            {
                "jsonrpc": "2.0",
                "id": 1,
                "method": "initialize",
                "params": {
                    "protocolVersion": "2025-06-18",
                    "capabilities": {},
                    "clientInfo": {"name": "test", "version": "1"},
                },
            },
            {"jsonrpc": "2.0", "method": "notifications/initialized"},
            {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": tool, "arguments": {}}},
        ]
        with subprocess.Popen(
            [self.binary, "serve", "gw"],
            env=self.env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        ) as serve:
            assert serve.stdin
            assert serve.stdout
            for message in messages:
                serve.stdin.write(json.dumps(message) + "\n")
            serve.stdin.flush()
            for line in serve.stdout:
                answer: dict[str, Any] = json.loads(line)
                if answer.get("id") == 2:
                    serve.stdin.close()
                    return answer
        raise AssertionError("serve ended without an answer")


@pytest.fixture(scope="module")
def slow_context_forge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ContextForge]:
    """As it comes: it takes three minutes to notice."""
    gateway = ContextForge(
        needed("CONTEXTFORGE_PYTHON"),
        tmp_path_factory.mktemp("slow"),
        HEALTH_CHECK_INTERVAL="60",
        UNHEALTHY_THRESHOLD="3",
    )
    yield gateway
    gateway.close()


def test_contextforge_a_service_dies_comes_back_and_is_switched_off(
    forge: ContextForge, tmp_path: Path, shared_cache: Path
) -> None:
    context_forge = forge
    # Only an unscoped token may ask for services that are switched off.
    gateway = Gateway(tmp_path / "home", shared_cache, context_forge.url, context_forge._admin)
    gateway.until("slack", "ok")
    context_forge.stop_backend("slack")
    down = gateway.until("slack", "offline")
    assert any("reachable is false" in words for words in down["evidence"]), down
    assert down["since"]
    context_forge.start_backend("slack")
    gateway.until("slack", "ok")
    context_forge.rest("POST", f"/v1/gateways/{context_forge.ids['slack']}/state?activate=false")
    disabled = gateway.until("slack", "disabled")
    assert any("enabled is false" in words for words in disabled["evidence"]), disabled
    assert "slack" not in gateway.health()["vanished"]
    context_forge.rest("POST", f"/v1/gateways/{context_forge.ids['slack']}/state?activate=true")
    gateway.until("slack", "ok")


def test_contextforge_a_failing_call_is_known_before_the_gateway_notices(
    slow_context_forge: ContextForge, tmp_path: Path, shared_cache: Path
) -> None:
    gateway = Gateway(tmp_path / "home", shared_cache, slow_context_forge.url, slow_context_forge.token)
    before = gateway.until("slack", "ok")
    tools = gateway.json("tools", "gw", "--service", "slack")["tools"]
    slow_context_forge.stop_backend("slack")
    assert gateway.until("slack", "ok", "degraded")["status"] == before["status"], "ContextForge does not know yet"
    answer = gateway.serve_call(tools[0]["name"])
    assert "slack: degraded since 20" in json.dumps(answer), answer
    down = gateway.until("slack", "degraded")
    assert any("signals disagree" in words for words in down["evidence"]), down


@pytest.fixture
def fastmcp(tmp_path: Path) -> Iterator[tuple[str, Callable[[str], None]]]:
    """The aggregator's URL, and how to end one of its servers."""
    python, program = needed("FASTMCP_PYTHON"), HERE / "programs" / "fastmcp_parts.py"
    running: dict[str, Program] = {}

    def start(name: str, *argv: str | Path) -> int:
        port_file = tmp_path / f"{name}.port"
        words = [port_file if word == "PORT_FILE" else word for word in argv]
        running[name] = Program([python, program, *words], tmp_path / f"{name}.log")
        return running[name].ready(written(port_file), 60)

    names = ("calendar", "mail", "wiki")
    parts = [f"{name}={start(name, 'server', name, 'PORT_FILE')}" for name in names]
    port = start("front", "front", "PORT_FILE", *parts)

    def kill(name: str) -> None:
        running[name].process.kill()
        running[name].process.wait()

    yield f"http://127.0.0.1:{port}/mcp", kill
    for program_ in reversed(running.values()):
        program_.stop()


def test_fastmcp_drops_a_dead_service_and_health_names_it(
    fastmcp: tuple[str, Callable[[str], None]], tmp_path: Path, shared_cache: Path
) -> None:
    url, kill = fastmcp
    gateway = Gateway(tmp_path / "home", shared_cache, url)
    path = tmp_path / "home" / ".pflow" / "mcp-servers.json"
    servers = json.loads(path.read_text(encoding="utf-8"))
    declared = [{"name": name, "prefix": f"{name}_"} for name in ("calendar", "mail", "wiki")]
    servers["mcpServers"]["gw"]["gateway"]["services"] = {"declare": declared}
    path.write_text(json.dumps(servers), encoding="utf-8")
    report = gateway.health()
    assert report["tools"] == 6, report
    kill("mail")
    down = gateway.until("mail", "offline")
    assert "mail" in gateway.health()["vanished"]
    assert any("mail_list_things" in words and "mail_read_thing" in words for words in down["evidence"]), down


def test_metrics_are_read_by_prometheus_own_parser(tmp_path: Path, shared_cache: Path) -> None:
    gateway = Gateway(tmp_path / 'home "x"', shared_cache, "http://127.0.0.1:9/mcp")
    log = tmp_path / "monitor.log"
    monitor = Program(
        [gateway.binary, "monitor", "--listen", "127.0.0.1:0", "--every", "1", "--json"], log, gateway.env
    )
    try:

        def ready() -> str | None:
            first, newline, _ = log.read_text(encoding="utf-8").partition("\n")
            return json.loads(first)["url"] if newline and first.startswith("{") else None

        url = monitor.ready(ready, 60)
        deadline = time.monotonic() + 60
        text = ""
        while "pflow_gateway_looks_total" not in text:
            assert time.monotonic() < deadline, text
            with urllib.request.urlopen(f"{url}metrics", timeout=10) as answer:
                text = answer.read().decode()
                assert answer.headers["Content-Type"].startswith("application/openmetrics-text; version=1.0.0")
            time.sleep(0.2)
        # ContextForge's environment has the parser.
        script = (
            "import sys, json\n"
            "from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse\n"
            "print(json.dumps({family.name: [[s.name, s.labels, s.value] for s in family.samples] "
            "for family in parse(sys.stdin.read())}))\n"
        )
        parsed = subprocess.run(
            [needed("CONTEXTFORGE_PYTHON"), "-c", script], input=text, capture_output=True, text=True, check=False
        )
        assert parsed.returncode == 0, f"{parsed.stderr}\n{text}"
        families = json.loads(parsed.stdout)
        assert families["pflow_gateway_up"] == [["pflow_gateway_up", {"gateway": "gw"}, 0.0]]
        assert families["pflow_gateway_status"][0][1]["status"] == "unreachable"
        assert families["pflow_gateway_looks"][0][2] >= 1
    finally:
        monitor.stop()
