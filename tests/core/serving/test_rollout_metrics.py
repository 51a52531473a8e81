"""Rollouts on /metrics: the newest of each model, with valid names and escaped labels."""

import shutil
import subprocess
from datetime import UTC, datetime
from types import SimpleNamespace

import msgspec
import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from core.metrics.rollout_metrics import RolloutMetrics
from core.rollout import GuardReading, GuardSource, GuardVerdict, Rollout, RolloutPhase, Strategy, make_plan
from core.rollout.evidence import RolloutEvidence
from core.rollout.rollout import ObservedRollout
from core.rollout.unjudged import LossOrigins, NotJudged

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
ODD = 'a "model"\nwith\\everything'


def a_rollout(number: int, model: str = "spread", **observed) -> Rollout:
    return Rollout(
        rollout_id=f"ro-{number:04d}",
        model=model,
        stable="1.0.0",
        candidate="1.1.0",
        plan=make_plan(Strategy.CANARY),
        created_at=NOON,
        created_by="ana@desk",
        desired_by="ana@desk",
        desired_at=NOON,
        observed=ObservedRollout(**{"phase": RolloutPhase.RUNNING, "share": 0.05, **observed}),
        updated_at=NOON,
        updated_by="engine",
    )


def a_reading(guard: str, source: GuardSource, **more) -> GuardReading:
    fields = {"required": True, "verdict": GuardVerdict.NO_DATA, "reason": "", "n_stable": 900, "n_candidate": 50}
    return GuardReading(guard=guard, source=source, **fields | more)


def text_of(*rollouts: Rollout) -> bytes:
    registry = CollectorRegistry()
    registry.register(RolloutMetrics(lambda: SimpleNamespace(rollouts=rollouts)))
    return generate_latest(registry)


def samples_of(text: bytes) -> dict[str, dict[tuple[str, ...], float]]:
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(text.decode()):
        for sample in family.samples:
            labels = tuple(value for name, value in sorted(sample.labels.items()) if name not in ("model", "rollout"))
            found.setdefault(sample.name, {})[labels] = sample.value
    return found


@pytest.fixture
def text() -> bytes:
    readings = (
        a_reading("errors", GuardSource.ERRORS, stable_value=0.01, candidate_value=0.04, verdict=GuardVerdict.SUSPECT),
        a_reading("arrivals", GuardSource.ARRIVALS, stable_value=0.9, candidate_value=0.5, verdict=GuardVerdict.UNEVEN),
        a_reading(
            "loss", GuardSource.LOSS, stable_value=0.5, candidate_value=0.5, n_stable=70, n_candidate=3, n_set_aside=2
        ),
    )
    return text_of(
        a_rollout(
            7,
            ODD,
            readings=readings,
            evidence=RolloutEvidence(n_stable=900, n_candidate=50),
            not_judged=(NotJudged(what="latency", reason="no limit"),),
            losses=LossOrigins(n_computed=70, n_reported=3),
        )
    )


def test_the_phase_the_arms_and_the_guards_are_there(text):
    found = samples_of(text)
    assert found["bondx_rollout_phase"] == {("1.1.0", "running", "canary"): 1.0}
    assert found["bondx_rollout_share"] == {("stable",): 0.95, ("candidate",): 0.05}
    assert found["bondx_rollout_answers_total"] == {("stable",): 900.0, ("candidate",): 50.0}
    assert found["bondx_rollout_outcomes_total"] == {("stable",): 70.0, ("candidate",): 3.0}
    assert found["bondx_rollout_failures_total"] == {("stable", "errors"): 9.0, ("candidate", "errors"): 2.0}
    assert found["bondx_rollout_verdict"] == {
        ("errors", "suspect"): 1.0,
        ("arrivals", "uneven"): 1.0,
        ("loss", "no_data"): 1.0,
    }
    assert found["bondx_rollout_arrivals"] == {("stable",): 0.9, ("candidate",): 0.5}
    assert found["bondx_rollout_values_set_aside_total"] == {("errors",): 0.0, ("arrivals",): 0.0, ("loss",): 2.0}
    assert found["bondx_rollout_not_judged"] == {(what,): 1.0 for what in ("latency", "errors", "arrivals", "loss")}, (
        "everything that is not shown"
    )
    assert found["bondx_rollout_stuck"] == {(): 0.0}
    assert found["bondx_rollout_reported_losses_total"] == {(): 3.0}


def test_a_rollout_that_cannot_be_judged_is_stuck(text):
    found = samples_of(text_of(a_rollout(1, problem="the store is locked")))
    assert found["bondx_rollout_stuck"] == {(): 1.0}
    assert found["bondx_rollout_phase"] == {("1.1.0", "stuck", "canary"): 1.0}


def test_the_number_of_series_does_not_grow_with_the_history():
    one = text_of(a_rollout(1))
    ended = [a_rollout(number, phase=RolloutPhase.ROLLED_BACK) for number in range(50, 1, -1)]
    many = text_of(msgspec.structs.replace(a_rollout(1), rollout_id="ro-0051"), *ended)
    assert one.count(b"\n") == many.count(b"\n")


@pytest.mark.skipif(shutil.which("promtool") is None, reason="Prometheus is not installed here")
def test_promtool_finds_nothing_wrong_even_with_odd_names(text):
    checked = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True)
    assert checked.returncode in (0, 3), checked.stderr  # 3: matters of taste
