"""The closed loop with real processes: traffic drifts and a better version goes live; poison changes nothing."""

import os
import random
from collections.abc import Iterator
from typing import Any

import pytest

from core.alerts import Alerts
from core.governance import AuditLog, AuditRecord
from core.registry import Registry
from core.retraining.document import Retraining, RetrainingPhase, StepName, StepState, TriggerKind
from core.retraining.retrainings import Retrainings
from core.serving import Role, Tokens
from core.state import Workspace
from tests.end_to_end import callers, market
from tests.end_to_end.conftest import ANA, Desk, promote, train
from tests.processes import free_port

DRIFTED, POISONED = "drifted", "poisoned"
SETTINGS = """
explanation: {rows: 0}
serving: {log_features: {share: 1.0}}
policy:
  promotion: {min_accuracy: 0.2, max_attainment_drop: 1.0}
  canary:
    initial_share: 0.3
    max_share: 0.5
    dwell_seconds: 1
    min_samples: 50
    latency_limit_ms: 60000
    tolerated_error_share: 0.02
    tolerated_slow_share: 0.1
    loss_margin: 1.5
    require_loss: true
  retraining:
    min_samples: 600
    auto_deploy: true
    watch_minutes: 0.05
    cooldown_hours: 0
    checks: {max_label_shift: 0.5}
  overrides:
    drifted:
      retraining:
        enabled: true
        drift: {verdict: watch}
        performance: {by: realised}
        window: {rows: 1500}
"""


class LabelledFlat(market.Flat):
    """A flat of which only is asked whether it is dear."""

    @classmethod
    def of(cls, flat: market.Flat, *, flipped: bool = False) -> "market.Flat":
        is_dear = (flat.rent > 1_000) ^ flipped
        return market.Flat(flat.row, "yes" if is_dear else "no")  # type: ignore[arg-type]


def larger(n: int, *, seed: int) -> list[market.Flat]:
    """Draw flats beyond those of the first training; their rents follow the same law."""
    dice, found = random.Random(seed), []
    for flat in market.flats(n, seed=seed):
        row = flat.row | {"area": round(dice.uniform(120, 240), 1)}
        rent = 200 + market._PER_SQUARE_METRE[row["district"]] * row["area"] + 10 * row["floor"] + dice.gauss(0, 30)
        found.append(market.Flat(row, round(rent, 1)))
    return found


@pytest.fixture(scope="module")
def loop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    folder = tmp_path_factory.mktemp("loop")
    workspace = Workspace.create(folder / "workspace", settings_text=SETTINGS)
    file = market.write_csv(folder / "flats.csv", market.flats(600, seed=1))
    promote(workspace, train(workspace, DRIFTED, file), n_steps=2)
    labelled = folder / "labelled.csv"
    flats = [LabelledFlat.of(flat) for flat in market.flats(800, seed=2)]
    lines = [",".join(map(str, (*flat.row.values(), flat.rent))) for flat in flats]
    labelled.write_text("\n".join(["area,floor,district,rent", *lines]) + "\n")
    promote(workspace, train(workspace, POISONED, labelled), n_steps=2)
    _, token = Tokens(workspace).create("tests", Role.OPERATOR, actor=ANA)
    desk = Desk(workspace, {**os.environ, "OMP_NUM_THREADS": "1"}, free_port(), token)
    try:
        desk.start_server()
        desk.start_engine()
        yield desk
    finally:
        desk.close()


def call(desk: Desk, model: str, flats: list[market.Flat], *, first: int = 0) -> Any:
    caller = desk.callers[f"{model}-{first}"] = callers.Caller(desk.port, desk.token, model, flats)
    caller.n_asked = first  # ids that no earlier caller has used
    caller.start()
    return caller


def ended(desk: Desk, retraining_id: str) -> Retraining:
    """Wait for one step of a retraining after the other, and for its end."""

    def passed(*names: StepName) -> Retraining | None:
        found = Retrainings(desk.workspace).get(retraining_id)
        is_passed = all(found.observed.step(name).state is StepState.DONE for name in names)
        return found if (names and is_passed) or not found.is_active else None

    for name in StepName:
        desk.until(lambda name=name: passed(name), f"the step {name} of {retraining_id}")
    return desk.until(passed, f"the end of {retraining_id}")


@pytest.mark.journey
def test_drifting_traffic_leads_to_a_better_live_version_though_nobody_touches_anything(loop: Desk) -> None:
    n_records = len(AuditLog(loop.workspace).tail(10_000))
    usual = call(loop, DRIFTED, market.flats(2_000, seed=7))
    loop.until(lambda: usual.n_answered >= 400, "answers to usual traffic")
    usual.stop()
    caller = call(loop, DRIFTED, larger(2_000, seed=8), first=100_000)
    begun = loop.until(lambda: Retrainings(loop.workspace).active(DRIFTED), "a retraining")
    found = ended(loop, begun.retraining_id)
    assert found.observed.phase is RetrainingPhase.DONE, found.observed.reason
    assert found.trigger in (TriggerKind.DRIFT, TriggerKind.PERFORMANCE)
    assert Registry(loop.workspace).production(DRIFTED).version == found.observed.challenger != "1.0.0"
    compared = found.observed.step(StepName.VALIDATE).evidence["newest rows"]["whole"]
    assert compared["high"] < -0.2 * compared["live_loss"], "at least a fifth better, with 95 % confidence"
    assert {step.state for step in found.observed.steps} == {StepState.DONE}
    assert {alert.rule for alert in Alerts(loop.workspace).all()} & {"drift_found", "performance_fell"}
    assert caller.failures == []

    def recorded() -> list[AuditRecord] | None:  # the end is committed first; its record follows within moments
        since = AuditLog(loop.workspace).tail(10_000)[n_records:]
        return since if any(record.verb == "retraining.done" for record in since) else None

    since = loop.until(recorded, "the record of the end")
    assert {record.actor.partition("@")[0] for record in since} == {"engine"}
    verbs = {record.verb for record in since if record.object == found.retraining_id}
    assert verbs >= {"retraining.start", "retraining.validate.done", "retraining.rollout", "retraining.done"}
    assert AuditLog(loop.workspace).verify().ok


@pytest.mark.journey
def test_outcomes_that_are_flipped_leave_the_old_version_live(loop: Desk) -> None:
    dice = random.Random(9)
    flats = [LabelledFlat.of(flat, flipped=dice.random() < 0.3) for flat in market.flats(3_000, seed=10)]
    caller = call(loop, POISONED, flats)
    loop.until(lambda: len(caller.accepted) >= 1_200, "outcomes")
    asked = loop.ask("POST", "/retrainings", {"model": POISONED, "reason": "a new month"})
    found = ended(loop, asked["retraining_id"])
    assert (found.observed.phase, found.observed.current.name) == (RetrainingPhase.REJECTED, StepName.CHECK)
    assert "outcomes contradict the live version and a second model" in found.observed.reason
    assert 0.2 < found.observed.step(StepName.CHECK).evidence["flips"]["share"] < 0.4
    assert Registry(loop.workspace).production(POISONED).version == "1.0.0"
    assert Registry(loop.workspace).numbers(POISONED) == ["1.0.0"]
    alerts = [each for each in Alerts(loop.workspace).open() if each.rule == "retraining_failed"]
    assert [found.retraining_id in alert.summary for alert in alerts] == [True]
    assert loop.ask("GET", f"/retrainings/{POISONED}")["observed"]["phase"] == "rejected"
    assert loop.ask("GET", f"/retrainings/plans/{POISONED}")["enabled"] is False
