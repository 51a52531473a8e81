"""A pack as the template of its PDF reads it: texts that the fonts can draw, and widths of columns that fit the paper.

The template, `evidence.typ`, sets what it is handed as text. It decides how things look; this module decides what
stands where, and breaks long words, so that no table is wider than a page.
"""

import re
from collections.abc import Callable, Sequence

import msgspec
from msgspec.structs import replace

from core.clock import in_words
from core.evidence.charts import svg_of, told_of
from core.evidence.pack import EvidenceChart, EvidencePack, EvidenceSection, EvidenceTable, Figure
from core.evidence.printable import drawable, pieces_of, widest, width_of
from core.evidence.wording import (
    SOURCE_COLUMNS,
    SOURCES_ABOUT,
    STATUS_WORDS,
    figure_columns,
    origin_of,
    promise_of,
    proof_rows,
    title_of,
    vouched,
)

_PAPER_POINTS = 481.0  # the width of an A4 page between its margins of 20 mm
_INSET_POINTS = 8.5
_NAMES_POINTS, _MOST_NAMES_POINTS = 170.0, 240.0
_SHORT_ROWS, _SHORT_TEXT = 8, 1_500
_LINK_EMS = 0.42  # a character of a source's id, raised
_HASH_EMS = 0.48  # a character of a hash
# Sizes of letters, and the longest word that is not broken: the first with which a table fits.
_SIZES = ((8.5, 24), (7.5, 20), (7.0, 14), (6.5, 10), (5.5, 6), (4.5, 3))
_LONGEST_WORD = 40  # in a sentence
_HASH = re.compile(r"[0-9a-f]{64}")
_HASH_PIECE = 16
_SUBJECTS = {
    "version": "Evidence pack on a model version",
    "session": "Evidence pack on a training session",
    "rollout": "Evidence pack on a rollout",
    "stress": "Evidence pack on a stress test",
    "model": "Evidence pack on a model in a period",
}
_LACKING = (
    "The fonts of this file lack some of the recorded characters. They are spelled as their code points, such as "
    "[U+4E2D]; evidence.html has them as they were recorded."
)
_STYLE = (
    "text { font-family: 'Libertinus Serif', 'DejaVu Sans Mono'; font-size: 12px; fill: #1b1f24 } "
    ".label { fill: #57606a } .bar, .mark { fill: #0a5bc4 } .line { fill: none; stroke: #0a5bc4; stroke-width: 2 } "
    ".axis { stroke: #d0d7de }"
)

Told = str | list[str]
"""A text, or the pieces between which a line may end."""


class PrintedCell(msgspec.Struct, frozen=True, kw_only=True):
    """A value, whether it is set in letters of one width, and the source that it links to."""

    text: Told
    mono: bool = False
    source: str | None = None


class PrintedRow(msgspec.Struct, frozen=True, kw_only=True):
    """A row.

    Attributes:
        cells: Its values.
        label: What links to it lead to.
        starts: Whether a group of rows begins with it, such as the facts of the next version.
        blank: Whether it is to be filled in by hand.
    """

    cells: list[PrintedCell]
    label: str | None = None
    starts: bool = False
    blank: bool = False


class PrintedTable(msgspec.Struct, frozen=True, kw_only=True):
    """A table with the widths of its columns and the size of its letters, in points; a short one stays on a page."""

    title: Told | None = None
    about: str = ""
    columns: list[Told]
    widths: list[float]
    size: float
    figures: list[bool]
    rows: list[PrintedRow]
    short: bool


class PrintedChart(msgspec.Struct, frozen=True, kw_only=True):
    """A picture, and what it says."""

    title: Told
    svg: str
    told: str
    source: str | None


class PrintedSection(msgspec.Struct, frozen=True, kw_only=True):
    """A section."""

    label: str
    title: Told
    status: str
    status_words: str
    paragraphs: list[Told]
    facts: PrintedTable | None
    charts: list[PrintedChart]
    tables: list[PrintedTable]
    missing: list[Told]


