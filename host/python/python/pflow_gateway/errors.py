"""What pflow-gateway raises: one tree, `GatewayError` at its root."""

from __future__ import annotations

__all__ = [
    "AuthError",
    "ConfigError",
    "GatewayError",
    "GatewayTimeoutError",
    "InternalError",
    "ProtocolError",
    "RateLimitedError",
    "SandboxError",
    "UnreachableError",
    "UpstreamError",
]


class GatewayError(Exception):
    """Something failed at a gateway, on the way to it, or before it.

    `str(error)` is one plain sentence. Where the system refused something, `error.__cause__` is its `OSError`.
    """

    error_class: str
    """The same name as `error.class` in `--json`, such as `rate_limited`."""

    hint: str | None
    """What to do about it."""

    service: str | None
    """The service behind the gateway that is to blame, when known."""

    def __init__(
        self,
        message: str,
        error_class: str = "internal",
        hint: str | None = None,
        service: str | None = None,
    ) -> None:
        # All of them go to Exception, so that pickling and copying keep them.
        super().__init__(message, error_class, hint, service)
        self.error_class = error_class
        self.hint = hint
        self.service = service

    def __str__(self) -> str:
        return str(self.args[0])


class ConfigError(GatewayError):
    """Configuration or arguments are wrong (`config`)."""


class AuthError(GatewayError):
    """The gateway wants a credential, or another one (`auth_required`, `token_expired`, `forbidden`)."""


class RateLimitedError(GatewayError):
    """The gateway asked to slow down (`rate_limited`)."""


class GatewayTimeoutError(GatewayError, TimeoutError):
    """No answer within the time allowed (`timeout`)."""


class UnreachableError(GatewayError, ConnectionError):
    """No connection, or it broke (`unreachable`, `dns`, `tls`)."""


class ProtocolError(GatewayError):
    """What answered does not speak MCP, or not well (`not_mcp`, `protocol_error`, `session_lost`)."""


class UpstreamError(GatewayError):
    """A service behind the gateway failed, or the gateway itself (`upstream_error`)."""


class SandboxError(GatewayError):
    """The sandbox refused or stopped something (`egress_denied`, `component`, `limit`)."""


class InternalError(GatewayError):
    """A bug of pflow-gateway (`internal`)."""


_BY_CLASS: dict[str, type[GatewayError]] = {
    "auth_required": AuthError,
    "token_expired": AuthError,
    "forbidden": AuthError,
    "rate_limited": RateLimitedError,
    "timeout": GatewayTimeoutError,
    "unreachable": UnreachableError,
    "dns": UnreachableError,
    "tls": UnreachableError,
    "not_mcp": ProtocolError,
    "protocol_error": ProtocolError,
    "session_lost": ProtocolError,
    "upstream_error": UpstreamError,
    "egress_denied": SandboxError,
    "component": SandboxError,
    "limit": SandboxError,
    "config": ConfigError,
    "internal": InternalError,
}


def from_parts(error_class: str, message: str, hint: str | None, service: str | None) -> GatewayError:
    """Give the exception for an error of the host; a class that is newer than this file is a plain `GatewayError`."""
    return _BY_CLASS.get(error_class, GatewayError)(message, error_class, hint, service)
