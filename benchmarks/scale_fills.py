"""Fills of a workspace for `bench_scale.py`: each writes many records at once, through the product's own stores.

A fill writes the files that the product would have written one change at a time, audit records included, so that
`bondx doctor` and `bondx audit verify` find nothing to object to.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from core.actor import Actor, Origin
from core.alerts.alert import Alert, AlertState, Severity, fingerprint_of
from core.alerts.store import DATABASE as ALERTS
from core.clock import utc_now
from core.files import digest
from core.governance.audit import audited
from core.governance.audit_log import SIGN_EVERY, AuditLog
from core.governance.chain import Link, Seal
from core.governance.head import AuditHead, HeadStore
from core.governance.journal import Journal
from core.governance.keys import AuditKeys
from core.governance.outbox import entry_by_engine
from core.governance.verification import SIGNATURE_VERB, signed_message
from core.quality.gate import judge
from core.registry.card import CARD_NAME, RegistrationCard
from core.registry.documents import ModelVersion, RegisteredModel
from core.registry.manifest import MANIFEST_NAME, Manifest, ManifestFile
from core.registry.records import DATABASE as REGISTRY
from core.registry.records import Records
from core.registry.stages import Stage
from core.settings import ModelSettings, TelemetrySettings, TrainingSettings
from core.state import Documents, Workspace
from core.telemetry.store import EpochMetric, TelemetryStore
from core.tracking import Run, RunStatus
from core.tracking.run_reader import DATABASE as RUNS
from core.training.records import DrawRecord, EpochRecord
from core.training.scores import EpochScore, EpochScores
from core.training.session import DesiredSession, ObservedSession, Session, SessionPhase, as_document
from core.training.session_files import SessionFiles
from core.training.sessions import DATABASE as SESSIONS

BENCH = Actor("bench", "localhost", Origin.COMMAND_LINE)
N_MODELS = 50
MODELS = ("spread", "downgrade", "liquidity_shock", "anomaly")
BATCH = 250
"""Documents in one transaction: fewer would write the whole state file too often, more would crowd the outbox."""

EPOCH_METRICS = (
    *(f"spread.{name}" for name in ("attainment", "loss", "mae_bps", "mae_optimum_bps", "optimum", "r2")),
    *(
        f"{model}.{name}"
        for model in ("downgrade", "liquidity_shock")
        for name in ("attainment", "auc", "gini_attainment", "log_loss", "log_loss_optimum", "loss", "optimum")
    ),
    *(f"anomaly.{name}" for name in ("attainment", "average_precision", "loss", "optimum", "precision", "recall")),
    *(
        f"anomaly.{kind}_{name}"
        for kind in ("duplicate", "maturity_error", "off_market", "rating_typo", "stale_price", "unit_error")
        for name in ("optimum", "precision")
    ),
    "anomaly.threshold",
    *(f"stage.{stage}_seconds" for stage in ("checkpoint", "draw", "gates", "learn")),
    *("epoch.seconds", "quality.score", "score"),
)
"""The metrics that a session on bonds records in every epoch."""


def fill_versions(workspace: Workspace, number: int) -> None:
    """Register versions of 50 models, each with its files."""
    records = Records(workspace)
    began = utc_now() - timedelta(minutes=number)
    for batch in _batches(range(number)):
        with audited(workspace, REGISTRY, actor=BENCH) as change:
            for index in batch:
                version = _version(workspace, index, began + timedelta(minutes=index))
                if records.models.find(version.model) is None:
                    records.models.insert(_model(version))
                records.versions.insert(version)
                change.record("version.register", version.key, after={"stage": version.stage, "run_id": version.run_id})


def fill_runs(workspace: Workspace, number: int) -> None:
    """Record ended runs, each with its last metrics."""
    began = utc_now() - timedelta(minutes=number + 1)
    runs = (_run(f"r-{index + 1:04d}", began + timedelta(minutes=index)) for index in range(number))
    _insert(workspace, RUNS, workspace.database(RUNS).documents("runs", Run, "run_id"), runs, "run.finish")


def fill_points(workspace: Workspace, number: int) -> None:
    """Record one run with one metric of many steps."""
    documents = workspace.database(RUNS).documents("runs", Run, "run_id")
    run = _run(f"r-{len(documents.all()) + 1:04d}", utc_now() - timedelta(seconds=number))
    _insert(workspace, RUNS, documents, [run], "run.finish")
    _write_epochs(workspace, run.run_id, ("loss",), number, run.started_at)


def fill_epochs(workspace: Workspace, number: int) -> None:
    """Record one paused session of many epochs, with every metric of every epoch."""
    began = utc_now() - timedelta(seconds=number)
    runs = workspace.database(RUNS).documents("runs", Run, "run_id")
    sessions = workspace.database(SESSIONS).documents("sessions", Session, "session_id")
    session_id = f"s-{len(sessions.all()) + 1:04d}"
    run = _run(f"r-{len(runs.all()) + 1:04d}", began)
    run = msgspec.structs.replace(run, session_id=session_id, status=RunStatus.RUNNING, ended_at=None)
    _insert(workspace, RUNS, runs, [run], "run.start")
    _write_epochs(workspace, run.run_id, EPOCH_METRICS, number, began)
    _insert(workspace, SESSIONS, sessions, [_session(session_id, run.run_id, number, began)], "session.paused")


def fill_reports(workspace: Workspace, number: int) -> None:
    """Write the reports of the epochs of a paused session, and its dashboard."""
    sessions = workspace.database(SESSIONS).documents("sessions", Session, "session_id")
    session_id = f"s-{len(sessions.all()) + 1:04d}"
    session = _session(session_id, f"r-{len(sessions.all()) + 1:04d}", number, utc_now() - timedelta(seconds=number))
    _insert(workspace, SESSIONS, sessions, [session], "session.paused")
    files = SessionFiles(workspace)
    for epoch in range(1, number + 1):
        files.write_epoch(session, _record(epoch))
    files.write_dashboard(session, EpochScores([EpochScore(0.95, 0.98)] * number), [1.0] * 10)


def fill_audit(workspace: Workspace, number: int) -> None:
    """Append records to the audit log, signed as often as the engine signs."""
    AuditLog(workspace).begin()
    journal, keys, heads = Journal(workspace.audit_file), AuditKeys(workspace.keys_dir), HeadStore(workspace)
    seal = Seal(keys.chain_key(may_create=False))
    with journal.locked():
        head = heads.load() or AuditHead(seals_outbox=True)
        link, signed, lines = head.link, head.signed_sequence, list[bytes]()
        for index in range(number):
            entry = entry_by_engine("run.tag", f"r-{index % 5000 + 1:04d}", clock=utc_now, after={"tags": {"n": index}})
            line, link = seal.line(entry, link)
            lines.append(line)
            if link.sequence - signed >= SIGN_EVERY:
                line, link = _signature(keys, seal, link)
                lines.append(line)
                signed = link.sequence
        begin = journal.append(b"".join(lines))
        size = begin + sum(map(len, lines))
        newest = msgspec.structs.replace(
            head,
            sequence=link.sequence,
            hash=link.hash,
            start=size - len(lines[-1]),
            size=size,
            signed_sequence=signed,
        )
        heads.store(newest, seal)


def fill_alerts(workspace: Workspace, number: int) -> None:
    """Fire alerts about failed gates, each about a session of its own."""
    now = utc_now()
    alerts = (_alert(index, now - timedelta(seconds=index)) for index in range(number))
    documents = workspace.database(ALERTS).documents("alerts", Alert, "fingerprint")
    _insert(workspace, ALERTS, documents, alerts, "alert.fire")


FILLS: dict[str, Callable[[Workspace, int], None]] = {
    "versions": fill_versions,
    "runs": fill_runs,
    "points": fill_points,
    "epochs": fill_epochs,
    "reports": fill_reports,
    "audit": fill_audit,
    "alerts": fill_alerts,
}


def _batches(items: Iterable[Any]) -> Iterator[tuple[Any, ...]]:
    remaining = iter(items)
    while batch := tuple(itertools.islice(remaining, BATCH)):
        yield batch


def _insert(workspace: Workspace, database: str, documents: Documents[Any], items: Iterable[Any], verb: str) -> None:
    for batch in _batches(items):
        with audited(workspace, database, actor=BENCH) as change:
            for item in batch:
                documents.insert(item)
                change.record(verb, getattr(item, item.__struct_fields__[0]))


def _write_epochs(
    workspace: Workspace, run_id: str, names: tuple[str, ...], number: int, began: datetime, *, at_once: int = 2000
) -> None:
    store = TelemetryStore(workspace.telemetry_file, TelemetrySettings())
    start_us = int(began.timestamp() * 1_000_000)
    for first in range(1, number + 1, at_once):
        rows = [
            EpochMetric(run_id, epoch, name, start_us + epoch * 1_000_000, 1.0 / (1 + epoch % 997 + column))
            for epoch in range(first, min(first + at_once, number + 1))
            for column, name in enumerate(sorted(names))  # in the order of the table: several times faster
        ]
        store.write((), rows)
    store.recycle_wal()
    store.close()


def _version(workspace: Workspace, index: int, at: datetime) -> ModelVersion:
    model, minor = f"model-{index % N_MODELS:02d}", index // N_MODELS
    number = f"1.{minor}.0"
    card = RegistrationCard(
        model=model,
        description="",
        metrics={"attainment": 0.9, "r2": 0.8, "mae_bps": 21.5 + index, "loss": 0.3},
        lineage={"data": {"train": "0" * 64, "test": "1" * 64}, "seed": index, "settings_sha256": "2" * 64},
        gates=tuple(judge(name, 99.0, ">=", 90.0, unit="%", n_samples=1000) for name in ("coverage", "liquidity")),
    )
    folder = workspace.artifacts_dir / model / number
    files = {"model.txt": f"tree {index}\n".encode() * 50, CARD_NAME: card.to_bytes()}
    manifest = Manifest(
        files={name: ManifestFile(sha256=digest(found), size=len(found)) for name, found in files.items()}
    )
    _write_folder(folder, files | {MANIFEST_NAME: manifest.to_bytes()})
    return ModelVersion(
        key=f"{model}/{number}",
        model=model,
        version=number,
        stage=Stage.DEVELOPMENT,
        stage_since=at,
        created_at=at,
        created_by=str(BENCH),
        run_id="",
        session_id="",
        description="",
        metrics=card.metrics,
        lineage=card.lineage,
        gates=card.gates,
        path=f"{model}/{number}",
        manifest_sha256=digest(manifest.to_bytes()),
        n_files=len(files),
        n_bytes=manifest.n_bytes,
        updated_at=at,
        updated_by=str(BENCH),
    )


def _write_folder(folder: Path, files: dict[str, bytes]) -> None:
    folder.parent.mkdir(mode=0o700, exist_ok=True)
    folder.mkdir(mode=0o700)
    for name, content in files.items():
        (folder / name).write_bytes(content)
        (folder / name).chmod(0o400)


def _model(version: ModelVersion) -> RegisteredModel:
    at, by = version.created_at, version.created_by
    return RegisteredModel(model=version.model, created_at=at, updated_at=at, updated_by=by)


def _run(run_id: str, at: datetime) -> Run:
    ended = at + timedelta(seconds=40)
    return Run(
        run_id=run_id,
        session_id="",
        name=f"sweep {run_id}",
        status=RunStatus.FINISHED,
        started_at=at,
        started_by=str(BENCH),
        ended_at=ended,
        parameters={"learning_rate": 0.1, "depth": 6, "algorithm": "lightgbm"},
        metrics={"loss": 0.3, "accuracy": 0.9, "auc": 0.8},
        environment={"python": "3.11", "platform": "linux"},
        updated_at=ended,
        updated_by=str(BENCH),
    )


def _session(session_id: str, run_id: str, n_epochs: int, began: datetime) -> Session:
    now = utc_now()
    observed = ObservedSession(
        phase=SessionPhase.PAUSED,
        epoch=n_epochs,
        n_epochs=10 * n_epochs,
        score=0.9,
        best_score=0.95,
        best_epoch=max(1, n_epochs // 2),
        quality_score=0.98,
        metrics=dict.fromkeys(EPOCH_METRICS, 0.5),
        started_at=began,
        epoch_started_at=now,
        last_progress_at=now,
        trained_seconds=float(n_epochs),
    )
    return Session(
        session_id=session_id,
        name="a session of a day",
        created_at=began,
        created_by=str(BENCH),
        settings=as_document(TrainingSettings(models=dict.fromkeys(MODELS, ModelSettings()))),
        desired=DesiredSession.PAUSED,
        desired_by=str(BENCH),
        desired_at=now,
        observed=observed,
        run_id=run_id,
        updated_at=now,
        updated_by=str(BENCH),
    )


def _record(epoch: int) -> EpochRecord:
    """Make the record of an epoch of the size that a session on bonds writes: forty gates, twice."""
    offending = tuple(f"B-{epoch:06d}-{row:06d} 2024-01-31" for row in range(20))
    gates = tuple(
        judge(f"check_of_the_data_{gate:02d}", 90.0 + epoch % 97 / 10, ">=", 90.0, n_samples=7500, offending=offending)
        if gate < 2
        else judge(f"check_of_the_data_{gate:02d}", 90.0 + epoch % 97 / 10, ">=", 90.0, n_samples=7500)
        for gate in range(40)
    )
    return EpochRecord(
        epoch=epoch,
        learned=True,
        draw=DrawRecord(purpose="draw", seed=epoch, n_rows=7500, n_groups=20, sha256=digest(str(epoch).encode())),
        n_learned_rows=6000,
        n_holdout_rows=1500,
        gates=gates,
        learned_gates=gates,
        quality_score=0.98,
        score=0.95,
        metrics={name: 1.0 / (1 + epoch % 997 + column) for column, name in enumerate(EPOCH_METRICS)},
        holdout={name: 1.0 / (2 + epoch % 997 + column) for column, name in enumerate(EPOCH_METRICS)},
    )


def _alert(index: int, at: datetime) -> Alert:
    labels = {"gate": "coverage", "session": f"s-{index:04d}"}
    return Alert(
        fingerprint=fingerprint_of("gate_failed", labels),
        rule="gate_failed",
        severity=tuple(Severity)[index % 3],
        state=AlertState.FIRING,
        summary=f"coverage at {index % 90}.0%, below 90%",
        advice="Look at the rows that failed the gate.",
        labels=labels,
        value=float(index % 90),
        threshold=90.0,
        first_at=at,
        last_at=at,
        updated_by=str(BENCH),
        updated_at=at,
        decided_revision=1,
    )


def _signature(keys: AuditKeys, seal: Seal, link: Link) -> tuple[bytes, Link]:
    signed = {"sequence": link.sequence, "hash": link.hash, "signature": keys.sign(signed_message(link))}
    return seal.line(entry_by_engine(SIGNATURE_VERB, f"record {link.sequence}", clock=utc_now, after=signed), link)
