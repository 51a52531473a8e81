"""The `serving` block: the address of the API, and the limits on one request."""

from typing import Annotated

import msgspec
from msgspec import Meta

from core.settings.address import ListenAddress
from core.settings.claims import ClaimKeySettings, ClaimName
from core.settings.feature_log import FeatureLogSettings
from core.settings.following import FollowSettings
from core.settings.names import Name
from core.settings.oidc import OidcSettings
from core.settings.served_models import ServedModelSettings, ServedName

MOST_ROWS = 1_000_000


class ServingSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The settings of `bondx serve` and `bondx run --api`; command-line flags override them."""

    listen: ListenAddress = "127.0.0.1:8501"
    models: Annotated[
        dict[ServedName, ServedModelSettings],
        Meta(description="The models that are served; empty: all of the registry."),
    ] = {}
    grpc_port: Annotated[
        Annotated[int, Meta(ge=0, le=65_535)] | None,
        Meta(description="Port for gRPC on the host of `listen`, 0 for a free one; null: none. Needs an extra."),
    ] = None
    metrics_listen: Annotated[
        ListenAddress | None,
        Meta(description="A second address, for /health, /ready and /metrics alone; null: only listen has them."),
    ] = None
    socket: Annotated[
        Name | None,
        Meta(description="A Unix socket at which accounts of this machine need no token, but grants; null: none."),
    ] = None
    oidc: Annotated[
        OidcSettings | None,
        Meta(description="A provider of OpenID Connect whose tokens are taken beside API tokens; needs an extra."),
    ] = None
    require_claims: Annotated[
        tuple[ClaimName, ...],
        Meta(description="Signed claims that a version must have before it is loaded; empty: none."),
    ] = ()
    claim_keys: Annotated[
        Annotated[tuple[ClaimKeySettings, ...], Meta(max_length=100)],
        Meta(description="The public keys whose claims count; empty: that of the workspace, keys/audit-signing.pub."),
    ] = ()
    requests_per_minute: Annotated[
        Annotated[int, Meta(ge=1, le=1_000_000)] | None,
        Meta(description="Requests of the control API that each caller may make, in each process; null: no limit."),
    ] = None
    follow: Annotated[
        FollowSettings | None,
        Meta(description="The workspace of another host that this server is a replica of; null: it serves its own."),
    ] = None
    local_reads: Annotated[
        bool,
        Meta(description="Whether callers on this machine may read and predict without a token; not beside a socket."),
    ] = True
    record_predictions: Annotated[bool, Meta(description="Record predictions, which rollouts and outcomes need.")] = (
        True
    )
    live_counts: Annotated[
        bool, Meta(description="Count answered rows by minute in the bins of profiles; checks of live drift need them.")
    ] = True
    log_features: Annotated[
        FeatureLogSettings, Meta(description="A sample of the answered rows themselves. Needs live_counts.")
    ] = FeatureLogSettings()
    max_body_mib: Annotated[float, Meta(gt=0, le=1024, description="Maximum body of a request, MiB.")] = 8.0
    max_rows: Annotated[int, Meta(ge=1, le=MOST_ROWS, description="Maximum rows of a request.")] = 10_000
    body_seconds: Annotated[float, Meta(gt=0, le=3600, description="Time limit for a request to arrive.")] = 10.0
    answer_seconds: Annotated[
        float, Meta(gt=0, le=3600, description="Time limit for an answer, including the loading of a version.")
    ] = 30.0
    connections: Annotated[int, Meta(ge=1, le=100_000, description="Maximum number of open connections.")] = 1_000
    connections_by_peer: Annotated[
        int, Meta(ge=1, le=100_000, description="Maximum number of open connections from one address.")
    ] = 500
    first_request_seconds: Annotated[
        float, Meta(gt=0, le=3600, description="Time for the first request of a connection to begin.")
    ] = 10.0
    idle_seconds: Annotated[
        int, Meta(ge=1, le=3600, description="Idle time after which a connection is closed; longer than clients wait.")
    ] = 75
    inline_rows: Annotated[
        int, Meta(ge=0, le=10_000, description="Maximum rows of a fast model answered without a worker.")
    ] = 64
    waiting_batches: Annotated[
        int, Meta(ge=1, le=10_000, description="Maximum larger requests waiting for a worker; more are refused.")
    ] = 32
    workers: Annotated[int, Meta(ge=1, le=64, description="Threads that answer larger requests.")] = 2
    memory_mib: Annotated[
        float, Meta(ge=0, le=1e7, description="Memory for loaded versions, MiB; 0 for no limit. Live versions stay.")
    ] = 0.0
    processes: Annotated[
        int, Meta(ge=0, le=256, description="Server processes below a supervisor; 0: serve in the main process.")
    ] = 0
    stop_seconds: Annotated[
        float, Meta(gt=0, le=3600, description="Time to stop; then the process ends, whatever still computes.")
    ] = 15.0
    silence_seconds: Annotated[
        float, Meta(ge=1, le=3600, description="Silence after which a supervisor replaces a server process.")
    ] = 10.0
    outcome_limit: Annotated[
        float, Meta(gt=0, le=1e100, description="Largest absolute value of an outcome; larger values are refused.")
    ] = 1e12
    load_memory_mib: Annotated[
        int, Meta(ge=64, le=1 << 20, description="Memory that a version may take when it is first loaded, MiB.")
    ] = 4_096
    load_seconds: Annotated[
        float, Meta(gt=0, le=3600, description="Time that a version may take when it is first loaded.")
    ] = 60.0

    def __post_init__(self) -> None:
        if self.log_features.share and not self.live_counts:
            raise ValueError(
                "log_features needs live_counts: true, since the thread that counts rows samples them, too"
            )
