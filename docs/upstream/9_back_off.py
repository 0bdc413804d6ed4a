# In pflow/mcp/registrar.py
def _sync_what_is_due(self, server_names, *, reconcile_all, _sync=MCPRegistrar.sync_servers, **more):
    """In auto-sync, leave alone for a while what could not be reached. `PFLOW_AUTO_SYNC=0` leaves all alone."""
    import json
    import os
    import time

    if not reconcile_all or server_names is None:
        return _sync(self, server_names, reconcile_all=reconcile_all, **more)
    if os.environ.get("PFLOW_AUTO_SYNC") == "0":
        return SyncBatchResult([])
    file = self.manager.config_path.with_name("mcp-unreachable.json")
    try:
        failed = json.loads(file.read_text())
    except (OSError, ValueError):
        failed = {}
    now = time.time()
    due = [name for name in server_names if failed.get(name, {}).get("until", 0) < now]
    batch = _sync(self, due, reconcile_all=reconcile_all, **more)
    for result in batch.servers:
        before = failed.pop(result.server, {"wait": 30})
        if result.error:
            wait = min(before["wait"] * 2, 3600)
            failed[result.server] = {"until": time.time() + wait, "wait": wait}
    file.write_text(json.dumps(failed))
    return batch


MCPRegistrar.sync_servers = _sync_what_is_due
