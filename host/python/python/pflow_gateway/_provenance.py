"""Which gateway and which service a tool in pflow is from, as far as pflow's own files tell.

Takes entries of `mcp-servers.json` and of pflow's registry; gives plain values and lines. Never contacts anything, and never
guesses: what is not written down is unknown.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

_ORIGIN = re.compile(r"\[(?P<service>[^\[\]]+) via (?P<gateway>[^\[\]]+)\]\s*\Z")
"""How `serve` ends a tool's description; stock pflow keeps nothing else that could tell."""


def gateways(configs: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Give the entries that are gateways, by name."""
    return {
        name: config["gateway"]
        for name, config in configs.items()
        if isinstance(config, dict) and isinstance(config.get("gateway"), dict)
    }


def of_tool(server: str, config: Any, interface: Mapping[str, Any]) -> dict[str, Any] | None:
    """Give what `mcp_metadata["gateway"]` shall hold for one tool; None when its server is no gateway."""
    gateway = gateways({server: config}).get(server)
    if gateway is None:
        return None
    origin = _ORIGIN.search(str(interface.get("description", "")))
    return {
        "name": server,
        "kind": gateway.get("kind"),
        "service": origin["service"] if origin else None,
    }


def lines(configs: Mapping[str, Any], nodes: Mapping[str, Any]) -> Iterator[str]:
    """Give one line for each gateway: its name, its kind, and the services of its registered tools."""
    known = gateways(configs)
    services: dict[str, Counter[str]] = {name: Counter() for name in known}
    for entry in nodes.values():
        interface = entry.get("interface") or {}
        server = (interface.get("mcp_metadata") or {}).get("server")
        if server in known:
            service = _service(server, configs[server], interface)
            if service is not None:
                services[server][service] += 1
    yield f"Gateways ({len(known)})"
    for name, gateway in sorted(known.items()):
        found = services[name]
        listed = ", ".join(f"{service} ({count})" for service, count in sorted(found.items()))
        yield f"  {name} ({gateway.get('kind') or 'kind unknown'}): {listed or 'no services known'}"


def _service(server: str, config: Any, interface: Mapping[str, Any]) -> str | None:
    stored = (interface.get("mcp_metadata") or {}).get("gateway")
    if isinstance(stored, dict) and isinstance(stored.get("service"), str):
        return str(stored["service"])
    found = of_tool(server, config, interface)
    return found["service"] if found else None
