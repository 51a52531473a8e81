"""Explanations as lines: the importances of a version, their course while it served, and the contributions of a row."""

import math
from typing import TYPE_CHECKING

from console.presentation.phrases import counted
from core.clock import in_words
from widgets.bars import sparkline
from widgets.glyphs import Glyphs
from widgets.line import Line

if TYPE_CHECKING:
    from core.explain.documents import GlobalExplanation, LocalExplanation
    from core.explain.served_trend import ServedTrend, VersionStep
    from core.training.own_data.explanation import ComparedExplanations
    from core.training.own_data.served_trend import NotExplained, ServedExplanation

WIDTH = 20  # of the longest bar
MOST = 15
MOST_PAIRS = 8
_NAME_WIDTH = 22


def importance_lines(report: "GlobalExplanation", glyphs: Glyphs) -> list[Line]:
    """Draw what a version relies on: a bar for each column, its interval, and what a reader must know."""
    shown = [entry for entry in report.features if entry.importance > 0][:MOST]
    longest = max((entry.importance for entry in shown), default=1.0)
    lines = []
    for entry in shown:
        size = round(WIDTH * entry.importance / longest)
        bar = glyphs.bar_full * size + " " * (WIDTH - size)
        limits = "" if entry.low is None or entry.high is None else f"{entry.low:.3g} to {entry.high:.3g}"
        figures = f"{entry.importance:9.3g}  {limits}"
        lines.append(Line(((_name(entry.feature), ""), (bar, "accent"), (figures, "muted"))))
    n_more = sum(entry.importance > 0 for entry in report.features) - len(shown)
    if n_more:
        lines.append(Line(((f"and {counted(n_more, 'column')} more", "muted"),)))
    if not shown:
        lines.append(Line((("No column moves an answer.", "warn"),)))
    lines += interaction_lines(report)
    if report.surrogate is not None:
        lines.append(_muted(f"A small tree imitates it with R² {report.surrogate.fidelity:.2f}."))
    lines.append(_muted(f"Mean size of contributions to {report.scale}, {counted(report.n_rows, 'row')}."))
    return [*lines, *_method_lines(report)]


def change_lines(compared: "ComparedExplanations", glyphs: Glyphs) -> list[Line]:
    """Draw what two versions rely on: a bar for the share of each column before and after, the largest change first."""
    shown = compared.features[:MOST]
    longest = max((max(each.before or 0.0, each.after or 0.0) for each in shown), default=0.0) or 1.0
    half = WIDTH // 2
    head = f"{'':<{_NAME_WIDTH}}{compared.before:<{half + 7}}{compared.after:<{half + 7}}change  rank"
    lines = [Line(((head, "muted"),))]
    for each in shown:
        spans = [(_name(each.feature), "")]
        for share, tone in ((each.before, "muted"), (each.after, "accent")):
            bar = glyphs.bar_full * round(half * (share or 0.0) / longest)
            spans += [(f"{bar:<{half}}", tone), (f"{'-' if share is None else f'{share:.1%}':>6} ", "")]
        ranks = f"{each.rank_before or '-'} > {each.rank_after or '-'}"
        clear = "  clear" if each.is_clear else ""
        spans += [(f"{100 * each.change:+6.1f}  {ranks}", "strong" if each.is_clear else ""), (clear, "warn")]
        lines.append(Line(tuple(spans)))
    if (n_more := len(compared.features) - len(shown)) > 0:
        lines.append(_muted(f"and {counted(n_more, 'column')} more"))
    if not shown:
        lines.append(Line((("No column moves an answer of either.", "warn"),)))
    scales = " and ".join(dict.fromkeys(compared.scales))
    algorithms = " and ".join(dict.fromkeys(compared.algorithms))
    return [
        *lines,
        _muted("Shares of the importance; clear: more than the rows explain, at 5 % over all columns."),
        _muted(f"{algorithms}; {scales}."),
    ]


def trend_lines(found: "ServedExplanation", glyphs: Glyphs) -> list[Line]:
    """Draw what versions relied on while they served: a sparkline for each column, and what changed."""
    lines: list[Line] = []
    for trend in found.trends:
        lines += [*_trend(found, trend, glyphs), Line()]
    for step in found.steps:
        name = step_name(step)
        changed = [entry for entry in step.features if entry.move is not None and entry.move.is_change][:MOST]
        if not changed:
            lines.append(_muted(f"{name}: no share of the importance changed clearly."))
        for entry in changed:
            shares = " > ".join("-" if each is None else f"{each:.1%}" for each in (entry.before, entry.after))
            lines.append(Line(((_name(entry.feature), ""), (f"{name}: {shares}", "warn"))))
    lines += [_muted(f"{lacking_phrase(lacking)}.") for lacking in found.not_explained]
    lines += [_muted(note) for note in found.notes]
    return [*lines, _muted(change_rule(found.n_compared))]


def step_name(step: "VersionStep") -> str:
    """Name the versions of a step, or the one version of which answers were explained in two ways."""
    return f"{step.before}, explained in two ways" if step.before == step.after else f"{step.before} to {step.after}"


def lacking_phrase(lacking: "NotExplained") -> str:
    """Say how many answers of a version the explained ones do not stand for."""
    are, them = ("is", "it") if lacking.n_rows == 1 else ("are", "them")
    more = counted(lacking.n_rows, "more answer")
    return f"{more} of {lacking.version} {are} not represented: no explained answer stands for {them}"


