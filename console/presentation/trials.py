"""The trials of a search of parameters: a table, and how the loss depends on one parameter."""

import math
from collections.abc import Sequence

from console.presentation.phrases import NOTHING
from core.models.tuning.ranges import ParameterValue
from core.models.tuning.trial import Trial, TrialState
from core.training.tuning.records import SessionTrial, TuningStanding
from core.training.tuning.trial_rows import told_standing
from core.training.tuning.words import number
from widgets.columns import Column
from widgets.glyphs import Glyphs
from widgets.line import Line, Span
from widgets.rows import Cell, Row

FIXED = (
    Column("trial", "TRIAL", 8, is_key=True),
    Column("state", "STATE", 9),
    Column("folds", "FOLDS", 5, align="right", priority=2),
    Column("loss", "LOSS", 9, align="right"),
)
SETTINGS = "settings"  # trial 0
NO_TRIAL = "No trial has ended yet."
_TONES = {TrialState.COMPLETE: "", TrialState.PRUNED: "muted", TrialState.FAILED: "bad"}
_WIDEST_VALUE = 14
_AXIS = 9  # cells of the loss beside the frame
_LEAST_SPREAD = 20.0  # of a parameter that is drawn by orders of magnitude


def models_of(trials: Sequence[SessionTrial]) -> tuple[str, ...]:
    """Name the models that have trials."""
    return tuple(dict.fromkeys(each.model for each in trials))


def varied(trials: Sequence[Trial]) -> tuple[str, ...]:
    """Name the parameters that differ between trials."""
    values: dict[str, set[str]] = {}
    for trial in trials:
        for name, value in trial.parameters.items():
            values.setdefault(name, set()).add(repr(value))
    return tuple(name for name, found in values.items() if len(found) > 1 or _is_left_out(name, trials))


def trial_columns(parameters: Sequence[str]) -> tuple[Column, ...]:
    """Return the columns: those of every search, then a column for each parameter; the last ones go first."""
    own = (
        Column(f"p.{name}", name.upper(), min(max(len(name), 6), _WIDEST_VALUE), align="right", priority=3 + place)
        for place, name in enumerate(parameters)
    )
    return (*FIXED, *own)


def trial_rows(trials: Sequence[Trial], parameters: Sequence[str], best: int | None, glyphs: Glyphs) -> list[Row]:
    """Draw each trial as a row.

    Args:
        trials: In the order to show.
        parameters: As for `trial_columns`.
        best: The number of the best trial, which is marked.
        glyphs: The signs of this terminal.
    """
    return [
        Row(
            f"{trial.number}",
            (
                Cell(_name(trial, best, glyphs), "strong" if trial.number == best else "", trial.number),
                Cell(str(trial.state), _TONES[trial.state]),
                Cell(str(len(trial.curve)), value=len(trial.curve)),
                Cell(f"{trial.curve[-1]:.5g}", value=trial.curve[-1]) if trial.curve else Cell(NOTHING),
                *(_value(trial.parameters.get(name)) for name in parameters),
            ),
            "muted" if trial.state is TrialState.PRUNED else "",
        )
        for trial in trials
    ]


def standing_line(standing: TuningStanding) -> str:
    """Say in a line where the search for a model stands; the table marks the best trial."""
    return told_standing(standing, names_best=False)


