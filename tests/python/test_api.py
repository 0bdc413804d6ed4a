"""`pflow_gateway.Gateway`: the shapes of `--json`, one tree of exceptions, and good manners as a guest in somebody's process."""

from __future__ import annotations

import copy
import json
import pickle
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pflow_gateway
import pytest
from conftest import FakeGateway, Pflow
from pflow_gateway import (
    AuthError,
    ConfigError,
    Gateway,
    GatewayError,
    GatewayTimeoutError,
    ProtocolError,
    RateLimitedError,
    SandboxError,
    UnreachableError,
    UpstreamError,
    errors,
)

Start = Callable[..., FakeGateway]


@pytest.fixture(autouse=True)
def isolated(pflow: Pflow, monkeypatch: pytest.MonkeyPatch) -> None:
    """This process reads the same files as the programs that the test starts."""
    for name, value in pflow.env.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def lab(fake_gateway: Start) -> FakeGateway:
    """Three services; the tools of one do as they are told."""
    return fake_gateway("generic", "--framing", "sse")


@pytest.fixture
def gateway(lab: FakeGateway) -> Iterator[Gateway]:
    with Gateway(lab.url) as gateway:
        yield gateway


class TestCredentials:
    """A URL has no entry that names its credential: it is given."""

    @pytest.mark.parametrize(
        ("wants", "given"),
        [
            (("--bearer", "b-1"), {"bearer": "b-1"}),
            (("--bearer", "b-1"), {"bearer": "${B_OF_THE_TEST}"}),
            (("--bearer", "b-1"), {"headers": {"Authorization": "Bearer b-1"}}),
            (("--api-key", "X-API-Key=k-1"), {"api_key": "k-1"}),
            (("--api-key", "X-Other=k-1"), {"api_key": "k-1", "api_key_header": "X-Other"}),
            (("--basic", "me:p-1"), {"basic": ("me", "p-1")}),
        ],
    )
    def test_each_kind_is_sent(
        self, fake_gateway: Start, monkeypatch: pytest.MonkeyPatch, wants: tuple[str, str], given: dict[str, Any]
    ) -> None:
        monkeypatch.setenv("B_OF_THE_TEST", "b-1")
        fake = fake_gateway("generic", *wants)
        with Gateway(fake.url, **given) as gateway:
            assert gateway.call("lab__echo", {"text": "x"})["ok"]
            assert "-1" not in repr(gateway)

    def test_a_wrong_one_is_refused_and_not_shown(self, fake_gateway: Start) -> None:
        fake = fake_gateway("generic", "--bearer", "b-1")
        with pytest.raises(AuthError) as raised, Gateway(fake.url, bearer="wr0ng-one") as gateway:
            gateway.services()
        assert "wr0ng" not in str(raised.value)

    def test_two_at_once_and_bad_names_are_errors(self) -> None:
        with pytest.raises(ValueError, match="give one of them"):
            Gateway("http://127.0.0.1:9/mcp", bearer="a", api_key="b")
        with pytest.raises(ValueError, match="no name of a header"):
            Gateway("http://127.0.0.1:9/mcp", headers={"a b": "c"})


