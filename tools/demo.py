"""A demo workspace for screenshots and for tests of the screens, made through the engine's own interfaces.

Its sessions, versions and alerts are ordinary documents; only their figures are made up.
"""

import itertools
import math
from datetime import datetime, timedelta
from pathlib import Path

import sample_configs
from core.actor import Actor, Origin
from core.alerts import Alerts
from core.losses import AnswerForm, AnswerKind
from core.quality.gate import GateResult, judge
from core.registry import Registry
from core.rollout import Arm, Rollouts, RolloutWorker, Strategy, make_plan
from core.rollout.source import ScriptedSource
from core.settings import load_settings
from core.settings.policy import CanaryPolicy
from core.state import Workspace
from core.telemetry import TelemetryWriter
from core.tracking import Runs, RunStatus
from core.training.run_record import SKIPPED_EPOCH
from core.training.session import Session, SessionPhase
from core.training.sessions import Sessions
from tools.demo_monitoring import monitor_demo

OPERATOR = Actor("mira", "desk-4", Origin.CONSOLE)
MODELS = ("spread", "downgrade", "liquidity_shock", "anomaly")
N_EPOCHS = 41
SKIPPED_EPOCHS = (23, 38)
_CEILINGS = {"spread": 0.962, "downgrade": 0.913, "liquidity_shock": 0.887, "anomaly": 0.934}
# The parents of versions that continue another version, by model and index; the others were trained from scratch.
_PARENTS = {
    ("spread", 1): ("1.0.0",),
    ("spread", 2): ("1.0.0",),
    ("spread", 3): ("1.2.0", "1.1.0"),
    ("liquidity_shock", 3): ("1.2.0", "downgrade/1.3.0"),
}
_HEADLINE = {"spread": "mae_bps", "downgrade": "auc", "liquidity_shock": "auc", "anomaly": "average_precision"}


def make_demo(root: Path, *, now: datetime, n_versions: int = 4, with_telemetry: bool = True) -> Workspace:
    """Make a workspace in use: a session at epoch 41, versions in every stage, a canary, open alerts.

    Args:
        root: A folder that does not exist yet.
        now: The present time of its documents.
        n_versions: Number of versions per model.
        with_telemetry: Also record epochs and ten minutes of samples.
    """
    workspace = Workspace.create(root, settings_text=sample_configs.template_text())
    training = load_settings(workspace.settings_file).training
    sessions = Sessions(workspace, clock=lambda: now - timedelta(hours=5))
    finished = _finish(sessions, sessions.start(training, name="nightly", actor=OPERATOR), now)
    running = sessions.start(training, name="autonomous", actor=OPERATOR, reason="spreads widened")
    with Runs(workspace, clock=lambda: now - timedelta(hours=5)) as runs:
        run = runs.start(name="autonomous", session_id=running.session_id, actor=Actor.engine(), parameters={})
    _advance(sessions, running, run.run_id, now)
    _register(workspace, finished.session_id, n_versions, now)
    if n_versions > 2:  # a live version, and a candidate for it
        _roll_out(workspace, now)
        monitor_demo(workspace, now)
    _alarm(workspace, running.session_id, now)
    if with_telemetry:
        _measure(workspace, run.run_id, now)
        _track(workspace, now)
    return workspace


def gates() -> tuple[GateResult, ...]:
    """Judge the gates of an epoch: one gate fails, and one gate warns."""
    return (
        judge("coverage", 98.4, ">=", 90.0, unit="%", n_samples=1000),
        judge(
            "esg_missing", 22.4, "<=", 20.0, unit="%", n_samples=1000, n_offending=224,
            offending=("BX000017", "BX000042", "BX000108"),
        ),
        judge("liquidity_index_median", 47.1, ">=", 30.0, n_samples=1000),
        judge("negative_spreads", 0.2, "<=", 1.0, unit="%", n_samples=1000),
        judge("maturity_anomalies", 0.12, "<=", 0.1, unit="%", n_samples=1000, blocking=False),
        judge("rating_lowers_spread", -0.71, "<=", -0.3, n_samples=1000),
    )  # fmt: skip


def attainment(model: str, epoch: int) -> float:
    """Return a learning curve that rises towards a ceiling, with a ripple."""
    ripple = 0.006 * math.sin(epoch * 1.7 + len(model))
    return _CEILINGS[model] * (1 - 0.35 * math.exp(-epoch / 9)) + ripple


def epoch_metrics(epoch: int) -> dict[str, float]:
    """Return the metrics that an epoch records, by name."""
    metrics = {"quality.score": 0.985 - 0.01 * (epoch % 3), "epoch.seconds": 0.42 + 0.05 * (epoch % 4)}
    for model in MODELS:
        metrics[f"{model}.attainment"] = attainment(model, epoch)
        metrics[f"{model}.loss"] = 40.0 * (1.2 - attainment(model, epoch))
        metrics[f"{model}.{_HEADLINE[model]}"] = 14.2 if model == "spread" else attainment(model, epoch) * 0.95
    if epoch in SKIPPED_EPOCHS:
        metrics[SKIPPED_EPOCH] = 1.0
    metrics["score"] = sum(attainment(model, epoch) for model in MODELS) / len(MODELS)
    return metrics


