"""Entries of pflow's file and the environment of pflow: variables, credentials, proxies, authorities, other clients' spellings.

Takes what a user has in `mcp-servers.json`; gives gateways that want exactly what stock pflow would send. Never reads a real home.
"""

from __future__ import annotations

import base64
import json
import time
from typing import Any, ClassVar

from .peer import JSON, TEXT, Peer, http
from .server import Connection, Reply, Request

KIND = "Entries, credentials and the environment"


# ------------------------------------------------------------------------------------------------- credentials and variables
class _Wants(Peer):
    """Refuses whoever does not send what it wants."""

    works = True
    environment: ClassVar[dict[str, str]] = {"CASE_TOKEN": "good"}
    members: ClassVar[dict[str, Any]] = {}

    def entry(self) -> dict[str, Any]:
        return super().entry() | self.members

    def right(self, request: Request) -> bool:
        """Whether the request carries it."""
        return request.header("authorization") == "Bearer good"

    def reaches(self, request: Request) -> bool:
        return self.right(request)

    def route(self, request: Request, connection: Connection) -> Reply:
        if not self.right(request):
            return http(401, ("WWW-Authenticate", "Bearer"), JSON, body=b'{"error":"unauthorized"}')
        return super().route(request, connection)


def authorization(value: str) -> dict[str, Any]:
    """A header of an entry."""
    return {"headers": {"Authorization": value}}


class HeaderVariable(_Wants):
    """`Bearer ${TOKEN}` in a header."""

    members: ClassVar[dict[str, Any]] = authorization("Bearer ${CASE_TOKEN}")


class HeaderDefault(_Wants):
    """`Bearer ${NOPE:-good}`: a default, the variable is not set."""

    members: ClassVar[dict[str, Any]] = authorization("Bearer ${NOPE:-good}")


class HeaderDefaultUnused(_Wants):
    """`Bearer ${TOKEN:-bad}`: a default, the variable is set."""

    members: ClassVar[dict[str, Any]] = authorization("Bearer ${CASE_TOKEN:-bad}")


class HeaderDefaultEmpty(_Wants):
    """`Bearer ${NOPE:-}${TOKEN}`: an empty default."""

    members: ClassVar[dict[str, Any]] = authorization("Bearer ${NOPE:-}${CASE_TOKEN}")


class HeaderDefaultOdd(_Wants):
    """A default that holds spaces, quotes and colons."""

    members: ClassVar[dict[str, Any]] = {
        "headers": {"Authorization": "Bearer good", "X-Team": "${NOPE:-a: \"b\" 'c' - d}"}
    }

    def right(self, request: Request) -> bool:
        return request.header("x-team") == "a: \"b\" 'c' - d"


class HeaderTwoVariables(_Wants):
    """Two variables in one header."""

    environment: ClassVar[dict[str, str]] = {"CASE_SCHEME": "Bearer", "CASE_TOKEN": "good"}
    members: ClassVar[dict[str, Any]] = authorization("${CASE_SCHEME} ${CASE_TOKEN}")


class HeaderLowerCaseVariable(_Wants):
    """`${case_token}`, a variable in small letters."""

    environment: ClassVar[dict[str, str]] = {"case_token": "good"}
    members: ClassVar[dict[str, Any]] = authorization("Bearer ${case_token}")


class HeaderVariableMissing(_Wants):
    """`Bearer ${NOPE}`: the variable is not set."""

    works, says = False, ("NOPE",)
    members: ClassVar[dict[str, Any]] = authorization("Bearer ${NOPE}")


class HeaderVariableEmpty(_Wants):
    """A variable of a header is set and empty; the header is not needed."""

    environment: ClassVar[dict[str, str]] = {"CASE_TEAM": ""}
    members: ClassVar[dict[str, Any]] = {"headers": {"X-Team": "${CASE_TEAM}"}}

    def right(self, request: Request) -> bool:
        return not request.header("x-team")


class HeaderValueOdd(_Wants):
    """A variable's value holds `$`, quotes, a backslash and `${X}`."""

    environment: ClassVar[dict[str, str]] = {"CASE_TOKEN": 'a$b"c\\d${HOME}%41'}
    members: ClassVar[dict[str, Any]] = authorization("Bearer ${CASE_TOKEN}")

    def right(self, request: Request) -> bool:
        return request.header("authorization") == 'Bearer a$b"c\\d${HOME}%41'


