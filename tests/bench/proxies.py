"""What a team puts before an MCP server: the service on `wasmtime serve`, and what it would take instead.

Takes programs and the URL of a server; gives a running proxy that wants a token of its clients and has one for the server.
Each is set up as its own documentation does it, with one process. Never leaves one running, and never ends a process that it did not start.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import re
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from clock import Wrong

TOKEN = "sk-team-token-0123456789"
"""Of the clients. LiteLLM wants its own to begin with `sk-`."""
SECRET = "a-credential-of-the-server-0123456789"
"""Of the server behind."""
_PATIENCE = 240.0
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class Proxy:
    """A running one."""

    url: str
    process: subprocess.Popen[bytes]
    log: Path
    token: str = TOKEN

    def processes(self) -> list[int]:
        """It, and all that it started."""
        parents: dict[int, list[int]] = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and (fields := _stat(int(entry.name))):
                parents.setdefault(int(fields[1]), []).append(int(entry.name))
        found, todo = [], [self.process.pid]
        while todo:
            pid = todo.pop()
            found.append(pid)
            todo += parents.get(pid, [])
        return found

    def cpu(self) -> float:
        """Seconds of CPU time until now."""
        seconds = 0.0
        for pid in self.processes():
            if fields := _stat(pid):
                seconds += (int(fields[11]) + int(fields[12])) / _TICKS
        return seconds

    def forget_peak(self) -> None:
        """The peak counts from now on."""
        for pid in self.processes():
            try:
                Path(f"/proc/{pid}/clear_refs").write_text("5", encoding="ascii")
            except OSError:
                # It then counts from the start, when there was less.
                continue

    def peak(self) -> float:
        """The kernel's peak of resident memory, in MiB: exact for each process, and their sum."""
        kib = 0
        for pid in self.processes():
            try:
                status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
            except OSError:
                continue
            if found := re.search(r"^VmHWM:\s+(\d+) kB", status, re.MULTILINE):
                kib += int(found.group(1))
        return kib / 1024

    def stop(self) -> None:
        """Ends it, and what it started: all of it is in a session of its own."""
        for ends in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self.process.pid, ends)
            except ProcessLookupError:
                break
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                continue
        self.process.wait(10)


def _stat(pid: int) -> list[str] | None:
    """Fields of `/proc/PID/stat` after the name, which may hold anything."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    return text.rpartition(")")[2].split()


@dataclass(frozen=True)
class Contender:
    """One that can be started."""

    name: str
    start: Callable[[str, Path], Proxy]
    """Takes the server's URL and an empty folder."""
    ours: bool = False
    era: str = "legacy"
    note: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)

    @contextmanager
    def running(self, server: str, folder: Path) -> Iterator[Proxy]:
        """It, as long as the block."""
        folder.mkdir(parents=True)
        proxy = self.start(server, folder)
        try:
            yield proxy
        finally:
            proxy.stop()


def free_port() -> int:
    """One of the system's choice, for programs that want to be told."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return int(bound.getsockname()[1])


def started(argv: list[object], env: Mapping[str, str], folder: Path, ready: Callable[[Path], str | None]) -> Proxy:
    """A program that is ready as soon as `ready` finds its URL; it takes the log."""
    log = folder / "log"
    # LiteLLM looks for modules two folders above the one that it runs in: let nobody else's be there.
    here = folder / "in" / "here"
    here.mkdir(parents=True)
    with log.open("wb") as out:
        process = subprocess.Popen(
            [str(word) for word in argv],
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            cwd=here,
            start_new_session=True,
        )
    proxy = Proxy("", process, log)
    until = time.monotonic() + _PATIENCE
    while time.monotonic() < until and process.poll() is None:
        if url := ready(log):
            proxy.url = url
            return proxy
        time.sleep(0.1)
    proxy.stop()
    raise Wrong(f"{argv[0]} did not start:\n{log.read_text(encoding='utf-8', errors='replace')[-3000:]}")


def answering(url: str, path: str, ask: str) -> Callable[[Path], str | None]:
    """Ready when a page of it answers anything at all."""

    def ready(_: Path) -> str | None:
        try:
            with urllib.request.urlopen(f"{url}{ask}", timeout=5):
                return f"{url}{path}"
        except urllib.error.HTTPError:
            return f"{url}{path}"
        except OSError:
            return None

    return ready


# Ours

# As `pflow-gateway deploy --engine wasmtime` writes it.
ENGINE = ("-Scli", "-Wmax-memory-size=268435456", "-Opooling-allocator=n", "--max-concurrent-requests", "256")
DEPLOYED = ("--max-instance-reuse-count", "1000", "--idle-instance-timeout", "60s")


def variables(server: str) -> dict[str, str]:
    """Of a deployment with one gateway and one client."""
    gateway = {"url": server, "auth": {"type": "bearer", "token": "${GATEWAY_TOKEN}"}}
    return {
        "GATEWAYS": json.dumps({"gw": gateway}),
        "CLIENTS": json.dumps({"team": {"token": "${TEAM_TOKEN}"}}),
        "TEAM_TOKEN": TOKEN,
        "GATEWAY_TOKEN": SECRET,
        "SESSION_KEYS": hashlib.sha256(b"a key of this measurement").hexdigest(),
    }


def service(wasmtime: Path, code: Path, *flags: str) -> Callable[[str, Path], Proxy]:
    """The service on `wasmtime serve`; `code` is its machine code."""

    def start(server: str, folder: Path) -> Proxy:
        env = variables(server)
        words: list[object] = [wasmtime, "serve", "--allow-precompiled", *ENGINE, *flags]
        for name in env:
            words += ["--env", name]

        def ready(log: Path) -> str | None:
            said = re.search(r"Serving HTTP on (http://127\.0\.0\.1:\d+)/", log.read_text(encoding="utf-8"))
            return f"{said.group(1)}/gw/mcp" if said else None

        return started([*words, "--addr", "127.0.0.1:0", code], {"PATH": "/usr/bin:/bin", **env}, folder, ready)

    return start


# Theirs


def fastmcp(python: Path) -> Callable[[str, Path], Proxy]:
    """FastMCP's `create_proxy`."""

    def start(server: str, folder: Path) -> Proxy:
        port = free_port()
        env = {"PATH": "/usr/bin:/bin", "HOME": str(folder), "FRONT_TOKEN": TOKEN, "GATEWAY_TOKEN": SECRET}
        argv = [python, Path(__file__).with_name("fastmcp_front.py"), server, port]
        return started(list(argv), env, folder, answering(f"http://127.0.0.1:{port}", "/mcp", "/mcp"))

    return start


