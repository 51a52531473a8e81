"""The models of a session and their course from epoch to epoch, as rows and as series for a chart."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from msgspec.structs import replace

from console.presentation.cells import duration_cell, number_cell, share_cell
from console.presentation.headline import headline_text
from console.presentation.phrases import NOTHING
from core.training.session import Session
from core.view.snapshot import EpochSeries
from widgets.chart import STEADY, ChartView, Series
from widgets.columns import Column
from widgets.rows import Cell, Row, RowPage

if TYPE_CHECKING:
    from core.telemetry.epoch_page import EpochPage

MODEL_METRIC_COLUMNS = (
    Column("model", "MODEL", 15, flex=1, max_width=18, cut="middle"),
    Column("attainment", "ATTAIN", 7, align="right"),
    Column("loss", "LOSS", 8, align="right"),
    Column("metric", "METRIC", 14, flex=1, max_width=28, priority=2),
    Column("trend", "TREND", 14, priority=1),
)
_COLUMNS = (
    Column("epoch", "EPOCH", 5, align="right"),
    Column("score", "SCORE", 7, align="right"),
)
_TEXT_COLUMNS = (
    Column("epoch", "EPOCH", 5, align="right"),
    Column("loss", "LOSS", 8, align="right"),
    Column("above_floor", "ABOVE", 8, align="right"),
    Column("attainment", "ATTAIN", 7, align="right", priority=2),
    Column("tokens_per_second", "TOKENS/S", 8, align="right", priority=1),
    Column("seconds", "TOOK", 5, align="right", field="duration_seconds", priority=3),
)
_TEXT_LINES = (("validation", "loss", ""), ("training", "training_loss", ""), ("floor", "floor", "good"))
_SKIPPED = "epoch.skipped"  # as the engine records it; its module loads what no first frame needs
_DIVERGED = Cell("diverged", "bad", brief="NaN")
_OWN_COLUMNS = ("attainment", "loss", "score")


def models_of(session: Session) -> list[str]:
    """Name the models a session trains, as its settings list them."""
    return list(session.settings.get("models", {}))


def model_metric_rows(session: Session, epochs: EpochSeries, trend: Callable[[Sequence[float]], str]) -> list[Row]:
    """Draw each model of a session as a row of `MODEL_METRIC_COLUMNS`; `trend` turns numbers into a sparkline."""
    metrics = session.observed.metrics
    return [
        Row(
            model,
            (
                model,
                share_cell(metrics.get(f"{model}.attainment")),
                _DIVERGED
                if f"{model}.loss" in session.observed.diverged
                else number_cell(metrics.get(f"{model}.loss")),
                headline_text(metrics, of=model, besides=_OWN_COLUMNS),
                Cell(trend([value for _, value in epochs.get(f"{model}.attainment", ())]), "accent"),
            ),
        )
        for model in models_of(session)
    ]


def epoch_axis(session: Session) -> ChartView:
    """Return a view whose axis of epochs grows in steps: to the last possible epoch, at rest to the last that was."""
    observed = session.observed
    most = observed.epoch if observed.phase.is_at_rest else observed.n_epochs
    return replace(STEADY, most_x=float(most) if most else None)


def attainment_series(epochs: EpochSeries, models: Sequence[str]) -> list[Series]:
    """Draw the attainment of each model in percent by epoch."""
    return [
        Series(model, tuple((float(epoch), value * 100) for epoch, value in _measured(epochs, f"{model}.attainment")))
        for model in models
        if epochs.get(f"{model}.attainment")
    ]


def _measured(epochs: EpochSeries, metric: str) -> list[tuple[int, float]]:
    """Return the values of a metric; a skipped epoch, whose values are those of the epoch before, is a gap."""
    skipped = {epoch for epoch, _ in epochs.get(_SKIPPED, ())}
    return [(epoch, math.nan if epoch in skipped else value) for epoch, value in epochs.get(metric, ())]


def loss_series(epochs: EpochSeries, models: Sequence[str], *, whole: EpochSeries | None = None) -> list[Series]:
    """Draw the loss of each model in percent of its first: losses of different models share no unit.

    Args:
        epochs: The metrics to draw.
        models: The models.
        whole: The metrics that have the first loss, if those to draw are a part of them.
    """
    series = []
    for model in models:
        points = _measured(epochs, f"{model}.loss")
        since = points if whole is None else _measured(whole, f"{model}.loss")
        first = next((value for _, value in since if math.isfinite(value) and value != 0), None)
        if first is not None:
            series.append(Series(model, tuple((float(epoch), value / first * 100) for epoch, value in points)))
    return series


def text_series(epochs: EpochSeries, model: str) -> list[Series]:
    """Draw the losses of a model of language in nats a token, and the floor that none can be below."""
    return [
        Series(name, tuple((float(epoch), value) for epoch, value in points), tone)
        for name, metric, tone in _TEXT_LINES
        if (points := epochs.get(f"{model}.{metric}"))
    ]


NO_SPEED = "N-grams are counted in one step: no speed is measured."


def speed_series(epochs: EpochSeries, model: str) -> list[Series]:
    """Draw how fast a model of language learned, in tokens a second."""
    points = epochs.get(f"{model}.tokens_per_second", ())
    return [Series("tokens/s", tuple((float(epoch), value) for epoch, value in points))] if points else []


def epoch_columns(models: Sequence[str], *, of_text: bool = False) -> tuple[Column, ...]:
    """Name the columns of the epoch table: the facts of every epoch, then the attainment of each model.

    Without room for all of them, the duration and the quality go before any model does. The epochs of a model of
    language have its loss and its distance from the floor instead.
    """
    if of_text:
        return _TEXT_COLUMNS
    columns = tuple(
        Column(model, model.upper(), max(6, min(len(model), 15)), align="right", cut="middle", priority=index + 1)
        for index, model in enumerate(models)
    )
    quality = Column("quality", "QUALITY", 7, align="right", priority=len(models) + 1)
    seconds = Column("seconds", "TOOK", 5, align="right", field="duration_seconds", priority=len(models) + 2)
    return (*_COLUMNS, quality, seconds, *columns)


def epoch_rows(
    epochs: Mapping[int, Mapping[str, float]],
    models: Sequence[str],
    *,
    diverged: Sequence[str] = (),
    of_text: bool = False,
) -> list[Row]:
    """Draw each epoch as a row of `epoch_columns`, the newest first.

    Args:
        epochs: The metrics of each epoch.
        models: The models, each a column.
        diverged: The losses that have no value now; from the first epoch without one, their model says so.
        of_text: Whether the one model is a model of language.
    """
    if of_text:
        return [_text_row(epoch, epochs[epoch], models[0]) for epoch in sorted(epochs, reverse=True)]
    return [_epoch_row(epoch, epochs[epoch], models, diverged) for epoch in sorted(epochs, reverse=True)]


def page_rows(
    page: "EpochPage | None", models: Sequence[str], *, diverged: Sequence[str] = (), of_text: bool = False
) -> Sequence[Row]:
    """Draw a page of epochs as rows of `epoch_columns`; rows of other pages are there, and unread."""
    if page is None:
        return ()
    if page.is_whole:
        return epoch_rows(page.rows, models, diverged=diverged, of_text=of_text)
    every = {epoch: page.rows.get(epoch, {}) for epoch in range(page.start, page.end + 1)}
    return RowPage(
        epoch_rows(every, models, diverged=diverged, of_text=of_text),
        n_before=page.newest - page.end,
        n_after=page.start - page.first,
        key_at=lambda place: str(page.newest - place),
        place_of=lambda key: page.newest - int(key),
    )


def recorded(page: "EpochPage | None", *, is_sorted: bool = False) -> str:
    """Say how many epochs a table of epochs has, and which of them an order acts on.

    >>> from core.telemetry.epoch_page import EpochPage
    >>> recorded(EpochPage(1, 36_000, 36_000, 101, 612, {}), is_sorted=True)
    '101 to 612 of 36,000, sorted'
    """
    if page is None:
        return "0 recorded"
    if is_sorted and not page.is_whole:
        return f"{page.start:,} to {page.end:,} of {page.n_recorded:,}, sorted"
    return f"{page.n_recorded:,} recorded"


def _epoch_row(epoch: int, metrics: Mapping[str, float], models: Sequence[str], diverged: Sequence[str]) -> Row:
    is_skipped = _SKIPPED in metrics

    def reached(model: str) -> Cell:
        if metrics and any(name.startswith(f"{model}.") and name not in metrics for name in diverged):
            return _DIVERGED
        return share_cell(metrics.get(f"{model}.attainment"))

    return Row(
        str(epoch),
        (
            Cell(str(epoch), value=epoch),
            Cell("skipped", "warn") if is_skipped else share_cell(metrics.get("score"), tone="strong"),
            share_cell(metrics.get("quality.score")),
            _took(metrics.get("epoch.seconds")),
            *(share_cell(None) if is_skipped else reached(model) for model in models),
        ),
        "muted" if is_skipped else "",
    )


def _text_row(epoch: int, metrics: Mapping[str, float], model: str) -> Row:
    own = {name: metrics.get(f"{model}.{name}") for name in ("loss", "above_floor", "tokens_per_second", "attainment")}
    speed = own["tokens_per_second"]
    return Row(
        str(epoch),
        (
            Cell(str(epoch), value=epoch),
            number_cell(own["loss"]),
            number_cell(own["above_floor"]),
            share_cell(own["attainment"]),
            Cell(f"{speed:,.0f}", value=speed) if speed is not None else NOTHING,
            _took(metrics.get("epoch.seconds")),
        ),
    )


def _took(seconds: float | None) -> Cell:
    return Cell(f"{seconds:.1f}s", value=seconds) if seconds is not None and seconds < 10 else duration_cell(seconds)
