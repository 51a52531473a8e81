"""The arguments that commands share: the workspace, the settings, the actor, the reason, and JSON output."""

import argparse
import os
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias

from core.errors import UsageError

if TYPE_CHECKING:
    from datetime import datetime

    from core.actor import Actor
    from core.domains.narrative import QuotedCells
    from core.explain.deny_list import DenyList
    from core.state import Workspace

CommandFunction: TypeAlias = Callable[[argparse.Namespace], int]
# Type of `parser.add_subparsers()`, which argparse keeps private.
Subparsers: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def add_workspace_argument(parser: argparse.ArgumentParser, *, default: object = None) -> None:
    """Accept `--workspace`, `--config` and `--verbose`, before the command and after it."""
    parser.add_argument(
        "--workspace",
        type=Path,
        metavar="DIR",
        default=default,
        help="the workspace folder (default: $BONDX_HOME, else the user's state folder)",
    )
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        default=default,
        help="settings and policy laid over bondx.yaml for this command (default: $BONDX_CONFIG)",
    )
    parser.add_argument(
        "--verbose",
        action="store_true",
        default=False if default is None else default,
        help="log everything (LOG_LEVEL=debug), on stderr too; an engine, a server and a console: in their logs",
    )


def add_create_argument(parser: argparse.ArgumentParser, **suppressed: Any) -> None:
    """Accept `--create`."""
    parser.add_argument("--create", action="store_true", help="create the workspace if it does not exist", **suppressed)


def command_parser(commands: Subparsers, name: str, *, help: str) -> argparse.ArgumentParser:  # noqa: A002
    """Add one command whose description is its help."""
    parser: argparse.ArgumentParser = commands.add_parser(name, help=help, description=f"{help[:1].upper()}{help[1:]}.")
    parser.set_defaults(opens_console=False)
    # A default here would overwrite an argument given before the command.
    add_workspace_argument(parser, default=argparse.SUPPRESS)
    return parser


def noun_parser(
    commands: Subparsers,
    name: str,
    *,
    help: str,  # noqa: A002
    alone: CommandFunction | None = None,
) -> Subparsers:
    """Add a command that is a noun with verbs below it.

    Args:
        commands: Where it is added.
        name: The noun.
        help: What it is about.
        alone: What it does without a verb; by default it says that it needs one.
    """
    parser = command_parser(commands, name, help=help)
    if alone is not None:
        add_json_argument(parser)
        parser.set_defaults(command=alone)
    return parser.add_subparsers(title="verbs", metavar="VERB", required=alone is None)


def add_json_argument(parser: argparse.ArgumentParser) -> None:
    """Accept `--json`."""
    parser.add_argument("--json", action="store_true", help="print only JSON")


def add_reason_argument(parser: argparse.ArgumentParser) -> None:
    """Accept `--reason`, which the audit log keeps."""
    parser.add_argument("--reason", default="", metavar="TEXT", help="the reason, kept in the audit log")


def add_consent_arguments(parser: argparse.ArgumentParser) -> None:
    """Accept the arguments of a permanent removal: only listed without `--yes`, as `--dry-run` says aloud."""
    consent = parser.add_mutually_exclusive_group()
    consent.add_argument("--yes", action="store_true", help="remove them (without --yes: only list them)")
    consent.add_argument("--dry-run", action="store_true", help="only list them (the default)")


def add_change_arguments(parser: argparse.ArgumentParser) -> None:
    """Accept the arguments of a planned change."""
    parser.add_argument("--dry-run", action="store_true", help="show what would happen; change nothing")
    add_reason_argument(parser)
    add_json_argument(parser)


def add_request_parsers(
    verbs: Subparsers,
    consequences: Mapping[str, str],
    *,
    target: str,
    command: Callable[[argparse.Namespace], int],
) -> dict[str, argparse.ArgumentParser]:
    """Add the verbs that request a change of one document: its id, the reason, and `verb` for the command.

    Args:
        verbs: The subparsers of the noun.
        consequences: The effect of each verb, for its help.
        target: How its argument `named` is spelled, such as SESSION.
        command: The function that carries them out.
    Returns:
        The parser of each verb.
    """
    parsers = {}
    for verb, consequence in consequences.items():
        request = command_parser(verbs, verb, help=consequence)
        request.add_argument("named", metavar=target)
        add_reason_argument(request)
        add_json_argument(request)
        request.set_defaults(command=command, verb=verb)
        parsers[verb] = request
    return parsers


