"""`bondx doctor`: find damage in a workspace and gaps on the machine, and restore a damaged file."""

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from console.cli.streams import answers
from console.commands.opening import (
    Subparsers,
    add_json_argument,
    add_reason_argument,
    command_parser,
    open_workspace,
    person,
    workspace_root,
)
from core.errors import ExitCode

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from core.maintenance.environment_item import EnvironmentItem
    from core.state import Workspace

LEAST_SIZE = (80, 24)
A_TERMINAL = "xterm-256color"
_UNNAMED_TERMINALS = ("", "dumb", "unknown")


def add_parser(commands: Subparsers) -> None:
    """Add the command."""
    parser = command_parser(commands, "doctor", help="check every file of the workspace; restore a damaged file")
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "--restore",
        type=Path,
        metavar="FILE",
        help="restore this state file from its last good generation; the damaged bytes are kept beside it",
    )
    what.add_argument(
        "--environment",
        action="store_true",
        help="check the machine instead: Python, libraries and their versions, tools, extras, time zones, clock, "
        "locale, limits, file system, terminal",
    )
    what.add_argument(
        "--repair",
        action="store_true",
        help="close the files to other accounts, remove what a killed restoration left beside the workspace, and "
        "repair documents that do not read as their type; each old document is kept, and the audit log records it",
    )
    what.add_argument(
        "--space",
        action="store_true",
        help="print the size of every store, its growth a day, its limit, and when the disk will be full",
    )
    what.add_argument(
        "--health",
        action="store_true",
        help="print the state of the engine's workers; exit code 1 if one fails, or if the engine no longer reports",
    )
    what.add_argument(
        "--compact",
        action="store_true",
        help="rewrite the stores without the space of deleted rows, and give it back to the disk",
    )
    add_json_argument(parser)
    add_reason_argument(parser)
    parser.set_defaults(command=doctor)


def doctor(args: argparse.Namespace) -> int:
    """Print findings (exit code 1 if any), repair them, or restore one file."""
    from console.cli.output import print_json, print_sentences, printable

    if args.environment:
        return print_environment(workspace_root(args), as_json=args.json)
    workspace = open_workspace(args)
    if args.restore is not None:
        from core.maintenance.restore import restore

        outcome = restore(workspace, args.restore, actor=person())
        if args.json:
            print_json(outcome)
        else:
            print(outcome)
        return ExitCode.GOOD
    if args.space:
        return print_space(workspace, as_json=args.json)
    if args.health:
        return print_health(workspace, as_json=args.json)
    if args.compact:
        return compact_stores(workspace, as_json=args.json)
    from core.maintenance.doctor import examine

    if args.repair:
        from core.maintenance.repair import repair

        done = repair(workspace, actor=person(), reason=args.reason)
        if args.json:
            print_json(done)
        else:
            print("\n".join(map(printable, done)) or "nothing had to be repaired")
        return ExitCode.GOOD
    args.has_warned_of_policy = True  # it is one of the findings
    findings = examine(workspace)
    if args.json:
        print_json(findings)
    else:
        for finding in findings:
            print_sentences(str(finding.file), {"problem": finding.problem, "fix": finding.cure})
        if not findings:
            print(f"{workspace.root}: no damage found (bondx registry verify checks the files of versions)")
    return ExitCode.FAILING if findings else ExitCode.GOOD


def print_space(workspace: "Workspace", *, as_json: bool) -> int:
    """Print what every store takes, and when the disk will be full."""
    from console.cli.output import print_json, print_table
    from console.presentation.phrases import size
    from core.maintenance.space import measure
    from core.settings import settings_in_force

    space = measure(workspace, settings_in_force(workspace.root))
    if as_json:
        print_json(space)
        return ExitCode.GOOD
    rows = [
        {
            "store": store.store,
            "size": size(store.n_bytes),
            "files": f"{store.n_files:,}",
            "reusable": size(store.free_bytes) if store.free_bytes else "-",
            "a day": "-" if store.bytes_per_day is None else size(store.bytes_per_day),
            "limit": store.rule or "none",
        }
        for store in space.stores
    ]
    print_table(rows, ("store", "size", "files", "reusable", "a day", "limit"), empty="no store")
    outlook = space.forecast.sentence if space.forecast else "was not observed by an engine for half an hour yet"
    print(f"workspace {size(space.n_bytes)}; disk {size(space.disk_free_bytes)} of {size(space.disk_total_bytes)} free")
    print(f"the disk {outlook}")
    return ExitCode.GOOD


