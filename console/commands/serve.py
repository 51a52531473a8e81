"""`bondx serve`: serve predictions and the control API over HTTP."""

import argparse
import logging
import os
import signal
import socket
import sys
import threading
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from console.cli.process_log import keeps_its_log
from console.commands.opening import (
    Subparsers,
    add_json_argument,
    add_workspace_argument,
    command_parser,
    open_workspace,
)
from console.commands.tokens import add_token_parsers
from console.commands.typed_numbers import number, whole
from core.errors import ExitCode, UsageError
from core.home_paths import at_home
from core.json_documents import converted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

    from core.serving import Server
    from core.serving.offers import ServedList
    from core.serving.supervisor import WorkerPlace
    from core.settings import ServingSettings
    from core.state import Workspace

WATCH_SECONDS = 0.5
_LAST_WORDS_SECONDS = 1.0  # for a reader of the log that takes nothing
LIMIT_FLAGS = {
    "max_body_mib": "--max-body-mib",
    "max_rows": "--max-rows",
    "answer_seconds": "--time-out",
    "processes": "--workers",
    "grpc_port": "--grpc-port",
}


def add_parser(commands: Subparsers) -> None:
    """Add the command, and the verbs of tokens below it."""
    parser = command_parser(commands, "serve", help="serve predictions and the control API over HTTP")
    parser.add_argument(
        "--listen", metavar="HOST:PORT", help="default: serving.listen of bondx.yaml, 127.0.0.1:8501, this machine only"
    )
    parser.add_argument(
        "--grpc-port",
        type=whole,
        metavar="PORT",
        help="serve over gRPC, too, on the same host, such as 8500 (default: serving.grpc_port, none)",
    )
    parser.add_argument(
        "--workers",
        dest="processes",
        type=whole,
        metavar="N",
        help="server processes, which SIGHUP replaces without a gap (default: serving.processes, 0: only this one)",
    )
    parser.add_argument(
        "--model-config-file",
        "--model_config_file",
        type=Path,
        metavar="FILE",
        help="what to serve, as TensorFlow Serving's model_config_list (default: serving.models of bondx.yaml, or all)",
    )
    tls = parser.add_argument_group("HTTPS")
    tls.add_argument("--certificate", type=Path, metavar="FILE", help="certificate chain, PEM")
    tls.add_argument("--key", type=Path, metavar="FILE", help="its private key, PEM")
    tls.add_argument(
        "--client-authority",
        type=Path,
        metavar="FILE",
        help="admit only callers with a certificate of this authority, PEM (mutual TLS)",
    )
    limits = parser.add_argument_group("limits of one request", "All of them are in the `serving` block of bondx.yaml.")
    limits.add_argument("--max-body-mib", type=number, metavar="N", help="size of the body (8)")
    limits.add_argument("--max-rows", type=whole, metavar="N", help="rows of a batch (10000)")
    limits.add_argument(
        "--time-out", dest="answer_seconds", type=number, metavar="SECONDS", help="to answer a batch (30)"
    )
    parser.set_defaults(command=serve)
    nouns = parser.add_subparsers(title="access and records", metavar="NOUN")
    stored = nouns.add_parser("predictions", help="how long predictions wait for outcomes, and what they cost")
    add_workspace_argument(stored, default=argparse.SUPPRESS)
    add_json_argument(stored)
    stored.set_defaults(command=show_predictions)
    token = nouns.add_parser("token", help="create, list and revoke the tokens of the API")
    verbs = token.add_subparsers(title="verbs", metavar="VERB", required=True)
    add_token_parsers(verbs)


@keeps_its_log
def serve(args: argparse.Namespace) -> int:
    """Serve until SIGINT or SIGTERM, whether or not anybody reads the log."""
    from console.cli.unread_output import unread_output_is_harmless

    with unread_output_is_harmless():
        return _serve(args)