def change_rule(n_compared: int) -> str:
    """Say when a difference is called a change."""
    return f"A change: its interval excludes zero. False-change rate at most 5 % over all {n_compared:,} figures."


def _trend(found: "ServedExplanation", trend: "ServedTrend", glyphs: Glyphs) -> list[Line]:
    title = f"{found.model} {trend.version}, answers since {in_words(found.start)}"
    lines = [Line(((title, "title"),))]
    shown = [entry for entry in trend.features if entry.importance > 0][:MOST]
    for entry in shown:
        sizes = [math.nan if size is None else size for size in entry.sizes]
        drawn = sparkline(sizes, WIDTH, low=0.0, glyphs=glyphs)
        spans = [(_name(entry.feature), ""), (drawn, "accent"), (f"{entry.importance:9.3g}", "")]
        if entry.move is not None and entry.move.is_change:
            sign = glyphs.up if entry.move.after > entry.move.before else glyphs.down
            spans.append((f"  {sign} {entry.move.before:.3g} > {entry.move.after:.3g}", "warn"))
        lines.append(Line(tuple(spans)))
    if n_more := sum(entry.importance > 0 for entry in trend.features) - len(shown):
        lines.append(_muted(f"and {counted(n_more, 'column')} more"))
    if not shown:
        lines.append(Line((("No column moved an answer.", "warn"),)))
    lines.append(_muted(f"Mean size of contributions to {trend.scale}, from zero to the greatest."))
    lines.append(_muted(f"{trend.n_explained:,} of {trend.n_rows:,} answers explained, at random; {trend.algorithm}."))
    return lines + [_muted(note) for note in trend.notes]


def interaction_lines(report: "GlobalExplanation") -> list[Line]:
    """Draw which columns act together, if that was asked."""
    if not report.interaction_method:
        return []
    lines = [Line(), Line((("Together, beyond what each does alone", "title"),))]
    for entry in report.interactions[:MOST_PAIRS]:
        figures = f"{entry.strength:9.3g}  "
        if entry.h_statistic is not None:
            figures += f"H {entry.h_statistic:.2f}"
        elif entry.low is not None and entry.high is not None:
            figures += f"{entry.low:.3g} to {entry.high:.3g}"
        pair = f"{_name(entry.features[0])}x {_name(entry.features[1])}"
        lines.append(Line(((pair, ""), (figures, "muted"))))
    if not report.interactions:
        lines.append(_muted("No pair of columns does."))
    return [*lines, _muted(f"Interactions: {report.interaction_method}."), Line()]


def contribution_lines(report: "LocalExplanation", glyphs: Glyphs) -> list[Line]:
    """Draw why a row is answered as it is: a signed bar for each column, the rows near it, and what would turn it."""
    answer = f"Answer {report.prediction:.6g}"
    if report.output is not None:
        answer += f", the probability of {report.output}"
    lines = [Line(((answer, "strong"),))]
    if (kept := report.interval) is not None:
        lines.append(_muted(f"{kept.level:.0%} interval {kept.low:.6g} to {kept.high:.6g}"))
    lines.append(Line())
    shown = [entry for entry in report.contributions if entry.contribution][:MOST]
    longest = max((abs(entry.contribution) for entry in shown), default=1.0)
    half = WIDTH // 2
    for entry in shown:
        size = round(half * abs(entry.contribution) / longest)
        bar = glyphs.bar_full * size
        sides = (f"{bar:>{half}}", f"{'':<{half}}") if entry.contribution < 0 else (f"{'':>{half}}", f"{bar:<{half}}")
        lines.append(
            Line(
                (
                    (_name(entry.feature), ""),
                    (sides[0], "bad"),
                    (glyphs.upright, "muted"),
                    (sides[1], "good"),
                    (f"{entry.contribution:+9.3g}  ", ""),
                    ("" if entry.error is None else f"spread {entry.error:<8.2g} ", "muted"),
                    ("empty" if entry.value is None else str(entry.value), "muted"),
                )
            )
        )
    rest = [entry.contribution for entry in report.contributions if entry.contribution][MOST:]
    if rest:
        lines.append(_muted(f"{counted(len(rest), 'column')} more add {sum(rest):+.3g}"))
    lines.append(_muted(f"Base {report.base:.5g} and contributions: {report.margin:.5g} ({report.scale})"))
    if (found := report.counterfactual) is not None:
        changes = ", ".join(f"{each.feature} from {each.before} to {each.after}" for each in found.changes)
        lines.append(Line(((f"It turns with {changes}: then {found.prediction:.5g}.", ""),)))
    for near in report.nearest:
        actual = "" if near.actual is None else f", the outcome was {near.actual:.5g}"
        lines.append(_muted(f"Row {near.row} is near ({near.distance:.3f}): answer {near.prediction:.5g}{actual}"))
    return [*lines, *_method_lines(report)]


def _method_lines(report: "GlobalExplanation | LocalExplanation") -> list[Line]:
    words = [f"{report.algorithm}; {report.cost}; sums miss by at most {report.sum_error:.0e}.", *report.notes]
    return [_muted(sentence) for sentence in words]


def _name(feature: str) -> str:
    return f"{feature if len(feature) < _NAME_WIDTH else feature[: _NAME_WIDTH - 2] + '~':<{_NAME_WIDTH}}"


def _muted(text: str) -> Line:
    return Line(((text, "muted"),))
