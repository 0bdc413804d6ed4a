"""JSON-RPC as it is written by other languages: ids, members more and less, batches, errors.

Takes requests; gives messages that most clients understand. Never an odd HTTP answer.
"""

from __future__ import annotations

import json
from typing import Any, ClassVar

from .peer import JSON, TEXT, Header, Peer, Step, http, text, tool
from .server import Connection, Reply, Request

KIND = "JSON-RPC"


# ------------------------------------------------------------------------------------------------- ids
class _Ids(Peer):
    """Gives ids back in a way of its own."""

    works = True


class IdsAsTexts(_Ids):
    """Ids come back as texts."""

    def id(self, id: Any) -> bytes:
        return json.dumps(str(id)).encode()


class IdsAsFloats(_Ids):
    """Ids come back as `1.0`."""

    timeout = 5

    def id(self, id: Any) -> bytes:
        return json.dumps(float(id)).encode()


class IdsAsLuaPrints(_Ids):
    """Ids come back as `%.14g` prints a float (Lua, PHP)."""

    def id(self, id: Any) -> bytes:
        return b"%.14g" % id


class IdsWithExponent(_Ids):
    """Ids come back as `1e+0`."""

    timeout = 5

    def id(self, id: Any) -> bytes:
        return b"%.6e" % id


class IdsIn32Bits(_Ids):
    """An id from 2^32 on is refused: 422."""

    limit = 2**32

    def reaches(self, request: Request) -> bool:
        return not (isinstance(request.id, int) and request.id >= self.limit)

    def route(self, request: Request, connection: Connection) -> Reply:
        if not self.reaches(request):
            return http(422, TEXT, body=b"data did not match any variant of untagged enum JsonRpcMessage")
        return super().route(request, connection)


class IdsIn31Bits(IdsIn32Bits):
    """An id from 2^31 on is refused: 422."""

    limit = 2**31


class IdsCutTo32Bits(_Ids):
    """Ids come back without their upper half."""

    def id(self, id: Any) -> bytes:
        return json.dumps(id % 2**32).encode()


class IdsCutTo16Bits(_Ids):
    """Ids come back modulo 65536."""

    def id(self, id: Any) -> bytes:
        return json.dumps(id % 2**16).encode()


class IdsMustBeNumbers(_Ids):
    """An id that is a text is refused."""

    def reaches(self, request: Request) -> bool:
        return not isinstance(request.id, str)

    def route(self, request: Request, connection: Connection) -> Reply:
        if isinstance(request.id, str):
            return self.error(request, -32600, "Invalid Request", id=None)
        return super().route(request, connection)


class IdsOncePerSession(_Ids):
    """An id that a session has used is refused."""

    steps: ClassVar[list[Step]] = [("note__add", {"text": "one"}), ("note__add", {"text": "two"})]

    def session_headers(self) -> list[Header]:
        return [("Mcp-Session-Id", f"session-{len(self.seen)}")]

    def again(self, request: Request) -> bool:
        """Whether the session used it before."""
        session = request.header("mcp-session-id")
        same = [one for one in self.seen if (one.header("mcp-session-id"), one.id) == (session, request.id)]
        return request.id is not None and session is not None and len(same) > 1

    def reaches(self, request: Request) -> bool:
        return not self.again(request)

    def route(self, request: Request, connection: Connection) -> Reply:
        if self.again(request):
            return self.error(request, -32600, "Invalid Request: duplicate id", status=400)
        return super().route(request, connection)


# ------------------------------------------------------------------------------------------------- envelopes
class _Envelope(Peer):
    """Writes the envelope in a way of its own."""

    works = True

    def message(self, request: Request, result: Any) -> bytes:
        return json.dumps(self.envelope(request, result)).encode()

    def envelope(self, request: Request, result: Any) -> Any:
        """The whole message."""
        return {"jsonrpc": "2.0", "id": request.id, "result": result}


class BatchOfOne(_Envelope):
    """Every answer is an array of one message."""

    timeout = 5

    def envelope(self, request: Request, result: Any) -> Any:
        return [super().envelope(request, result)]


class BatchWithErrorNull(_Envelope):
    """The same, with `"error": null` beside the result."""

    timeout = 5

    def envelope(self, request: Request, result: Any) -> Any:
        return [super().envelope(request, result) | {"error": None}]


