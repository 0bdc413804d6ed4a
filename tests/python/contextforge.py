"""The real IBM ContextForge with four services behind it, on loopback.

Takes the Python of an environment that has `mcp-contextforge-gateway`; gives the URL of a virtual server with all tools, a token
for that server alone, and the calls that each service saw. Never uses anything outside its folder.
"""

from __future__ import annotations

import base64
import hmac
import json
import os
import re
import sqlite3
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from contextlib import closing
from pathlib import Path
from typing import Any

from processes import Program, free_port, written

SERVICES = ("github", "slack", "drive", "catalog")
"""What the programs are called; at the gateway they are `GATEWAY_NAMES`."""

GATEWAY_NAMES = {"github": "GitHub Work", "slack": "slack", "drive": "drive", "catalog": "big_catalog"}
"""Names as an administrator writes them. ContextForge makes slugs of them."""

SLUGS = {"github": "github-work", "slack": "slack", "drive": "drive", "catalog": "big-catalog"}

TOOLS = {"github-work": 3, "slack": 3, "drive": 2, "big-catalog": 150}

STATEFUL_SSE = {"USE_STATEFUL_SESSIONS": "true", "JSON_RESPONSE_ENABLED": "false"}
"""Settings of the other way in which it speaks: sessions, and event streams for answers."""

_PROGRAMS = Path(__file__).parent / "programs"
_PASSWORD = "Tr0ub4dor&3-Battery-Staple!x"
_SECRET = "a-secret-of-this-test-suite-and-of-nothing-else"
_OAUTH_CLIENT = {"client_id": "context-forge", "client_secret": "a-client-secret-of-this-test-suite"}


def _encoded(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).rstrip(b"=").decode()


