"""Three replicas behind nginx, as `deploy` writes it: killed and started again, one each second, while credential and sealing keys rotate.

5,000 calls; half of them write. What is to be seen: no read fails for good, no write runs twice, and of each write that failed it is known
whether it may have run.
"""

from __future__ import annotations

import http.client
import os
import re
import secrets
import subprocess
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import upstream
from conftest import Pflow, needed
from processes import Program, free_port
from service import TEAM, Replica, precompiled, settings

CALLS = 5_000
WORKERS = 8
MAIN = """daemon off; master_process off; worker_rlimit_nofile 4096; pid {folder}/nginx.pid; error_log stderr warn;
events {{ worker_connections 1024; }}
http {{ access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/f;
uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
{site} }}
"""


def site(pflow: Pflow, folder: Path, first: int, port: int) -> str:
    """The site that `deploy` writes, without TLS, on this port."""
    pflow.configure({"gw": {"command": "x", "args": [], "gateway": {"url": "http://127.0.0.1:1/mcp"}}})
    out = folder / "written"
    done = pflow.program(
        needed("PFLOW_GATEWAY_BIN"), "deploy", "gw", "--engine", "wasmtime", "--out", out, "--host", "localhost", "--port", str(first)
    )
    assert done.returncode == 0, done.stderr
    text = (out / "nginx.conf").read_text(encoding="utf-8")
    text = re.sub(r"\s+ssl_certificate\S* [^;]+;", "", text)
    return text.replace("listen 443 ssl;", f"listen 127.0.0.1:{port};")


def free_ports(count: int) -> int:
    """The first of so many ports in a row on which nobody listens."""
    for _ in range(100):
        first = free_port()
        if first + count < 65_000 and all(is_free(first + number) for number in range(1, count)):
            return first
    pytest.fail("no three free ports in a row")


def is_free(port: int) -> bool:
    """Whether nobody listens there."""
    import socket

    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


class Team:
    """The replicas: one after the other is killed and started anew with what the settings are by then."""

    def __init__(self, folder: Path, code: Path, gateway: upstream.Server, first: int) -> None:
        self.folder, self.code, self.gateway = folder, code, gateway
        self.ports = [first + number for number in range(3)]
        self.keys = [secrets.token_hex(32)]
        self.dropped = 0
        self.token = "credential-0-" + secrets.token_hex(8)
        self.team_token = TEAM
        gateway.tokens = {self.token}
        self.starts = 0
        self.killed = 0
        self.running = [self.start(port) for port in self.ports]

    def start(self, port: int) -> Replica:
        """A replica with the present settings."""
        self.starts += 1
        variables = settings(
            {"gw": {"url": self.gateway.url, "auth": {"type": "bearer", "token": "${GW_TOKEN}"}, "timeout": 10}},
            GW_TOKEN=self.token,
            SESSION_KEYS=",".join(self.keys),
        )
        return Replica(self.folder, self.code, variables, f"replica-{self.starts}", port, "--max-instance-reuse-count", "1000")

    def restart(self, number: int) -> None:
        """One is killed, and started again."""
        process = self.running[number].program.process
        process.kill()
        process.wait()
        self.running[number].program.stop()
        self.killed += 1
        self.running[number] = self.start(self.ports[number])

    def rotate(self, phase: int) -> None:
        """The next step of a rotation; all three have been started since the last one."""
        step = phase % 3
        if step == 0:
            # A new credential beside the old one, and a new key that opens only.
            self.token = f"credential-{phase}-" + secrets.token_hex(8)
            assert self.gateway.tokens is not None
            self.gateway.tokens |= {self.token}
            self.keys = [self.keys[0], secrets.token_hex(32)]
        elif step == 1:
            # Nobody uses the old credential any more; the new key seals.
            self.gateway.tokens = {self.token}
            self.keys = [self.keys[1], self.keys[0]]
        else:
            # The old key is given up: its sessions end, and clients begin new ones.
            self.keys = self.keys[:1]
            self.dropped += 1

    def stop(self) -> None:
        """Ends all of them."""
        for replica in self.running:
            replica.program.stop()


