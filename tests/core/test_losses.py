"""Losses: proper for probabilities, in the answer's unit for numbers, and none where an outcome says nothing."""

import math

import pytest

from core.losses import (
    LEAST_PROBABILITY,
    Actual,
    AnswerForm,
    AnswerKind,
    LossKind,
    LossRule,
    class_index,
    loss_of,
    pack_probabilities,
    refusal_of,
)
from core.losses import (
    RecordedAnswer as Told,
)

EVENT = AnswerForm(AnswerKind.PROBABILITIES, ("0", "1"))
DEFAULTED = AnswerForm(AnswerKind.PROBABILITIES, ("no", "yes"))
RATED = AnswerForm(AnswerKind.PROBABILITIES, ("A", "B", "C"))
SPREAD = AnswerForm(AnswerKind.NUMBER)
AUTO, BRIER = LossRule(), LossRule(kind=LossKind.BRIER)
RATING = Told(RATED, None, pack_probabilities((0.5, 0.375, 0.125)))


@pytest.mark.parametrize(
    ("rule", "answer", "actual", "loss"),
    [
        pytest.param(AUTO, Told(EVENT, 0.25), Actual(1.0), math.log(4), id="log loss of an event"),
        pytest.param(AUTO, Told(EVENT, 0.25), Actual(0.0), -math.log(0.75), id="log loss of no event"),
        pytest.param(AUTO, Told(EVENT, 0.0), Actual(1.0), -math.log(LEAST_PROBABILITY), id="bounded by clipping"),
        pytest.param(BRIER, Told(EVENT, 0.25), Actual(1.0), 0.5625, id="Brier score of an event"),
        pytest.param(AUTO, Told(DEFAULTED, 0.25), Actual(name="yes"), math.log(4), id="class by name"),
        pytest.param(AUTO, Told(DEFAULTED, 0.25), Actual(1.0), math.log(4), id="class by number"),
        pytest.param(AUTO, RATING, Actual(name="C"), math.log(8), id="the class that came, of three"),
        pytest.param(AUTO, RATING, Actual(2.0), math.log(8), id="the same by number"),
        pytest.param(BRIER, RATING, Actual(name="A"), 0.25 + 0.140625 + 0.015625, id="Brier score of three"),
        pytest.param(LossRule(kind=LossKind.ZERO_ONE), RATING, Actual(name="A"), 0.0, id="the likeliest was right"),
        pytest.param(AUTO, Told(SPREAD, 100.0), Actual(90.0), 10.0, id="absolute error"),
        pytest.param(BRIER, Told(SPREAD, 100.0), Actual(90.0), 10.0, id="a loss that does not fit a number"),
        pytest.param(LossRule(kind=LossKind.SQUARED), Told(SPREAD, 100.0), Actual(90.0), 100.0, id="squared error"),
        pytest.param(
            LossRule(kind=LossKind.QUANTILE, quantile=0.9),
            Told(SPREAD, 100.0),
            Actual(110.0),
            9.0,
            id="below it",
        ),
        pytest.param(
            LossRule(kind=LossKind.QUANTILE, quantile=0.9),
            Told(SPREAD, 100.0),
            Actual(90.0),
            1.0,
            id="above it",
        ),
        pytest.param(
            AUTO, Told(AnswerForm(AnswerKind.CLASS), None, b"buy"), Actual(name="sell"), 1.0, id="wrong class"
        ),
        pytest.param(AUTO, Told(AnswerForm(AnswerKind.CLASS), None, b"3"), Actual(3.0), 0.0, id="right class"),
        pytest.param(AUTO, Told(EVENT, 0.25), Actual(7.0), None, id="no such class"),
        pytest.param(AUTO, Told(AnswerForm(AnswerKind.SCORE), 0.9), Actual(1.0), None, id="anomaly score"),
        pytest.param(AUTO, Told(SPREAD), Actual(1.0), None, id="no value was recorded"),
    ],
)
def test_the_loss_of_an_answer(rule, answer, actual, loss) -> None:
    assert loss_of(rule, answer, actual) == (None if loss is None else pytest.approx(loss, rel=1e-6))


@pytest.mark.parametrize("kind", [LossKind.LOG, LossKind.BRIER])
def test_the_true_probability_has_the_least_loss(kind: LossKind) -> None:
    rule = LossRule(kind=kind)
    for true in (0.001, 0.03, 0.3, 0.5, 0.97):

        def expected(told: float, true: float = true) -> float:
            answer = Told(EVENT, told)
            return true * loss_of(rule, answer, Actual(1.0)) + (1 - true) * loss_of(rule, answer, Actual(0.0))

        assert all(expected(true) < expected(told) for told in (0.0, true / 2, (1 + true) / 2, 1.0) if told != true)


@pytest.mark.parametrize(
    ("classes", "actual", "index"),
    [
        (("0", "1"), Actual(1.0), 1),
        (("1", "2"), Actual(1.0), 0),
        (("1", "2"), Actual(0.0), None),
        (("False", "True"), Actual(name="true"), 1),
        (("no", "yes"), Actual(2.0), None),
        (("no", "yes"), Actual(0.5), None),
        (("no", "yes"), Actual(name="maybe"), None),
        (("a", "A"), Actual(name="A"), 1),
    ],
)
def test_a_class_is_found_by_name_or_number(classes, actual, index) -> None:
    assert class_index(classes, actual) == index


@pytest.mark.parametrize(
    ("answer", "actual", "says"),
    [
        pytest.param(RATING, Actual(name="D"), "the classes are A, B, C", id="unknown class"),
        pytest.param(Told(SPREAD, 1.0), Actual(name="wide"), "give a number", id="a name for a number"),
        pytest.param(Told(AnswerForm(AnswerKind.SCORE), 1.0), Actual(1.0), "report `loss`", id="anomaly score"),
        pytest.param(Told(SPREAD), Actual(1.0), "recorded without a value", id="nothing to compare with"),
        pytest.param(RATING, Actual(name="A"), None, id="a class"),
    ],
)
def test_what_says_nothing_about_an_answer_is_refused_with_the_cure(answer, actual, says) -> None:
    found = refusal_of(answer, actual)
    assert found is None if says is None else says in found
