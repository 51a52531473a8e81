"""Stress tests as rows, a heat map of scenario and sector, and one case: its waterfall, its ladder, its instruments."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import accumulate
from typing import TYPE_CHECKING

from console.presentation.cells import age_cell
from console.presentation.phrases import NOTHING, number
from widgets.bars import bar
from widgets.columns import Column
from widgets.glyphs import Glyphs
from widgets.line import Line
from widgets.rows import Cell, Row

if TYPE_CHECKING:
    from core.domains.stress import StressCase, StressedInstrument, StressedSlice
    from core.stress.model_figures import ErrorChange
    from core.stress.report import StressReport
    from core.stress.stored_tests import CaseSummary, StressTest

NONE_YET = "No stress test yet."
COLUMNS = (
    Column("test", "TEST", 7, is_key=True),
    Column("portfolio", "PORTFOLIO", 12, flex=2, max_width=40, cut="middle"),
    Column("worst", "WORST CASE", 15, flex=2, max_width=32, cut="middle"),
    Column("pnl_share", "P&L", 6, align="right"),
    Column("impact", "IMPACT", 6, align="right"),
    Column("age", "AGE", 4, align="right", field="created_at"),
    Column("by", "BY", 11, flex=1, max_width=26),
    Column("n_instruments", "INSTRUMENTS", 11, align="right", priority=2),
    Column("value", "VALUE", 14, align="right", priority=3),
    Column("reason", "WHY", 10, flex=2, priority=1),
)
CASE_COLUMNS = (
    Column("test", "TEST", 7, is_key=True),
    Column("scenario", "SCENARIO", 16, flex=1, max_width=30, cut="middle", is_key=True),
    Column("severity", "SEVERITY", 8, is_key=True),
    Column("pnl_share", "P&L", 6, align="right"),
    Column("impact", "IMPACT", 6, align="right"),
    Column("pnl", "AMOUNT", 12, align="right"),
)
INSTRUMENT_COLUMNS = (
    Column("instrument", "INSTRUMENT", 12, flex=1, max_width=24, cut="middle", is_key=True),
    Column("pnl_share", "P&L", 6, align="right"),
    Column("pnl", "AMOUNT", 9, align="right"),
    Column("factor", "MOSTLY BY", 9),
    Column("labels", "ABOUT", 12, flex=2, priority=1),
)
_CELL_WIDTH, _NARROW_CELL = 7, 5  # "-12.3 =" and "-12="
_LONGEST_NAME = 24
_GAP = 2
_FRAME = 6  # the frame of the heat map, its padding, and the cursor
_BUCKETS = ((0.20, 7, "alarm"), (0.10, 5, "bad"), (0.05, 3, "warn"), (0.01, 1, ""))
"""From which loss on, which level of a sparkline is drawn beside the number, and its tone; the severest first."""
_BAR_WIDTH = 24
_WORSE = 1.5  # times the error in calm, from which it is marked
_MOST_BEYOND = 3
_NAME_WIDTH = 22


def stress_rows(tests: Iterable["StressTest"], now: datetime) -> list[Row]:
    """Draw each stress test as a row of `COLUMNS`.

    Args:
        tests: The newest first.
        now: The present.
    """
    return [
        Row(
            test.test_id,
            (
                test.test_id,
                test.portfolio,
                test.worst.key if test.cases else NOTHING,
                _share_cell(test.worst.pnl_share) if test.cases else NOTHING,
                _impact_cell(test.worst.impact) if test.cases else NOTHING,
                age_cell(test.created_at, now),
                Cell(test.created_by, "muted"),
                Cell(f"{test.n_instruments:,}", value=float(test.n_instruments)),
                Cell(f"{test.market_value:,.0f} {test.value_unit}", value=test.market_value),
                Cell(test.reason, "muted"),
            ),
        )
        for test in tests
    ]


def case_rows(tests: Iterable["StressTest"]) -> list[Row]:
    """Draw each case of stress tests as a row of `CASE_COLUMNS`."""
    return [
        Row(
            f"{test.test_id}/{case.key}",
            (
                test.test_id,
                case.scenario,
                case.severity,
                _share_cell(case.pnl_share),
                _impact_cell(case.impact),
                Cell(f"{case.pnl:,.1f}", value=case.pnl),
            ),
        )
        for test in tests
        for case in test.cases
    ]


def severities_of(test: "StressTest") -> tuple[str, ...]:
    """Return the severities that a test has, the mildest first."""
    return tuple(dict.fromkeys(case.severity for case in sorted(test.cases, key=lambda case: _place(case.severity))))


def shown_severity(test: "StressTest", wanted: str) -> str:
    """Return the wanted severity, or the severest that the test has."""
    known = severities_of(test)
    return wanted if wanted in known or not known else known[-1]


def next_severity(test: "StressTest", shown: str) -> str:
    """Return the severity that follows another one; behind the severest comes the mildest."""
    known = severities_of(test)
    return known[(known.index(shown) + 1) % len(known)] if shown in known else shown


def _place(severity: str) -> int:
    from core.domains.stress import SEVERITIES

    return SEVERITIES.index(severity) if severity in SEVERITIES else len(SEVERITIES)


# The heat map


def sectors(report: "StressReport | None", severity: str) -> tuple[str, ...]:
    """Return the levels of the first slicing, a sector or a commodity; what loses most in any scenario comes first."""
    losses: dict[str, float] = {}
    for case in _of_severity(report, severity):
        for level, part in _first_slicing(case).items():
            losses[level] = min(losses.get(level, 0.0), _slice_share(part))
    return tuple(sorted(losses, key=lambda level: losses[level]))


def slicing_of(report: "StressReport | None") -> str:
    """Return the name of the first slicing."""
    found = (part.slicing for case in (report.cases if report else ()) for part in case.slices)
    return next(found, "sector")


def n_in_sight(test: "StressTest", width: int, *, narrow: bool) -> int:
    """Return how many sectors there is room for.

    Args:
        test: The test, whose scenarios are named.
        width: The cells of the screen.
        narrow: Whether its cells are spelled briefly.
    """
    name = min(max((len(case.scenario) for case in test.cases), default=0), _LONGEST_NAME)
    cell = (_NARROW_CELL if narrow else _CELL_WIDTH) + _GAP
    totals = cell if narrow else cell + 6 + _GAP
    return max(0, (width - _FRAME - name - totals) // cell)


def heat_columns(levels: Sequence[str], *, narrow: bool) -> tuple[Column, ...]:
    """Return the columns of the heat map: the scenario, its total, and each sector."""
    width = _NARROW_CELL if narrow else _CELL_WIDTH
    return (
        Column("scenario", "SCENARIO", 14, flex=1, max_width=_LONGEST_NAME, cut="middle", is_key=True),
        Column("pnl_share", "P&L", width, align="right"),
        *(() if narrow else (Column("impact", "IMPACT", 6, align="right"),)),
        *(
            Column(f"in_{level}", brief_name(level, width).upper(), width, align="right", priority=place)
            for place, level in enumerate(levels, 1)
        ),
    )


def heat_rows(
    cases: Sequence["CaseSummary"],
    report: "StressReport | None",
    levels: Sequence[str],
    severity: str,
    glyphs: Glyphs,
    *,
    narrow: bool,
) -> list[Row]:
    """Draw each scenario at one severity as a row of `heat_columns`.

    Args:
        cases: The cases of the test.
        report: The whole report; None before it was read: the totals are known without it.
        levels: The sectors, in the order of the columns.
        severity: The severity.
        glyphs: The signs of this terminal.
        narrow: Spell the cells briefly.
    """
    parts = {case.scenario: _first_slicing(case) for case in _of_severity(report, severity)}
    return [
        Row(
            case.scenario,
            (
                case.scenario,
                heat_cell(case.pnl_share, glyphs, narrow=narrow),
                *(() if narrow else (_impact_cell(case.impact),)),
                *(
                    heat_cell(_slice_share(part), glyphs, narrow=narrow)
                    if (part := parts.get(case.scenario, {}).get(level))
                    else NOTHING
                    for level in levels
                ),
            ),
        )
        for case in cases
        if case.severity == severity
    ]


def heat_cell(share: float, glyphs: Glyphs, *, narrow: bool = False) -> Cell:
    """Spell a profit in percent, with the level of its bucket beside it: the colour only repeats it.

    >>> from widgets.glyphs import ASCII
    >>> [heat_cell(share, ASCII).text for share in (0.02, -0.004, -0.04, -0.07, -0.13, -0.4)]
    ['+2.0  ', '-0.4  ', '-4.0 .', '-7.0 :', '-13.0 +', '-40.0 #']
    >>> heat_cell(-0.13, ASCII, narrow=True).text
    '-13+'
    """
    number_text = f"{share * 100:+.0f}" if narrow else f"{share * 100:+.1f} "
    for least, level, tone in _BUCKETS:
        if -share >= least:
            return Cell(f"{number_text}{glyphs.levels[level]}", tone, share)
    return Cell(f"{number_text} ", "good" if share >= _BUCKETS[-1][0] else "muted", share)


def heat_legend(slicing: str, n_shown: int, n_all: int, glyphs: Glyphs) -> Line:
    """Explain the signs, and say how many sectors there is no room for."""
    signs = ", ".join(f"{glyphs.levels[level]} {least:.0%}" for least, level, _ in reversed(_BUCKETS))
    hidden = f"; {n_all - n_shown} more lose less" if n_shown < n_all else ""
    return Line(((f" % of each {slicing}, losing at least {signs}{hidden}", "muted"),))


def worst_scenario(test: "StressTest", severity: str) -> str:
    """Return the scenario that loses most at a severity; "" if the test has none of it."""
    found = [case for case in test.cases if case.severity == severity]
    return min(found, key=lambda case: case.pnl).scenario if found else ""


def brief_name(level: str, width: int) -> str:
    """Shorten the name of a sector to a title of a narrow column.

    >>> brief_name("banks", 5), brief_name("consumer_staples", 7), brief_name("supranational_agency", 5)
    ('banks', 'con.sta', 'sup.a')
    """
    words = level.replace("/", "_").split("_")
    if len(level) <= width or len(words) == 1:
        return level[:width]
    return f"{words[0][:3]}.{words[-1][: width - 4]}"


def _of_severity(report: "StressReport | None", severity: str) -> list["StressCase"]:
    return [case for case in report.cases if case.severity == severity] if report is not None else []


def _first_slicing(case: "StressCase") -> dict[str, "StressedSlice"]:
    first = case.slices[0].slicing if case.slices else ""
    return {part.level: part for part in case.slices if part.slicing == first}


def _slice_share(part: "StressedSlice") -> float:
    if (share := part.metrics.get("pnl_share")) is not None:
        return share
    return part.metrics.get("pnl", 0.0) / part.value if part.value else 0.0


# One case


def case_of(report: "StressReport | None", scenario: str | None, severity: str) -> "StressCase | None":
    """Return one case of a report."""
    return next((case for case in _of_severity(report, severity) if case.scenario == scenario), None)


def case_lines(report: "StressReport", case: "StressCase", glyphs: Glyphs) -> list[Line]:
    """Write out a case: the waterfall of the profit by factor, the ladder of severities, the sectors.

    Args:
        report: The report that has it.
        case: The case.
        glyphs: The signs of this terminal.
    """
    total = f"{case.pnl:+,.0f} {report.value_unit}, {case.pnl_share:+.1%} of {report.market_value:,.0f}"
    lines = [
        Line(((f"{case.severity}  ", "strong"), (total, _tone(case.pnl_share)), (_when(case), "muted"))),
        Line((("Ladder: profit, its share and the impact by severity", "title"),)),
        *_ladder(report, case, glyphs),
        Line((("Waterfall: profit by factor", "title"),)),
        *_waterfall(case, glyphs),
    ]
    if parts := _first_slicing(case):
        ordered = sorted(parts.values(), key=_slice_share)
        worst = max((abs(_slice_share(part)) for part in ordered), default=0.0) or 1.0
        lines += [Line(), Line(((f"By {slicing_of(report)}", "title"),))]
        for part in ordered:
            share = _slice_share(part)
            lines.append(
                Line(
                    (
                        (f"{part.level:<{_NAME_WIDTH}} ", ""),
                        *bar(abs(share) / worst, _BAR_WIDTH // 2, tone=_tone(share), glyphs=glyphs),
                        (f" {share:+7.1%}", _tone(share)),
                        (f" of {part.value:,.0f}", "muted"),
                    )
                )
            )
    return [*lines, *model_lines(report, case), *training_lines(report, case)]


def model_lines(report: "StressReport", case: "StressCase") -> list[Line]:
    """Write out each model under the scenario of a case: its error against the truth, gates, features out of range.

    Args:
        report: The report that has them.
        case: The case.
    """
    found = []
    for model in report.models:
        for each in model.cases:
            if each.key != case.key:
                continue
            ratio = model.ratio(each)
            words = [] if ratio is None else [f"error x{ratio:.2f}"]
            words += [
                f"{name} {each.figures[name]:.2f}"
                for name in ("calibration", "ranking", "attainment")
                if name in each.figures
            ]
            tone = "bad" if ratio is not None and ratio >= _WORSE else ""
            found.append(Line(((f"{model.model:<{_NAME_WIDTH}} ", "strong"), (", ".join(words), tone))))
            if each.gates:
                found.append(Line(((f"  fails gates: {', '.join(each.gates)}", "warn"),)))
            if each.beyond:
                left = ", ".join(f"{part.name} {part.share:.0%}" for part in each.beyond[:_MOST_BEYOND])
                found.append(Line(((f"  rows out of the trained range: {left}", "muted"),)))
    return [Line(), Line((("Models against the truth of the scenario", "title"),)), *found] if found else []


def training_lines(report: "StressReport", case: "StressCase") -> list[Line]:
    """Write out what stressed rows in training did to each model's error, under the scenario of a case and in calm.

    Args:
        report: The report that has them.
        case: The case.
    """
    found = []
    for trained in report.trained:
        for each in trained.cases:
            if each.key != case.key:
                continue
            found.append(Line(((f"{trained.model:<{_NAME_WIDTH}} ", "strong"), *_change_words("error", each))))
            found.append(Line(((f"{'':<{_NAME_WIDTH}} ", ""), *_change_words("in calm", trained.calm))))
    return [Line(), Line((("Stressed rows in training", "title"),)), *found] if found else []


def _change_words(name: str, change: "ErrorChange") -> tuple[tuple[str, str], ...]:
    tone = {"better": "good", "worse": "bad"}.get(change.verdict, "")
    interval = f" ({change.interval_words})" if change.interval_words else ""
    return (f"{name} {change.change:+.1%}{interval}", tone), (f", {change.verdict}", "muted")


def _when(case: "StressCase") -> str:
    return f", in month {case.month:g}" if len(case.path) > 1 else ""


def _waterfall(case: "StressCase", glyphs: Glyphs) -> list[Line]:
    """Draw each factor from where the factors above it end; the last row goes from nothing to the sum."""
    ends = [0.0, *accumulate(case.factors.values())]
    low, high = min(ends), max(ends)
    rows = [
        *(
            (name, start, start + value, value)
            for (name, value), start in zip(case.factors.items(), ends, strict=False)
        ),
        ("total", 0.0, case.pnl, case.pnl),
    ]
    share = case.pnl_share / case.pnl if case.pnl else 0.0
    return [
        Line(
            (
                (f"{name:<10} ", "strong" if name == "total" else ""),
                *_stretch(start, end, low, high, glyphs),
                (f" {value:>+12,.0f}", _tone(value)),
                (f" {value * share:>+7.1%}", "muted"),
            )
        )
        for name, start, end, value in rows
    ]


def _stretch(start: float, end: float, low: float, high: float, glyphs: Glyphs) -> tuple[tuple[str, str], ...]:
    """Draw a stretch of an axis from `low` to `high`; a change above nothing takes a cell at least."""
    span = (high - low) or 1.0
    first, last = (round((each - low) / span * _BAR_WIDTH) for each in (min(start, end), max(start, end)))
    if start != end and first == last:
        first, last = min(first, _BAR_WIDTH - 1), min(first, _BAR_WIDTH - 1) + 1
    blank, full = " " * first, glyphs.bar_full * (last - first)
    return (blank, ""), (full, "bad" if end < start else "good"), (" " * (_BAR_WIDTH - last), "")


def _ladder(report: "StressReport", case: "StressCase", glyphs: Glyphs) -> list[Line]:
    steps = sorted((each for each in report.cases if each.scenario == case.scenario), key=lambda s: _place(s.severity))
    most = max((abs(step.pnl_share) for step in steps), default=0.0) or 1.0
    return [
        Line(
            (
                (f"{step.severity:<10} ", "strong" if step.severity == case.severity else ""),
                *bar(abs(step.pnl_share) / most, _BAR_WIDTH, tone=_tone(step.pnl_share) or "accent", glyphs=glyphs),
                (f" {step.pnl:>+12,.0f} {step.pnl_share:>+7.1%}", _tone(step.pnl_share)),
                (f"  {step.impact:.2f}", "muted"),
            )
        )
        for step in steps
    ]


def instrument_rows(instruments: Sequence["StressedInstrument"]) -> list[Row]:
    """Draw the instruments that lose most as rows of `INSTRUMENT_COLUMNS`."""
    return [
        Row(
            f"{place} {each.name}",
            (
                each.name,
                _share_cell(each.pnl / each.value if each.value else 0.0),
                Cell(f"{each.pnl:,.1f}", value=each.pnl),
                min(each.factors, key=lambda name: each.factors[name]) if each.factors else NOTHING,
                Cell(_about(each.labels), "muted"),
            ),
        )
        for place, each in enumerate(instruments)
    ]


def _about(labels: dict[str, str]) -> str:
    """Say what an instrument is; a rating before and after is one word.

    >>> _about({"sector": "autos", "rating": "BB+", "rating_after": "BB"})
    'autos, BB+ → BB'
    """
    words = []
    for name, text in labels.items():
        if name.endswith("_after"):
            continue
        after = labels.get(f"{name}_after", text)
        words.append(text if after == text else f"{text} → {after}")
    return ", ".join(words)


def _share_cell(share: float) -> Cell:
    return Cell(f"{share:+.1%}", _tone(share), share)


def _impact_cell(impact: float) -> Cell:
    return Cell(f"{impact:.2f}", value=impact)


def _tone(profit: float) -> str:
    return "bad" if profit < 0 else "good" if profit > 0 else ""


def figure(value: float, unit: str) -> str:
    """Spell a figure of a case; a share is spelled in percent.

    >>> figure(0.25, "share"), figure(40.0, "points")
    ('25.0%', '40 points')
    """
    return f"{value:.1%}" if unit == "share" else number(value, unit)
