"""What stands before a gateway, and how HTTP looks once it went through: codings, framing, headers, types, pauses.

Takes correct answers; gives them as proxies, balancers, edges and small servers write them. Never an odd JSON-RPC message.
"""

from __future__ import annotations

import gzip
import json
import time
import zlib
from collections.abc import Callable
from typing import Any, ClassVar

from .peer import EVENTS, HTML, JSON, TEXT, Header, Peer, Step, event, http, tool
from .server import Connection, Ends, Reply, Request

KIND = "Reverse proxies and HTTP"
TWICE: list[Step] = [("note__add", {"text": "one"}), ("note__add", {"text": "two"})]


class _Body(Peer):
    """Writes every JSON answer in a way of its own."""

    works = True

    def write(self, body: bytes, headers: tuple[Header, ...]) -> Reply:
        """One answer."""
        return http(200, JSON, *headers, body=body)

    def result(self, request: Request, result: Any, *headers: Header) -> Reply:
        return self.write(self.message(request, result), headers)


# ------------------------------------------------------------------------------------------------- codings
class _Packed(_Body):
    """Answers in a coding."""

    coding = ""
    pack: ClassVar[Callable[[bytes], bytes]] = bytes

    def write(self, body: bytes, headers: tuple[Header, ...]) -> Reply:
        return http(200, JSON, ("Content-Encoding", self.coding), *headers, body=type(self).pack(body))


class GzipUnasked(_Packed):
    """Every answer is gzipped, asked for or not."""

    coding = "gzip"

    @staticmethod
    def pack(body: bytes) -> bytes:
        return gzip.compress(body)


class GzipOldName(GzipUnasked):
    """The same, called `x-gzip`."""

    timeout = 5
    # pflow's own client does not know that name: it takes the packed bytes for JSON.
    coding, works = "x-gzip", False


class GzipUpperCase(GzipUnasked):
    """The same, called `GZIP`."""

    coding = "GZIP"


class GzipMembers(GzipUnasked):
    """The answer is two gzip members, one after the other."""

    timeout = 5
    # The standard wants both read (RFC 1952, 2.2); pflow's own client reads the first.
    works = False

    @staticmethod
    def pack(body: bytes) -> bytes:
        return gzip.compress(body[:20]) + gzip.compress(body[20:])


class GzipChunked(GzipUnasked):
    """The answer is gzipped and comes in chunks of seven bytes."""

    def write(self, body: bytes, headers: tuple[Header, ...]) -> Reply:
        framing = (("Content-Encoding", "gzip"), ("Transfer-Encoding", "chunked"))
        return http(200, JSON, *framing, *headers, body=chunked(self.pack(body), 7))


class DeflateUnasked(_Packed):
    """Every answer is packed with deflate."""

    coding = "deflate"

    @staticmethod
    def pack(body: bytes) -> bytes:
        return zlib.compress(body)


class DeflateRaw(_Packed):
    """The same without zlib's frame, as some old servers do."""

    coding = "deflate"

    @staticmethod
    def pack(body: bytes) -> bytes:
        packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
        return packer.compress(body) + packer.flush()


class CodingIdentity(_Packed):
    """The coding is called `identity`."""

    coding = "identity"


class CodingEmpty(_Packed):
    """`Content-Encoding` is empty."""


class CodingUtf8(_Packed):
    """`Content-Encoding: utf-8`, as people write who mean the charset."""

    coding = "utf-8"


class CodingUnknown(_Packed):
    """The coding is unknown."""

    timeout = 5
    coding, works, says = "snappy", False, ("snappy",)

    @staticmethod
    def pack(body: bytes) -> bytes:
        return b"\xff\x06\x00\x00sNaPpY" + body


class CodingWrong(_Packed):
    """Called gzip, and is not."""

    timeout = 5
    coding, works = "gzip", False


class GzipWhenAsked(_Body):
    """Event streams are gzipped for who accepts it."""

    def result(self, request: Request, result: Any, *headers: Header) -> Reply:
        body = event(self.message(request, result), "event: message")
        if "gzip" in (request.header("accept-encoding") or ""):
            return http(200, EVENTS, ("Content-Encoding", "gzip"), *headers, body=gzip.compress(body))
        return http(200, EVENTS, *headers, body=body)


