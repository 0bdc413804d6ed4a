"""The guides, executed: each command of their `console` blocks, in order, in an empty home, against the real gateway.

A line that begins with `$ ` is a command, and the lines after it are what it prints. A block `console background` is another
terminal, whose last command stays. A block of another language with a file's name behind it (`python look.py`) is that file.
Ports are replaced by free ones, and `forge/bin` by the environment that the test runner made; nothing else is.

What is shown must be what is printed: `…` stands for anything within a line, and alone on a line for any lines. Milliseconds, ids,
times and the width of columns are not compared. A command whose output shows `Error: ` must fail, every other one must succeed;
what it prints is not looked at when nothing is shown.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from conftest import HERE, FakeGateway, needed
from processes import Program, free_port, written

ROOT = HERE.parent.parent
GUIDES = ROOT / "docs" / "guides"

# Ports in the pages, which become free ones: the demo gateway, a second one, the monitor, whoever is told.
PORTS = ("8900", "8910", "9464", "8999")
# Pages that need nothing but the demo gateway, which they start. Every page with commands is here, or has a test of its own.
ON_THE_DEMO = (
    "README.md",
    "docs/guides/ci-and-cron.md",
    "docs/guides/corporate-network.md",
    "docs/guides/custom-gateways.md",
    "docs/guides/many-gateways.md",
    "docs/guides/python.md",
    "docs/guides/slack.md",
    "docs/guides/tokens.md",
    "docs/guides/upgrade-and-uninstall.md",
    "docs/guides/where-everything-is.md",
    "docs/reference/commands.md",
    "docs/reference/exit-codes.md",
    "docs/reference/json.md",
)
WITH_A_TEST_OF_THEIR_OWN = (
    "docs/tutorial.md",
    "docs/guides/contextforge.md",
    "docs/guides/docker-mcp-gateway.md",
)


@dataclass
class Command:
    """A command as the guide shows it."""

    line: int
    text: str
    shown: list[str] = field(default_factory=list)


@dataclass
class Block:
    """A fenced block of commands, or a file."""

    background: bool
    commands: list[Command] = field(default_factory=list)
    file: str = ""
    lines: list[str] = field(default_factory=list)


def blocks(guide: Path) -> list[Block]:
    """The `console` blocks of a guide, and the files that it shows."""
    found: list[Block] = []
    block: Block | None = None
    inside = False
    for number, line in enumerate(guide.read_text(encoding="utf-8").splitlines(), 1):
        if line.startswith("```"):
            language, _, role = line[3:].partition(" ")
            inside = not inside
            wanted = inside and (language == "console" or role)
            block = Block(role == "background", file="" if language == "console" else role) if wanted else None
            if block:
                found.append(block)
        elif block and block.file:
            block.lines.append(line)
        elif block and block.commands and block.commands[-1].text.endswith("\\"):
            block.commands[-1].text += f"\n{line}"
        elif block and line.startswith("$ "):
            block.commands.append(Command(number, line[2:]))
        elif block:
            assert block.commands, f"{guide.name}:{number}: output before any command"
            block.commands[-1].shown.append(line)
    return found


VARYING = (
    (re.compile(r"\b\d+(\.\d+)? ms\b"), "N ms"),
    (re.compile(r"\b[0-9a-f]{32}\b"), "ID"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"), "TIME"),
    (re.compile(r"\s+"), " "),
)


def plain(line: str) -> str:
    """The line without what varies from run to run."""
    for pattern, name in VARYING:
        line = pattern.sub(name, line)
    return line.strip()


def matches(shown: list[str], printed: list[str]) -> bool:
    """Whether this is what the guide shows."""
    pattern = ""
    for line in map(plain, shown):
        pattern += "(?:.*\n)*" if line == "…" else ".*".join(re.escape(part) for part in line.split("…")) + "\n"
    return re.fullmatch(pattern, "".join(f"{plain(line)}\n" for line in printed)) is not None


class Reader:
    """Somebody who follows a guide, in a home of their own."""

    def __init__(self, home: Path, cache: Path, pflow: Path, replaced: dict[str, str], env: dict[str, str]) -> None:
        self.home = home
        self.replaced = replaced
        self._others: list[subprocess.Popen[bytes]] = []
        binary = needed("PFLOW_GATEWAY_BIN")
        self.env = {
            "PATH": f"{binary.parent}:{pflow.parent}:{os.environ['PATH']}",
            "HOME": str(home),
            "TMPDIR": str(home),
            "LANG": "C.UTF-8",
            "XDG_CACHE_HOME": str(cache),
            **env,
        }
        self._shell = subprocess.Popen(
            ["bash", "--norc", "-s"],
            env=self.env,
            cwd=home,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def _typed(self, text: str) -> str:
        for old, new in self.replaced.items():
            text = text.replace(old, new)
        return text

    def read(self, guide: Path, **variables: str) -> list[str]:
        """Do what it says, with these variables set; gives what is not as it says."""
        found = []
        for name, value in variables.items():
            self._follow(Command(0, f"export {name}={shlex.quote(value)}"))
        for block in blocks(guide):
            if block.file:
                text = self._typed("".join(f"{line}\n" for line in block.lines))
                (self.home / block.file).write_text(text, encoding="utf-8")
                continue
            if block.background:
                self._elsewhere(block)
                continue
            for command in block.commands:
                found += [f"{guide.name}:{command.line}: $ {command.text}\n{what}" for what in self._follow(command)]
        return found

    def _elsewhere(self, block: Block) -> None:
        script = "set -e\n" + "\n".join(self._typed(command.text) for command in block.commands)
        printed = self.home / f"terminal-{len(self._others)}.log"
        with printed.open("wb") as log:
            self._others.append(
                subprocess.Popen(
                    ["bash", "--norc", "-c", script],
                    env=self.env,
                    cwd=self.home,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            )
        # What is shown there is what a reader waits for.
        shown = [self._typed(line) for line in block.commands[-1].shown]
        deadline = time.monotonic() + 60
        while shown and not matches(shown, printed.read_text(encoding="utf-8").splitlines()):
            if time.monotonic() > deadline:
                raise AssertionError(f"line {block.commands[-1].line}: printed\n{printed.read_text(encoding='utf-8')}")
            time.sleep(0.05)

    def _follow(self, command: Command) -> list[str]:
        shell = self._shell
        assert shell.stdin
        assert shell.stdout
        mark = f"--- the end of line {command.line} "
        # Braces, so that what it sets stays set.
        shell.stdin.write(f"{{ {self._typed(command.text)}\n}} </dev/null\nprintf '\\n{mark}%d\\n' $?\n")
        shell.stdin.flush()
        printed: list[str] = []
        for line in shell.stdout:
            if line.startswith(mark):
                code = int(line.removeprefix(mark))
                break
            printed.append(line.rstrip("\n"))
        else:
            raise AssertionError(f"the shell ended at line {command.line}: {command.text}\n" + "\n".join(printed))
        # The line break before the mark.
        printed = printed[:-1] if printed and not printed[-1] else printed
        found = []
        said = "\n".join(f"    {line}" for line in printed)
        fails = any(line.startswith("Error: ") for line in command.shown)
        if (code != 0) != fails:
            found.append(f"  exit code {code}:\n{said}")
        elif command.shown and not matches([self._typed(line) for line in command.shown], printed):
            found.append(f"  printed:\n{said}")
        return found

    def close(self) -> None:
        """End what was started, and only that."""
        processes: list[subprocess.Popen[Any]] = [self._shell, *reversed(self._others)]
        for process in processes:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
                try:
                    process.wait(10)
                except subprocess.TimeoutExpired:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()
        for stream in (self._shell.stdin, self._shell.stdout):
            if stream:
                stream.close()


Start = Callable[..., Reader]


@pytest.fixture
def reader(tmp_path: Path, shared_cache: Path, pflow_binary: Path) -> Iterator[Start]:
    """Somebody with an empty home; what they start ends with the test."""
    readers: list[Reader] = []

    def start(replaced: dict[str, str], **env: str) -> Reader:
        home = tmp_path / "home"
        home.mkdir()
        readers.append(Reader(home, shared_cache, pflow_binary, replaced, env))
        return readers[-1]

    yield start
    for one in readers:
        one.close()


@pytest.mark.parametrize("name", ON_THE_DEMO)
def test_a_page_says_what_comes(reader: Start, name: str) -> None:
    page = ROOT / name
    assert any(block.commands for block in blocks(page))
    ports = {port: str(free_port()) for port in PORTS if port in page.read_text(encoding="utf-8")}
    found = reader(ports).read(page)
    assert not found, "\n".join(found)


def test_the_tutorial(reader: Start, pflow_binary: Path) -> None:
    """In the environment that the test runner made; `test_installs.py` makes one as the page says."""
    follower = reader({port: str(free_port()) for port in PORTS})
    (follower.home / "try").symlink_to(pflow_binary.parent.parent)
    found = follower.read(ROOT / "docs" / "tutorial.md")
    assert not found, "\n".join(found)


@pytest.fixture
def services(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The three services that the guide registers: their ports for the guide's."""
    python = needed("CONTEXTFORGE_PYTHON")
    started: dict[str, tuple[Program, Path]] = {}
    names = {"9101": "github", "9102": "slack", "9103": "catalog"}
    for guides, name in names.items():
        port_file = tmp_path / f"{name}.port"
        argv: list[str | Path] = [python, HERE / "programs" / "backend.py", name, port_file, tmp_path / f"{name}.jsonl"]
        started[guides] = (Program(argv, tmp_path / f"{name}.log"), port_file)
    yield {guides: str(program.ready(written(port), 120)) for guides, (program, port) in started.items()}
    for program, _ in started.values():
        program.stop()


