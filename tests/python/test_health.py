"""Health against the real ContextForge and the real FastMCP: a service dies, comes back, is switched off, loses its credential.

The monitor's metrics are read by Prometheus' own parser.
"""

from __future__ import annotations

import json
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import HERE, needed
from contextforge import ContextForge
from gateway import Gateway
from processes import Program, written


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


def test_contextforge_a_service_that_refuses_its_credential_is_not_well(
    forge: ContextForge, tmp_path: Path, shared_cache: Path
) -> None:
    gateway = Gateway(tmp_path / "home", shared_cache, forge.url, forge._admin)
    gateway.until("github-work", "ok")
    forge.revoke("github")
    # ContextForge's own check fails, and its API says no more than that.
    down = gateway.until("github-work", "offline", "auth_required")
    assert any("reachable is false" in words for words in down["evidence"]), down
    forge.restore("github")
    gateway.until("github-work", "ok")


def test_contextforge_a_refused_credential_is_known_from_a_call_before_the_gateway_notices(
    slow_context_forge: ContextForge, tmp_path: Path, shared_cache: Path
) -> None:
    gateway = Gateway(tmp_path / "home", shared_cache, slow_context_forge.url, slow_context_forge.token)
    gateway.until("github-work", "ok")
    tools = gateway.json("tools", "gw", "--service", "github-work")["tools"]
    slow_context_forge.revoke("github")
    assert gateway.until("github-work", "ok", "degraded", "offline")["status"] == "ok", "ContextForge does not know yet"
    answer = gateway.serve_call(tools[0]["name"], {"repo": "a/b"})
    assert "github-work: auth_required since 20" in json.dumps(answer), answer
    down = gateway.until("github-work", "auth_required")
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
    monitor, url = gateway.monitor(every=1)
    try:
        deadline = time.monotonic() + 60
        text = ""
        while "pflow_gateway_checks_total" not in text:
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
        states = {labels["pflow_gateway_status"]: value for _, labels, value in families["pflow_gateway_status"]}
        assert [state for state, value in states.items() if value == 1] == ["unreachable"]
        assert families["pflow_gateway_checks"][0][2] >= 1
    finally:
        monitor.stop()