class GzipStreamFlushed(Peer):
    """A gzipped event stream: an event, a pause, the answer."""

    works = True

    def call(self, request: Request) -> Reply:
        packer = zlib.compressobj(wbits=31)
        first = packer.compress(b": working\n\n") + packer.flush(zlib.Z_SYNC_FLUSH)
        last = packer.compress(self.answered(request)) + packer.flush()
        head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Encoding: gzip\r\n\r\n"
        return [head, first, 0.3, last, Ends.CLOSE]


# ------------------------------------------------------------------------------------------------- framing
def chunked(body: bytes, size: int) -> bytes:
    """The body in chunks."""
    parts = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


class Chunked(_Body):
    """Every answer comes in chunks."""

    def write(self, body: bytes, headers: tuple[Header, ...]) -> Reply:
        return http(200, JSON, ("Transfer-Encoding", "chunked"), *headers, body=chunked(body, 16))


class ChunkedTrailers(_Body):
    """Chunks have extensions, and trailers follow them."""

    def write(self, body: bytes, headers: tuple[Header, ...]) -> Reply:
        parts = b"".join(b'%x;ext="a;b"\r\n%s\r\n' % (len(part), part) for part in (body[:30], body[30:]))
        framing = (("Transfer-Encoding", "chunked"), ("Trailer", "X-Sum"))
        return http(200, JSON, *framing, *headers, body=parts + b"0;last\r\nX-Sum: 1\r\n\r\n")


class ChunkedOddSpelling(_Body):
    """`transfer-encoding: Chunked`, and sizes with leading zeros."""

    def write(self, body: bytes, headers: tuple[Header, ...]) -> Reply:
        framed = b"%08X\r\n%s\r\n00\r\n\r\n" % (len(body), body)
        return http(200, JSON, ("transfer-encoding", "Chunked"), *headers, body=framed)


class LengthAndChunked(_Body):
    """An answer in chunks has a length as well."""

    works = False

    def write(self, body: bytes, headers: tuple[Header, ...]) -> Reply:
        framing = (("Content-Length", str(len(body))), ("Transfer-Encoding", "chunked"))
        return http(200, JSON, *framing, *headers, body=chunked(body, 64))


class LengthTwice(_Body):
    """`Content-Length` comes twice, equal."""

    def write(self, body: bytes, headers: tuple[Header, ...]) -> Reply:
        length = ("Content-Length", str(len(body)))
        return http(200, JSON, length, length, *headers, body=body)


class UntilClosed(_Body):
    """The body ends with the connection."""

    def write(self, body: bytes, headers: tuple[Header, ...]) -> Reply:
        lines = ["HTTP/1.1 200 OK", "Content-Type: application/json", *(f"{name}: {value}" for name, value in headers)]
        return ["\r\n".join([*lines, "", ""]).encode() + body, Ends.CLOSE]


class HttpOneZero(_Body):
    """HTTP/1.0, the connection closed after each answer."""

    def write(self, body: bytes, headers: tuple[Header, ...]) -> Reply:
        whole = http(200, JSON, *headers, body=body)
        assert isinstance(whole, bytes)
        return [whole.replace(b"HTTP/1.1", b"HTTP/1.0", 1), Ends.CLOSE]


class ConnectionClose(_Body):
    """`Connection: close` each time."""

    def write(self, body: bytes, headers: tuple[Header, ...]) -> Reply:
        return [http(200, JSON, ("Connection", "close"), *headers, body=body), Ends.CLOSE]


class ClosedSilently(_Body):
    """Each connection is closed after its answer, without saying so."""

    steps: ClassVar[list[Step]] = TWICE

    def write(self, body: bytes, headers: tuple[Header, ...]) -> Reply:
        return [http(200, JSON, *headers, body=body), Ends.CLOSE]


class ClosedSilentlyLater(ClosedSilently):
    """Each connection is closed after its second answer, without saying so."""

    def route(self, request: Request, connection: Connection) -> Reply:
        with self.lock:
            self._answers[id(connection)] = self._answers.get(id(connection), 0) + 1
        self._last = self._answers[id(connection)] % 2 == 0
        return super().route(request, connection)

    def __init__(self) -> None:
        super().__init__()
        self._answers: dict[int, int] = {}

    def write(self, body: bytes, headers: tuple[Header, ...]) -> Reply:
        whole = http(200, JSON, *headers, body=body)
        return [whole, Ends.CLOSE] if self._last else whole


class ClosedWhenIdle(Peer):
    """A connection that was idle for 5 ms is closed, without saying so."""

    works = True
    idle = 0.005
    steps: ClassVar[list[Step]] = TWICE