def test_the_guide_to_contextforge(reader: Start, services: dict[str, str]) -> None:
    forge = needed("CONTEXTFORGE_PYTHON").parent
    follower = reader({"forge/bin/": f"{forge}/", "4444": str(free_port()), **services})
    found = follower.read(GUIDES / "contextforge.md")
    assert not found, "\n".join(found)


def test_the_guide_to_docker(
    reader: Start, fake_gateway: Callable[..., FakeGateway]
) -> None:
    """Against the imitation, which is what the guide says that it shows."""
    token = "a-token-of-a-guide"
    gateway = fake_gateway("docker", "--prefix", "--dynamic-tools", "--services", "github,slack", "--token", token)
    bare = fake_gateway("docker", "--services", "github,slack", "--token", token)
    empty = fake_gateway("docker", "--empty-profile", "--token", token)
    ports = {"8811": gateway, "8812": bare, "8813": empty}
    follower = reader({guides: str(urlsplit(one.url).port) for guides, one in ports.items()})
    # The guide sets it where the gateway is started.
    found = follower.read(GUIDES / "docker-mcp-gateway.md", MCP_GATEWAY_AUTH_TOKEN=token)
    assert not found, "\n".join(found)


def test_what_is_shown_is_compared() -> None:
    assert matches(["a  0.1 ms", "…", "z … y"], ["a 22 ms", "b", "c", "z x y"])
    assert matches(["…"], [])
    assert not matches(["a"], ["b"])
    assert not matches(["a"], ["a", "b"])
    assert not matches(["3 tools"], ["4 tools"])


def pages() -> list[str]:
    """Every page for users: what is about components has tests of its own, and builds."""
    documents = (ROOT / "docs").rglob("*.md")
    found = [ROOT / "README.md", *(page for page in documents if "components" not in page.relative_to(ROOT).parts)]
    return sorted(str(page.relative_to(ROOT)) for page in found)


@pytest.mark.parametrize("name", pages())
def test_every_command_of_a_page_is_one_that_is_executed(name: str) -> None:
    """A line `$ …` anywhere else than in a `console` block looks executed and is not; so does a page that nobody plays."""
    text = (ROOT / name).read_text(encoding="utf-8")
    shown = sum(len(block.commands) for block in blocks(ROOT / name))
    assert text.count("\n$ ") == shown
    assert (shown > 0) == (name in ON_THE_DEMO or name in WITH_A_TEST_OF_THEIR_OWN)
