"""pflow, imported once and then forked for each command line: what a test that runs it hundreds of times can afford.

Reads one JSON order a line on stdin, `{"id", "argv", "env", "cwd", "out", "err", "seconds"}`, and runs it in a child with that
environment and nothing else, its stdout and stderr in the files `out` and `err`. Prints `{"id", "code", "seconds"}` when a child
has ended; `code` is null when it had to be ended after `seconds`. Runs in an environment that has pflow-cli. Ends with its stdin,
its children too.

A child is what the program `pflow` is from the moment its imports are done: its own process, home, exit code and open files.
"""

import gc
import importlib
import json
import os
import select
import signal
import sys
import time

import pflow.cli
import pflow.cli.main
import pflow.mcp.registrar
import pflow.nodes.mcp.node

# What every command imports on its way: here once, there each time.
for late in (
    "anyio._backends._asyncio",
    "httpcore",
    "sqlite3",
    "pflow.cli.logging_config",
    "pflow.cli.rerun_display",
    "pflow.core.prompt_cache_analysis.analyze",
    "pflow.core.workflow.validator",
    "pflow.execution.gate_prompt",
    "pflow.nodes.python.python_code",
    "pflow.runtime.compilation.compiler",
    "pflow.runtime.engine.engine",
    "pflow.runtime.workflow_trace",
):
    importlib.import_module(late)


def child(order):
    """Be pflow. Never returns."""
    os.setsid()
    out, err = (os.open(order[name], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600) for name in ("out", "err"))
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(out, 1)
    os.dup2(err, 2)
    os.environ.clear()
    os.environ.update(order["env"])
    os.chdir(order["cwd"])
    sys.argv = ["pflow", *order["argv"]]
    code = 70
    try:
        code = pflow.cli.cli_main()
    except SystemExit as ended:
        code = ended.code
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code if isinstance(code, int) else 0 if code is None else 1)


def finished(running):
    """Report the children that ended, and end those whose time is over."""
    while running:
        process, status = os.waitpid(-1, os.WNOHANG)
        if process == 0:
            break
        number, started, _ = running.pop(process)
        code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else None
        print(json.dumps({"id": number, "code": code, "seconds": time.monotonic() - started}), flush=True)
    for process, (_, _, until) in running.items():
        if time.monotonic() > until:
            # Its own group, so that whatever it started ends with it.
            os.killpg(process, signal.SIGKILL)


def main():
    # What is there by now stays: no child shall copy it for a look of the collector.
    gc.freeze()
    running = {}
    buffer = b""
    awake, waker = os.pipe()
    os.set_blocking(waker, False)
    signal.set_wakeup_fd(waker)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    while True:
        ready, _, _ = select.select([0, awake], [], [], 0.5 if running else None)
        if awake in ready:
            os.read(awake, 4096)
        finished(running)
        if 0 not in ready:
            continue
        read = os.read(0, 65536)
        if not read:
            break
        *lines, buffer = (buffer + read).split(b"\n")
        for line in lines:
            order = json.loads(line)
            process = os.fork()
            if process == 0:
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                child(order)
            now = time.monotonic()
            running[process] = (order["id"], now, now + order["seconds"])
    for process in running:
        os.killpg(process, signal.SIGKILL)


if __name__ == "__main__":
    main()
