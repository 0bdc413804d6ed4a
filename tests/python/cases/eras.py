"""Which era a peer speaks: what gateways that only know `initialize` do with the question that they never heard of.

Takes `server/discover`; gives what was seen of servers, load balancers and firewalls. Never anything odd after `initialize`.
"""

from __future__ import annotations

import json
from typing import Any, ClassVar

from .peer import EVENTS, HTML, JSON, TEXT, Peer, Step, event, http, text, tool
from .server import Connection, Ends, Reply, Request

KIND = "The question for the era, and servers that only know `initialize`"


class _Probe(Peer):
    """Answers `server/discover` with something fixed."""

    reply: ClassVar[Reply] = b""
    # None of these has anything to do with what a gateway can do.
    works = True

    def discover(self, request: Request) -> Reply:
        return self.reply


class ProbeNeverAnswered(_Probe):
    """`server/discover` is never answered."""

    reply = Ends.SILENCE


class ProbeOpenStream(_Probe):
    """`server/discover` gets an event stream of comments that does not end."""

    def discover(self, request: Request) -> Reply:
        return self.slowly(*[b": still here\n\n", 0.3] * 200)


class ProbeSlow(_Probe):
    """`server/discover` is refused after four seconds."""

    def discover(self, request: Request) -> Reply:
        return [4.0, http(404, TEXT, body=b"Not Found")]


class ProbeClosed(_Probe):
    """The connection is closed at `server/discover`."""

    reply = Ends.CLOSE


class ProbeReset(_Probe):
    """The connection is reset at `server/discover`."""

    reply = Ends.RESET


