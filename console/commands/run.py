"""`bondx run`: train, in the console or headless."""

import argparse
import os
import signal
import sys
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from console.cli.policy_warning import warn_of_policy
from console.cli.process_log import keeps_its_log
from console.commands.console import add_console_arguments, has_terminal, open_console
from console.commands.opening import Subparsers, add_reason_argument, command_parser, open_or_create_workspace, person
from console.commands.session import add_training_arguments, start_from_arguments, text_of, training_settings
from core.errors import ExitCode, RefusedError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from types import FrameType

    from console.cli.headless import LinePrinter
    from core.state import Workspace
    from core.training.records import EpochRecord
    from core.training.session import ObservedSession, Session

POLL_SECONDS = 0.25
_MOST_NAMED = 5
METRICS_ADDRESS = "127.0.0.1:8000"
"""Where `--metrics` without an address answers."""


def add_parser(commands: Subparsers) -> None:
    """Add the command."""
    parser = command_parser(commands, "run", help="train: resume the unfinished session, or start a new session")
    add_training_arguments(parser)
    add_reason_argument(parser)
    parser.add_argument(
        "--api",
        nargs="?",
        const="",
        metavar="HOST:PORT",
        help="also serve predictions and the control API (default: serving.listen of bondx.yaml)",
    )
    group = parser.add_argument_group("headless")
    group.add_argument("--headless", action="store_true", help="no screen; implied without a terminal")
    group.add_argument(
        "--metrics",
        nargs="?",
        const=METRICS_ADDRESS,
        metavar="HOST:PORT",
        help=f"answer /health and /metrics on this machine (default: {METRICS_ADDRESS}; see telemetry.metrics.listen)",
    )
    group.add_argument("--log-json", action="store_true", help="print one JSON object per line")
    group.add_argument("--stay", action="store_true", help="keep the engine running for further sessions")
    group.add_argument(
        "--no-session",
        action="store_true",
        help="start no session: run rollouts and the unfinished or queued sessions",
    )
    add_console_arguments(parser, suppress_defaults=True)
    parser.set_defaults(command=run)


@keeps_its_log
def run(args: argparse.Namespace) -> int:
    """Find or start the session, then show it."""
    for flag in ("epochs", "domain", "experiment", "agents"):
        if args.no_session and getattr(args, flag) is not None:
            raise UsageError(f"--no-session starts no session, so --{flag} has no effect: leave one out.")
    if args.metrics is not None:
        from core.metrics.endpoint import own_address

        own_address(args.metrics, named="--metrics")
    workspace = open_or_create_workspace(args)
    from core.settings.followed import require_no_replica

    require_no_replica(workspace.root)
    if args.headless or not has_terminal():
        from console.cli.unread_output import unread_output_is_harmless
        from core.settings import require_policy
        from core.state.lease import require_room

        require_policy(workspace.root)
        require_room(workspace)  # both before a server answers for an engine that cannot start
        with unread_output_is_harmless(), _api(workspace, args.api):
            return run_headless(workspace, args)
    if args.metrics is not None:
        raise UsageError("--metrics needs --headless: the engine of a console answers on telemetry.metrics.listen.")
    warn_of_policy(args)
    with _api(workspace, args.api) as serves_at:
        _say_attached(workspace)
        if not args.no_session:
            find_or_start(workspace, args)
        return open_console(args, serves_at=serves_at)


def _say_attached(workspace: "Workspace") -> None:
    """Say beside a running engine that this command attaches to it; it stays readable after the console has left."""
    from core.state import read_lease

    if (holder := read_lease(workspace)) is not None:
        from console.presentation.status import attached_to

        print(f"bondx: {attached_to(holder)}", file=sys.stderr, flush=True)


@contextmanager
def _api(workspace: "Workspace", address: str | None) -> "Iterator[str | None]":
    """Serve while the rest runs, if requested: at an address, or at the settings' address if empty."""
    if address is None:
        _say_without_metrics(workspace)
        yield None
        return
    from console.commands.serve import serves_at, start_server, stop_server

    server = start_server(workspace, address, flag="--api")
    print(f"serving on {serves_at(server)}", file=sys.stderr, flush=True)
    try:
        yield server.url
    finally:
        stop_server(server)


def _say_without_metrics(workspace: "Workspace") -> None:
    """Say that the port for probes and metrics stays closed: it is a server's."""
    from core.settings import settings_in_force

    if (address := settings_in_force(workspace.root).serving.metrics_listen) is not None:
        print(
            f"bondx: nothing answers on serving.metrics_listen {address}: add --api, or --metrics",
            file=sys.stderr,
            flush=True,
        )