class HeaderLiteral(_Wants):
    """The token stands in the file."""

    members: ClassVar[dict[str, Any]] = authorization("Bearer good") | {"note": "keep me"}


class HeaderDollar(_Wants):
    """`Bearer $TOKEN`, which is not a variable of pflow."""

    members: ClassVar[dict[str, Any]] = authorization("Bearer $CASE_TOKEN")
    works = False


class HeaderEnvColon(_Wants):
    """`Bearer ${env:TOKEN}`, as VS Code has it."""

    members: ClassVar[dict[str, Any]] = authorization("Bearer ${env:CASE_TOKEN}")
    works = False


class HeaderEmpty(_Wants):
    """A header is empty."""

    members: ClassVar[dict[str, Any]] = {"headers": {"Authorization": "Bearer good", "X-Empty": ""}}


class HeaderJson(_Wants):
    """A header's value is JSON."""

    members: ClassVar[dict[str, Any]] = {"headers": {"X-Bkapi-Authorization": '{"bk_app_code": "a", "bk_ticket": "t"}'}}

    def right(self, request: Request) -> bool:
        return request.header("x-bkapi-authorization") == '{"bk_app_code": "a", "bk_ticket": "t"}'


class HeaderNumber(_Wants):
    """A header's value is a number."""

    works = False
    members: ClassVar[dict[str, Any]] = {"headers": {"Authorization": "Bearer good", "X-Team": 7}}


class HeaderUmlaut(_Wants):
    """A header's value holds `ü`."""

    works = False
    members: ClassVar[dict[str, Any]] = {"headers": {"Authorization": "Bearer good", "X-Team": "Gr\u00fcn"}}


class HeaderUserAgent(_Wants):
    """A `User-Agent` of the entry."""

    members: ClassVar[dict[str, Any]] = {"headers": {"User-Agent": "our-bot/1.0"}}

    def right(self, request: Request) -> bool:
        return request.header("user-agent") == "our-bot/1.0"


class HeaderHost(_Wants):
    """A `Host` of the entry, as for a gateway behind a virtual host."""

    members: ClassVar[dict[str, Any]] = {"headers": {"Host": "mcp.internal"}}
    works = False

    def right(self, request: Request) -> bool:
        return request.header("host") == "mcp.internal"


class HeaderCookie(_Wants):
    """A `Cookie` of the entry."""

    members: ClassVar[dict[str, Any]] = {"headers": {"Cookie": "sso=abc; team=7"}}

    def right(self, request: Request) -> bool:
        return "sso=abc" in (request.header("cookie") or "")


class HeaderOrigin(_Wants):
    """An `Origin` of the entry."""

    members: ClassVar[dict[str, Any]] = {"headers": {"Origin": "https://app.example"}}

    def right(self, request: Request) -> bool:
        return request.header("origin") == "https://app.example"


class AuthBearer(_Wants):
    """`"auth": {"type": "bearer"}` with a variable."""

    members: ClassVar[dict[str, Any]] = {"auth": {"type": "bearer", "token": "${CASE_TOKEN}"}}


class AuthBearerDefault(_Wants):
    """The same with a default."""

    members: ClassVar[dict[str, Any]] = {"auth": {"type": "bearer", "token": "${NOPE:-good}"}}


class AuthApiKey(_Wants):
    """`"auth": {"type": "api_key"}`, the header is pflow's own."""

    members: ClassVar[dict[str, Any]] = {"auth": {"type": "api_key", "key": "${CASE_TOKEN}"}}

    def right(self, request: Request) -> bool:
        return request.header("x-api-key") == "good"


class AuthApiKeyHeader(_Wants):
    """The same with a header of its own."""

    members: ClassVar[dict[str, Any]] = {
        "auth": {"type": "api_key", "key": "Bearer ${CASE_TOKEN}", "header": "x-litellm-api-key"}
    }

    def right(self, request: Request) -> bool:
        return request.header("x-litellm-api-key") == "Bearer good"


