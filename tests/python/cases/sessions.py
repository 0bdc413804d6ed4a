"""Sessions and cookies, and what else is said around them: `notifications/initialized`, the GET stream, DELETE.

Takes requests of one or more sessions; gives answers as balancers and frameworks do. Never an odd list or result.
"""

from __future__ import annotations

import threading
from typing import Any, ClassVar

from .peer import EVENTS, HTML, JSON, TEXT, Header, Peer, Step, event, http, notice
from .server import Connection, Ends, Reply, Request

KIND = "Sessions and cookies"
TWICE: list[Step] = [("note__add", {"text": "one"}), ("note__add", {"text": "two"})]


# ------------------------------------------------------------------------------------------------- cookies
class _Cookie(Peer):
    """A balancer that wants its cookie back: without it, the request lands where the session is not known."""

    works = True
    steps: ClassVar[list[Step]] = TWICE
    cookie = "lb=node-1; Path=/; HttpOnly"

    def session_headers(self) -> list[Header]:
        return [*super().session_headers(), ("Set-Cookie", self.cookie)]

    def wanted(self) -> str:
        """What must come back."""
        return self.cookie.split(";")[0]

    def sticks(self, request: Request) -> bool:
        """Whether it lands at the right node."""
        return self.wanted() in [part.strip() for part in (request.header("cookie") or "").split(";")]

    def reaches(self, request: Request) -> bool:
        return self.sticks(request)

    def route(self, request: Request, connection: Connection) -> Reply:
        if request.header("mcp-session-id") and not self.sticks(request):
            return http(404, TEXT, body=b"Session not found")
        return super().route(request, connection)


class CookieSticky(_Cookie):
    """`initialize` sets a cookie; only with it do later requests reach the session."""


class CookieNamedOdd(_Cookie):
    """The cookie's value is Base64 with `=` and `/`."""

    cookie = "AWSALB=aGVsbG8/d29ybGQ=; Expires=Fri, 01 Jan 2038 00:00:00 GMT; Path=/"


class CookiePath(_Cookie):
    """The cookie is for the gateway's path alone."""

    @property
    def cookie(self) -> str:  # type: ignore[override]
        return f"lb=node-2; Path={self.prefix}"


class CookieNoPath(_Cookie):
    """The cookie has no path."""

    cookie = "lb=node-3"


class CookieSameSite(_Cookie):
    """The cookie says `SameSite=None; Partitioned`."""

    cookie = "lb=node-4; Path=/; SameSite=None; Partitioned"


class CookieTwo(_Cookie):
    """Two cookies in two headers, and both are needed."""

    def session_headers(self) -> list[Header]:
        return [*super().session_headers(), ("Set-Cookie", "AWSALBCORS=b; Path=/")]

    def sticks(self, request: Request) -> bool:
        return super().sticks(request) and "AWSALBCORS=b" in (request.header("cookie") or "")


class CookieRotates(_Cookie):
    """Every answer sets a newer value; only the newest is taken."""

    def __init__(self) -> None:
        super().__init__()
        self._turn = 0

    def wanted(self) -> str:
        return f"lb=turn-{self._turn}"

    def session_headers(self) -> list[Header]:
        self._turn += 1
        return [("Mcp-Session-Id", str(self.session)), ("Set-Cookie", f"{self.wanted()}; Path=/")]

    def list(self, request: Request) -> Reply:
        self._turn += 1
        return self.result(request, self.page(request), ("Set-Cookie", f"{self.wanted()}; Path=/"))

    def get(self, request: Request) -> Reply:
        return http(405)

    def route(self, request: Request, connection: Connection) -> Reply:
        # The GET stream is opened beside the first list: it may carry either value.
        return self.get(request) if request.verb == "GET" else super().route(request, connection)


class CookieExpired(_Cookie):
    """A cookie of an earlier answer is taken back by `Max-Age=0`; who sends it still is refused."""

    def initialized(self, request: Request) -> Reply:
        return http(202, ("Set-Cookie", "lb=; Path=/; Max-Age=0"))

    def sticks(self, request: Request) -> bool:
        return request.rpc in ("notifications/initialized", None) or "lb=" not in (request.header("cookie") or "")


class CookieOfListing(_Cookie):
    """The list sets a cookie that calls need."""

    def session_headers(self) -> list[Header]:
        return [("Mcp-Session-Id", str(self.session))]

    def list(self, request: Request) -> Reply:
        return self.result(request, self.page(request), ("Set-Cookie", self.cookie))

    def sticks(self, request: Request) -> bool:
        return request.rpc != "tools/call" or super().sticks(request)

    # pflow lists only after the first call of a tool: alone, it meets this gateway without the cookie.
    works = False


