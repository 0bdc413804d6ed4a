"""Event streams: how they are written, what comes before the answer, and how they end.

Takes requests; gives answers as `text/event-stream`. Never an odd result: only the stream is.
"""

from __future__ import annotations

import json
import threading
from typing import Any, ClassVar

from .peer import EVENTS, JSON, Peer, Step, event, http, notice, text
from .server import Connection, Ends, Reply, Request

KIND = "Event streams"


class _Streamed(Peer):
    """Answers everything by an event stream, written in a way of its own."""

    works = True

    def write(self, message: bytes) -> bytes:
        """One answer as a stream."""
        return event(message, "event: message")

    def result(self, request: Request, result: Any, *headers: tuple[str, str]) -> Reply:
        return self.stream(self.write(self.message(request, result)), headers=headers)


class StreamEverything(_Streamed):
    """Every answer is an event stream, that of `initialize` too."""


class StreamUnnamed(_Streamed):
    """Events have no name."""

    def write(self, message: bytes) -> bytes:
        return event(message)


class StreamCrLf(_Streamed):
    """Lines end with CR and LF."""

    def write(self, message: bytes) -> bytes:
        return super().write(message).replace(b"\n", b"\r\n")


class StreamCr(_Streamed):
    """Lines end with CR."""

    def write(self, message: bytes) -> bytes:
        return super().write(message).replace(b"\n", b"\r")


class StreamNoSpace(_Streamed):
    """No space follows the colon."""

    def write(self, message: bytes) -> bytes:
        return b"event:message\ndata:" + message + b"\n\n"


class StreamDataFirst(_Streamed):
    """The data come before the event's name, and the id last."""

    def write(self, message: bytes) -> bytes:
        return b"data: " + message + b"\nevent: message\nid: 7\n\n"


class StreamManyDataLines(_Streamed):
    """One message is spread over many `data` lines."""

    def write(self, message: bytes) -> bytes:
        lines = json.dumps(json.loads(message), indent=1).encode().split(b"\n")
        return b"".join(b"data: " + line + b"\n" for line in lines) + b"\n"


class StreamBom(_Streamed):
    """A byte order mark begins the stream."""

    works = False
    timeout = 5

    def write(self, message: bytes) -> bytes:
        return b"\xef\xbb\xbf" + super().write(message)


class StreamFieldsMore(_Streamed):
    """Events have `id`, `retry`, comments, and a field that nobody knows."""

    def write(self, message: bytes) -> bytes:
        return b": hello\n\nretry: 3000\n\n" + event(
            message, "id: 1", "retry: 10", "x-more: y", ": aside", "event: message"
        )


class StreamNoLastLine(_Streamed):
    """The stream ends without the blank line after its event."""

    timeout = 5
    works = False

    def write(self, message: bytes) -> bytes:
        return super().write(message)[:-1]


class StreamEmptyData(_Streamed):
    """Events without data, and with empty data, come before the answer."""

    def write(self, message: bytes) -> bytes:
        return b"id: 1\ndata:\n\nid: 2\ndata: \n\nevent: ping\n\n" + super().write(message)


class StreamOtherCharset(_Streamed):
    """`text/event-stream; charset=utf-8`."""

    def result(self, request: Request, result: Any, *headers: tuple[str, str]) -> Reply:
        body = self.write(self.message(request, result))
        return http(200, ("Content-Type", "text/event-stream; charset=utf-8"), *headers, body=body)


class StreamUpperCase(_Streamed):
    """`Text/Event-Stream`."""

    timeout = 5

    def result(self, request: Request, result: Any, *headers: tuple[str, str]) -> Reply:
        body = self.write(self.message(request, result))
        return http(200, ("Content-Type", "Text/Event-Stream"), *headers, body=body)


class StreamSplitLetters(Peer):
    """A letter of three bytes is split between two packets."""

    works = True

    def outcome(self, request: Request) -> Any:
        return text("\u5de5\u5177 \U0001f680")

    def message(self, request: Request, result: Any) -> bytes:
        body = {"jsonrpc": "2.0", "id": request.id, "result": result}
        return json.dumps(body, ensure_ascii=False).encode()

    def call(self, request: Request) -> Reply:
        whole = self.answered(request)
        at = whole.index("\u5de5".encode()) + 1
        return self.slowly(whole[:at], 0.1, whole[at:])


class StreamLarge(_Streamed):
    """A call's answer is one event of a megabyte."""

    def outcome(self, request: Request) -> Any:
        return text("x" * 1_000_000)


class StreamStaysOpen(Peer):
    """The stream stays open after the answer."""

    works = True

    def call(self, request: Request) -> Reply:
        return self.slowly(self.answered(request), Ends.SILENCE)


class StreamGoesOn(Peer):
    """Notifications follow the answer, and the stream does not end."""

    works = True

    def call(self, request: Request) -> Reply:
        return self.slowly(
            self.answered(request), *[event(notice("notifications/message", level="info", data="x")), 0.2] * 100
        )