def _serve(args: argparse.Namespace) -> int:
    from core.log_folder import write_logs
    from core.log_level import level_in_force
    from core.serving.supervisor import WorkerPlace
    from core.settings import settings_in_force

    workspace = open_workspace(args)
    settings = settings_in_force(workspace.root).logging
    level, as_json = level_in_force(settings.level), settings.format == "json"
    with _shown_on_stderr(level, as_json=as_json):
        stop = write_logs(workspace.logs_dir, "server", level=level, as_json=as_json, others=max(level, logging.INFO))
        try:
            return _serve_workspace(workspace, args, WorkerPlace.of(os.environ))
        finally:
            stop()


@contextmanager
def _shown_on_stderr(level: int, *, as_json: bool) -> "Iterator[None]":
    """Print the lines of the logs, too: under systemd and in a container, stderr is the log that people read."""
    from core.log_lines import JsonLines, LogLines

    handler = logging.StreamHandler()
    handler.setLevel(level)
    handler.setFormatter(JsonLines() if as_json else LogLines())
    logging.getLogger().addHandler(handler)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(handler)


def _serve_workspace(workspace: "Workspace", args: argparse.Namespace, place: "WorkerPlace | None") -> int:
    if place is None:
        with _following(workspace):
            return _serve_by_workers_or_here(workspace, args)
    return _serve_here(workspace, args, place, None)


def _serve_by_workers_or_here(workspace: "Workspace", args: argparse.Namespace) -> int:
    inherited = _inherited(workspace, args)
    if serving_settings(workspace, args).processes:
        return _supervise(workspace, args, inherited)
    return _serve_here(workspace, args, None, inherited)


@contextmanager
def _following(workspace: "Workspace") -> "Iterator[None]":
    """Follow the control plane of a replica meanwhile, in the process above the workers.

    Raises:
        NotReplicaError: The workspace cannot follow another, or a file of the settings cannot be used.
        ListenError: Other machines can reach the address, and the tokens of the control plane have never come.
    """
    from core.serving.errors import ListenError, NoTokenError
    from core.settings import settings_in_force

    settings = settings_in_force(workspace.root).serving.follow
    if settings is None:
        yield
        return
    from core.replication.follower import Follower  # the client is heavy, and most servers follow nobody

    follower = Follower(workspace, settings)
    follower.start()
    try:
        yield
    except NoTokenError:
        if follower.standing.contact_at is not None:
            raise
        raise ListenError(
            f"This replica listens for other machines by the tokens of {settings.url}, which has not answered yet: the "
            "line above and `bondx logs` say why. Start the replica again when that server answers."
        ) from None
    finally:
        follower.stop()


def _serve_here(
    workspace: "Workspace", args: argparse.Namespace, place: "WorkerPlace | None", inherited: socket.socket | None
) -> int:
    stop, drain = threading.Event(), threading.Event()
    _on_signals(stop.set, signal.SIGINT, signal.SIGTERM)
    if place is not None:
        _on_signals(drain.set, signal.SIGHUP)
    server = make_server(workspace, args.listen, args, place, inherited=inherited)
    server.load()
    if place is not None:  # a worker that still loads leaves requests to the others
        server.wait_until_loaded(stop.is_set, meanwhile=place.beat_at_start)
    elif inherited is not None:  # callers wait in the queue of the socket
        server.wait_until_loaded(stop.is_set, meanwhile=lambda: None)
    server.answer()
    if place is None:
        print(f"serving on {serves_at(server)}; stop with Ctrl+C", flush=True)
    while not stop.wait(WATCH_SECONDS) and not drain.is_set() and server.is_running:
        if place is not None:
            _report(place, server, stop)
    failed = not (stop.is_set() or drain.is_set())
    stop_server(server, drains=drain.is_set() or inherited is not None)
    return ExitCode.FAILING if failed else ExitCode.GOOD


def _inherited(workspace: "Workspace", args: argparse.Namespace) -> socket.socket | None:
    """Return the socket that systemd has opened; None without one.

    Raises:
        ListenError: It cannot be served on.
        UsageError: `--listen` names an address, too.
    """
    from core.serving.authenticator import Authenticator
    from core.serving.inherited import inherited_listener
    from core.settings import settings_in_force

    oidc = settings_in_force(workspace.root).serving.oidc
    listener = inherited_listener(os.environ, Authenticator(workspace, oidc=oidc))
    if listener is not None and args.listen:
        host, port = listener.getsockname()[:2]
        raise UsageError(
            f"--listen {args.listen}: systemd has opened {host}:{port} for this server; leave --listen out."
        )
    return listener


