"""The demo gateway, through other people's clients: FastMCP's command line, mcp2cli, mcporter and the Inspector's.

It is what a person tries first, with what they have. Each of them speaks the revision of MCP that it likes best.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import needed
from processes import Program

TOOL = "weather_get_current"


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """The demo gateway: its `url`, `token` and number of `tools`."""
    folder = tmp_path_factory.mktemp("demo")
    ready = folder / "ready.json"
    program = Program([needed("PFLOW_GATEWAY_BIN"), "demo", "--ready-file", ready], folder / "demo.log")
    yield program.ready(lambda: json.loads(ready.read_text(encoding="utf-8")) if ready.exists() else None, 60)
    program.stop()


class Client:
    """A home of its own, and both folders of clients on PATH."""

    def __init__(self, home: Path) -> None:
        self.home = home
        node = needed("NODE_CLIENTS")
        self.python = needed("FASTMCP_PYTHON").parent
        self.env = {"HOME": str(home), "PATH": f"{node}:{os.environ['PATH']}", "NO_COLOR": "1", "LANG": "C.UTF-8"}

    def __call__(self, *words: str | Path) -> str:
        """Run a client that must succeed; everything that it said."""
        done = subprocess.run(
            [str(word) for word in words],
            env=self.env,
            cwd=self.home,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
        said = done.stdout + done.stderr
        assert done.returncode == 0, said
        assert "termination failed" not in said, said
        return said


@pytest.fixture
def client(tmp_path: Path) -> Client:
    return Client(tmp_path)


def test_fastmcp_lists_and_calls(demo: dict[str, Any], client: Client) -> None:
    fastmcp = client.python / "fastmcp"
    assert TOOL in client(fastmcp, "list", demo["url"], "--auth", demo["token"])
    assert "sunny" in client(fastmcp, "call", demo["url"], TOOL, "city=Lisbon", "--auth", demo["token"])


def test_mcp2cli_lists_and_calls_and_ends_its_session(demo: dict[str, Any], client: Client) -> None:
    words = (client.python / "mcp2cli", "--mcp", demo["url"], "--auth-header", f"Authorization: Bearer {demo['token']}")
    assert "weather-get-current" in client(*words, "--list")
    assert "sunny" in client(*words, "weather-get-current", "--city", "Lisbon")


def test_mcporter_lists_and_calls(demo: dict[str, Any], client: Client) -> None:
    header = ("--allow-http", "--header", f"Authorization=Bearer {demo['token']}")
    assert f"{demo['tools']} tools" in client("mcporter", "list", demo["url"], *header)
    assert "sunny" in client("mcporter", "call", "--http-url", demo["url"], *header, TOOL, "city=Lisbon")


def test_the_inspector_lists_and_calls(demo: dict[str, Any], client: Client) -> None:
    header = ("--transport", "http", "--header", f"Authorization: Bearer {demo['token']}")
    words = ("mcp-inspector", "--cli", demo["url"], *header)
    assert TOOL in client(*words, "--method", "tools/list")
    assert "sunny" in client(*words, "--method", "tools/call", "--tool-name", TOOL, "--tool-arg", "city=Lisbon")