# ------------------------------------------------------------------------------------------------- before the answer
class _Before(Peer):
    """Something comes in the stream before the answer to a call."""

    works = True
    before: ClassVar[bytes] = b""

    def call(self, request: Request) -> Reply:
        return self.stream(self.before, self.answered(request))


class HeartbeatText(_Before):
    """`data: heartbeat` comes before the answer."""

    before = b"data: heartbeat\n\n"


class HeartbeatEvent(_Before):
    """`event: keepalive` with `data: {}` comes before the answer."""

    before = b"event: keepalive\ndata: {}\n\n"


class HeartbeatPing(_Before):
    """`event: ping` with the time as its data, as sse-starlette can be told to."""

    before = b"event: ping\ndata: 2026-01-01T00:00:00Z\n\n"


class HeartbeatNumber(_Before):
    """`data: 1` comes before the answer."""

    before = b"data: 1\n\n"


class HeartbeatNull(_Before):
    """`data: null` comes before the answer."""

    before = b"data: null\n\n"


class HeartbeatObject(_Before):
    """`data: {"type":"keepalive"}` comes before the answer."""

    before = b'data: {"type":"keepalive","ts":1700000000}\n\n'


class HeartbeatEndpoint(_Before):
    """`event: endpoint` of the old transport comes before the answer."""

    before = b"event: endpoint\ndata: /messages?session_id=abc\n\n"


class HeartbeatComments(Peer):
    """Comments come every 0.2 s, for three seconds, and then the answer."""

    works = True

    def call(self, request: Request) -> Reply:
        return self.slowly(*[b": ping\n\n", 0.2] * 15, self.answered(request))


class HeartbeatMany(_Before):
    """Three hundred heartbeats come before the answer."""

    before = b"data: heartbeat\n\n" * 300


class DoneAfterAnswer(Peer):
    """`data: [DONE]` follows the answer."""

    works = True

    def call(self, request: Request) -> Reply:
        return self.stream(self.answered(request), b"data: [DONE]\n\n")


class NoticeLog(_Before):
    """A message for the log."""

    before = event(notice("notifications/message", level="info", logger="x", data={"a": [1, None]}), "event: message")


class NoticeLogOdd(_Before):
    """A message for the log whose level nobody knows."""

    before = event(notice("notifications/message", level="trace", data="x"), "event: message")


class NoticeProgress(_Before):
    """Progress of a token that nobody gave."""

    before = event(notice("notifications/progress", progressToken="t", progress=1, total=2), "event: message")


class NoticeProgressOdd(_Before):
    """Progress without a token, the number a text."""

    before = event(notice("notifications/progress", progress="half"), "event: message")


class NoticeUnknown(_Before):
    """A notification that nobody knows."""

    before = event(notice("notifications/x-vendor/usage", tokens=3), "event: message")


class NoticeListChanged(_Before):
    """Five hundred times: the list of tools changed."""

    before = event(notice("notifications/tools/list_changed"), "event: message") * 500


class NoticeCancelled(_Before):
    """Another request was cancelled."""

    before = event(notice("notifications/cancelled", requestId=987, reason="x"), "event: message")


class ResponseOfAnother(_Before):
    """The response to another request comes first."""

    timeout = 5
    before = event(b'{"jsonrpc":"2.0","id":424242,"result":{"content":[{"type":"text","text":"not yours"}]}}')


class ErrorOfAnother(_Before):
    """An error with the id of another request comes first."""

    timeout = 5
    before = event(b'{"jsonrpc":"2.0","id":424242,"error":{"code":-32000,"message":"not yours"}}')


class AnswerInBatch(Peer):
    """One event holds an array: a notification and the response."""

    works = True
    timeout = 5

    def call(self, request: Request) -> Reply:
        log = notice("notifications/message", level="info", data="x")
        return self.stream(event(b"[" + log + b"," + self.message(request, self.outcome(request)) + b"]"))


class AnswerGlued(Peer):
    """A notification and the answer stand on neighbouring data lines, no blank line between."""

    timeout = 5

    def call(self, request: Request) -> Reply:
        log = notice("notifications/message", level="info", data="x")
        answer = self.message(request, self.outcome(request))
        return self.stream(b"data: " + log + b"\ndata: " + answer + b"\n\n")


class AnswerTwice(Peer):
    """The response comes twice."""

    works = True

    def call(self, request: Request) -> Reply:
        return self.stream(self.answered(request) * 2)


