"""An outage seen by every kind of watcher at once: each is told of every change exactly once, and nobody takes it from another.

Two monitors that are killed at any moment, `health --watch`, `health` by hand, and `health --on-change` as cron would run it.
"""

from __future__ import annotations

import contextlib
import json
import random
import re
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import FakeGateway
from gateway import Gateway
from processes import Program

SERVICES = [f"s{number:03}" for number in range(340)]
"""So many that each changes three times at most: what flaps more often is told less often."""

AT_ONCE = 60

PATIENCE = 300


class Receiver:
    """What a watcher's command was given, in a file of its own."""

    def __init__(self, folder: Path, name: str) -> None:
        self.path = folder / f"{name}.jsonl"
        self.command = f"tee -a {self.path}"

    def alerts(self) -> list[dict[str, Any]]:
        text = self.path.read_text(encoding="utf-8") if self.path.exists() else ""
        alerts = []
        # One that was cut, by the end of its watcher or by this look, does not count: it is told again, perhaps on the same line.
        for piece in re.split(r'(?=\{"id":)', text):
            with contextlib.suppress(json.JSONDecodeError):
                alerts.append(json.loads(piece))
        return alerts

    def changes(self) -> dict[str, list[str]]:
        """The states that each service was told to have, in order; an alert that came twice is one."""
        states: dict[str, list[str]] = {}
        for alert in {alert["id"]: alert for alert in self.alerts()}.values():
            if alert["service"]:
                states.setdefault(alert["service"], []).append("gone" if alert["to"] == "offline" else "up")
        return states

    def again(self) -> int:
        """How many came twice."""
        return sum(count - 1 for count in Counter(alert["id"] for alert in self.alerts()).values())


def flip(fake: FakeGateway, state: str, names: list[str]) -> None:
    assert fake.program.process.stdin is not None
    for name in names:
        order = {"do": "service", "name": name, "state": state}
        fake.program.process.stdin.write(json.dumps(order).encode() + b"\n")
    fake.program.process.stdin.flush()


@pytest.fixture
def ended() -> Any:
    """Programs that are ended with the test."""
    programs: list[Program] = []
    yield programs
    for program in programs:
        program.stop()


def test_a_thousand_changes_are_told_to_each_watcher_exactly_once_through_kills(
    fake_gateway: Callable[..., FakeGateway], tmp_path: Path, shared_cache: Path, ended: list[Program]
) -> None:
    # One stays: a gateway that lists nothing at all is another matter.
    services = ",".join(f"{name}:1" for name in [*SERVICES, "stays"])
    fake = fake_gateway("generic", "--services", services, "--meta", "tools", "--stateless")
    gateway = Gateway(tmp_path / "home", shared_cache, fake.url)
    gateway.health()
    dice = random.Random(time.time_ns())
    told = {name: Receiver(tmp_path, name) for name in ("one", "two", "cron", "watch")}
    monitors: dict[str, Program] = {}

    def start(name: str) -> None:
        # Alike but for the command: what tells them apart has to be theirs, whatever they are called.
        flags = ("--listen", "127.0.0.1:0", "--on-change", told[name].command)
        monitors[name], _ = gateway.monitor(*flags, every=0.1)
        ended.append(monitors[name])

    start("one")
    start("two")
    watch = [gateway.binary, "health", "--watch", "0.3", "--json", "--on-change", told["watch"].command]
    ended.append(Program(watch, tmp_path / "watch.log", gateway.env))
    over = threading.Event()
    failed: list[str] = []

    def by_itself(*flags: str) -> None:
        while not over.is_set():
            done = subprocess.run(
                [gateway.binary, "health", "--json", *flags],
                env=gateway.env,
                capture_output=True,
                text=True,
                timeout=PATIENCE,
                check=False,
            )
            if done.returncode not in (0, 1):
                failed.append(done.stderr)
            over.wait(1)

    threads = [
        threading.Thread(target=by_itself),
        threading.Thread(target=by_itself, args=("--on-change", told["cron"].command)),
    ]
    for thread in threads:
        thread.start()
    expected: dict[str, list[str]] = {name: [] for name in SERVICES}
    changes = 0
    kills = Counter[str]()
    try:
        # Everybody has seen it well once; who has not, is told of a service that is down at its first look.
        time.sleep(3)
        for state in ("gone", "up", "gone"):
            for first in range(0, len(SERVICES), AT_ONCE):
                names = SERVICES[first : first + AT_ONCE]
                flip(fake, state, names)
                for name in names:
                    expected[name].append(state)
                changes += len(names)
                victim = dice.choice(["one", "two"])
                time.sleep(dice.uniform(0, 0.8))
                monitors[victim].process.kill()
                monitors[victim].process.wait()
                kills[victim] += 1
                start(victim)
                deadline = time.monotonic() + PATIENCE
                while any(len(told[name].changes().get(s, [])) < len(expected[s]) for name in told for s in names):
                    assert time.monotonic() < deadline, {
                        name: [s for s in names if told[name].changes().get(s) != expected[s]] for name in told
                    }
                    time.sleep(0.1)
    finally:
        over.set()
        for thread in threads:
            thread.join()
    assert not failed, failed
    assert changes >= 1_000
    for name, watcher in told.items():
        assert watcher.changes() == expected, name
        # Killed between the command's end and the note of it: that one comes again, with the same number, and no other.
        assert watcher.again() <= kills[name], (name, watcher.again(), kills)
        alerts = {alert["id"]: alert for alert in watcher.alerts()}
        assert all(alert == alerts[alert["id"]] for alert in watcher.alerts()), "no number is given twice"
    again = {name: watcher.again() for name, watcher in told.items()}
    print(f"{changes} changes, kills: {dict(kills)}, again: {again}")


def test_two_monitors_that_are_alike_in_everything_are_both_told(
    fake_gateway: Callable[..., FakeGateway], tmp_path: Path, shared_cache: Path, ended: list[Program]
) -> None:
    fake = fake_gateway("generic", "--meta", "outcomes", "--stateless")
    gateway = Gateway(tmp_path / "home", shared_cache, fake.url)
    gateway.health()
    told = Receiver(tmp_path, "both")
    for _ in range(2):
        monitor, _ = gateway.monitor("--listen", "127.0.0.1:0", "--on-change", told.command, every=0.2)
        ended.append(monitor)
    time.sleep(2)
    flip(fake, "gone", ["slack"])
    deadline = time.monotonic() + PATIENCE
    while len([alert for alert in told.alerts() if alert["service"] == "slack"]) < 2:
        assert time.monotonic() < deadline, told.alerts()
        gateway.health()
    time.sleep(2)
    alerts = [alert for alert in told.alerts() if alert["service"] == "slack"]
    assert len(alerts) == len({alert["id"] for alert in alerts}) == 2, alerts