class ContextForge:
    """A running gateway with its services. `close` ends them all."""

    def __init__(self, python: Path, folder: Path, **settings: str) -> None:
        self._python = python
        self._folder = folder
        self._programs: list[Program] = []
        self._calls = {service: folder / f"{service}.jsonl" for service in SERVICES}
        self._backends: dict[str, tuple[Program, int]] = {}
        port = free_port()
        self.root = f"http://127.0.0.1:{port}"
        self._environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "TMPDIR": str(folder),
            "ENVIRONMENT": "development",
            "HOST": "127.0.0.1",
            "PORT": str(port),
            "DATABASE_URL": f"sqlite:///{folder}/mcp.db",
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
        } | settings
        try:
            self._gateway = self._start_gateway()
            self._start_services()
            self._gateway.ready(self._healthy, 240)
            self._administer()
        except BaseException:
            self.close()
            raise

    def _start_gateway(self) -> Program:
        port = self._environment["PORT"]
        gateway = Program(
            [self._python.parent / "mcpgateway", "--host", "127.0.0.1", "--port", port],
            self._folder / "contextforge.log",
            self._environment,
        )
        self._programs.append(gateway)
        return gateway

    def restart(self) -> None:
        """End the gateway and start it again, on the same port and database: its sessions are lost."""
        self._gateway.stop()
        self._gateway = self._start_gateway()
        self._gateway.ready(self._healthy, 240)

    def _start_services(self) -> None:
        port_file = self._folder / "oauth.port"
        oauth = Program(
            [self._python, _PROGRAMS / "oauth_server.py", port_file],
            self._folder / "oauth.log",
        )
        self._programs.append(oauth)
        self.oauth = f"http://127.0.0.1:{oauth.ready(written(port_file), 120)}"
        started = {service: self._start_program(service) for service in SERVICES}
        for service, (program, port_file) in started.items():
            self._backends[service] = (program, program.ready(written(port_file), 120))

    def _start_program(self, service: str, port: int | None = None) -> tuple[Program, Path]:
        name = service.partition(":")[0]
        port_file = self._folder / f"{service}.port"
        port_file.unlink(missing_ok=True)
        program = Program(
            [
                *(self._python, _PROGRAMS / "backend.py", service, port_file, self._calls[name]),
                *([str(port)] if port else []),
            ],
            self._folder / f"{service}.log",
            {"PATH": os.environ["PATH"], "HOME": str(self._folder), "INTROSPECTION": f"{self.oauth}/introspect"},
        )
        self._programs.append(program)
        return program, port_file

    def _administer(self) -> None:
        admin = subprocess.run(
            [self._python, "-m", "mcpgateway.utils.create_jwt_token", "--username", "admin@example.com", "--admin"],
            env=self._environment,
            capture_output=True,
            text=True,
            check=True,
        )
        self._admin = admin.stdout.strip().splitlines()[-1]
        self._claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(self._admin.split(".")[1] + "=="))
        # The program's own tokens last 20 minutes; a slow run of all tests takes longer.
        self._admin = self.jwt(6 * 3600)
        credentials: dict[str, dict[str, Any]] = {
            "github": {"auth_type": "bearer", "auth_token": "github-backend-token"},
            "slack": {
                "auth_type": "authheaders",
                "auth_headers": [{"key": "X-API-Key", "value": "slack-backend-key"}],
            },
            "drive": {
                "auth_type": "oauth",
                "oauth_config": {"grant_type": "client_credentials", "token_url": f"{self.oauth}/token"}
                | _OAUTH_CLIENT,
            },
            "catalog": {},
        }
        self.ids = {
            service: self._register(GATEWAY_NAMES[service], self._backends[service][1], credentials[service])
            for service in SERVICES
        }
        self.server, self.url, self.token = self._virtual_server("work-tools", list(self.ids.values()))

    def _register(self, name: str, port: int, credentials: dict[str, Any]) -> str:
        body = {"name": name, "url": f"http://127.0.0.1:{port}/mcp", "transport": "STREAMABLEHTTP"}
        return str(self.rest("POST", "/v1/gateways", body | credentials)["id"])

    def _virtual_server(self, name: str, gateways: list[str]) -> tuple[str, str, str]:
        """A virtual server of all their tools: its id, its URL, and a token for it alone."""
        tools = self.rest("GET", "/v1/tools?include_pagination=true&limit=0")["tools"]
        chosen = [tool["id"] for tool in tools if tool["gatewayId"] in gateways]
        server = self.rest("POST", "/v1/servers", {"server": {"name": name, "associated_tools": chosen}})["id"]
        permissions = ["tools.read", "tools.execute", "servers.use", "servers.read"]
        scope = {"server_id": server, "permissions": permissions}
        token = self.rest("POST", "/v1/tokens", {"name": f"pflow-{name}", "expires_in_days": 1, "scope": scope})
        return server, f"{self.root}/servers/{server}/mcp", token["access_token"]

    def add_catalog(self, tools: int) -> tuple[str, str]:
        """One more service of so many tools, alone in a virtual server: its URL and a token."""
        service = f"catalog:{tools}"
        program, port_file = self._start_program(service)
        gateway = self._register(f"catalog {tools}", program.ready(written(port_file), 120), {})
        _, url, token = self._virtual_server(f"catalog-{tools}", [gateway])
        return url, token

    def copy_tools(self, gateway: str, times: int) -> None:
        """Write copies of a service's tools into the database, `item_…` as `item_1…`, `item_2…`, and into its virtual server."""
        with closing(sqlite3.connect(self._folder / "mcp.db", timeout=60)) as database, database:
            (owner,) = database.execute("SELECT id FROM gateways WHERE name = ?", (gateway,)).fetchone()
            found = database.execute("SELECT * FROM tools WHERE gateway_id = ?", (owner,))
            columns = [column[0] for column in found.description]
            tools = [dict(zip(columns, row, strict=True)) for row in found]
            (server,) = database.execute(
                "SELECT server_id FROM server_tool_association WHERE tool_id = ?", (tools[0]["id"],)
            ).fetchone()
            for copy in range(1, times + 1):
                for tool in tools:
                    renamed = {
                        column: re.sub("(item[_ -])", rf"\g<1>{copy}", value, flags=re.IGNORECASE)
                        for column, value in tool.items()
                        if isinstance(value, str) and (column.endswith("name") or column.endswith("name_slug"))
                    }
                    row = tool | renamed | {"id": uuid.uuid4().hex}
                    marks = ", ".join("?" * len(columns))
                    database.execute(f"INSERT INTO tools VALUES ({marks})", [row[column] for column in columns])
                    database.execute("INSERT INTO server_tool_association VALUES (?, ?)", (server, row["id"]))

    def jwt(self, seconds: float) -> str:
        """A token of the administrator that ends in so many seconds; `exp` is in whole ones."""
        return jwt(self._claims, seconds)

    @property
    def claims(self) -> dict[str, Any]:
        """What is in the administrator's tokens, for a program that makes more of them with `jwt`."""
        return self._claims

    def _healthy(self) -> bool | None:
        try:
            with urllib.request.urlopen(f"{self.root}/health", timeout=5) as answer:
                return True if answer.status == 200 else None
        except OSError:
            return None

    def start_backend(self, service: str) -> None:
        """Start a service again, on the port that it had."""
        _, port = self._backends[service]
        program, port_file = self._start_program(service, port)
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
            self.root + path,
            None if body is None else json.dumps(body).encode(),
            {"Authorization": f"Bearer {self._admin}", "Content-Type": "application/json"},
            method=method,
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{method} {path}: {error.code} {error.read().decode()}") from error

    def let_oauth_client(self, enabled: bool) -> None:
        """Whether the gateway may have tokens of the authorization server; `False` also ends those that it has."""
        form = urllib.parse.urlencode({"enabled": str(enabled).lower()}).encode()
        with urllib.request.urlopen(f"{self.oauth}/client", form, timeout=10) as answer:
            answer.read()

    def tokens_issued(self) -> int:
        """How often the gateway got a token of the authorization server."""
        with urllib.request.urlopen(f"{self.oauth}/issued", timeout=10) as answer:
            return int(json.loads(answer.read())["issued"])

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


def jwt(claims: dict[str, Any], seconds: float) -> str:
    """The claims as a token that ends in so many seconds, signed with this suite's secret (HS256)."""
    now = time.time()
    fresh = claims | {"iat": int(now), "exp": int(now + seconds), "jti": str(uuid.uuid4())}
    header = _encoded(b'{"alg":"HS256","typ":"JWT"}')
    signed = f"{header}.{_encoded(json.dumps(fresh).encode())}"
    return f"{signed}.{_encoded(hmac.digest(_SECRET.encode(), signed.encode(), 'sha256'))}"