class KeepAliveShort(_Body):
    """`Keep-Alive: timeout=1, max=100`, and a connection that was idle for so long is closed."""

    idle = 1.0

    def write(self, body: bytes, headers: tuple[Header, ...]) -> Reply:
        return http(200, JSON, ("Keep-Alive", "timeout=1, max=100"), *headers, body=body)


class EarlyHints(_Body):
    """103 and 102 come before each answer."""

    def write(self, body: bytes, headers: tuple[Header, ...]) -> Reply:
        hints = b"HTTP/1.1 103 Early Hints\r\nLink: </x.css>; rel=preload\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n"
        whole = http(200, JSON, *headers, body=body)
        assert isinstance(whole, bytes)
        return hints + whole


class ContinueUnasked(_Body):
    """100 comes before each answer, though it was not asked for."""

    def write(self, body: bytes, headers: tuple[Header, ...]) -> Reply:
        whole = http(200, JSON, *headers, body=body)
        assert isinstance(whole, bytes)
        return b"HTTP/1.1 100 Continue\r\n\r\n" + whole


class ByteByByte(_Body):
    """The answer comes in many small packets."""

    def write(self, body: bytes, headers: tuple[Header, ...]) -> Reply:
        whole = http(200, JSON, *headers, body=body)
        assert isinstance(whole, bytes)
        return [part for at in range(0, len(whole), 9) for part in (whole[at : at + 9], 0.001)]


class StatusWithoutReason(_Body):
    """The status line has no reason."""

    def write(self, body: bytes, headers: tuple[Header, ...]) -> Reply:
        return http(200, JSON, *headers, body=body, reason="")


class Status201(_Body):
    """Every answer has the status 201."""

    def write(self, body: bytes, headers: tuple[Header, ...]) -> Reply:
        return http(201, JSON, *headers, body=body)


class Status203(_Body):
    """A proxy changed the answer: 203."""

    def write(self, body: bytes, headers: tuple[Header, ...]) -> Reply:
        return http(203, JSON, *headers, body=body)


class LineFeedsOnly(_Body):
    """Header lines end with a line feed alone."""

    works = False

    def write(self, body: bytes, headers: tuple[Header, ...]) -> Reply:
        whole = http(200, JSON, *headers, body=body)
        assert isinstance(whole, bytes)
        head, _, rest = whole.partition(b"\r\n\r\n")
        return head.replace(b"\r\n", b"\n") + b"\n\n" + rest


# ------------------------------------------------------------------------------------------------- headers
class _Headed(_Body):
    """Adds headers."""

    more: ClassVar[list[Header]] = []

    def write(self, body: bytes, headers: tuple[Header, ...]) -> Reply:
        return http(200, JSON, *headers, *self.more, body=body)


class HeadersMany(_Headed):
    """Ninety headers."""

    more: ClassVar[list[Header]] = [(f"X-Trace-{number}", "v" * 40) for number in range(90)]


class HeaderLong(_Headed):
    """A security policy of eight thousand characters."""

    more: ClassVar[list[Header]] = [("Content-Security-Policy", "default-src 'self'; " * 400)]


class HeaderLatin(_Headed):
    """A header holds bytes of Latin-1."""

    more: ClassVar[list[Header]] = [("X-Server-Name", "B\u00fcro-M\u00fcnchen")]


class HeaderSpaces(_Headed):
    """Spaces and tabs stand around a header's value."""

    more: ClassVar[list[Header]] = [("X-Padded", "\t  v \t "), ("X-Empty", "")]


class HeadersOfEdge(_Headed):
    """The headers that an edge adds: `Alt-Svc`, `Strict-Transport-Security`, `Via`, `Age`, `CF-RAY`, `Server-Timing`."""

    more: ClassVar[list[Header]] = [
        ("Alt-Svc", 'h3=":443"; ma=86400'),
        ("Strict-Transport-Security", "max-age=31536000"),
        ("Via", "1.1 varnish"),
        ("Age", "0"),
        ("CF-RAY", "8f0aa"),
        ("Server-Timing", "cfL4;desc=x"),
        ("Vary", "Accept-Encoding"),
        ("Cache-Control", "no-store"),
    ]


# ------------------------------------------------------------------------------------------------- content types
class _Typed(_Body):
    """Calls its JSON something."""

    type: str | None = None

    def write(self, body: bytes, headers: tuple[Header, ...]) -> Reply:
        named = [] if self.type is None else [("Content-Type", self.type)]
        return http(200, *named, *headers, body=body)


