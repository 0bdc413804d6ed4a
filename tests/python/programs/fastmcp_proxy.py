"""FastMCP's own aggregator over three servers, each a server of its own on its own port.

    fastmcp_proxy.py PORT_FILE CALLS_FILE modern|legacy

Runs in an environment that has fastmcp 4.1. All ports are the system's; the aggregator's is written to PORT_FILE once it accepts
connections.
"""

import asyncio
import json
import socket
import sys
from pathlib import Path

from fastmcp import FastMCP
from fastmcp.server import create_proxy
from fastmcp_parts import speak_legacy

TOOLS = {
    "calendar": ("list_events", "create_event"),
    "mail": ("search_mail", "send_mail"),
    "wiki": ("read_page", "find_pages"),
}


def server(name, calls):
    app = FastMCP(name)

    def tool(tool_name):
        def run(text: str) -> str:
            with Path(calls).open("a", encoding="utf-8") as log:
                log.write(json.dumps({"service": name, "tool": tool_name, "arguments": {"text": text}}) + "\n")
            return f"{name} {tool_name}: {text}"

        app.tool(run, name=tool_name, description=f"{tool_name} of {name}")

    for tool_name in TOOLS[name]:
        tool(tool_name)
    return app


async def accepting(port):
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.02)
        else:
            writer.close()
            return


def listening():
    # Bound and not yet listening: a connection is refused until uvicorn is there.
    bound = socket.socket()
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind(("127.0.0.1", 0))
    return bound, bound.getsockname()[1]


def start(app):
    bound, port = listening()
    task = asyncio.create_task(
        app.run_http_async(show_banner=False, log_level="warning", sockets=[bound], host="127.0.0.1", port=port)
    )
    return task, port


async def main(port_file, calls):
    started = {name: start(server(name, calls)) for name in TOOLS}
    for _, port in started.values():
        await accepting(port)
    proxy = create_proxy(
        {
            "mcpServers": {
                name: {"url": f"http://127.0.0.1:{port}/mcp", "transport": "http"}
                for name, (_, port) in started.items()
            }
        },
        name="aggregate",
    )
    task, port = start(proxy)
    await accepting(port)
    Path(port_file).write_text(str(port), encoding="utf-8")
    await asyncio.gather(task, *(task for task, _ in started.values()))


if __name__ == "__main__":
    if sys.argv[3] == "legacy":
        speak_legacy()
    asyncio.run(main(sys.argv[1], sys.argv[2]))
