"""One MCP server behind a gateway, with its own credential; every tool call goes to a file.

    backend.py github|slack|drive|catalog[:TOOLS] PORT_FILE CALLS_FILE [PORT]

Runs in an environment that has the `mcp` SDK 1.x, uvicorn and httpx: ContextForge's own. Listens on a port from the system unless
one is given, and writes it to PORT_FILE once it accepts connections. `drive` asks the authorization server INTROSPECTION.
The credential is refused while there is a file like CALLS_FILE that ends with `.revoked`.
"""

import asyncio
import json
import os
import socket
import sys
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from mcp.server.fastmcp import FastMCP

CREDENTIALS = {
    "github": ("authorization", "Bearer github-backend-token"),
    "slack": ("x-api-key", "slack-backend-key"),
    "catalog": None,
}
CATALOG_TOOLS = 150


def record(service, tool, arguments):
    with Path(CALLS).open("a", encoding="utf-8") as calls:
        calls.write(json.dumps({"service": service, "tool": tool, "arguments": arguments}) + "\n")


def github():
    server = FastMCP("github", host="127.0.0.1")

    @server.tool()
    def list_issues(repo: str) -> dict[str, Any]:
        """List the open issues of a repository."""
        record("github", "list_issues", {"repo": repo})
        return {"repo": repo, "count": 3, "titles": ["Broken link", "Slow start", "Typo"]}

    @server.tool()
    def create_issue(repo: str, title: str) -> dict[str, Any]:
        """Create an issue in a repository."""
        record("github", "create_issue", {"repo": repo, "title": title})
        return {"number": 42, "url": f"https://git.example/{repo}/issues/42"}

    @server.tool()
    def get_file(repo: str, path: str) -> str:
        """Read a file of a repository."""
        record("github", "get_file", {"repo": repo, "path": path})
        return f"{path} of {repo}"

    return server


def slack():
    server = FastMCP("slack", host="127.0.0.1")

    @server.tool()
    def post_message(channel: str, text: str) -> dict[str, Any]:
        """Post a message to a channel."""
        record("slack", "post_message", {"channel": channel, "text": text})
        return {"ok": True, "channel": channel, "ts": "1700000000.000100"}

    @server.tool()
    def list_channels() -> list[str]:
        """List the channels."""
        record("slack", "list_channels", {})
        return ["general", "random"]

    @server.tool()
    def search(query: str) -> list[str]:
        """Search messages."""
        record("slack", "search", {"query": query})
        return [f"a message about {query}"]

    return server


def drive():
    server = FastMCP("drive", host="127.0.0.1")

    @server.tool()
    def list_files(folder: str) -> list[str]:
        """List the files of a folder."""
        record("drive", "list_files", {"folder": folder})
        return [f"{folder}/plan.txt"]

    @server.tool()
    def read_text(file: str) -> str:
        """Read a file."""
        record("drive", "read_text", {"file": file})
        return f"what is in {file}"

    return server


def catalog(tools):
    server = FastMCP("catalog", host="127.0.0.1")

    def lookup(number):
        def item_lookup(key: str) -> str:
            record("catalog", f"item_{number:03}_lookup", {"key": key})
            return f"{number}: {key}"

        server.add_tool(item_lookup, name=f"item_{number:03}_lookup", description=f"Look up item {number}.")

    for number in range(tools):
        lookup(number)
    return server


SERVERS = {"github": github, "slack": slack, "drive": drive}


def has(credential):
    """Whether the headers of a request carry a fixed credential."""

    async def allowed(headers):
        return credential is None or headers.get(credential[0].encode()) == credential[1].encode()

    return allowed


def introspected(url):
    """Whether the bearer token is one that the authorization server knows."""
    client = httpx.AsyncClient()

    async def allowed(headers):
        scheme, _, token = headers.get(b"authorization", b"").decode().partition(" ")
        if scheme.lower() != "bearer":
            return False
        answer = await client.post(url, data={"token": token})
        return answer.json()["active"]

    return allowed


def guarded(app, allowed):
    """The application, for requests that are allowed."""

    async def guard(scope, receive, send):
        if scope["type"] == "http":
            revoked = Path(CALLS).with_suffix(".revoked").exists()
            if revoked or not await allowed(dict(scope["headers"])):
                body = b'{"error":"unauthorized"}'
                headers = [(b"content-type", b"application/json"), (b"www-authenticate", b"Bearer")]
                await send({"type": "http.response.start", "status": 401, "headers": headers})
                await send({"type": "http.response.body", "body": body})
                return
        await app(scope, receive, send)

    return guard


async def main(service, port_file):
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", PORT))
    listener.listen()
    name, _, tools = service.partition(":")
    made = catalog(int(tools or CATALOG_TOOLS)) if name == "catalog" else SERVERS[name]()
    allowed = introspected(os.environ["INTROSPECTION"]) if name == "drive" else has(CREDENTIALS[name])
    config = uvicorn.Config(guarded(made.streamable_http_app(), allowed), log_level="warning", lifespan="on")
    server = uvicorn.Server(config)
    running = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started:
        await asyncio.sleep(0.01)
        if running.done():
            break
    Path(port_file).write_text(str(listener.getsockname()[1]), encoding="utf-8")
    await running


if __name__ == "__main__":
    CALLS = sys.argv[3]
    PORT = int(sys.argv[4]) if len(sys.argv) > 4 else 0
    asyncio.run(main(sys.argv[1], sys.argv[2]))