class CookieAsSession(_Cookie):
    """The session is the cookie: there is no `Mcp-Session-Id`."""

    cookie = "PHPSESSID=abc123; path=/"

    def session_headers(self) -> list[Header]:
        return [("Set-Cookie", self.cookie)]

    def route(self, request: Request, connection: Connection) -> Reply:
        first = request.rpc in ("server/discover", "initialize")
        if not first and not self.sticks(request):
            return self.error(request, -32000, "Server not initialized", status=400, id=None)
        return Peer.route(self, request, connection)


# ------------------------------------------------------------------------------------------------- session ids
class SessionNone(Peer):
    """No session at all."""

    session, works = None, True


class SessionLong(Peer):
    """The session id is a token of two thousand characters."""

    session, works = "eyJ" + "a.b_c-d" * 300, True

    def route(self, request: Request, connection: Connection) -> Reply:
        known = request.rpc in ("server/discover", "initialize") or request.header("mcp-session-id") == self.session
        return super().route(request, connection) if known else http(404)


class SessionOdd(Peer):
    """The session id holds `/`, `+`, `=` and quotes."""

    session, works = 'a/b+c==;"d" ~|', True

    def route(self, request: Request, connection: Connection) -> Reply:
        known = request.rpc in ("server/discover", "initialize") or request.header("mcp-session-id") == self.session
        return super().route(request, connection) if known else http(404)


class SessionHeaderLowerCase(Peer):
    """All header names are in lower case."""

    works = True

    def initialize(self, request: Request) -> Reply:
        body = self.message(request, self.hello())
        return b"HTTP/1.1 200 OK\r\nmcp-session-id: low\r\ncontent-type: application/json\r\n" + (
            f"content-length: {len(body)}\r\n\r\n".encode() + body
        )

    def route(self, request: Request, connection: Connection) -> Reply:
        known = request.rpc in ("server/discover", "initialize") or request.header("mcp-session-id") == "low"
        return super().route(request, connection) if known else http(404)


class SessionIdChanges(Peer):
    """Later answers carry another session id."""

    works = True
    steps: ClassVar[list[Step]] = TWICE

    def list(self, request: Request) -> Reply:
        return self.result(request, self.page(request), ("Mcp-Session-Id", f"other-{len(self.seen)}"))

    def call(self, request: Request) -> Reply:
        return self.result(request, self.outcome(request), ("Mcp-Session-Id", f"other-{len(self.seen)}"))


class SessionIdOfProbe(Peer):
    """Even a refusal of `server/discover` carries a session id, which is not good for anything."""

    works = True

    def discover(self, request: Request) -> Reply:
        return http(400, TEXT, ("Mcp-Session-Id", "of-the-refusal"), body=b"initialize first")

    def route(self, request: Request, connection: Connection) -> Reply:
        if request.header("mcp-session-id") == "of-the-refusal":
            return http(404, TEXT, body=b"Session not found")
        return super().route(request, connection)


class SessionOnlyOne(Peer):
    """There is room for one session; the next is refused until the first is deleted."""

    works = True
    steps: ClassVar[list[Step]] = TWICE

    def __init__(self) -> None:
        super().__init__()
        self._open = False

    def initialize(self, request: Request) -> Reply:
        if self._open:
            return http(503, TEXT, body=b"too many sessions")
        self._open = True
        return super().initialize(request)

    def delete(self, request: Request) -> Reply:
        self._open = False
        return http(204)


class SessionLostBetweenSteps(Peer):
    """The session is forgotten after each call."""

    works = True
    steps: ClassVar[list[Step]] = TWICE

    def __init__(self) -> None:
        super().__init__()
        self._number = 0
        self._used: set[str | None] = set()

    def session_headers(self) -> list[Header]:
        self._number += 1
        return [("Mcp-Session-Id", f"s{self._number}")]

    def reaches(self, request: Request) -> bool:
        # One lock holds this and `call` apart from other calls: pflow's steps come one after the other.
        return request.header("mcp-session-id") not in self._used

    def call(self, request: Request) -> Reply:
        known = self.reaches(request)
        self._used.add(request.header("mcp-session-id"))
        return super().call(request) if known else http(404, TEXT, body=b"Session not found")