class AuthBasic(_Wants):
    """`"auth": {"type": "basic"}`."""

    members: ClassVar[dict[str, Any]] = {"auth": {"type": "basic", "username": "me", "password": "${CASE_TOKEN}"}}

    def right(self, request: Request) -> bool:
        return request.header("authorization") == "Basic " + base64.b64encode(b"me:good").decode()


class AuthBasicOdd(_Wants):
    """The same with `:`, `@` and `ü` in the password."""

    environment: ClassVar[dict[str, str]] = {"CASE_TOKEN": "p:@ss w\u00f6rd"}
    members: ClassVar[dict[str, Any]] = {"auth": {"type": "basic", "username": "me", "password": "${CASE_TOKEN}"}}

    def right(self, request: Request) -> bool:
        return request.header("authorization") == "Basic " + base64.b64encode("me:p:@ss w\u00f6rd".encode()).decode()


class AuthBesideHeaders(_Wants):
    """`auth` and other headers."""

    members: ClassVar[dict[str, Any]] = {
        "auth": {"type": "bearer", "token": "${CASE_TOKEN}"},
        "headers": {"X-Team": "a", "X-Tenant": "${CASE_TOKEN}"},
    }

    def right(self, request: Request) -> bool:
        return super().right(request) and request.header("x-team") == "a" and request.header("x-tenant") == "good"


class AuthOverHeader(_Wants):
    """`auth` and an `Authorization` header: pflow lets `auth` win."""

    members: ClassVar[dict[str, Any]] = {
        "auth": {"type": "bearer", "token": "${CASE_TOKEN}"},
        "headers": {"Authorization": "Bearer bad"},
    }


class AuthNulls(_Wants):
    """`auth` is null, and the token stands in a header."""

    members: ClassVar[dict[str, Any]] = authorization("Bearer good") | {"auth": None}


class AuthEmpty(_Wants):
    """`auth` is `{}`, and the token stands in a header."""

    members: ClassVar[dict[str, Any]] = authorization("Bearer good") | {"auth": {}}


class AuthRefused(_Wants):
    """The token is wrong."""

    works, environment = False, {"CASE_TOKEN": "bad"}
    members: ClassVar[dict[str, Any]] = {"auth": {"type": "bearer", "token": "${CASE_TOKEN}"}}


class TokenLineEnd(_Wants):
    """The token ends with a line end, as `echo` leaves it."""

    works, environment = False, {"CASE_TOKEN": "good\n"}
    members: ClassVar[dict[str, Any]] = {"auth": {"type": "bearer", "token": "${CASE_TOKEN}"}}


class TokenSpaces(_Wants):
    """Spaces stand around the token."""

    works, environment = False, {"CASE_TOKEN": " good "}
    members: ClassVar[dict[str, Any]] = {"auth": {"type": "bearer", "token": "${CASE_TOKEN}"}}


def jwt(**claims: Any) -> str:
    """A token whose dates can be read."""

    def part(value: Any) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    return f"{part({'alg': 'HS256'})}.{part(claims)}.c2ln"


class _Dated(_Wants):
    """Takes a token, whatever its dates say."""

    members: ClassVar[dict[str, Any]] = {"auth": {"type": "bearer", "token": "${CASE_TOKEN}"}}
    claims: ClassVar[dict[str, Any]] = {}

    def variables(self) -> dict[str, str]:
        now = int(time.time())
        dates = {name: now + value if isinstance(value, int) else value for name, value in self.claims.items()}
        return {"CASE_TOKEN": jwt(**dates)}

    def right(self, request: Request) -> bool:
        return bool(request.header("authorization"))


class TokenExpiredByTheClock(_Dated):
    """By our clock the token ended thirty seconds ago; the gateway takes it."""

    claims: ClassVar[dict[str, Any]] = {"exp": -30}


class TokenNotYetByTheClock(_Dated):
    """By our clock the token begins in five minutes; the gateway takes it."""

    claims: ClassVar[dict[str, Any]] = {"nbf": 300, "exp": 3600}


class TokenDateText(_Dated):
    """The end of the token is a text."""

    claims: ClassVar[dict[str, Any]] = {"exp": "tomorrow"}


class TokenDateHuge(_Dated):
    """The end of the token is far beyond all calendars."""

    claims: ClassVar[dict[str, Any]] = {"exp": 10**15}


