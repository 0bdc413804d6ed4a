"""A tool ran, and its answer is lost, in every way in which answers are lost.

Takes a call; runs the tool, and gives anything but its answer. Never refuses a call before it ran.
"""

from __future__ import annotations

from typing import Any, ClassVar

from .peer import EVENTS, HTML, JSON, TEXT, Peer, Step, event, http, notice
from .server import Ends, Reply, Request

KIND = "The tool ran, and its answer is lost"


class _Lost(Peer):
    """Answers a call that ran with something fixed."""

    lost = True
    reply: ClassVar[Reply] = b""
    # Seconds: what pflow's own client waits where it never hears of it.
    timeout = 5

    def call(self, request: Request) -> Reply:
        return self.reply


class LostSilence(_Lost):
    """Nothing comes."""

    reply = Ends.SILENCE


class LostOpenStream(_Lost):
    """A stream of comments comes, and no answer."""

    def call(self, request: Request) -> Reply:
        return self.slowly(*[b": ping\n\n", 0.5] * 100)


class LostProgress(_Lost):
    """A stream of progress comes, and no answer."""

    def call(self, request: Request) -> Reply:
        told = event(notice("notifications/progress", progressToken="t", progress=1))
        return self.slowly(*[told, 0.5] * 100)


class LostClosed(_Lost):
    """The connection is closed."""

    reply = Ends.CLOSE


class LostReset(_Lost):
    """The connection is reset."""

    reply = Ends.RESET


class LostHalfHeaders(_Lost):
    """The connection is closed within the headers."""

    reply = (b"HTTP/1.1 200 OK\r\nContent-Ty", Ends.CLOSE)


