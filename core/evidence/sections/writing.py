"""Writing one section: its status follows from what it has and what it lacks."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from core.evidence.pack import (
    EvidenceChart,
    EvidenceFact,
    EvidenceSection,
    EvidenceTable,
    Figure,
    SectionStatus,
)
from core.evidence.sources import Recorded, spelled

_MOST_BARS = 20


class SectionDraft:
    """A section that is being written."""

    def __init__(self, number: int, title: str) -> None:
        self._number = number
        self._title = title
        self.paragraphs: list[str] = []
        self.facts: list[EvidenceFact] = []
        self.tables: list[EvidenceTable] = []
        self.charts: list[EvidenceChart] = []
        self.missing: list[str] = []

    def say(self, sentence: str) -> None:
        """Add a paragraph."""
        self.paragraphs.append(sentence)

    def lack(self, sentence: str) -> None:
        """Say what is not recorded, and what would record it."""
        self.missing.append(sentence)

    def table(
        self, title: str, columns: Sequence[str], rows: Iterable[Sequence[Figure | str]], *, about: str = ""
    ) -> None:
        """Add a table, unless it has no row."""
        figures = tuple(tuple(c if isinstance(c, Figure) else Figure(c) for c in row) for row in rows)
        if figures:
            self.tables.append(EvidenceTable(title=title, columns=tuple(columns), rows=figures, about=about))

    def bars(self, title: str, values: Mapping[str, Any], source: str, *, unit: str = "") -> None:
        """Add bars, the longest first, unless there is no value."""
        numbers = {name: float(value) for name, value in values.items() if isinstance(value, int | float)}
        longest = sorted(numbers, key=lambda name: -abs(numbers[name]))[:_MOST_BARS]
        if longest:
            self.charts.append(
                EvidenceChart(
                    title=title,
                    kind="bars",
                    names=tuple(longest),
                    values=tuple(numbers[name] for name in longest),
                    source=source,
                    unit=unit,
                )
            )

    def line(self, title: str, points: Iterable[tuple[Any, Any]], source: str) -> None:
        """Add a line over numbered points, unless there are fewer than two."""
        known = [(spelled(name), float(value)) for name, value in points if isinstance(value, int | float)]
        if len(known) >= 2:
            names, values = zip(*known, strict=True)
            self.charts.append(EvidenceChart(title=title, kind="line", names=names, values=values, source=source))

    def written(self) -> EvidenceSection:
        """Return the section."""
        has_content = bool(self.facts or self.tables or self.charts)
        if not has_content and not self.missing:
            self.lack("Nothing of this is recorded about the subject of the pack.")
        status = SectionStatus.PARTIAL if self.missing else SectionStatus.COMPLETE
        if not has_content:
            status = SectionStatus.MISSING
        return EvidenceSection(
            number=self._number,
            title=self._title,
            status=status,
            paragraphs=tuple(self.paragraphs),
            facts=tuple(self.facts),
            tables=tuple(self.tables),
            charts=tuple(self.charts),
            missing=tuple(self.missing),
        )


def panel_of(metric: str) -> tuple[str, str]:
    """Return the panel on which a metric was measured, and the name of the metric.

    >>> panel_of("test_new_macro.auc"), panel_of("auc")
    (('test_new_macro', 'auc'), ('test', 'auc'))
    """
    panel, dot, name = metric.rpartition(".")
    return (panel, name) if dot else ("test", metric)


def by_panel(recorded: Recorded, names: Iterable[str]) -> list[list[Figure]]:
    """Return a row for each of some metrics that is recorded: its name, and its value on each panel."""
    metrics = recorded["metrics"] or {}
    panels = dict.fromkeys(panel_of(metric)[0] for metric in metrics)
    rows = []
    for name in names:
        values = [metrics.get(f"{panel}.{name}" if panel != "test" else name) for panel in panels]
        if any(value is not None for value in values):
            rows.append([Figure(name), *map(recorded.figure, values)])
    return rows


def panels_of(recorded: Recorded) -> list[str]:
    """Return the panels on which the metrics of a version were measured."""
    return list(dict.fromkeys(panel_of(metric)[0] for metric in recorded["metrics"] or {}))