class TokenNoJson(_Wants):
    """A token with two dots that is not a JWT."""

    environment: ClassVar[dict[str, str]] = {"CASE_TOKEN": "aaa.bbb.ccc"}
    members: ClassVar[dict[str, Any]] = {"auth": {"type": "bearer", "token": "${CASE_TOKEN}"}}

    def right(self, request: Request) -> bool:
        return request.header("authorization") == "Bearer aaa.bbb.ccc"


# ------------------------------------------------------------------------------------------------- variables in the URL
class UrlQueryVariable(_Wants):
    """`?apiKey=${TOKEN}` in the URL."""

    @property
    def url(self) -> str:
        return super().url + "?apiKey=${CASE_TOKEN}"

    def right(self, request: Request) -> bool:
        return request.path == "/mcp?apiKey=good"


class UrlQueryDefault(UrlQueryVariable):
    """`?apiKey=${NOPE:-good}` in the URL."""

    @property
    def url(self) -> str:
        return Peer.url.fget(self) + "?apiKey=${NOPE:-good}"  # type: ignore[attr-defined]


class UrlHostVariable(Peer):
    """`${BASE}/mcp`: the host is in a variable."""

    works = True

    def variables(self) -> dict[str, str]:
        return {"CASE_BASE": self.origin}

    @property
    def url(self) -> str:
        return "${CASE_BASE}" + self.prefix + "/mcp"


class UrlHostDefault(Peer):
    """`${BASE:-http://…}/mcp`: the host is a default."""

    works = True

    @property
    def url(self) -> str:
        return "${NOPE:-" + self.origin + "}" + self.prefix + "/mcp"


class UrlPortVariable(Peer):
    """`http://127.0.0.1:${PORT}/mcp`."""

    works = True

    def variables(self) -> dict[str, str]:
        return {"CASE_PORT": str(self.server.port)}

    @property
    def url(self) -> str:
        return "http://127.0.0.1:${CASE_PORT}" + self.prefix + "/mcp"


class UrlWholeVariable(Peer):
    """`${URL}`: the whole URL is in a variable."""

    works = True

    def variables(self) -> dict[str, str]:
        return {"CASE_URL": f"{self.origin}{self.prefix}/mcp"}

    @property
    def url(self) -> str:
        return "${CASE_URL}"


class UrlVariableMissing(Peer):
    """A variable of the URL is not set."""

    says = ("NOPE",)

    @property
    def url(self) -> str:
        return super().url + "?key=${NOPE}"


class UrlUserInfo(_Wants):
    """`http://me:good@…`: user and password stand in the URL."""

    @property
    def url(self) -> str:
        return super().url.replace("http://", "http://me:good@")

    def right(self, request: Request) -> bool:
        return request.header("authorization") == "Basic " + base64.b64encode(b"me:good").decode()


class UrlSpaceBehind(Peer):
    """A space stands behind the URL."""

    @property
    def url(self) -> str:
        return super().url + " "


class UrlSpaceBefore(Peer):
    """A space stands before the URL."""

    @property
    def url(self) -> str:
        return " " + super().url


class UrlNoScheme(Peer):
    """The URL has no scheme."""

    @property
    def url(self) -> str:
        return super().url.removeprefix("http://")


# ------------------------------------------------------------------------------------------------- settings
class SettingsVariable(_Wants):
    """The variable is in pflow's settings, not in the environment."""

    environment: ClassVar[dict[str, str]] = {}
    settings: ClassVar[dict[str, str]] = {"CASE_TOKEN": "good"}
    members: ClassVar[dict[str, Any]] = authorization("Bearer ${CASE_TOKEN}")


class SettingsVariableOtherCase(_Wants):
    """The variable is in pflow's settings, in other letters: pflow does not mind."""

    environment: ClassVar[dict[str, str]] = {}
    settings: ClassVar[dict[str, str]] = {"case_token": "good"}
    members: ClassVar[dict[str, Any]] = authorization("Bearer ${CASE_TOKEN}")


class SettingsUnderEnvironment(_Wants):
    """The variable is in pflow's settings and in the environment, which wins."""

    settings: ClassVar[dict[str, str]] = {"CASE_TOKEN": "bad"}
    members: ClassVar[dict[str, Any]] = authorization("Bearer ${CASE_TOKEN}")


