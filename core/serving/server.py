"""The API server, in a thread of its own."""

import asyncio
import logging
import math
import os
import resource
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import uvicorn

from core.allocator import limit_arenas
from core.clock import Clock, utc_now
from core.collector import freeze
from core.escape import shown
from core.explain.deny_list import DenyList
from core.local_callers import is_loopback
from core.metrics.process_metrics import ProcessMetrics
from core.metrics.recording import MetricRecording
from core.plain_files import open_plain
from core.registry.demanded_claims import ClaimDemand
from core.replication.outbox import OUTBOX, ReplicaOutbox
from core.replication.standing import FOLDER, read_standing, silence_of, standing_file, why_nothing_is_served
from core.rollout import Rollouts
from core.serving.app import FrontDoor
from core.serving.authenticator import Authenticator
from core.serving.control.application import control_application
from core.serving.control.evaluation_pool import EvaluationPool
from core.serving.counts import Counts, SharedCounts
from core.serving.crowd import RESERVE
from core.serving.errors import ListenError, NoTokenError, cure_of_taken
from core.serving.fast_path import PredictProtocol
from core.serving.limits import ServingLimits
from core.serving.live import LiveCounter
from core.serving.loading import Loader
from core.serving.metrics import ServingMetrics, table_facts
from core.serving.offers import ServedList
from core.serving.peer_accounts import listen_for_accounts
from core.serving.predict import Predictor, quiet_arithmetic
from core.serving.rate_limit import RateLimit
from core.serving.reads import Reads
from core.serving.recording import PredictionRecorder
from core.serving.rpc.ports import reserve
from core.serving.series import JOB, SeriesRecorder
from core.serving.stats import ServerStats
from core.serving.stuck import described
from core.serving.table import ServingTable, no_reason
from core.serving.traces import traces_in_force
from core.settings import PolicySource, settings_in_force
from core.settings.address import ADDRESS_FORM, host_and_port
from core.settings.current import CurrentSettings
from core.state import Workspace
from core.state.write_health import is_read_only, write_problem
from core.telemetry.tracing import Traces
from core.view.source import take_snapshot

if TYPE_CHECKING:
    from core.serving.rpc.server import RpcServer

log = logging.getLogger(__name__)

LISTEN_SETTING, METRICS_SETTING = "serving.listen", "serving.metrics_listen"

_LOOK_SECONDS = 0.02
_ANSWERING_PART = 2 / 3  # of the time to stop: for the pending requests
_TURN_SECONDS = 0.5  # for a thread to notice that it is to end
_TICKS_SECONDS = 1.0  # within which an event loop that runs has ticked ten times
_OWN_DESCRIPTORS = 256  # files, stores, libraries
# A computing thread yields to the answering thread after a fifth of a millisecond, not after five.
_SWITCH_SECONDS = 0.0002


def parse_address(text: str) -> tuple[str, int]:
    """Parse HOST:PORT, :PORT or PORT; without a host, only this machine can connect.

    Raises:
        ListenError: The text is not an address.

    >>> parse_address("8501"), parse_address("[::1]:80")
    (('127.0.0.1', 8501), ('::1', 80))
    """
    if (found := host_and_port(text)) is None:
        raise ListenError(f"{shown(text)} is not an address to listen on: {ADDRESS_FORM}.")
    return found


