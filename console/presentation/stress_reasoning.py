"""How the figures of one case of a stress test come about, for `w` of screen 8."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from console.presentation.phrases import instant
from console.presentation.stress import figure
from widgets.line import Line, section

if TYPE_CHECKING:
    from core.domains.stress import StressCase, StressedSlice, StressMetric, StressScenario
    from core.stress.report import StressReport
    from core.stress.stored_tests import StressTest

_WIDTH = 26


def reasoning_lines(
    test: "StressTest",
    report: "StressReport",
    case: "StressCase",
    metrics: Mapping[str, "StressMetric"],
    scenario: "StressScenario | None",
) -> list[Line]:
    """Write out how the figures of a case come about.

    Args:
        test: The record of the test.
        report: Its report.
        case: The case.
        metrics: The figures that the domain knows, by name.
        scenario: The scenario, if it is one of the domain's.
    """
    unit = report.value_unit
    return [
        *_scenario_lines(case, scenario),
        *section("Profit", [_sum_of_factors(case, unit)]),
        *section(
            f"Impact {case.impact:.3f}: for each part min(1, value / cap) x weight, added up", _parts(case, metrics)
        ),
        *_facts(
            "Figures", {_title(name, metrics): _figure(name, value, metrics) for name, value in case.metrics.items()}
        ),
        *section("Contagion: who is hit for the first time in each round", _rounds(case)),
        *section("Over the months", [f"month {point.month:g}: {point.pnl:+,.0f} {unit}" for point in case.path]),
        *_slice_lines(case),
        *section("Assumed or left out", report.notes),
        *_facts(
            "Where this is from",
            {
                "portfolio": f"{report.portfolio}, worth {report.market_value:,.0f} {unit}",
                "test": f"{test.test_id}, {instant(test.created_at)}, by {test.created_by}",
                "reason": test.reason,
                "report": test.report,
                "SHA-256": test.sha256,
            },
        ),
    ]


def _scenario_lines(case: "StressCase", scenario: "StressScenario | None") -> list[Line]:
    lines = [Line(((f"{case.scenario}, {case.severity}", "strong"), (f"  family {case.family}", "muted")))]
    if scenario is not None:
        lines += [Line(((f"{scenario.title}. {scenario.summary}", ""),))]
        lines += [Line((("source  ", "muted"), (source, "muted"))) for source in scenario.sources]
    return lines


def _sum_of_factors(case: "StressCase", unit: str) -> str:
    parts = " ".join(
        f"{'-' if value < 0 else '+'} {name} {abs(value):,.0f}" for name, value in case.factors.items() if value
    )
    return f"{parts} = {case.pnl:+,.0f} {unit}, {case.pnl_share:+.2%} of the market value before the shock."


def _parts(case: "StressCase", metrics: Mapping[str, "StressMetric"]) -> list[str]:
    return [
        f"{part.points:.3f} = min(1, {_figure(part.name, part.value, metrics)} / "
        f"{_figure(part.name, part.cap, metrics)}) x {part.weight:g}  {_title(part.name, metrics)}"
        for part in case.parts
    ]


def _rounds(case: "StressCase") -> list[str]:
    found = []
    for each in case.rounds:
        hit = sorted(each.by_slice.items(), key=lambda item: -item[1])[:4]
        where = ", ".join(f"{name} {n}" for name, n in hit if n)
        which = f"round {each.round}" if each.round else "seeds"
        found.append(f"{which}: {each.n_new:,} new, {each.n_total:,} in all ({where})")
    return found


def _slice_lines(case: "StressCase") -> list[Line]:
    by_slicing: dict[str, list[StressedSlice]] = {}
    for part in case.slices:
        by_slicing.setdefault(part.slicing, []).append(part)
    return [
        line
        for slicing, parts in by_slicing.items()
        for line in _facts(
            f"By {slicing}",
            {
                part.level: f"{part.metrics.get('pnl', 0.0):+,.0f} of {part.value:,.0f}, {part.n:,} instruments"
                for part in sorted(parts, key=lambda part: part.metrics.get("pnl", 0.0))
            },
        )
    ]


def _facts(title: str, facts: Mapping[str, str]) -> list[Line]:
    if not facts:
        return []
    told = [Line(((f"{name:<{_WIDTH}} ", "muted"), (text, ""))) for name, text in facts.items() if text]
    return [Line(), Line(((title, "title"),)), *told]


def _title(name: str, metrics: Mapping[str, "StressMetric"]) -> str:
    return metrics[name].title if name in metrics else name.replace("_", " ")


def _figure(name: str, value: float, metrics: Mapping[str, "StressMetric"]) -> str:
    return figure(value, metrics[name].unit if name in metrics else "")
