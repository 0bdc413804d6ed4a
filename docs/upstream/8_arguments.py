# In pflow/nodes/mcp/node.py
def _prep_with_its_arguments(self, shared, _prep=MCPNode.prep):
    """What the tool's own schema calls `timeout` or `result_format` is the tool's."""
    from pflow.registry import Registry

    ours = (self.params.get("__mcp_server__"), self.params.get("__mcp_tool__"))
    nodes = [(node.get("interface") or {}).get("mcp_metadata") or {} for node in Registry().load().values()]
    schemas = [node.get("original_schema") or {} for node in nodes if (node.get("server"), node.get("tool")) == ours]
    known = {name for schema in schemas for name in schema.get("properties", {})}
    given = {name: self.params.pop(name) for name in known & _PFLOW_PARAMS & set(self.params)}
    try:
        prepared = _prep(self, shared)
    finally:
        self.params.update(given)
    prepared["arguments"].update(given)
    return prepared


MCPNode.prep = _prep_with_its_arguments
