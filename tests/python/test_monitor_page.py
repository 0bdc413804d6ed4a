"""The monitor's page as a person sees it: in a real Chromium, on a phone and on a desk, by day and by night.

The screenshots go to the folder that TEST_OUTPUT names (`cargo xtask test`: target/ci-output), where a person can look at them.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from chromium import Chromium
from conftest import FakeGateway
from gateway import Gateway
from processes import Program

# A browser's socket has no room for the longer paths of several workers.
pytestmark = pytest.mark.alone

PHONE, DESK = 390, 1280

CONTRAST = """
(() => {
  const channels = color => color.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map(c => c / 255).map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = element => {
    for (let e = element; e; e = e.parentElement) {
      const [r, g, b, a = 1] = channels(getComputedStyle(e).backgroundColor);
      if (a > 0) return [r, g, b];
    }
    return [255, 255, 255];
  };
  const poor = new Map();
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const element = walk.currentNode.parentElement;
    if (!walk.currentNode.data.trim() || !element.getClientRects().length || element.closest('script, style, svg')) continue;
    const [one, other] = [light(channels(getComputedStyle(element).color)), light(ground(element))];
    const ratio = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
    if (ratio < 4.5) poor.set(element.className + ' "' + walk.currentNode.data.trim().slice(0, 40) + '"', ratio.toFixed(2));
  }
  return [...poor];
})()
"""
"""Texts whose contrast is below what WCAG 2.2 asks for (1.4.3, AA: 4.5 to 1)."""

DETAILS = "document.querySelector('[data-gateway=docker-desktop] details')"

SMALL = """
[...document.querySelectorAll('body *')].filter(e => e.getClientRects().length && !e.closest('svg, script, style')
    && [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()) && parseFloat(getComputedStyle(e).fontSize) < 12)
  .map(e => e.outerHTML.slice(0, 80))
"""


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Chromium]:
    browser = Chromium(tmp_path)
    yield browser
    browser.close()


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Where pictures go."""
    folder = Path(os.environ.get("TEST_OUTPUT", str(tmp_path))) / "monitor-page"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def a_day(database: Path) -> None:
    """Looks of the last 24 hours, by quarters of an hour as the history keeps them; five hours ago the machine slept."""
    now = int(time.time() * 1000) // 900_000
    with closing(sqlite3.connect(database)) as history, history:
        columns = "(gateway, service, slot, good, part, bad, unknown, latency_sum, latency_count)"
        for ago in range(1, 96):
            if 20 <= ago < 28:
                continue
            down = 50 <= ago < 57
            latency = 12.0 + ago % 7 + (60 if 60 < ago < 64 else 0)
            for gateway, service, (good, part, bad) in (
                ("gw", "", (30, 0, 0)),
                ("docker-desktop", "", (0, 30, 0) if down else (30, 0, 0)),
                ("docker-desktop", "slack", (3, 0, 27) if down else (30, 0, 0)),
                ("docker-desktop", "github", (30, 0, 0)),
            ):
                history.execute(
                    f"INSERT INTO slots {columns} VALUES (?, ?, ?, ?, ?, ?, 0, ?, ?)",
                    (
                        gateway,
                        service,
                        now - ago,
                        good,
                        part,
                        bad,
                        0 if service else latency * 30,
                        0 if service else 30,
                    ),
                )


class Watched:
    """A monitor of three gateways: one is well, one has a service with a problem, one is away."""

    def __init__(self, fake_gateway: Callable[..., FakeGateway], home: Path, cache: Path) -> None:
        self.well = fake_gateway("generic", "--services", "calendar:4,mail:7,wiki:12")
        self.partly = fake_gateway("generic", "--meta", "outcomes")
        more: dict[str, dict[str, Any]] = {
            "docker-desktop": {"url": self.partly.url},
            "a-gateway-with-a-long-name-that-is-away": {"url": "http://127.0.0.1:9/mcp"},
        }
        self.gateway = Gateway(home, cache, self.well.url, more=more)
        self.gateway.json("health")
        a_day(home / ".pflow" / "gateway" / "history.db")
        self.monitor: Program
        self.monitor, self.url = self.gateway.monitor(every=0.5)


@pytest.fixture
def watched(fake_gateway: Callable[..., FakeGateway], tmp_path: Path, shared_cache: Path) -> Iterator[Watched]:
    watched = Watched(fake_gateway, tmp_path / "home", shared_cache)
    yield watched
    watched.monitor.stop()


def shows(service: str, status: str) -> str:
    return f'!!document.querySelector(\'[data-service="{service}"][data-status="{status}"]\')'


def all_is_seen(browser: Chromium) -> None:
    browser.until(
        "document.querySelectorAll('article').length === 3 && document.querySelector('#live').textContent === 'live'"
    )


def test_a_change_arrives_on_the_open_page_and_nothing_is_asked_of_anybody_else(
    browser: Chromium, watched: Watched
) -> None:
    browser.open(watched.url, DESK, 900, "light")
    all_is_seen(browser)
    browser.until(shows("slack", "ok"))
    browser.evaluate("window.opened = 'once'")
    watched.partly.order(do="service", name="slack", state="gone")
    browser.until(shows("slack", "unreachable"))
    assert "slack: ok → unreachable" in browser.evaluate("document.querySelector('main').textContent")
    assert browser.evaluate("document.title") == "(2) MCP gateways"
    browser.evaluate(f"{DETAILS}.open = true")
    watched.partly.order(do="service", name="slack", state="up")
    browser.until(shows("slack", "ok"))
    assert browser.evaluate("window.opened") == "once", "the page was loaded again"
    assert browser.evaluate(f"{DETAILS}.open"), "what a reader opened stays open"
    assert browser.evaluate("document.title") == "(1) MCP gateways"
    foreign = [url for url in browser.requested() if not url.startswith((watched.url, "data:"))]
    assert not foreign
    assert {url.removeprefix(watched.url) for url in browser.requested()} >= {"", "events", "part"}
    assert browser.complaints() == []


def test_a_page_whose_monitor_ended_says_so_and_goes_on_when_there_is_one_again(
    browser: Chromium, watched: Watched
) -> None:
    browser.open(watched.url, DESK, 900, "light")
    all_is_seen(browser)
    watched.monitor.stop()
    browser.until("document.querySelector('#live').textContent.startsWith('connection lost')")
    assert browser.evaluate("document.querySelectorAll('article').length") == 3, "what was known stays"
    port = watched.url.rstrip("/").rpartition(":")[2]
    watched.monitor, _ = watched.gateway.monitor("--listen", f"127.0.0.1:{port}", every=0.5)
    all_is_seen(browser)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [PHONE, DESK])
def test_the_page_fits_and_can_be_read(
    browser: Chromium, watched: Watched, pictures: Path, width: int, scheme: str
) -> None:
    watched.partly.order(do="service", name="slack", state="gone")
    browser.open(watched.url, width, 844 if width == PHONE else 900, scheme)
    all_is_seen(browser)
    browser.until(shows("slack", "unreachable"))
    browser.evaluate("document.querySelectorAll('details').forEach(details => { details.open = true })")
    browser.screenshot(pictures / f"{width}-{scheme}.png")
    wide = browser.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert wide[0] <= wide[1] == width, "it scrolls sideways"
    assert browser.evaluate(CONTRAST) == []
    assert browser.evaluate(SMALL) == [], "too small to read"
    assert browser.complaints() == []
