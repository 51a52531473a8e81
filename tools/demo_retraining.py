"""Retrainings for the demo workspace: one that awaits approval, one whose rows were rejected, one that is done."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from msgspec.structs import replace

from core.actor import Actor, Origin
from core.registry import Registry
from core.retraining.document import RetrainingPhase, RetrainingStep, StepName, StepState, TriggerKind
from core.retraining.retrainings import Retrainings
from core.settings.retraining import RetrainingPolicy
from core.state import Workspace

_FOUND: dict[StepName, tuple[str, dict[str, Any], float, int]] = {
    StepName.COLLECT: ("8,420 labelled rows, 2,105 of them held out", {"rows": 8420, "held out": 2105}, 4.2, 310),
    StepName.CHECK: (
        "2 columns moved; 0.4% repeated rows, 1.1% flipped outcomes",
        {"repeated rows": 0.004, "flipped": {"found": 0.011, "limit": 0.05}},
        9.7,
        420,
    ),
    StepName.TRAIN: ("6,315 rows, 41 trees; all gates pass", {"rows": 6315}, 61.0, 760),
    StepName.VALIDATE: (
        "better on the newest rows: loss -6.1% (-9.8% to -2.4%); no slice is worse",
        {"newest rows": {"difference": -0.061, "low": -0.098, "high": -0.024}, "slices": 12},
        12.4,
        540,
    ),
}  # fmt: skip


def retrain_demo(workspace: Workspace, now: datetime) -> None:
    """Store three retrainings.

    Args:
        workspace: The demo workspace.
        now: The present time of its documents.
    """
    mira = Actor("mira", "desk-4", Origin.CONSOLE)
    policy = RetrainingPolicy(approvals=2)
    done = _Story(
        workspace, "downgrade", now - timedelta(days=6), TriggerKind.SCHEDULE, "schedule: due since 02:00 UTC"
    )
    done.passes(tuple(StepName), RetrainingPhase.DONE, "watched for 60 minutes without a finding")
    rejected = _Story(workspace, "liquidity_shock", now - timedelta(days=2), TriggerKind.VOLUME, "volume: 5,210 rows")
    rejected.passes((StepName.COLLECT,), RetrainingPhase.RUNNING, "")
    rejected.stops(
        StepName.CHECK, "31.2% of the outcomes contradict both the live version and a second model (limit 5%)"
    )
    waiting = _Story(
        workspace,
        "spread",
        now - timedelta(minutes=12),
        TriggerKind.DRIFT,
        "drift: cds_5y, bid_ask moved, 34% of the importance",
        policy=policy,
    )
    waiting.passes(
        (*_FOUND, StepName.REGISTER), RetrainingPhase.AWAITING_APPROVAL, "2 persons must approve the version"
    )
    Retrainings(workspace, clock=lambda: now - timedelta(minutes=3)).approve(
        waiting.retraining_id, actor=mira, reason="drift is real"
    )


class _Story:
    """One retraining, told by its steps."""

    def __init__(
        self,
        workspace: Workspace,
        model: str,
        at: datetime,
        trigger: TriggerKind,
        cause: str,
        policy: RetrainingPolicy | None = None,
    ) -> None:
        self._retrainings = Retrainings(workspace, clock=lambda: at)
        self._at = at
        versions = [version.version for version in Registry(workspace).versions(model)]
        started = self._retrainings.start(
            model, trigger, cause, actor=Actor.engine(), policy=policy or RetrainingPolicy()
        )
        self.retraining_id = started.retraining_id
        self._challenger = versions[-1]
        self._steps = {step.name: step for step in started.observed.steps}

    def passes(self, steps: Iterable[StepName], phase: RetrainingPhase, reason: str) -> None:
        """Let steps succeed, and the retraining stand in a phase for a reason."""
        for name in steps:
            words, evidence, seconds, memory = _FOUND.get(name, (f"{name} done", {}, 0.1, 0))
            self._steps[name] = RetrainingStep(
                name=name,
                state=StepState.DONE,
                started_at=self._at,
                ended_at=self._at + timedelta(seconds=seconds),
                reason=words,
                evidence=evidence,
                seconds=seconds,
                peak_memory_mb=memory or None,
            )
        is_registered = self._steps[StepName.REGISTER].state is StepState.DONE
        self._observe("retraining.step", phase, reason, challenger=self._challenger if is_registered else "")

    def stops(self, name: StepName, reason: str) -> None:
        """Let a step end the retraining."""
        self._steps[name] = replace(
            self._steps[name],
            state=StepState.STOPPED,
            started_at=self._at,
            ended_at=self._at,
            reason=reason,
            seconds=8.8,
        )
        self._observe("retraining.reject", RetrainingPhase.REJECTED, reason)

    def _observe(self, verb: str, phase: RetrainingPhase, reason: str, **observed: object) -> None:
        self._retrainings.observe(
            self.retraining_id,
            verb,
            actor=Actor.engine(),
            because=reason or "steps done",
            observed={"phase": phase, "reason": reason, "steps": tuple(self._steps.values()), **observed},
        )
