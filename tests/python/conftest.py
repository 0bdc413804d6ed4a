"""What all Python tests share: isolated homes, pflow as a program, and gateways on loopback.

Run by `cargo xtask test` in an environment that has pflow-cli, the built wheel and `requirements.txt`; it sets

    PFLOW_GATEWAY_WHEEL  the wheel under test            FAKE_GATEWAY_BIN     the imitation gateways
    PFLOW_BIN            pflow of this environment       CONTEXTFORGE_PYTHON  Python that has mcp-contextforge-gateway
    PFLOW_VERSIONS       other versions of pflow
    SERVICE_WASM         the service under test          WASMTIME_BIN         the engine that serves it
    NGINX_BIN            what stands before replicas
    JCO                  the other one, for Node         NODE_CLIENTS         Node, and other people's clients
    COMPONENTIZE_PY      makes components of Python
    TEST_OUTPUT          where pictures are kept         FASTMCP_PYTHON       Python that has fastmcp 4.1
    PACE_BIN             what `cargo xtask bench` measures with

Nothing here reads or writes the user's own files, and every port is the system's choice.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from contextforge import STATEFUL_SSE, ContextForge
from processes import Program

HERE = Path(__file__).parent
WORKFLOWS = HERE / "workflows"


def needed(variable: str) -> Path:
    """A file that the test runner names."""
    value = os.environ.get(variable)
    if not value:
        pytest.fail(f"{variable} is not set; `cargo xtask test` sets it")
    path = Path(value)
    if not path.exists():
        pytest.fail(f"{variable}={value}: there is no such file")
    return path


class Pflow:
    """pflow as a user has it: a program, with a home of its own."""

    def __init__(self, binary: Path, home: Path, cache: Path) -> None:
        self.binary = binary
        self.home = home
        self.env = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "LANG": "C.UTF-8",
            # Compiled components, once for all tests.
            "XDG_CACHE_HOME": str(cache),
        }

    def run(self, *args: str | Path, timeout: float = 120, **env: str) -> subprocess.CompletedProcess[str]:
        """Run a command line, whatever comes of it."""
        return self.program(self.binary, *args, timeout=timeout, **env)

    def program(self, *argv: str | Path, timeout: float = 120, **env: str) -> subprocess.CompletedProcess[str]:
        """Run another program in the same home."""
        return subprocess.run(
            [str(part) for part in argv],
            env=self.env | env,
            cwd=self.home,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def __call__(self, *args: str | Path, timeout: float = 120, **env: str) -> str:
        """Run a command line that must succeed; gives its stdout."""
        done = self.run(*args, timeout=timeout, **env)
        assert done.returncode == 0, f"pflow {args}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def json(self, *args: str | Path, **env: str) -> Any:
        """Run a command line with `--json`; gives what it printed."""
        return json.loads(self(*args, "--json", **env))

    @property
    def servers(self) -> dict[str, Any]:
        """pflow's mcp-servers.json."""
        path = self.home / ".pflow" / "mcp-servers.json"
        return dict(json.loads(path.read_text(encoding="utf-8"))["mcpServers"])

    def configure(self, servers: dict[str, Any]) -> Path:
        """Write pflow's mcp-servers.json."""
        path = self.home / ".pflow" / "mcp-servers.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps({"mcpServers": servers}, indent=2), encoding="utf-8")
        path.chmod(0o600)
        return path

    def registered(self, server: str) -> dict[str, dict[str, Any]]:
        """The tools of a server in pflow's registry: `mcp_metadata` by wire name."""
        path = self.home / ".pflow" / "registry.json"
        nodes = json.loads(path.read_text(encoding="utf-8"))["nodes"]
        found = [
            node["interface"]["mcp_metadata"]
            for node in nodes.values()
            if (node["interface"].get("mcp_metadata") or {}).get("server") == server
        ]
        return {metadata["tool"]: metadata for metadata in found}


