"""Tools by the class of their data: confidential ones in office hours only, secret ones never.

Left out of the list, refused when called all the same, and every result says the class of what it holds.
Everything else is done by the component behind, which is the built-in one after `component compose`.
"""

import json
from datetime import datetime, time, timedelta, timezone
from fnmatch import fnmatchcase

from componentize_py_types import Err
from wit_world import exports
from wit_world.imports import calls, filter, types
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
LABEL = "example.com/data-class"  # the member of a result's `_meta`


def data_class(tool: str) -> str:
    return next(name for pattern, name in CLASSES if fnmatchcase(tool, pattern))


def allowed(tool: str, now: datetime) -> bool:
    there = now.astimezone(OFFICE)
    office_hours = there.weekday() < 5 and OPENS <= there.time() < CLOSES
    return {"secret": False, "confidential": office_hours}.get(data_class(tool), True)


class Filter(exports.Filter):
    def select(self, rules: filter.Rules, candidates: list[filter.Candidate]) -> list[filter.Reason | None]:
        now = datetime.now(timezone.utc)
        verdicts = filter.select(rules, candidates)  # the user's own rules, by the component behind
        return [
            verdict if allowed(candidate.name, now) else filter.Reason.TOOL_EXCLUDED
            for candidate, verdict in zip(candidates, verdicts, strict=True)
        ]


class Calls(exports.Calls):
    def call_tool(self, conversation: Conversation, call: calls.Call) -> calls.Outcome:
        if not allowed(call.tool, datetime.now(timezone.utc)):
            reason = f"{call.tool} has {data_class(call.tool)} data, which is closed now"
            raise Err(types.Error_Rejected(types.RpcError("tools/call", -32602, reason, None)))
        outcome = calls.call_tool(conversation, call)
        result = json.loads(outcome.result)
        result.setdefault("_meta", {})[LABEL] = data_class(call.tool)
        outcome.result = json.dumps(result, ensure_ascii=False)
        return outcome

    def cancel(self, conversation: Conversation, request_id: int, reason: str) -> None:
        calls.cancel(conversation, request_id, reason)
