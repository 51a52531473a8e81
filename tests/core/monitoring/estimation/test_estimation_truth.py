"""Estimates without labels against what the labels say, under covariate shift."""

import numpy as np
import pandas as pd
import pytest

from core.monitoring.estimation.estimate import LiveRows, estimate_performance
from core.monitoring.estimation.held_out import HeldOutRows
from core.monitoring.verdicts import PerformanceVerdict
from tests.truth import least_expected, most_expected

N_HELD_OUT, N_LIVE, N_REPLICATES = 600, 400, 60


def probability(log_odds):
    return 1 / (1 + np.exp(-log_odds))


def rows(rng, n, *, shift=0.0):
    """Draw rows of which the model knows two columns, and is too sure of them; the third bears on the outcome, too."""
    frame = pd.DataFrame({
        "size": rng.normal(size=n) + shift / 2,
        "age": rng.normal(size=n),
        "hidden": rng.normal(size=n) + shift,
        "grade": rng.choice(["A", "B"], n, p=[0.7, 0.3] if not shift else [0.4, 0.6]),
    })  # fmt: skip
    chance = probability(frame["size"] - 0.5 * frame["age"] + 0.7 * frame["hidden"] - 1).to_numpy()
    answer = probability(1.6 * (frame["size"] - 0.5 * frame["age"]) - 1).to_numpy()
    return frame, answer, chance, (rng.random(n) < chance).astype(float)


def events(rng, *, shift):
    frame, answer, _, happened = rows(rng, N_HELD_OUT)
    kept = HeldOutRows(frame, answer, happened, ("no", "yes"), answer >= 0.5, None, "", ())
    live, later, chance, came = rows(rng, N_LIVE, shift=shift)
    return kept, LiveRows(live, later, later >= 0.5), chance, came


def numbers(rng, n, *, shift=0.0):
    frame = rows(rng, n, shift=shift)[0]
    answer = 3.0 * frame["size"].to_numpy()
    noise = np.exp(0.4 * frame["hidden"].to_numpy()) * (1 + (frame["grade"] == "B").to_numpy())
    return frame, answer, answer + noise * rng.standard_t(5, n)


@pytest.mark.truth
def test_intervals_of_events_hold_what_the_outcomes_show_under_covariate_shift(truth):
    rng = np.random.default_rng(3)
    n, held, closer = 20 * truth.scale, {"auc": 0, "accuracy": 0, "log_loss": 0}, 0
    for k in range(n):
        kept, live, _, came = events(rng, shift=(0.0, 0.8)[k % 2])
        found = estimate_performance(kept, live, seed=k, n_replicates=N_REPLICATES).performance
        figures = {figure.metric: figure for figure in found.figures}
        clipped = np.clip(live.answer, 1e-12, 1 - 1e-12)
        true = {
            "accuracy": float(np.mean((live.answer >= 0.5) == came)),
            "log_loss": float(-np.mean(np.where(came == 1, np.log(clipped), np.log1p(-clipped)))),
            "auc": float(np.mean(live.answer[came == 1][:, None] > live.answer[came == 0][None, :])),
        }
        for name in held:
            held[name] += figures[name].low <= true[name] <= figures[name].high
        loss = figures["log_loss"]
        closer += k % 2 and abs(loss.value - true["log_loss"]) < abs(loss.held_out - true["log_loss"])
    for covered in held.values():
        truth.at_least(covered / n, least_expected(0.93, n), n=n)
    truth.at_least(closer / (n // 2), 0.6, n=n // 2)


@pytest.mark.truth
def test_intervals_of_numbers_hold_what_the_outcomes_show_under_covariate_shift(truth):
    rng = np.random.default_rng(4)
    n, held = 20 * truth.scale, {"mae": 0, "rmse": 0}
    for k in range(n):
        frame, answer, actual = numbers(rng, N_HELD_OUT)
        live, later, came = numbers(rng, N_LIVE, shift=(0.0, 0.8)[k % 2])
        kept = HeldOutRows(frame, answer, actual, (), None, None, "", ())
        found = estimate_performance(kept, LiveRows(live, later), seed=k, n_replicates=N_REPLICATES).performance
        miss = came - later
        true = {"mae": float(np.abs(miss).mean()), "rmse": float(np.sqrt(np.square(miss).mean()))}
        for figure in found.figures:
            held[figure.metric] += figure.low <= true[figure.metric] <= figure.high
    for covered in held.values():
        truth.at_least(covered / n, least_expected(0.92, n), n=n)


@pytest.mark.truth
def test_rows_like_the_held_out_rows_rarely_seem_to_do_worse(truth):
    rng = np.random.default_rng(5)
    n, fell = 10 * truth.scale, 0
    for k in range(n):
        kept, live, _, _ = events(rng, shift=0.0)
        found = estimate_performance(kept, live, seed=k, n_replicates=N_REPLICATES).performance
        fell += found.verdict is PerformanceVerdict.FELL
    truth.at_most(fell / n, most_expected(0.05, n), n=n)


@pytest.mark.truth
@pytest.mark.parametrize("shift", [1.5, 2.5, 4.0])
def test_rows_beyond_the_held_out_rows_widen_the_intervals_and_far_beyond_they_decide_nothing(shift, truth):
    n, held = 6 * truth.scale, {"mae": 0, "log_loss": 0}
    for k in range(n):
        rng = np.random.default_rng(k)
        for metric in held:
            (frame, answer, actual), (live, later, came) = (beyond(rng, 1_000, at, metric) for at in (0.0, shift))
            is_event = metric == "log_loss"
            kept = HeldOutRows(frame, answer, actual, ("no", "yes") if is_event else (), None, None, "", ())
            found = estimate_performance(kept, LiveRows(live, later), seed=k, n_replicates=40).performance
            loss = -np.log(np.where(came == 1, later, 1 - later)) if is_event else np.abs(came - later)
            held[metric] += found.figures[0].low <= loss.mean() <= found.figures[0].high
            assert found.figures[0].metric == metric
            assert found.verdict is PerformanceVerdict.OPEN or shift < 2
    for covered in held.values():
        truth.at_least(covered / n, least_expected(0.9, n), n=n)


def beyond(rng, n, shift, metric):
    """Draw rows that are shifted out of the range in which the model is right, or its errors known."""
    x, z = rng.normal(size=n) * (0.4 if shift > 2 else 1.0) + shift, rng.normal(size=n)
    frame = pd.DataFrame({"x": x, "z": z})
    if metric == "mae":
        return frame, x + z, x + z + np.exp(0.5 * x) * rng.normal(size=n)
    odds = -1.5 + x + 0.8 * z
    happened = rng.random(n) < probability(odds + 0.2 * x + 0.5 * x * (x > 2.5))
    return frame, probability(odds), happened.astype(float)
