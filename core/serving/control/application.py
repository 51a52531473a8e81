"""The control API as a Litestar application, with the document that describes it and the predict paths."""

from collections.abc import Callable
from typing import Any

from litestar import Litestar, Request, Response, Router, get
from litestar.config.app import AppConfig
from litestar.di import Provide
from litestar.exceptions import HTTPException
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.spec import Components, SecurityScheme
from litestar.routes import HTTPRoute

from core.errors import CoreError
from core.installed_packages import own_release
from core.json_documents import describe
from core.serving.authenticator import Authenticator
from core.serving.control.access import AccessRoutes
from core.serving.control.admission import (
    AUTHENTICATOR,
    LOOK,
    RATE_LIMIT,
    admit,
    caller_of,
    check_request,
    check_types,
    check_words,
)
from core.serving.control.alertmanager import AlertmanagerRoutes
from core.serving.control.alertmanager_silences import AlertmanagerSilenceRoutes
from core.serving.control.alerts import AlertRoutes
from core.serving.control.backups import BackupRoutes
from core.serving.control.cluster import ClusterRoutes
from core.serving.control.evaluation_pool import EvaluationPool
from core.serving.control.evidence import EvidenceRoutes
from core.serving.control.explanations import ExplanationRoutes
from core.serving.control.faults import (
    ROOT,
    Fault,
    in_a_sentence,
    on_bad_text,
    on_bug,
    on_core_error,
    on_http_error,
    on_too_deep,
)
from core.serving.control.given_rows import GivenRowsRoutes
from core.serving.control.models import Models
from core.serving.control.monitoring import MonitoringRoutes
from core.serving.control.notifications import NotificationRoutes
from core.serving.control.oncall import OncallRoutes
from core.serving.control.outcomes import OutcomeRoutes, PredictionRoutes
from core.serving.control.policy import PolicyRoutes
from core.serving.control.predict_paths import faults, predict_paths
from core.serving.control.prunes import PruneRoutes
from core.serving.control.records import RecordRoutes
from core.serving.control.replication import ReplicationRoutes, SentRecordRoutes
from core.serving.control.retrainings import RetrainingRoutes
from core.serving.control.rollouts import RolloutRoutes
from core.serving.control.rules import RuleRoutes
from core.serving.control.saved_views import SavedViewRoutes
from core.serving.control.schemas import StructSchemas, tuples_spelled
from core.serving.control.sessions import SessionRoutes
from core.serving.control.shift import ShiftRoutes
from core.serving.control.signatures import SignatureRoutes
from core.serving.control.silences import SilenceRoutes
from core.serving.control.stress import StressRoutes
from core.serving.control.tokens import TokenRoutes
from core.serving.control.versions import VersionRoutes
from core.serving.control.webhooks import WebhookRoutes
from core.serving.limits import ServingLimits
from core.serving.live import LiveCounter
from core.serving.rate_limit import RateLimit
from core.serving.recording import PredictionRecorder
from core.serving.table import ServingTable
from core.state import Workspace

PREFIX, ALERTMANAGER_PREFIX = "/api/v1", "/api/v2"
_ROUTES = (
    Models,
    VersionRoutes,
    SignatureRoutes,
    SessionRoutes,
    ClusterRoutes,
    RolloutRoutes,
    RetrainingRoutes,
    PolicyRoutes,
    AlertRoutes,
    RuleRoutes,
    NotificationRoutes,
    SilenceRoutes,
    OncallRoutes,
    ShiftRoutes,
    SavedViewRoutes,
    MonitoringRoutes,
    RecordRoutes,
    PruneRoutes,
    BackupRoutes,
    EvidenceRoutes,
    AccessRoutes,
    TokenRoutes,
    WebhookRoutes,
    ReplicationRoutes,
)
_DATA_ROUTES = (OutcomeRoutes, PredictionRoutes, SentRecordRoutes, GivenRowsRoutes, ExplanationRoutes, StressRoutes)
"""Their texts are data of callers, which are taken as they are."""


