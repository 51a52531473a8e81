"""`bondx workspaces`: the workspaces that you have opened lately, and how each is."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from console.commands.opening import Subparsers, add_json_argument, command_parser
from core.errors import ExitCode

if TYPE_CHECKING:
    from core.state.recent_workspaces import RecentWorkspace


def add_parser(commands: Subparsers) -> None:
    """Add the command."""
    parser = command_parser(commands, "workspaces", help="the workspaces you have opened lately, and their state")
    add_json_argument(parser)
    parser.set_defaults(command=list_workspaces)


def list_workspaces(args: argparse.Namespace) -> int:
    """Print each workspace with its state; nothing in it is changed."""
    from console.cli.output import print_json, print_table
    from core.state.recent_workspaces import RecentWorkspaces

    rows = [_row(each) for each in RecentWorkspaces.of_user().all()]
    if args.json:
        print_json(rows)
    else:
        columns = ("name", "state", "engine", "opened_at", "path")
        print_table(rows, columns, empty="no workspace has been opened in a console yet")
    return ExitCode.GOOD


def _row(recent: "RecentWorkspace") -> dict[str, Any]:
    from console.cli.output import printable
    from console.commands.status import exit_code, facts_of
    from core.state import Workspace
    from core.view.source import SnapshotSource

    row: dict[str, Any] = {"name": recent.name, "path": recent.path, "opened_at": recent.opened_at}
    if not recent.exists:
        return row | {"state": "missing", "engine": None}
    facts = facts_of(SnapshotSource(Workspace(Path(recent.path)), history_seconds=60, looks_at_epochs=False).take())
    n_firing = sum(alert["state"] == "firing" for alert in facts["alerts"])
    engine = facts["engine"]
    silence = f", silent since {printable(engine['silent_since'])}" if engine and engine["silent_since"] else ""
    broken = "engine silent" if silence and len(facts["problems"]) == 1 else "damaged"
    wrong = f"{n_firing} firing" if n_firing else broken if facts["problems"] else "failing gate"
    return row | {
        "state": wrong if exit_code(facts) else "good",
        "engine": f"{engine['mode']} of {engine['user']}@{engine['host']}{silence}" if engine else None,
    }
