"""The loss of one answer whose outcome is known: proper for probabilities, in the answer's own unit for numbers.

A proper loss is least, in the mean, for the true probabilities: with the distance |actual - probability| a model that
is sure of the likelier class beats a calibrated one.
"""

import math
from array import array
from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

import msgspec

LEAST_PROBABILITY = 1e-6
"""Probabilities are clipped to at least this for the log loss, which is then at most 13.8."""


class AnswerKind(StrEnum):
    """What a version answers."""

    NUMBER = "number"
    PROBABILITIES = "probabilities"  # of the second of two classes, or of every class
    CLASS = "class"  # the name of a class, without its probability
    SCORE = "score"  # of an anomaly, on a scale of the version's own
    TEXT = "text"  # what a model of language writes; its facts are judged when it is written
    UNKNOWN = ""  # a number, of which nothing more was recorded


class AnswerForm(NamedTuple):
    """What a version answers, and the names of its classes in the order of their probabilities."""

    kind: AnswerKind = AnswerKind.UNKNOWN
    classes: tuple[str, ...] = ()


class LossKind(StrEnum):
    """How the loss of an answer is computed from its outcome."""

    AUTO = "auto"  # by the kind of the answer
    LOG = "log"
    BRIER = "brier"
    ZERO_ONE = "zero_one"
    ABSOLUTE = "absolute"
    SQUARED = "squared"
    QUANTILE = "quantile"
    REPORTED = "reported"  # computed by the caller


_OF_PROBABILITIES = (LossKind.LOG, LossKind.BRIER, LossKind.ZERO_ONE)
_OF_NUMBERS = (LossKind.ABSOLUTE, LossKind.SQUARED, LossKind.QUANTILE)


_LARGEST = {LossKind.LOG: -math.log(LEAST_PROBABILITY), LossKind.BRIER: 2.0, LossKind.ZERO_ONE: 1.0}


class LossRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The loss that a rollout is judged by."""

    kind: LossKind = LossKind.AUTO
    quantile: float = 0.5  # of the quantile loss
    cap: float | None = None  # losses beyond it count as it

    def for_form(self, form: AnswerForm) -> LossKind:
        """Return the loss of a version's answers: this rule's where it fits them, else the default of their kind.

        >>> LossRule(kind=LossKind.BRIER).for_form(AnswerForm(AnswerKind.NUMBER))
        <LossKind.ABSOLUTE: 'absolute'>
        """
        match form.kind:
            case AnswerKind.PROBABILITIES:
                return self.kind if self.kind in _OF_PROBABILITIES else LossKind.LOG
            case AnswerKind.CLASS:
                return LossKind.ZERO_ONE
            case AnswerKind.SCORE:
                return LossKind.REPORTED
            case AnswerKind.NUMBER:
                return self.kind if self.kind in _OF_NUMBERS else LossKind.ABSOLUTE
        return LossKind.ABSOLUTE if self.kind in (LossKind.AUTO, LossKind.REPORTED) else self.kind

    @property
    def largest(self) -> float | None:
        """The largest loss that counts; None if there is no bound, or the kind of answers is unknown."""
        bound = _LARGEST.get(self.kind)
        return min((each for each in (bound, self.cap) if each is not None), default=None)

    def describe(self, form: AnswerForm | None = None) -> str:
        """Name the loss in words; without a form, by the kind of the answers."""
        capped = "" if self.cap is None else f", at most {self.cap:g}"
        if form is not None and form.kind is not AnswerKind.UNKNOWN:
            return _in_words(self.for_form(form), self.quantile) + capped
        if self.kind is LossKind.AUTO:
            return "log loss, absolute error or wrong classes, by the kind of answer" + capped
        return _in_words(self.kind, self.quantile) + capped


def _in_words(kind: LossKind, quantile: float) -> str:
    return {
        LossKind.LOG: f"log loss, probabilities clipped at {LEAST_PROBABILITY:g}",
        LossKind.BRIER: "Brier score",
        LossKind.ZERO_ONE: "share of wrong classes",
        LossKind.ABSOLUTE: "absolute error",
        LossKind.SQUARED: "squared error",
        LossKind.QUANTILE: f"quantile loss at {quantile:g}",
        LossKind.REPORTED: "loss reported by the caller",
    }[kind]


class RecordedAnswer(NamedTuple):
    """One recorded answer."""

    form: AnswerForm
    value: float | None = None  # a number, a score, or the probability of the second of two classes
    detail: bytes | None = None  # the probabilities of all classes, packed; or the name of the class


class Actual(NamedTuple):
    """What came of it: a number, or the name of a class."""

    number: float | None = None
    name: str | None = None


def pack_probabilities(probabilities: Sequence[float]) -> bytes:
    """Pack the probabilities of all classes: four bytes each, as no loss needs more than seven digits."""
    return array("f", probabilities).tobytes()


def class_index(classes: Sequence[str], actual: Actual) -> int | None:
    """Find a class by its name, by the number that is its name, or by its position if no name is a number.

    >>> class_index(("no", "yes"), Actual(name="yes")), class_index(("no", "yes"), Actual(number=1.0))
    (1, 1)
    >>> class_index(("1", "2"), Actual(number=1.0)), class_index(("1", "2"), Actual(number=0.0))
    (0, None)
    """
    if actual.name is not None:
        return classes.index(actual.name) if actual.name in classes else _only(classes, actual.name)
    if actual.number is None or not math.isfinite(actual.number):
        return None
    name = f"{actual.number:.15g}"
    if name in classes:
        return classes.index(name)
    is_position = float(actual.number).is_integer() and 0 <= actual.number < len(classes)
    return int(actual.number) if is_position and not any(map(_is_number, classes)) else None


def _only(classes: Sequence[str], name: str) -> int | None:
    """Find a class whose name differs only in upper and lower case, if there is exactly one."""
    found = [index for index, known in enumerate(classes) if known.casefold() == name.casefold()]
    return found[0] if len(found) == 1 else None


def _is_number(name: str) -> bool:
    try:
        float(name)
    except ValueError:
        return False
    return True


def loss_of(rule: LossRule, answer: RecordedAnswer, actual: Actual) -> float | None:
    """Compute the loss of an answer; None if its outcome says nothing about it.

    Source:
        Gneiting & Raftery, "Strictly Proper Scoring Rules, Prediction, and Estimation", JASA 102(477), 2007, sections
        3 (log and Brier score) and 6 (quantiles).

    >>> liquid = RecordedAnswer(AnswerForm(AnswerKind.PROBABILITIES, ("0", "1")), 0.25)
    >>> round(loss_of(LossRule(), liquid, Actual(1.0)), 3), loss_of(LossRule(kind=LossKind.BRIER), liquid, Actual(1.0))
    (1.386, 0.5625)
    """
    kind = rule.for_form(answer.form)
    if answer.form.kind is AnswerKind.CLASS:
        return _wrong_class(answer, actual)
    if kind in _OF_PROBABILITIES:
        return _of_probabilities(kind, answer, actual)
    if kind is LossKind.REPORTED or answer.value is None or actual.number is None:
        return None
    error = actual.number - answer.value
    if kind is LossKind.SQUARED:
        return error * error
    if kind is LossKind.QUANTILE:
        return max(rule.quantile * error, (rule.quantile - 1) * error)
    return abs(error)


def _wrong_class(answer: RecordedAnswer, actual: Actual) -> float | None:
    if answer.detail is None:
        return None
    given = answer.detail.decode(errors="replace")
    if not answer.form.classes:
        came = actual.name if actual.name is not None else None if actual.number is None else f"{actual.number:.15g}"
        return None if came is None else float(came.casefold() != given.casefold())
    came_at = class_index(answer.form.classes, actual)
    return None if came_at is None else float(came_at != class_index(answer.form.classes, Actual(name=given)))


def _of_probabilities(kind: LossKind, answer: RecordedAnswer, actual: Actual) -> float | None:
    came = class_index(answer.form.classes or ("0", "1"), actual)
    probabilities = probabilities_of(answer)
    if came is None or probabilities is None or came >= len(probabilities):
        return None
    if kind is LossKind.LOG:
        return -math.log(min(max(probabilities[came], LEAST_PROBABILITY), 1.0))
    if kind is LossKind.ZERO_ONE:
        return float(max(range(len(probabilities)), key=probabilities.__getitem__) != came)
    if len(probabilities) == 2:  # of the one probability that was answered, as everybody quotes it
        return (1 - probabilities[came]) ** 2
    return sum((p - (index == came)) ** 2 for index, p in enumerate(probabilities))


def probabilities_of(answer: RecordedAnswer) -> Sequence[float] | None:
    """Return the probabilities of all classes; None if the answer has none."""
    if answer.detail is not None and answer.form.kind is AnswerKind.PROBABILITIES:
        found = array("f")
        found.frombytes(answer.detail[: len(answer.detail) // 4 * 4])
        return found
    if answer.value is None or not 0 <= answer.value <= 1:
        return None
    return (1 - answer.value, answer.value)


def refusal_of(answer: RecordedAnswer, actual: Actual) -> str | None:
    """Return why no loss can be computed from an outcome, with the cure; None if one can."""
    form = answer.form
    if form.kind is AnswerKind.TEXT:
        return _OF_TEXTS
    if form.kind is AnswerKind.SCORE:
        return "cannot be compared with an anomaly score, whose scale is each version's own; report `loss` instead"
    if answer.value is None and answer.detail is None:
        return "has nothing to be compared with: the prediction was recorded without a value; report `loss` instead"
    if form.kind in (AnswerKind.PROBABILITIES, AnswerKind.CLASS) and form.classes:
        if class_index(form.classes, actual) is None:
            given = repr(actual.name) if actual.name is not None else f"{actual.number:.15g}"
            shown = ", ".join(form.classes[:_MAX_SHOWN])
            more = f" and {len(form.classes) - _MAX_SHOWN} more" if len(form.classes) > _MAX_SHOWN else ""
            return f"is {given}, which is not a class of this model; the classes are {shown}{more}"
    elif form.kind is AnswerKind.NUMBER and isinstance(actual.number, bool):
        return f"is {str(actual.number).lower()}; the prediction is a number, so give a number"
    elif form.kind is not AnswerKind.CLASS and actual.number is None:
        return f"is {actual.name!r}; the prediction is a number, so give a number"
    return None


def refusal_of_loss(form: AnswerForm, loss: float) -> str | None:
    """Return why a loss that the caller computed cannot be the loss of such an answer, with the cure; None if it can.

    Of the losses of probabilities the log loss has the widest bound. A number, and a score, may have any loss, and also
    a negative one: a profit.
    """
    if form.kind is AnswerKind.TEXT:
        return _OF_TEXTS
    if form.kind not in (AnswerKind.PROBABILITIES, AnswerKind.CLASS):
        return None
    kind = LossRule().for_form(form)
    bound = _LARGEST[kind]
    if 0 <= loss <= bound * (1 + 1e-3):
        return None
    what = "a wrong class has the loss 1 and a right one 0"
    if kind is LossKind.LOG:
        what = f"the loss of probabilities is from 0 to {bound:.4g}, as they are clipped at {LEAST_PROBABILITY:g}"
    return f"is {loss:g}; {what}; report `actual` to have it computed"


_MAX_SHOWN = 30
_OF_TEXTS = "is about a text, which has no outcome: its facts are judged when it is written"
