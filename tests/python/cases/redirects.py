"""Redirects: a slash that is missing, a host that moved, a page to sign in.

Takes a request; gives 301 to 308 before the gateway proper. Never leads to anything but loopback or a name that has no address.
"""

from __future__ import annotations

from typing import ClassVar

from .peer import Peer, Step, http
from .server import Connection, Reply, Request

KIND = "Redirects"


class _Moved(Peer):
    """`/mcp` leads to `/mcp/`, which is the gateway."""

    status = 307
    location = "{prefix}/mcp/"

    def moved(self, request: Request) -> str | None:
        """Where this request is sent."""
        if request.path != "/mcp":
            return None
        return self.location.format(origin=self.origin, prefix=self.prefix, port=self.server.port)

    def route(self, request: Request, connection: Connection) -> Reply:
        to = self.moved(request)
        if to is not None:
            return http(self.status, ("Location", to))
        if request.path == "/mcp/":
            request.path = "/mcp"
        return super().route(request, connection)

    def reaches(self, request: Request) -> bool:
        return self.moved(request) is None


class Redirect307Relative(_Moved):
    """307 from `/mcp` to `/mcp/`, as a path."""

    works = True


class Redirect308Absolute(_Moved):
    """308 to the whole URL, with one slash more."""

    status, location, works = 308, "{origin}{prefix}/mcp/", True


class Redirect308FromSlash(Peer):
    """308 from `/mcp/` to `/mcp`."""

    works = True

    @property
    def url(self) -> str:
        return super().url + "/"

    def route(self, request: Request, connection: Connection) -> Reply:
        return http(308, ("Location", "../mcp")) if request.path == "/mcp/" else super().route(request, connection)

    def reaches(self, request: Request) -> bool:
        return request.path == "/mcp"


class Redirect307OtherPath(_Moved):
    """307 to another path of the same host."""

    location, works = "{prefix}/mcp/?from=old", True

    def route(self, request: Request, connection: Connection) -> Reply:
        request.path = request.path.removesuffix("?from=old")
        return super().route(request, connection)


class Redirect307Query(_Moved):
    """307 to a URL with a query that the gateway needs."""

    location, works = "{prefix}/mcp/?tenant=7", True

    def route(self, request: Request, connection: Connection) -> Reply:
        if request.path == "/mcp/":
            return http(404)
        request.path = request.path.removesuffix("?tenant=7")
        return super().route(request, connection)


class Redirect307CallsOnly(_Moved):
    """307 for calls alone."""

    works = True

    def moved(self, request: Request) -> str | None:
        return super().moved(request) if request.rpc == "tools/call" else None


class Redirect307TwoCalls(_Moved):
    """307 at each of two calls."""

    works = True
    steps: ClassVar[list[Step]] = [("note__add", {"text": "one"}), ("note__add", {"text": "two"})]


class Redirect301Slash(_Moved):
    """301 to `/mcp/`."""

    status, says = 301, ("/mcp/",)


class Redirect302Slash(_Moved):
    """302 to `/mcp/`."""

    status, says = 302, ("/mcp/",)


class Redirect303Slash(_Moved):
    """303 to `/mcp/`."""

    status, says = 303, ("/mcp/",)


class RedirectInternalPort(_Moved):
    """301 to the port that the proxy hides, with one slash more."""

    status, location = 301, "http://127.0.0.1:9/mcp/"


class Redirect307OtherOrigin(_Moved):
    """307 to another name of the same host."""

    location = "http://localhost:{port}{prefix}/mcp/"


class Redirect307Login(_Moved):
    """307 to a sign-in page elsewhere."""

    location = "https://login.invalid/?back=mcp"


class Redirect307Loop(_Moved):
    """307 to itself."""

    location = "{prefix}/mcp"


class Redirect307Chain(_Moved):
    """307 to a path that leads on by 308."""

    def moved(self, request: Request) -> str | None:
        if request.path == "/mcp":
            return f"{self.prefix}/v1"
        return f"{self.prefix}/mcp/" if request.path == "/v1" else None


class Redirect308RoundAbout(_Moved):
    """308 from one path to another, and back."""

    timeout = 5

    def moved(self, request: Request) -> str | None:
        return {"/mcp": f"{self.prefix}/v1", "/v1": f"{self.prefix}/mcp"}.get(request.path)


class Redirect307CookieFirst(_Moved):
    """307 to itself, until a cookie comes back."""

    works = True

    def route(self, request: Request, connection: Connection) -> Reply:
        if "seen=1" not in (request.header("cookie") or ""):
            return http(307, ("Location", f"{self.prefix}/mcp"), ("Set-Cookie", "seen=1; Path=/"))
        return Peer.route(self, request, connection)

    def reaches(self, request: Request) -> bool:
        return "seen=1" in (request.header("cookie") or "")


class Redirect307NoLocation(_Moved):
    """307 without a `Location`."""

    def route(self, request: Request, connection: Connection) -> Reply:
        return http(307)

    def reaches(self, request: Request) -> bool:
        return False