class Server:
    """The API server of a workspace."""

    def __init__(
        self,
        workspace: Workspace,
        host: str,
        port: int,
        *,
        limits: ServingLimits | None = None,
        records: bool = True,
        listed: ServedList | None = None,
        metrics_listen: str | None = None,
        certificate: Path | None = None,
        key: Path | None = None,
        client_authority: Path | None = None,
        listener: socket.socket | None = None,
        metrics_listener: socket.socket | None = None,
        accounts_listen: Path | None = None,
        accounts_listener: socket.socket | None = None,
        named: str = "",
        shared: SharedCounts | None = None,
        rpc_port: int | None = None,
        rpc_named: str = "",
        rpc_reserved: socket.socket | None = None,
        clock: Clock = utc_now,
    ) -> None:
        """Listen, but answer no request before `start`.

        Args:
            workspace: The workspace to serve.
            host: Address to listen on.
            port: Port to listen on; 0 takes a free one.
            limits: The limits on one request.
            records: Whether predictions and outcomes are recorded.
            listed: What to serve, by model, instead of the settings' `serving.models`.
            metrics_listen: A second address, which answers probes and /metrics alone.
            certificate: File of the TLS certificate chain, for HTTPS.
            key: File of the private key.
            client_authority: File of the certificate authority; every caller must show a certificate of it.
            listener: Listens on the address already; by default, this server does.
            metrics_listener: Listens on the second address already.
            accounts_listen: A Unix socket at which accounts of this machine need no token.
            accounts_listener: Listens there already.
            named: The flag or the setting that the address is from, for errors.
            shared: The counters of all processes of this server, if there are several.
            rpc_port: Port for gRPC on the same address; 0 takes a free one, and by default there is none.
            rpc_named: The flag or the setting that the port is from, for errors.
            rpc_reserved: Keeps the port for gRPC already; by default, this server reserves it.
            clock: The time.
        Raises:
            ListenError: The server cannot listen on the address, other machines can reach the address while there
                is no token, the certificate cannot be used, or gRPC is not installed.
        """
        limit_arenas()
        settings = settings_in_force(workspace.root)
        # Where accounts are known, nobody looks without being one: at the port, any account of the machine could.
        local_reads = settings.serving.local_reads and settings.serving.socket is None
        self._authenticator = authenticator = Authenticator(
            workspace, local_reads=local_reads, oidc=settings.serving.oidc, clock=clock
        )
        self._policy = PolicySource(workspace.root)
        self._socket = listener or listen(authenticator, host, port, named=named)
        try:
            self._metrics_socket = metrics_listener or listen_for_metrics(authenticator, metrics_listen, self._socket)
            self._accounts_socket = accounts_listener or listen_for_accounts(accounts_listen)
        except ListenError:
            self._socket.close()
            raise
        self._limits = limits or ServingLimits()
        self._stats = ServerStats()
        current = CurrentSettings(workspace.root, settings)

        def denied() -> DenyList:
            return DenyList.of(current.read().explanation)

        may_write = not is_read_only(workspace.root)
        if not may_write:
            log.warning(
                "%s is on a read-only volume: answers are served; predictions, outcomes, counts and series are not "
                "recorded here, and a version that cannot be loaded raises no alert.",
                workspace.root,
            )
        follow = settings.serving.follow
        outbox: ReplicaOutbox | None = None
        if follow is not None and follow.send_mib and may_write and records:
            outbox = ReplicaOutbox(workspace.root / FOLDER / OUTBOX, follow.send_mib * (1 << 20))
        self._outbox = outbox
        self._recorder = PredictionRecorder(
            workspace,
            self._stats,
            is_on=records and may_write,
            why_off="" if may_write else "its workspace is on a read-only volume",
            retention=settings.telemetry.predictions,
            held_since=Rollouts(workspace, clock=clock).needed_since,
            outbox=outbox,
            clock=clock,
        )
        self._live = LiveCounter(
            workspace,
            is_on=settings.serving.live_counts and may_write,
            retention=settings.telemetry.live,
            logs=settings.serving.log_features if settings.serving.log_features.share else None,
            explains=current,
            outbox=outbox,
            clock=clock,
        )
        self._predictor = Predictor(authenticator, self._recorder, self._stats, self._limits)
        self._loader = self._predictor.loader = Loader(
            workspace,
            self._stats,
            self._publish,
            memory_bytes=self._limits.memory_bytes,
            listed=settings.serving.models if listed is None else listed,
            live=self._live,
            denied=denied,
            withdrawn=no_reason
            if follow is None
            else lambda: why_nothing_is_served(read_standing(standing_file(workspace.root))),
            demand=ClaimDemand(workspace, settings.serving.require_claims, settings.serving.claim_keys),
            clock=clock,
        )
        self._process = ProcessMetrics()
        metrics = ServingMetrics(
            workspace, self._counts, self._recorder, lambda: take_snapshot(workspace), shared, denied
        )
        self._shared = shared
        name = f"{socket.gethostname()}:{self._socket.getsockname()[1]}"
        self._traces = Traces(current, {"service.name": JOB, "service.instance.id": name})
        self._follow_settings()
        self._series = SeriesRecorder(
            lambda: MetricRecording(workspace, current, clock, job=JOB, instance=name),
            metrics.counted,
            lock=None if shared is None else shared.recorder_lock,
            each_step=self._follow_settings,
            is_on=may_write,
        )
        reads = Reads(
            authenticator,
            metrics,
            lambda: self.table,
            lambda: write_problem(workspace.root),
            self._is_listening,
            lambda: (
                None if follow is None else silence_of(read_standing(standing_file(workspace.root)), follow, clock())
            ),
        )
        self.evaluations = EvaluationPool()
        control = control_application(
            workspace,
            authenticator,
            self._recorder,
            lambda: self.table,
            self._limits,
            self._port_troubles,
            self.evaluations,
            RateLimit(settings.serving.requests_per_minute),
            self._live,
        )
        self._front_door = FrontDoor(self._predictor, reads, control)  # type: ignore[arg-type]
        if self._metrics_socket is not None:
            self._front_door.metrics_port = self._metrics_socket.getsockname()[1]
        try:
            if rpc_port is not None and rpc_reserved is None:
                others = {named or LISTEN_SETTING: self._socket, METRICS_SETTING: self._metrics_socket}
                rpc_reserved = reserve(self._socket.getsockname()[0], rpc_port, named=rpc_named, others=others)
            tls = certificate, key, client_authority
            self._rpc = None if rpc_reserved is None else _rpc_server(self._predictor, rpc_reserved, *tls)
            self._uvicorn = _uvicorn_server(self._front_door, self._limits, *tls, self._rpc)
        except ListenError:
            self._close_sockets()
            if rpc_reserved is not None:
                rpc_reserved.close()
            self._close_stores()
            raise
        self._scheme = "http" if certificate is None else "https"
        self._thread = threading.Thread(target=self._run, name="serving", daemon=True)

    def _follow_settings(self) -> None:
        self._predictor.traces = traces_in_force(self._predictor.traces, self._traces)

    @property
    def table(self) -> ServingTable:
        """The table served at this moment."""
        return self._predictor.table

    @property
    def url(self) -> str:
        """The URL of the server."""
        return self._url(self._socket)

    @property
    def metrics_url(self) -> str | None:
        """The URL at which it answers probes and /metrics alone, if there is one."""
        return None if self._metrics_socket is None else self._url(self._metrics_socket)

    def _url(self, listener: socket.socket) -> str:
        host, port = listener.getsockname()[:2]
        return f"{self._scheme}://{f'[{host}]' if ':' in host else host}:{port}"

    def _sockets(self) -> list[socket.socket]:
        return [each for each in (self._socket, self._metrics_socket, self._accounts_socket) if each is not None]

    def _close_stores(self) -> None:
        self._recorder.close()
        self._live.close()
        if self._outbox is not None:  # the last counts have come to it
            self._outbox.close()

    def _close_sockets(self) -> None:
        for listener in self._sockets():
            listener.close()

    @property
    def rpc_address(self) -> str | None:
        """HOST:PORT for gRPC, or None."""
        return None if self._rpc is None else self._rpc.address

    @property
    def stop_seconds(self) -> float:
        """How long `stop` may take before it stores the queued records."""
        return self._limits.stop_seconds

    def start(self) -> None:
        """Load the live versions in the background, and start to answer."""
        self.load()
        self.answer()

    def load(self) -> None:
        """Load the live versions in the background."""
        self._authenticator.begin()
        self._loader.start()
        self._live.start()

    def wait_until_loaded(self, gives_up: Callable[[], bool], *, meanwhile: Callable[[], None]) -> None:
        """Wait until the live versions are loaded, at most as long as a request for one would wait.

        Args:
            gives_up: Whether to wait no longer.
            meanwhile: Called again and again.
        """
        until = time.monotonic() + self._limits.answer_seconds
        while not (self.table.is_complete or gives_up() or time.monotonic() >= until):
            meanwhile()
            time.sleep(_LOOK_SECONDS)

    def answer(self) -> None:
        """Start to answer."""
        self._thread.start()
        self._series.start()
        log.info("serving on %s", self.url)
        if self._rpc is not None:
            log.info("serving gRPC on %s", self._rpc.address)
        if self.metrics_url is not None:
            log.info("/health, /ready and /metrics on %s", self.metrics_url)
        if self._accounts_socket is not None:
            log.info("accounts of this machine need no token at %s", self._accounts_socket.getsockname())
        if environment := self._policy.environment:
            log.info("the policy is of the environment %s (BONDX_ENV)", environment)

    def stop(self) -> tuple[str, ...]:
        """Answer the pending requests, store the queued records, and stop. Safe to repeat.

        Takes at most `serving.stop_seconds`, and the time to store the records.

        Returns:
            What still computes, such as a model that never returns: its process would not end by itself.
        """
        until = time.monotonic() + self._limits.stop_seconds
        self._uvicorn.should_exit = True
        self.evaluations.stop()
        if self._thread.ident is not None:  # only if it was started
            self._thread.join(self._limits.stop_seconds * _ANSWERING_PART + _TICKS_SECONDS)
        self._loader.stop()
        self._predictor.close()
        self._front_door.texts.close()
        stuck = self._wait_for_threads(until)
        self._series.stop(ends_series=not self._front_door.is_draining)
        self._traces.close()
        self._close_stores()
        self._close_sockets()
        if self._rpc is not None:
            self._rpc.close()
        self.publish_counts()
        for each in stuck:
            log.error("still computing %g s after the server was stopped: %s", self._limits.stop_seconds, each)
        return stuck

    def _wait_for_threads(self, until: float) -> tuple[str, ...]:
        """Wait for the threads of this server, and describe those that do not end in time."""
        mine = [self._thread, *self._loader.threads(), *self._predictor.threads(), *self._front_door.texts.threads()]
        mine = [thread for thread in mine if thread.ident is not None]
        until = max(until, time.monotonic() + _TURN_SECONDS)
        for thread in mine:
            thread.join(max(until - time.monotonic(), 0.0))
        return tuple(described([thread for thread in mine if thread.is_alive()]))

    def drain(self) -> tuple[str, ...]:
        """Make room for a successor on the same socket: accept nothing more, and stop.

        Each connection ends with its next answer. A connection at rest is closed only after a while, since its caller
        may be about to use it.
        """
        self._front_door.is_draining = True
        return self.stop()

    def publish_counts(self) -> None:
        """Write the counters of this process for the other processes of this server."""
        if self._shared is not None:
            self._shared.write(self._counts())

    def _counts(self) -> Counts:
        """Return the counters and the state of this process."""
        counts = Counts.of(self._stats, self._recorder.health())
        counts.live = self._live.health()
        counts.process = self._process.values()
        counts.n_spans_sent, counts.n_spans_lost = self._traces.counts.n_sent, self._traces.counts.n_lost
        if self.table.is_complete or self._shared is None:
            counts.table = table_facts(self.table, is_listening=self._is_listening())
        return counts

    def _is_listening(self) -> bool:
        """Whether callers reach it over gRPC, if that was asked for; over HTTP they ask this."""
        return self._rpc is None or self._rpc.is_listening

    def _port_troubles(self) -> tuple[str, ...]:
        return () if self._is_listening() else ("gRPC is off: nothing listens on its port",)

    @property
    def is_responsive(self) -> bool:
        """Whether the event loop has had a turn lately: before its first, and without one, nothing is answered."""
        return time.monotonic() - self._uvicorn.ticked_at < _TICKS_SECONDS

    @property
    def is_running(self) -> bool:
        """Whether the server still answers."""
        return self._thread.is_alive()

    def _publish(self, table: ServingTable) -> None:
        is_first = table.is_complete and not self._predictor.table.is_complete
        self._predictor.table = table
        if is_first:
            # Half a million objects of libraries and models are permanent; each garbage collection over them would stop
            # all answers for a tenth of a second.
            freeze()

    def _run(self) -> None:
        quiet_arithmetic()
        n_ports = 1 if self._rpc is None else 3  # gRPC takes twice as many for a moment
        n_connections = self._limits.connections * n_ports
        _allow_descriptors(n_connections + 2 * RESERVE + _OWN_DESCRIPTORS)
        sys.setswitchinterval(min(sys.getswitchinterval(), _SWITCH_SECONDS))
        try:
            self._uvicorn.run(sockets=self._sockets())
        except Exception:
            log.exception("the API server failed")


