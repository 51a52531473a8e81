"""A model of flats that is live, new rows of them in files, and the pipeline driven by hand with real children."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import msgspec

from core.actor import Actor, Origin
from core.alerts import Alerts
from core.files import make_folder, write_file
from core.registry import Registry
from core.retraining.document import Retraining, RetrainingPhase, StepName, StepState
from core.retraining.pipeline import Pipeline
from core.retraining.results import CARD, MODEL_FOLDER, Card, folder_of
from core.retraining.retrainings import Retrainings
from core.rollout import Rollouts, RolloutWorker
from core.settings import Settings, settings_in_force
from core.state import Workspace
from core.training.own_data import TrainRequest, train_artifact
from tests.clocks import HandClock
from tests.end_to_end import market
from tests.waiting import until

ANA = Actor("ana", "desk", Origin.COMMAND_LINE)
BEN = Actor("ben", "desk", Origin.COMMAND_LINE)
MODEL = "rents"
POLICY = """
policy:
  promotion: {min_accuracy: 0.2, max_attainment_drop: 1.0}
  canary: {dwell_seconds: 0, min_samples: 1}
  retraining:
    source: {kind: files, path: new}
    min_samples: 200
    retry_seconds: 60
    watch_minutes: 30
    checks: {max_label_shift: 0.5}
    validation: {margin: 0.1}
"""


@dataclass
class World:
    """A workspace with a live model, and an engine's pipeline that a test drives."""

    workspace: Workspace
    clock: HandClock
    pipeline: Pipeline = field(init=False)

    def __post_init__(self) -> None:
        self.start_engine()

    def start_engine(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        """Begin with a new pipeline, as an engine does after the one before was killed."""
        self.alerts = Alerts(self.workspace, settings=Settings().alerts, clock=self.clock)
        self.pipeline = Pipeline(
            self.workspace, alerts=self.alerts, actor=Actor.engine(), clock=self.clock, monotonic=monotonic
        )
        self.rollout_worker = RolloutWorker(self.workspace, alerts=self.alerts, actor=Actor.engine(), clock=self.clock)

    @property
    def retrainings(self) -> Retrainings:
        return Retrainings(self.workspace, clock=self.clock)

    @property
    def registry(self) -> Registry:
        return Registry(self.workspace, clock=self.clock)

    @property
    def rollouts(self) -> Rollouts:
        return Rollouts(self.workspace, clock=self.clock)

    @property
    def live(self) -> str:
        found = self.registry.production(MODEL)
        assert found is not None
        return found.version

    def offer(self, *flats: market.Flat, name: str = "rows.csv") -> Path:
        """Write new rows where the policy looks for them."""
        folder = self.workspace.root / "new"
        folder.mkdir(mode=0o700, exist_ok=True)
        file = market.write_csv(folder / name, flats)
        file.chmod(0o600)
        return file

    def run(self, retraining_id: str, *, to: RetrainingPhase | StepName) -> Retraining:
        """Drive the pipeline until a phase, or until a step is the next."""

        def look() -> Retraining | None:
            self.step()
            found = self.retrainings.get(retraining_id)
            current = found.observed.current
            reached = found.observed.phase is to or (current is not None and current.name is to)
            assert reached or found.is_active, found.observed.reason
            return found if reached else None

        def seen() -> object:
            return self.retrainings.get(retraining_id).observed

        return until(look, f"{to} of {retraining_id}", told=seen, progress=seen)

    def step(self) -> None:
        """Let pipeline and rollouts look once; how long a child computes moves no clock."""
        self.pipeline.tick()
        self.rollout_worker.tick(self.clock.pass_by(0 if self.pipeline.child_pid else 1))

    def train_at_once(self, retraining_id: str, *flats: market.Flat) -> None:
        """Let the steps that compute be done, with a version that is trained here and now."""
        folder = folder_of(self.workspace, retraining_id)
        make_folder(folder / MODEL_FOLDER)
        request = TrainRequest(MODEL, market.write_csv(folder / "rows.csv", flats), target="rent")
        settings = settings_in_force(self.workspace.root)
        made = train_artifact(self.workspace, request, settings, folder / MODEL_FOLDER, actor=Actor.engine())
        card = Card(
            metrics=made.metrics,
            lineage=made.lineage,
            gates=made.gates,
            description=made.description,
            run_id=made.run.run_id,
        )
        write_file(folder / CARD, msgspec.json.encode(card))
        steps = [
            msgspec.structs.replace(step, state=StepState.DONE, reason="done") if step.name.computes else step
            for step in self.retrainings.get(retraining_id).observed.steps
        ]
        self.retrainings.observe(
            retraining_id,
            "retraining.validate.done",
            actor=Actor.engine(),
            because="done",
            observed={"steps": tuple(steps), "phase": RetrainingPhase.RUNNING},
        )

    def go_live(self, retraining_id: str) -> Retraining:
        """Drive a retraining that needs no more approvals until its version is live and watched."""
        rolling = self.roll_out(retraining_id)
        until(lambda: self.is_open(rolling), "the first step of the rollout")
        self.promote_rollout(rolling)
        return self.run(retraining_id, to=StepName.WATCH)

    def roll_out(self, retraining_id: str) -> Retraining:
        """Drive a retraining until its rollout is there."""

        def look() -> Retraining | None:
            found = self.run(retraining_id, to=StepName.ROLLOUT)
            return found if found.observed.rollout_id else None

        return until(look, f"the rollout of {retraining_id}")

    def is_open(self, found: Retraining) -> bool:
        """Let the rollout of a retraining be looked at once; return whether its first step has begun."""
        self.rollout_worker.tick(self.clock.pass_by(1))
        return self.rollouts.get(found.observed.rollout_id).is_open

    def promote_rollout(self, found: Retraining) -> None:
        """Let the candidate go live without waiting for traffic, as a person may."""
        self.rollouts.promote_now(found.observed.rollout_id, actor=ANA, reason="seen enough")
        until(lambda: self._has_ended(found), "the end of the rollout")

    def _has_ended(self, found: Retraining) -> bool:
        self.rollout_worker.tick(self.clock.pass_by(1))
        return not self.rollouts.get(found.observed.rollout_id).is_active

    def pass_by(self, **time: float) -> None:
        """Let time pass."""
        self.clock.pass_by(timedelta(**time).total_seconds())