class PrintedPack(msgspec.Struct, frozen=True, kw_only=True):
    """What the template reads."""

    kind: str
    pack_id: str
    title: str
    author: str
    built: tuple[int, int, int, int, int, int]
    header: str
    footer: str
    about: list[Told]
    notice: str
    intro: list[Told]
    sections: list[PrintedSection]
    of_sources: list[str]
    sources: PrintedTable
    proof: PrintedTable


def printed_pack(pack: EvidencePack, *, only_ascii: bool = False) -> PrintedPack:
    """Lay a pack out.

    Args:
        pack: The pack.
        only_ascii: Spell every character beyond ASCII by its code point.
    """
    return _Layout(only_ascii).pack(pack)


class _Layout:
    """Lays out the parts of one pack."""

    def __init__(self, only_ascii: bool) -> None:
        self._only_ascii = only_ascii
        self._lacks = False

    def pack(self, pack: EvidencePack) -> PrintedPack:
        sections = list(map(self._section, pack.sections))
        built = pack.built_at
        title, origin = self._drawn(title_of(pack)), self._sentence(origin_of(pack))
        footer = self._drawn(f"{pack.workspace} on {pack.host}")
        sources, proof = self._sources(pack), self._proof(pack)
        checks = "bondx evidence verify checks this file, beside the others of its pack, on any machine."
        return PrintedPack(
            kind=_SUBJECTS[pack.kind],
            pack_id=self._drawn(pack.pack_id),
            title=title,
            author=self._drawn(pack.built_by),
            built=(built.year, built.month, built.day, built.hour, built.minute, built.second),
            header=_shortened(title, 90),
            footer=_shortened(f"built {in_words(built)} from {footer}", 100),
            about=[origin],
            notice=self._drawn(pack.notice),
            intro=[
                self._sentence(promise_of(pack)),
                checks,
                *([_LACKING] if self._lacks else []),
            ],
            sections=sections,
            of_sources=[SOURCES_ABOUT.format(file="file")],
            sources=sources,
            proof=proof,
        )

    def _section(self, section: EvidenceSection) -> PrintedSection:
        facts = [(Figure(fact.name), fact.value) for fact in section.facts]
        return PrintedSection(
            label=f"section-{section.number}",
            title=self._sentence(f"{section.number}. {section.title}"),
            status=section.status,
            status_words=self._drawn(STATUS_WORDS[section.status]),
            paragraphs=list(map(self._sentence, section.paragraphs)),
            facts=self._laid((), facts, [False, False]) if facts else None,
            charts=list(map(self._chart, section.charts)),
            tables=list(map(self._table, section.tables)),
            missing=list(map(self._sentence, section.missing)),
        )

    def _table(self, table: EvidenceTable) -> PrintedTable:
        laid = self._laid(table.columns, table.rows, figure_columns(table))
        title = table.title if table.title.strip() else "–"  # PDF/UA takes no empty heading
        return replace(laid, title=self._sentence(title), about=self._drawn(table.about))

    def _chart(self, chart: EvidenceChart) -> PrintedChart:
        unit = f" ({chart.unit})" if chart.unit else ""
        drawn = replace(chart, title=self._drawn(chart.title), names=tuple(map(self._drawn, chart.names)))
        return PrintedChart(
            title=self._sentence(f"{chart.title}{unit}"),
            svg=svg_of(drawn, style=_STYLE),
            told=f"{drawn.title}: {told_of(drawn)}",
            source=chart.source or None,
        )

    def _sources(self, pack: EvidencePack) -> PrintedTable:
        rows = [
            [Figure(text) for text in (each.id, each.kind, each.place, each.sha256, vouched(each))]
            for each in pack.sources
        ]
        laid = self._laid(SOURCE_COLUMNS, rows, [False] * len(SOURCE_COLUMNS))
        labelled = [replace(row, label=each.id) for row, each in zip(laid.rows, pack.sources, strict=True)]
        return replace(laid, rows=labelled)

    def _proof(self, pack: EvidencePack) -> PrintedTable:
        rows = [[Figure(name), Figure(value)] for name, value in proof_rows(pack)]
        return self._laid((), rows, [False, False])

    def _laid(self, columns: Sequence[str], rows: Sequence[Sequence[Figure]], figures: list[bool]) -> PrintedTable:
        """Lay a table out at the largest size with which it fits the page."""
        names = list(map(self._drawn, columns))
        texts = [[(self._drawn(cell.text), cell.source) for cell in row] for row in rows]
        is_grouped = [row[0] for row in texts].count(texts[0][0]) > 1
        for size, longest in _SIZES:
            widths = _widths(names, texts, size, longest)
            if sum(widths) <= _PAPER_POINTS:
                break
        return PrintedTable(
            columns=[_broken(name, longest) for name in names],
            widths=[round(width, 2) for width in widths],
            size=size,
            figures=figures,
            rows=[
                PrintedRow(
                    cells=[_cell(text, source, longest) for text, source in row],
                    starts=not names and is_grouped and row[0][0] == texts[0][0][0],
                    blank=len(row) > 1 and not any(text for text, _ in row[1:]),
                )
                for row in texts
            ],
            short=len(texts) <= _SHORT_ROWS and sum(len(text) for row in texts for text, _ in row) <= _SHORT_TEXT,
        )

    def _sentence(self, text: str) -> Told:
        return _broken(self._drawn(text), _LONGEST_WORD)

    def _drawn(self, text: str) -> str:
        found = drawable(text, only_ascii=self._only_ascii)
        self._lacks = self._lacks or found != text
        return found


