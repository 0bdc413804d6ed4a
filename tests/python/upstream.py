"""A gateway in the test's own process: it counts what ran by title, and misbehaves as it is told.

Takes the credentials that it accepts; gives the titles of calls that ran, and what it was asked. Never forgets a call, nor runs one that it
did not log.
"""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOOLS = [
    {
        "name": "write",
        "inputSchema": {"type": "object", "properties": {"title": {"type": "string"}}},
        "annotations": {"readOnlyHint": False, "destructiveHint": True},
    },
    {
        "name": "read",
        "inputSchema": {"type": "object", "properties": {"title": {"type": "string"}}},
        "annotations": {"readOnlyHint": True},
    },
]

Misbehave = Callable[["Handler", dict[str, Any]], bool]


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server: Server

    def log_message(self, format: str, *args: Any) -> None:
        """Nobody reads it."""

    def setup(self) -> None:
        """Small answers go out at once."""
        super().setup()
        self.connection.setsockopt(6, 1, 1)

    def answer(self, status: int, body: Any = None, **headers: str) -> None:
        """All of an answer."""
        data = b"" if body is None else json.dumps(body).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if body is not None:
            self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_DELETE(self) -> None:
        """A session ends."""
        self.server.deleted += 1
        self.answer(204)

    def do_GET(self) -> None:
        """No stream."""
        self.answer(405)

    def do_POST(self) -> None:
        """A message."""
        message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        server = self.server
        method = message.get("method")
        if server.tokens is not None and self.headers.get("Authorization") not in {f"Bearer {one}" for one in server.tokens}:
            self.answer(401, {"error": "unknown token"}, WWW_Authenticate="Bearer")
            return
        if server.misbehave is not None and method == server.at and server.misbehave(self, message):
            return
        if "id" not in message:
            self.answer(202)
            return
        if method == "initialize":
            server.initialized += 1
            result: Any = {
                "protocolVersion": "2025-06-18",
                "capabilities": {"tools": {}},
                "serverInfo": {"name": "upstream", "version": "1"},
            }
            self.answer(200, {"jsonrpc": "2.0", "id": message["id"], "result": result}, Mcp_Session_Id="one")
            return
        if method == "server/discover" and server.modern:
            result = {"supportedVersions": ["2026-07-28"], "capabilities": {"tools": {}}, "ttlMs": 0, "cacheScope": "private"}
        elif method == "tools/list":
            result = {"tools": server.tools} | ({"ttlMs": 0, "cacheScope": "private"} if server.modern else {})
        elif method == "tools/call":
            time.sleep(server.seconds)
            title = message["params"]["arguments"].get("title", "")
            with server.lock:
                server.ran[message["params"]["name"], title] += 1
                server.heard.append({name.lower(): value for name, value in self.headers.items()})
            result = {"content": [{"type": "text", "text": f"done {title}"}]}
        else:
            error = {"code": -32601, "message": "Method not found"}
            self.answer(200, {"jsonrpc": "2.0", "id": message["id"], "error": error})
            return
        if server.modern:
            result["resultType"] = "complete"
        self.answer(200, {"jsonrpc": "2.0", "id": message["id"], "result": result})


class Server(ThreadingHTTPServer):
    """The gateway."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, tokens: set[str] | None = None, seconds: float = 0.0) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.tokens = tokens
        self.seconds = seconds
        self.lock = threading.Lock()
        self.ran: Counter[tuple[str, str]] = Counter()
        self.deleted = 0
        self.initialized = 0
        # Headers of the calls that ran.
        self.heard: list[dict[str, str]] = []
        self.tools: list[dict[str, Any]] = TOOLS
        # It speaks 2026-07-28, and nothing else.
        self.modern = False
        self.at = "tools/call"
        self.misbehave: Misbehave | None = None
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A replica that was killed hangs up."""

    @property
    def url(self) -> str:
        """Where it speaks MCP."""
        return f"http://127.0.0.1:{self.server_address[1]}/mcp"

    def stop(self) -> None:
        """Ends it."""
        self.shutdown()
        self.server_close()


def chunk(handler: Handler, data: bytes) -> None:
    """A piece of an answer in chunks."""
    handler.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
    handler.wfile.flush()


def begin(handler: Handler, media: str = "application/json") -> None:
    """The head of an answer in chunks."""
    handler.send_response(200)
    handler.send_header("Content-Type", media)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()


def hangs(handler: Handler, message: dict[str, Any]) -> bool:
    """Takes the call and never answers."""
    time.sleep(30)
    return True


def drips(handler: Handler, message: dict[str, Any]) -> bool:
    """Begins an answer, and sends a blank every tenth of a second."""
    begin(handler)
    try:
        for _ in range(300):
            chunk(handler, b" ")
            time.sleep(0.1)
    except OSError:
        pass
    return True


def drips_events(handler: Handler, message: dict[str, Any]) -> bool:
    """The same as an event stream."""
    begin(handler, "text/event-stream")
    try:
        for _ in range(300):
            chunk(handler, b": still here\n\n")
            time.sleep(0.1)
    except OSError:
        pass
    return True


def huge(handler: Handler, message: dict[str, Any]) -> bool:
    """Never stops sending."""
    begin(handler)
    try:
        for _ in range(4096):
            chunk(handler, b" " * 65536)
    except OSError:
        pass
    return True


def smuggles(handler: Handler, message: dict[str, Any]) -> bool:
    """Two lengths in one answer, and a second answer behind it."""
    body = json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": {"content": [{"type": "text", "text": "first"}]}})
    second = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
    handler.wfile.write(
        f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\nContent-Length: 5\r\n\r\n{body}{second}".encode()
    )
    handler.wfile.flush()
    handler.close_connection = True
    return True


def splits(handler: Handler, message: dict[str, Any]) -> bool:
    """A header's value that tries to be another header."""
    handler.wfile.write(
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nMcp-Session-Id: a\rSet-Cookie: x=1\r\nX-Y: \x00\r\nContent-Length: 2\r\n\r\n{}"
    )
    handler.wfile.flush()
    handler.close_connection = True
    return True


def enormous_head(handler: Handler, message: dict[str, Any]) -> bool:
    """Headers without end."""
    try:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
        for number in range(4096):
            handler.wfile.write(f"X-{number}: {'x' * 1000}\r\n".encode())
        handler.wfile.write(b"\r\n")
    except OSError:
        pass
    handler.close_connection = True
    return True
