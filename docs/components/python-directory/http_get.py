"""GET from within a component: `wasi:http`, which is all there is. Neither `urllib` nor `requests` works: there are no sockets.

The host lets it reach the gateway's MCP endpoint, the entry's `paths` and `allow_origins`, adds the credential where the entry says
so, and ends what takes longer than the call into the component may.
"""

from urllib.parse import urlsplit

from componentize_py_types import Err, Ok
from wit_world.imports import outgoing_handler
from wit_world.imports import wasi_http_types as http
from wit_world.imports.streams import StreamError_Closed

MOST = 1_000_000  # bytes of a page


class NoAnswer(Exception):
    """Why there is none, in a few words."""


def get(url: str) -> bytes:
    """The body of a good answer."""
    parts = urlsplit(url)
    request = http.OutgoingRequest(http.Fields.from_list([("accept", b"application/json")]))
    request.set_scheme(http.Scheme_Https() if parts.scheme == "https" else http.Scheme_Http())
    request.set_authority(parts.netloc)
    request.set_path_with_query(parts.path + (f"?{parts.query}" if parts.query else ""))
    body = request.body()
    try:
        coming = outgoing_handler.handle(request, None)
    except Err as refused:  # by the host: not a place that the entry allows
        raise NoAnswer(type(refused.value).__name__) from None
    http.OutgoingBody.finish(body, None)
    coming.subscribe().block()
    match coming.get():
        case Ok(Ok(answer)):
            if answer.status() != 200:
                raise NoAnswer(f"HTTP {answer.status()}")
            return read(answer)
        case Ok(Err(code)):
            raise NoAnswer(type(code).__name__)
        case other:
            raise NoAnswer(str(other))


def read(answer: http.IncomingResponse) -> bytes:
    """The body to its end. A child lives no longer than its parent: the stream is closed first, then the body."""
    whole = b""
    with answer, answer.consume() as body, body.stream() as stream:
        while len(whole) < MOST:
            try:
                whole += stream.blocking_read(65536)
            except Err as end:
                if isinstance(end.value, StreamError_Closed):
                    return whole
                raise NoAnswer("the body breaks off") from None
    raise NoAnswer(f"it is longer than {MOST} bytes")