def judges_config(command: "CommandFunction") -> "CommandFunction":
    """Mark a command that says itself what is wrong with the file of `--config`."""
    command.judges_config = True  # type: ignore[attr-defined]
    return command


def workspace_root(args: argparse.Namespace) -> Path:
    """Return the path of the workspace, whether or not it exists."""
    from core.state import Workspace

    return Workspace.locate(args.workspace, os.environ)


def unquoted_columns(args: argparse.Namespace) -> "DenyList":
    """Return the columns of which a command that needs no workspace quotes no cell: those of the workspace, if any.

    Raises:
        SettingsError: The settings cannot be read.
    """
    from core.explain.deny_list import NONE_DENIED, DenyList
    from core.state import Workspace

    workspace = Workspace(workspace_root(args))
    return DenyList.of_cells_in_force(workspace.root) if workspace.settings_file.is_file() else NONE_DENIED


def quoted_cells(args: argparse.Namespace) -> "QuotedCells":
    """Return the cells that the narrative of a command without a workspace may quote; all, if there is no workspace.

    Raises:
        SettingsError: The settings cannot be read.
    """
    from core.domains.narrative import ALL_QUOTED, QuotedCells
    from core.state import Workspace

    workspace = Workspace(workspace_root(args))
    return QuotedCells.in_force(workspace.root) if workspace.settings_file.is_file() else ALL_QUOTED


def open_workspace(args: argparse.Namespace) -> "Workspace":
    """Open the workspace, and create it with `--create`; the error for a missing workspace names `bondx init`."""
    from core.state import Workspace

    if getattr(args, "create", False):
        return create_workspace(args)
    return Workspace.open(workspace_root(args))


def create_workspace(args: argparse.Namespace) -> "Workspace":
    """Open the workspace, and create it if missing."""
    import sample_configs
    from core.state import Workspace

    return Workspace.create(workspace_root(args), settings_text=sample_configs.template_text())


def open_or_create_workspace(args: argparse.Namespace) -> "Workspace":
    """Open the workspace; create it if it is the default one, or if a person wants it.

    A path that was given may be mistyped, and an empty workspace in its place looks as if nothing were wrong.

    Raises:
        WorkspaceNotFoundError: The given folder holds no workspace, and nobody wants one there.
    """
    from core.state import Workspace, WorkspaceNotFoundError

    is_given = args.workspace is not None or bool(os.environ.get("BONDX_HOME"))
    if args.create or not is_given:
        return create_workspace(args)
    root = workspace_root(args)
    try:
        return Workspace.open(root)
    except WorkspaceNotFoundError as missing:
        if not _is_wanted(missing.reason):
            raise
        return create_workspace(args)


def _is_wanted(reason: str) -> bool:
    """Ask the person at the terminal whether to create the missing workspace; without a terminal, nobody wants it."""
    from console.cli.output import complain
    from console.cli.question import ask, can_ask

    if not can_ask():
        return False
    complain(reason)
    return ask("Create a workspace there? [y/N]").lower() in ("y", "yes")


def absence_of(workspace: "Workspace") -> str | None:
    """Say why no engine is at work on a workspace; None while one works."""
    from core.state import read_lease
    from core.view.snapshot import absence

    return absence(read_lease(workspace))


def why_nothing_happens(workspace: "Workspace", cure: str) -> str | None:
    """Say why a request waits, and what to do: `cure` where no engine runs. None while an engine works."""
    from core.state import read_lease

    if (holder := read_lease(workspace)) is None:
        return f"no engine runs here: {cure}"
    return holder.silence


def person() -> "Actor":
    """Return the person who typed the command."""
    from core.actor import Actor, Origin

    return Actor.current(Origin.COMMAND_LINE)


@contextmanager
def removing_unfinished() -> Iterator[None]:
    """Let SIGTERM end a block as an interruption does: what is half-written is removed on the way out."""

    def leave(*_: object) -> NoReturn:
        raise SystemExit(128 + signal.SIGTERM)

    earlier = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, earlier)


def past_instant(text: str) -> "datetime":
    """Read the past time of `--at`.

    Raises:
        UsageError: It is no time, or has not come yet.
    """
    from core.clock import read_instant, utc_now

    now = utc_now()
    if (at := read_instant(text, now)) > now:
        raise UsageError(f"--at {text} is in the future; it is {now:%Y-%m-%dT%H:%M:%S} UTC now.")
    return at