class _TickingServer(uvicorn.Server):
    """uvicorn, with the time at which its event loop last had a turn, and a companion on that loop."""

    ticked_at = -math.inf
    companion: "RpcServer | None" = None

    async def on_tick(self, counter: int) -> bool:
        self.ticked_at = time.monotonic()
        return await super().on_tick(counter)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        if self.companion is not None:
            await self.companion.start()
        await super().startup(sockets)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if self.companion is None:
            await super().shutdown(sockets)
        else:
            seconds = float(self.config.timeout_graceful_shutdown or 0)
            await asyncio.gather(super().shutdown(sockets), self.companion.stop(seconds))


def _rpc_server(
    predictor: Predictor,
    reserved: socket.socket,
    certificate: Path | None,
    key: Path | None,
    client_authority: Path | None,
) -> "RpcServer":
    from core.serving.rpc.server import RpcServer  # gRPC is an extra, imported only where it is asked for

    return RpcServer(predictor, reserved, certificate, key, client_authority)


def _uvicorn_server(
    front_door: FrontDoor,
    limits: ServingLimits,
    certificate: Path | None,
    key: Path | None,
    client_authority: Path | None,
    companion: "RpcServer | None",
) -> _TickingServer:
    """Configure uvicorn.

    Raises:
        ListenError: The certificate, its key or the authority of callers cannot be used.
    """
    config = uvicorn.Config(
        front_door,
        loop="uvloop",
        http=PredictProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        backlog=limits.connections,
        timeout_keep_alive=limits.idle_seconds,
        timeout_graceful_shutdown=max(1, int(limits.stop_seconds * _ANSWERING_PART)),
        ssl_certfile=certificate,
        ssl_keyfile=key,
        ssl_ca_certs=None if client_authority is None else str(client_authority),
        ssl_cert_reqs=ssl.CERT_NONE if client_authority is None else ssl.CERT_REQUIRED,
    )
    if client_authority is not None and certificate is None:
        raise ListenError("Callers can show a certificate only to a server that has one: give --certificate, too.")
    for file in filter(None, (certificate, key, client_authority)):
        try:
            open_plain(file).close()  # a pipe would be waited for
        except OSError as error:
            raise ListenError(f"{file} cannot be read: {error.strerror or error}.") from error
    try:
        config.load()
    except OSError as error:  # includes TLS errors
        files = " and ".join(str(file) for file in (certificate, key, client_authority) if file is not None)
        raise ListenError(
            f"The certificate or its key in {files} cannot be used: {error.strerror or error}."
        ) from error
    server = _TickingServer(config)
    server.companion = companion
    return server


