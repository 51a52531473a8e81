"""A workspace with a live version and a candidate in Staging, a clock that stands still, and a scripted source."""

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from core.actor import Actor, Origin
from core.quality.gate import judge
from core.registry import Registry, Stage
from core.rollout import Arm, Guard, GuardSource, RolloutPlan, Rollouts, RolloutStep, RolloutWorker, Strategy
from core.rollout.source import ScriptedSource
from core.settings.promotion import PromotionSettings
from core.state import Lease, Workspace
from tests.clocks import HandClock

ANA = Actor("ana", "desk", Origin.CONSOLE)
PASSED = (judge("coverage", 99.0, ">=", 90.0, unit="%"),)
ERRORS = Guard(name="errors", source=GuardSource.ERRORS, tolerated_share=0.01)


def a_plan(strategy: Strategy = Strategy.CANARY, **more) -> RolloutPlan:
    shares = {
        Strategy.CANARY: (0.05, 0.2),
        Strategy.AB: (0.5,),
        Strategy.BLUE_GREEN: (1.0,),
        Strategy.SHADOW: (0.0,),
    }[strategy]
    fields = {
        "strategy": strategy,
        "steps": tuple(RolloutStep(share=share, dwell_seconds=60, min_samples=50) for share in shares),
        "guards": (ERRORS,),
        "deadline_seconds": 3600,
        "primary": "errors" if strategy is Strategy.AB else "",
    }
    return RolloutPlan(**fields | more)


@pytest.fixture
def ana() -> Actor:
    return ANA


@pytest.fixture(autouse=True)
def lease(workspace: Workspace, clock: HandClock) -> Iterator[Lease]:
    """Stand for the engine whose worker the tests let tick; one that releases it plays a workspace without."""
    with Lease.acquire(workspace, ANA, "headless", clock=clock) as held:
        yield held


@pytest.fixture
def registry(workspace: Workspace, clock: HandClock) -> Registry:
    return Registry(workspace, promotion=PromotionSettings(), clock=clock)


@pytest.fixture
def register(registry: Registry, tmp_path: Path) -> Callable[..., str]:
    """Register one more version of `spread` and take it up to a stage."""
    source = tmp_path / "trained"
    source.mkdir()

    def one_more(stage: Stage = Stage.STAGING, *, attainment: float = 0.9, model: str = "spread") -> str:
        (source / "model.txt").write_text(f"tree {len(registry.versions())} {model}\n")
        version = registry.register(
            model, source, metrics={"attainment": attainment}, lineage={}, gates=PASSED, actor=ANA
        ).version
        while registry.get(model, version).stage is not stage:
            registry.apply(registry.plan_promotion(model, version), actor=ANA)
        return version

    return one_more


@pytest.fixture
def stable(register) -> str:
    return register(Stage.PRODUCTION)


@pytest.fixture
def candidate(register, stable: str) -> str:
    return register(Stage.STAGING)


@pytest.fixture
def rollouts(workspace: Workspace, registry: Registry, clock: HandClock) -> Rollouts:
    return Rollouts(workspace, registry=registry, clock=clock)


@pytest.fixture
def source() -> ScriptedSource:
    return ScriptedSource()


@pytest.fixture
def worker(workspace: Workspace, registry: Registry, source: ScriptedSource, clock: HandClock) -> RolloutWorker:
    return RolloutWorker(workspace, source=source, registry=registry, clock=clock)


@pytest.fixture
def plan_of() -> Callable[..., RolloutPlan]:
    return a_plan


@pytest.fixture
def start(rollouts: Rollouts, candidate: str):
    def started(strategy: Strategy = Strategy.CANARY, *, reason: str = "", **more):
        proposal = rollouts.plan("spread", candidate, strategy, a_plan(strategy, **more))
        return rollouts.start(proposal, actor=ANA, reason=reason)

    return started


class Traffic:
    """Requests that arrive while the worker ticks; shares as the rollout has them."""

    def __init__(self, rollouts, worker, source: ScriptedSource, clock) -> None:
        self.rollouts, self.worker, self.source, self.clock = rollouts, worker, source, clock
        self.dice = random.Random(1)

    def flow(self, rollout_id: str, *, ticks: int, stable: float = 0.0, candidate: float = 0.0, n: int = 500):
        """Let traffic flow at these failure rates until the rollout ends, or so many ticks."""
        for _ in range(ticks):
            rollout = self.rollouts.get(rollout_id)
            share = rollout.share
            for arm, part, rate in ((Arm.STABLE, 1 - share, stable), (Arm.CANDIDATE, share, candidate)):
                n_arm = round(n * part)
                n_failed = sum(self.dice.random() < rate for _ in range(n_arm))
                self.source.serve(arm, n_arm, share=share, n_failed=n_failed)
            self.worker.tick(self.clock.pass_by(30))
            rollout = self.rollouts.get(rollout_id)
            if not rollout.is_active:
                break
        return rollout


@pytest.fixture
def traffic(rollouts, worker, source, clock) -> Traffic:
    return Traffic(rollouts, worker, source, clock)
