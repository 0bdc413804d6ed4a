# In pflow/mcp/pool.py: `session.call_tool(tool, arguments)` becomes `_call_alone(session, tool, arguments)`
async def _call_alone(session, tool, arguments):
    """The call and nothing else.

    The SDK's `call_tool` reads `tools/list` after a call, and fails with the same words when that finds the session gone: after the
    tool ran.
    """
    from mcp import types

    params = types.CallToolRequestParams(name=tool, arguments=arguments)
    return await session.send_request(types.ClientRequest(types.CallToolRequest(params=params)), CallToolResult)


async def _do_call_in_a_session_that_is_there(self, server_name, *rest, _call=MCPConnectionPool._do_call):
    """Open a lost session anew, once. The call itself was refused with 404, so it never ran."""
    from mcp.shared.exceptions import McpError

    try:
        return await _call(self, server_name, *rest)
    except McpError as error:
        # The SDK's words for 404.
        if error.error.message != "Session terminated":
            raise
    await MCPConnectionPool._evict_session(self, server_name)
    return await _call(self, server_name, *rest)


MCPConnectionPool._do_call = _do_call_in_a_session_that_is_there