class Client:
    """A client that knows what may be called again, and what may not."""

    def __init__(self, port: int, number: int, outcomes: dict[tuple[str, str], str], reasons: Counter[str]) -> None:
        self.replica = Replica.at(port, None)  # type: ignore[arg-type]
        self.replica.address = f"localhost:{port}"
        self.number = number
        self.outcomes = outcomes
        self.reasons = reasons
        self.session = ""
        self.sessions = 0

    def begin(self) -> None:
        """A session; asking for one changes nothing, and is done again."""
        for _ in range(50):
            try:
                self.session = self.replica.initialize()
            except (OSError, http.client.HTTPException, AssertionError):
                time.sleep(0.1)
                continue
            self.sessions += 1
            return
        pytest.fail("no session after 50 tries")

    def once(self, tool: str, title: str) -> str:
        """`ran`, `maybe`, or `no`: did not run for sure."""
        if not self.session:
            self.begin()
        try:
            answer = self.replica.legacy(self.session, "tools/call", {"name": tool, "arguments": {"title": title}})
        except (OSError, http.client.HTTPException) as error:
            self.reasons[f"broken {type(error).__name__}"] += 1
            return "maybe"
        if answer.status == 404 and '"code":-32001' in answer.text:
            self.session = ""
            self.reasons["session over"] += 1
            return "no"
        if answer.status != 200:
            self.reasons[f"HTTP {answer.status}"] += 1
            # nginx itself, which cannot know whether a replica had the request, and says so.
            assert "a call may have run; check before calling it again" in answer.text, answer.text
            return "maybe"
        result: Any = answer.json.get("result")
        if result is None:
            self.reasons[answer.text[:200]] += 1
            return "no"
        if not result.get("isError"):
            return "ran"
        words = result["content"][0]["text"]
        self.reasons[words[:200]] += 1
        says = "may have run" in words or "only reads: it can be called again" in words
        return "maybe" if says else "no"

    def work(self, calls: range) -> None:
        """Reads until it reads; writes until it ran or may have."""
        for call in calls:
            tool = ("read", "write")[call % 2]
            title = f"{self.number}-{call}"
            for _ in range(20):
                came = self.once(tool, title)
                if came == "ran" or (tool == "write" and came == "maybe"):
                    break
                time.sleep(0.05)
            self.outcomes[tool, title] = came


def nginx() -> Path:
    """What stands before the replicas; `cargo xtask test` says why it is not there."""
    if "NGINX_BIN" not in os.environ:
        pytest.skip("nginx is not here, and could not be had from Debian's packages")
    return needed("NGINX_BIN")


@pytest.mark.alone
def test_five_thousand_calls_survive_kills_and_rotations(tmp_path: Path, pflow: Pflow) -> None:
    program = nginx()
    gateway = upstream.Server(seconds=0.001)
    first = free_ports(3)
    port = free_port()
    team = Team(tmp_path, precompiled(tmp_path), gateway, first)
    conf = tmp_path / "nginx.conf"
    conf.write_text(MAIN.format(folder=tmp_path, site=site(pflow, tmp_path, first, port)), encoding="utf-8")
    before = Program([program, "-p", tmp_path, "-e", "stderr", "-c", conf], tmp_path / "nginx.log", {"PATH": os.environ["PATH"]})
    outcomes: dict[tuple[str, str], str] = {}
    reasons: Counter[str] = Counter()
    try:
        probe = Replica.at(port, before)

        def alive() -> bool | None:
            try:
                return probe.ask("GET", "/health").status == 200 or None
            except (OSError, http.client.HTTPException):
                return None

        before.ready(alive, 30)
        each = CALLS // WORKERS
        clients = [Client(port, number, outcomes, reasons) for number in range(WORKERS)]
        workers = [threading.Thread(target=client.work, args=(range(each),)) for client in clients]
        began = time.monotonic()
        for worker in workers:
            worker.start()
        phase = turn = 0
        while any(worker.is_alive() for worker in workers):
            time.sleep(1)
            team.restart(turn % 3)
            turn += 1
            # Every replica has what the step before said.
            if turn % 3 == 0:
                team.rotate(phase)
                phase += 1
            assert time.monotonic() - began < 240, (len(outcomes), reasons)
        took = time.monotonic() - began
    finally:
        before.stop()
        team.stop()
        gateway.stop()
    lost = Counter(came for (tool, _), came in outcomes.items() if tool == "write")
    print(f"{took:.1f} s, {team.killed} kills, {phase} steps of rotation, writes {dict(lost)}, {reasons.most_common(12)}")
    assert len(outcomes) == WORKERS * each
    reads = {came for (tool, _), came in outcomes.items() if tool == "read"}
    assert reads == {"ran"}, "a read failed for good"
    for (tool, title), came in outcomes.items():
        if tool == "write":
            times = gateway.ran[tool, title]
            assert times <= 1, f"{title} ran {times} times"
            assert came != "ran" or times == 1, f"{title} is said to have run"
            assert came != "no" or times == 0, f"{title} is said not to have run"
    assert team.killed >= 3 and phase >= 1
    assert lost["ran"] > len(outcomes) // 2 * 0.9, reasons
    assert not any("auth_required" in words for words in reasons), "a credential was given up before its time"


def test_nginx_takes_the_site_that_deploy_writes(tmp_path: Path, pflow: Pflow) -> None:
    conf = tmp_path / "nginx.conf"
    conf.write_text(MAIN.format(folder=tmp_path, site=site(pflow, tmp_path, 8081, free_port())), encoding="utf-8")
    done = subprocess.run(
        [nginx(), "-t", "-p", tmp_path, "-e", "stderr", "-c", conf], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "proxy_next_upstream error timeout;" in conf.read_text(encoding="utf-8"), "a POST that was sent is never sent again"
