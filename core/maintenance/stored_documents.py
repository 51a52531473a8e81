"""Documents of the state files that do not read as their type: why, and the repair of each."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, get_args, get_origin

import msgspec
import orjson

from core.access import DATABASE as ACCESS
from core.access import CustomRole, Grant, Token
from core.alerts import Alert
from core.alerts.anomaly.records import ANOMALY_TABLE, AnomalyRecord
from core.alerts.delivery.outbox import DATABASE as NOTIFICATIONS
from core.alerts.delivery.records import Announcement, ChannelHealth, ConsoleLog, Delivery
from core.alerts.escalation.escalation import TABLE as ESCALATIONS
from core.alerts.escalation.escalation import EscalatedAlert
from core.alerts.evaluation.records import GROUP_TABLE, PENDING_TABLE, ActiveRuleAlert, RuleGroupRecord
from core.alerts.routing.dispatcher import GROUPS
from core.alerts.routing.groups import AlertGroup
from core.alerts.routing.last_good import DATABASE as ROUTING
from core.alerts.routing.last_good import TABLE as IN_FORCE
from core.alerts.routing.last_good import RoutingRecord
from core.alerts.silences.silence import Silence
from core.alerts.silences.silences import DATABASE as SILENCES
from core.alerts.store import DATABASE as ALERTS
from core.errors import CoreError
from core.escape import shown, spelled_out
from core.evidence.drafts import DATABASE as EVIDENCE
from core.evidence.drafts import TABLE as DRAFTS
from core.evidence.drafts import RecordedDraft
from core.evidence.packs import TABLE as PACKS
from core.evidence.packs import KeptPack
from core.governance.head import DATABASE as AUDIT
from core.governance.head import AuditHead
from core.governance.outbox import TABLE as OUTBOX
from core.governance.record import AuditEntry
from core.json_documents import decode_json
from core.maintenance.backup.history import DATABASE as BACKUPS
from core.maintenance.backup.history import TABLE as BACKUP_RECORDS
from core.maintenance.backup.history import RecordedBackup
from core.monitoring.documents import DriftBudget, ModelMonitoring
from core.monitoring.labels.draws import DATABASE as LABELS
from core.monitoring.labels.draws import TABLE as DRAWS
from core.monitoring.labels.draws import LabelDraw
from core.monitoring.monitoring_store import BUDGET_TABLE
from core.monitoring.monitoring_store import DATABASE as MONITORING
from core.monitoring.monitoring_store import TABLE as MONITORED
from core.registry import Alias, ModelVersion, PrunedVersion, Quarantine, RegisteredModel, Transition
from core.registry.approvals import Approval
from core.registry.documents import FORMER_KEYS, MADE_PROFILES, FormerModelKey, MadeProfile
from core.registry.move_packs import TABLE as MOVE_PACKS
from core.registry.move_packs import MovePack
from core.registry.records import DATABASE as REGISTRY
from core.retraining.document import Retraining, RetrainingMemory
from core.retraining.retrainings import DATABASE as RETRAINING
from core.retraining.retrainings import MEMORY_TABLE
from core.retraining.retrainings import TABLE as RETRAININGS
from core.rollout.rollout import Rollout
from core.saved_views.saved_view import SavedView
from core.saved_views.store import DATABASE as VIEWS
from core.saved_views.store import TABLE as SAVED_VIEWS
from core.state.encoding import fields_of
from core.state.generation import load
from core.state.workspace import Workspace
from core.stress.stored_tests import DATABASE as STRESS
from core.stress.stored_tests import TABLE as STRESS_TESTS
from core.stress.stored_tests import StressTest
from core.tracking import Run
from core.tracking.removal import TABLE as REMOVED_RUNS
from core.tracking.removal import RemovedRun
from core.tracking.run_reader import DATABASE as RUNS
from core.training.session import Session
from core.training.sessions import DATABASE as SESSIONS
from core.webhooks.delivery import WebhookCursor, WebhookDelivery
from core.webhooks.queue import CURSORS, DELIVERIES
from core.webhooks.queue import DATABASE as WEBHOOKS

_ABSENT = object()


class TableOf(NamedTuple):
    """One table of typed documents."""

    database: str
    table: str
    struct: type[msgspec.Struct]
    key: str


HEAD = TableOf(AUDIT, "head", AuditHead, "name")
TABLES: tuple[TableOf, ...] = (
    TableOf(REGISTRY, "models", RegisteredModel, "model"),
    TableOf(REGISTRY, "versions", ModelVersion, "key"),
    TableOf(REGISTRY, "transitions", Transition, "key"),
    TableOf(REGISTRY, MOVE_PACKS, MovePack, "key"),
    TableOf(REGISTRY, "pruned", PrunedVersion, "key"),
    TableOf(REGISTRY, "quarantine", Quarantine, "key"),
    TableOf(REGISTRY, "aliases", Alias, "key"),
    TableOf(REGISTRY, "approvals", Approval, "key"),
    TableOf(REGISTRY, MADE_PROFILES, MadeProfile, "key"),
    TableOf(REGISTRY, FORMER_KEYS, FormerModelKey, "fingerprint"),
    TableOf(REGISTRY, "rollouts", Rollout, "rollout_id"),
    TableOf(RETRAINING, RETRAININGS, Retraining, "retraining_id"),
    TableOf(RETRAINING, MEMORY_TABLE, RetrainingMemory, "model"),
    TableOf(SESSIONS, "sessions", Session, "session_id"),
    TableOf(RUNS, "runs", Run, "run_id"),
    TableOf(RUNS, REMOVED_RUNS, RemovedRun, "run_id"),
    TableOf(STRESS, STRESS_TESTS, StressTest, "test_id"),
    TableOf(VIEWS, SAVED_VIEWS, SavedView, "name"),
    TableOf(MONITORING, MONITORED, ModelMonitoring, "model"),
    TableOf(MONITORING, BUDGET_TABLE, DriftBudget, "name"),
    TableOf(LABELS, DRAWS, LabelDraw, "draw_id"),
    TableOf(ACCESS, "grants", Grant, "grant_id"),
    TableOf(ACCESS, "roles", CustomRole, "name"),
    TableOf(ACCESS, "tokens", Token, "token_id"),
    TableOf(ALERTS, "alerts", Alert, "fingerprint"),
    TableOf(ALERTS, PENDING_TABLE, ActiveRuleAlert, "key"),
    TableOf(ALERTS, GROUP_TABLE, RuleGroupRecord, "group"),
    TableOf(ALERTS, ANOMALY_TABLE, AnomalyRecord, "key"),
    TableOf(EVIDENCE, PACKS, KeptPack, "pack_id"),
    TableOf(EVIDENCE, DRAFTS, RecordedDraft, "draft_id"),
    TableOf(BACKUPS, BACKUP_RECORDS, RecordedBackup, "key"),
    TableOf(WEBHOOKS, DELIVERIES, WebhookDelivery, "delivery_id"),
    TableOf(WEBHOOKS, CURSORS, WebhookCursor, "webhook"),
    TableOf(NOTIFICATIONS, GROUPS, AlertGroup, "group_id"),
    TableOf(NOTIFICATIONS, ESCALATIONS, EscalatedAlert, "fingerprint"),
    TableOf(SILENCES, "silences", Silence, "silence_id"),
    TableOf(NOTIFICATIONS, "deliveries", Delivery, "delivery_id"),
    TableOf(NOTIFICATIONS, "channels", ChannelHealth, "channel"),
    TableOf(NOTIFICATIONS, "announcements", Announcement, "announcement_id"),
    TableOf(NOTIFICATIONS, "console_log", ConsoleLog, "name"),
    TableOf(ROUTING, IN_FORCE, RoutingRecord, "name"),
    HEAD,
)
"""The tables of the engine; `tables_of` adds the outbox of every file. Holds are no such table: the engine writes them
again from the rollouts."""


class UnreadableDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A stored document that does not read as its type."""

    file: Path
    table: str
    doc_id: str
    key: str
    problem: str
    stored: dict[str, Any]
    repaired: dict[str, Any] | None  # None: no reading of it is known, so a repair takes it out of the table
    changes: tuple[str, ...] = ()  # what the repair would do, a clause for each field