def listed_models(workspace: "Workspace", args: argparse.Namespace | None, *, tells: bool) -> "ServedList":
    """Return what to serve: of the flag's file, else of the settings.

    Args:
        workspace: The workspace.
        args: Of `bondx serve`.
        tells: Whether to log what of the list has no meaning here.
    Raises:
        SettingsError: The list cannot be used.
    """
    from core.serving.offers import notes_on
    from core.settings import settings_in_force
    from core.settings.model_config_list import load_model_config_file

    file = args.model_config_file if args else None
    listed = settings_in_force(workspace.root).serving.models if file is None else load_model_config_file(file)
    for note in notes_on(listed) if tells else ():
        logging.getLogger(__name__).warning("%s", note)
    return listed


def serves_at(server: "Server") -> str:
    """Name the addresses of a server, for its first line."""
    metrics = f", {server.metrics_url} for /metrics" if server.metrics_url else ""
    rpc = f", gRPC on {server.rpc_address}" if server.rpc_address else ""
    return f"{server.url}{metrics}{rpc}"


def address_origin(workspace: "Workspace", given: object, flag: str, key: str = "serving.listen") -> str:
    """Say where an address or a port of a server is from: a flag, or a line of the settings."""
    from core.settings.origin import DEFAULT, setting_origins

    if given:
        return flag
    found = next(each for each in setting_origins(workspace.root) if each.key == key)
    return key if found.origin == DEFAULT else f"{key} ({found.origin})"


def _port_origin(workspace: "Workspace", args: argparse.Namespace | None, port: int | None) -> str:
    """Say where the port for gRPC is from, if there is one."""
    from core.serving.rpc.ports import GRPC_SETTING

    if port is None:
        return ""
    return address_origin(workspace, getattr(args, "grpc_port", None) is not None, "--grpc-port", GRPC_SETTING)


def stop_server(server: "Server", *, drains: bool = False) -> None:
    """Stop a server at the end of its process; end the process beside a model that never returns.

    Its records are stored first. The process has ended `serving.stop_seconds` and `STORE_SECONDS` after this call.
    """
    from core.serving.stuck import STORE_SECONDS

    last_resort = threading.Timer(server.stop_seconds + STORE_SECONDS, _leave, ["its records are not stored in time"])
    last_resort.daemon = True
    last_resort.start()
    stuck = server.drain() if drains else server.stop()
    last_resort.cancel()
    if stuck:
        _leave("; ".join(stuck))


def _leave(why: str) -> None:
    from console.cli.unread_output import UnblockedWriter
    from core.registry.trial_child import end_trials

    logging.getLogger(__name__).error("the server process ends with exit code %d: %s", ExitCode.STUCK, why)
    end_trials()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, UnblockedWriter):
            stream.drain(_LAST_WORDS_SECONDS)
        else:
            with suppress(OSError, ValueError):  # nobody reads, or it is closed
                stream.flush()
    os._exit(ExitCode.STUCK)


def _report(place: "WorkerPlace", server: "Server", stop: threading.Event) -> None:
    """Tell the supervisor and the other workers how this worker fares."""
    server.publish_counts()
    if server.is_responsive:
        place.tell_ready() if server.table.is_complete else place.beat()
    if place.is_orphaned():
        stop.set()


