# In pflow/mcp/discovery.py: `tools_list.append(tool_def)` becomes `tools_list.append(_with_its_hints(tool_def, tool))`
def _with_its_hints(tool_def, tool):
    """Keep what the definition says besides: `_meta`, `annotations`, `title`."""
    said = tool.model_dump(mode="json", by_alias=True, exclude_none=True)
    return tool_def | {name: said[name] for name in ("_meta", "annotations", "title") if name in said}


# In pflow/mcp/registrar.py
def _create_entry_with_hints(self, server_name, tool, _create=MCPRegistrar._create_registry_entry):
    """And write it down."""
    entry = _create(self, server_name, tool)
    kept = {name: tool[name] for name in ("_meta", "annotations", "title") if name in tool}
    entry["interface"]["mcp_metadata"].update(kept)
    return entry


MCPRegistrar._create_registry_entry = _create_entry_with_hints
