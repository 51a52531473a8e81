"""A changed relation: what is asked and answered stays as it was, and the outcomes do not."""

from datetime import timedelta

import numpy as np
import pytest

from core.losses import pack_probabilities
from core.monitoring.drift_watch import DriftWatch
from core.monitoring.verdicts import DriftType, DriftVerdict
from core.monitoring.watch import LiveVersion
from core.settings.monitoring import MonitoringSettings
from core.settings.policy import ModelPolicy
from core.telemetry.predictions import OutcomeRecord, PredictionRecord, PredictionWriter
from tests.core.monitoring.performance.labelled import EVENT, NUMBER, profile
from tests.core.monitoring.sequential.populations import MONDAY

ROWS = 40  # a minute


@pytest.fixture
def answered(workspace):
    """Return a recorder of answers by the minute, and of their outcomes, which come when it is said."""

    def answered(form, drawn, *, came_at):
        with PredictionWriter(workspace.predictions_file, clock=lambda: came_at) as writer:
            for minute, (answers, actual) in drawn:
                at = MONDAY + timedelta(minutes=int(minute))
                for k, (answer, came) in enumerate(zip(answers, actual, strict=True)):
                    is_class = bool(form.classes)
                    request = f"{minute}-{k}"
                    writer.add(
                        PredictionRecord(
                            request, at, "rent", "1.0.0", 1.0, form=form,
                            value=None if is_class else float(answer),
                            detail=pack_probabilities([1 - answer, answer]) if is_class else None,
                        )
                    )  # fmt: skip
                    known = {"name": form.classes[int(came)]} if is_class else {"actual": float(came)}
                    writer.add_outcome(OutcomeRecord(request, came_at, **known))
            writer.flush()

    return answered


@pytest.fixture
def version(workspace):
    def version(learned):
        return LiveVersion(
            workspace=workspace, model="rent", version="1.0.0", role="stable", live_since=None,
            created_at=MONDAY - timedelta(days=1), folder=workspace.artifacts_dir, profile=learned, no_profile="",
            importance={}, rules=ModelPolicy(),
        )  # fmt: skip

    return version


def numbers(rng, n, error=0.0):
    answers = rng.normal(50, 5, n)
    return answers, answers + rng.normal(error, 1.0, n)


def events(rng, n, power=1.0):
    p = rng.beta(2, 3, n)
    return p, (rng.random(n) < p**power).astype(float)


@pytest.mark.parametrize(
    ("form", "drawn", "changed", "step"),
    [
        pytest.param(NUMBER, numbers, {"error": 1.0}, 1, id="errors of a regression"),
        pytest.param(EVENT, events, {"power": 2.0}, 30, id="calibration of a classifier, by whole days"),
    ],
)
def test_a_changed_relation_is_found_by_late_outcomes_and_dated_by_their_predictions(
    workspace, version, answered, form, drawn, changed, step
):
    rng = np.random.default_rng(4)
    live = version(profile(form, *drawn(rng, 5_000)))
    watch, came_at = DriftWatch(workspace.live_file, MonitoringSettings), MONDAY + timedelta(days=6)
    answered(form, ((k * step, drawn(rng, ROWS)) for k in range(96)), came_at=came_at)
    first = watch.look(live, came_at + timedelta(minutes=1), None)
    answered(form, ((k * step, drawn(rng, ROWS, **changed)) for k in range(96, 240)), came_at=came_at)
    second = watch.look(live, came_at + timedelta(minutes=2), first.state)
    again = watch.look(live, came_at + timedelta(minutes=3), second.state)

    before, after = ({each.type: each for each in look.part.columns} for look in (first, second))
    assert before[DriftType.RESIDUAL].verdict is not DriftVerdict.ALARM
    errors = after[DriftType.RESIDUAL]
    assert errors.verdict is DriftVerdict.ALARM
    assert abs(errors.changed_at - MONDAY - timedelta(minutes=96 * step)) <= timedelta(minutes=max(5, 2 * step))
    assert after[DriftType.PREDICTION].awaits_rows  # no served row was counted here
    assert again.state == second.state  # each outcome counts once
    assert second.part.n_rows == 0  # outcomes are not requests


def test_an_unchanged_relation_is_no_drift_in_whatever_order_its_outcomes_come(workspace, version, answered):
    rng = np.random.default_rng(5)
    live = version(profile(NUMBER, *numbers(rng, 5_000)))
    watch, state = DriftWatch(workspace.live_file, MonitoringSettings), None
    for k, minutes in enumerate(np.split(rng.permutation(120), 6)):
        came_at = MONDAY + timedelta(hours=5, minutes=k)
        answered(NUMBER, ((minute, numbers(rng, ROWS)) for minute in minutes), came_at=came_at)
        look = watch.look(live, came_at + timedelta(minutes=1), state)
        state = look.state
    errors = next(each for each in look.part.columns if each.type is DriftType.RESIDUAL)
    assert (errors.n, errors.verdict) == (120 * ROWS, DriftVerdict.STABLE)