def _supervise(workspace: "Workspace", args: argparse.Namespace, inherited: socket.socket | None) -> int:
    """Keep workers on one socket until SIGINT or SIGTERM, and replace them at SIGHUP."""
    from core.own_python import module_command
    from core.serving.peer_accounts import listen_for_accounts
    from core.serving.rpc.ports import address as rpc_address
    from core.serving.stuck import STORE_SECONDS
    from core.serving.supervisor import Supervisor

    settings = serving_settings(workspace, args)
    listed_models(workspace, args, tells=True)  # refused before any worker starts
    with ExitStack() as opened:
        listener, metrics_listener, reserved = _sockets(workspace, args, settings, opened, inherited)
        if (accounts_listener := listen_for_accounts(accounts_socket(workspace, settings))) is not None:
            opened.enter_context(accounts_listener)
        stop, restart = threading.Event(), threading.Event()
        _on_signals(stop.set, signal.SIGINT, signal.SIGTERM)
        _on_signals(restart.set, signal.SIGHUP)
        command = module_command("console.cli.main", *sys.argv[1:])
        host, port = listener.getsockname()[:2]
        also = f", gRPC on {rpc_address(*reserved.getsockname()[:2])}" if reserved else ""
        if metrics_listener is not None:
            also += f", {rpc_address(*metrics_listener.getsockname()[:2])} for /metrics"
        print(f"serving on {host}:{port}{also} with {settings.processes} workers; stop with Ctrl+C", flush=True)

        def takes_restart() -> bool:
            asked = restart.is_set()
            restart.clear()
            return asked

        supervisor = Supervisor(
            listener,
            command,
            settings.processes,
            metrics_listener=metrics_listener,
            accounts_listener=accounts_listener,
            silence_seconds=settings.silence_seconds,
            end_seconds=settings.stop_seconds + 2 * STORE_SECONDS,
            rpc_reserved=reserved,
            has_successor=inherited is not None,
        )
        has_run = supervisor.run(stop.is_set, takes_restart)
    if not has_run:
        return ExitCode.FAILING
    return ExitCode.STUCK if supervisor.has_stuck_worker else ExitCode.GOOD


def _sockets(
    workspace: "Workspace",
    args: argparse.Namespace,
    settings: "ServingSettings",
    opened: ExitStack,
    inherited: socket.socket | None,
) -> "tuple[socket.socket, socket.socket | None, socket.socket | None]":
    """Listen for HTTP and for /metrics, and reserve the port for gRPC; the stack closes what was opened."""
    from core.serving import parse_address
    from core.serving.authenticator import Authenticator
    from core.serving.rpc import require_extra
    from core.serving.rpc.ports import reserve
    from core.serving.server import METRICS_SETTING, listen, listen_for_metrics

    authenticator = Authenticator(workspace, oidc=settings.oidc)
    host, port = parse_address(args.listen or settings.listen)
    named = address_origin(workspace, args.listen, "--listen")
    listener = opened.enter_context(inherited or listen(authenticator, host, port, named=named))
    metrics_listener = listen_for_metrics(authenticator, settings.metrics_listen, listener)
    if metrics_listener is not None:
        opened.enter_context(metrics_listener)
    if settings.grpc_port is None:
        return listener, metrics_listener, None
    require_extra()
    origin = _port_origin(workspace, args, settings.grpc_port)
    others = {named: listener, METRICS_SETTING: metrics_listener}
    reserved = reserve(listener.getsockname()[0], settings.grpc_port, named=origin, others=others)
    return listener, metrics_listener, opened.enter_context(reserved)


def _on_signals(act: "Callable[[], object]", *numbers: signal.Signals) -> None:
    def on_signal(_number: int, _frame: "FrameType | None") -> None:
        act()

    for signal_number in numbers:
        signal.signal(signal_number, on_signal)


def serving_settings(workspace: "Workspace", args: argparse.Namespace | None) -> "ServingSettings":
    """Return the settings of a server: those of the workspace, overridden by the flags."""
    from core.settings import settings_in_force

    return _with_flags(settings_in_force(workspace.root).serving, args)


def start_server(
    workspace: "Workspace", address: str | None, args: argparse.Namespace | None = None, *, flag: str = "--listen"
) -> "Server":
    """Start a server in threads of this process, by the settings of the workspace; raises as `make_server` does."""
    server = make_server(workspace, address, args, flag=flag)
    server.start()
    return server