class _HalfAlive(Peer):
    """The session lives; one service behind it lost its own."""

    def __init__(self) -> None:
        super().__init__()
        self._number = 0
        self._dead: str | None = None

    def session_headers(self) -> list[Header]:
        self._number += 1
        return [("Mcp-Session-Id", f"s{self._number}")]

    def reaches(self, request: Request) -> bool:
        self._dead = self._dead or request.header("mcp-session-id")
        return request.header("mcp-session-id") != self._dead

    def call(self, request: Request) -> Reply:
        if self.reaches(request):
            return super().call(request)
        return self.error(request, -32603, "failed to call upstream note: Session not found")


class HalfAliveRead(_HalfAlive):
    """One service behind the gateway lost its session: -32603 "Session not found" to a tool that only reads."""

    steps: ClassVar[list[Step]] = [("note__list", {})]


class HalfAliveWrite(_HalfAlive):
    """The same to a tool that writes."""


# ------------------------------------------------------------------------------------------------- notifications/initialized
class _Initialized(Peer):
    """Answers `notifications/initialized` with something fixed."""

    works = True
    reply: ClassVar[Reply] = b""

    def initialized(self, request: Request) -> Reply:
        return self.reply


class Initialized200Result(_Initialized):
    """200 and a result, though nothing was asked."""

    reply = http(200, JSON, body=b'{"jsonrpc":"2.0","id":null,"result":{}}')


class Initialized200Empty(_Initialized):
    """200 without a body."""

    reply = http(200)


class Initialized200EmptyJson(_Initialized):
    """200, called JSON, without a body."""

    reply = http(200, JSON)


class Initialized200Stream(_Initialized):
    """200 and an event stream without events."""

    reply = http(200, EVENTS, body=b": nothing\n\n")


class Initialized202Text(_Initialized):
    """202 and a text."""

    reply = http(202, TEXT, body=b"Accepted")


class Initialized204(_Initialized):
    """204."""

    reply = http(204)


class Initialized400Empty(_Initialized):
    """An empty 400."""

    reply = http(400)


class Initialized404Rpc(_Initialized):
    """404 and -32601; the session is fine."""

    def initialized(self, request: Request) -> Reply:
        return self.error(request, -32601, "Method not found", status=404, id=None)


class Initialized405(_Initialized):
    """405."""

    reply = http(405)


class Initialized500Html(_Initialized):
    """An edge makes a 500 page of the empty 202."""

    reply = http(500, HTML, body=b"<html>500</html>")


class Initialized502(_Initialized):
    """502 of a proxy."""

    reply = http(502, HTML, body=b"<html>502 Bad Gateway</html>")


class InitializedError(_Initialized):
    """200 and a JSON-RPC error."""

    def initialized(self, request: Request) -> Reply:
        return self.error(request, -32601, "Method not found", id=None)


class InitializedClosed(_Initialized):
    """The connection is closed without an answer."""

    reply = Ends.CLOSE


class InitializedNeverAnswered(_Initialized):
    """`notifications/initialized` is never answered."""

    reply = Ends.SILENCE
    works = False
    timeout = 6


class InitializedSlow(_Initialized):
    """The list is refused until `notifications/initialized` was dealt with, which takes half a second."""

    def __init__(self) -> None:
        super().__init__()
        self._ready = False

    def initialized(self, request: Request) -> Reply:
        def slowly() -> Any:
            yield 0.5
            self._ready = True
            yield http(202)

        return slowly()

    def list(self, request: Request) -> Reply:
        return super().list(request) if self._ready else self.error(request, -32002, "Server not initialized")


# ------------------------------------------------------------------------------------------------- GET and DELETE
class _Get(Peer):
    """Answers GET with something fixed."""

    works = True
    reply: ClassVar[Reply] = b""

    def get(self, request: Request) -> Reply:
        return self.reply