def litellm(python: Path) -> Callable[[str, Path], Proxy]:
    """LiteLLM's MCP gateway, without a database."""

    def start(server: str, folder: Path) -> Proxy:
        port = free_port()
        config = {
            "mcp_servers": {
                "gw": {"url": server, "transport": "http", "auth_type": "bearer_token", "auth_value": SECRET}
            },
            "general_settings": {"master_key": TOKEN},
        }
        # JSON is YAML.
        (folder / "config.yaml").write_text(json.dumps(config), encoding="utf-8")
        # Its list of prices is the one that it brings along, not the internet's.
        env = {"PATH": "/usr/bin:/bin", "HOME": str(folder), "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
        argv: list[object] = [python.parent / "litellm", "--config", folder / "config.yaml"]
        argv += ["--host", "127.0.0.1", "--port", port]
        return started(argv, env, folder, answering(f"http://127.0.0.1:{port}", "/mcp/", "/health/liveliness"))

    return start


def context_forge(python: Path) -> Callable[[str, Path], Proxy]:
    """IBM ContextForge with a virtual server of all tools, and a token for that server alone; SQLite, caches in memory."""

    def start(server: str, folder: Path) -> Proxy:
        port = free_port()
        root = f"http://127.0.0.1:{port}"
        env = {
            "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
            "HOME": str(folder),
            "TMPDIR": str(folder),
            "ENVIRONMENT": "development",
            "HOST": "127.0.0.1",
            "PORT": str(port),
            "DATABASE_URL": f"sqlite:///{folder}/mcp.db",
            "CACHE_TYPE": "memory",
            "JWT_SECRET_KEY": SECRET,
            "AUTH_ENCRYPTION_SECRET": SECRET,
            "PLATFORM_ADMIN_EMAIL": "admin@example.com",
            "PLATFORM_ADMIN_PASSWORD": "Tr0ub4dor&3-Battery-Staple!x",
            "SSRF_ALLOW_LOCALHOST": "true",
            "FILELOCK_NAME": f"contextforge_{port}.lock",
            "RATE_LIMITING_ENABLED": "false",
            "LOG_LEVEL": "WARNING",
        }
        argv: list[object] = [python.parent / "mcpgateway", "--host", "127.0.0.1", "--port", port]
        proxy = started(argv, env, folder, answering(root, "", "/health"))
        try:
            proxy.url, proxy.token = _administered(python, env, root, server)
        except BaseException as error:
            proxy.stop()
            raise Wrong(f"ContextForge: {error}") from error
        return proxy

    return start


def _administered(python: Path, env: Mapping[str, str], root: str, server: str) -> tuple[str, str]:
    """The virtual server's URL, and a token for it."""
    made = subprocess.run(
        [python, "-m", "mcpgateway.utils.create_jwt_token", "--username", "admin@example.com", "--admin"],
        env=dict(env),
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()[-1]
    # The program's own tokens last 20 minutes.
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(made.split(".")[1] + "=="))
    admin = _signed({**claims, "iat": int(time.time()), "exp": int(time.time() + 6 * 3600), "jti": str(uuid.uuid4())})

    def rest(method: str, path: str, body: Any = None) -> Any:
        request = urllib.request.Request(
            root + path,
            None if body is None else json.dumps(body).encode(),
            {"Authorization": f"Bearer {admin}", "Content-Type": "application/json"},
            method=method,
        )
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                return json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            raise Wrong(f"{method} {path}: {error.code} {error.read().decode()[:500]}") from error

    gateway = {"name": "gw", "url": server, "transport": "STREAMABLEHTTP", "auth_type": "bearer", "auth_token": SECRET}
    rest("POST", "/v1/gateways", gateway)
    tools = rest("GET", "/v1/tools?include_pagination=true&limit=0")["tools"]
    body = {"server": {"name": "team", "associated_tools": [tool["id"] for tool in tools]}}
    virtual = rest("POST", "/v1/servers", body)["id"]
    permissions = ["tools.read", "tools.execute", "servers.use", "servers.read"]
    scope = {"server_id": virtual, "permissions": permissions}
    token = rest("POST", "/v1/tokens", {"name": "team", "expires_in_days": 1, "scope": scope})
    return f"{root}/servers/{virtual}/mcp", str(token["access_token"])


def _signed(claims: Mapping[str, Any]) -> str:
    """A JSON web token (HS256)."""

    def coded(part: bytes) -> str:
        return base64.urlsafe_b64encode(part).rstrip(b"=").decode()

    header = coded(b'{"alg":"HS256","typ":"JWT"}')
    text = f"{header}.{coded(json.dumps(dict(claims)).encode())}"
    return f"{text}.{coded(hmac.digest(SECRET.encode(), text.encode(), 'sha256'))}"
