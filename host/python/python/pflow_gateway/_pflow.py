"""What the start-up hook adds to pflow: the group `pflow mcp gateway`, and gateway lines in `pflow mcp list`, `describe` and `sync`.

Takes pflow's own modules, once they have run. Never changes what a command of pflow does, only what it says besides; and never
contacts a gateway.
"""

from __future__ import annotations

import functools
import sys
import time
from types import ModuleType
from typing import Any

import click

_TRIED = ("0.12", "0.13", "0.14", "0.15", "0.16")
"""Minor versions of pflow that the tests try: `docs/reference/pflow-versions.md` says what works on each."""


class _Gateway(click.Command):
    """Every argument goes to the host untouched, `--help` too."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.args = list(args)
        return []

    def invoke(self, ctx: click.Context) -> None:
        from ._cli import run

        if "--json" not in ctx.args:
            _fail_open(_tell_untried)
        ctx.exit(run("pflow mcp gateway", ctx.args))


def extend_commands(module: ModuleType) -> None:
    """Add to `pflow.cli.commands.mcp`."""
    group: click.Group = module.mcp
    group.add_command(
        _Gateway(
            "gateway",
            short_help="Test, filter and watch MCP gateways.",
            add_help_option=False,
        )
    )
    listing = group.commands.get("list")
    if listing is not None and listing.callback is not None:
        listing.callback = _with_gateways(listing.callback, module)
    sync = group.commands.get("sync")
    if sync is not None and sync.callback is not None:
        sync.callback = _with_old_catalogues(sync.callback, module)
    header = getattr(module, "_format_tool_header", None)
    if header is not None:
        module._format_tool_header = _with_origin(header, module)  # type: ignore[attr-defined]


def _with_gateways(callback: Any, module: ModuleType) -> Any:
    @functools.wraps(callback)
    def list_tools(*args: Any, **kwargs: Any) -> Any:
        if not kwargs.get("output_json"):
            _fail_open(_tell_untried)
        result = callback(*args, **kwargs)
        # With keywords it is a search, with --json it is for programs: both stay as they are.
        if not kwargs.get("output_json") and not kwargs.get("keywords"):
            _fail_open(_print_gateways, module)
        return result

    return list_tools


def _print_gateways(module: ModuleType) -> None:
    from . import _provenance

    manager = module.MCPServerManager()
    configs = manager.get_all_servers()
    if not _provenance.gateways(configs):
        return
    nodes = module.MCPRegistrar().registry.load()
    click.echo("")
    names = list(_provenance.gateways(configs))
    for line in _provenance.lines(configs, nodes, _last_known(manager, names), _seen(manager, names)):
        click.echo(line)


def _with_old_catalogues(callback: Any, module: ModuleType) -> Any:
    @functools.wraps(callback)
    def sync(*args: Any, **kwargs: Any) -> Any:
        if not kwargs.get("output_json"):
            _fail_open(_tell_untried)
        began = time.time()
        try:
            return callback(*args, **kwargs)
        finally:
            # One server may be refused and the next one shown from memory.
            _fail_open(_print_old_catalogues, module, kwargs.get("name"), began)

    return sync


def _print_old_catalogues(module: ModuleType, name: str | None, began: float) -> None:
    from . import _native, _provenance

    manager = module.MCPServerManager()
    known = _provenance.gateways(manager.get_all_servers())
    names = [gateway for gateway in known if name is None or gateway == name]
    if not names:
        return
    for gateway, old in zip(names, _native.shown_stale(manager.config_path.parent, names, began), strict=True):
        if old is not None:
            click.echo(_provenance.old(gateway, *old, now=time.time()))


def _last_known(manager: Any, names: list[str]) -> dict[str, str]:
    # What is remembered is worth a word, and nothing more.
    try:
        from . import _native

        known = _native.last_known(manager.config_path.parent, names)
    except Exception:
        return {}
    return {name: words for name, words in zip(names, known, strict=True) if words}


def _seen(manager: Any, names: list[str]) -> dict[str, tuple[str | None, dict[str, int]]]:
    try:
        from . import _native

        seen = _native.seen(manager.config_path, names)
    except Exception:
        return {}
    return {name: one for name, one in zip(names, seen, strict=True) if one}


def _with_origin(header: Any, module: ModuleType) -> Any:
    @functools.wraps(header)
    def format_tool_header(tool_info: dict[str, Any]) -> None:
        header(tool_info)
        _fail_open(_print_origin, module, tool_info["node_name"])

    return format_tool_header


def _print_origin(module: ModuleType, node_name: str) -> None:
    from . import _provenance

    interface = module.MCPRegistrar().registry.load()[node_name]["interface"]
    server = interface["mcp_metadata"]["server"]
    origin = _provenance.of_tool(server, module.MCPServerManager().get_server(server), interface)
    if origin is not None:
        click.echo(f"Gateway: {_provenance.line(origin)}")


def extend_registrar(module: ModuleType) -> None:
    """Add to `pflow.mcp.registrar`: each tool's gateway and service, in `mcp_metadata["gateway"]`."""
    registrar = module.MCPRegistrar
    create = registrar._create_registry_entry

    @functools.wraps(create)
    def create_with_provenance(self: Any, server_name: str, tool: dict[str, Any]) -> dict[str, Any]:
        entry: dict[str, Any] = create(self, server_name, tool)
        _fail_open(_add_provenance, self, server_name, entry)
        return entry

    registrar._create_registry_entry = create_with_provenance


def _add_provenance(registrar: Any, server_name: str, entry: dict[str, Any]) -> None:
    from . import _provenance

    config = registrar.manager.get_server(server_name)
    gateway = _provenance.of_tool(server_name, config, entry["interface"])
    if gateway is not None:
        entry["interface"]["mcp_metadata"]["gateway"] = gateway


def _tell_untried() -> None:
    """Say that nobody tried this version of pflow, to people who look at gateways; a workflow that runs is not disturbed."""
    from importlib.metadata import version

    installed = version("pflow-cli")
    if ".".join(installed.split(".")[:2]) in _TRIED:
        return
    print(
        f"⚠ pflow-gateway was not tried with pflow {installed}, only with {_TRIED[0]} to {_TRIED[-1]}: "
        "if something does not work, install one of these, or set PFLOW_GATEWAY_DISABLE=1",
        file=sys.stderr,
    )


def _fail_open(function: Any, *args: Any) -> None:
    try:
        function(*args)
    except Exception as error:
        if not _fail_open.said:  # type: ignore[attr-defined]
            _fail_open.said = True  # type: ignore[attr-defined]
            print(f"⚠ pflow-gateway: {type(error).__name__}: {error}", file=sys.stderr)


_fail_open.said = False  # type: ignore[attr-defined]
