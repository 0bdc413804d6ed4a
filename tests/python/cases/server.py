"""One port on loopback for all cases: a request's path says which peer it is for, and which way it came.

Takes peers by name; gives each a URL, and answers with the bytes that the peer wants on the wire. Never mends what a peer sends,
and never speaks to anything but loopback.
"""

from __future__ import annotations

import contextlib
import json
import select
import socket
import ssl
import struct
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .peer import Peer


class Ends(Enum):
    """How an exchange ends where no more bytes come."""

    CLOSE = "the connection is closed"
    RESET = "the connection is reset"
    SILENCE = "nothing comes, and the connection stays open"


# The first byte of TLS, and what servers say to whoever speaks the wrong one of the two.
TLS_HANDSHAKE = b"\x16"
REFUSAL = b"HTTP/1.0 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n%s\n"
# What goes on the wire: all at once, or piece by piece with pauses in seconds between.
Reply = bytes | Ends | Iterable["bytes | float | Ends"]


@dataclass
class Request:
    """One HTTP request; with `rpc`, `id` and `params` where its body is one JSON-RPC message."""

    verb: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes
    # Whether it was sent as to a proxy: with the whole URL, or in a tunnel.
    through_proxy: bool = False
    # What comes after the peer's own prefix.
    path: str = ""
    rpc: str | None = None
    id: Any = None
    params: dict[str, Any] = field(default_factory=dict)

    def header(self, name: str) -> str | None:
        """The first header of that name."""
        return next((value for key, value in self.headers if key.lower() == name), None)

    def parse(self) -> None:
        """Look for a JSON-RPC message."""
        with contextlib.suppress(ValueError):
            message = json.loads(self.body)
            if isinstance(message, dict):
                self.rpc, self.id, self.params = message.get("method"), message.get("id"), message.get("params") or {}


class Server:
    """Listens until it is closed."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.peers: dict[str, Peer] = {}
        self.tls = tls
        self.over = threading.Event()
        self._plain = self._listen(None)
        self._secret = self._listen(tls) if tls else None

    def _listen(self, tls: ssl.SSLContext | None) -> socket.socket:
        listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        threading.Thread(target=self._accept, args=(listener, tls), daemon=True).start()
        return listener

    @property
    def port(self) -> int:
        """Where plain HTTP is spoken."""
        return int(self._plain.getsockname()[1])

    @property
    def secret_port(self) -> int:
        """Where TLS is spoken."""
        assert self._secret
        return int(self._secret.getsockname()[1])

    def host(self, key: str, peer: Peer) -> None:
        """Play this peer at `/KEY/…`."""
        peer.server, peer.prefix = self, f"/{key}"
        self.peers[key] = peer

    def close(self) -> None:
        """Stop listening; what hangs ends."""
        self.over.set()
        for listener in (self._plain, self._secret):
            if listener:
                listener.close()

    def _accept(self, listener: socket.socket, tls: ssl.SSLContext | None) -> None:
        while not self.over.is_set():
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection, tls), daemon=True).start()

    def _serve(self, connection: socket.socket, tls: ssl.SSLContext | None) -> None:
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if tls and connection.recv(1, socket.MSG_PEEK) != TLS_HANDSHAKE:
                connection.sendall(REFUSAL % b"Client sent an HTTP request to an HTTPS server.")
                return
            if tls:
                connection = tls.wrap_socket(connection, server_side=True)
            Connection(self, connection, tunnel=False).run()
        except ValueError:
            with contextlib.suppress(OSError):
                connection.sendall(REFUSAL % b"Bad Request")
        except OSError:
            # The other side went away: that is its test's affair.
            pass
        finally:
            connection.close()


class Connection:
    """One connection: requests of any peers, one after the other."""

    def __init__(self, server: Server, wire: socket.socket, tunnel: bool) -> None:
        self.server = server
        self.wire = wire
        self.tunnel = tunnel

    def run(self) -> None:
        """Answer until one side has had enough."""
        stream = self.wire.makefile("rb")
        while (request := read(stream)) is not None:
            if request.verb == "CONNECT":
                return self._tunnel(request)
            whole = request.target.startswith("http://")
            request.through_proxy = self.tunnel or whole
            target = request.target.split("//", 1)[1].partition("/")[2] if whole else request.target[1:]
            way, _, rest = target.partition("/")
            name, slash, rest = rest.partition("/")
            request.path = slash + rest
            peer = self.server.peers.get(f"{way}/{name}")
            reply: Reply = (
                b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n" if peer is None else peer.take(request, self)
            )
            if not self._send(reply):
                return None
            if peer is not None and peer.idle is not None and self._idle(peer.idle):
                return None
        return None

    def _tunnel(self, request: Request) -> None:
        """Be the proxy, and what is behind it as well."""
        way = request.target.split(".", 1)[0]
        for key, peer in self.server.peers.items():
            if key.replace("/", "-") == way:
                refused = peer.tunnel(request)
                if refused:
                    self.wire.sendall(refused)
                    return
        self.wire.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        assert self.server.tls
        with self.server.tls.wrap_socket(self.wire, server_side=True) as inner:
            Connection(self.server, inner, tunnel=True).run()

    def _send(self, reply: Reply) -> bool:
        """Whether the connection goes on."""
        for part in pieces(reply):
            if isinstance(part, bytes):
                self.wire.sendall(part)
            elif isinstance(part, float):
                if self.server.over.wait(part):
                    return False
            elif part is Ends.SILENCE:
                self.server.over.wait(120)
                return False
            elif part is Ends.RESET:
                self.reset()
                return False
            else:
                return False
        return True

    def _idle(self, seconds: float) -> bool:
        """Whether nothing came in this time."""
        return not select.select([self.wire], [], [], seconds)[0]

    def reset(self) -> None:
        """Close with RST."""
        self.wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.wire.close()


def pieces(reply: Reply) -> Iterator[bytes | float | Ends]:
    """The reply, piece by piece."""
    if isinstance(reply, bytes | Ends):
        yield reply
    else:
        yield from reply


def read(stream: Any) -> Request | None:
    """The next request, or None at the end."""
    line = stream.readline(65536)
    if not line:
        return None
    verb, target, _ = line.decode("latin-1").split(" ", 2)
    headers = []
    while line := stream.readline(65536).decode("latin-1").rstrip("\r\n"):
        name, value = line.split(":", 1)
        headers.append((name, value.strip()))
    request = Request(verb, target, headers, b"")
    if (request.header("transfer-encoding") or "").lower() == "chunked":
        while size := int(stream.readline().split(b";")[0], 16):
            request.body += stream.read(size)
            stream.readline()
        stream.readline()
    else:
        request.body = stream.read(int(request.header("content-length") or 0))
    request.parse()
    return request
