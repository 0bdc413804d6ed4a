from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from types import TracebackType
from typing import Any, final

from typing_extensions import Self

from .types import Call, Health, Services, Test, Tools

__all__ = ["Gateway", "__version__", "_compile_component", "last_known", "run", "seen", "shown_stale"]

__version__: str

def run(program: str, args: Sequence[str]) -> int:
    """Runs one command line in this process, on its own stdin, stdout and stderr; gives its exit code."""

def _compile_component(stack: str) -> int:
    """Compiles a component, from stdin to stdout, for the process that started this one; gives the exit code."""

def last_known(folder: str | PathLike[str], names: Sequence[str]) -> list[str | None]:
    """What is remembered of each of these gateways, in words; None for one that is not known. Contacts nothing.

    `folder` is pflow's.
    """

def seen(config: str | PathLike[str], names: Sequence[str]) -> list[tuple[str | None, dict[str, int]] | None]:
    """What somebody who looked saw behind each of these gateways; None for one that nobody looked at. Contacts nothing.

    Gives its kind, and how many tools each service has. `config` is pflow's server file.
    """

def shown_stale(
    folder: str | PathLike[str], names: Sequence[str], since: float
) -> list[tuple[float, int, str] | None]:
    """The old catalogue that pflow was shown of each of these gateways since then, if it was. Contacts nothing.

    Gives when it was read, its number of tools, and how the gateway was; times are seconds since 1970. `folder` is pflow's.
    """

@final
class Gateway:
    """One gateway: a name in pflow's mcp-servers.json, or an http(s) URL.

    Nothing is sent before the first question. Safe to share between threads: calls run side by side, on one session at the
    gateway. Waiting releases the GIL, and Ctrl-C ends it.
    """

    def __new__(
        cls,
        target: str,
        *,
        config: str | PathLike[str] | None = None,
        component: str | PathLike[str] | None = None,
        timeout: float | None = None,
        bearer: str | None = None,
        api_key: str | None = None,
        api_key_header: str = "X-API-Key",
        basic: tuple[str, str] | None = None,
        headers: dict[str, str] | None = None,
    ) -> Self:
        """Read the configuration.

        `config` is another file than `~/.pflow/mcp-servers.json`, `component` another component than the built-in one, and
        `timeout` the seconds that one operation may take. `bearer`, `api_key` (sent as `api_key_header`) or `basic` (user and
        password), and `headers`, are sent to the gateway instead of the entry's credential; `${VAR}` in them is a variable, as in
        the entry. Raises `ConfigError` for an unknown name or a broken file, `ValueError` for arguments that are none.
        """

    @property
    def name(self) -> str:
        """The entry's name, or the URL."""

    def test(self) -> Test:
        """Go through the steps of connecting, one by one. A failure is in the report."""

    def services(self) -> Services:
        """Find the services behind the gateway."""

    def tools(
        self,
        *,
        services: Sequence[str] = (),
        exclude_services: Sequence[str] = (),
        include: Sequence[str] = (),
        exclude: Sequence[str] = (),
        read_only: bool = False,
        no_destructive: bool = False,
        control_tools: bool = False,
    ) -> Tools:
        """List the tools that the gateway's own filter and these arguments both keep.

        The lists hold globs; an empty list of what to keep keeps everything.
        """

    def health(self) -> Health:
        """Say how the gateway and the services behind it are. A failure is in the report."""

    def call(
        self,
        tool: str,
        arguments: Mapping[str, Any] | None = None,
        *,
        timeout: float | None = None,
        meta: Mapping[str, Any] | None = None,
        on_progress: Callable[[float, float | None, str | None], object] | None = None,
        on_message: Callable[[str, str | None, Any], object] | None = None,
    ) -> Call:
        """Call one tool.

        A tool that ran and reported an error is a result with `ok` false and an `error`. Raises a `GatewayError` when there is no
        answer of the tool: the gateway failed, or the filter leaves the tool out. `timeout` is for all of it, in seconds; the gateway's
        own when it is None.

        `on_progress(progress, total, message)` and `on_message(level, logger, data)` are called while it runs, one after the other, from a
        thread of their own, and may use the gateway. Progress that they are too slow for is dropped.
        """

    def close(self) -> None:
        """End the session at the gateway. The next question opens a new one."""

    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        kind: type[BaseException] | None = None,
        value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None: ...