def control_application(
    workspace: Workspace,
    authenticator: Authenticator,
    recorder: PredictionRecorder,
    table: Callable[[], ServingTable],
    limits: ServingLimits,
    port_troubles: Callable[[], tuple[str, ...]] = lambda: (),
    evaluation_pool: EvaluationPool | None = None,
    rate_limit: RateLimit | None = None,
    live: LiveCounter | None = None,
) -> Litestar:
    """Assemble the application.

    Args:
        workspace: The workspace.
        authenticator: Knows the callers.
        recorder: Records outcomes.
        table: Returns what is served now.
        limits: The limits of requests.
        port_troubles: Says which ports are closed though they should be open, a sentence each.
        evaluation_pool: Runs expressions of callers; by default one of its own.
        rate_limit: Limits the requests of each caller; by default nothing does.
        live: Counts served rows, and takes the counts of replicas.
    """
    pool = evaluation_pool or EvaluationPool()

    @get("/openapi.json", opt=LOOK, include_in_schema=False, sync_to_thread=True)
    def openapi() -> dict[str, Any]:
        """Return the OpenAPI document of the whole server."""
        return document(application)

    answers: dict[int | type[Exception], Callable[[Request[Any, Any, Any], Any], Response[Fault]]] = {
        CoreError: on_core_error,
        HTTPException: on_http_error,
        RecursionError: on_too_deep,
        UnicodeDecodeError: on_bad_text,
        Exception: on_bug,
    }
    application = Litestar.from_config(
        AppConfig(
            route_handlers=[
                Router(PREFIX, route_handlers=[*_ROUTES, openapi], before_request=check_words),
                Router(PREFIX, route_handlers=_DATA_ROUTES, before_request=check_request),
                Router(
                    ALERTMANAGER_PREFIX,
                    route_handlers=[AlertmanagerRoutes, AlertmanagerSilenceRoutes],
                    before_request=check_types,
                    exception_handlers={kind: in_a_sentence(answer) for kind, answer in answers.items()},
                ),
            ],
            guards=[admit],
            dependencies={
                "workspace": Provide(lambda: workspace, sync_to_thread=False),
                "recorder": Provide(lambda: recorder, sync_to_thread=False),
                "limits": Provide(lambda: limits, sync_to_thread=False),
                "table": Provide(table, sync_to_thread=False),
                "port_troubles": Provide(port_troubles, sync_to_thread=False),
                "evaluation_pool": Provide(lambda: pool, sync_to_thread=False),
                "live": Provide(lambda: live, sync_to_thread=False),
                "caller": Provide(caller_of, sync_to_thread=False),
            },
            exception_handlers={**answers},
            request_max_body_size=limits.body_bytes,
            openapi_config=OpenAPIConfig(
                title="BondX Console",
                version=own_release(),
                description="Predictions in several dialects, and every verb of the console.",
                components=Components(
                    security_schemes={"token": SecurityScheme(type="http", scheme="bearer", description="A token.")}
                ),
                security=[{"token": []}],
                render_plugins=[],
                use_handler_docstrings=True,
            ),
            plugins=[StructSchemas()],
            logging_config=None,
        )
    )
    application.state[AUTHENTICATOR] = authenticator
    application.state[RATE_LIMIT] = rate_limit or RateLimit(None)
    application.state[ROOT] = workspace.root
    for route in application.routes:
        if isinstance(route, HTTPRoute):
            for handler in route.route_handlers:
                describe(handler.signature_model)
    return application


def document(application: Litestar) -> dict[str, Any]:
    """Describe the control API and the predict paths in one OpenAPI document."""
    described = tuples_spelled(application.openapi_schema.to_schema())
    for path, operations in described["paths"].items():
        refusals = faults(
            "400", "401", "403", "404", "409", "422", "429", is_sentence=path.startswith(f"{ALERTMANAGER_PREFIX}/")
        )
        for operation in operations.values():
            operation["responses"] |= refusals
    return {**described, "paths": {**described["paths"], **predict_paths()}}
