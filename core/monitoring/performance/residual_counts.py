"""Residuals and outcomes by the minute of their prediction, in the bins of the profile: to see a changed relation."""

from collections import Counter
from collections.abc import Iterable

import numpy as np

from core.arrays import FloatArray
from core.monitoring.live.level_counts import LevelIndex
from core.monitoring.live.number_counts import NumberGrid
from core.monitoring.live.sketch import RESIDUAL, TARGET, LiveSketch, ProfileIndex
from core.monitoring.performance.layout import Layout, MeasuredTask
from core.monitoring.performance.row_sums import answers_in
from core.telemetry.predictions import LabelledAnswers

MINUTE_US = 60_000_000


def residual_counts(index: ProfileIndex, batches: Iterable[LabelledAnswers]) -> dict[int, LiveSketch]:
    """Count residuals, and outcomes, by the minute in which their prediction was made.

    Args:
        index: The profile of the version.
        batches: Answers with their outcomes, of which each is passed once.
    Returns:
        By minute, in microseconds since 1970, a sketch with nothing but these counts; sketches of one minute add up.
    """
    found: dict[int, LiveSketch] = {}
    for form, rows in batches:
        layout = Layout.of(form, index.profile, 0.0)
        columns = answers_in(rows, form, layout)
        residuals = columns.residuals(layout.task)
        minutes = columns.at_us // MINUTE_US * MINUTE_US
        for minute in np.unique(minutes[np.isfinite(residuals)]).tolist():
            there = (minutes == minute) & np.isfinite(residuals)
            sketch = LiveSketch(int(np.count_nonzero(there)))
            _count(sketch, index, RESIDUAL, residuals[there])
            if layout.task is MeasuredTask.NUMBER:
                _count(sketch, index, TARGET, columns.actual[there])
            else:
                _count_classes(sketch, index, [layout.classes[int(at)] for at in columns.actual[there]])
            if minute in found:
                found[minute].merge(sketch)
            else:
                found[minute] = sketch
    return found


def _count(sketch: LiveSketch, index: ProfileIndex, name: str, values: FloatArray) -> None:
    if isinstance(how := index.answers.get(name), NumberGrid):
        sketch.answers[name] = how.count(values)


def _count_classes(sketch: LiveSketch, index: ProfileIndex, names: list[str]) -> None:
    """Count classes by name; a profile may keep them as numbers."""
    how = index.answers.get(TARGET)
    if isinstance(how, LevelIndex):
        rows = Counter(names)
        sketch.answers[TARGET] = how.count(rows, rows.values())
    elif isinstance(how, NumberGrid) and all(name.replace(".", "", 1).isdigit() for name in names):
        sketch.answers[TARGET] = how.count(np.array([float(name) for name in names]))