def pytest_configure(config: pytest.Config) -> None:
    """Names the mark of tests beside which no other may run."""
    config.addinivalue_line("markers", "alone: measures time and memory, or has no room in the folders of workers; runs after the others")


@pytest.fixture(scope="session")
def shared_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache folder for the whole run."""
    cache = tmp_path_factory.mktemp("cache")
    cache.chmod(0o700)
    return cache


@pytest.fixture(scope="session")
def pflow_binary() -> Path:
    """pflow of the environment under test."""
    return needed("PFLOW_BIN") if "PFLOW_BIN" in os.environ else Path(sys.executable).parent / "pflow"


@pytest.fixture
def pflow(tmp_path: Path, pflow_binary: Path, shared_cache: Path) -> Pflow:
    """pflow in an empty home."""
    home = tmp_path / "home"
    home.mkdir()
    return Pflow(pflow_binary, home, shared_cache)


@pytest.fixture(scope="session")
def python(pflow_binary: Path) -> Path:
    """The interpreter that pflow runs in."""
    return pflow_binary.parent / "python"


@pytest.fixture(scope="session")
def wheel() -> Path:
    """The wheel under test."""
    return needed("PFLOW_GATEWAY_WHEEL")


@pytest.fixture(scope="session")
def forge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ContextForge]:
    """ContextForge as it comes: no sessions, JSON. One for all tests; who stops a service starts it again."""
    gateway = ContextForge(needed("CONTEXTFORGE_PYTHON"), tmp_path_factory.mktemp("contextforge"))
    yield gateway
    gateway.close()


@pytest.fixture(scope="session")
def stateful_forge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ContextForge]:
    """ContextForge with sessions and event streams."""
    gateway = ContextForge(needed("CONTEXTFORGE_PYTHON"), tmp_path_factory.mktemp("stateful"), **STATEFUL_SSE)
    yield gateway
    gateway.close()


class FakeGateway:
    """A running imitation gateway: its URL, the requests that it saw, and orders to it."""

    def __init__(self, flags: tuple[str, ...], folder: Path, number: int) -> None:
        self._requests = folder / f"fake-gateway-{number}.requests"
        self._said = folder / f"fake-gateway-{number}.log"
        self.program = Program(
            [needed("FAKE_GATEWAY_BIN"), *flags, "--log", self._requests], self._said, stdin=subprocess.PIPE
        )
        self.hello = self._answer(0)
        self.url: str = self.hello["url"]
        self._orders = 0

    def _answer(self, number: int) -> dict[str, Any]:
        def said() -> dict[str, Any] | None:
            lines = self._said.read_text(encoding="utf-8").split("\n")[:-1]
            return dict(json.loads(lines[number])) if len(lines) > number else None

        return self.program.ready(said, 20)

    def order(self, **order: Any) -> None:
        """Change how it behaves from now on."""
        assert self.program.process.stdin is not None
        self.program.process.stdin.write(json.dumps(order).encode() + b"\n")
        self.program.process.stdin.flush()
        self._orders += 1
        answer = self._answer(self._orders)
        assert answer.get("ok") is True, answer

    def requests(self, method: str | None = None) -> list[dict[str, Any]]:
        """The requests that it saw, or those of one MCP method, oldest first."""
        text = self._requests.read_text(encoding="utf-8") if self._requests.exists() else ""
        every = [json.loads(line) for line in text.splitlines()]
        return [request for request in every if method is None or request.get("rpc") == method]


@pytest.fixture
def fake_gateway(tmp_path: Path) -> Iterator[Callable[..., FakeGateway]]:
    """Start imitation gateways; they end with the test."""
    started: list[FakeGateway] = []

    def start(*flags: str) -> FakeGateway:
        started.append(FakeGateway(flags, tmp_path, len(started)))
        return started[-1]

    yield start
    for gateway in started:
        gateway.program.stop()