class LostHalfBody(_Lost):
    """The body breaks off."""

    reply = (b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{"jsonrpc"', Ends.CLOSE)


class LostHalfChunk(_Lost):
    """A chunk breaks off."""

    reply = (
        b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n{"j',
        Ends.CLOSE,
    )


class LostBodyStalls(_Lost):
    """The body stops, and the connection stays open."""

    reply = (
        b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{"jsonrpc"',
        Ends.SILENCE,
    )


class LostStreamEnds(_Lost):
    """The stream ends without the answer."""

    reply = http(200, EVENTS, body=b": nothing more\n\n")


class LostStreamCut(_Lost):
    """The stream is cut within the answer."""

    def call(self, request: Request) -> Reply:
        return self.slowly(self.answered(request)[:-20])


class Lost200Empty(_Lost):
    """200 without a body."""

    reply = http(200)


class Lost200EmptyJson(_Lost):
    """200, called JSON, without a body."""

    reply = http(200, JSON)


class Lost200Html(_Lost):
    """200 and a page for people."""

    reply = http(200, HTML, body=b"<html>Sign in</html>")


class Lost202(_Lost):
    """202, and nothing more."""

    reply = http(202)


class Lost204(_Lost):
    """204."""

    reply = http(204)


class Lost302Login(_Lost):
    """302 to a page to sign in."""

    reply = http(302, ("Location", "https://login.invalid/"))
    # A redirect says that nothing was done; who says so though it was is believed.
    lost = False


class Lost408(_Lost):
    """408 of a balancer."""

    reply = http(408, TEXT, body=b"Request Timeout")


class Lost499(_Lost):
    """499 of nginx."""

    reply = http(499, TEXT, body=b"client closed request")
    # As with every refusal: the status says that the request was not answered for.
    lost = False


class Lost500Html(_Lost):
    """500 and a page."""

    reply = http(500, HTML, body=b"<html>500 Internal Server Error</html>")


class Lost500Empty(_Lost):
    """An empty 500."""

    reply = http(500)


class Lost502(_Lost):
    """502 of a proxy."""

    reply = http(502, HTML, body=b"<html>502 Bad Gateway</html>")


class Lost503(_Lost):
    """503 with `Retry-After: 1`."""

    reply = http(503, HTML, ("Retry-After", "1"), body=b"<html>503 Service Unavailable</html>")


class Lost504(_Lost):
    """504 of a proxy."""

    reply = http(504, HTML, body=b"<html>504 Gateway Time-out</html>")


class Lost504Json(_Lost):
    """504 of AWS API Gateway: `{"message": "Endpoint request timed out"}`."""

    reply = http(504, JSON, body=b'{"message": "Endpoint request timed out"}')


class Lost520(_Lost):
    """520 of an edge."""

    reply = http(
        520, HTML, ("Server", "cloudflare"), body=b"<title>520: Web server is returning an unknown error</title>"
    )


class Lost524(_Lost):
    """524 of an edge, which waited for a hundred seconds."""

    reply = http(524, HTML, ("Server", "cloudflare"), body=b"<!DOCTYPE html><title>524: A timeout occurred</title>")


class Lost524Read(_Lost):
    """524, and the tool only reads."""

    reply = Lost524.reply
    lost = False
    steps: ClassVar[list[Step]] = [("note__list", {})]


class Lost502Read(_Lost):
    """502, and the tool only reads."""

    reply = Lost502.reply
    lost = False
    steps: ClassVar[list[Step]] = [("note__list", {})]


class LostBrokenJson(_Lost):
    """JSON that breaks off."""

    reply = http(200, JSON, body=b'{"jsonrpc":"2.0","id":')


class LostNoJson(_Lost):
    """A text, called JSON."""

    reply = http(200, JSON, body=b"OK")


class LostLoneSurrogate(_Lost):
    """Half of an emoji stands in the result."""

    def call(self, request: Request) -> Reply:
        return self.result(request, b'{"content":[{"type":"text","text":"a \\ud83d b"}],"isError":false}')


class LostNotUtf8(_Lost):
    """The result is not UTF-8."""

    def call(self, request: Request) -> Reply:
        return self.result(request, b'{"content":[{"type":"text","text":"M\xfcnchen"}]}')


class LostTooDeep(_Lost):
    """The result is nested nine hundred levels."""

    def call(self, request: Request) -> Reply:
        nested = b'{"c":' * 900 + b"1" + b"}" * 900
        return self.result(request, b'{"content":[{"type":"text","text":"x"}],"structuredContent":' + nested + b"}")


class LostGzipBroken(_Lost):
    """The answer is called gzip, and is not."""

    reply = http(200, JSON, ("Content-Encoding", "gzip"), body=b"\x1f\x8b\x08\x00nonsense")


class LostCodingUnknown(_Lost):
    """The answer is in an unknown coding."""

    reply = http(200, JSON, ("Content-Encoding", "x-secret"), body=b"\x00\x01\x02")


class LostNotHttp(_Lost):
    """What comes is not HTTP."""

    reply = (b"\x15\x03\x03\x00\x02\x02\x50", Ends.CLOSE)


class LostMuch(_Lost):
    """The answer does not end: forty megabytes of it come."""

    timeout = 15

    def call(self, request: Request) -> Reply:
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
        first = b'{"jsonrpc":"2.0","id":' + self.id(request.id) + b',"result":{"content":[{"type":"text","text":"'
        block = b"10000\r\n" + b"x" * 65536 + b"\r\n"
        return [head, b"%x\r\n%s\r\n" % (len(first), first), *[block] * 640, Ends.CLOSE]


class LostErrorOfGateway(_Lost):
    """The gateway says that the service behind it did not answer in time."""

    fails = True

    def call(self, request: Request) -> Reply:
        return self.error(request, -32001, "upstream request timeout")


class LostErrorOfGatewayIsError(_Lost):
    """The same as a result with `isError`."""

    fails = True
    # The tool's own words, passed on as they are: what they say of the call is the gateway's claim.
    lost = False

    def outcome(self, request: Request) -> Any:
        return {"content": [{"type": "text", "text": "Error: request timed out"}], "isError": True}

    def call(self, request: Request) -> Reply:
        return Peer.call(self, request)