class SettingsUrlVariable(UrlQueryVariable):
    """A variable of the URL is in pflow's settings."""

    environment: ClassVar[dict[str, str]] = {}
    settings: ClassVar[dict[str, str]] = {"CASE_TOKEN": "good"}


# ------------------------------------------------------------------------------------------------- members of the entry
class _Members(Peer):
    """An entry with more members."""

    works = True
    members: ClassVar[dict[str, Any]] = {}
    without: ClassVar[tuple[str, ...]] = ()

    def entry(self) -> dict[str, Any]:
        return {key: value for key, value in (super().entry() | self.members).items() if key not in self.without}


class EntryTimeoutMissing(_Members):
    """The entry has no timeout."""

    without = ("timeout",)


class EntryTimeoutFraction(_Members):
    """`"timeout": 20.5`."""

    members: ClassVar[dict[str, Any]] = {"timeout": 20.5}


class EntryTimeoutText(_Members):
    """`"timeout": "20"`."""

    works = False
    members: ClassVar[dict[str, Any]] = {"timeout": "20"}


class EntryTimeoutMilliseconds(_Members):
    """`"timeout": 60000`, as other clients have it."""

    works = False
    members: ClassVar[dict[str, Any]] = {"timeout": 60000}


class EntryTimeoutNull(_Members):
    """`"timeout": null`."""

    works = False
    members: ClassVar[dict[str, Any]] = {"timeout": None}


class EntrySseTimeout(_Members):
    """`"sse_timeout": 60`."""

    members: ClassVar[dict[str, Any]] = {"sse_timeout": 60}


class EntryMore(_Members):
    """The entry has unknown members."""

    members: ClassVar[dict[str, Any]] = {
        "description": "ours",
        "disabled": False,
        "autoApprove": [],
        "tags": {"a": [1, None]},
        "env": {"UNUSED": "x"},
    }


class EntryDisabled(_Members):
    """`"disabled": true`, which pflow does not know."""

    members: ClassVar[dict[str, Any]] = {"disabled": True}


class EntryNulls(_Members):
    """`headers` is null."""

    members: ClassVar[dict[str, Any]] = {"headers": None}


class EntryTypeMissing(_Members):
    """`url` without `type`, as of Cursor."""

    works = False
    without = ("type",)
    says = ('"type": "http"',)


class EntryTypeStreamable(_Members):
    """`"type": "streamable-http"`."""

    works = False
    members: ClassVar[dict[str, Any]] = {"type": "streamable-http"}
    says = ('"type": "http"',)


class EntryTypeStreamableCamel(_Members):
    """`"type": "streamableHttp"`, as of Cline."""

    works = False
    members: ClassVar[dict[str, Any]] = {"type": "streamableHttp"}
    says = ('"type": "http"',)


class EntryTypeSse(_Members):
    """`"type": "sse"`."""

    works = False
    members: ClassVar[dict[str, Any]] = {"type": "sse"}


class EntryTypeUpperCase(_Members):
    """`"type": "HTTP"`."""

    works = False
    members: ClassVar[dict[str, Any]] = {"type": "HTTP"}


class EntryHttpUrl(Peer):
    """`httpUrl`, as of Gemini."""

    says = ('"type": "http"',)

    def entry(self) -> dict[str, Any]:
        return {"httpUrl": self.url, "timeout": 60000, "trust": True}


class EntryServerUrl(Peer):
    """`serverUrl`, as of Windsurf."""

    says = ('"type": "http"',)

    def entry(self) -> dict[str, Any]:
        return {"serverUrl": self.url}


class EntryTransportObject(Peer):
    """`"transport": {"type": "http", "url": …}`."""

    says = ('"type": "http"',)

    def entry(self) -> dict[str, Any]:
        return {"transport": {"type": "streamable-http", "url": self.url}}


class EntryTransportType(Peer):
    """`transportType`, as of BlueKing."""

    says = ('"type": "http"',)

    def entry(self) -> dict[str, Any]:
        return {"transportType": "streamable-http", "url": self.url}


# ------------------------------------------------------------------------------------------------- the file
class FileBom(Peer):
    """A byte order mark begins the file."""

    def file(self, name: str) -> str | bytes:
        return "\ufeff" + str(super().file(name))


