"""What a person writes with the official Python SDK to see the tools of a server: the script that `bench.py` compares with."""

from __future__ import annotations

import asyncio
import json
import sys

from mcp import ClientSession, types
from mcp.client.streamable_http import streamable_http_client


async def main(url: str) -> None:
    """Print all tools as JSON."""
    async with streamable_http_client(url) as (read, write, *_), ClientSession(read, write) as session:
        await session.initialize()
        tools, cursor = [], None
        while True:
            page = await session.list_tools(params=types.PaginatedRequestParams(cursor=cursor))
            tools += [tool.model_dump(mode="json", exclude_none=True) for tool in page.tools]
            cursor = page.next_cursor
            if not cursor:
                break
        print(json.dumps(tools))


asyncio.run(main(sys.argv[1]))
