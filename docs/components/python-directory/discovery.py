"""A conversation of ours around one of the component behind, and the catalogue with what the page says."""

from __future__ import annotations

import json
from collections import Counter
from urllib.parse import urljoin

from http_get import NoAnswer, get
from wit_world.exports import discovery as exported
from wit_world.imports import discovery as behind
from wit_world.imports import log
from wit_world.imports import pflow_gateway_types as types

# The user says which page: `"settings": {"directory": "/directory.json"}` in the entry, which has to allow it in `paths`, too.
SETTING = "directory"


class Conversation(exported.Conversation):
    """Everything that is not the catalogue is passed on. Errors of the component behind go on as they are."""

    def __init__(self, conversation: behind.Conversation) -> None:
        self.behind = conversation

    @classmethod
    def open(cls, endpoint: types.Endpoint, attach: bytes | None) -> Conversation:
        """Connect, or attach to a session: its state is the component behind's, and stays as it is."""
        return cls(behind.Conversation.open(endpoint, attach))

    def endpoint(self) -> types.Endpoint:
        """Pass it on."""
        return self.behind.endpoint()

    def session(self) -> types.Session:
        """Pass it on."""
        return self.behind.session()

    def state(self) -> bytes:
        """Pass it on."""
        return self.behind.state()

    def renew(self) -> None:
        """Pass it on."""
        self.behind.renew()

    def close(self) -> None:
        """Pass it on."""
        self.behind.close()

    def list_tools(self) -> types.Catalog:
        """The catalogue of the component behind, with the services that the page names."""
        catalog = self.behind.list_tools()
        page = dict(self.endpoint().settings).get(SETTING)
        if page:
            attribute(catalog, page, directory(urljoin(self.endpoint().url, page)))
        return catalog


def directory(url: str) -> dict[str, str]:
    """Services by tool. A page that is not there costs nobody the catalogue: an exception that nobody catches would."""
    try:
        said = json.loads(get(url))
        if not isinstance(said, dict):
            raise ValueError("it is not an object")
        return {tool: service for tool, service in said.items() if isinstance(service, str) and service}
    except (NoAnswer, ValueError) as problem:
        log.log(log.Level.WARN, "directory", f"{url} cannot be read: {problem}")
        return {}


def attribute(catalog: types.Catalog, page: str, services: dict[str, str]) -> None:
    """Tools that the page names are of the service that it says; then the services are counted anew."""
    for tool in catalog.tools:
        # What the user declared stands; the host would not let us say it either.
        if tool.name in services and tool.provenance.attribution != types.Attribution.DECLARED:
            tool.provenance = types.Provenance(
                service=services[tool.name],
                service_id=None,
                # The gateway itself says so, by a page of its own.
                attribution=types.Attribution.REPORTED,
                confidence=types.Confidence.CERTAIN,
                evidence=f'GET {page} says "{services[tool.name]}"',
                original_name=tool.provenance.original_name,
            )
    counts = Counter(tool.provenance.service for tool in catalog.tools if tool.provenance.service)
    # One without tools stays when the gateway itself reports it.
    stays = (types.Attribution.DECLARED, types.Attribution.REPORTED)
    catalog.services = [one for one in catalog.services if counts[one.name] or one.attribution in stays]
    known = {one.name: one for one in catalog.services}
    for name, count in counts.items():
        of_it = [tool.provenance for tool in catalog.tools if tool.provenance.service == name]
        service = known.get(name)
        if service is None:
            service = types.Service(
                name, count, types.Attribution.NONE, types.Confidence.NONE, types.Status.UNKNOWN, []
            )
            catalog.services.append(service)
        service.tools = count
        # The weakest rung and confidence among its tools; the order of both counts, best first.
        service.attribution = max((one.attribution for one in of_it), key=lambda rung: rung.value)
        service.confidence = max((one.confidence for one in of_it), key=lambda trust: trust.value)
        if any(name == said for said in services.values()):
            service.evidence = [f"GET {page} says so", *service.evidence]
