"""The dicts that `Gateway` gives: the shapes of `--json`. Fields are added, never changed or removed."""

from __future__ import annotations

from typing import Any, Literal, TypedDict

__all__ = [
    "Attribution",
    "Call",
    "ChangedTool",
    "Check",
    "Confidence",
    "Error",
    "GatewayHealth",
    "Health",
    "Kind",
    "Service",
    "ServiceHealth",
    "Services",
    "Status",
    "Test",
    "Tool",
    "Tools",
]

Kind = str
"""A gateway product, as the component calls it: docker, context-forge, generic, or another of its own."""

Attribution = Literal["declared", "reported", "control", "claimed", "prefix", "inferred", "none"]
"""How a tool's service is known, best first."""

Confidence = Literal["certain", "high", "low", "none"]
"""How far an attribution can be trusted."""

Status = Literal[
    "ok",
    "degraded",
    "offline",
    "disabled",
    "auth_required",
    "forbidden",
    "rate_limited",
    "timeout",
    "unreachable",
    "upstream_error",
    "unknown",
]
"""The state of a gateway or of a service behind it."""

# "class" is a keyword of Python, hence the other way to write a TypedDict.
Error = TypedDict(
    "Error",
    {"class": str, "message": str, "hint": str | None, "service": str | None},
)
"""Why something failed."""


class Finding(TypedDict):
    """Something odd in a catalogue."""

    kind: str
    """Like `look_alike`, `hidden_text`, `claim`, `duplicate_name` or `malformed_tool`."""
    subject: str | None
    """The tool or service that it is about."""
    message: str


class Check(TypedDict):
    """One step of a test."""

    name: Literal["pflow", "config", "proxy", "resolve", "connect", "tls", "auth", "protocol", "tools"]
    ok: bool | None
    """None: not reached."""
    ms: float | None
    detail: str


class Test(TypedDict):
    """What `test` gives."""

    gateway: str
    url: str
    ok: bool
    kind: Kind | None
    protocol: str | None
    era: Literal["legacy", "modern"] | None
    checks: list[Check]
    tools: int | None
    """Before filters."""
    services: int | None
    control_tools: int | None
    """Among `tools`: those with which the gateway itself is controlled."""
    unattributed: int | None
    """Among `tools`: those of no known service."""
    filtered_out: int | None
    """Among `tools`: those that the entry's own filter leaves out; control tools are not counted."""
    warnings: list[str]
    findings: list[Finding]
    error: Error | None


class Service(TypedDict):
    """One service behind a gateway."""

    name: str
    tools: int
    attribution: Attribution
    """The weakest among its tools."""
    confidence: Confidence
    """The weakest among its tools."""
    status: Status
    evidence: list[str]


class Services(TypedDict):
    """What `services` gives."""

    gateway: str
    services: list[Service]
    unattributed: int
    """Tools of no known service."""
    left_out: int
    """Services that the entry's own filter leaves out."""
    warnings: list[str]
    findings: list[Finding]


class Tool(TypedDict):
    """One tool. Further members of MCP (`_meta`, `icons`) are there when the gateway sent them."""

    name: str
    """Exactly as on the wire."""
    title: str | None
    description: str | None
    service: str | None
    attribution: Attribution
    confidence: Confidence
    evidence: str
    input_schema: dict[str, Any]
    output_schema: dict[str, Any] | None
    annotations: dict[str, Any] | None


class Tools(TypedDict):
    """What `tools` gives."""

    gateway: str
    total: int
    """Before filters."""
    pages: int
    filtered_out: int
    tools: list[Tool]
    warnings: list[str]
    findings: list[Finding]


class ServiceHealth(TypedDict):
    """The state of one service."""

    name: str
    status: Status
    tools: int
    evidence: list[str]
    since: str | None
    """Since when the status is what it is, RFC 3339, UTC."""
    last_seen: str | None
    """When it was last seen well, RFC 3339, UTC."""


class ChangedTool(TypedDict):
    """A tool that is not as it was accepted."""

    tool: str
    service: str | None
    change: Literal["changed", "replaced"]
    """Whether it says other things of itself, or is another tool under the same name."""
    was_of: str | None
    """The service that it was from when it was accepted, where that is another one."""
    parts: list[str]
    """What differs: title, description, input_schema, output_schema, annotations."""
    means: list[str]
    """What that means for callers, in sentences."""
    digest: str
    """SHA-256 of the present definition."""
    held: bool
    """Calls of it are refused until it is accepted."""


class GatewayHealth(TypedDict):
    """The state of one gateway."""

    gateway: str
    status: Status
    latency_ms: float | None
    tools: int | None
    services: list[ServiceHealth]
    vanished: list[str]
    appeared: list[str]
    checked_at: str
    """RFC 3339, UTC."""
    error: Error | None
    since: str | None
    """Since when the status is what it is, RFC 3339, UTC."""
    kind: Kind | None
    protocol: str | None
    expires_at: str | None
    """When the gateway's own credential ends, RFC 3339, UTC, if it says so."""
    vanished_tools: list[str]
    appeared_tools: list[str]
    filtered_out: int | None
    """Among `tools`: those that the entry's own filter leaves out; control tools are not counted."""
    changed_tools: list[ChangedTool]
    """Tools that are not as they were accepted, a hundred at most."""
    more_changed_tools: int
    """How many more there are."""
    warnings: list[str]
    findings: list[Finding]


class Health(TypedDict):
    """What `health` gives."""

    status: Status
    gateways: list[GatewayHealth]
    history_off: str | None
    """Why nothing is remembered; None when it is."""


class Call(TypedDict):
    """What `call` gives."""

    gateway: str
    tool: str
    service: str | None
    ok: bool
    """The tool ran and did not report an error."""
    result: dict[str, Any] | None
    """MCP's `CallToolResult`, as it came."""
    error: Error | None
