"""Lists of tools: pages, names, schemas and members as servers write them.

Takes `tools/list`; gives lists that are odd in one thing. Never an odd HTTP answer.
"""

from __future__ import annotations

from typing import Any, ClassVar

from .peer import HTML, TEXT, Peer, Step, event, http, notice, text, tool
from .server import Ends, Reply, Request

KIND = "Lists and pages"
OTHERS = [tool(f"note__{number}") for number in range(6)]


class _Pages(Peer):
    """Lists in pages."""

    works = True
    differs = "pflow alone reads the first page"

    def pages(self) -> dict[str | None, tuple[list[dict[str, Any]], Any]]:
        """By cursor: the tools, and the next cursor."""
        return {None: (self.tools, "p2"), "p2": (OTHERS[:3], "p3"), "p3": (OTHERS[3:], None)}

    def list(self, request: Request) -> Reply:
        page = self.pages().get(request.params.get("cursor"))
        if page is None:
            return self.error(request, -32602, "Invalid cursor")
        return self.result(request, {"tools": page[0]} | ({} if page[1] is None else {"nextCursor": page[1]}))


class PagesThree(_Pages):
    """Three pages."""


class PagesCursorOdd(_Pages):
    """The cursor is Base64 with `+`, `/` and `=`."""

    def pages(self) -> dict[str | None, tuple[list[dict[str, Any]], Any]]:
        return {None: (self.tools, "a+b/c=="), "a+b/c==": (OTHERS, None)}


class PagesCursorNull(_Pages):
    """The last page says `"nextCursor": null`."""

    def list(self, request: Request) -> Reply:
        return self.result(request, {"tools": self.tools, "nextCursor": None})


class PagesCursorNumber(_Pages):
    """The cursor is a number."""

    works = False

    def pages(self) -> dict[str | None, tuple[list[dict[str, Any]], Any]]:
        return {None: (self.tools, 2)}


class PagesCursorEmpty(_Pages):
    """`"nextCursor": ""` on the only page; cursors are ignored."""

    unsaid = ("refuse to call",)

    def list(self, request: Request) -> Reply:
        return self.result(request, {"tools": self.tools, "nextCursor": ""})


class PagesCursorEmptyRefused(_Pages):
    """`"nextCursor": ""` on the only page; an empty cursor is refused."""

    def pages(self) -> dict[str | None, tuple[list[dict[str, Any]], Any]]:
        return {None: (self.tools, "")}


class PagesSame(_Pages):
    """The same page and the same cursor for ever."""

    def list(self, request: Request) -> Reply:
        return self.result(request, {"tools": self.tools, "nextCursor": "again"})


class PagesCircle(_Pages):
    """The third page leads back to the second."""

    def pages(self) -> dict[str | None, tuple[list[dict[str, Any]], Any]]:
        return {None: (self.tools, "p2"), "p2": (OTHERS[:3], "p3"), "p3": (OTHERS[3:], "p2")}


class PagesNewCursorSamePage(_Pages):
    """The same page for ever, each time with a new cursor."""

    def list(self, request: Request) -> Reply:
        return self.result(request, {"tools": self.tools, "nextCursor": f"c{len(self.seen)}"})


class PagesSecondFails(_Pages):
    """The second page fails with 500."""

    works = False

    def list(self, request: Request) -> Reply:
        return http(500, TEXT, body=b"boom") if request.params.get("cursor") else super().list(request)


class PagesSecondHangs(_Pages):
    """The second page never comes."""

    timeout = 8

    def list(self, request: Request) -> Reply:
        return Ends.SILENCE if request.params.get("cursor") else super().list(request)


class PagesSecondNoSession(_Pages):
    """The second page is answered with 404, as if there were no session."""

    def list(self, request: Request) -> Reply:
        return http(404, TEXT, body=b"Session not found") if request.params.get("cursor") else super().list(request)


class PagesSecondRefused(_Pages):
    """The second page is answered with 401; the credential is good for everything else."""

    def list(self, request: Request) -> Reply:
        return http(401) if request.params.get("cursor") else super().list(request)


class PagesSecondNoJson(_Pages):
    """The second page is a page for people."""

    def list(self, request: Request) -> Reply:
        page = http(200, HTML, body=b"<html><title>Please sign in</title></html>")
        return page if request.params.get("cursor") else super().list(request)


