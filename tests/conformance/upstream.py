"""The gateway behind the service while the conformance suite plays its server scenarios: it has the tools that those call.

Takes nothing; prints its URL, and serves MCP until it is ended. Needs Python alone.
"""

from __future__ import annotations

import json
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

# One pixel, and a tenth of a second of silence.
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
WAV = "UklGRiYAAABXQVZFZm10IBAAAAABAAEAQB8AAAB9AAACABAAZGF0YQIAAAA="
TEXT = {"type": "text", "text": "This is a simple text response for testing."}
IMAGE = {"type": "image", "data": PNG, "mimeType": "image/png"}
RESOURCE = {
    "type": "resource",
    "resource": {"uri": "test://embedded-resource", "mimeType": "text/plain", "text": "This is an embedded resource content."},
}

RESULTS: dict[str, dict[str, Any]] = {
    "test_simple_text": {"content": [TEXT]},
    "test_image_content": {"content": [IMAGE]},
    "test_audio_content": {"content": [{"type": "audio", "data": WAV, "mimeType": "audio/wav"}]},
    "test_embedded_resource": {"content": [RESOURCE]},
    "test_multiple_content_types": {
        "content": [
            {"type": "text", "text": "Multiple content types test:"},
            IMAGE,
            RESOURCE | {"resource": RESOURCE["resource"] | {"uri": "test://mixed-content-resource", "mimeType": "application/json", "text": "{}"}},
        ]
    },
    "test_error_handling": {
        "isError": True,
        "content": [{"type": "text", "text": "This tool intentionally returns an error for testing"}],
    },
    "test_tool_with_progress": {"content": [TEXT]},
    "test_logging_tool": {"content": [TEXT]},
    "json_schema_2020_12_tool": {"content": [TEXT]},
}
PLAIN = {"type": "object", "properties": {}}
# As the suite's scenario for JSON Schema 2020-12 wants it to arrive: unchanged.
SCHEMA = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "$defs": {
        "address": {
            "$anchor": "addressDef",
            "type": "object",
            "properties": {"street": {"type": "string"}, "city": {"type": "string"}},
        }
    },
    "properties": {
        "name": {"type": "string"},
        "address": {"$ref": "#/$defs/address"},
        "contactMethod": {"type": "string", "enum": ["phone", "email"]},
        "phone": {"type": "string"},
        "email": {"type": "string"},
    },
    "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
    "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
    "then": {"required": ["phone"]},
    "else": {"required": ["email"]},
    "additionalProperties": False,
}


class Handler(BaseHTTPRequestHandler):
    """A request."""

    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        """Nobody reads it."""

    def answer(self, status: int, body: str = "", media: str = "application/json", **headers: str) -> None:
        """All of an answer."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Type", media)
        self.send_header("Content-Length", str(len(body.encode())))
        self.end_headers()
        self.wfile.write(body.encode())

    def do_GET(self) -> None:
        """No stream."""
        self.answer(405)

    def do_DELETE(self) -> None:
        """The end of a session."""
        self.answer(204)

    def do_POST(self) -> None:
        """A message."""
        message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if "id" not in message:
            self.answer(202)
            return
        params = message.get("params") or {}
        headers: dict[str, str] = {}
        media, before = "application/json", ""
        said: dict[str, Any] = {"jsonrpc": "2.0", "id": message["id"]}
        if message["method"] == "initialize":
            headers["Mcp_Session_Id"] = "conformance"
            said["result"] = {
                "protocolVersion": "2025-11-25",
                "capabilities": {"tools": {}},
                "serverInfo": {"name": "conformance-upstream", "version": "1"},
            }
        elif message["method"] == "tools/list":
            tools = [
                {"name": name, "description": f"Conformance: {name}", "inputSchema": SCHEMA if "schema" in name else PLAIN}
                for name in RESULTS
            ]
            said["result"] = {"tools": tools}
        elif message["method"] == "tools/call" and params.get("name") in RESULTS:
            said["result"] = RESULTS[params["name"]]
            token = (params.get("_meta") or {}).get("progressToken")
            if params["name"] == "test_tool_with_progress" and token is not None:
                media = "text/event-stream"
                for progress in (0, 50, 100):
                    note = {"progressToken": token, "progress": progress, "total": 100}
                    told = {"jsonrpc": "2.0", "method": "notifications/progress", "params": note}
                    before += f"event: message\ndata: {json.dumps(told)}\n\n"
                    time.sleep(0.01)
            if params["name"] == "test_logging_tool":
                # To whoever listens: who passes it on only to those who asked is what is tested.
                media = "text/event-stream"
                note = {"level": "error", "logger": "conformance", "data": "a line"}
                before = f"event: message\ndata: {json.dumps({'jsonrpc': '2.0', 'method': 'notifications/message', 'params': note})}\n\n"
        else:
            said["error"] = {"code": -32601, "message": "Method not found"}
        body = json.dumps(said)
        self.answer(200, f"{before}event: message\ndata: {body}\n\n" if before else body, media, **headers)


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(f"http://127.0.0.1:{server.server_address[1]}/mcp", flush=True)
    server.serve_forever()