def slice_lines(
    trials: Sequence[Trial], parameter: str, best: int | None, *, width: int, height: int, glyphs: Glyphs
) -> list[Line]:
    """Draw the loss of each trial over one parameter.

    Args:
        trials: The trials of one model.
        parameter: The parameter.
        best: The number of the best trial.
        width: The cells of the pane.
        height: Its rows.
        glyphs: The signs of this terminal.
    Returns:
        A dot for each complete trial, a hollow dot for each pruned one at the mean of its folds, and the best with its
        sign of the table. The settings, which usually leave the parameter to its default, have their mark on the axis.
        Losses far above the others are drawn in the top row.
    """
    drawn = [trial for trial in trials if trial.curve and parameter in trial.parameters]
    on_axis = [trial for trial in trials if trial.curve and trial not in drawn and trial.number == 0]
    n_rows, n_columns = height - 3, width - _AXIS - 2
    if not any(trial.state is TrialState.COMPLETE for trial in drawn) or n_rows < 2 or n_columns < 10:
        return [Line((("Too few trials, or too little room, to draw.", "muted"),))]
    low, high = _ends([*drawn, *on_axis])

    def row_of(trial: Trial) -> int:
        share = (trial.curve[-1] - low) / (high - low) if high > low else 0.5
        return round((1.0 - min(max(share, 0.0), 1.0)) * (n_rows - 1))

    place, ticks = _places([trial.parameters[parameter] for trial in drawn], n_columns)
    cells: dict[tuple[int, int], Span] = {}
    ranked = sorted(
        drawn, key=lambda trial: (trial.number == best, trial.number == 0, trial.state is TrialState.COMPLETE)
    )
    for trial in ranked:  # the best one last, above the others
        cells[row_of(trial), place[repr(trial.parameters[parameter])]] = _dot(trial, best, glyphs)
    axis = {row_of(trial): _dot(trial, best, glyphs) for trial in on_axis}
    labels = {0: f"{high:.4g}", n_rows - 1: f"{low:.4g}"} if high > low else {round((n_rows - 1) / 2): f"{low:.4g}"}
    lines = []
    for row in range(n_rows):
        label = labels.get(row, "")
        spans: list[Span] = [(f"{label:>{_AXIS}} ", "muted"), axis.get(row, (glyphs.upright, "muted"))]
        spans += [cells.get((row, column), (" ", "")) for column in range(n_columns)]
        lines.append(Line(tuple(spans)))
    lines.append(Line(((" " * (_AXIS + 1) + glyphs.corner + glyphs.rule * n_columns, "muted"),)))
    lines.append(Line(((" " * (_AXIS + 2) + _tick_text(ticks, n_columns), "muted"),)))
    legend = (
        (f"by {parameter}  ", ""),
        (f"{glyphs.dot} ", ""),
        ("complete ", "muted"),
        (f"{glyphs.hollow} ", "muted"),
        ("pruned ", "muted"),
        (f"{glyphs.markers[1]} ", "accent"),
        ("settings ", "muted"),
        (f"{glyphs.passed} ", "good"),
        ("best", "muted"),
    )
    return [*lines, Line(legend)]


def _is_left_out(name: str, trials: Sequence[Trial]) -> bool:
    """Whether some trials, such as that of the settings, leave a parameter to its default."""
    return any(name not in trial.parameters for trial in trials)


def _name(trial: Trial, best: int | None, glyphs: Glyphs) -> str:
    name = SETTINGS if trial.number == 0 else str(trial.number)
    return f"{name} {glyphs.passed}" if trial.number == best else name


def _value(value: ParameterValue | None) -> Cell:
    return Cell("") if value is None else Cell(number(value), value=value)


def _ends(trials: Sequence[Trial]) -> tuple[float, float]:
    """Return the losses of the lowest and the top row: of all trials but those far above the complete ones."""
    complete = [trial.curve[-1] for trial in trials if trial.state is TrialState.COMPLETE]
    low, usual = min(trial.curve[-1] for trial in trials), max(complete)
    near = [trial.curve[-1] for trial in trials if trial.curve[-1] <= usual + max(usual - low, abs(usual) / 2)]
    return low, max(near)


def _dot(trial: Trial, best: int | None, glyphs: Glyphs) -> Span:
    if trial.number == best:
        return glyphs.passed, "good"
    if trial.number == 0:
        return glyphs.markers[1], "accent"
    return (glyphs.dot, "") if trial.state is TrialState.COMPLETE else (glyphs.hollow, "muted")


def _places(values: Sequence[ParameterValue], n: int) -> tuple[dict[str, int], list[tuple[int, str]]]:
    """Give each value a column: numbers by their size or its logarithm, words side by side.

    Returns:
        The column of each value, and the columns that have a label.
    """
    numbers = [float(value) for value in values if isinstance(value, int | float) and not isinstance(value, bool)]
    if len(numbers) < len(values):
        words = sorted({repr(value) for value in values})
        step = (n - 1) / max(len(words) - 1, 1)
        columns = {word: round(place * step) for place, word in enumerate(words)}
        return columns, [(column, word.strip("'")) for word, column in columns.items()]
    low, high = min(numbers), max(numbers)
    is_log = low > 0 and high / low > _LEAST_SPREAD
    scale = math.log if is_log else float
    span = scale(high) - scale(low)
    places = {
        repr(value): round((scale(own) - scale(low)) / span * (n - 1)) if span else n // 2
        for value, own in zip(values, numbers, strict=True)
    }
    middle = math.sqrt(low * high) if is_log else (low + high) / 2
    ends = [(0, f"{low:.3g}"), (n // 2, f"{middle:.3g}"), (n - 1, f"{high:.3g}")]
    return places, ends if span else [(n // 2, f"{low:.3g}")]


def _tick_text(ticks: Sequence[tuple[int, str]], n: int) -> str:
    """Write labels below their columns, as many as fit."""
    text = ""
    for column, label in ticks:
        start = min(max(column - len(label) // 2, 0), n - len(label))
        if start >= len(text) + (1 if text else 0):
            text = text.ljust(start) + label
    return text
