# In pflow/nodes/mcp/node.py
def _extract_result_or_error(self, mcp_result, _extract=MCPNode._extract_result):
    """Look at `isError` before `structuredContent`."""
    if getattr(mcp_result, "isError", False):
        return {"error": self._extract_error_message(mcp_result), "is_tool_error": True}
    return _extract(self, mcp_result)


MCPNode._extract_result = _extract_result_or_error
