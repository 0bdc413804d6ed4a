"""A correct gateway of the legacy era: a session, JSON answers, two tools. Each case is a subclass that does one thing otherwise.

Takes requests; gives the bytes of the answers, and counts how often a tool ran. Never decides what is right: `verdict.py` does.
"""

from __future__ import annotations

import json
import re
import threading
from typing import TYPE_CHECKING, Any, ClassVar

from .server import Ends, Reply, Request

if TYPE_CHECKING:
    from .server import Connection, Server

JSON = ("Content-Type", "application/json")
EVENTS = ("Content-Type", "text/event-stream")
HTML = ("Content-Type", "text/html")
TEXT = ("Content-Type", "text/plain; charset=utf-8")

Header = tuple[str, str]
Step = tuple[str, dict[str, Any]]


def http(status: int, *headers: Header, body: bytes = b"", reason: str = "Of a test") -> bytes:
    """One answer; its length is told unless the headers frame it in another way."""
    framed = {name.lower() for name, _ in headers} & {"content-length", "transfer-encoding"}
    lines = [f"HTTP/1.1 {status} {reason}", *(f"{name}: {value}" for name, value in headers)]
    if not framed and status != 204:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def text(words: str, **more: Any) -> dict[str, Any]:
    """A result of one text."""
    return {"content": [{"type": "text", "text": words}], **more}


def tool(name: str, schema: Any = None, **more: Any) -> dict[str, Any]:
    """A tool that takes a text, or what the schema says."""
    takes = {"type": "object", "properties": {"text": {"type": "string"}}} if schema is None else schema
    return {"name": name, "description": f"Does {name}.", "inputSchema": takes, **more}


def event(message: bytes, *fields: str) -> bytes:
    """An event of a stream."""
    return b"".join(f"{line}\n".encode() for line in fields) + b"data: " + message + b"\n\n"


def notice(method: str, **params: Any) -> bytes:
    """A notification."""
    return json.dumps({"jsonrpc": "2.0", "method": method, "params": params}).encode()