class BatchWithNotice(_Envelope):
    """Every answer is an array: a notification, and the response."""

    timeout = 5

    def envelope(self, request: Request, result: Any) -> Any:
        log = {"jsonrpc": "2.0", "method": "notifications/message", "params": {"level": "info", "data": "x"}}
        return [log, super().envelope(request, result)]


class ErrorNull(_Envelope):
    """`"error": null` stands beside every result."""

    def envelope(self, request: Request, result: Any) -> Any:
        return super().envelope(request, result) | {"error": None}


class ResultNullBesideError(Peer):
    """`"result": null` stands beside an error, which is the answer to the call."""

    fails = True

    def call(self, request: Request) -> Reply:
        error = {"code": -32603, "message": "the note is locked"}
        body = {"jsonrpc": "2.0", "id": request.id, "result": None, "error": error}
        return http(200, JSON, body=json.dumps(body).encode())

    timeout = 5


class EnvelopeMore(_Envelope):
    """Messages have unknown members."""

    def envelope(self, request: Request, result: Any) -> Any:
        return super().envelope(request, result) | {"_meta": {"took": 3}, "server": "x", "traceId": None}


class EnvelopeReversed(_Envelope):
    """The result comes first, then the id, then `jsonrpc`."""

    def envelope(self, request: Request, result: Any) -> Any:
        return {"result": result, "id": request.id, "jsonrpc": "2.0"}


class JsonRpcMissing(_Envelope):
    """Messages do not say `"jsonrpc": "2.0"`."""

    works, timeout = False, 5

    def envelope(self, request: Request, result: Any) -> Any:
        return {"id": request.id, "result": result}


class JsonRpcNumber(_Envelope):
    """`"jsonrpc": 2.0`, a number."""

    works, timeout = False, 5

    def envelope(self, request: Request, result: Any) -> Any:
        return super().envelope(request, result) | {"jsonrpc": 2.0}


class MethodBeside(_Envelope):
    """The response repeats the method that it answers."""

    works, timeout = False, 5

    def envelope(self, request: Request, result: Any) -> Any:
        return super().envelope(request, result) | {"method": request.rpc}


class KeysTwice(Peer):
    """A key comes twice; the last one counts."""

    works = True

    def outcome(self, request: Request) -> Any:
        return (
            b'{"content":[{"type":"text","text":"first"}],"isError":false,"content":[{"type":"text","text":"second"}]}'
        )


class CallIdNull(Peer):
    """The answer to a call has the id null."""

    timeout, lost = 5, True

    def call(self, request: Request) -> Reply:
        request.id = None
        return super().call(request)


class CallIdOther(Peer):
    """The answer to a call has the id of another."""

    timeout, lost = 5, True

    def call(self, request: Request) -> Reply:
        request.id = 999_999
        return super().call(request)


# ------------------------------------------------------------------------------------------------- initialize
class _Hello(Peer):
    """Introduces itself in a way of its own."""

    works = True
    without: ClassVar[tuple[str, ...]] = ()
    more: ClassVar[dict[str, Any]] = {}

    def hello(self) -> dict[str, Any]:
        return {key: value for key, value in super().hello().items() if key not in self.without} | self.more


class HelloMore(_Hello):
    """`initialize` has unknown members."""

    more: ClassVar[dict[str, Any]] = {"_meta": {"x": 1}, "region": "eu", "instructions": "Use it well."}


class HelloNulls(_Hello):
    """`initialize` has null for what is optional."""

    more: ClassVar[dict[str, Any]] = {
        "_meta": None,
        "instructions": None,
        "serverInfo": {"name": "case", "version": "1", "title": None, "websiteUrl": None, "icons": None},
        "capabilities": {
            **dict.fromkeys(("experimental", "logging", "prompts", "resources", "completions")),
            "tools": {"listChanged": None},
        },
    }


class HelloServerInfoMissing(_Hello):
    """`initialize` has no `serverInfo`."""

    works = False
    without = ("serverInfo",)


class HelloServerInfoNameless(_Hello):
    """`serverInfo` has no version."""

    works = False
    more: ClassVar[dict[str, Any]] = {"serverInfo": {"name": "case"}}


class HelloServerInfoMore(_Hello):
    """`serverInfo` has members of its own, and an empty version."""

    more: ClassVar[dict[str, Any]] = {"serverInfo": {"name": "", "version": "", "vendor": {"a": [1]}, "title": "T"}}


class HelloCapabilitiesMissing(_Hello):
    """`initialize` has no `capabilities`."""

    works = False
    without = ("capabilities",)