def _cell(text: str, source: str, longest: int) -> PrintedCell:
    is_hash = _HASH.fullmatch(text) is not None
    return PrintedCell(text=_broken(text, _HASH_PIECE if is_hash else longest), mono=is_hash, source=source or None)


def _broken(text: str, longest: int) -> Told:
    pieces = pieces_of(text, longest)
    return pieces if len(pieces) > 1 else text


def _widths(names: Sequence[str], rows: Sequence[Sequence[tuple[str, str]]], size: float, longest: int) -> list[float]:
    """Return the width of each column: what its longest word needs, and a share of the rest by what its texts want.

    Where even the words do not fit, the columns are wider than the page.
    """
    n_columns = len(names) or len(rows[0])
    needs, wants = [], []
    for place in range(n_columns):
        head = 1.08 * widest(_words(names[place], longest)) if names else 0.0  # bold
        whole_head = 1.08 * width_of(names[place]) if names else 0.0
        cells = [row[place] for row in rows]
        needs.append(max([head, *(_ems(cell, lambda text: widest(_words(text, longest))) for cell in cells)]))
        wants.append(max([whole_head, *(_ems(cell, width_of) for cell in cells)]))
    room = _PAPER_POINTS - n_columns * _INSET_POINTS
    least = [need * size for need in needs]
    more = [max(want * size - need, 0.0) for want, need in zip(wants, least, strict=True)]
    if not names:  # names and their values: the values begin at the same place in nearly every table
        first = min(max(wants[0] * size, _NAMES_POINTS), max(_MOST_NAMES_POINTS, least[0]))
        return [first + _INSET_POINTS, max(room - first, least[1]) + _INSET_POINTS]
    spare = max(room - sum(least), 0.0)
    share = min(spare / sum(more), 1.0) if sum(more) > 0 else 0.0
    wide = [need + share * extra for need, extra in zip(least, more, strict=True)]
    rest = max(room - sum(wide), 0.0)
    return [width + rest / n_columns + _INSET_POINTS for width in wide]


def _words(text: str, longest: int) -> list[str]:
    return [word for piece in pieces_of(text, longest) for word in piece.split()]


def _ems(cell: tuple[str, str], measure: Callable[[str], float]) -> float:
    text, source = cell
    if _HASH.fullmatch(text):
        is_whole = measure is width_of
        return _HASH_EMS * (len(text) if is_whole else _HASH_PIECE)
    return measure(text) + (_LINK_EMS * len(source) + 0.12 if source else 0.0)


def _shortened(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