# ------------------------------------------------------------------------------------------------- requests of the server
class _Asks(Peer):
    """Asks the client before it answers a call, and waits for what the client says."""

    works = True
    method = "ping"
    params: ClassVar[dict[str, Any]] = {}
    question: ClassVar[Any] = 900
    named: ClassVar[tuple[str, ...]] = ("event: message",)

    def __init__(self) -> None:
        super().__init__()
        self._said = threading.Event()
        self._answer = b""

    def other(self, request: Request) -> Reply:
        # The client's answer has an id and no method.
        message = json.loads(request.body or b"null")
        if isinstance(message, dict) and message.get("id") == self.question and "method" not in message:
            self._answer = request.body
            self._said.set()
        return http(202)

    def call(self, request: Request) -> Reply:
        asks = {"jsonrpc": "2.0", "id": self.question, "method": self.method, "params": self.params}

        def spoken() -> Any:
            yield b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
            yield event(json.dumps(asks).encode(), *self.named)
            # Half of what pflow waits; without an answer, the tool fails.
            if self._said.wait(self.timeout / 2):
                yield self.answered(request)
            yield Ends.CLOSE

        return spoken()

    timeout = 10


class AsksPing(_Asks):
    """The server pings before it answers, and waits for the answer."""


class AsksPingByText(_Asks):
    """The same with an id that is a text."""

    question = "ping-1"


class AsksPingUnnamed(_Asks):
    """The same in an event without a name."""

    named = ()


class AsksRoots(_Asks):
    """The server asks for the roots before it answers, and waits for the answer."""

    method = "roots/list"


class AsksSampling(_Asks):
    """The server asks for a sample of a model before it answers; a refusal is enough."""

    method = "sampling/createMessage"
    params: ClassVar[dict[str, Any]] = {
        "messages": [{"role": "user", "content": {"type": "text", "text": "x"}}],
        "maxTokens": 5,
    }


class AsksPerson(_Asks):
    """The server asks the user before it answers; a refusal is enough."""

    method = "elicitation/create"
    params: ClassVar[dict[str, Any]] = {"message": "sure?", "requestedSchema": {"type": "object", "properties": {}}}


class AsksUnknown(_Asks):
    """The server asks something that nobody knows before it answers; a refusal is enough."""

    method = "vendor/x"
    timeout = 8


class AsksWhileListing(_Asks):
    """The server pings before it gives the list, and waits for the answer."""

    def list(self, request: Request) -> Reply:
        return self._first(request)

    def _first(self, request: Request) -> Reply:
        asks = {"jsonrpc": "2.0", "id": self.question, "method": "ping"}
        page = event(self.message(request, self.page(request)), "event: message")

        def spoken() -> Any:
            yield b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
            yield event(json.dumps(asks).encode(), "event: message")
            if self._said.wait(self.timeout / 2):
                yield page
            yield Ends.CLOSE

        return spoken()

    def call(self, request: Request) -> Reply:
        return Peer.call(self, request)


# ------------------------------------------------------------------------------------------------- streams that end early
class _Resumes(Peer):
    """The stream of a call is cut after an event that has only an id; GET with that id has the answer."""

    timeout = 10
    first = b"id: ev-1\nretry: 200\ndata: \n\n"

    def __init__(self) -> None:
        super().__init__()
        self._pending = b""

    def call(self, request: Request) -> Reply:
        self._pending = self.answered(request)
        head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
        return [head, b"%x\r\n%s\r\n" % (len(self.first), self.first), 0.2, b"0\r\n\r\n"]

    def get(self, request: Request) -> Reply:
        if request.header("last-event-id") != "ev-1":
            return http(405)
        return http(200, EVENTS, body=b"id: ev-2\n" + self._pending)


class ResumeAfterEnd(_Resumes):
    """The stream of a call ends after an event with an id; GET with that id has the answer."""

    works = True


class ResumeAfterCut(_Resumes):
    """The same, and the connection is cut in the middle of a chunk."""

    works = True

    def call(self, request: Request) -> Reply:
        self._pending = self.answered(request)
        head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
        return [head, b"%x\r\n%s\r\n" % (len(self.first), self.first), 0.2, Ends.CLOSE]


class ResumeRefused(_Resumes):
    """The same, and GET is refused."""

    lost = True
    timeout = 6

    def get(self, request: Request) -> Reply:
        return http(405)


class ResumeElsewhere(_Resumes):
    """The same, and GET knows no such event."""

    lost = True
    timeout = 6

    def get(self, request: Request) -> Reply:
        return http(404, JSON, body=b'{"error":"unknown event"}')


class OldTransport(Peer):
    """Speaks the transport of 2024 alone: events by GET, messages by POST elsewhere."""

    timeout = 5
    steps: ClassVar[list[Step]] = [("note__add", {"text": "x"})]

    def route(self, request: Request, connection: Connection) -> Reply:
        if request.verb != "GET":
            return http(405, ("Allow", "GET"))
        hello = b"event: endpoint\ndata: " + f"{self.prefix}/messages?session_id=1".encode() + b"\n\n"
        return self.slowly(hello, Ends.SILENCE)

    def reaches(self, request: Request) -> bool:
        return False
