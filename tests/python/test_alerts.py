"""`--on-change` before anything changes, a probe that is refused, and whom the monitor lets in: as a person sees them."""

from __future__ import annotations

import http.client
import json
import subprocess
import urllib.parse
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import FakeGateway
from gateway import Gateway
from processes import Program


@pytest.fixture
def gateway(fake_gateway: Callable[..., FakeGateway], tmp_path: Path, shared_cache: Path) -> Gateway:
    return Gateway(tmp_path / "home", shared_cache, fake_gateway("generic").url)


def run(gateway: Gateway, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [gateway.binary, *words],
        env=gateway.env,
        cwd=gateway.home,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize("words", [("health",), ("health", "--watch", "1"), ("monitor", "--listen", "127.0.0.1:0")])
def test_a_command_that_cannot_run_is_told_before_anything_is_watched(gateway: Gateway, words: tuple[str, ...]) -> None:
    script = gateway.home / "notify.sh"
    script.write_text("#!/bin/sh\n", encoding="utf-8")
    for command, told in [
        ("nosuchprogram --x", "there is no program nosuchprogram in PATH"),
        ("/no/such/program", "there is no file /no/such/program"),
        (str(script), f"{script} is not executable"),
    ]:
        done = run(gateway, *words, "--on-change", command)
        assert done.returncode == 2, done
        assert told in done.stderr
        assert "→" in done.stderr


def test_what_only_a_shell_understands_is_warned_of(gateway: Gateway) -> None:
    done = run(gateway, "health", "--on-change", "echo hi | cat")
    assert done.returncode == 0, done
    assert "without a shell: echo gets | as it is; write sh -c" in done.stderr
    assert "shell" not in run(gateway, "health", "--on-change", "sh -c 'echo hi | cat'").stderr


def test_an_alert_can_be_tried_and_nothing_is_looked_at(gateway: Gateway) -> None:
    file = gateway.home / "alerts.jsonl"
    for command in ("health", "monitor"):
        done = run(gateway, command, "gw", "--on-change", f"tee {file}", "--test-alert")
        assert done.returncode == 0, done
        assert "this is a test" in done.stdout
        alert = json.loads(file.read_text(encoding="utf-8"))
        assert (alert["test"], alert["gateway"], alert["from"], alert["to"]) == (True, "gw", "ok", "unreachable")
    failed = run(gateway, "health", "--on-change", "false", "--test-alert", "--json")
    assert failed.returncode == 2, failed
    assert json.loads(failed.stdout)["ok"] is False
    assert run(gateway, "health", "--test-alert").returncode == 2, "there is no command to try"
    assert not (gateway.home / ".pflow" / "gateway" / "history.db").exists()


def test_a_probe_that_is_refused_is_told_on_the_screen(gateway: Gateway) -> None:
    done = run(gateway, "health", "--probe", "github=github__delete_branch")
    assert "the probe github=github__delete_branch was not made: github__delete_branch is marked as changing" in (
        done.stdout
    )


def test_the_monitor_wants_its_token_and_gives_a_browser_a_cookie_for_it(gateway: Gateway, tmp_path: Path) -> None:
    log = tmp_path / "monitor.log"
    monitor = Program([gateway.binary, "monitor", "--listen", "127.0.0.1:0"], log, gateway.env)
    try:

        def printed() -> str | None:
            words = log.read_text(encoding="utf-8").split()
            return next((word for word in words if "?token=" in word), None)

        url = urllib.parse.urlsplit(monitor.ready(printed, 60))

        def get(path: str, **headers: str) -> http.client.HTTPResponse:
            connection = http.client.HTTPConnection(str(url.hostname), url.port, timeout=60)
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            answer.read()
            return answer

        for path in ("/", "/metrics", "/health.json", "/events", "/?token=other"):
            assert get(path).status == 401, path
        welcome = get(f"/?{url.query}")
        assert (welcome.status, welcome.headers["Location"]) == (303, "/")
        cookie = welcome.headers["Set-Cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=Strict" in cookie
        token = url.query.removeprefix("token=")
        assert get("/", Cookie=cookie.split(";")[0]).status == 200
        assert get("/metrics", Authorization=f"Bearer {token}").status == 200
        assert get("/metrics", Cookie="pflow_gateway_monitor_1=x").status == 401
    finally:
        monitor.stop()
    done = run(gateway, "monitor", "--listen", "0.0.0.0:0", "--no-token")
    assert done.returncode == 2, done
