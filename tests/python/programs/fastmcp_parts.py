"""FastMCP's own aggregator and its servers, each a process of its own, so that one of them can die.

    fastmcp_parts.py server NAME PORT_FILE [PORT]
    fastmcp_parts.py front PORT_FILE NAME=PORT…

Runs in an environment that has fastmcp 4.1. Ports are the system's unless one is given; each is written to PORT_FILE once it
accepts connections.
"""

import asyncio
import socket
import sys
from pathlib import Path

from fastmcp import FastMCP
from fastmcp.server import create_proxy


def server(name):
    app = FastMCP(name)

    def read(text: str) -> str:
        return f"{name}: {text}"

    for tool in ("list_things", "read_thing"):
        app.tool(read, name=tool, description=f"{tool} of {name}")
    return app


def front(parts):
    # Mounted one by one: an aggregator made of one `create_proxy` over all of them lists nothing once one is dead.
    app = FastMCP("front")
    for part in parts:
        name, port = part.split("=")
        app.mount(create_proxy(f"http://127.0.0.1:{port}/mcp"), namespace=name)
    return app


async def serve(app, port_file, wanted):
    bound = socket.socket()
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind(("127.0.0.1", wanted))
    port = bound.getsockname()[1]
    task = asyncio.create_task(
        app.run_http_async(show_banner=False, log_level="warning", sockets=[bound], host="127.0.0.1", port=port)
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


if __name__ == "__main__":
    if sys.argv[1] == "server":
        wanted = int(sys.argv[4]) if len(sys.argv) > 4 else 0
        asyncio.run(serve(server(sys.argv[2]), sys.argv[3], wanted))
    else:
        asyncio.run(serve(front(sys.argv[3:]), sys.argv[2], 0))