def _finish(sessions: Sessions, session: Session, now: datetime) -> Session:
    return sessions.observe(
        session.session_id,
        "session.finish",
        actor=Actor.engine(),
        phase=SessionPhase.FINISHED,
        epoch=63,
        score=0.917,
        best_score=0.921,
        best_epoch=58,
        quality_score=0.981,
        gates=gates()[:1],
        stop_reason="converged: 10 epochs without improvement above 0.001",
        started_at=now - timedelta(hours=5),
        ended_at=now - timedelta(hours=4),
        trained_seconds=3540.0,
    )


def _advance(sessions: Sessions, session: Session, run_id: str, now: datetime) -> None:
    metrics = epoch_metrics(N_EPOCHS)
    sessions.observe(
        session.session_id,
        "epoch.complete",
        actor=Actor.engine(),
        run_id=run_id,
        phase=SessionPhase.RUNNING,
        epoch=N_EPOCHS,
        score=metrics["score"],
        best_score=max(epoch_metrics(epoch)["score"] for epoch in range(1, N_EPOCHS + 1)),
        best_epoch=40,
        quality_score=metrics["quality.score"],
        gates=gates(),
        metrics=metrics,
        started_at=now - timedelta(minutes=20),
        epoch_started_at=now - timedelta(seconds=4),
        last_progress_at=now - timedelta(seconds=4),
        trained_seconds=1200.0,
        eta_seconds=1720.0,
        n_rejected_epochs=2,
    )


def _register(workspace: Workspace, session_id: str, n_versions: int, now: datetime) -> None:
    seconds = itertools.count()
    registry = Registry(workspace, clock=lambda: now - timedelta(hours=4) + timedelta(seconds=next(seconds)))
    source = workspace.root / "incoming"
    source.mkdir()
    for number in range(n_versions):
        for model in MODELS:
            (source / "model.txt").write_text(f"{model} {number}\n", encoding="utf-8")
            score = _CEILINGS[model] - 0.01 * (n_versions - number)
            registry.register(
                model,
                source,
                metrics={
                    "attainment": score,
                    "loss": 1 - score,
                    _HEADLINE[model]: 14.2 if model == "spread" else score,
                },
                lineage={"seed": 42 + number, "data": {"panel": _digest(number), "n_rows": 1000}},
                gates=gates()[2:4],
                actor=Actor.engine(),
                session_id=session_id,
                bump="auto",
                parents=_PARENTS.get((model, number), ()),
                description="best epoch of the session",
            )
    (source / "model.txt").unlink()
    source.rmdir()
    registry.set_alias("spread", "baseline", "1.0.0", actor=OPERATOR, reason="what every desk knows")
    for model in MODELS[:3]:  # the fourth never went live
        newest = [version.version for version in registry.versions(model)][-3:]
        for version in newest[:-1]:
            for reason in ("passed review", "weekly release"):
                registry.apply(registry.plan_promotion(model, version), actor=OPERATOR, reason=reason)
        registry.apply(registry.plan_promotion(model, newest[-1]), actor=OPERATOR, reason="passed review")


def _digest(number: int) -> str:
    """Return a string that looks like the hash of a data set."""
    return f"{(63 + 29 * number) % 256:02x}" * 32


def _roll_out(workspace: Workspace, now: datetime) -> None:
    """Make a canary that was rolled back three hours ago, and a healthy canary at its second step."""
    failed = _Canary(workspace, "liquidity_shock", now - timedelta(hours=3), "retrained on the new panel")
    failed.serve(minutes=2, share=0.05, n_stable=1900, n_candidate=100, n_failed=(1, 9))
    going_well = _Canary(workspace, "downgrade", now - timedelta(minutes=14), "new covenant features")
    going_well.serve(minutes=6, share=0.05, n_stable=3790, n_candidate=204, n_failed=(2, 0), loss=(0.231, 0.226))
    going_well.serve(minutes=7, share=0.10, n_stable=4402, n_candidate=497, n_failed=(3, 1), loss=(0.231, 0.226))
    going_well.serve(minutes=1, share=0.10, n_stable=601, n_candidate=66, n_failed=(0, 0), loss=(0.231, 0.226))