class PagesThirdOfFiveFails(_Pages):
    """Five pages, of which the third is too much for the gateway."""

    def pages(self) -> dict[str | None, tuple[list[dict[str, Any]], Any]]:
        more: dict[str | None, tuple[list[dict[str, Any]], Any]] = {
            f"p{at}": ([OTHERS[at]], f"p{at + 1}" if at < 5 else None) for at in range(2, 6)
        }
        return {None: (self.tools, "p2")} | more

    def list(self, request: Request) -> Reply:
        third = request.params.get("cursor") == "p3"
        return http(429, TEXT, body=b"too many requests") if third else super().list(request)


class PagesSecondHoldsTheTool(_Pages):
    """The tool that is called stands on the second page, which fails when the tool is called."""

    steps: ClassVar[list[Step]] = [("note__list", {})]

    def list(self, request: Request) -> Reply:
        later = sum(seen.rpc == "tools/list" and not seen.params.get("cursor") for seen in self.seen) > 1
        if request.params.get("cursor"):
            return http(500, TEXT, body=b"boom") if later else self.result(request, {"tools": self.tools})
        return self.result(request, {"tools": OTHERS[:1], "nextCursor": "p2"})


class PagesSecondEmpty(_Pages):
    """The second page is empty, the third is not."""

    def pages(self) -> dict[str | None, tuple[list[dict[str, Any]], Any]]:
        return {None: (self.tools, "p2"), "p2": ([], "p3"), "p3": (OTHERS, None)}


class PagesFirstEmpty(_Pages):
    """The first page is empty, the second is not."""

    def pages(self) -> dict[str | None, tuple[list[dict[str, Any]], Any]]:
        return {None: ([], "p2"), "p2": (self.tools, None)}


class PagesOverlap(_Pages):
    """A tool stands at the end of one page and at the start of the next."""

    def pages(self) -> dict[str | None, tuple[list[dict[str, Any]], Any]]:
        return {None: (self.tools, "p2"), "p2": ([self.tools[-1], *OTHERS], None)}


# ------------------------------------------------------------------------------------------------- the list itself
class ListEmpty(Peer):
    """There are no tools."""

    steps: ClassVar[list[Step]] = []

    def page(self, request: Request) -> Any:
        return {"tools": []}


class ListNull(Peer):
    """`"tools": null`."""

    steps: ClassVar[list[Step]] = []

    def page(self, request: Request) -> Any:
        return {"tools": None}


class ListMissing(Peer):
    """There is no member `tools`."""

    steps: ClassVar[list[Step]] = []

    def page(self, request: Request) -> Any:
        return {}


class ListObject(Peer):
    """`tools` is an object, by name."""

    def page(self, request: Request) -> Any:
        return {"tools": {one["name"]: one for one in self.tools}}


class ListUnknownMethod(Peer):
    """`tools/list` is not known."""

    def list(self, request: Request) -> Reply:
        return self.error(request, -32601, "Method not found")


class ListMore(Peer):
    """The list has unknown members."""

    works = True

    def page(self, request: Request) -> Any:
        return {"tools": self.tools, "_meta": {"took": 1}, "total": 2, "page": 1}


class ListTwice(Peer):
    """Each tool is listed twice."""

    works = True

    def page(self, request: Request) -> Any:
        return {"tools": self.tools * 2}


class ListChanges(Peer):
    """The second list has other tools, and the one that is called as well."""

    works = True

    def page(self, request: Request) -> Any:
        return {"tools": [*self.tools, tool(f"note__{len(self.seen)}")]}

    differs = "the list changes each time"


class ListShrinks(Peer):
    """After the first list, the tool that is called is no longer listed; it can still be called."""

    def page(self, request: Request) -> Any:
        first = sum(seen.rpc == "tools/list" for seen in self.seen) == 1
        return {"tools": self.tools if first else self.tools[1:]}


class ListShrinksForGood(ListShrinks):
    """After the first list, the tool that is called is gone: the gateway does not know it any more."""

    says = ("note__add",)
    unsaid = ("may have run",)

    def reaches(self, request: Request) -> bool:
        return False

    def call(self, request: Request) -> Reply:
        return self.error(request, -32602, "Unknown tool: note__add")