def tables_of(database: str, tables: Sequence[TableOf]) -> list[TableOf]:
    """Return the typed tables of one state file."""
    outbox = [] if database == AUDIT else [TableOf(database, OUTBOX, AuditEntry, "id")]
    return [table for table in tables if table.database == database] + outbox


def unreadable_documents(
    workspace: Workspace, database: str, tables: Sequence[TableOf] = TABLES
) -> Iterator[UnreadableDocument]:
    """Yield the documents of one state file that do not read as their type.

    Raises:
        CoreError: The file itself cannot be read.
    """
    file = workspace.state_file(database)
    stored = load(file).tables
    before: Mapping[str, Any] | None = None
    for kind in tables_of(database, tables):
        for doc_id, found in stored.get(kind.table, {}).items():
            document = fields_of(found)
            if (problem := _problem(document, kind.struct)) is None:
                continue
            before = _previous(file) if before is None else before
            earlier = fields_of(before.get(kind.table, {}).get(doc_id, {}))
            repaired, changes = _repaired(document, kind.struct, earlier)
            yield UnreadableDocument(
                file=file,
                table=kind.table,
                doc_id=doc_id,
                key=str(document.get(kind.key, doc_id)),
                problem=_with_value(problem, document),
                stored=dict(document),
                repaired=repaired,
                changes=changes,
            )


