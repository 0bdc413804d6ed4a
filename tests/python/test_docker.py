"""Docker MCP Gateway with stock pflow: the faithful imitation, and the real `docker-mcp` where it is on PATH."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import threading
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import HERE, FakeGateway, Pflow, needed
from held import Call, Held
from pflow_gateway import Gateway, UpstreamError
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


def test_a_restarted_service_is_healed_by_a_new_session_for_writes_too(pflow: Pflow, fake_gateway: Start) -> None:
    gateway = docker(fake_gateway)
    add(pflow, gateway.url)
    with Held(pflow, "docker", READ_ONLY, READ_ONLY) as run:
        gateway.order(do="restart-backend", name="slack")
        code, said = run.go_on()
    assert code == 0, said
    # The service answered 404 to the call itself: it did not run, and is repeated whatever it is.
    with Held(pflow, "docker", SECOND, SECOND) as run:
        gateway.order(do="restart-backend", name="slack")
        code, said = run.go_on()
    assert code == 0, said


@pytest.mark.parametrize("tools", [150, 1_000, 10_000])
def test_many_tools_are_all_there(tools: int, pflow: Pflow, fake_gateway: Start) -> None:
    gateway = docker(fake_gateway, services=f"github,slack,bulk:{tools - 9}")
    add(pflow, gateway.url)
    assert f"Registered {tools} tools" in pflow("mcp", "sync", "docker")
    assert len(pflow.registered("docker")) == tools


def run(pflow: Pflow, *words: str) -> tuple[int, str, str]:
    """A command of the program, as a person sees it: exit code, stdout, stderr."""
    done = pflow.program(needed("PFLOW_GATEWAY_BIN"), *words)
    return done.returncode, done.stdout, done.stderr


def bare(pflow: Pflow, url: str, *flags: str) -> tuple[int, str, str]:
    return run(pflow, "add", "docker", url, "--bearer-env", VARIABLE, *flags)


def start(fake_gateway: Start, *flags: str, services: str = "github,slack") -> FakeGateway:
    """As Docker starts it: bare names."""
    return fake_gateway("docker", "--services", services, "--token", "a-token-of-docker", *flags)


def health(pflow: Pflow, name: str = "docker") -> tuple[int, Any]:
    done = pflow.program(needed("PFLOW_GATEWAY_BIN"), "health", name, "--json")
    return done.returncode, json.loads(done.stdout)["gateways"][0]


def test_bare_names_are_told_with_what_would_name_their_services(pflow: Pflow, fake_gateway: Start) -> None:
    gateway = start(fake_gateway, "--dynamic-tools")
    code, shown, _ = bare(pflow, gateway.url)
    assert code == 0
    assert "works: 9 tools of no known service, 8 control tools" in shown
    for words in ("add", "test", "services", "tools"):
        target = ("docker2", gateway.url, "--bearer-env", VARIABLE) if words == "add" else ("docker",)
        code, shown, _ = run(pflow, words, *target)
        assert "docker mcp feature enable tool-name-prefix" in shown, words
        if words != "add":
            assert any("tool-name-prefix" in one for one in report(pflow, words, "docker")["warnings"]), words


def test_services_are_declared_by_names_and_globs_of_tools(pflow: Pflow, fake_gateway: Start) -> None:
    gateway = start(fake_gateway)
    github = ("--service", "github=list_issues,get_issue,*_issue,search_*,list_pull_requests", "--service", "github=delete_branch")
    code, shown, _ = bare(pflow, gateway.url, *github, "--service", "slack=*_channels,post_message,set_*")
    assert code == 0, shown
    services = report(pflow, "services", "docker")
    assert {one["name"]: one["tools"] for one in services["services"]} == {"github": 6, "slack": 3}
    assert (services["unattributed"], services["warnings"]) == (0, [])
    code, _, said = bare(pflow, gateway.url, "--service", "github=list_issues,,", "--replace")
    assert code == 2
    assert "names an empty tool" in said


def test_a_gateway_of_one_service_is_declared_as_the_advice_prints_it(pflow: Pflow, fake_gateway: Start) -> None:
    gateway = start(fake_gateway, services="slack")
    code, shown, _ = bare(pflow, gateway.url, "--service", "linear")
    assert code == 0
    assert 'declare it as "linear="' in shown
    code, shown, _ = bare(pflow, gateway.url, "--service", "linear=", "--replace")
    assert (code, "works: 3 tools of 1 service" in shown) == (0, True), shown
    declared = pflow.servers["docker"]["gateway"]["services"]["declare"]
    assert declared == [{"name": "linear", "prefix": ""}]


def test_an_empty_profile_is_no_gateway_that_works(pflow: Pflow, fake_gateway: Start) -> None:
    gateway = start(fake_gateway, "--empty-profile")
    code, _, said = bare(pflow, gateway.url)
    assert code == 1
    assert "docker has no services: all its 8 tools are its own" in said
    for words in ("profile", "Can't start", "--no-test writes the entry all the same"):
        assert words in said
    assert bare(pflow, gateway.url, "--no-test")[0] == 0
    assert run(pflow, "test", "docker")[0] == 1
    code, seen = health(pflow)
    assert (code, seen["status"]) == (1, "degraded")
    assert "has no services" in seen["error"]["message"]
    synced = pflow.run("mcp", "sync", "docker")
    assert "has no services" in synced.stdout + synced.stderr
    # Who wants the control tools has them.
    assert bare(pflow, gateway.url, "--control-tools", "--replace")[0] == 0


def test_a_service_that_vanished_is_told_by_the_first_health(pflow: Pflow, fake_gateway: Start) -> None:
    """Whoever listed first: `add`, a sync, `tools`."""
    gateway = docker(fake_gateway, services="github,slack")
    add(pflow, gateway.url)
    assert "Registered 9 tools" in pflow("mcp", "sync", "docker")
    gateway.order(do="backend", name="slack", state="down")
    gateway.order(do="restart", token="a-token-of-docker")
    # A listing that lacks it does not make it forgotten.
    assert run(pflow, "tools", "docker")[0] == 0
    code, seen = health(pflow)
    assert (code, seen["status"], seen["vanished"]) == (1, "degraded", ["slack"])
    [line] = next(one["evidence"] for one in seen["services"] if one["name"] == "slack")
    assert "all its tools are gone" in line
    assert "restart the gateway" in line
    assert not any("slack" in warning for warning in seen["warnings"]), seen["warnings"]


def test_a_tool_that_is_gone_is_told_alike_wherever_it_is_called(pflow: Pflow, fake_gateway: Start) -> None:
    gateway = docker(fake_gateway, services="github,slack")
    add(pflow, gateway.url)
    with Held(pflow, "docker", FIRST, SECOND) as held:
        gateway.order(do="backend", name="slack", state="down")
        gateway.order(do="restart", token="a-token-of-docker")
        code, said = held.go_on()
    assert code == 1
    wanted = "slack__post_message is of slack, which docker lists no more, last seen "
    assert wanted in said, "a running serve"
    code, _, said = run(pflow, "call", "docker", SECOND[0], "--args", json.dumps(SECOND[1]))
    assert wanted in said
    assert "start slack, then restart the gateway" in said
    assert "did you mean" not in said, "a tool of another service is none"
    code, _, said = run(pflow, "call", "docker", "github__get_isue")
    assert "did you mean github__get_issue?" in said


def test_an_entry_of_one_service_is_judged_by_that_service_alone(pflow: Pflow, fake_gateway: Start) -> None:
    gateway = docker(fake_gateway, "--down", "weird", services="github,slack")
    add(pflow, gateway.url, "--per-service")
    assert [one["name"] for one in report(pflow, "services", "docker_github")["services"]] == ["github"]
    gateway.order(do="backend", name="slack", state="down")
    gateway.order(do="restart", token="a-token-of-docker")
    code, seen = health(pflow, "docker_github")
    assert (code, seen["status"], [one["name"] for one in seen["services"]]) == (0, "ok", ["github"])
    code, seen = health(pflow, "docker_slack")
    assert (code, seen["status"], seen["vanished"]) == (1, "degraded", ["slack"])
    assert run(pflow, "test", "docker_github")[0] == 0


def test_a_declared_service_that_is_absent_is_told(pflow: Pflow, fake_gateway: Start) -> None:
    gateway = docker(fake_gateway, "--down", "slack", services="github,slack")
    services = ("--service", "github", "--service", "slack", "--per-service")
    done = run(pflow, "add", "x", gateway.url, "--bearer-env", VARIABLE, *services)
    assert done[0] == 0, done
    assert "slack has no entry: the gateway lists no tool of it now" in done[1]
    assert 'the declared service "slack" has no tools' in done[1]
    add(pflow, gateway.url)
    _, shown, _ = run(pflow, "test", "docker")
    assert 'the declared service "slack" has no tools' in shown
    assert "works: 6 tools of 1 service" in shown


def test_filters_that_match_nothing_are_warned_of(pflow: Pflow, fake_gateway: Start) -> None:
    gateway = docker(fake_gateway, services="github,slack")
    done = run(pflow, "tools", gateway.url, "--bearer-env", VARIABLE, "--service", "slak")
    assert 'no service matches "slak"; did you mean slack?' in done[1]
    code, shown, _ = bare(pflow, gateway.url, "--include-service", "slack", "--include-service", "gihub", "--exclude", "no_such_*")
    assert code == 0
    assert 'no service matches "gihub"; did you mean github?' in shown
    assert 'no tool matches "no_such_*"' in shown


def test_a_container_that_ends_during_a_call_is_the_services_failure(pflow: Pflow, fake_gateway: Start) -> None:
    gateway = docker(fake_gateway, "--container", "box", services="box,slack")
    add(pflow, gateway.url, "--service", "box=box__")
    error = report(pflow, "call", "docker", "box__crash")["error"]
    assert (error["class"], error["service"]) == ("upstream_error", "box")
    assert "may have run" in error["message"] + error["hint"]
    assert "arguments" not in error["hint"]
    assert tools_called(gateway) == ["box__crash"], "nothing is sent twice"
    assert report(pflow, "call", "docker", "box__echo")["ok"] is True


def test_a_long_lived_container_that_ended_is_called_again_in_a_new_session(
    pflow: Pflow, fake_gateway: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway = docker(fake_gateway, "--long-lived", "box", services="box,slack")
    for name, value in pflow.env.items():
        monkeypatch.setenv(name, value)
    with Gateway(gateway.url, bearer=f"${{{VARIABLE}}}") as opened:
        with pytest.raises(UpstreamError) as raised:
            opened.call("box__crash")
        assert "box" in str(raised.value)
        # The gateway's words for the next one say that nothing was sent: another tool that writes is repeated.
        assert opened.call("box__echo", {"text": "a"})["ok"] is True
    sessions = [request["session"] for request in gateway.requests("tools/call")]
    assert len(sessions) == 3
    assert sessions[0] == sessions[1] != sessions[2]


@pytest.mark.parametrize(
    ("state", "kind", "words"),
    [
        ("denied", "forbidden", "a policy of your organization"),
        ("unjudged", "forbidden", "could not ask your organization's policy"),
        ("unconfigured", "upstream_error", "docker mcp profile server add"),
        ("no-daemon", "upstream_error", "start Docker where the gateway runs"),
        ("unauthorized", "auth_required", "docker mcp oauth authorize slack"),
    ],
)
def test_what_the_gateway_refuses_names_the_service_and_the_remedy(
    state: str, kind: str, words: str, pflow: Pflow, fake_gateway: Start
) -> None:
    gateway = docker(fake_gateway, services="github,slack")
    add(pflow, gateway.url)
    gateway.order(do="backend", name="slack", state=state)
    error = report(pflow, "call", "docker", SECOND[0], "--args", json.dumps(SECOND[1]))["error"]
    assert (error["class"], error["service"]) == (kind, "slack"), error
    assert words in error["hint"]


def test_who_signs_in_again_goes_on_without_a_restart(pflow: Pflow, fake_gateway: Start) -> None:
    gateway = docker(fake_gateway, services="github,slack")
    add(pflow, gateway.url)
    with Held(pflow, "docker", SECOND, SECOND) as held:
        gateway.order(do="backend", name="slack", state="unauthorized")
        gateway.order(do="backend", name="slack", state="up")
        code, said = held.go_on()
    assert code == 0, said
    assert len({request["session"] for request in gateway.requests("tools/call")}) == 1


def test_a_probe_tells_of_a_service_that_bare_names_do_not(pflow: Pflow, fake_gateway: Start) -> None:
    gateway = start(fake_gateway)
    assert bare(pflow, gateway.url)[0] == 0
    gateway.order(do="backend", name="slack", state="down")
    done = pflow.program(needed("PFLOW_GATEWAY_BIN"), "health", "docker", "--probe", "slack=list_channels", "--json")
    seen = json.loads(done.stdout)["gateways"][0]
    assert done.returncode == 1, seen
    assert [(one["name"], one["status"]) for one in seen["services"]] == [("slack", "upstream_error")]


def test_a_gateway_that_hangs_at_its_start_is_told_from_a_slow_one(pflow: Pflow, fake_gateway: Start) -> None:
    gateway = docker(fake_gateway, "--hung")
    code, _, said = run(pflow, "test", gateway.url, "--timeout", "2")
    assert code == 1
    assert "does not even answer GET /health" in said


def test_a_gateway_with_the_old_transport_says_so_at_once(pflow: Pflow, fake_gateway: Start) -> None:
    gateway = docker(fake_gateway, "--sse")
    _, _, said = bare(pflow, gateway.url)
    assert "--transport streaming" in said


def test_tools_of_no_known_service_that_are_gone_make_the_gateway_degraded(pflow: Pflow, fake_gateway: Start) -> None:
    gateway = start(fake_gateway)
    assert bare(pflow, gateway.url)[0] == 0
    gateway.order(do="backend", name="slack", state="down")
    gateway.order(do="restart", token="a-token-of-docker")
    code, seen = health(pflow)
    assert (code, seen["status"]) == (1, "degraded")
    [told] = [warning for warning in seen["warnings"] if "gone" in warning]
    assert "post_message" in told
    assert "restart the gateway" in told


def test_a_tool_that_takes_longer_than_pflow_waits_is_told_in_our_words(pflow: Pflow, fake_gateway: Start) -> None:
    """pflow gives up after 30 s and says nothing of the service: `serve` is sooner."""
    gateway = fake_gateway("generic", "--services", "lab,slack")
    assert run(pflow, "add", "gw", gateway.url)[0] == 0
    with Held(pflow, "gw", ("slack__list_channels", {}), ("lab__wait", {"seconds": "33"})) as held:
        code, said = held.go_on()
    assert code == 1
    assert "Request timed out after 30 seconds" not in said
    assert "no answer within 25 s (lab: " in said


class Tap:
    """Passes connections on to a port, and keeps what clients wrote."""

    def __init__(self, port: int) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.written = b""
        self._to = port
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                near = self._listener.accept()[0]
            except OSError:
                return
            far = socket.create_connection(("127.0.0.1", self._to))
            for source, target, keep in ((near, far, True), (far, near, False)):
                threading.Thread(target=self._pass, args=(source, target, keep), daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket, keep: bool) -> None:
        with contextlib.suppress(OSError):
            while read := source.recv(65536):
                if keep:
                    self.written += read
                target.sendall(read)
            target.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        self._listener.close()


def test_the_end_of_a_session_has_no_body(pflow: Pflow, fake_gateway: Start) -> None:
    """Some servers take the empty chunk of one for the next request."""
    gateway = docker(fake_gateway)
    tap = Tap(int(gateway.url.split(":")[2].split("/")[0]))
    try:
        done = run(pflow, "tools", f"http://127.0.0.1:{tap.port}/mcp", "--bearer-env", VARIABLE)
        assert done[0] == 0, done
    finally:
        tap.close()
    _, found, end = tap.written.partition(b"DELETE /mcp HTTP/1.1\r\n")
    assert found
    head, _, body = end.partition(b"\r\n\r\n")
    assert b"transfer-encoding" not in head.lower()
    assert body == b""


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
