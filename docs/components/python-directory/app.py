"""Which service a tool is from, as a page of the gateway says: `{"create_invoice": "billing"}`.

The catalogue is `discovery.py`'s. `health` and `calls` are passed on with the conversation that is inside of ours, to the component
behind, which is the built-in one after `pflow-gateway-compose`.
"""

from discovery import Conversation
from wit_world import exports
from wit_world.imports import calls, health
from wit_world.imports import pflow_gateway_types as types


class Discovery(exports.Discovery):
    """All of it is the class `Conversation` in `discovery.py`: the tool looks for a module of the interface's name."""


class Health(exports.Health):
    """How the services are, by the component behind."""

    def check(self, conversation: Conversation, known: list[types.Service]) -> list[health.ServiceHealth]:
        """Pass it on."""
        return health.check(conversation.behind, known)


class Calls(exports.Calls):
    """What is called, by the component behind."""

    def call_tool(self, conversation: Conversation, call: calls.Call) -> calls.Outcome:
        """Pass it on. What comes back stays as it is: the contract wants that."""
        return calls.call_tool(conversation.behind, call)

    def cancel(self, conversation: Conversation, token: int, reason: str) -> None:
        """Pass it on. It is another conversation than the call's, mostly in another instance: only the token says which call."""
        calls.cancel(conversation.behind, token, reason)
