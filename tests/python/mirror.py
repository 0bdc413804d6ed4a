"""A gateway that says back what it was sent, wherever it can: the debugging page that leaks credentials.

Takes how it fails; gives a URL, and the requests that it saw. Also a forward proxy: it answers requests in absolute form itself.
"""

from __future__ import annotations

import base64
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

# How it fails; `good` does not, except in the calls that are meant to.
BEHAVIOURS = ("good", "unauthorized", "broken", "no mcp", "redirect", "cut", "odd")
TOOLS = ("fine", "fails", "refuses", "page")


class Mirror:
    """A running server on loopback."""

    def __init__(self, behaviour: str, cookie: str | None = None) -> None:
        self.behaviour = behaviour
        self.cookie = cookie
        self.seen: list[str] = []
        mirror = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                echo = mirror.see(self)
                try:
                    mirror.answer(self, json.loads(body or b"{}"), echo)
                except (BrokenPipeError, ConnectionResetError):
                    self.close_connection = True

            def do_GET(self) -> None:
                self.rfile.read(int(self.headers.get("content-length", 0)))
                echo = mirror.see(self)
                if mirror.behaviour == "broken":
                    mirror.send(self, 500, "text/html", f"<h1>Oops</h1><pre>{echo}</pre>")
                else:
                    mirror.send(self, 405, "text/plain", echo)

            do_DELETE = do_GET

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()

    def see(self, request: BaseHTTPRequestHandler) -> str:
        """What it was sent, in plain: the request line, the headers, and what Basic holds."""
        lines = [request.requestline, *(f"{name}: {value}" for name, value in request.headers.items())]
        for name, value in request.headers.items():
            if value.lower().startswith("basic "):
                lines.append(f"{name} is {base64.b64decode(value[6:]).decode()}")
        self.seen.append("\n".join(lines))
        return self.seen[-1]

    def send(self, to: BaseHTTPRequestHandler, status: int, kind: str, text: str, **headers: str) -> None:
        """One whole answer; what it was sent is in its headers too."""
        data = text.encode()
        to.send_response(status)
        to.send_header("content-type", kind)
        to.send_header("content-length", str(len(data)))
        to.send_header("x-debug", self.seen[-1].replace("\n", " | "))
        for name, value in headers.items():
            to.send_header(name.replace("_", "-"), value)
        to.end_headers()
        to.wfile.write(data)

    def answer(self, to: BaseHTTPRequestHandler, message: dict[str, Any], echo: str) -> None:
        """The answer to one message."""
        line = echo.replace("\n", " | ")
        if self.behaviour == "unauthorized":
            challenge = f'Bearer realm="{line.replace(chr(34), "")}", error_description="{line.replace(chr(34), "")}"'
            self.send(to, 401, "application/json", json.dumps({"detail": f"bad: {echo}"}), www_authenticate=challenge)
        elif self.behaviour == "broken":
            self.send(to, 500, "text/html", f"<h1>Traceback</h1><pre>{echo}</pre>")
        elif self.behaviour == "no mcp":
            self.send(to, 200, "text/html", f"<title>{line}</title><pre>{echo}</pre>")
        elif self.behaviour == "redirect":
            self.send(to, 302, "text/plain", echo, location=f"http://elsewhere.invalid/{line.replace(' ', '%20')}")
        elif self.behaviour == "cut":
            to.send_response(200)
            to.send_header("content-type", "application/json")
            to.send_header("content-length", "100000")
            to.end_headers()
            to.wfile.write(json.dumps({"jsonrpc": "2.0", "echo": echo}).encode()[:-1])
            to.wfile.flush()
            to.close_connection = True
        elif "id" not in message:
            self.send(to, 202, "text/plain", "")
        else:
            reply = json.dumps({"jsonrpc": "2.0", "id": message["id"], **self.reply(message, echo, line)})
            if message.get("params", {}).get("name") == "page":
                self.send(to, 502, "text/html", f"<pre>{echo}</pre>")
            elif self.behaviour == "odd" and message["method"] == "tools/list":
                self.send(to, 200, "application/json", reply[: len(reply) // 2] + echo)
            elif self.cookie:
                self.send(to, 200, "application/json", reply, set_cookie=f"SESSION={self.cookie}; Path=/")
            else:
                self.send(to, 200, "application/json", reply)

    def reply(self, message: dict[str, Any], echo: str, line: str) -> dict[str, Any]:
        """What it says, and what it was sent in every place that somebody shows."""
        method = message["method"]
        if method == "initialize":
            server = {"name": f"mirror {line}", "title": line, "version": line}
            return {
                "result": {
                    "protocolVersion": "2025-11-25",
                    "capabilities": {"tools": {}},
                    "serverInfo": server,
                    "instructions": echo,
                }
            }
        if method == "tools/list":
            schema = {
                "type": "object",
                "description": echo,
                "properties": {"a": {"type": "string", "description": line, "default": line, "enum": [line]}},
            }
            tools = [
                {
                    "name": name,
                    "title": line,
                    "description": f"{name}: {echo}",
                    "inputSchema": schema,
                    "annotations": {"title": line},
                    "_meta": {"service": line, "echo": echo},
                }
                for name in TOOLS
            ]
            return {"result": {"tools": tools, "_meta": {"echo": echo}}}
        if method == "tools/call":
            name = message["params"]["name"]
            if name == "refuses":
                return {"error": {"code": -32000, "message": f"no: {echo}", "data": {"request": echo}}}
            content = [{"type": "text", "text": json.dumps({"you sent": echo})}, {"type": "text", "text": echo}]
            return {"result": {"content": content, "structuredContent": {"echo": echo}, "isError": name == "fails"}}
        if method == "ping":
            return {"result": {}}
        return {"error": {"code": -32601, "message": f"Method not found: {echo}"}}

    def __enter__(self) -> Mirror:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
