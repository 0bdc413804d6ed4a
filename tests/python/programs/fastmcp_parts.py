"""FastMCP's own aggregator and its servers, each a process of its own, so that one of them can die.

    fastmcp_parts.py server NAME PORT_FILE [--port PORT] [--tools COUNT] [--calls FILE] [--guard HOW]
    fastmcp_parts.py front PORT_FILE NAME=PORT… [--send NAME:HOW]… [--jwt SECRET] [--legacy] [--page SIZE] [--port PORT]

Runs in an environment that has fastmcp 4.1. Ports are the system's unless one is given; each is written to PORT_FILE once it
accepts connections. HOW is bearer:TOKEN, header:NAME=VALUE, or oauth:ISSUER: an authorization server as `oauth_server.py`.
"""

import argparse
import asyncio
import json
import socket
from pathlib import Path

from fastmcp import FastMCP
from fastmcp.client.auth.client_credentials import ClientCredentialsOAuthProvider
from fastmcp.client.transports import StreamableHttpTransport
from fastmcp.server import create_proxy
from fastmcp.server.auth import RemoteAuthProvider
from fastmcp.server.auth.providers.introspection import IntrospectionTokenVerifier
from fastmcp.server.auth.providers.jwt import JWTVerifier, StaticTokenVerifier
from fastmcp.tools import Tool
from pydantic import AnyHttpUrl
from starlette.middleware import Middleware

CLIENT = {"client_id": "context-forge", "client_secret": "a-client-secret-of-this-test-suite"}


class Keyed:
    """The application, for requests with this header and this value."""

    def __init__(self, app, name, value):
        self.app, self.name, self.value = app, name.lower().encode(), value.encode()

    async def __call__(self, scope, receive, send):
        if scope["type"] == "http" and dict(scope["headers"]).get(self.name) != self.value:
            headers = [(b"content-type", b"application/json")]
            await send({"type": "http.response.start", "status": 401, "headers": headers})
            await send({"type": "http.response.body", "body": b'{"error":"unauthorized"}'})
            return
        await self.app(scope, receive, send)


def guard(how, port):
    """FastMCP's own check of tokens, or a check of another header."""
    kind, _, value = (how or "none:").partition(":")
    if kind == "bearer":
        return StaticTokenVerifier({value: {"client_id": "front", "scopes": []}}), []
    if kind == "oauth":
        verifier = IntrospectionTokenVerifier(introspection_url=f"{value}/introspect", **CLIENT)
        servers = [AnyHttpUrl(value)]
        return RemoteAuthProvider(verifier, servers, base_url=f"http://127.0.0.1:{port}"), []
    if kind == "header":
        return None, [Middleware(Keyed, *value.split("=", 1))]
    return None, []


def credentials(how):
    """What the aggregator sends to such a server."""
    kind, _, value = (how or "none:").partition(":")
    if kind == "bearer":
        return {"auth": value}
    if kind == "oauth":
        return {"auth": ClientCredentialsOAuthProvider(issuer=f"{value}/", **CLIENT)}
    if kind == "header":
        return {"headers": dict([value.split("=", 1)])}
    return {}


def server(arguments, auth):
    app = FastMCP(arguments.name, auth=auth)

    def add(name):
        def run(text: str) -> str:
            if arguments.calls:
                with Path(arguments.calls).open("a", encoding="utf-8") as log:
                    log.write(json.dumps({"service": arguments.name, "tool": name, "text": text}) + "\n")
            return f"{arguments.name}: {text}"

        app.tool(run, name=name, description=f"{name} of {arguments.name}")

    for name in ("list_things", "read_thing"):
        add(name)
    # Copies, and a thousand to a part: making a schema takes milliseconds, and adding to many takes longer and longer.
    item = Tool.from_function(lambda key: f"{arguments.name}: {key}", name="item", description="Look up an item.")
    for first in range(2, arguments.tools, 1000):
        part = FastMCP(f"{arguments.name}-{first}")
        for number in range(first, min(first + 1000, arguments.tools)):
            part.add_tool(item.model_copy(update={"name": f"item_{number:05}"}))
        app.mount(part)
    return app


def front(arguments):
    auth = JWTVerifier(public_key=arguments.jwt, algorithm="HS256") if arguments.jwt else None
    # Mounted one by one: an aggregator made of one `create_proxy` over all of them lists nothing once one is dead.
    app = FastMCP("front", auth=auth, list_page_size=arguments.page)
    hows = dict(sent.split(":", 1) for sent in arguments.send)
    for part in arguments.parts:
        name, port = part.split("=")
        transport = StreamableHttpTransport(f"http://127.0.0.1:{port}/mcp", **credentials(hows.get(name)))
        app.mount(create_proxy(transport), namespace=name)
    return app


def speak_legacy():
    """Take the way into the modern era out of the SDK: FastMCP has no switch for it. What answers then is its legacy part."""
    from mcp.server import streamable_http_manager as manager
    from mcp_types.version import KNOWN_PROTOCOL_VERSIONS

    manager.HANDSHAKE_PROTOCOL_VERSIONS = KNOWN_PROTOCOL_VERSIONS


async def serve(app, bound, middleware, port_file):
    port = bound.getsockname()[1]
    task = asyncio.create_task(
        app.run_http_async(
            show_banner=False, log_level="warning", sockets=[bound], host="127.0.0.1", port=port, middleware=middleware
        )
    )
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.02)
        else:
            writer.close()
            break
    Path(port_file).write_text(str(port), encoding="utf-8")
    await task


def main():
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("server")
    one.add_argument("name")
    one.add_argument("port_file")
    one.add_argument("--tools", type=int, default=2)
    one.add_argument("--calls")
    one.add_argument("--guard")
    all_of_them = commands.add_parser("front")
    all_of_them.add_argument("port_file")
    all_of_them.add_argument("parts", nargs="+")
    all_of_them.add_argument("--send", action="append", default=[])
    all_of_them.add_argument("--jwt")
    all_of_them.add_argument("--legacy", action="store_true")
    all_of_them.add_argument("--page", type=int)
    for command in (one, all_of_them):
        command.add_argument("--port", type=int, default=0)
    arguments = parser.parse_args()

    bound = socket.socket()
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind(("127.0.0.1", arguments.port))
    middleware = []
    if arguments.command == "server":
        auth, middleware = guard(arguments.guard, bound.getsockname()[1])
        app = server(arguments, auth)
    else:
        if arguments.legacy:
            speak_legacy()
        app = front(arguments)
    asyncio.run(serve(app, bound, middleware, arguments.port_file))


if __name__ == "__main__":
    main()
