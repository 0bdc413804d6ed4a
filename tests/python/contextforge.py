"""The real IBM ContextForge with three services behind it, on loopback.

Takes the Python of an environment that has `mcp-contextforge-gateway`; gives the URL of a virtual server with all tools, a token
for that server alone, and the calls that each service saw. Never uses anything outside its folder.
"""

from __future__ import annotations

import json
import os
import subprocess
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from processes import Program, free_port, written

SERVICES = ("github", "slack", "catalog")
"""What the programs are called; at the gateway they are `GATEWAY_NAMES`."""

GATEWAY_NAMES = {"github": "GitHub Work", "slack": "slack", "catalog": "big_catalog"}
"""Names as an administrator writes them. ContextForge makes slugs of them."""

SLUGS = {"github": "github-work", "slack": "slack", "catalog": "big-catalog"}

TOOLS = {"github-work": 3, "slack": 3, "big-catalog": 150}

_PASSWORD = "Tr0ub4dor&3-Battery-Staple!x"
_SECRET = "a-secret-of-this-test-suite-and-of-nothing-else"


class ContextForge:
    """A running gateway with its services. `close` ends them all."""

    def __init__(self, python: Path, folder: Path, **settings: str) -> None:
        self._python = python
        self._folder = folder
        self._programs: list[Program] = []
        self._calls = {service: folder / f"{service}.jsonl" for service in SERVICES}
        self._backends: dict[str, tuple[Program, int]] = {}
        self._settings = settings
        try:
            self._start()
        except BaseException:
            self.close()
            raise

    def _start(self) -> None:
        port = free_port()
        self._root = f"http://127.0.0.1:{port}"
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self._folder),
            "TMPDIR": str(self._folder),
            "ENVIRONMENT": "development",
            "HOST": "127.0.0.1",
            "PORT": str(port),
            "DATABASE_URL": f"sqlite:///{self._folder}/mcp.db",
            "CACHE_TYPE": "memory",
            "JWT_SECRET_KEY": _SECRET,
            "AUTH_ENCRYPTION_SECRET": _SECRET,
            "PLATFORM_ADMIN_EMAIL": "admin@example.com",
            "PLATFORM_ADMIN_PASSWORD": _PASSWORD,
            "SSRF_ALLOW_LOCALHOST": "true",
            "FILELOCK_NAME": f"contextforge_{port}.lock",
            "RATE_LIMITING_ENABLED": "false",
            "HEALTH_CHECK_INTERVAL": "5",
            "UNHEALTHY_THRESHOLD": "1",
            "LOG_LEVEL": "WARNING",
        } | self._settings
        gateway = Program(
            [self._python.parent / "mcpgateway", "--host", "127.0.0.1", "--port", str(port)],
            self._folder / "contextforge.log",
            environment,
        )
        self._programs.append(gateway)
        for service in SERVICES:
            self.start_backend(service)
        admin = subprocess.run(
            [self._python, "-m", "mcpgateway.utils.create_jwt_token", "--username", "admin@example.com", "--admin"],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        self._admin = admin.stdout.strip().splitlines()[-1]
        gateway.ready(self._healthy, 240)

        credentials: dict[str, dict[str, Any]] = {
            "github": {"auth_type": "bearer", "auth_token": "github-backend-token"},
            "slack": {
                "auth_type": "authheaders",
                "auth_headers": [{"key": "X-API-Key", "value": "slack-backend-key"}],
            },
            "catalog": {},
        }
        self.ids = {}
        for service in SERVICES:
            registered = self.rest(
                "POST",
                "/v1/gateways",
                {
                    "name": GATEWAY_NAMES[service],
                    "url": f"http://127.0.0.1:{self._backends[service][1]}/mcp",
                    "transport": "STREAMABLEHTTP",
                }
                | credentials[service],
            )
            self.ids[service] = registered["id"]
        tools = self.rest("GET", "/v1/tools?include_pagination=true&limit=0")["tools"]
        server = self.rest(
            "POST",
            "/v1/servers",
            {"server": {"name": "work-tools", "associated_tools": [tool["id"] for tool in tools]}},
        )
        self.server = server["id"]
        token = self.rest(
            "POST",
            "/v1/tokens",
            {
                "name": "pflow",
                "expires_in_days": 1,
                "scope": {
                    "server_id": self.server,
                    "permissions": ["tools.read", "tools.execute", "servers.use", "servers.read"],
                },
            },
        )
        self.token = token["access_token"]
        self.url = f"{self._root}/servers/{self.server}/mcp"

    def _healthy(self) -> bool | None:
        try:
            with urllib.request.urlopen(f"{self._root}/health", timeout=5) as answer:
                return True if answer.status == 200 else None
        except OSError:
            return None

    def start_backend(self, service: str) -> None:
        """Start a service; after `stop_backend` on the port that it had."""
        port_file = self._folder / f"{service}.port"
        port_file.unlink(missing_ok=True)
        known = self._backends.get(service)
        program = Program(
            [
                self._python,
                Path(__file__).parent / "programs" / "backend.py",
                service,
                port_file,
                self._calls[service],
                *([str(known[1])] if known else []),
            ],
            self._folder / f"{service}.log",
        )
        self._programs.append(program)
        self._backends[service] = (program, program.ready(written(port_file), 120))

    def stop_backend(self, service: str) -> None:
        """End a service, as a crash would."""
        program, _ = self._backends[service]
        program.process.kill()
        program.process.wait()

    def revoke(self, service: str) -> None:
        """Let a service refuse the credential that the gateway has for it."""
        self._calls[service].with_suffix(".revoked").touch()

    def restore(self, service: str) -> None:
        """Let it take the credential again."""
        self._calls[service].with_suffix(".revoked").unlink()

    def rest(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """Ask the gateway's administration API."""
        request = urllib.request.Request(
            self._root + path,
            None if body is None else json.dumps(body).encode(),
            {"Authorization": f"Bearer {self._admin}", "Content-Type": "application/json"},
            method=method,
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{method} {path}: {error.code} {error.read().decode()}") from error

    def calls(self, service: str) -> list[dict[str, Any]]:
        """The calls that a service saw, oldest first."""
        path = self._calls[service]
        if not path.exists():
            return []
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]

    def close(self) -> None:
        """End the gateway and its services."""
        for program in reversed(self._programs):
            program.stop()
