"""FastMCP's proxy before one MCP server, as its documentation has it: a token for clients, and another one for the server.

    fastmcp_front.py URL PORT

Runs in an environment that has fastmcp. The tokens are in FRONT_TOKEN and GATEWAY_TOKEN.
"""

import os
import sys

from fastmcp.client.transports import StreamableHttpTransport
from fastmcp.server import create_proxy
from fastmcp.server.auth.providers.jwt import StaticTokenVerifier

if __name__ == "__main__":
    url, port = sys.argv[1:]
    verifier = StaticTokenVerifier(tokens={os.environ["FRONT_TOKEN"]: {"client_id": "team", "scopes": []}})
    behind = StreamableHttpTransport(url, auth=os.environ["GATEWAY_TOKEN"])
    create_proxy(behind, name="team", auth=verifier).run(
        transport="http", host="127.0.0.1", port=int(port), show_banner=False, log_level="warning"
    )
