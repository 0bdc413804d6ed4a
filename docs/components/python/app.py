"""Tools by the class of their data: confidential ones in office hours only, secret ones never.

Left out of the list, refused when called all the same; the log says the class of each call (`-v` shows it).
Everything else is done by the component behind, which is the built-in one after `pflow-gateway-compose`.
"""

from datetime import datetime, time, timedelta, timezone
from fnmatch import fnmatchcase

from componentize_py_types import Err
from wit_world import exports
from wit_world.imports import calls, filter, log, review, types
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
    """By the tool's name: a call has nothing else."""
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


def own_verdict(candidate: filter.Candidate, now: datetime) -> filter.Reason | None:
    """Why we leave a tool out, in the words that follow its name."""
    if not allowed(candidate.name, now):
        return filter.Reason_Other(f"{data_class(candidate.name)} data, closed now")
    if "deprecated" in (candidate.description or "").lower():
        return filter.Reason_Other("its own description calls it deprecated")
    return None


class Filter(exports.Filter):
    """What is listed."""

    def looks_at(self) -> filter.Details:
        """What the component behind wants to see, and the description, for ours."""
        return filter.looks_at() | filter.Details.DESCRIPTION

    def select(self, rules: filter.Rules, candidates: list[filter.Candidate]) -> list[filter.Reason | None]:
        """The user's own rules, by the component behind, and then ours."""
        now = datetime.now(timezone.utc)
        verdicts = filter.select(rules, candidates)
        return [
            verdict or own_verdict(candidate, now)
            for candidate, verdict in zip(candidates, verdicts, strict=True)
        ]


# Their ids stay for ever: people refer to them.
RULES = [
    review.Rule(
        id="acme-deprecated",
        title="a tool that its own description calls deprecated",
        severity=review.Severity.WARNING,
        explanation="Our workflows shall not use what will be gone. It is left out of the list; ask its owner for the successor.",
        told_as=None,
    ),
    review.Rule(
        id="acme-personal-data",
        title="a tool with confidential or secret data",
        severity=review.Severity.NOTE,
        explanation="Worth knowing before a workflow is shared: who runs it needs the right to see these data.",
        told_as=None,
    ),
]


def own_findings(tool: types.Tool) -> list[review.Finding]:
    """What our rules think of one tool."""
    found = []
    if "deprecated" in (tool.description or "").lower():
        said = (tool.description or "")[:200]
        message = f"{tool.name} calls itself deprecated"
        found.append(review.Finding(RULES[0].severity, RULES[0].id, tool.name, "description", said, message))
    if data_class(tool.name) != "internal":
        message = f"{tool.name} has {data_class(tool.name)} data"
        found.append(review.Finding(RULES[1].severity, RULES[1].id, tool.name, "name", tool.name[:200], message))
    return found


class Review(exports.Review):
    """What `tools --review` and `health` say of the tools."""

    def rules(self) -> list[review.Rule]:
        """Those of the component behind, and ours."""
        return sorted(review.rules() + RULES, key=lambda rule: rule.id)

    def review(self, tools: list[types.Tool]) -> list[review.Finding]:
        """What they find."""
        return review.review(tools) + [finding for tool in tools for finding in own_findings(tool)]


class Calls(exports.Calls):
    """What is called: a list can be older than the end of office hours."""

    def call_tool(self, conversation: Conversation, call: calls.Call) -> calls.Outcome:
        """Refuse it, or pass it on. What comes back stays as it is: the contract wants that."""
        if not allowed(call.tool, datetime.now(timezone.utc)):
            reason = f"refused by the component: {call.tool} has {data_class(call.tool)} data, which is closed now"
            raise Err(blocked(reason, advice="ask again in office hours, or ask who owns these data"))
        log.log(log.Level.INFO, "data-class", f"call {call.token} of {call.tool}: {data_class(call.tool)}")
        return calls.call_tool(conversation, call)

    def cancel(self, conversation: Conversation, token: int, reason: str) -> None:
        """Pass it on."""
        calls.cancel(conversation, token, reason)
