"""What a person sees at a terminal: steps as they are done, what is waited for, and what an interruption left."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pictures
import pytest
from conftest import FakeGateway
from demo import Demo, running
from gateway import Gateway
from processes import Program
from terminal import Terminal

Start = Callable[..., Terminal]


class Hole:
    """A port that takes connections, reads, and never answers."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/mcp"
        self._taken: list[socket.socket] = []
        threading.Thread(target=self._take, daemon=True).start()

    def _take(self) -> None:
        while True:
            try:
                self._taken.append(self._listener.accept()[0])
            except OSError:
                return

    def close(self) -> None:
        self._listener.close()
        for taken in self._taken:
            taken.close()


@pytest.fixture
def hole() -> Iterator[Hole]:
    hole = Hole()
    yield hole
    hole.close()


@pytest.fixture
def gateway(tmp_path: Path, shared_cache: Path, hole: Hole) -> Gateway:
    gateway = Gateway(tmp_path / "home", shared_cache, hole.url)
    gateway.env["TERM"] = "xterm"
    return gateway


@pytest.fixture
def start(gateway: Gateway) -> Iterator[Start]:
    """Start the program at a terminal; it ends with the test."""
    started: list[Terminal] = []

    def start(*words: str, columns: int | None = None, **env: str) -> Terminal:
        started.append(Terminal([gateway.binary, *words], gateway.env | env, gateway.home, columns))
        return started[-1]

    yield start
    for terminal in started:
        terminal.close()


AWAY = "\r\x1b[2K"


@pytest.mark.parametrize("words", [("test", "gw"), ("add", "other", "URL")])
def test_steps_are_printed_as_they_are_done_and_the_wait_is_told(
    gateway: Gateway, hole: Hole, start: Start, words: tuple[str, ...]
) -> None:
    terminal = start(*(hole.url if word == "URL" else word for word in words), "--timeout", "600")
    terminal.wait("resolve")
    terminal.wait("connect")
    terminal.wait("not used (http)")
    terminal.wait(f"waiting for {words[1]} … 1 s")
    terminal.wait("… 2 s")
    terminal.interrupt()
    assert terminal.end() == 130
    last = terminal.shown[terminal.shown.rindex("… ") :]
    assert AWAY in last, "the line goes away"
    assert terminal.shown.endswith("\n")
    if words[0] == "add":
        file = gateway.home / ".pflow" / "mcp-servers.json"
        assert f"Interrupted: nothing was written to {file}" in last
        assert "other" not in json.loads(file.read_text(encoding="utf-8"))["mcpServers"]


@pytest.mark.parametrize("words", [("services",), ("tools",), ("health",), ("call", "github__list_issues")])
def test_whatever_waits_says_for_what(start: Start, words: tuple[str, ...]) -> None:
    terminal = start(words[0], "gw", *words[1:], "--timeout", "600")
    terminal.wait("waiting for gw … 1 s")
    terminal.interrupt()
    assert terminal.end() == 130
    assert terminal.shown.endswith("\n")


def test_the_line_goes_away_when_the_answer_comes(start: Start) -> None:
    terminal = start("test", "gw", "--timeout", "3")
    terminal.wait("… 2 s")
    assert terminal.end() == 1
    last = terminal.shown[terminal.shown.rindex(" s\x1b") :]
    assert AWAY in last.partition("protocol")[0]
    assert "does not work" in last
    assert terminal.shown.count("resolve") == 1, "no step is told twice"


def test_a_program_that_reads_sees_no_such_line(gateway: Gateway, start: Start, tmp_path: Path) -> None:
    terminal = start("test", "gw", "--timeout", "3", "--json")
    terminal.end()
    assert "waiting" not in terminal.shown
    assert AWAY not in terminal.shown
    program = Program([gateway.binary, "test", "gw", "--timeout", "3"], tmp_path / "log", gateway.env)
    program.process.wait(timeout=60)
    log = (tmp_path / "log").read_text(encoding="utf-8")
    assert "waiting" not in log
    assert "\x1b" not in log


def test_without_colours_the_line_has_none(start: Start) -> None:
    terminal = start("services", "gw", "--timeout", "600", NO_COLOR="1")
    terminal.wait("waiting for gw … 1 s")
    assert "\x1b[2m" not in terminal.shown
    dumb = start("services", "gw", "--timeout", "3", TERM="dumb")
    dumb.end()
    assert "waiting" not in dumb.shown


