# In pflow/mcp/discovery.py: `await session.list_tools()` becomes `await _every_page(session)`
async def _every_page(session):
    """Read `tools/list` to its last page; stop when a cursor comes twice."""
    page = await session.list_tools()
    tools, seen = list(page.tools), set()
    while page.nextCursor and page.nextCursor not in seen:
        seen.add(page.nextCursor)
        page = await session.list_tools(cursor=page.nextCursor)
        tools.extend(page.tools)
    return page.model_copy(update={"tools": tools})