class Get200Stream(_Get):
    """The GET stream stays open and is silent."""

    reply = (b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n: open\n\n", Ends.SILENCE)


class Get200StreamBusy(_Get):
    """The GET stream tells of things all the time."""

    def get(self, request: Request) -> Reply:
        told = event(notice("notifications/tools/list_changed")) + event(notice("notifications/message", level="info"))
        return self.slowly(*[told, 0.2] * 100)


class Get200Html(_Get):
    """GET gives a page for people."""

    reply = http(200, HTML, body=b"<html>MCP endpoint</html>")


class GetEndsAtOnce(_Get):
    """The GET stream ends as soon as it is open."""

    reply = http(200, EVENTS)


class GetNeverAnswered(_Get):
    """GET is never answered."""

    reply = Ends.SILENCE


class Get401(_Get):
    """401 to GET alone."""

    reply = http(401)


class Get404(_Get):
    """404 to GET."""

    reply = http(404)


class Get500(_Get):
    """500 to GET."""

    reply = http(500)


class _Delete(Peer):
    """Answers DELETE with something fixed."""

    works = True
    reply: ClassVar[Reply] = b""

    def delete(self, request: Request) -> Reply:
        return self.reply


class Delete405(_Delete):
    """405 to DELETE."""

    reply = http(405)


class Delete500(_Delete):
    """500 to DELETE."""

    reply = http(500)


class DeleteClosed(_Delete):
    """The connection is closed at DELETE."""

    reply = Ends.CLOSE


class DeleteNeverAnswered(_Delete):
    """DELETE is never answered."""

    reply = Ends.SILENCE
    timeout = 8


class DeleteWithBodyRefused(_Delete):
    """400 to a DELETE that says how long its body is."""

    def delete(self, request: Request) -> Reply:
        framed = request.header("content-length") not in (None, "0") or request.header("transfer-encoding")
        return [http(400), Ends.RESET] if framed else http(200)


# ------------------------------------------------------------------------------------------------- strict servers
class StrictAccept(Peer):
    """406 unless `Accept` names both types."""

    works = True

    def route(self, request: Request, connection: Connection) -> Reply:
        accepted = request.header("accept") or ""
        if request.verb == "POST" and not ("application/json" in accepted and "text/event-stream" in accepted):
            return http(
                406, JSON, body=b'{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"Not Acceptable"}}'
            )
        return super().route(request, connection)


class StrictContentType(Peer):
    """415 unless the content type is `application/json` and nothing more."""

    works = True

    def route(self, request: Request, connection: Connection) -> Reply:
        plain = request.verb != "POST" or request.header("content-type") == "application/json"
        return super().route(request, connection) if plain else http(415)


class StrictHttpOne(Peer):
    """411 unless the length of the body is told beforehand."""

    works = True

    def route(self, request: Request, connection: Connection) -> Reply:
        told = request.verb != "POST" or request.header("content-length") is not None
        return super().route(request, connection) if told else http(411)


class StrictNoOrigin(Peer):
    """403 where there is an `Origin`."""

    works = True

    def route(self, request: Request, connection: Connection) -> Reply:
        return super().route(request, connection) if request.header("origin") is None else http(403)


class StrictUserAgent(Peer):
    """A firewall refuses requests without `User-Agent`."""

    works = True

    def route(self, request: Request, connection: Connection) -> Reply:
        known = bool(request.header("user-agent"))
        return super().route(request, connection) if known else http(403, HTML, body=b"<h1>403 Forbidden</h1>")


class StrictCallParams(Peer):
    """A call may have a name and arguments, and nothing beside."""

    works = True

    def odd(self, request: Request) -> bool:
        return bool(set(request.params) - {"name", "arguments"})

    def reaches(self, request: Request) -> bool:
        return not self.odd(request)

    def call(self, request: Request) -> Reply:
        if self.odd(request):
            return self.error(request, -32602, f"unexpected members: {sorted(set(request.params))}")
        return super().call(request)


class StrictListParams(Peer):
    """A list may have a cursor that is a text, and nothing beside."""

    works = True

    def list(self, request: Request) -> Reply:
        if set(request.params) - {"cursor"} or not isinstance(request.params.get("cursor", ""), str):
            return self.error(request, -32602, "Invalid params")
        return super().list(request)


class StrictInitializeParams(Peer):
    """`initialize` may say what the specification names, and nothing beside."""

    works = True

    def initialize(self, request: Request) -> Reply:
        if set(request.params) != {"protocolVersion", "capabilities", "clientInfo"}:
            return self.error(request, -32602, "Invalid params")
        return super().initialize(request)


class OneAtATime(Peer):
    """One request is answered at a time, and each connection is closed, as by the small server of PHP."""

    works = True

    def __init__(self) -> None:
        super().__init__()
        self._turn = threading.Lock()

    def route(self, request: Request, connection: Connection) -> Reply:
        def serially() -> Any:
            with self._turn:
                reply = Peer.route(self, request, connection)
                assert isinstance(reply, bytes)
                yield reply.replace(b"\r\n", b"\r\nConnection: close\r\n", 1)
            yield Ends.CLOSE

        return serially()