class HelloToolsUnsaid(_Hello):
    """`capabilities` is empty; there are tools all the same."""

    more: ClassVar[dict[str, Any]] = {"capabilities": {}}


class HelloToolsNull(_Hello):
    """`capabilities.tools` is null; there are tools all the same."""

    more: ClassVar[dict[str, Any]] = {"capabilities": {"tools": None}}


class HelloToolsTrue(_Hello):
    """`capabilities.tools` is `true`."""

    works = False
    more: ClassVar[dict[str, Any]] = {"capabilities": {"tools": True}}


class HelloToolsArray(_Hello):
    """`capabilities.tools` is `[]`, as PHP writes an empty object."""

    works = False
    more: ClassVar[dict[str, Any]] = {"capabilities": {"tools": []}}


class HelloInstructionsOdd(_Hello):
    """`instructions` is an array."""

    works = False
    more: ClassVar[dict[str, Any]] = {"instructions": ["a", "b"]}


class NullsEverywhere(_Hello):
    """Null stands for every optional member of tools and results."""

    tools: ClassVar[list[dict[str, Any]]] = [
        {
            "name": name,
            "inputSchema": {"type": "object", "properties": {}, "required": []},
            **dict.fromkeys(("title", "description", "outputSchema", "annotations", "icons", "execution", "_meta")),
        }
        for name in ("note__add", "note__list")
    ]
    steps: ClassVar[list[Step]] = [("note__add", {})]

    def page(self, request: Request) -> Any:
        return {"tools": self.tools, "nextCursor": None, "_meta": None}

    def outcome(self, request: Request) -> Any:
        block = {"type": "text", "text": "ok", "annotations": None, "_meta": None}
        return {"_meta": None, "content": [block], "structuredContent": None, "isError": False}


# ------------------------------------------------------------------------------------------------- errors of a call
class _Fails(Peer):
    """The call fails, and says so in a way of its own."""

    fails = True
    says = ("the note is locked",)


class CallError(_Fails):
    """A JSON-RPC error."""

    def call(self, request: Request) -> Reply:
        return self.error(request, -32000, "the note is locked")


class CallErrorWithData(_Fails):
    """A JSON-RPC error with data."""

    def call(self, request: Request) -> Reply:
        return self.error(request, -32000, "the note is locked", data={"by": "me", "since": [1, 2, None]})


class CallErrorIn400(_Fails):
    """A JSON-RPC error in an HTTP 400."""

    def call(self, request: Request) -> Reply:
        return self.error(request, -32602, "the note is locked", status=400)


class CallErrorIn500(_Fails):
    """A JSON-RPC error in an HTTP 500."""

    def call(self, request: Request) -> Reply:
        return self.error(request, -32603, "the note is locked", status=500)


class CallErrorCodeText(_Fails):
    """A JSON-RPC error whose code is a text."""

    timeout = 5

    def call(self, request: Request) -> Reply:
        body = {"jsonrpc": "2.0", "id": request.id, "error": {"code": "E_LOCKED", "message": "the note is locked"}}
        return http(200, JSON, body=json.dumps(body).encode())


class CallErrorText(_Fails):
    """The error is a text, no object."""

    timeout, lost = 5, True
    says = ()

    def call(self, request: Request) -> Reply:
        body = {"jsonrpc": "2.0", "id": request.id, "error": "the note is locked"}
        return http(200, JSON, body=json.dumps(body).encode())


class CallErrorEmpty(Peer):
    """A JSON-RPC error whose message is empty."""

    fails = True

    def call(self, request: Request) -> Reply:
        return self.error(request, -32000, "")


class CallErrorIdNull(_Fails):
    """A JSON-RPC error with the id null, in an HTTP 400."""

    def call(self, request: Request) -> Reply:
        return self.error(request, -32000, "the note is locked", status=400, id=None)

    timeout = 5


class CallErrorOfBackend(_Fails):
    """The result is an error: `isError`, and a text."""

    def outcome(self, request: Request) -> Any:
        return text("the note is locked", isError=True)


class CallErrorMinimal(Peer):
    """HTTP 200 with the body `{}`."""

    timeout, lost, fails = 5, True, True

    def call(self, request: Request) -> Reply:
        return http(200, JSON, body=b"{}")


