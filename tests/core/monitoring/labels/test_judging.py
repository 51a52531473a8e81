"""What the outcomes of wanted requests prove, how many more decide, and by when."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from msgspec.structs import replace

from core.monitoring.estimation.held_out import HeldOutRows
from core.monitoring.labels.draws import DrawnRow, LabelDraw
from core.monitoring.labels.judging import KnownLoss, KnownLosses, judged, known_losses
from core.monitoring.labels.sampling import LEVEL, level_of_draw
from core.monitoring.labels.strata import losses_by_strata
from core.monitoring.verdicts import PerformanceVerdict

ASKED = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
N = 100
DRAW = LabelDraw(
    draw_id="spread@1.0.0/1",
    model="spread",
    version="1.0.0",
    asked_at=ASKED,
    asked_by="ana@desk",
    n=40,
    seed=0,
    drawn_by="the answers",
    metric="mae",
    held_out=1.0,
    n_rows=N,
    mean_expected=1.0,
    least_correction=-1.0,
    greatest_correction=9.0,
    is_limited=False,
    rows=tuple(DrawnRow(request=f"r{k}", chance=1 / N, expected=1.0) for k in range(N)),
    draws=tuple(range(N)),
    n_needed=60,
)


def known(n, *, loss=1.0, every=timedelta(hours=1), first=0, **others):
    """Return the losses of the first rows, one known every hour, alternately larger and smaller."""
    losses = {
        f"r{k}": KnownLoss(loss + (0.2 if k % 2 else -0.2), ASKED + (k + 1 - first) * every) for k in range(first, n)
    }
    return KnownLosses(draw=DRAW.draw_id, losses=losses, **others)


def test_before_an_outcome_has_come_only_the_number_is_known():
    part = judged(DRAW, known(0), ASKED + timedelta(days=1))
    assert part.by_when == (
        "about 60 more outcomes would decide (ask for 60 rows: --n); when cannot be known: none has come since they "
        "were asked for"
    )
    assert (part.verdict, part.n_needed, part.expected_at) == (PerformanceVerdict.OPEN, 60, None)


def test_the_date_follows_from_the_rate_so_far():
    part = judged(DRAW, known(10), ASKED + timedelta(hours=10))
    assert (part.n_needed, part.n_draws, part.value) == (50, 10, None)
    assert part.expected_at == ASKED + timedelta(hours=60)
    assert "expected by 2026-03-04 21:00 UTC at the rate so far" in part.by_when


def test_outcomes_that_were_there_before_the_question_say_nothing_of_the_rate():
    early = KnownLosses(draw=DRAW.draw_id, losses={"r0": KnownLoss(1.0, ASKED - timedelta(days=1))})
    assert judged(DRAW, early, ASKED + timedelta(hours=10)).expected_at is None


def test_a_certain_fall_is_a_verdict_that_needs_no_more():
    part = judged(DRAW, known(60, loss=3.0), ASKED + timedelta(hours=60))
    assert (part.verdict, part.by_when, part.n_needed) == (PerformanceVerdict.FELL, "", None)
    assert part.low < 3.0 < part.high
    assert part.reason.startswith("absolute error 3 (")


def test_the_draws_of_a_version_share_one_level_so_that_drawing_again_proves_no_more_by_chance():
    again = replace(DRAW, draw_id="spread@1.0.0/4")
    first, fourth = (
        judged(draw, replace(known(60), draw=draw.draw_id), ASKED + timedelta(hours=60)) for draw in (DRAW, again)
    )

    assert sum(level_of_draw(number) for number in range(1, 10_000)) <= LEVEL
    assert fourth.low < first.low < first.value < first.high < fourth.high
    assert first.notes == ()
    assert fourth.notes[0].startswith("Draw 4 of this version")


@pytest.mark.parametrize("missing", ["expired", "unusable"])
def test_outcomes_behind_one_that_will_never_come_do_not_count_and_that_is_said(missing):
    losses = {request: loss for request, loss in known(60, loss=3.0).losses.items() if request != "r7"}
    part = judged(DRAW, replace(known(0, **{missing: frozenset({"r7"})}), losses=losses), ASKED + timedelta(hours=60))
    assert (part.verdict, part.n_draws, part.n_outcomes) == (PerformanceVerdict.OPEN, 7, 39)
    assert part.n_expired == (missing == "expired")
    assert any("that of r7 is missing" in note for note in part.notes)


def test_a_draw_of_which_too_many_would_be_needed_says_so():
    assert "more than one draw has (100)" in judged(replace(DRAW, n_needed=101), known(0), ASKED).by_when
    assert "more than a million draws" in judged(replace(DRAW, n_needed=None), known(0), ASKED).by_when


def test_held_out_rows_that_are_too_few_decide_nothing_and_that_is_said():
    few = replace(DRAW, held_out_low=0.6, held_out_high=1.4)
    part = judged(few, known(100, loss=1.2), ASKED + timedelta(hours=100))
    assert part.verdict is PerformanceVerdict.OPEN
    assert part.reason.endswith("by wanted outcomes, 1 (0.6 to 1.4) on held-out rows")
    assert part.by_when == (
        "the held-out rows are too few to settle a difference this small, however many outcomes come"
    )
    assert judged(few, known(100, loss=3.0), ASKED + timedelta(hours=100)).verdict is PerformanceVerdict.FELL


def test_what_was_kept_of_another_draw_does_not_count():
    assert known_losses(None, DRAW) == KnownLosses(draw=DRAW.draw_id)
    assert known_losses(b"not a state", DRAW) == KnownLosses(draw=DRAW.draw_id)
    assert (
        known_losses(b'{"draw": "spread@1.0.0/0", "losses": {"r0": [1.0, "2026-03-02T09:00:00Z"]}}', DRAW).losses == {}
    )


def rows(answer, actual, classes=()):
    answer, actual = np.asarray(answer, dtype=float), np.asarray(actual, dtype=float)
    return HeldOutRows(None, answer, actual, classes, None, None, "", ())


def test_rows_whose_tenth_is_less_certain_have_the_larger_expected_loss():
    rng = np.random.default_rng(1)
    answer = np.linspace(0, 1, 400)
    found = losses_by_strata(rows(answer, answer + answer * rng.normal(size=400)), np.array([0.05, 0.95]))
    assert found.metric == "mae"
    assert found.expected[1] > 5 * found.expected[0]
    assert found.uncertainty[1] > 5 * found.uncertainty[0]


@pytest.mark.parametrize(
    ("answer", "classes", "metric"),
    [(np.full(40, 0.5), ("no", "yes"), "log_loss"), (np.tile([0.2, 0.5, 0.3], (40, 1)), ("a", "b", "c"), "accuracy")],
)
def test_probabilities_have_the_loss_of_their_kind(answer, classes, metric):
    found = losses_by_strata(rows(answer, np.ones(40), classes), answer[:3])
    assert found.metric == metric
    assert found.expected == pytest.approx(np.full(3, found.held_out.mean))
    assert found.held_out.mean == pytest.approx(np.log(2) if metric == "log_loss" else 0.0)
