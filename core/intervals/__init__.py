"""95 % confidence intervals of metrics: pure functions of the rows, with nothing random in them.

units.py    the units of evidence: groups where rows come in groups, otherwise rows
shares.py   shares of rows, such as accuracy: exact limits
sums.py     means, ratios and differences of losses: studentised, with the skewness removed
ranking.py  AUC and average precision: DeLong's variance and the influence of each row

Rows of one group are similar, so groups count as the evidence. An interval always has a width: where the sample does
not vary, its limits are what as many units cannot exclude. Where fewer than two units exist there is no interval.

The coverage of each is simulated in `tests/core/intervals`; `make truth` prints the table.
"""

from core.intervals.ranking import (
    auc_influence,
    auc_interval,
    auc_of_classes_interval,
    average_precision_influence,
    average_precision_interval,
)
from core.intervals.shares import share_interval
from core.intervals.sums import (
    difference_interval,
    mean_interval,
    positive_interval,
    ratio_interval,
    retrained_interval,
    unexplained_interval,
)
from core.intervals.units import Interval, Units

__all__ = [
    "Interval",
    "Units",
    "auc_influence",
    "auc_interval",
    "auc_of_classes_interval",
    "average_precision_influence",
    "average_precision_interval",
    "difference_interval",
    "mean_interval",
    "positive_interval",
    "ratio_interval",
    "retrained_interval",
    "share_interval",
    "unexplained_interval",
]