def _allow_descriptors(n: int) -> None:
    """Raise the soft limit on open files to what the connections need, as far as the hard limit allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < n:
        wanted = n if hard == resource.RLIM_INFINITY else min(n, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def listen_for_metrics(
    authenticator: Authenticator, address: str | None, listener: socket.socket
) -> socket.socket | None:
    """Listen on the address of `serving.metrics_listen`; None if there is none, or it is the server's own.

    Args:
        authenticator: The tokens of the workspace.
        address: HOST:PORT.
        listener: Listens on the address of the server.
    Raises:
        ListenError: It cannot be listened on.
    """
    if not address:
        return None
    host, port = parse_address(address)
    own_host, own_port = listener.getsockname()[:2]
    if port != own_port:
        return listen(authenticator, host, port, named=METRICS_SETTING)
    if host not in (own_host, "localhost"):
        raise ListenError(
            f"{METRICS_SETTING} is {address}, and {port} is the port of serving.listen, too, on {own_host}: "
            "choose another port, or the same host."
        )
    return None  # everything is answered there


def require_token(authenticator: Authenticator, host: str) -> None:
    """Refuse an address that other machines can reach, while nobody has a token.

    Args:
        authenticator: The tokens of the workspace.
        host: The address.
    Raises:
        NoTokenError: It is such an address.
    """
    if not is_loopback(host) and host != "localhost" and not authenticator.has_tokens():
        raise NoTokenError(
            f"{host} can be reached from other machines, and there is no valid token: "
            "create one first with `bondx serve token create NAME --role viewer`."
        )


def listen(authenticator: Authenticator, host: str, port: int, *, named: str = "") -> socket.socket:
    """Listen on an address.

    Args:
        authenticator: The tokens of the workspace.
        host: The address.
        port: The port; 0 takes a free one.
        named: The flag or the setting that they are from, for errors.
    Raises:
        ListenError: It cannot be listened on, or other machines can reach it while there is no token.
    """
    require_token(authenticator, host)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=2_048)
    except OSError as error:
        number = error.errno or 0
        why = os.strerror(number) if number > 0 else error.strerror or error  # without the details of the call
        raise ListenError(f"Cannot listen on {host}:{port}: {why}.{cure_of_taken(named)}") from error
