# In pflow/nodes/mcp/node.py
def _extract_every_text(self, mcp_result):
    """Join all texts of a failed result; an empty one says nothing."""
    texts = [getattr(block, "text", None) for block in mcp_result.content or []]
    return "\n".join(text for text in texts if text) or "Tool execution failed"


MCPNode._extract_error_message = _extract_every_text
