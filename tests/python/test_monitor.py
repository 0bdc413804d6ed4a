"""The monitor is killed, again and again, while the services behind a gateway change: nothing that it told anybody is lost."""

from __future__ import annotations

import http.client
import json
import queue
import random
import sqlite3
import threading
import time
import urllib.parse
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from conftest import FakeGateway
from gateway import Gateway

CHANGES = 1_000
"""Changes of state that are told, in all."""

FEWEST_KILLS = 20

SERVICES = [f"s{number:02}" for number in range(24)]

PATIENCE = 60

Change = tuple[str, str, str]
"""Service, state, since when."""


class Listener:
    """What a monitor tells on `/events`, until it is gone."""

    def __init__(self, url: str) -> None:
        address = urllib.parse.urlsplit(url)
        self._connection = http.client.HTTPConnection(str(address.hostname), address.port, timeout=PATIENCE)
        self._connection.request("GET", "/events")
        self._answer = self._connection.getresponse()
        self.reports: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()

    def _listen(self) -> None:
        kind = ""
        try:
            # Only whole lines: half a line was not told.
            for line in self._answer:
                if line.startswith(b"event: "):
                    kind = line[7:].strip().decode()
                elif kind == "report" and line.startswith(b"data: ") and line.endswith(b"\n"):
                    self.reports.put(json.loads(line[6:]))
        except (OSError, http.client.HTTPException):
            pass
        self.reports.put(None)

    def close(self) -> None:
        self._thread.join(PATIENCE)
        self._connection.close()


def states(report: dict[str, Any]) -> dict[str, tuple[str, str]]:
    return {service["name"]: (service["status"], service["since"]) for service in report["services"]}


def history(gateway: Gateway) -> Counter[Change]:
    """What `health --history` shows: the last hundred changes."""
    answer = gateway.json("health", "--history", "--since", "1h")
    assert answer["error"] is None, answer
    (past,) = answer["gateways"]
    return Counter(
        (change["service"], change["to"], change["at"]) for change in past["transitions"] if change["service"]
    )


def test_a_thousand_changes_and_a_monitor_that_is_killed_at_any_moment(
    fake_gateway: Callable[..., FakeGateway], tmp_path: Path, shared_cache: Path
) -> None:
    services = ",".join(f"{name}:1" for name in SERVICES)
    fake = fake_gateway("generic", "--services", services, "--meta", "outcomes", "--stateless")
    gateway = Gateway(tmp_path / "home", shared_cache, fake.url)
    dice = random.Random(time.time_ns())
    up = dict.fromkeys(SERVICES, True)
    told: Counter[Change] = Counter()
    known: dict[str, tuple[str, str]] = {}
    kills = 0

    def flip(names: list[str]) -> None:
        assert fake.program.process.stdin is not None
        for name in names:
            up[name] = not up[name]
            order = {"do": "service", "name": name, "state": "up" if up[name] else "gone"}
            fake.program.process.stdin.write(json.dumps(order).encode() + b"\n")
        fake.program.process.stdin.flush()

    def take(report: dict[str, Any], life: Counter[Change]) -> None:
        for name, (status, since) in states(report).items():
            before = known.get(name)
            if before is not None and before != (status, since):
                assert before[0] != status, f"{name} is {status} since {since}, and was since {before[1]}"
                life[(name, status, since)] += 1
            known[name] = (status, since)

    while told.total() < CHANGES:
        monitor, url = gateway.monitor(every=0.01)
        listener = Listener(url)
        life: Counter[Change] = Counter()
        # Some more come before it dies, and each may settle: all of them are among the hundred that the history shows.
        wanted = dice.randint(10, 36)
        try:
            flipped: list[str] = []
            deadline = time.monotonic() + PATIENCE
            while life.total() < wanted:
                assert time.monotonic() < deadline, f"{life.total()} of {wanted} changes were told\n{monitor.tail()}"
                report = listener.reports.get(timeout=PATIENCE)
                assert report is not None, f"the monitor ended by itself\n{monitor.tail()}"
                take(report, life)
                # The next changes, when all of the last ones were seen.
                if all((known.get(name, ("", ""))[0] == "ok") == up[name] for name in SERVICES):
                    flipped = dice.sample(SERVICES, dice.randint(1, 6))
                    flip(flipped)
            # At any moment of the next looks.
            time.sleep(dice.uniform(0, 0.04))
        finally:
            monitor.process.kill()
            monitor.process.wait()
            listener.close()
            monitor.stop()
        # What it said before it died counts too.
        while (report := listener.reports.get_nowait()) is not None:
            take(report, life)
        kills += 1
        kept = history(gateway)
        lost = life - kept
        assert not lost, f"told, and lost by kill number {kills}: {lost}"
        told += life

    assert kills >= FEWEST_KILLS, f"killed {kills} times"
    folder = tmp_path / "home" / ".pflow" / "gateway"
    assert not list(folder.glob("*broken*")), "it was never taken for broken"
    with closing(sqlite3.connect(folder / "history.db")) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        rows = database.execute("SELECT service, count(*) FROM transitions WHERE service != '' GROUP BY service")
        counts = dict(rows.fetchall())
    by_service = Counter(service for service, _, _ in told.elements())
    assert all(counts[service] >= told_ for service, told_ in by_service.items()), (counts, by_service)
    print(f"{told.total()} changes told, {kills} kills")
