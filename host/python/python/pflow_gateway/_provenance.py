"""Which gateway and which service a tool in pflow is from, as far as pflow's own files tell.

Takes entries of `mcp-servers.json` and of pflow's registry; gives plain values and lines. Never contacts anything, and never
guesses: what is not written down is unknown.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

_ORIGIN = re.compile(r"\[(?P<guess>probably |claimed )?(?P<service>[^\[\]]+) via [^\[\]]+\]\s*\Z")
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
        "inferred": bool(origin and origin["guess"] == "probably "),
        "claimed": bool(origin and origin["guess"] == "claimed "),
    }


def line(origin: Mapping[str, Any]) -> str:
    """Say where one tool is from; `origin` is what `of_tool` gave."""
    service = f"service {origin['service']}" if origin["service"] else "service unknown"
    guess = "probably " if origin["inferred"] else "claimed " if origin.get("claimed") else ""
    kind = f" ({origin['kind']})" if origin["kind"] else ""
    return f"{origin['name']}{kind}, {guess}{service}"


def lines(
    configs: Mapping[str, Any],
    nodes: Mapping[str, Any],
    last: Mapping[str, str] | None = None,
    seen: Mapping[str, tuple[str | None, Mapping[str, int]]] | None = None,
) -> Iterator[str]:
    """Give one line for each gateway: its name, its kind, the services of its registered tools, and its last known state.

    `seen` has the kind that was detected and the services that were listed when somebody looked, for what pflow's files do not tell.
    """
    known = gateways(configs)
    services: dict[str, Counter[str]] = {name: Counter() for name in known}
    synced: Counter[str] = Counter()
    for entry in nodes.values():
        interface = entry.get("interface") or {}
        server = (interface.get("mcp_metadata") or {}).get("server")
        # From the description, not from the registry's own mark: pflow without the hook writes none.
        if not isinstance(server, str) or server not in known:
            continue
        synced[server] += 1
        origin = of_tool(server, configs[server], interface)
        if origin and origin["service"]:
            services[server][origin["service"] + ("?" if origin["inferred"] else "")] += 1
    yield f"Gateways ({len(known)})"
    for name, gateway in sorted(known.items()):
        detected, behind = (seen or {}).get(name, (None, {}))
        listed = _counted(services[name])
        # What was seen is before filters: of an entry that has some, it is not what a sync would bring.
        if not synced[name]:
            filtered = gateway.get("services") or gateway.get("tools")
            listed = "not synced" if filtered or not behind else f"{_counted(behind)}, not synced"
        state = f"; {last[name]}" if last and name in last else ""
        kind = gateway.get("kind") or detected
        yield f"  {name}{f' ({kind})' if kind else ''}: {listed or 'no services known'}{state}"


def _counted(services: Mapping[str, int]) -> str:
    return ", ".join(f"{service} ({count})" for service, count in sorted(services.items()))


def old(name: str, taken: float, tools: int, status: str, *, now: float) -> str:
    """Say that pflow was shown an old catalogue: the gateway could not be asked."""
    then, today = (time.localtime(at) for at in (taken, now))
    when = time.strftime("%H:%M" if then[:3] == today[:3] else "%Y-%m-%d %H:%M", then)
    which = "this is the 1 tool" if tools == 1 else f"these are the {tools} tools"
    return f"⚠ {name} is {status.replace('_', ' ')}: {which} of {when}"
