"""What a caller's program gives as a metric: a name, a number and a step, converted or refused before it is queued."""

import operator
from typing import Any

from core.errors import UsageError
from core.escape import is_shown_as_is, shown
from core.state.encoding import real_number

MAX_NAME_CHARACTERS = 250
MAX_STEP = 2**53
"""The largest step that every reader of JSON reads exactly."""


def metric_name(name: Any) -> str:
    """Return the name of a metric.

    Raises:
        UsageError: It is not text, is empty, too long, or holds characters that cannot be printed.

    >>> metric_name("val/mae")
    'val/mae'
    """
    if not isinstance(name, str):
        raise UsageError(f"The metric name {shown(name)} is a {type(name).__name__}; it must be text.")
    if not name.strip() or len(name) > MAX_NAME_CHARACTERS:
        raise UsageError(
            f"The metric name {name[:40]!r} has {len(name)} characters; it needs 1 to {MAX_NAME_CHARACTERS}."
        )
    if not is_shown_as_is(name):
        raise UsageError(f"The metric name {shown(name)} holds a character that cannot be printed; leave it out.")
    return str.__str__(name)


def metric_value(name: str, value: Any) -> float:
    """Return the value of a metric; NaN and the infinities pass, and leave a gap.

    Raises:
        UsageError: It is not a number.
    """
    try:
        return real_number(value)
    except (TypeError, ValueError, OverflowError):  # an integer may exceed every float
        raise UsageError(f"The metric {name} is {shown(value)}; a metric must be a number.") from None


def metric_step(name: str, step: Any) -> int:
    """Return the step of a metric; integers of any width and floats without a fraction are taken.

    Raises:
        UsageError: It is not a whole number between -2⁵³ and 2⁵³.

    >>> metric_step("mae", 3.0)
    3
    """
    refusal = f"The step of the metric {name} is {shown(step)}; it must be a whole number between -2⁵³ and 2⁵³."
    if isinstance(step, bool):
        raise UsageError(refusal)
    try:
        whole = int(step) if isinstance(step, float) and step.is_integer() else operator.index(step)
    except TypeError:
        raise UsageError(refusal) from None
    if abs(whole) > MAX_STEP:
        raise UsageError(refusal)
    return whole
