"""What an outcome may be: checked before it is stored, so that every accepted outcome can be judged by."""

import math
from collections.abc import Mapping
from datetime import datetime
from numbers import Real
from typing import Any

from core.errors import UsageError
from core.escape import shown
from core.losses import Actual, RecordedAnswer, refusal_of, refusal_of_loss
from core.telemetry.predictions.records import OutcomeRecord

OUTCOME_LIMIT = 1e12
"""The largest absolute value of an outcome, unless the settings say otherwise: sums of squares stay exact enough."""

_MAX_NAME = 200


class OutcomeError(UsageError):
    """An outcome cannot be used; nothing of the report was stored.

    Attributes:
        field: The field at fault, if it is one: `actual` or `loss`.
        problem: What is wrong with it, and the cure.
    """

    def __init__(self, problem: str, field: str | None = None) -> None:
        self.field, self.problem = field, problem
        super().__init__(f"The outcome's `{field}` {problem}." if field else f"The outcome {problem}.")


def checked_outcome(
    request_id: str, at: datetime, *, actual: Any = None, loss: Any = None, limit: float = OUTCOME_LIMIT
) -> OutcomeRecord:
    """Check an outcome by itself.

    Args:
        request_id: The prediction that it is about.
        at: When it was reported.
        actual: What came of the prediction: a number, a class by its name or number, or true and false.
        loss: The loss, if the caller has computed it.
        limit: The largest absolute value.
    Raises:
        OutcomeError: Neither was given, a value is no finite number within the limit, or the id is not text.
    """
    if not isinstance(request_id, str) or not request_id:
        raise OutcomeError("must be the text under which the prediction was recorded", "request_id")
    actual, loss = _plain(actual), _plain(loss)
    if actual is None and loss is None:
        raise OutcomeError("requires `actual` or `loss`")
    if isinstance(actual, str):
        if not 0 < len(actual) <= _MAX_NAME:
            raise OutcomeError(f"must be a class name of 1 to {_MAX_NAME} characters, or a number", "actual")
        return OutcomeRecord(request_id, at, None, _number(loss, "loss", limit), actual)
    return OutcomeRecord(request_id, at, _number(actual, "actual", limit), _number(loss, "loss", limit))


def check_against(outcome: OutcomeRecord, answers: Mapping[str, RecordedAnswer]) -> None:
    """Check an outcome against the prediction that it is about, if that is known.

    Raises:
        OutcomeError: No loss can be computed from it, and none was given; or no such answer can have the given loss.
    """
    answer = answers.get(outcome.request_id)
    if answer is None:
        return
    if outcome.loss is not None:
        if (refusal := refusal_of_loss(answer.form, outcome.loss)) is not None:
            raise OutcomeError(refusal, "loss")
        return
    if (refusal := refusal_of(answer, Actual(outcome.actual, outcome.name))) is not None:
        raise OutcomeError(refusal, "actual")


def _plain(value: Any) -> Any:
    """Turn a scalar of an array library into the Python value that it holds."""
    item = getattr(value, "item", None)
    return item() if callable(item) and getattr(value, "ndim", None) == 0 else value


def _number(value: Any, field: str, limit: float) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) and field == "actual":
        return value  # 1 or 0, and still known not to be a number
    if isinstance(value, bool) or not isinstance(value, Real):
        what = "a number or the name of a class" if field == "actual" else "a number"
        raise OutcomeError(f"is {shown(value)}; it must be {what}", field)
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number) or abs(number) > limit:
        raise OutcomeError(
            f"is {shown(value)}; it must be a finite number from {-limit:g} to {limit:g} (serving.outcome_limit)",
            field,
        )
    return number
