"""`bondx cluster`: a Dask cluster on this machine for trying one, and the workers of any."""

import argparse
import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from console.cli.process_log import keeps_its_log
from console.commands.opening import Subparsers, add_json_argument, command_parser, noun_parser, workspace_root
from console.commands.typed_numbers import count
from core.errors import ExitCode

if TYPE_CHECKING:
    from core.executors.standing import ClusterStanding
    from core.settings.executor import ExecutorSettings

_MOST_WORKERS = 256
_LAST_PORT = 65535


def add_parser(commands: Subparsers) -> None:
    """Add the command and its verbs."""
    verbs = noun_parser(
        commands,
        "cluster",
        help="the Dask cluster on which trials, folds and members are computed (executor.kind: dask)",
    )
    start = command_parser(verbs, "start", help="run a scheduler and workers on this machine until Ctrl-C, to try one")
    start.add_argument("--workers", type=count, default=2, metavar="N", help="worker processes (default: 2)")
    start.add_argument("--port", type=count, default=0, metavar="PORT", help="of the scheduler (default: a free one)")
    start.add_argument(
        "--memory-mb", type=count, default=0, metavar="MIB", help="of each worker (default: its share of the machine)"
    )
    start.add_argument("--tls", type=Path, metavar="FOLDER", help="encrypt, with a new certificate that goes to FOLDER")
    add_json_argument(start)
    start.set_defaults(command=start_cluster)
    show = command_parser(verbs, "show", help="the workers of a cluster with their memory and tasks")
    show.add_argument("address", nargs="?", default="", metavar="ADDRESS", help="tcp://HOST:PORT (default: executor's)")
    add_json_argument(show)
    show.set_defaults(command=show_cluster)


@keeps_its_log
def start_cluster(args: argparse.Namespace) -> int:
    """Run a cluster until SIGINT or SIGTERM."""
    from console.cli.unread_output import unread_output_is_harmless

    with unread_output_is_harmless():
        return _start(args)


def _start(args: argparse.Namespace) -> int:
    import msgspec

    from console.cli.output import print_json
    from core.errors import UsageError
    from core.executors.local_cluster import local_cluster

    if args.workers > _MOST_WORKERS:
        raise UsageError(f"--workers {args.workers}: at most {_MOST_WORKERS} on one machine.")
    if args.port > _LAST_PORT:
        raise UsageError(f"--port {args.port}: use a port from 1 to {_LAST_PORT}.")
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: stop.set())
    tls = args.tls.resolve() if args.tls is not None else None
    with local_cluster(args.workers, port=args.port, memory_limit_mb=args.memory_mb, tls_folder=tls) as executor:
        if args.json:
            print_json({"executor": msgspec.to_builtins(executor), "workers": args.workers})
        else:
            print(f"{executor.address}  {args.workers} workers; stop with Ctrl+C", flush=True)
            print(f"executor: {_block(executor)}", flush=True)
        stop.wait()
    return ExitCode.GOOD


def show_cluster(args: argparse.Namespace) -> int:
    """Print the workers of a cluster."""
    from console.cli.output import print_json
    from core.executors.standing import cluster_standing, settings_for

    standing = cluster_standing(settings_for(args.address, _settings(args)))
    if args.json:
        print_json(standing)
        return ExitCode.GOOD
    _print(standing)
    return ExitCode.GOOD


def _print(standing: "ClusterStanding") -> None:
    from console.cli.output import print_facts, print_table
    from console.presentation.cluster import COLUMNS, cluster_facts, worker_row

    print_facts(cluster_facts(standing))
    print_table(map(worker_row, standing.workers), COLUMNS, empty="no worker is there")


def _settings(args: argparse.Namespace) -> "ExecutorSettings":
    """Return the `executor` block in force; the default where there is no workspace."""
    from core.settings import settings_in_force
    from core.settings.executor import ExecutorSettings
    from core.state import Workspace, WorkspaceNotFoundError

    try:
        workspace = Workspace.open(workspace_root(args))
    except WorkspaceNotFoundError:
        if args.workspace is not None or not args.address:
            raise
        return ExecutorSettings()
    return settings_in_force(workspace.root).executor


def _block(executor: "ExecutorSettings") -> str:
    """Write the block for a settings file, in one line."""
    tls = executor.tls
    files = f', tls: {{ca: "{tls.ca}", cert: "{tls.cert}", key: "{tls.key}"}}' if tls is not None else ""
    return f'{{kind: dask, address: "{executor.address}"{files}}}'