def find_or_start(workspace: "Workspace", args: argparse.Namespace) -> "tuple[Session, bool]":
    """Return the session to show, and whether it is resumed.

    An unfinished session is resumed if the arguments ask for no other settings than its own.
    """
    from core.training.session_domain import checked
    from core.training.sessions import Sessions
    from core.training.text_training import settings_for_text

    given = (args.config, args.epochs, args.domain, args.experiment, args.agents, args.text)
    asks_for_nothing = all(each is None for each in given)
    text, training = text_of(args), training_settings(args)
    wanted = checked(training) if text is None else settings_for_text(training, text)  # as a session keeps them
    for session in Sessions(workspace).all():
        unfinished = not session.observed.phase.is_at_rest and not session.parent
        if unfinished and (asks_for_nothing or (session.training, session.text) == (wanted, text)):
            return session, True
    return start_from_arguments(args), False


def run_headless(workspace: "Workspace", args: argparse.Namespace) -> int:
    """Hold the engine in this process and print a line an epoch, until the session ends or a signal comes.

    The first SIGINT or SIGTERM lets the epoch end and keeps the checkpoint: the next `bondx run` resumes. The
    second ends immediately; acknowledged changes are safe either way. Nobody needs to read the lines: the training goes
    on after `| head`, on a full disk and after a dropped line.
    """
    from console.cli.headless import LinePrinter

    printer = LinePrinter(sys.stdout, log_json=args.log_json)
    stop, asked = _stop_on_signal(printer), _asked_by_signal()  # a server may answer already
    from console.runtime.doorway import Doorway
    from core.engine import Engine  # takes a moment
    from core.settings import settings_in_force

    before = _progress(workspace)
    engine = Engine(workspace, mode="headless", actor=person(), metrics_listen=args.metrics)
    doorway = Doorway.of(workspace, settings_in_force(workspace.root).console)
    engine.start()  # refused here when another engine runs, before anything is queued
    try:
        if doorway is not None:
            doorway.open()
        if args.metrics is not None:
            printer.say(f"/health and /metrics of the engine on {args.metrics}")
        session: Session | None = None
        if args.no_session:
            printer.say(f"the engine of {workspace.root} is running; no session starts")
        else:
            session, resumed = find_or_start(workspace, args)
            printer.say(f"{'resuming' if resumed else 'starting'} {session.session_id} in {workspace.root}")
            if ahead := _ahead_of(workspace, session):
                more = f" and {len(ahead) - _MOST_NAMED:,} more" if len(ahead) > _MOST_NAMED else ""
                printer.say(f"{session.session_id} waits behind {', '.join(ahead[:_MOST_NAMED])}{more}")
        shown = None if args.stay or session is None else session.session_id
        tell_rest = _tell_events(workspace, printer, stop, asked, shown, lambda: engine.loss is not None, before)
    finally:
        if doorway is not None:
            doorway.close()
        engine.stop()
    if engine.loss is not None:
        raise RefusedError(engine.loss)
    tell_rest()  # what the engine wrote on its way out
    if args.stay or session is None:
        return ExitCode.GOOD
    code = _exit_code(workspace, session.session_id, printer)
    _say_what_waits(workspace, session.session_id, printer)
    return code


def _tell_events(
    workspace: "Workspace",
    printer: "LinePrinter",
    stop: threading.Event,
    asked: threading.Event,
    session_id: str | None,
    is_over: "Callable[[], bool]",
    before: "Mapping[str, ObservedSession]",
) -> "Callable[[], bool]":
    """Print events until the session is at rest, or forever without a session; return the function for the rest.

    Args:
        workspace: The workspace.
        printer: Prints the events.
        stop: Set by a signal.
        asked: Set by a signal: where the criteria of a session's end stand is printed once more.
        session_id: The only session to print, with its agents; by default every session at work.
        is_over: Whether the engine has ended.
        before: The progress of each session before the engine started, which is not printed again.
    """
    from console.cli.headless import SessionFeed, criteria_events
    from core.explain.deny_list import DenyList
    from core.telemetry import TelemetryReader
    from core.training.later_denied import epoch_as_shown
    from core.training.session_files import SessionFiles
    from core.view.parts.documents import SessionsPart
    from core.view.source import SnapshotSource

    source = SnapshotSource(workspace, only=(SessionsPart,))
    files = SessionFiles(workspace)
    telemetry = TelemetryReader(workspace.telemetry_file)
    feeds: dict[str, SessionFeed] = {}

    def report_of(session: "Session", epoch: int) -> "EpochRecord | None":
        if (record := files.read_epoch(session, epoch)) is None or record.learned:
            return record
        return epoch_as_shown(record, DenyList.in_force_or_all(workspace.root))

    def metrics_after(session: "Session", epoch: int) -> "Mapping[int, Mapping[str, float]]":
        return telemetry.of_epochs.rows(session.run_id, epoch + 1) if session.run_id else {}

    def tell() -> bool:
        snapshot = source.take()
        wants_criteria = asked.is_set()
        asked.clear()
        has_ended = False
        for session in reversed(snapshot.sessions):
            is_at_rest = session.observed.phase.is_at_rest
            is_shown = session_id in (session.session_id, session.parent)
            if not is_shown and (session_id or (is_at_rest and session.session_id not in feeds)):
                continue
            if (feed := feeds.get(session.session_id)) is None:
                feed = feeds[session.session_id] = SessionFeed(
                    session.session_id, report_of, metrics_after, before.get(session.session_id)
                )
            for event in feed.events(snapshot):
                printer.print(event)
            for event in criteria_events(session) if wants_criteria else ():
                printer.print(event)
            if wants_criteria and not session.observed.criteria:
                printer.say(f"{session.session_id} has no criteria to tell: no epoch of it has ended yet")
            has_ended = has_ended or (session.session_id == session_id and is_at_rest)
        return has_ended

    while not stop.is_set() and not is_over() and not tell():
        stop.wait(POLL_SECONDS)
    return tell