def print_health(workspace: "Workspace", *, as_json: bool) -> int:
    """Print the state of the engine and its workers, as it wrote it last."""
    from console.cli.output import complain, print_json, print_table
    from core.clock import utc_now
    from core.maintenance.system_health import read_health

    health = read_health(workspace)
    problems = health.problems(utc_now())
    if as_json:
        print_json(health)
    else:
        print(f"engine {health.engine.state}, pid {health.engine.pid}, as of {health.as_of:%Y-%m-%d %H:%M:%S} UTC")
        rows = [
            {
                "worker": name,
                "state": state.activity,
                "since": state.since,
                "failures": state.n_failures,
                "last_failure": state.last_failure,
            }
            for name, state in health.workers.items()
        ]
        print_table(rows, ("worker", "state", "since", "failures", "last_failure"), empty="no worker has started")
    for sentence in problems:
        complain(sentence)
    return ExitCode.FAILING if problems else ExitCode.GOOD


def compact_stores(workspace: "Workspace", *, as_json: bool) -> int:
    """Rewrite the stores without the space of deleted rows."""
    from console.cli.output import print_json
    from console.presentation.phrases import size
    from core.telemetry.compaction import compact

    files = (
        workspace.telemetry_file,
        workspace.predictions_file,
        workspace.live_file,
        workspace.contributions_file,
        workspace.features_file,
        workspace.metrics_file,
        workspace.past_file,
    )
    done = {file.name: compact(file) for file in files if file.exists()}
    if as_json:
        print_json({name: {"n_bytes_before": before, "n_bytes": after} for name, (before, after) in done.items()})
        return ExitCode.GOOD
    for name, (before, after) in done.items():
        print(f"{name}: {size(before)} before, {size(after)} now")
    if not done:
        print("there is no store to compact yet")
    return ExitCode.GOOD


def print_environment(root: Path, *, as_json: bool) -> int:
    """Print what this machine has, lacks and allows; exit code 1 if a session or a server could not work."""
    from console.cli.output import print_json, print_table
    from core.maintenance.environment import examine_environment

    items = [*examine_environment(root), terminal()]
    if as_json:
        print_json([{"state": item.state, **msgspec.structs.asdict(item)} for item in items])
    else:
        print_table(map(_row, items), ("state", "name", "details"), empty="")
    return ExitCode.FAILING if any(item.is_a_problem for item in items) else ExitCode.GOOD


def terminal() -> "EnvironmentItem":
    """Say what the terminal can draw; without one, sessions run headless."""
    from core.maintenance.environment_item import EnvironmentItem, condition

    if not (sys.stdin.isatty() and answers().isatty()):
        cure = "for the console, log in with a terminal (ssh -t); sessions run headless without one"
        return EnvironmentItem(name="terminal", is_present=False, is_required=False, cure=cure)
    from rich.console import Console

    from widgets.glyphs import UNICODE, choose_glyphs

    screen = Console(file=answers())
    kind, colours = os.environ.get("TERM", ""), screen.color_system or "no"
    signs = "Unicode" if choose_glyphs(os.environ) is UNICODE else "ASCII"
    return condition(
        "terminal",
        found=f"{kind or 'TERM is not set'}, {screen.width}x{screen.height}, {signs}, {colours} colours",
        cure="; ".join(_cures_of_terminal(os.environ, screen.width, screen.height)),
    )


def _cures_of_terminal(environ: "Mapping[str, str]", width: int, height: int) -> "Iterator[str]":
    """Say how the console gets its size, its signs and its colours; it works without, too."""
    from widgets.glyphs import UNICODE, choose_glyphs

    if environ.get("TERM", "") in _UNNAMED_TERMINALS:
        yield f"export TERM={A_TERMINAL}, or the name of your terminal"
        environ = {**environ, "TERM": A_TERMINAL}
    if width < LEAST_SIZE[0] or height < LEAST_SIZE[1]:
        yield f"enlarge the window to at least {LEAST_SIZE[0]}x{LEAST_SIZE[1]}"
    # The Linux console draws no Unicode in any locale.
    if choose_glyphs(environ) is not UNICODE and choose_glyphs({**environ, "LC_ALL": "C.UTF-8"}) is UNICODE:
        yield "export LC_ALL=C.UTF-8 for Unicode lines and symbols"


def _row(item: "EnvironmentItem") -> dict[str, str]:
    details = [item.found, item.purpose, f"fix: {item.cure}" if item.cure else ""]
    return {"state": item.state, "name": item.name, "details": "; ".join(filter(None, details))}
