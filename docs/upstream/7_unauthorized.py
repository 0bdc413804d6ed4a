# In pflow/mcp/pool.py: `terminate_on_close=True,` becomes `terminate_on_close=True, httpx_client_factory=_telling_of_401,`
_WAITING = {}  # calls that wait for an answer, by URL


def _telling_of_401(headers=None, timeout=None, auth=None):
    """The SDK's client only logs an answer with 401: who waits is told."""
    from mcp.shared._httpx_utils import create_mcp_http_client

    async def tell(response):
        if response.status_code == 401:
            for waiting in _WAITING.get(str(response.request.url), ()):
                if not waiting.done():
                    waiting.set_exception(RuntimeError("the server refuses the credential (HTTP 401)"))

    client = create_mcp_http_client(headers=headers, timeout=timeout, auth=auth)
    client.event_hooks["response"].append(tell)
    return client


async def _do_call_until_401(self, server_name, tool, arguments, config, *rest, _call=MCPConnectionPool._do_call):
    """End the call with the status, and the session with it."""
    refused = asyncio.get_running_loop().create_future()
    calls = _WAITING.setdefault(str(config.get("url")), set())
    calls.add(refused)
    call = asyncio.ensure_future(_call(self, server_name, tool, arguments, config, *rest))
    try:
        await asyncio.wait({call, refused}, return_when=asyncio.FIRST_COMPLETED)
        return await (refused if refused.done() else call)
    finally:
        calls.discard(refused)
        if not call.done():
            call.cancel()


MCPConnectionPool._do_call = _do_call_until_401
