"""The charts of a session, of several runs over each other, and of the machine, as lists for the full screen."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from msgspec.structs import replace

from console.presentation import epochs, resources
from widgets.chart import Series

if TYPE_CHECKING:
    from core.tracking import Run
    from core.view.snapshot import EpochSeries, Snapshot

_FIRST = ("loss", "score", "attainment")
_UNITS = {"bps": "bps", "seconds": "s", "ms": "ms", "percent": "%", "share": "share", "bytes": "bytes"}


@dataclass(frozen=True, slots=True)
class Chart:
    """One chart: its title, its axes, its lines."""

    title: str
    x_title: str
    y_title: str
    series: tuple[Series, ...]

    @property
    def places(self) -> list[float]:
        """The places on the horizontal axis that have a value, in order."""
        return sorted({x for series in self.series for x, _ in series.points})

    def within(self, window: tuple[float, float] | None) -> "Chart":
        """Return the part of the chart that lies in a window; None is all of it."""
        if window is None:
            return self
        low, high = window
        series = (replace(one, points=tuple(p for p in one.points if low <= p[0] <= high)) for one in self.series)
        return Chart(self.title, self.x_title, self.y_title, tuple(series))


def session_charts(history: "EpochSeries", models: Sequence[str], *, whole: "EpochSeries | None" = None) -> list[Chart]:
    """Draw what a session measures: attainment and loss of all models, then every other metric by its name.

    Args:
        history: The metrics to draw.
        models: The models of the session.
        whole: The metrics of the whole session, if `history` is a part: losses are in percent of its first.
    """
    charts = [
        Chart("Attainment", "epoch", "% of the best", tuple(epochs.attainment_series(history, models))),
        Chart("Loss", "epoch", "% of the first", tuple(epochs.loss_series(history, models, whole=whole))),
    ]
    return [chart for chart in charts if chart.series] + run_charts({"": history})


def run_charts(histories: "Mapping[str, EpochSeries]") -> list[Chart]:
    """Draw every metric of some runs, the runs over each other: losses and scores first.

    Args:
        histories: The metrics of each run, by the name of its line; an empty name is replaced by that of the metric.
    """
    names = sorted({name for history in histories.values() for name in history}, key=_order)
    return [
        Chart(
            name,
            "step",
            unit_of(name),
            tuple(
                Series(run or name, tuple((float(step), value) for step, value in history[name]))
                for run, history in histories.items()
                if history.get(name)
            ),
        )
        for name in names
    ]


def machine_charts(snapshot: "Snapshot") -> list[Chart]:
    """Draw the use of the machine over the last minutes."""
    return [
        Chart("Machine", "minutes", "%", tuple(resources.machine_series(snapshot))),
        Chart("Network", "minutes", "KiB/s", tuple(resources.network_series(snapshot))),
    ]


def line_names(runs: "Sequence[Run]") -> dict[str, str]:
    """Name the line of each run: its id, and its name where it has one."""
    return {run.run_id: f"{run.run_id} {run.name}".strip() for run in runs}


def unit_of(metric: str) -> str:
    """Return the unit that the name of a metric ends with.

    >>> unit_of("spread.mae_bps"), unit_of("epoch.seconds"), unit_of("loss")
    ('bps', 's', '')
    """
    return _UNITS.get(metric.replace(".", "_").rpartition("_")[2], "")


def _order(metric: str) -> tuple[int, str]:
    last = metric.rpartition(".")[2].rpartition("/")[2]
    return next((place for place, word in enumerate(_FIRST) if word in last), len(_FIRST)), metric