class FileUtf16(Peer):
    """The file is UTF-16, as PowerShell writes it."""

    def file(self, name: str) -> str | bytes:
        return str(super().file(name)).encode("utf-16")


class FileComment(Peer):
    """The file has a comment."""

    def file(self, name: str) -> str | bytes:
        return "// servers\n" + str(super().file(name))


class FileTrailingComma(Peer):
    """The file has a comma too many."""

    def file(self, name: str) -> str | bytes:
        return str(super().file(name)).replace("}\n  }", "},\n  }")


class FileServersKey(Peer):
    """`servers` in place of `mcpServers`, as of VS Code."""

    says = ("mcpServers",)

    def file(self, name: str) -> str | bytes:
        return str(super().file(name)).replace("mcpServers", "servers")


class FileNameTwice(Peer):
    """The name stands twice in the file; the last one counts."""

    def file(self, name: str) -> str | bytes:
        dead = json.dumps({"type": "http", "url": "http://127.0.0.1:9/mcp"})
        return f'{{"mcpServers": {{"{name}": {dead}, "{name}": {json.dumps(self.entry())}}}}}'


class FileTabs(Peer):
    """The file is indented by tabs, its members in another order, with empty lines."""

    works = True

    def file(self, name: str) -> str | bytes:
        entry = self.entry()
        lines = [f'\t\t\t"{key}": {json.dumps(entry[key])}' for key in sorted(entry, reverse=True)]
        whole = [
            '{\n\t"other": [1,2],\n\n\t"mcpServers": {',
            f'\t\t"{name}": {{',
            ",\n".join(lines),
            "\t\t}",
            "\t}",
            "}",
            "",
            "",
        ]
        return "\n".join(whole)


class FileOneLine(Peer):
    """The file is one line."""

    works = True

    def file(self, name: str) -> str | bytes:
        return json.dumps({"mcpServers": {name: self.entry()}}, separators=(",", ":"))


class FileOtherServers(Peer):
    """Other servers stand in the file, which do not work."""

    works = True

    def file(self, name: str) -> str | bytes:
        others = {"dead": {"command": "no-such-program"}, "odd": {"type": "websocket", "url": "ws://x"}}
        return json.dumps({"mcpServers": others | {name: self.entry()}, "env": {"A": "b"}}, indent=4)


# ------------------------------------------------------------------------------------------------- proxies and authorities
class _Proxied(Peer):
    """Reached through a proxy alone: its name has no address."""

    works = True
    scheme = "http"
    names: ClassVar[tuple[str, ...]] = ("HTTP_PROXY",)
    credential = ""

    @property
    def host(self) -> str:
        """A name that only the proxy knows."""
        return self.prefix.strip("/").replace("/", "-") + ".case.invalid"

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.host}{self.prefix}/mcp"

    def variables(self) -> dict[str, str]:
        return dict.fromkeys(self.names, f"http://{self.credential}127.0.0.1:{self.server.port}")

    def reaches(self, request: Request) -> bool:
        return request.through_proxy

    def route(self, request: Request, connection: Connection) -> Reply:
        if not request.through_proxy:
            return http(403, TEXT, body=b"not through the proxy")
        return super().route(request, connection)


class ProxyHttp(_Proxied):
    """`HTTP_PROXY`: the gateway is reached through the proxy alone."""


class ProxyLowerCase(_Proxied):
    """`http_proxy` in small letters."""

    names = ("http_proxy",)


class ProxyAll(_Proxied):
    """`ALL_PROXY`."""

    names = ("ALL_PROXY",)


class ProxySetLater(_Proxied):
    """`HTTP_PROXY` is set when the entry was adopted already."""

    def variables(self) -> dict[str, str]:
        return {}

    def later(self) -> dict[str, str]:
        return super().variables()


class ProxyWithPassword(_Proxied):
    """The proxy wants a user and a password, which stand in its URL."""

    credential = "me:p%40ss@"

    def right(self, request: Request) -> bool:
        """Whether the proxy lets it through."""
        wanted = "Basic " + base64.b64encode(b"me:p@ss").decode()
        return request.header("proxy-authorization") == wanted

    def reaches(self, request: Request) -> bool:
        return self.right(request)

    def route(self, request: Request, connection: Connection) -> Reply:
        if not self.right(request):
            return http(407, ("Proxy-Authenticate", "Basic"))
        return super().route(request, connection)