class TypeMissing(_Typed):
    """JSON without a content type."""

    timeout = 5


class TypeCharset(_Typed):
    """`application/json; charset=utf-8`."""

    type = "application/json; charset=utf-8"


class TypeCharsetQuoted(_Typed):
    """`application/json;charset="UTF-8"`."""

    type = 'application/json;charset="UTF-8"'


class TypeUpperCase(_Typed):
    """`Application/JSON`."""

    type = "Application/JSON"
    # pflow's own client compares the letters as they are, and waits for ever.
    timeout = 5


class TypeTrailingSemicolon(_Typed):
    """`application/json;`."""

    type = "application/json;"


class TypeDoubled(_Typed):
    """`application/json, application/json`."""

    type = "application/json, application/json"


class TypeJsonRpc(_Typed):
    """`application/json-rpc`."""

    type, timeout = "application/json-rpc", 5


class TypeTwice(_Body):
    """`Content-Type` comes twice."""

    def write(self, body: bytes, headers: tuple[Header, ...]) -> Reply:
        return http(200, JSON, JSON, *headers, body=body)


class TypeText(_Typed):
    """JSON called `text/plain`."""

    type, works, timeout = "text/plain", False, 5


class TypeOctets(_Typed):
    """JSON called `application/octet-stream`."""

    type, works, timeout = "application/octet-stream", False, 5


class TypeHtml(_Typed):
    """JSON called `text/html`, as PHP does by itself."""

    type, works, timeout = "text/html; charset=UTF-8", False, 5


class StreamAsJson(Peer):
    """An event stream called `application/json`."""

    timeout = 5

    def list(self, request: Request) -> Reply:
        return http(200, JSON, body=event(self.message(request, self.page(request)), "event: message"))


class StreamWithoutType(Peer):
    """An event stream without a content type."""

    timeout = 5

    def list(self, request: Request) -> Reply:
        return http(200, body=event(self.message(request, self.page(request)), "event: message"))


class JsonAsStream(Peer):
    """Plain JSON called `text/event-stream`."""

    timeout = 5

    def list(self, request: Request) -> Reply:
        return http(200, EVENTS, body=self.message(request, self.page(request)))


# ------------------------------------------------------------------------------------------------- bytes of the body
class BomBeforeJson(_Body):
    """A byte order mark stands before the JSON."""

    timeout = 5
    works = False

    def write(self, body: bytes, headers: tuple[Header, ...]) -> Reply:
        return http(200, JSON, *headers, body=b"\xef\xbb\xbf" + body)


class SpacesAroundJson(_Body):
    """Line ends and spaces stand around the JSON."""

    def write(self, body: bytes, headers: tuple[Header, ...]) -> Reply:
        return http(200, JSON, *headers, body=b"\r\n\n  " + body + b" \n\r\n\t")


class PrettyJson(_Body):
    """The JSON is spread over lines."""

    def write(self, body: bytes, headers: tuple[Header, ...]) -> Reply:
        return http(200, JSON, *headers, body=json.dumps(json.loads(body), indent=4).encode())


class EscapedJson(_Body):
    """Every letter beyond ASCII, and every slash, is escaped."""

    def outcome(self, request: Request) -> Any:
        return {"content": [{"type": "text", "text": "a/b \u00fc \u5de5 \U0001f680"}]}

    def write(self, body: bytes, headers: tuple[Header, ...]) -> Reply:
        return http(200, JSON, *headers, body=body.replace(b"/", b"\\/"))


class TextAfterJson(_Body):
    """A warning of PHP follows the JSON."""

    works, timeout = False, 5

    def write(self, body: bytes, headers: tuple[Header, ...]) -> Reply:
        return http(200, JSON, *headers, body=body + b"\n<br />\n<b>Warning</b>: Undefined index\n")


class Utf16Json(_Body):
    """The JSON is UTF-16 and says so."""

    works, timeout = False, 5

    def write(self, body: bytes, headers: tuple[Header, ...]) -> Reply:
        return http(
            200, ("Content-Type", "application/json; charset=utf-16"), *headers, body=body.decode().encode("utf-16")
        )


class LatinJson(_Body):
    """The JSON is Latin-1, whatever the standard says."""

    works, timeout = False, 5

    def outcome(self, request: Request) -> Any:
        return {"content": [{"type": "text", "text": "M\u00fcnchen"}]}

    def write(self, body: bytes, headers: tuple[Header, ...]) -> Reply:
        latin = json.dumps(json.loads(body), ensure_ascii=False).encode("latin-1")
        return http(200, ("Content-Type", "application/json; charset=iso-8859-1"), *headers, body=latin)