class TestRenames:
    """ContextForge names tools after their service; the service's id and the tool's original name stay."""

    def test_a_tool_is_called_by_its_new_name_once(self, fake_gateway: Start) -> None:
        forge = fake_gateway("context-forge")
        said: list[tuple[str, str | None, Any]] = []
        with Gateway(forge.url, bearer=forge.hello["token"]) as gateway:
            before = gateway.call("slack-list-channels")
            assert (before["ok"], before["tool"]) == (True, "slack-list-channels")
            forge.order(do="backend", name="slack", rename="Team Chat")
            after = gateway.call("slack-list-channels", on_message=lambda *message: said.append(message))
            assert (after["ok"], after["tool"], after["service"]) == (True, "team-chat-list-channels", "team-chat")
            again = gateway.call("slack-post-message", {"channel": "c", "text": "t"})
            assert again["tool"] == "team-chat-post-message"
        called = [request["tool"] for request in forge.requests("tools/call")]
        # The first one by the old name is how the rename was noticed; no service saw it.
        assert called == [
            "slack-list-channels",
            "slack-list-channels",
            "team-chat-list-channels",
            "team-chat-post-message",
        ]
        assert "is called team-chat-list-channels now" in str(said)

    def test_a_service_that_is_gone_is_not_replaced_by_one_of_its_name(self, fake_gateway: Start) -> None:
        forge = fake_gateway("context-forge")
        with Gateway(forge.url, bearer=forge.hello["token"]) as gateway:
            gateway.call("slack-list-channels")
            forge.order(do="backend", name="slack", enabled=False)
            gone = gateway.call("slack-list-channels")
            assert (gone["ok"], gone["tool"]) == (False, "slack-list-channels")


class TestShapes:
    def test_they_are_those_of_the_command_line(self, pflow: Pflow, lab: FakeGateway, gateway: Gateway) -> None:
        def printed(*args: str) -> Any:
            done = pflow.program(sys.executable, "-m", "pflow_gateway", *args, "--json")
            assert done.returncode == 0, done.stderr
            return json.loads(done.stdout)

        url = lab.url
        assert gateway.services() == printed("services", url)
        assert gateway.tools() == printed("tools", url)
        narrow = gateway.tools(include=["github__*"], read_only=True)
        assert narrow == printed("tools", url, "--include", "github__*", "--read-only")
        arguments = {"text": "grüße", "n": [1, 2.5, None, True]}
        called = gateway.call("lab__echo", arguments)
        assert called == printed("call", url, "lab__echo", "--args", json.dumps(arguments))
        for name, ours in (("test", gateway.test()), ("health", gateway.health())):
            assert shape(ours) == shape(printed(name, url)), name

    def test_a_tool_s_own_error_is_a_result(self, gateway: Gateway) -> None:
        report = gateway.call("lab__boom", {"reason": "on purpose"})
        assert report["ok"] is False
        assert report["result"] is not None
        assert report["result"]["isError"] is True
        assert report["error"] is not None
        assert "lab__boom" in report["error"]["message"]
        assert "on purpose" in report["result"]["content"][0]["text"]

    def test_arguments_arrive_as_they_were(self, gateway: Gateway) -> None:
        arguments = {"text": "a\u0000b\n\u2028💡", "nested": {"z": 1, "a": [{}], "big": 2**53 + 1, "small": -(2**63)}}
        result = gateway.call("lab__echo", arguments)["result"]
        assert result is not None
        assert result["structuredContent"]["arguments"] == arguments

    def test_health_remembers_since_when(self, gateway: Gateway) -> None:
        first, second = (gateway.health()["gateways"][0] for _ in range(2))
        assert first["since"] is not None
        assert second["since"] == first["since"]
        # To the second.
        assert second["checked_at"] >= first["checked_at"]

    def test_a_failing_call_is_known_to_health(self, lab: FakeGateway, gateway: Gateway) -> None:
        assert status_of(gateway, "github") in ("ok", "unknown")
        lab.order(do="service", name="github", state="failing")
        with pytest.raises(GatewayError):
            gateway.call("github__list_issues", {"repo": "a/b"})
        assert status_of(gateway, "github") not in ("ok", "unknown")

    def test_narrowing_is_counted(self, gateway: Gateway) -> None:
        everything = gateway.tools()
        some = gateway.tools(exclude=["lab__*", "slack__*"])
        assert {tool["name"].partition("__")[0] for tool in some["tools"]} == {"github"}
        assert some["total"] == everything["total"] == len(everything["tools"])
        assert some["filtered_out"] == everything["total"] - len(some["tools"])


def status_of(gateway: Gateway, service: str) -> str:
    """What health says of one service."""
    services = gateway.health()["gateways"][0]["services"]
    return next(found["status"] for found in services if found["name"] == service)