class CallUnauthorized(Peer):
    """401 to calls alone: the list needs no credential."""

    fails = True

    def call(self, request: Request) -> Reply:
        return http(401, ("WWW-Authenticate", "Bearer"), JSON, body=b'{"error":"unauthorized"}')

    def reaches(self, request: Request) -> bool:
        return False

    timeout = 5


class CallForbidden(_Fails):
    """403 to this call, and JSON that says why."""

    def call(self, request: Request) -> Reply:
        return http(403, JSON, body=b'{"error":"the note is locked"}')

    def reaches(self, request: Request) -> bool:
        return False


class CallTooMany(Peer):
    """429 to this call."""

    fails = True

    def call(self, request: Request) -> Reply:
        return http(429, TEXT, ("Retry-After", "60"), body=b"slow down")

    def reaches(self, request: Request) -> bool:
        return False


# ------------------------------------------------------------------------------------------------- numbers
HUGE = b"123456789012345678901234567890"


class _Numbers(Peer):
    """Gives numbers as they are written."""

    works = True
    numbers = b""

    def outcome(self, request: Request) -> Any:
        return b'{"content":[{"type":"text","text":"n"}],"structuredContent":{' + self.numbers + b"}}"


class NumbersBeyond64Bits(_Numbers):
    """A result holds an integer of thirty digits."""

    numbers = b'"wei":' + HUGE


class NumbersOf64Bits(_Numbers):
    """A result holds integers between 2^53 and 2^64."""

    numbers = b'"a":2047948614742839297,"b":18446744073709551615,"c":-9223372036854775808,"d":9007199254740993'


class NumbersWithPoint(_Numbers):
    """A result holds `1.0`, `1.10`, `1e2`, `-0.0` and `1e-7`."""

    numbers = b'"a":1.0,"b":1.10,"c":1e2,"d":-0.0,"e":1e-7,"f":0.1'


class NumbersLongFraction(_Numbers):
    """A result holds `0.1000000000000000055511151231257827` and `3.14159265358979323846`."""

    numbers = b'"a":0.1000000000000000055511151231257827,"b":3.14159265358979323846'


class NumbersInText(Peer):
    """A text holds JSON with large numbers."""

    works = True

    def outcome(self, request: Request) -> Any:
        return text('{"wei": 123456789012345678901234567890, "one": 1.0}')


class ArgumentsBeyond64Bits(Peer):
    """An argument is an integer above 2^64."""

    works = True
    tools: ClassVar[list[dict[str, Any]]] = [
        tool("note__add", {"type": "object", "properties": {"wei": {"type": "integer"}}}),
    ]
    steps: ClassVar[list[Step]] = [("note__add", {"wei": 25000000000000000001})]

    def outcome(self, request: Request) -> Any:
        return text("got " + request.body.decode().split('"wei":')[-1].strip().partition("}")[0])


class ArgumentsWithPoint(Peer):
    """Arguments are `1.0`, an empty text, null, and nested."""

    works = True
    tools: ClassVar[list[dict[str, Any]]] = [
        tool("note__add", {"type": "object", "properties": {"a": {}, "b": {}, "d": {}, "f": {}}})
    ]
    steps: ClassVar[list[Step]] = [
        ("note__add", {"a": 1.0, "b": "", "d": [1, {"e": [None, True]}], "f": "\u00fc \U0001f680 \u2028"}),
    ]

    def outcome(self, request: Request) -> Any:
        return text(json.dumps(request.params.get("arguments"), sort_keys=True))


class Arguments64Bits(Peer):
    """An argument is a number of nineteen digits."""

    works = True
    tools: ClassVar[list[dict[str, Any]]] = [tool("note__add", {"type": "object", "properties": {"a": {}, "b": {}}})]
    steps: ClassVar[list[Step]] = [("note__add", {"a": 2047948614742839297, "b": -9007199254740993})]

    def outcome(self, request: Request) -> Any:
        return text(json.dumps(request.params.get("arguments"), sort_keys=True))


class SchemaNumbers(Peer):
    """A schema has a default above 2^64, a bound of `1e300` and a multiple of `0.10`."""

    works = True

    def page(self, request: Request) -> Any:
        listed = json.dumps({"tools": self.tools}).encode()
        return listed.replace(
            b'{"text": {"type": "string"}}',
            b'{"text": {"type": "string"}, "n": {"type": "number", '
            b'"default": 25000000000000000001, "maximum": 1e300, "multipleOf": 0.10}}',
            1,
        )
