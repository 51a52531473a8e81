"""The values of an expression, and what is wrong with one, as lines."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final

from console.presentation.phrases import counted, instant
from widgets.line import Line, n_cells

if TYPE_CHECKING:
    from core.alerts.evaluation.listing import EvaluatedSample

MAX_LINES: Final = 1_000
_CONTEXT: Final = 30


def value_lines(samples: "Sequence[EvaluatedSample]", at: datetime) -> list[Line]:
    """Write a table of values and series, in the order of the expression.

    Args:
        samples: The values.
        at: The instant.
    """
    series = counted(len(samples), "series").replace("seriess", "series")
    lines = [Line(((f"{series} at {instant(at)}", "muted"),))]
    if not samples:
        return [*lines, Line((("No series: no recorded series matches, or none fulfils the condition.", ""),))]
    width = max(len(sample.text) for sample in samples[:MAX_LINES])
    lines.append(Line(((f"{'VALUE':>{width}}  SERIES", "title"),)))
    for sample in samples[:MAX_LINES]:
        labels = ", ".join(f'{name}="{value}"' for name, value in sample.labels.items() if name != "__name__")
        named = f"{sample.labels.get('__name__', '')}{{{labels}}}"
        lines.append(Line(((f"{sample.text:>{width}}  ", "strong"), (named, ""))))
    if len(samples) > MAX_LINES:
        lines.append(Line(((f"and {len(samples) - MAX_LINES:,} more series: name more labels.", "warn"),)))
    return lines


def fault_lines(text: str, message: str, offset: int | None) -> list[Line]:
    """Say what is wrong with an expression, and point at the place.

    Args:
        text: The expression.
        message: What is wrong.
        offset: The character at which it is wrong; None if that is not known.

    >>> [line.text for line in fault_lines("up +", "unexpected end", 4)]
    ['up +', '    ^', 'unexpected end (at character 5)']
    """
    if offset is None:
        return [Line(((text, ""),)), Line(((message, "bad"),))]
    start = max(0, offset - _CONTEXT)
    pointer = " " * n_cells(text[start:offset])
    return [
        Line(((text[start : offset + _CONTEXT], ""),)),
        Line(((f"{pointer}^", "bad"),)),
        Line(((f"{message} (at character {offset + 1})", "bad"),)),
    ]