class ProxyTunnel(_Proxied):
    """`HTTPS_PROXY`: TLS goes through the proxy by CONNECT."""

    scheme, secret = "https", True
    names = ("HTTPS_PROXY",)


class ProxyTunnelLowerCase(ProxyTunnel):
    """`https_proxy` in small letters."""

    names = ("https_proxy",)


class ProxyTunnelWithPassword(ProxyTunnel):
    """The proxy wants a user and a password at CONNECT."""

    credential = "me:p%40ss@"

    def tunnel(self, request: Request) -> bytes | None:
        wanted = "Basic " + base64.b64encode(b"me:p@ss").decode()
        if request.header("proxy-authorization") == wanted:
            return None
        return b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n"


class ProxyTunnelSetLater(ProxyTunnel):
    """`https_proxy` is set when the entry was adopted already."""

    names = ("https_proxy",)

    def variables(self) -> dict[str, str]:
        return {}

    def later(self) -> dict[str, str]:
        return super().variables()


class ProxyTunnelRefused(ProxyTunnel):
    """The proxy refuses CONNECT to that host."""

    works, says = False, ("proxy",)

    def tunnel(self, request: Request) -> bytes | None:
        return b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"


class ProxyDead(_Proxied):
    """Nothing listens where the proxy should be."""

    works, says = False, ("proxy",)

    def variables(self) -> dict[str, str]:
        return {"HTTP_PROXY": "http://127.0.0.1:9"}


class ProxyExcepted(Peer):
    """`NO_PROXY` excepts the gateway from a proxy that is dead."""

    works = True

    def variables(self) -> dict[str, str]:
        return {"HTTP_PROXY": "http://127.0.0.1:9", "NO_PROXY": "example.com,127.0.0.1,.internal"}


class ProxyExceptedLowerCase(Peer):
    """`no_proxy` in small letters, with spaces."""

    works = True

    def variables(self) -> dict[str, str]:
        return {"http_proxy": "http://127.0.0.1:9", "no_proxy": "example.com, 127.0.0.1"}


class ProxyExceptedAll(Peer):
    """`NO_PROXY=*`."""

    works = True

    def variables(self) -> dict[str, str]:
        return {"HTTP_PROXY": "http://127.0.0.1:9", "NO_PROXY": "*"}


class ProxyOfOtherScheme(Peer):
    """`HTTPS_PROXY` is set; the gateway is plain HTTP."""

    works = True

    def variables(self) -> dict[str, str]:
        return {"HTTPS_PROXY": "http://127.0.0.1:9"}


class ProxyForLoopback(_Proxied):
    """`HTTP_PROXY` is set, and the gateway is on loopback: pflow asks the proxy."""

    @property
    def url(self) -> str:
        return Peer.url.fget(self)  # type: ignore[attr-defined]

    works = False


class AuthorityOfEnvironment(Peer):
    """TLS by an authority that `SSL_CERT_FILE` names."""

    secret = True
    works = True


class AuthorityUnknown(Peer):
    """TLS by an unknown authority."""

    secret = True
    trusted = False


class AuthorityOtherName(Peer):
    """The certificate is for another name."""

    secret = True

    @property
    def url(self) -> str:
        return super().url.replace("127.0.0.1", "127.0.0.2")


class TlsToPlainPort(Peer):
    """`https://` of a port that speaks plain HTTP."""

    says = ("http://",)
    # It answers something else, or waits for the end of a line that never comes.
    page_says = "TLS with https://HOST failed, or is not completed in time → if the port speaks plain HTTP, write http://HOST"

    @property
    def url(self) -> str:
        return super().url.replace("http://", "https://")


class PlainToTlsPort(Peer):
    """`http://` of a port that speaks TLS."""

    secret = True
    says = ("https",)

    @property
    def url(self) -> str:
        return super().url.replace("https://", "http://")


class NothingListens(Peer):
    """Nothing listens at the port."""

    @property
    def url(self) -> str:
        return "http://127.0.0.1:9/mcp"


class HostUnknown(Peer):
    """The host's name has no address."""

    @property
    def url(self) -> str:
        return "http://gateway.invalid/mcp"