def make_server(
    workspace: "Workspace",
    address: str | None,
    args: argparse.Namespace | None = None,
    place: "WorkerPlace | None" = None,
    *,
    flag: str = "--listen",
    inherited: socket.socket | None = None,
) -> "Server":
    """Make a server by the settings of the workspace; it listens, but does not answer yet.

    Args:
        workspace: What to serve.
        address: HOST:PORT instead of the settings'.
        args: Of `bondx serve`, for limits and certificate.
        place: What a supervisor has given to this process.
        flag: The flag that gives the address, for errors.
        inherited: Listens already, in the place of the address.
    Raises:
        ListenError: The address cannot be listened on.
        SettingsError: The settings cannot be used.
        UsageError: A limit is out of its range.
    """
    from core.serving import Server, ServingLimits, parse_address
    from core.serving.counts import SharedCounts

    settings = serving_settings(workspace, args)
    host, port = parse_address(address or settings.listen)
    return Server(
        workspace,
        host,
        port,
        limits=ServingLimits.of(settings),
        records=settings.record_predictions,
        listed=listed_models(workspace, args, tells=place is None),
        metrics_listen=settings.metrics_listen,
        certificate=args.certificate if args else None,
        key=args.key if args else None,
        client_authority=args.client_authority if args else None,
        listener=socket.socket(fileno=place.listener) if place else inherited,
        metrics_listener=socket.socket(fileno=place.metrics_listener) if place and place.metrics_listener else None,
        accounts_listen=accounts_socket(workspace, settings),
        accounts_listener=socket.socket(fileno=place.accounts_listener) if place and place.accounts_listener else None,
        named=address_origin(workspace, address, flag),
        shared=SharedCounts(Path(place.counts), place.name) if place else None,
        rpc_port=settings.grpc_port,
        rpc_named=_port_origin(workspace, args, settings.grpc_port),
        rpc_reserved=socket.socket(fileno=place.rpc) if place and place.rpc is not None else None,
    )


def accounts_socket(workspace: "Workspace", settings: "ServingSettings") -> Path | None:
    """Return the path of the Unix socket for accounts of this machine, relative to the workspace; None without one."""
    return None if settings.socket is None else workspace.root / at_home(settings.socket)


def _with_flags(settings: "ServingSettings", args: argparse.Namespace | None) -> "ServingSettings":
    """Override the settings with the flags, within the same ranges."""
    import msgspec

    from core.settings.yaml_words import in_plain_words

    for name, flag in LIMIT_FLAGS.items():
        if (value := getattr(args, name, None)) is None:
            continue
        try:
            settings = converted(msgspec.to_builtins(settings) | {name: value}, type(settings))
        except msgspec.ValidationError as error:
            raise UsageError(f"{flag} {value:g}: {in_plain_words(str(error).partition(' - at ')[0])}.") from None
    return settings


def show_predictions(args: argparse.Namespace) -> int:
    """Print how many predictions are stored, how long they are kept, and what that takes on the disk."""
    from console.cli.output import print_json, print_table
    from core.clock import utc_now
    from core.settings import settings_in_force
    from core.telemetry.predictions import PredictionReader

    workspace = open_workspace(args)
    retention = settings_in_force(workspace.root).telemetry.predictions
    usage = PredictionReader(workspace.predictions_file).usage(retention, utc_now())
    if args.json:
        print_json(usage)
        return ExitCode.GOOD
    rows = [
        {
            "model": found.model or "all others" if len(usage.models) > 1 else "all",
            "rows": found.n_rows,
            "oldest": found.oldest_at,
            "keep_days": found.keep_days,
            "keep_rows": found.keep_rows,
            "mib": found.mib,
            "days_at_this_rate": found.days_at_this_rate,
            "mib_at_this_rate": found.mib_at_this_rate,
            "mib_at_most": found.mib_at_most,
        }
        for found in usage.models
    ]
    columns = (
        *("model", "rows", "oldest", "keep_days", "keep_rows", "days_at_this_rate"),
        *("mib", "mib_at_this_rate", "mib_at_most"),
    )
    print_table(rows, columns, empty="")
    print(
        f"{usage.n_outcomes:,} outcomes are stored; {usage.n_unmatched:,} more wait for their prediction, for "
        f"{usage.unmatched_hours:g} h each. A prediction takes {usage.bytes_per_row:g} bytes."
    )
    print("telemetry.predictions in bondx.yaml sets how long predictions are kept, for single models too.")
    return ExitCode.GOOD
