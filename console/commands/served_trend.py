"""What a model relied on while it served, as printed tables: a course for each column, and which moves are changes."""

import math
from typing import TYPE_CHECKING

from console.cli.output import print_table, printable
from console.presentation.explanation import change_rule, lacking_phrase, step_name
from console.presentation.phrases import duration
from core.clock import in_words
from widgets.bars import sparkline
from widgets.glyphs import ASCII

if TYPE_CHECKING:
    from core.explain.served_trend import FeatureTrend, ServedTrend, VersionStep
    from core.explain.trend_moves import ImportanceMove
    from core.training.own_data.served_trend import ServedExplanation

_MOST_LINES = 20


def print_trends(found: "ServedExplanation") -> None:
    """Print the trend of each version, and the steps between versions."""
    for trend in found.trends:
        _print_trend(found, trend)
    for step in found.steps:
        _print_step(found.model, step)
    for lacking in found.not_explained:
        print(printable(lacking_phrase(lacking)))
    print(change_rule(found.n_compared))
    for note in found.notes:
        print(f"note: {printable(note)}")


def _print_trend(found: "ServedExplanation", trend: "ServedTrend") -> None:
    name = f"{printable(found.model)} {printable(trend.version)}"
    print(f"{name} from {in_words(found.start)} on, one character per {duration(found.bucket_seconds)}")
    lines = [
        {
            "feature": entry.feature,
            "importance": f"{entry.importance:.4g}",
            "error": f"{entry.error:.2g}",
            "share": f"{entry.share:.1%}",
            "over time": _course(entry),
            "earlier > later": "-" if entry.move is None else f"{entry.move.before:.4g} > {entry.move.after:.4g}",
            "difference": _interval(entry.move),
            "": _verdict(entry.move),
        }
        for entry in trend.features[:_MOST_LINES]
    ]
    columns = ("feature", "importance", "error", "share", "over time", "earlier > later", "difference", "")
    print_table(lines, columns, empty="no columns")
    if len(trend.features) > _MOST_LINES:
        print(f"and {len(trend.features) - _MOST_LINES} columns more (--json)")
    print(
        f"{trend.n_explained:,} of {trend.n_rows:,} answers explained, chosen at random; importance is the mean size "
        f"of contributions to {printable(trend.scale)}"
    )
    print(f"method: {printable(trend.algorithm)}; against {printable(trend.reference)}")
    for note in trend.notes:
        print(f"note: {printable(note)}")


def _print_step(model: str, step: "VersionStep") -> None:
    before, after = printable(step.before), printable(step.after)
    if before == after:
        before, after = "before", "after"
    print(f"{printable(model)}: share of the importance while served, {printable(step_name(step))}")
    lines = [
        {
            "feature": entry.feature,
            before: "-" if entry.before is None else f"{entry.before:.1%}",
            after: "-" if entry.after is None else f"{entry.after:.1%}",
            "difference": _interval(entry.move, is_share=True),
            "": _verdict(entry.move),
        }
        for entry in step.features[:_MOST_LINES]
    ]
    print_table(lines, ("feature", before, after, "difference", ""), empty="no columns")


def _course(entry: "FeatureTrend") -> str:
    """Draw a course, from zero to its greatest value; a blank where nothing was explained."""
    sizes = [math.nan if size is None else size for size in entry.sizes]
    return sparkline(sizes, len(sizes), low=0.0, high=max(filter(math.isfinite, sizes)) or 1.0, glyphs=ASCII)


def _interval(move: "ImportanceMove | None", *, is_share: bool = False) -> str:
    if move is None:
        return "-"
    if is_share:
        return f"{100 * move.low:+.1f} to {100 * move.high:+.1f}"
    return f"{move.low:+.3g} to {move.high:+.3g}"


def _verdict(move: "ImportanceMove | None") -> str:
    return "change" if move is not None and move.is_change else ""
