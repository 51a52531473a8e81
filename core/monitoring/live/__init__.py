"""Rows that versions answer, counted minute by minute in the bins of their profiles; no row is kept.

`number_counts.py` and `level_counts.py` count a column, `sketch.py` holds a version's counts of some minutes,
`encoding.py` writes and reads them as bytes, `counting.py` counts rows.
"""

from core.monitoring.live.counting import SketchCounter
from core.monitoring.live.encoding import SketchError, from_bytes, merged_bytes, profile_number, to_bytes
from core.monitoring.live.level_counts import LevelCounts
from core.monitoring.live.number_counts import NumberCounts
from core.monitoring.live.sketch import PREDICTION, RESIDUAL, TARGET, LiveSketch, ProfileIndex, SliceCounts, SliceMoves

__all__ = [
    "PREDICTION",
    "RESIDUAL",
    "TARGET",
    "LevelCounts",
    "LiveSketch",
    "NumberCounts",
    "ProfileIndex",
    "SketchCounter",
    "SketchError",
    "SliceCounts",
    "SliceMoves",
    "from_bytes",
    "merged_bytes",
    "profile_number",
    "to_bytes",
]