def test_health_that_watches_says_what_it_does_and_what_changed(
    fake_gateway: Callable[..., FakeGateway], tmp_path: Path, shared_cache: Path
) -> None:
    fake = fake_gateway("generic", "--meta", "outcomes", "--stateless")
    gateway = Gateway(tmp_path / "watching", shared_cache, fake.url)
    env = gateway.env | {"TERM": "xterm", "NO_COLOR": "1"}
    terminal = Terminal([gateway.binary, "health", "--watch", "0.2"], env, gateway.home)
    try:
        terminal.wait("Watching 1 gateway every 0.2 s; Ctrl-C ends it")
        terminal.wait("looked at ")
        terminal.wait(", every 0.2 s; Ctrl-C ends it")
        fake.order(do="service", name="slack", state="gone")
        terminal.wait("gw slack ")
        # It is drawn again and again, and what changed stays below.
        for _ in range(2):
            terminal.wait("looked at ")
            terminal.wait("gw slack ")
        terminal.interrupt()
        assert terminal.end() == 0
        assert terminal.shown.endswith("\n")
    finally:
        terminal.close()


def test_serve_at_a_terminal_says_what_it_is_and_elsewhere_nothing(
    gateway: Gateway, start: Start, tmp_path: Path
) -> None:
    terminal = start("serve", "gw")
    terminal.wait(
        "this is an MCP server on stdin and stdout for gw; pflow and other MCP clients start it by themselves"
    )
    terminal.wait("pflow-gateway test gw")
    terminal.type('{"jsonrpc": "2.0", "id": 7, "method": "ping"}')
    terminal.wait('"result":{}')
    terminal.interrupt()
    assert terminal.end() == 0
    assert terminal.shown.endswith("\n")
    program = Program([gateway.binary, "serve", "gw"], tmp_path / "log", gateway.env)
    program.process.wait(timeout=60)
    assert "MCP server" not in (tmp_path / "log").read_text(encoding="utf-8")


def test_an_interruption_after_the_file_was_written_says_so(
    fake_gateway: Callable[..., FakeGateway], gateway: Gateway, start: Start
) -> None:
    url = fake_gateway("generic").url
    terminal = start("setup", "generic", "--url", url, "--name", "other")
    terminal.answer("Environment variable", "none")
    terminal.answer("Services to keep", "all")
    terminal.answer("One entry per service", "n")
    terminal.wait("Run pflow mcp sync now")
    terminal.interrupt()
    assert terminal.end() == 130
    file = gateway.home / ".pflow" / "mcp-servers.json"
    assert f"Interrupted: {file} was written before that" in terminal.shown
    assert "other" in json.loads(file.read_text(encoding="utf-8"))["mcpServers"]


def test_whoever_leaves_after_the_entry_was_written_is_not_told_otherwise(
    fake_gateway: Callable[..., FakeGateway], gateway: Gateway, start: Start
) -> None:
    url = fake_gateway("generic").url
    terminal = start("setup", "--url", url)
    terminal.answer("Name of the entry", "bad name!")
    terminal.wait("cannot be a gateway's name")
    terminal.answer("Name of the entry", "other")
    terminal.answer("Environment variable", "none")
    terminal.answer("Services to keep", "all")
    terminal.answer("One entry per service", "n")
    terminal.wait("Run pflow mcp sync now")
    terminal.leave()
    assert terminal.end() == 0
    assert "nothing was written" not in terminal.shown
    assert terminal.shown.endswith("  → pflow mcp sync other\r\n")
    file = gateway.home / ".pflow" / "mcp-servers.json"
    assert "other" in json.loads(file.read_text(encoding="utf-8"))["mcpServers"]


def test_whoever_leaves_before_is_told_that_nothing_was_written(start: Start) -> None:
    terminal = start("setup")
    terminal.answer("Which gateway: 1 docker, 2 context-forge or 3 generic", "7")
    terminal.wait("docker, context-forge or generic, please")
    terminal.answer("Which gateway", "3")
    terminal.wait("The gateway's MCP URL")
    terminal.leave()
    assert terminal.end() == 2
    assert "there was no answer; nothing was written" in terminal.shown


def test_a_second_interruption_ends_the_waiting_for_goodbyes(start: Start) -> None:
    terminal = start("services", "gw", "--timeout", "600")
    terminal.wait("waiting for gw")
    begun = time.monotonic()
    terminal.process.send_signal(signal.SIGINT)
    terminal.process.send_signal(signal.SIGTERM)
    assert terminal.end() in (130, 143)
    assert time.monotonic() - begun < 60