def follow(workspace: "Workspace") -> int:
    """Print the epochs of the session at work until it ends or Ctrl-C, without an engine of this process.

    Returns:
        The exit code: FAILING if no engine trains the session, or the session failed.
    """
    from console.cli.headless import LinePrinter
    from console.cli.unread_output import unread_output_is_harmless
    from core.state import read_lease
    from core.training.sessions import Sessions

    printer = LinePrinter(sys.stdout, log_json=False)
    sessions = [session for session in Sessions(workspace).all() if not session.parent]
    if not sessions:
        printer.say(f"{workspace.root} has no session to follow: bondx run starts one")
        return ExitCode.GOOD
    session = next((each for each in sessions if not each.has_ended), sessions[-1])
    with unread_output_is_harmless(), suppress(KeyboardInterrupt):
        _tell_events(
            workspace,
            printer,
            threading.Event(),
            _asked_by_signal(),
            session.session_id,
            lambda: read_lease(workspace) is None,
            {},
        )()
    return _exit_code(workspace, session.session_id, printer)


def _progress(workspace: "Workspace") -> "dict[str, ObservedSession]":
    """Return the progress of every session, by its id."""
    from core.training.sessions import Sessions

    return {session.session_id: session.observed for session in Sessions(workspace).all()}


def _stop_on_signal(printer: "LinePrinter") -> threading.Event:
    stop = threading.Event()

    def on_signal(number: int, _frame: "FrameType | None") -> None:
        if stop.is_set():
            os._exit(128 + number)
        stop.set()
        printer.say("stopping after this epoch, the checkpoint stays; interrupt again to stop immediately")

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, on_signal)
    return stop


def _asked_by_signal() -> threading.Event:
    """Return what `SIGUSR1` sets: `kill -USR1` asks a headless session for the criteria of its end."""
    asked = threading.Event()
    signal.signal(signal.SIGUSR1, lambda _number, _frame: asked.set())
    return asked


def _ahead_of(workspace: "Workspace", session: "Session") -> list[str]:
    """Return the sessions that train before a session does, by their ids: the engine takes the oldest first."""
    waiting = _unfinished(workspace)
    return waiting[: waiting.index(session.session_id)] if session.session_id in waiting else []


def _unfinished(workspace: "Workspace") -> list[str]:
    """Return the ids of the sessions that an engine would train, the oldest first; agents belong to their session."""
    from core.training.sessions import Sessions

    return [each.session_id for each in Sessions(workspace).all() if each.wants_work and not each.parent]


def _say_what_waits(workspace: "Workspace", session_id: str, printer: "LinePrinter") -> None:
    """Say at the end of a session's engine that others are left without one."""
    if n := sum(each != session_id for each in _unfinished(workspace)):
        wait = "1 other session waits" if n == 1 else f"{n:,} other sessions wait"
        printer.say(f"{wait}: bondx run --headless --no-session trains all that wait, until it is interrupted")


def _exit_code(workspace: "Workspace", session_id: str, printer: "LinePrinter") -> int:
    from core.training.session import SessionPhase
    from core.training.sessions import Sessions

    phase = Sessions(workspace).get(session_id).observed.phase
    if not phase.is_at_rest:
        printer.say(f"{session_id} is not finished: bondx run resumes it")
    return ExitCode.FAILING if phase is SessionPhase.FAILED else ExitCode.GOOD