class LargeAnswer(Peer):
    """The list is three megabytes long."""

    works = True

    def page(self, request: Request) -> Any:
        return {"tools": [*self.tools, *(tool(f"note__{number}", description="d" * 10_000) for number in range(300))]}


# ------------------------------------------------------------------------------------------------- other paths
class _Path(Peer):
    """Lives at a URL of another shape."""

    works = True
    tail = ""

    @property
    def url(self) -> str:
        return f"{self.origin}{self.prefix}{self.tail}"

    def heard(self, path: str) -> bool:
        """Whether a request came as it was meant."""
        return path == self.tail

    def route(self, request: Request, connection: Connection) -> Reply:
        if not self.heard(request.path):
            return http(404, TEXT, body=b"Not Found")
        request.path = "/mcp"
        return super().route(request, connection)


class PathWithQuery(_Path):
    """The URL has a query."""

    tail = "/mcp?profile=a&tools=x,y&flag"


class PathQueryEncoded(_Path):
    """The query holds what is escaped, and what need not be."""

    tail = "/mcp?q=a%20b%2Fc&r=a+b&s=[x]"

    def heard(self, path: str) -> bool:
        return path.replace("%5B", "[").replace("%5D", "]") == self.tail


class PathEncoded(_Path):
    """The path holds an escaped space and an escaped slash."""

    tail = "/my%20group%2Fa/mcp"


class PathDoubleSlash(_Path):
    """The path holds two slashes in a row."""

    tail = "//mcp"


class PathMatrix(_Path):
    """The path holds `;`, `@`, `:` and `~`."""

    tail = "/a;v=1/@scope/b:c/~me/mcp"


class PathUpperCase(_Path):
    """The path has capital letters."""

    tail = "/API/V1/MCP"


class PathSlash(_Path):
    """The path ends with a slash."""

    tail = "/mcp/"


class PathFragment(_Path):
    """The URL has a fragment, as ToolHive gives them."""

    tail = "/mcp#fetch"

    def heard(self, path: str) -> bool:
        return path == "/mcp"


class HostName(_Path):
    """`localhost` in place of the address."""

    tail = "/mcp"

    @property
    def url(self) -> str:
        return super().url.replace("127.0.0.1", "localhost")


class HostUpperCase(_Path):
    """`HTTP://LOCALHOST`."""

    tail = "/mcp"

    @property
    def url(self) -> str:
        return super().url.replace("http://127.0.0.1", "HTTP://LOCALHOST")


class HostHeaderChecked(Peer):
    """421 unless `Host` is as the URL has it."""

    works = True

    def route(self, request: Request, connection: Connection) -> Reply:
        right = request.header("host") == self.origin.split("//")[1]
        return super().route(request, connection) if right else http(421, TEXT, body=b"Invalid Host header")


# ------------------------------------------------------------------------------------------------- refusals of what stands before
class _Refused(Peer):
    """Everything is answered by what stands before the gateway."""

    reply: ClassVar[Reply] = b""

    def route(self, request: Request, connection: Connection) -> Reply:
        return self.reply

    def reaches(self, request: Request) -> bool:
        return False


class BotCheck(_Refused):
    """A bot check: 403 "Just a moment…"."""

    reply = http(
        403,
        HTML,
        ("Server", "cloudflare"),
        ("cf-mitigated", "challenge"),
        body=b"<!DOCTYPE html><html><head><title>Just a moment...</title></head><body>Enable JavaScript</body></html>",
    )
    says = ("bot",)
    unsaid = ("no credential", "--bearer-env")


class HttpsPort(_Refused):
    """nginx at a port that wants TLS: 400 "The plain HTTP request was sent to HTTPS port"."""

    reply = http(
        400,
        HTML,
        ("Server", "nginx"),
        body=b"<html><title>400 The plain HTTP request was sent to HTTPS port</title></html>",
    )
    says = ("https",)


class ApiGatewayUnknownPath(_Refused):
    """AWS API Gateway at a path that it does not know: 403 "Missing Authentication Token"."""

    reply = http(
        403,
        JSON,
        ("x-amzn-ErrorType", "MissingAuthenticationTokenException"),
        body=b'{"message":"Missing Authentication Token"}',
    )
    says = ("path",)