class Peer:
    """A gateway without a fault. `note__add` changes something: it has no annotations."""

    server: Server
    prefix: str

    # What is configured and run.
    tools: ClassVar[list[dict[str, Any]]] = [tool("note__add"), tool("note__list", annotations={"readOnlyHint": True})]
    steps: ClassVar[list[Step]] = [("note__add", {"text": "x"})]
    environment: ClassVar[dict[str, str]] = {}
    # Variables in pflow's settings.
    settings: ClassVar[dict[str, str]] = {}
    # Seconds, in the entry. Twenty are for a machine that is busy; a case in which nobody answers says less.
    timeout = 20
    # Served over TLS, by the authority whose file SSL_CERT_FILE names.
    secret = False
    trusted = True

    # What is asked of us, beyond "not worse than stock".
    works = False
    """It must work, whatever stock pflow makes of it."""
    fails = False
    """What the tool answers is a failure: nobody may call it a success."""
    lost = False
    """A tool that writes ran and its answer is lost: whoever fails must say that it may have run."""
    says: ClassVar[tuple[str, ...]] = ()
    """Words that our error holds, where there is one."""
    unsaid: ClassVar[tuple[str, ...]] = ()
    """Words that our error does not hold."""
    differs = ""
    """Why what is listed or answered need not be what stock pflow makes of it."""

    idle: float | None = None
    """Seconds after which an idle connection is closed."""
    session: str | None = "session-1"
    protocol = "2025-06-18"

    def __init__(self) -> None:
        self.ran = 0
        self.seen: list[Request] = []
        self.lock = threading.Lock()

    @classmethod
    def case(cls) -> str:
        """Its name, as the page and the tests have it."""
        return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[a-z])(?=[0-9])", "-", cls.__name__).lower()

    # -- where it is
    @property
    def origin(self) -> str:
        """Scheme, host and port."""
        return f"https://127.0.0.1:{self.server.secret_port}" if self.secret else f"http://127.0.0.1:{self.server.port}"

    @property
    def url(self) -> str:
        """What the entry says."""
        return f"{self.origin}{self.prefix}/mcp"

    def entry(self) -> dict[str, Any]:
        """The entry that a user without us has."""
        return {"type": "http", "url": self.url, "timeout": self.timeout}

    def file(self, name: str) -> str | bytes:
        """The whole of mcp-servers.json."""
        return json.dumps({"mcpServers": {name: self.entry()}}, indent=2)

    def variables(self) -> dict[str, str]:
        """The environment that pflow is started in."""
        return dict(self.environment)

    def later(self) -> dict[str, str]:
        """What is set only after the entry was adopted."""
        return {}

    # -- what happens to a request
    def take(self, request: Request, connection: Connection) -> Reply:
        """Note it, count it, answer it."""
        with self.lock:
            self.seen.append(request)
            if request.rpc == "tools/call" and self.reaches(request):
                self.ran += 1
        return self.route(request, connection)

    def tunnel(self, request: Request) -> bytes | None:
        """The refusal of a CONNECT, where this peer plays a proxy that refuses."""
        return None

    def route(self, request: Request, connection: Connection) -> Reply:
        """The answer."""
        if request.path.split("?")[0] != "/mcp":
            return http(404, TEXT, body=b"Not Found")
        if request.verb == "GET":
            return self.get(request)
        if request.verb == "DELETE":
            return self.delete(request)
        return {
            "server/discover": self.discover,
            "initialize": self.initialize,
            "notifications/initialized": self.initialized,
            "tools/list": self.list,
            "tools/call": self.call,
            "ping": lambda request: self.result(request, {}),
        }.get(str(request.rpc), self.other)(request)

    def reaches(self, request: Request) -> bool:
        """Whether this call reaches the tool."""
        return True

    def get(self, request: Request) -> Reply:
        return http(405, ("Allow", "POST, DELETE"))

    def delete(self, request: Request) -> Reply:
        return http(200)

    def other(self, request: Request) -> Reply:
        return http(202)

    def discover(self, request: Request) -> Reply:
        return self.error(request, -32000, "Bad Request: Server not initialized", status=400, id=None)

    def hello(self) -> dict[str, Any]:
        """What `initialize` gives."""
        return {
            "protocolVersion": self.protocol,
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "case", "version": "1"},
        }

    def session_headers(self) -> list[Header]:
        return [("Mcp-Session-Id", self.session)] if self.session else []

    def initialize(self, request: Request) -> Reply:
        return self.result(request, self.hello(), *self.session_headers())

    def initialized(self, request: Request) -> Reply:
        return http(202)

    def page(self, request: Request) -> Any:
        """What `tools/list` gives."""
        return {"tools": self.tools}

    def list(self, request: Request) -> Reply:
        return self.result(request, self.page(request))

    def outcome(self, request: Request) -> Any:
        """What the tool gives."""
        return text("added " + json.dumps(request.params.get("arguments"), sort_keys=True))

    def call(self, request: Request) -> Reply:
        return self.result(request, self.outcome(request))

    # -- building answers
    def message(self, request: Request, result: Any) -> bytes:
        """The response; a result that is bytes already is taken as it is, for what `json` would not write."""
        written = result if isinstance(result, bytes) else json.dumps(result).encode()
        return b'{"jsonrpc":"2.0","id":' + self.id(request.id) + b',"result":' + written + b"}"

    def id(self, id: Any) -> bytes:
        """An id as it comes back."""
        return json.dumps(id).encode()

    def result(self, request: Request, result: Any, *headers: Header) -> Reply:
        return http(200, JSON, *headers, body=self.message(request, result))

    def error(self, request: Request, code: int, words: str, status: int = 200, **more: Any) -> Reply:
        body = {"jsonrpc": "2.0", "id": more.pop("id", request.id), "error": {"code": code, "message": words, **more}}
        return http(status, JSON, body=json.dumps(body).encode())

    def stream(self, *events: bytes, headers: tuple[Header, ...] = ()) -> Reply:
        """An event stream, whole."""
        return http(200, EVENTS, ("Cache-Control", "no-cache"), *headers, body=b"".join(events))

    def slowly(self, *parts: bytes | float | Ends) -> Reply:
        """An event stream as it comes; its end is the end of the connection."""
        return [b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n", *parts, Ends.CLOSE]

    def answered(self, request: Request) -> bytes:
        """The response to a call as an event."""
        return event(self.message(request, self.outcome(request)), "event: message")