def test_a_narrow_terminal_gets_lines_broken_between_words(start: Start) -> None:
    narrow = start("test", "http://127.0.0.1:9/mcp", columns=60, NO_COLOR="1")
    assert narrow.end() == 1
    lines = narrow.shown.split("\r\n")
    assert all(len(line) <= 60 for line in lines), lines
    wide = start("test", "http://127.0.0.1:9/mcp", columns=200, NO_COLOR="1")
    wide.end()
    words = [re.sub(r"[\d.]+ ms", "", terminal.shown).split() for terminal in (narrow, wide)]
    assert words[0] == words[1], "no word is cut or lost"


def test_an_error_that_a_step_tells_is_told_once(gateway: Gateway, start: Start) -> None:
    terminal = start("test", "http://127.0.0.1:9/mcp", NO_COLOR="1")
    terminal.end()
    assert terminal.shown.count("connection refused") == 1
    assert "→ check that the gateway is running" in terminal.shown
    apart = subprocess.run(
        [gateway.binary, "test", "http://127.0.0.1:9/mcp"], env=gateway.env, capture_output=True, check=False
    )
    assert b"Error: cannot connect" in apart.stderr, "whoever reads only errors misses nothing"


def test_a_locale_without_utf_8_gets_ascii_at_a_terminal_and_a_pipe_what_it_always_gets(
    gateway: Gateway, start: Start
) -> None:
    terminal = start("test", "http://127.0.0.1:9/mcp", NO_COLOR="1", LC_ALL="C")
    terminal.end()
    assert terminal.shown.isascii(), terminal.shown
    assert "x  connect" in terminal.shown
    assert "-> check that" in terminal.shown
    usual = start("test", "http://127.0.0.1:9/mcp", NO_COLOR="1", LC_ALL="C.UTF-8")
    usual.end()
    assert "✗  connect" in usual.shown
    piped = subprocess.run(
        [gateway.binary, "test", "http://127.0.0.1:9/mcp"],
        env=gateway.env | {"LC_ALL": "C"},
        capture_output=True,
        check=False,
    )
    assert "✗  connect" in piped.stdout.decode()


@pytest.fixture(scope="module")
def demo(shared_cache: Path) -> Iterator[Demo]:
    """The demo gateway, configured, called, and looked at."""
    with running(shared_cache) as demo:
        demo.add()
        demo.at_a_terminal("health")
        demo.at_a_terminal("set", "demo", "--exclude-service", "slack")
        demo.at_a_terminal("call", "demo", "weather_list_cities")
        yield demo


def test_a_character_that_comes_in_two_pieces_is_read_as_one(tmp_path: Path) -> None:
    halves = "import os, time; os.write(1, b'\\xe2\\x9c'); time.sleep(0.5); os.write(1, b'\\x93 done')"
    terminal = Terminal([sys.executable, "-c", halves], dict(os.environ), tmp_path)
    try:
        assert terminal.end() == 0
        assert terminal.shown == "✓ done"
    finally:
        terminal.close()


LISTINGS = [
    ("list",),
    ("services", "demo"),
    ("services", "demo", "-v"),
    ("tools", "demo"),
    ("tools", "demo", "--tokens"),
    ("tools", "demo", "--review"),
    ("tools", "demo", "weather_get_forecast"),
    ("tools", "--search", "issue"),
    ("health",),
    ("test", "demo"),
    ("snapshot", "diff", "demo"),
    ("component", "show"),
    ("component", "list"),
    ("component", "check"),
    ("call", "demo", "weather_get_forecast"),
    ("--help",),
    ("tools", "--help"),
]


@pytest.mark.parametrize("words", LISTINGS, ids=" ".join)
def test_at_60_columns_nothing_is_wider_but_a_word_that_cannot_be_broken(demo: Demo, words: tuple[str, ...]) -> None:
    shown = pictures.plain(demo.at_a_terminal(*words, columns=60, code=None))
    assert shown.strip()
    for line in shown.split("\n"):
        # One word, or a command to be copied: nothing can be done about that.
        whole = " " not in line.strip() or re.match(r" *(?:→|Call|[a-z]+  )? *pflow-gateway ", line)
        assert len(line) <= 60 or whole, f"{len(line)}: {line}"
    wide = pictures.plain(demo.at_a_terminal(*words, columns=400, code=None))
    # Numbers are times, and how long ago something was.
    assert told(shown) == told(wide), "a word is cut, or lost"


def told(shown: str) -> list[str]:
    """The words that do not differ from run to run."""
    return sorted(word for word in shown.split() if not re.match(r"\d|second|ms", word))