class HostRefused421(_Refused):
    """421: the host is not one that the server knows."""

    reply = http(421, TEXT, body=b"Invalid Host header")
    says = ("Host",)


class HostRefused403(_Refused):
    """403: the host is not one that the server knows."""

    reply = http(403, TEXT, body=b"Forbidden: invalid Host header")
    says = ("Host",)


class ColdStart(Peer):
    """503 with `Retry-After: 1` to the first two requests."""

    def route(self, request: Request, connection: Connection) -> Reply:
        if len(self.seen) <= 2:
            return http(503, HTML, ("Retry-After", "1"), body=b"<html>Service Unavailable</html>")
        return super().route(request, connection)


class ListingBusyOnce(Peer):
    """503 with `Retry-After: 1` to the first list."""

    works = True

    def list(self, request: Request) -> Reply:
        first = sum(seen.rpc == "tools/list" for seen in self.seen) == 1
        return http(503, TEXT, ("Retry-After", "1")) if first else super().list(request)


class _SlowDown(_Refused):
    """429 to everything."""


class RetryAfterSeconds(_SlowDown):
    """429 with `Retry-After: 1200`."""

    reply = http(429, TEXT, ("Retry-After", "1200"), body=b"slow down")
    says = ("20 min",)


class RetryAfterZero(_SlowDown):
    """429 with `Retry-After: 0`."""

    reply = http(429, TEXT, ("Retry-After", "0"), body=b"slow down")
    unsaid = ("wait 0 s",)


class RetryAfterDate(_SlowDown):
    """429 with a date, and no `Date` header."""

    @property
    def reply(self) -> Reply:  # type: ignore[override]
        # Two seconds short of half an hour, so that rounding up gives the same words each time.
        date = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + 1790))
        return http(429, TEXT, ("Retry-After", date), body=b"slow down")

    says = ("30 min",)


class RetryAfterText(_SlowDown):
    """429 with `Retry-After: soon`."""

    reply = http(429, TEXT, ("Retry-After", "soon"), body=b"slow down")


class RetryAfterNegative(_SlowDown):
    """429 with `Retry-After: -5`."""

    reply = http(429, TEXT, ("Retry-After", "-5"), body=b"slow down")


class Unauthorized(_Refused):
    """401 with a challenge that names where to sign in."""

    reply = http(
        401,
        JSON,
        ("WWW-Authenticate", 'Bearer resource_metadata="https://login.invalid/.well-known/oauth-protected-resource"'),
        body=b'{"error":"unauthorized"}',
    )


class LoginPage(_Refused):
    """200 and a page to sign in."""

    reply, timeout = http(200, HTML, body=b"<html><title>Sign in</title></html>"), 4


class Maintenance(_Refused):
    """503 and a page that says so."""

    reply = http(503, HTML, body=b"<html><title>Down for maintenance</title></html>")


class NothingThere(_Refused):
    """404 to everything."""

    reply = http(404, HTML, body=b"<html><title>404 Not Found</title></html>")


class ListAccepted(Peer):
    """The list is accepted with 202; its answer would come on the GET stream, which is refused."""

    timeout = 4

    def list(self, request: Request) -> Reply:
        return http(202)


class ListOnGetStream(Peer):
    """The list is accepted with 202, and its answer comes on the GET stream."""

    timeout = 15

    def __init__(self) -> None:
        super().__init__()
        self._asked: list[bytes] = []
        self._streams = 0

    def _begin(self) -> int:
        """The number of a new stream; those before it end."""
        with self.lock:
            self._streams += 1
            return self._streams

    def initialize(self, request: Request) -> Reply:
        self._begin()
        return super().initialize(request)

    def list(self, request: Request) -> Reply:
        self._asked.append(event(self.message(request, self.page(request)), "event: message"))
        return http(202)

    def get(self, request: Request) -> Reply:
        number = self._begin()

        def told() -> Any:
            yield b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n: open\n\n"
            while number == self._streams and not self.server.over.is_set():
                # Nobody else takes what this stream is about to say.
                with self.lock:
                    said = [self._asked.pop() for _ in self._asked] if number == self._streams else []
                yield from said
                yield 0.1

        return told()


class CallOnGetStream(ListOnGetStream):
    """Calls are accepted with 202, and answered on the GET stream; lists as usual."""

    def list(self, request: Request) -> Reply:
        return Peer.list(self, request)

    def call(self, request: Request) -> Reply:
        self._asked.append(event(self.message(request, self.outcome(request)), "event: message"))
        return http(202)