class ListShrinksForGoodInText(ListShrinksForGood):
    """The same; the gateway says so in a result with `isError`."""

    def call(self, request: Request) -> Reply:
        return self.result(request, text("Unknown tool: note__add", isError=True))


class ListShrinksAndFails(ListShrinks):
    """After the first list, the tool that is called is no longer listed; it runs, and its answer is lost."""

    lost = True

    def call(self, request: Request) -> Reply:
        return Ends.CLOSE


class ListFailsLater(Peer):
    """Only the first list works; calls always do."""

    def list(self, request: Request) -> Reply:
        first = sum(seen.rpc == "tools/list" for seen in self.seen) == 1
        return super().list(request) if first else http(500, TEXT, body=b"boom")


class ListHangsLater(Peer):
    """Only the first list is answered; calls always are."""

    timeout = 6

    def list(self, request: Request) -> Reply:
        first = sum(seen.rpc == "tools/list" for seen in self.seen) == 1
        return super().list(request) if first else self.slowly(*[b": wait\n\n", 0.5] * 100)


class ListLong(Peer):
    """Six hundred tools on one page."""

    works = True

    def page(self, request: Request) -> Any:
        return {"tools": [*self.tools, *(tool(f"svc{number % 40}__do_{number}") for number in range(600))]}


class ListBeforeInitialized(Peer):
    """A notification comes in the stream of the list."""

    works = True

    def list(self, request: Request) -> Reply:
        changed = event(notice("notifications/tools/list_changed"), "event: message")
        return self.stream(changed, event(self.message(request, self.page(request)), "event: message"))


# ------------------------------------------------------------------------------------------------- members of tools
class _Member(Peer):
    """One tool, odd in one member."""

    works = True
    odd: ClassVar[dict[str, Any]] = {}
    without: ClassVar[tuple[str, ...]] = ()

    def page(self, request: Request) -> Any:
        first, *rest = self.tools
        return {"tools": [{key: value for key, value in (first | self.odd).items() if key not in self.without}, *rest]}


class ToolMore(_Member):
    """A tool has unknown members."""

    odd: ClassVar[dict[str, Any]] = {"category": "x", "version": 3, "deprecated": False, "examples": [{}]}


class ToolDescriptionMissing(_Member):
    """A tool has no description."""

    without = ("description",)


class ToolDescriptionNull(_Member):
    """A tool's description is null."""

    odd: ClassVar[dict[str, Any]] = {"description": None}


class ToolDescriptionNumber(_Member):
    """A tool's description is a number."""

    works = False
    odd: ClassVar[dict[str, Any]] = {"description": 7}


class ToolDescriptionLong(_Member):
    """A tool's description has a hundred thousand letters."""

    odd: ClassVar[dict[str, Any]] = {"description": "long " * 20_000}


class ToolDescriptionOdd(_Member):
    """A tool's description has emoji, right-to-left marks, tabs and line ends."""

    differs = "what is not seen is taken out"
    odd: ClassVar[dict[str, Any]] = {"description": "a\tb\r\nc \U0001f680 \u202eabc\u202c \ufeff \u2028 <b>&amp;"}


class ToolSchemaMissing(_Member):
    """A tool has no input schema."""

    works = False
    without = ("inputSchema",)


class ToolSchemaNull(_Member):
    """A tool's input schema is null."""

    works = False
    odd: ClassVar[dict[str, Any]] = {"inputSchema": None}


class ToolSchemaArray(_Member):
    """A tool's input schema is `[]`, as PHP writes an empty object."""

    works = False
    odd: ClassVar[dict[str, Any]] = {"inputSchema": []}


class ToolNameMissing(_Member):
    """Beside good tools there is one without a name."""

    works = False

    def page(self, request: Request) -> Any:
        return {"tools": [*self.tools, {"description": "nameless", "inputSchema": {"type": "object"}}]}


class ToolAnnotationsOdd(_Member):
    """Annotations have unknown members, and null."""

    odd: ClassVar[dict[str, Any]] = {"annotations": {"readOnlyHint": None, "audience": ["user"], "title": ""}}


class ToolAnnotationsText(_Member):
    """`readOnlyHint` is the text "false"."""

    odd: ClassVar[dict[str, Any]] = {"annotations": {"readOnlyHint": "false"}}


class ToolAnnotationsArray(_Member):
    """Annotations are `[]`."""

    works = False
    odd: ClassVar[dict[str, Any]] = {"annotations": []}


