"""Tools by the class of their data: confidential ones in office hours only, secret ones never.

Left out of the list, refused when called all the same; the log says the class of each call (`-v` shows it).
Everything else is done by the component behind, which is the built-in one after `pflow-gateway-compose`.
"""

from datetime import datetime, time, timedelta, timezone
from fnmatch import fnmatchcase

from componentize_py_types import Err
from wit_world import exports
from wit_world.imports import calls, filter, log, types
from wit_world.imports.discovery import Conversation

# The first line that fits a tool's name decides.
CLASSES = [
    ("*payroll*", "secret"),
    ("hr[._-]*", "confidential"),
    ("*customer*", "confidential"),
    ("*", "internal"),
]
OFFICE = timezone(timedelta(hours=1))  # no time zones in the sandbox: a fixed distance from UTC
OPENS, CLOSES = time(8), time(18)  # Monday to Friday


def data_class(tool: str) -> str:
    """By the tool's name: neither a filter nor a call is shown more of it."""
    return next(name for pattern, name in CLASSES if fnmatchcase(tool, pattern))


def allowed(tool: str, now: datetime) -> bool:
    """Whether this tool may be used at this moment."""
    there = now.astimezone(OFFICE)
    office_hours = there.weekday() < 5 and OPENS <= there.time() < CLOSES
    return {"secret": False, "confidential": office_hours}.get(data_class(tool), True)


def blocked(message: str, advice: str) -> types.Failure:
    """Our rule stopped the call; nothing was sent."""
    return types.Failure(
        code=types.FailureCode_Blocked(),
        delivery=types.Delivery.NOT_DELIVERED,
        http_status=None,
        retry_after=None,
        service=None,
        service_status=None,
        method="tools/call",
        message=message,
        advice=advice,
        details=[],
    )


class Filter(exports.Filter):
    """What is listed."""

    def select(self, rules: filter.Rules, candidates: list[filter.Candidate]) -> list[filter.Reason | None]:
        """The user's own rules, by the component behind, and then ours."""
        now = datetime.now(timezone.utc)
        verdicts = filter.select(rules, candidates)
        return [
            verdict if allowed(candidate.name, now) else filter.Reason.TOOL_EXCLUDED
            for candidate, verdict in zip(candidates, verdicts, strict=True)
        ]


class Calls(exports.Calls):
    """What is called: a list can be older than the end of office hours."""

    def call_tool(self, conversation: Conversation, call: calls.Call) -> calls.Outcome:
        """Refuse it, or pass it on. What comes back stays as it is: the contract wants that."""
        if not allowed(call.tool, datetime.now(timezone.utc)):
            reason = f"refused by the component: {call.tool} has {data_class(call.tool)} data, which is closed now"
            raise Err(blocked(reason, advice="ask again in office hours, or ask who owns these data"))
        log.log(log.Level.INFO, "data-class", f"call {call.request_id} of {call.tool}: {data_class(call.tool)}")
        return calls.call_tool(conversation, call)

    def cancel(self, conversation: Conversation, request_id: int, reason: str) -> None:
        """Pass it on."""
        calls.cancel(conversation, request_id, reason)
