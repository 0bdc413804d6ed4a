"""MCP gateways for pflow, from Python.

    from pflow_gateway import Gateway

    with Gateway("docker") as gateway:
        for service in gateway.services()["services"]:
            print(service["name"], service["tools"])

Every method gives the dict that the command of the same name prints with `--json`, and raises a `GatewayError`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .errors import (
    AuthError,
    ConfigError,
    GatewayError,
    GatewayTimeoutError,
    InternalError,
    ProtocolError,
    RateLimitedError,
    SandboxError,
    UnreachableError,
    UpstreamError,
)

if TYPE_CHECKING:
    from ._native import Gateway, __version__

__all__ = [
    "AuthError",
    "ConfigError",
    "Gateway",
    "GatewayError",
    "GatewayTimeoutError",
    "InternalError",
    "ProtocolError",
    "RateLimitedError",
    "SandboxError",
    "UnreachableError",
    "UpstreamError",
    "__version__",
]


def __getattr__(name: str) -> Any:
    # Later than the import: pflow's start-up hook imports this package too, and has no use for the machine code.
    if name in ("Gateway", "__version__"):
        from . import _native

        return getattr(_native, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