class _Canary:
    """A rollout with made-up traffic and real verdicts."""

    def __init__(self, workspace: Workspace, model: str, started_at: datetime, reason: str) -> None:
        self._now = started_at
        self._source = ScriptedSource()
        rollouts = Rollouts(workspace, clock=lambda: self._now)
        rules = CanaryPolicy(require_loss=True, latency_limit_ms=12.0, dwell_seconds=480)
        answers = AnswerForm(AnswerKind.PROBABILITIES, ("0", "1"))
        plan = make_plan(Strategy.CANARY, rules, answers=answers, outcomes_come=True)
        candidate = max(Registry(workspace).versions(model), key=lambda version: version.created_at).version
        self._worker = RolloutWorker(workspace, source=self._source, clock=lambda: self._now)
        rollouts.start(rollouts.plan(model, candidate, policy=plan), actor=OPERATOR, reason=reason)
        self._worker.tick(self._now)

    def serve(
        self,
        *,
        minutes: float,
        share: float,
        n_stable: int,
        n_candidate: int,
        n_failed: tuple[int, int],
        loss: tuple[float, float] | None = None,
    ) -> None:
        """Serve some minutes of traffic; failures and mean losses are given as (stable, candidate)."""
        for arm, n, index in ((Arm.STABLE, n_stable, 0), (Arm.CANDIDATE, n_candidate, 1)):
            n_slow = n // 130
            self._source.serve(arm, n - n_slow, share=share, n_failed=n_failed[index], latency_ms=4.0)
            self._source.serve(arm, n_slow, share=share, latency_ms=15.0)
            if loss is not None:
                losses = (loss[index] * (1 + 0.8 * math.sin(number)) for number in range(n // 4))
                self._source.score(arm, *losses, share=share)
        self._now += timedelta(minutes=minutes)
        self._worker.tick(self._now)


def _alarm(workspace: Workspace, session_id: str, now: datetime) -> None:
    alerts = Alerts(workspace, clock=lambda: now)
    alerts.fire(
        "gate_failed",
        labels={"session": session_id, "gate": "esg_missing"},
        summary=f"{session_id}: gate esg_missing failed: 22.4% > 20%",
        now=now - timedelta(minutes=6),
        value=22.4,
        threshold=20.0,
    )
    alerts.fire(
        "hash_mismatch",
        labels={"model": "downgrade", "version": "1.0.0"},
        summary="downgrade 1.0.0: model.txt is not the file that was registered",
        now=now - timedelta(minutes=2),
    )
    stalled = {"session": "s-0001"}
    alerts.observe("training_stalled", labels=stalled, value=2.4, now=now - timedelta(hours=6))
    alerts.observe("training_stalled", labels=stalled, value=0.0, now=now - timedelta(hours=5))
    taken = alerts.observe(
        "quality_low", labels={"session": session_id}, value=0.87, now=now - timedelta(minutes=9), is_last=True
    )
    if taken is not None:
        alerts.acknowledge(taken.fingerprint, OPERATOR)


def _measure(workspace: Workspace, run_id: str, now: datetime) -> None:
    with TelemetryWriter(workspace.telemetry_file, clock=lambda: now) as telemetry:
        for epoch in range(1, N_EPOCHS + 1):
            telemetry.add_epoch(run_id, epoch, epoch_metrics(epoch), now)
        for seconds_ago in range(590, 0, -1):
            at = now - timedelta(seconds=seconds_ago)
            wave = math.sin(seconds_ago / 40)
            for series, value in (
                ("resource.cpu_percent", 58 + 25 * wave),
                ("resource.memory_percent", 61 + 3 * wave),
                ("resource.disk_percent", 37.0),
                ("resource.net_sent_bytes_per_second", 2100 + 900 * wave),
                ("resource.net_received_bytes_per_second", 5200 - 2100 * wave),
                ("process.engine.cpu_percent", 3.0),
                ("process.engine.rss_bytes", 84_000_000.0),
                ("process.trainer.cpu_percent", 96 + 40 * wave),
                ("process.trainer.rss_bytes", 412_000_000.0),
            ):
                telemetry.add(series, at, value)


def _track(workspace: Workspace, now: datetime) -> None:
    """Log the runs of a user's own program: a search with three nested runs (finished, lost, running)."""
    began = now - timedelta(minutes=18)
    with Runs(workspace, clock=lambda: began) as runs:
        search = runs.start(
            name="search for the depth", actor=OPERATOR, parameters={"seed": 7}, tags={"desk": "credit"},
            lost_after_seconds=3600,
        )  # fmt: skip
        parts = [
            runs.start(
                name=f"depth {depth}", actor=OPERATOR, parameters={"model": "spread", "depth": depth, "seed": 7},
                tags={"desk": "credit"}, parent_id=search.run_id, lost_after_seconds=60,
            )
            for depth in (4, 6, 8)
        ]  # fmt: skip
    with Runs(workspace, clock=lambda: now - timedelta(seconds=4)) as runs:
        for number, part in enumerate(parts):
            for step in range(24 - 6 * number):
                mae = 11.5 - number + 9 * math.exp(-step / 6)
                runs.log_metrics(part.run_id, step, {"mae": mae, "loss": mae / 20})
        runs.finish(parts[0].run_id, RunStatus.FINISHED, actor=OPERATOR)
        runs.beat(parts[2].run_id)