class ToolIcons(_Member):
    """A tool has a title and icons."""

    odd: ClassVar[dict[str, Any]] = {
        "title": "Add a note",
        "icons": [{"src": "data:image/png;base64,AA==", "mimeType": "image/png", "sizes": ["48x48"]}],
    }


class ToolMetaOdd(_Member):
    """A tool's `_meta` holds anything."""

    odd: ClassVar[dict[str, Any]] = {"_meta": {"a/b": [1, None, {"c": True}], "": ""}}


class ToolMetaArray(_Member):
    """A tool's `_meta` is `[]`."""

    works = False
    odd: ClassVar[dict[str, Any]] = {"_meta": []}


class ToolExecution(_Member):
    """A tool says that it can be run as a task."""

    odd: ClassVar[dict[str, Any]] = {"execution": {"taskSupport": "optional"}}


# ------------------------------------------------------------------------------------------------- names
class _Name(Peer):
    """A tool with an odd name."""

    works = True
    name = ""

    def page(self, request: Request) -> Any:
        return {"tools": [tool(self.name), tool("plain")]}

    def outcome(self, request: Request) -> Any:
        return text(f"ran {request.params['name']}")

    def reaches(self, request: Request) -> bool:
        return bool(request.params.get("name") == self.name)

    @property
    def steps(self) -> list[Step]:  # type: ignore[override]
        return [(self.name, {"text": "x"})]


def _named(case: str, what: str, name: str) -> type[Peer]:
    """A case for a name."""
    return type(case, (_Name,), {"__doc__": what, "name": name, "__module__": __name__})


NameDots = _named("NameDots", "`admin.tools.list` as a tool's name.", "admin.tools.list")
NameSlash = _named("NameSlash", "`user-profile/update` as a tool's name.", "user-profile/update")
NameColon = _named("NameColon", "`github:create_issue` as a tool's name.", "github:create_issue")
NameHyphens = _named("NameHyphens", "`apify-slash-rag-web-browser` as a tool's name.", "apify-slash-rag-web-browser")
NameSpaces = _named("NameSpaces", "`Create CIFS Share` as a tool's name.", "Create CIFS Share")
NameUnicode = _named(
    "NameUnicode",
    "`\u00fcn\u00efc\u00f6d\u00e9_\u5de5\u5177` as a tool's name.",
    "\u00fcn\u00efc\u00f6d\u00e9_\u5de5\u5177",
)
NameEmoji = _named("NameEmoji", "An emoji in a tool's name.", "emoji_\U0001f680")
NameLong = _named("NameLong", "A tool's name of 129 letters.", "x" * 129)
NameProto = _named("NameProto", "`__proto__` as a tool's name.", "__proto__")
NameFlag = _named("NameFlag", "`--help` as a tool's name.", "--help")
NameQuote = _named("NameQuote", "A quote and `;` in a tool's name.", "it's;so")
NamePercent = _named("NamePercent", "`percent%20name` as a tool's name.", "percent%20name")
NameTripleUnderscore = _named("NameTripleUnderscore", "`Target___get_order` as of AgentCore.", "Target___get_order")
NameOfMcp = _named("NameOfMcp", "`mcp__github__list` as a tool's name.", "mcp__github__list")
NameCapitals = _named("NameCapitals", "`GITHUB_CREATE_ISSUE` as of Composio.", "GITHUB_CREATE_ISSUE")
NameDigits = _named("NameDigits", "`42` as a tool's name.", "42")


class NameCaseTwins(_Name):
    """`get_item` and `Get_Item` are two tools."""

    name = "Get_Item"

    def page(self, request: Request) -> Any:
        return {"tools": [tool("get_item"), tool("Get_Item")]}


class NameSpaceAtEnd(_Name):
    """A tool's name ends with a space, beside good ones."""

    name = "plain"

    def page(self, request: Request) -> Any:
        return {"tools": [tool("plain"), tool("trailing "), tool("with\u00a0nbsp"), tool("-")]}


class NameEmpty(_Name):
    """A tool's name is empty, beside a good one."""

    differs = "a tool without a name is left out"
    name = "plain"
    works = False

    def page(self, request: Request) -> Any:
        return {"tools": [tool("plain"), tool("")]}
