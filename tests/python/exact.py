"""A gateway that answers with the very bytes that a test gives it.

Takes tools and results as JSON text; gives a URL, and the bodies that it was sent. Speaks 2025-11-25 without sessions.
"""

from __future__ import annotations

import contextlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType


class Exact:
    """A running server on loopback."""

    def __init__(self, results: dict[str, str], tools: str | None = None) -> None:
        self.results = results
        self.tools = tools or ",".join(tool(name) for name in results)
        self.calls: list[bytes] = []
        # By tool: what its stream holds before the answer. Without, the answer is no stream.
        self.events: dict[str, bytes] = {}
        exact = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                answer, kind = exact.answer(body), "application/json"
                events = exact.events.get((json.loads(body).get("params") or {}).get("name"))
                if events is not None:
                    answer, kind = events + b"data: " + answer + b"\n\n", "text/event-stream"
                self.send_response(200 if answer else 202)
                self.send_header("content-type", kind)
                self.send_header("content-length", str(len(answer)))
                self.end_headers()
                # Whoever has had enough hangs up.
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    self.wfile.write(answer)

            def do_GET(self) -> None:
                self.send_response(405)
                self.send_header("content-length", "0")
                self.end_headers()

            do_DELETE = do_GET

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/mcp"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()

    def answer(self, body: bytes) -> bytes:
        """The answer to one message; empty for a notification."""
        message = json.loads(body)
        number = json.dumps(message.get("id"))
        if "id" not in message:
            return b""
        if message["method"] == "initialize":
            result = json.dumps(
                {
                    "protocolVersion": "2025-11-25",
                    "capabilities": {"tools": {}},
                    "serverInfo": {"name": "exact", "version": "1"},
                }
            )
        elif message["method"] == "tools/list":
            result = f'{{"tools":[{self.tools}]}}'
        elif message["method"] == "tools/call":
            self.calls.append(body)
            result = self.results[message["params"]["name"]]
        else:
            error = '{"code":-32601,"message":"Method not found"}'
            return f'{{"jsonrpc":"2.0","id":{number},"error":{error}}}'.encode()
        return f'{{"jsonrpc":"2.0","id":{number},"result":{result}}}'.encode()

    def __enter__(self) -> Exact:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def tool(name: str, schema: str = '{"type":"object","properties":{}}', **more: str) -> str:
    """One tool, its schema and further members as JSON text."""
    rest = "".join(f',"{key}":{value}' for key, value in more.items())
    return f'{{"name":{json.dumps(name)},"inputSchema":{schema}{rest}}}'