def _previous(file: Path) -> Mapping[str, Any]:
    try:
        return load(file, previous=True).tables
    except CoreError:
        return {}


def _problem(document: Any, kind: Any) -> str | None:
    try:
        decode_json(orjson.dumps(document), kind)
    except (msgspec.ValidationError, TypeError) as error:
        return str(error)
    return None


def _with_value(problem: str, document: Mapping[str, Any]) -> str:
    """Add the value of the field that the decoder names."""
    _, found, place = problem.partition(" - at `$.")
    name = place.rstrip("`").partition(".")[0].partition("[")[0]
    if not found or name not in document:
        return spelled_out(problem)
    return spelled_out(f"{problem}; {name} is {shown(document[name])}")


def _repaired(
    document: Mapping[str, Any], struct: type[msgspec.Struct], earlier: Mapping[str, Any]
) -> tuple[dict[str, Any] | None, tuple[str, ...]]:
    """Repair field by field: spell as text what must be text, else take the earlier generation's value or the default.

    Returns:
        The document, and what was changed in it; None if a field has no reading.
    """
    repaired, changes = dict(document), []
    for field in msgspec.structs.fields(struct):
        name = field.encode_name
        value = document.get(name, _ABSENT)
        if value is not _ABSENT and _problem(value, field.type) is None:
            continue
        if value is _ABSENT and not field.required:
            continue
        found = next((each for each in _readings(value, field, earlier) if _problem(each, field.type) is None), _ABSENT)
        if found is _ABSENT:
            return None, ()
        repaired[name] = found
        was = "is missing" if value is _ABSENT else f"{shown(value)}"
        changes.append(spelled_out(f"{name} {was} → {shown(found)}"))
    return (repaired, tuple(changes)) if _problem(repaired, struct) is None else (None, ())


def _readings(value: Any, field: msgspec.structs.FieldInfo, earlier: Mapping[str, Any]) -> Iterator[Any]:
    """Yield what a field could be instead of a value, the nearest first."""
    if isinstance(value, bool | int | float):
        yield str(value)
    if isinstance(value, dict) and str in get_args(field.type) and get_origin(field.type) is not tuple:
        yield {str(key): str(item) for key, item in value.items() if item is not None}
    if isinstance(value, dict):
        yield {key: item for key, item in value.items() if item is not None}
    if field.encode_name in earlier:
        yield earlier[field.encode_name]
    if value is None or value is _ABSENT:
        if field.default is not msgspec.NODEFAULT:
            yield msgspec.to_builtins(field.default)
        if field.default_factory is not msgspec.NODEFAULT:
            yield msgspec.to_builtins(field.default_factory())
        yield ""