class ProbeHalfAnswered(_Probe):
    """The answer to `server/discover` breaks off."""

    reply = (b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 400\r\n\r\n{", Ends.CLOSE)


class ProbeHalfHeaders(_Probe):
    """The connection is closed within the headers of the answer to `server/discover`."""

    reply = (b"HTTP/1.1 500 Int", Ends.CLOSE)


class Probe200Html(_Probe):
    """A page for people answers `server/discover`."""

    reply = http(200, HTML, body=b"<!doctype html><title>API</title>")


class Probe200Empty(_Probe):
    """200 without a body."""

    reply = http(200)


class Probe200BrokenJson(_Probe):
    """200 and JSON that breaks off."""

    reply = http(200, JSON, body=b'{"jsonrpc":"2.0","id":')


class Probe200NotRpc(_Probe):
    """200 and JSON of another kind."""

    reply = http(200, JSON, body=b'{"status":"ok"}')


class Probe202(_Probe):
    """202 without a body."""

    reply = http(202)


class Probe204(_Probe):
    """204."""

    reply = http(204)


class Probe302Login(_Probe):
    """302 to a sign-in page, for this method alone."""

    reply = http(302, ("Location", "https://login.invalid/"))


class Probe400NotRpc(_Probe):
    """400 and JSON that is not JSON-RPC, its code a text."""

    reply = http(
        400, JSON, body=b'{"error":{"code":"invalid_payload","message":"unknown method","type":"bad_request"}}'
    )


class Probe400SessionWanted(_Probe):
    """400: a session id is missing."""

    def discover(self, request: Request) -> Reply:
        return self.error(request, -32600, "Bad Request: Missing session ID", status=400, id="server-error")


class Probe400Version(_Probe):
    """400: the protocol version of the header is not supported."""

    def discover(self, request: Request) -> Reply:
        words = "Bad Request: Unsupported protocol version (supported versions: 2025-06-18, 2025-03-26)"
        return self.error(request, -32000, words, status=400, id=None)


class Probe401(_Probe):
    """401 to `server/discover` alone; the credential is good."""

    environment: ClassVar[dict[str, str]] = {"CASE_TOKEN": "good"}

    def entry(self) -> dict[str, Any]:
        return super().entry() | {"headers": {"Authorization": "Bearer ${CASE_TOKEN}"}}

    def route(self, request: Request, connection: Connection) -> Reply:
        if request.header("authorization") != "Bearer good":
            return http(401, ("WWW-Authenticate", "Bearer"), JSON, body=b'{"error":"unauthorized"}')
        return super().route(request, connection)

    def discover(self, request: Request) -> Reply:
        challenge = ("WWW-Authenticate", 'Bearer error="invalid_token"')
        return http(401, JSON, challenge, body=b'{"error":{"code":401,"message":"no such rule"}}')


class Probe401NoCredential(_Probe):
    """401 to `server/discover` of a gateway that wants no credential."""

    reply = http(401, JSON, body=b'{"message":"Unauthorized"}')


class Probe403Html(_Probe):
    """A firewall's 403 page for a method that it does not know."""

    reply = http(403, HTML, body=b"<html><head><title>403 Forbidden</title></head></html>")


class Probe404Session(_Probe):
    """404 and a text: there is no such session."""

    reply = http(404, TEXT, body=b"Invalid session ID")


class Probe405(_Probe):
    """405."""

    reply = http(405, ("Allow", "GET"))


class Probe406(_Probe):
    """406 and JSON."""

    reply = http(406, JSON, body=b'{"detail":"Not Acceptable"}')


class Probe415(_Probe):
    """415."""

    reply = http(415, TEXT, body=b"Unsupported Media Type")


class Probe421(_Probe):
    """421, for this method alone."""

    reply = http(421, TEXT, body=b"Misdirected Request")


class Probe422(_Probe):
    """422 of a parser that knows its methods by name."""

    reply = http(422, TEXT, body=b"Failed to deserialize the JSON body into the target type: unknown variant")


class Probe429(_Probe):
    """429 to the first request alone."""

    reply = http(429, ("Retry-After", "1"), TEXT, body=b"slow down")


class Probe429Long(_Probe):
    """429 to the first request alone, which asks to wait for an hour."""

    reply = http(429, ("Retry-After", "3600"), TEXT, body=b"slow down")


class Probe503Later(_Probe):
    """503 to the first request alone, with `Retry-After: 60`."""

    reply = http(503, ("Retry-After", "60"), TEXT, body=b"warming up")


class Probe500Empty(_Probe):
    """An empty 500."""

    reply = http(500)


class Probe500Trace(_Probe):
    """500 and the trace of a program."""

    reply = http(500, TEXT, body=b"Traceback (most recent call last):\n  KeyError: 'server/discover'\n")


class Probe501(_Probe):
    """501."""

    reply = http(501, TEXT, body=b"Not Implemented")


class Probe502Html(_Probe):
    """502 and a page of the edge."""

    reply = http(502, HTML, body=b"<html><body>502 Bad Gateway</body></html>")


class Probe503(_Probe):
    """503 without a word."""

    reply = http(503)


class Probe504(_Probe):
    """504 of a balancer."""

    reply = http(504, HTML, body=b"<html>504 Gateway Time-out</html>")


class ProbeUnknownMethod(_Probe):
    """200 and -32601, as JSON-RPC wants it."""

    def discover(self, request: Request) -> Reply:
        return self.error(request, -32601, "Method not found")


class ProbeUnknownMethodStream(_Probe):
    """The same as an event of a stream."""

    def discover(self, request: Request) -> Reply:
        body = {"jsonrpc": "2.0", "id": request.id, "error": {"code": -32601, "message": "Method not found"}}
        return self.stream(event(json.dumps(body).encode(), "event: message"))


class ProbeInternalError(_Probe):
    """200 and -32603."""

    def discover(self, request: Request) -> Reply:
        return self.error(request, -32603, "Internal error")


class ProbeInvalidParams(_Probe):
    """200 and -32602."""

    def discover(self, request: Request) -> Reply:
        return self.error(request, -32602, "Invalid request parameters", data="")


class ProbeOddCode(_Probe):
    """200 and an error whose code is a text."""

    reply = http(200, JSON, body=b'{"jsonrpc":"2.0","id":1,"error":{"code":"E_METHOD","message":"unknown"}}')


class ProbeNullId(_Probe):
    """200, -32600 and the id null."""

    def discover(self, request: Request) -> Reply:
        return self.error(request, -32600, "Missing ID field", id=None)


class ProbeServerErrorId(_Probe):
    """400, -32600 and the id "server-error"."""

    def discover(self, request: Request) -> Reply:
        return self.error(request, -32600, "Bad Request: No valid session", status=400, id="server-error")


class ProbeResultNull(_Probe):
    """Every unknown method has the result null."""

    def discover(self, request: Request) -> Reply:
        return self.result(request, None)


class ProbeResultEmpty(_Probe):
    """Every unknown method has an empty result."""

    def discover(self, request: Request) -> Reply:
        return self.result(request, {})


class ProbeAnsweredAsInitialize(_Probe):
    """The first request is taken for `initialize`, whatever it says."""

    def discover(self, request: Request) -> Reply:
        return self.initialize(request)


class ProbeVersionsEmpty(_Probe):
    """`supportedVersions` of `server/discover` is empty."""

    def discover(self, request: Request) -> Reply:
        return self.result(request, {"supportedVersions": [], "capabilities": {}})


class ProbeVersionsLegacy(_Probe):
    """`server/discover` names only versions that begin with `initialize`."""

    def discover(self, request: Request) -> Reply:
        return self.result(request, {"supportedVersions": ["2025-06-18", "2025-03-26"], "capabilities": {"tools": {}}})


class FirstRequestMustBeInitialize(_Probe):
    """A client whose first request is not `initialize` is shut out of that connection."""

    def __init__(self) -> None:
        super().__init__()
        self._greeted: set[int] = set()

    def route(self, request: Request, connection: Connection) -> Reply:
        if request.rpc == "initialize":
            self._greeted.add(id(connection))
        elif not request.header("mcp-session-id") and id(connection) not in self._greeted:
            return [http(400, TEXT, ("Connection", "close"), body=b"initialize first"), Ends.CLOSE]
        return super().route(request, connection)


# ------------------------------------------------------------------------------------------------- peers of the modern era
DISCOVERED = {"supportedVersions": ["2026-07-28"], "capabilities": {"tools": {}}, "ttlMs": 0, "cacheScope": "private"}
COMPLETE = {"resultType": "complete", "_meta": {"io.modelcontextprotocol/serverInfo": {"name": "case", "version": "1"}}}


class _Modern(Peer):
    """Speaks 2026-07-28 alone: no stock pflow works with it."""

    session = None
    works = True

    def discover(self, request: Request) -> Reply:
        return self.result(request, COMPLETE | DISCOVERED)

    def initialize(self, request: Request) -> Reply:
        return self.error(request, -32601, "Method not found", status=404)

    def page(self, request: Request) -> Any:
        return COMPLETE | {"tools": self.tools, "ttlMs": 0, "cacheScope": "private"}

    def outcome(self, request: Request) -> Any:
        return COMPLETE | super().outcome(request)


class ModernOnly(_Modern):
    """Knows 2026-07-28 and nothing else."""


class _ModernResult(_Modern):
    """Gives what only the modern era allows."""

    value: ClassVar[Any] = None
    schema: ClassVar[Any] = None
    steps: ClassVar[list[Step]] = [("answer", {})]

    def page(self, request: Request) -> Any:
        more = {} if self.schema is None else {"outputSchema": self.schema}
        return super().page(request) | {"tools": [tool("answer", **more)]}

    def outcome(self, request: Request) -> Any:
        return COMPLETE | text(json.dumps(self.value), structuredContent=self.value, isError=False)


class ModernArray(_ModernResult):
    """A tool's structured result is an array, as its schema says."""

    value: ClassVar[Any] = [1, 2]
    schema: ClassVar[Any] = {"type": "array", "items": {"type": "integer"}}


class ModernArrayPlain(_ModernResult):
    """A tool's structured result is an array; there is no schema."""

    value: ClassVar[Any] = [1, 2]


class ModernNumber(_ModernResult):
    """A tool's structured result is a number."""

    value: ClassVar[Any] = 42
    schema: ClassVar[Any] = {"type": "integer"}


class ModernText(_ModernResult):
    """A tool's structured result is a text."""

    value: ClassVar[Any] = "hi"
    schema: ClassVar[Any] = {"type": "string"}


class ModernNull(_ModernResult):
    """A tool's structured result is null."""

    schema: ClassVar[Any] = {"type": "null"}


class ModernObject(_ModernResult):
    """A tool's structured result is an object."""

    value: ClassVar[Any] = {"a": 1}
    schema: ClassVar[Any] = {"type": "object", "properties": {"a": {"type": "integer"}}}


class _Both(Peer):
    """Answers in both eras."""

    works = True

    def discover(self, request: Request) -> Reply:
        return self.result(request, COMPLETE | DISCOVERED)


class BothErasListsInLegacyOnly(_Both):
    """Speaks both eras, and lists its tools only to a session."""

    def page(self, request: Request) -> Any:
        return {"tools": self.tools} if request.header("mcp-session-id") else COMPLETE | {"tools": []}

    def call(self, request: Request) -> Reply:
        known = bool(request.header("mcp-session-id"))
        return super().call(request) if known else self.error(request, -32602, "Unknown tool: note__add")

    def reaches(self, request: Request) -> bool:
        return bool(request.header("mcp-session-id"))


class BothErasSessionWanted(_Both):
    """Says that it speaks the modern era, and then wants a session."""

    def list(self, request: Request) -> Reply:
        if request.header("mcp-session-id"):
            return super().list(request)
        return self.error(request, -32000, "Bad Request: Mcp-Session-Id header is required", status=400, id=None)

    def reaches(self, request: Request) -> bool:
        return bool(request.header("mcp-session-id"))

    def call(self, request: Request) -> Reply:
        return super().call(request) if self.reaches(request) else http(400, TEXT, body=b"no session")


class BothErasListUnknown(_Both):
    """Says that it speaks the modern era, and does not know `tools/list` there."""

    def list(self, request: Request) -> Reply:
        known = bool(request.header("mcp-session-id"))
        return super().list(request) if known else self.error(request, -32601, "Method not found", status=404)


class BothErasFail500(_Both):
    """Says that it speaks the modern era, and fails at every request of it."""

    def route(self, request: Request, connection: Connection) -> Reply:
        opened = request.header("mcp-session-id") or request.rpc in ("server/discover", "initialize")
        return super().route(request, connection) if opened else http(500, TEXT, body=b"no session in scope")

    def reaches(self, request: Request) -> bool:
        return bool(request.header("mcp-session-id"))


class BothErasRefuse401(BothErasFail500):
    """Says that it speaks the modern era, and answers 401 to every request of it; no credential is wanted in a session."""

    def route(self, request: Request, connection: Connection) -> Reply:
        opened = request.header("mcp-session-id") or request.rpc in ("server/discover", "initialize")
        return super().route(request, connection) if opened else http(401, JSON, body=b'{"message":"Unauthorized"}')


class BothErasOddRefusal(BothErasSessionWanted):
    """Says that it speaks the modern era, and wants a session in words of its own."""

    def list(self, request: Request) -> Reply:
        known = bool(request.header("mcp-session-id"))
        return Peer.list(self, request) if known else self.error(request, -32000, "Who are you?")


class BothErasCallWantsSession(_Both):
    """Says that it speaks the modern era, lists its tools in it, and wants a session for calls."""

    def reaches(self, request: Request) -> bool:
        return bool(request.header("mcp-session-id"))

    def page(self, request: Request) -> Any:
        return super().page(request) if request.header("mcp-session-id") else COMPLETE | super().page(request)

    def call(self, request: Request) -> Reply:
        words = "Bad Request: Mcp-Session-Id header is required"
        known = self.reaches(request)
        return super().call(request) if known else self.error(request, -32000, words, status=400, id=None)


class _Version(Peer):
    """`initialize` gives this version."""

    works = True


class Version20241105(_Version):
    """`initialize` answers with 2024-11-05, though a newer one was asked for."""

    protocol = "2024-11-05"


class Version20250326(_Version):
    """`initialize` answers with 2025-03-26."""

    protocol = "2025-03-26"


class Version20251125(_Version):
    """`initialize` answers with 2025-11-25."""

    protocol = "2025-11-25"


class VersionUnknown(Peer):
    """`initialize` answers with an unknown version."""

    protocol = "2031-01-01"


class VersionMissing(Peer):
    """`initialize` answers without a version."""

    def hello(self) -> dict[str, Any]:
        return {key: value for key, value in super().hello().items() if key != "protocolVersion"}


class VersionNotAgreed(Peer):
    """A version that the server does not have is refused with 400 and a text."""

    def initialize(self, request: Request) -> Reply:
        if request.params.get("protocolVersion", "") > "2025-11-25":
            return http(400, TEXT, body=b"unsupported protocol version")
        return super().initialize(request)


class VersionHeaderWanted(Peer):
    """After `initialize`, a request without the header `MCP-Protocol-Version` of the version agreed upon is refused."""

    protocol = "2025-06-18"

    def route(self, request: Request, connection: Connection) -> Reply:
        if request.header("mcp-session-id") and request.header("mcp-protocol-version") != self.protocol:
            return http(400, TEXT, body=b"Bad Request: MCP-Protocol-Version")
        return super().route(request, connection)


class ModernHeadersRefused(Peer):
    """A firewall refuses headers that it does not know, once a session is open."""

    def route(self, request: Request, connection: Connection) -> Reply:
        odd = {"mcp-method", "mcp-name"} & {name.lower() for name, _ in request.headers}
        if odd and request.header("mcp-session-id"):
            return http(403, HTML, EVENTS, body=b"<html>Request blocked</html>")
        return super().route(request, connection)