def shape(value: Any) -> Any:
    """A report without what differs from run to run."""
    if isinstance(value, dict):
        changing = {"ms", "latency_ms", "checked_at", "detail", "since", "last_seen"}
        return {name: shape(member) for name, member in value.items() if name not in changing}
    if isinstance(value, str):
        # "a call answered 2 s ago"
        return re.sub(r"\d+ \w+ ago|just now", "some time ago", value)
    if isinstance(value, list):
        return [shape(member) for member in value]
    return value


class TestErrors:
    def test_every_class_of_the_host_has_an_exception(self) -> None:
        classes = {
            AuthError: {"auth_required", "token_expired", "forbidden"},
            RateLimitedError: {"rate_limited"},
            GatewayTimeoutError: {"timeout"},
            UnreachableError: {"unreachable", "dns", "tls"},
            ProtocolError: {"not_mcp", "protocol_error", "session_lost"},
            UpstreamError: {"upstream_error"},
            SandboxError: {"egress_denied", "component", "limit"},
            ConfigError: {"config"},
            errors.InternalError: {"internal"},
        }
        for exception, names in classes.items():
            for name in names:
                error = errors.from_parts(name, "message", "hint", "service")
                assert type(error) is exception
                assert isinstance(error, GatewayError)
        assert type(errors.from_parts("from_the_future", "m", None, None)) is GatewayError

    def test_they_are_python_s_own_kinds_too(self) -> None:
        assert issubclass(GatewayTimeoutError, TimeoutError)
        assert issubclass(UnreachableError, ConnectionError)

    def test_what_the_system_refused_is_the_cause(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError) as raised:
            Gateway("docker", config=tmp_path / "mcp-servers.json", component=tmp_path / "gone.wasm")
        assert raised.value.__cause__ is None, "nothing of the system's is behind a name that nobody knows"
        with pytest.raises(ConfigError, match="cannot read the component .*gone.wasm: No such file") as raised:
            Gateway("http://127.0.0.1:1/mcp", component=tmp_path / "gone.wasm").tools()
        assert isinstance(raised.value.__cause__, FileNotFoundError)

    def test_they_survive_copying_and_pickling(self) -> None:
        error = errors.from_parts("rate_limited", "Slow down.", "wait", "slack")
        for other in (copy.copy(error), copy.deepcopy(error), pickle.loads(pickle.dumps(error))):
            assert type(other) is RateLimitedError
            assert (str(other), other.error_class, other.hint, other.service) == (
                "Slow down.",
                "rate_limited",
                "wait",
                "slack",
            )

    def test_an_unknown_name_is_refused_before_anything_is_sent(self, pflow: Pflow) -> None:
        pflow.configure({"docker": {"command": "true", "gateway": {"url": "http://127.0.0.1:9/mcp"}}})
        with pytest.raises(ConfigError) as raised:
            Gateway("dokcer")
        assert raised.value.error_class == "config"
        assert "dokcer" in str(raised.value)
        assert "docker" in (raised.value.hint or "")

    def test_a_broken_file_is_named(self, pflow: Pflow, tmp_path: Path) -> None:
        broken = tmp_path / "servers.json"
        broken.write_text('{"mcpServers": {', encoding="utf-8")
        with pytest.raises(ConfigError, match=str(broken)):
            Gateway("x", config=broken)

    def test_a_closed_port_is_unreachable(self) -> None:
        gateway = Gateway("http://127.0.0.1:9/mcp")
        with pytest.raises(UnreachableError) as raised:
            gateway.services()
        assert "127.0.0.1:9" in str(raised.value)
        assert raised.value.hint
        report = gateway.test()
        assert report["ok"] is False
        assert report["error"] is not None
        assert report["error"]["class"] == "unreachable"
        assert gateway.health()["status"] == "unreachable"
        with pytest.raises(UnreachableError):
            gateway.call("any_tool")

    def test_a_missing_token_is_an_auth_error(self, fake_gateway: Start) -> None:
        gateway = Gateway(fake_gateway("generic", "--bearer", "right").url)
        with pytest.raises(AuthError) as raised:
            gateway.tools()
        assert raised.value.error_class == "auth_required"

    def test_a_tool_that_is_not_there_raises(self, gateway: Gateway) -> None:
        with pytest.raises(GatewayError, match="no_such_tool"):
            gateway.call("no_such_tool")

    def test_a_timeout_is_one_of_the_call_alone(self, gateway: Gateway) -> None:
        began = time.monotonic()
        with pytest.raises(TimeoutError) as raised:
            gateway.call("lab__wait", {"seconds": 20}, timeout=0.5)
        assert time.monotonic() - began < 5
        assert raised.value.error_class == "timeout"
        assert gateway.call("lab__echo", {"text": "still there"})["ok"] is True

    def test_a_timeout_is_for_all_of_a_call(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            gateway = Gateway(f"http://127.0.0.1:{silent.getsockname()[1]}/mcp")
            began = time.monotonic()
            with pytest.raises(TimeoutError) as raised:
                gateway.call("t", {}, timeout=2)
            assert time.monotonic() - began < 8, "30 s were taken, or a multiple"
        assert "may have run" not in (raised.value.hint or ""), "nothing was called"

    def test_a_write_whose_answer_is_lost_may_have_run(self, fake_gateway: Start) -> None:
        for fault in ("call-never-answered", "call-504", "call-502", "call-reset", "call-broken-json"):
            with Gateway(fake_gateway("fault", fault).url) as gateway:
                with pytest.raises(GatewayError) as raised:
                    gateway.call("github__create_issue", {"repo": "a", "title": "t"}, timeout=4)
                said = f"{raised.value} {raised.value.hint}"
                assert "may have run; check before calling it again" in said, fault
                assert "try again" not in said.lower() and "retry" not in said.lower(), said

    @pytest.mark.parametrize("timeout", [0, -1, float("nan"), float("inf")])
    def test_a_timeout_that_is_none_is_refused(self, timeout: float) -> None:
        with pytest.raises(ValueError, match="timeout"):
            Gateway("http://127.0.0.1:9/mcp", timeout=timeout)

    def test_arguments_that_are_not_json_are_python_s_errors(self, gateway: Gateway) -> None:
        with pytest.raises(TypeError, match="not JSON serializable"):
            gateway.call("lab__echo", {"text": object()})
        with pytest.raises(ValueError, match="JSON"):
            gateway.call("lab__echo", {"text": float("nan")})
        with pytest.raises(TypeError, match="must be a dict"):
            gateway.call("lab__echo", ["text"])  # type: ignore[arg-type]

    def test_a_component_that_is_none_is_refused(self, tmp_path: Path) -> None:
        file = tmp_path / "not.wasm"
        file.write_bytes(b"\0asm\x01\0\0\0")
        with pytest.raises(SandboxError) as raised:
            Gateway("http://127.0.0.1:9/mcp", component=file).services()
        assert raised.value.error_class == "component"


class TestManners:
    def test_waiting_releases_the_gil(self, gateway: Gateway) -> None:
        waiter = threading.Thread(target=gateway.call, args=("lab__wait", {"seconds": 3}))
        waiter.start()
        longest, last = 0.0, time.monotonic()
        while waiter.is_alive():
            time.sleep(0.001)
            now = time.monotonic()
            longest, last = max(longest, now - last), now
        waiter.join()
        assert longest < 1.5, f"other threads stood still for {longest:.2f} s"

    def test_calls_of_several_threads_run_side_by_side(self, gateway: Gateway) -> None:
        gateway.call("lab__echo")
        results: list[bool] = []
        threads = [
            threading.Thread(target=lambda: results.append(gateway.call("lab__wait", {"seconds": 2})["ok"]))
            for _ in range(8)
        ]
        began = time.monotonic()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert results == [True] * 8
        assert time.monotonic() - began < 10, "one after the other would take 16 s"

    def test_progress_and_messages_arrive_while_the_call_runs(self, gateway: Gateway) -> None:
        progress: list[tuple[float, float | None, str | None]] = []
        arrived: list[float] = []

        def on_progress(*step: Any) -> None:
            progress.append(step)
            arrived.append(time.monotonic())

        gateway.call("lab__steps", {"steps": 3, "seconds": 0.3}, on_progress=on_progress)
        done = time.monotonic()
        assert [step[0] for step in progress] == [1, 2, 3]
        assert [step[1] for step in progress] == [3, 3, 3]
        assert done - arrived[0] > 0.4, "they came only at the end"
        messages: list[tuple[str, str | None, Any]] = []
        gateway.call("lab__say", {"text": "hello", "steps": 2}, on_message=lambda *message: messages.append(message))
        assert messages == [("info", "lab", "hello")] * 2

    def test_a_callback_may_use_the_gateway(self, gateway: Gateway) -> None:
        totals: list[int] = []
        report = gateway.call(
            "lab__steps", {"steps": 3}, on_progress=lambda *_: totals.append(gateway.tools()["total"]), timeout=60
        )
        assert report["ok"] is True
        assert len(totals) == 3

    def test_a_slow_callback_holds_up_nobody_else(self, gateway: Gateway) -> None:
        release = threading.Event()
        heard: list[float] = []

        def slow(progress: float, *_: Any) -> None:
            release.wait(20)
            heard.append(progress)

        callers = [
            threading.Thread(target=gateway.call, args=("lab__steps", {"steps": 2}), kwargs={"on_progress": slow})
            for _ in range(4)
        ]
        for caller in callers:
            caller.start()
        began = time.monotonic()
        assert gateway.call("lab__echo", timeout=15)["ok"] is True
        assert time.monotonic() - began < 15
        release.set()
        for caller in callers:
            caller.join()
        assert sorted(heard) == [1, 1, 1, 1, 2, 2, 2, 2]

    def test_a_callback_that_raises_does_not_end_the_call(
        self, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        complaints: list[Any] = []
        monkeypatch.setattr(sys, "unraisablehook", lambda complaint: complaints.append(complaint.exc_type))
        report = gateway.call("lab__steps", {"steps": 2}, on_progress=lambda *_: 1 / 0)
        assert report["ok"] is True
        assert complaints == [ZeroDivisionError] * 2

    def test_a_gateway_works_again_after_close(self, gateway: Gateway) -> None:
        assert gateway.call("lab__echo")["ok"] is True
        gateway.close()
        gateway.close()
        assert gateway.call("lab__echo")["ok"] is True

    def test_a_fork_has_a_gateway_of_its_own(self, lab: FakeGateway, pflow: Pflow) -> None:
        script = (
            "import os, sys\n"
            "from pflow_gateway import Gateway\n"
            f"gateway = Gateway({lab.url!r})\n"
            "assert gateway.call('lab__echo')['ok']\n"
            "child = os.fork()\n"
            "ok = gateway.call('lab__echo', timeout=20)['ok']\n"
            "if child == 0:\n"
            "    os._exit(0 if ok else 1)\n"
            "assert os.waitpid(child, 0)[1] == 0\n"
        )
        done = pflow.program(sys.executable, "-W", "ignore", "-c", script, timeout=60)
        assert done.returncode == 0, done.stderr

    def test_the_version_is_the_wheel_s(self) -> None:
        from importlib.metadata import version

        assert pflow_gateway.__version__ == version("pflow-gateway")


class TestInterrupts:
    """Ctrl-C while a tool takes its time."""

    def interrupted(self, pflow: Pflow, lab: FakeGateway, *argv: str | Path) -> tuple[int, str, float]:
        process = subprocess.Popen(
            [str(part) for part in argv],
            env=pflow.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            # Shells start background jobs with Ctrl-C ignored, and that is inherited.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        try:
            deadline = time.monotonic() + 60
            while not lab.requests("tools/call") and process.poll() is None and time.monotonic() < deadline:
                time.sleep(0.05)
            assert process.poll() is None, process.communicate()[0]
            assert lab.requests("tools/call")
            process.send_signal(signal.SIGINT)
            began = time.monotonic()
            output = process.communicate(timeout=30)[0]
            return process.returncode, output, time.monotonic() - began
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()

    def test_of_python_raises_keyboard_interrupt(self, pflow: Pflow, lab: FakeGateway) -> None:
        script = (
            "from pflow_gateway import Gateway\n"
            "try:\n"
            f"    Gateway({lab.url!r}).call('lab__wait', {{'seconds': 60}}, timeout=60)\n"
            "except KeyboardInterrupt:\n"
            "    print('interrupted')\n"
        )
        code, output, took = self.interrupted(pflow, lab, sys.executable, "-c", script)
        assert (code, output) == (0, "interrupted\n")
        assert took < 10

    def test_of_python_tells_the_gateway_and_the_user(self, pflow: Pflow, fake_gateway: Start) -> None:
        fake = fake_gateway("fault", "call-never-answered")
        script = (
            "from pflow_gateway import Gateway\n"
            "try:\n"
            f"    Gateway({fake.url!r}).call('github__create_issue', {{'repo': 'a', 'title': 't'}}, timeout=60)\n"
            "except KeyboardInterrupt:\n"
            "    print('interrupted', flush=True)\n"
        )
        code, output, took = self.interrupted(pflow, fake, sys.executable, "-c", script)
        assert code == 0, output
        assert "github__create_issue may still run at" in output
        assert took < 10
        assert fake.requests("notifications/cancelled")
        assert [request for request in fake.requests() if request["method"] == "DELETE"]

    @pytest.mark.parametrize("how", ["module", "pflow"])
    def test_of_a_command_ends_it_with_130(self, pflow: Pflow, lab: FakeGateway, how: str) -> None:
        start = {"module": [sys.executable, "-m", "pflow_gateway"], "pflow": [pflow.binary, "mcp", "gateway"]}[how]
        call = ["call", lab.url, "lab__wait", "--args", '{"seconds": 60}', "--timeout", "60"]
        code, output, took = self.interrupted(pflow, lab, *start, *call)
        assert code in (130, -signal.SIGINT), output
        assert "Traceback" not in output
        assert took < 10


class TestWithoutHome:
    """Containers and services often have none; what names its files does not need it."""

    def test_a_gateway_in_a_named_file_works(self, lab: FakeGateway, pflow: Pflow, tmp_path: Path) -> None:
        file = tmp_path / "servers.json"
        entry = {"command": "pflow-gateway", "gateway": {"url": lab.url}}
        file.write_text(json.dumps({"mcpServers": {"x": entry}}), encoding="utf-8")
        script = (
            "from pathlib import Path\n"
            "from pflow_gateway import Gateway\n"
            f"with Gateway('x', config=Path({str(file)!r})) as gateway:\n"
            "    assert gateway.tools()['total']\n"
            "    assert gateway.call('lab__echo')['ok']\n"
        )
        env = {name: value for name, value in pflow.env.items() if name != "HOME"}
        done = subprocess.run(
            [sys.executable, "-c", script], env=env, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, done.stderr


class TestSideBySide:
    def test_four_that_add_at_once_are_all_there(self, pflow: Pflow) -> None:
        for round_ in range(3):
            names = [f"gw{round_}{number}" for number in range(4)]
            running = [
                subprocess.Popen(
                    [sys.executable, "-m", "pflow_gateway", "add", name, "http://127.0.0.1:9/mcp", "--no-test"],
                    env=pflow.env,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    text=True,
                )
                for name in names
            ]
            for adding in running:
                said = adding.communicate(timeout=120)[0]
                assert adding.returncode == 0, said
            assert set(names) <= set(pflow.servers), "one wrote over another"
