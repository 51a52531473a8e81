"""The narrative of a row of `risk_reports`: worded from the row alone, each statement checked against it.

No model writes the numbers. A sentence takes them from cells; a statement that follows from cells, such as "above the
limits", is computed anew, and one that the row contradicts or cannot prove is marked. A cell is a figure, a day, a flag
or a name: another one would stand in the text as a sentence of this program, so it is refused. A cell of a column that
may not be quoted is in no sentence and in no refusal.
"""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from core.domains.etrm.data.texts import grammar, write_document
from core.domains.narrative import ALL_QUOTED, DraftedNarrative, NarrativeOffer, QuotedCells, TracedFact
from core.errors import NotFoundError, UsageError
from core.escape import shown, spelled_out
from core.tables import ColumnKind, Table, read_table
from core.text_limits import cut
from core.typed_numbers import decimal_number

MARK = " [not confirmed]"
NEEDED = ("as_of_date", "book", "var99_hist", "limit_var", "utilisation", "breach_flag")
_DECIMALS = {"utilisation": 4}
_CENTS = 2
_HIDDEN = "\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff"  # nobody sees them, so they part no number
_TOKEN = re.compile(rf"(?<!\w)[-+\u2212]?[\w{_HIDDEN}]+(?:[.,'\u2019\u00b7\u066b\u066c][\w{_HIDDEN}]+)*")
_PLAIN = re.compile(r"[-+\u2212]?([0-9]{1,3}(,[0-9]{3})+|[0-9]+)(\.[0-9]+)?")
_DATE = re.compile(r"(?<!\w)[0-9]{4}-[0-9]{2}-[0-9]{2}(?!\w)")
_LABELS = re.compile(r"(?:VaR 9[59]|shortfall 97\.5)(?![\w]|[.,]\w)|(?<![\w.,])9[59] % VaR\b")
_NAME = re.compile(r"[^\W\d_]+[0-9]{0,2}(?:[_-][^\W\d_]+[0-9]{0,2})*")
_LONGEST_NAME = 40
_MOST_NAMED = 10
_FIGURES = (
    "var99_hist",
    "limit_var",
    "utilisation",
    "gross_exposure",
    "limit_exposure",
    "es975",
    "actual_pnl_next_day",
)
_FLAGS, _NAMES = ("breach_flag", "exceed99"), ("book", "top_driver")
_CLOSE = 5.1e-5  # utilisations are rounded to four decimals


class CheckedNumber(msgspec.Struct, frozen=True):
    """A number in a text about a row.

    Attributes:
        written: As the text has it.
        start: Where in the text.
        column: The column whose cell it is; None if no cell of the row rounds to it.
    """

    written: str
    start: int
    column: str | None


def draft_risk_note(
    path: Path, *, book: str | None = None, date: str | None = None, quoting: QuotedCells = ALL_QUOTED
) -> DraftedNarrative:
    """Draft the narrative of one row.

    Args:
        path: A file with the columns of `risk_reports.csv`.
        book: Of the row; None: the only book.
        date: Of the row, such as 2024-03-28; None: the last day of the book.
        quoting: Which cells may be quoted.
    Raises:
        TableError: The file cannot be used, or lacks a column.
        NotFoundError: It has no such row.
        UsageError: Several rows fit.
    """
    row = _opened_row(path, book, date, quoting)
    cells, problems = row.cells, _problems(row.cells, quoting)
    quoted = {name: _quoted(name, cells[name], quoting) for name in _QUOTED if name in cells}
    facts = {name: quoted[name] for name in NEEDED if name != "breach_flag"}
    verdict = "above" if cells["breach_flag"] else "within"
    quoted["breach_flag"] = facts["verdict"] = quoted["breach_flag"] if quoting.hides("breach_flag") else verdict
    choices = grammar()["risk"]
    sentences: list[tuple[tuple[str, ...], str]] = [
        (NEEDED, write_document("", "risk", facts, [0.0] * len(choices)).strip())
    ]
    sentences += [(names, word(quoted)) for names, word in _MORE if all(name in cells for name in names)]
    text, traced = [], list[TracedFact]()
    for names, sentence in sentences:
        own = [_traced(name, quoted[name], row, problems, quoting) for name in names if not quoting.leaves_out(name)]
        text.append(sentence + (MARK if any(fact.problem for fact in own) else ""))
        traced += own
    return _drafted(row, " ".join(text), traced, quoting)


def check_narrative(
    text: str,
    path: Path,
    *,
    book: str | None = None,
    date: str | None = None,
    quoting: QuotedCells = ALL_QUOTED,
) -> list[CheckedNumber]:
    """Look for every number of a text in a row, as the text rounds it.

    Args:
        text: What somebody wrote about the row.
        path: The file.
        book: Of the row; None: the only book.
        date: Of the row; None: the last day of the book.
        quoting: Which cells may be quoted; no number is traced to another one.
    Returns:
        The numbers of the text in their order, dates and the levels in names of measures left out.
    Raises:
        TableError: The file cannot be used.
        NotFoundError: It has no such row.
        UsageError: Several rows fit.
    """
    return _numbers(text, _quotable(_opened_row(path, book, date, quoting), quoting))


def _numbers(text: str, cells: "_Cells") -> list[CheckedNumber]:
    numbers = {name: float(value) for name, value in cells.items() if _is_number(value)}
    blank = text
    for left_out in (_DATE, _LABELS, *_numbered_names(cells)):
        blank = left_out.sub(lambda found: " " * len(found[0]), blank)
    return [
        CheckedNumber(found[0], found.start(), _column_of(found[0], numbers))
        for found in _TOKEN.finditer(blank)
        if any(map(str.isnumeric, found[0]))
    ]


def _numbered_names(cells: "_Cells") -> list[re.Pattern[str]]:
    """Return patterns of the row's names that have digits, which are no numbers."""
    names = [str(cells[name]) for name in _NAMES if cells.get(name) is not None]
    return [re.compile(rf"(?<![\w-]){re.escape(name)}(?![\w-])") for name in names if any(map(str.isnumeric, name))]


WORDS_UNCHECKED = "The words beside the numbers and dates: nothing was held against them."


def checked_risk_note(
    text: str,
    path: Path,
    *,
    book: str | None = None,
    date: str | None = None,
    quoting: QuotedCells = ALL_QUOTED,
) -> DraftedNarrative:
    """Trace what a person or a model has written about a row: its numbers and dates, each to its cell or marked.

    Args:
        text: The text.
        path: The file.
        book: Of the row; None: the only book.
        date: Of the row; None: the last day of the book.
        quoting: Which cells may be quoted; no number is traced to another one.
    Raises:
        TableError: The file cannot be used.
        NotFoundError: It has no such row.
        UsageError: Several rows fit.
    """
    row = _opened_row(path, book, date, quoting)
    cells = _quotable(row, quoting)
    day = _written("as_of_date", cells["as_of_date"]) if "as_of_date" in cells else None
    found = [(found.start(), found[0], "as_of_date" if found[0] == day else None) for found in _DATE.finditer(text)] + [
        (each.start, each.written, each.column) for each in _numbers(text, cells)
    ]
    found.sort()
    unknown = "no cell of the row says it" if len(cells) == len(row.cells) else _NOT_SHOWN
    facts = [
        TracedFact(
            fact=column or "",
            written=written,
            cell=None if column is None else _as_held(column, cells[column]),
            place=row.place,
            problem="" if column is not None else unknown,
        )
        for _, written, column in found
    ]
    marked = marked_narrative(text, [CheckedNumber(written, start, column) for start, written, column in found])
    return msgspec.structs.replace(_drafted(row, marked, facts, quoting), unchecked=(WORDS_UNCHECKED,))


def beginning_of_note(
    path: Path, *, book: str | None = None, date: str | None = None, quoting: QuotedCells = ALL_QUOTED
) -> str:
    """Return the beginning of a risk note, with cells of a row, for a model of language to go on from.

    Args:
        path: A file with the columns of `risk_reports.csv`.
        book: Of the row; None: the only book.
        date: Of the row; None: the last day of the book.
        quoting: Which cells may be quoted.
    Raises:
        TableError: The file cannot be used, or lacks a column.
        NotFoundError: It has no such row.
        UsageError: Several rows fit.
    """
    cells = _opened_row(path, book, date, quoting).cells
    quoted = [_quoted(each, cells[each], quoting) for each in ("as_of_date", "book", "var99_hist", "limit_var")]
    day, name, var, limit = quoted
    return f"Risk note {day}: VaR 99 of {name} is {var} EUR against a limit of {limit} EUR"


def marked_narrative(text: str, numbers: Sequence[CheckedNumber]) -> str:
    """Return a text with a mark behind each number that is not of the row."""
    for number in reversed([each for each in numbers if each.column is None]):
        end = number.start + len(number.written)
        text = f"{text[:end]}{MARK}{text[end:]}"
    return text


class _Row(NamedTuple):
    """A row of a file: its cells, None where one is empty."""

    table: Table
    place: str
    cells: dict[str, Any]


def _opened_row(path: Path, book: str | None, date: str | None, quoting: QuotedCells) -> _Row:
    """Read one row of a file of risk reports.

    Raises:
        TableError: The file cannot be used, lacks a column, or has a cell of a kind that no narrative quotes.
        NotFoundError: It has no such row.
        UsageError: Several rows fit.
    """
    with quoting.withholding():
        table, row = _chosen_row(path, book, date, quoting)
        return _Row(table, table.place(row), _cells(table, row))


def _chosen_row(path: Path, book: str | None, date: str | None, quoting: QuotedCells) -> tuple[Table, int]:
    """Return a file of risk reports, and the position of one row."""
    table = read_table(path)
    for name in NEEDED:
        if name not in table.frame:
            raise table.error(f"it lacks {name}", "Add it: docs/etrm-data.md lists the columns of risk_reports.")
    table.require_clear(NEEDED)
    days = table.frame["as_of_date"].astype(str).str[:10].tolist()
    books = table.frame["book"].astype(str).tolist()
    hides_book, hides_day = quoting.hides("book"), quoting.hides("as_of_date")
    whose = "any book" if book is None else "the book asked for" if hides_book else shown(book)
    if book is not None and book not in books:
        known = (
            "No book is named: a value of it cannot be told" if hides_book else f"Books: {_listed(sorted(set(books)))}"
        )
        raise NotFoundError(f"{path} has no report of {whose}. {known}.")
    own = [row for row, each in enumerate(books) if book in (None, each)]
    first, last = min(days[row] for row in own), max(days[row] for row in own)
    wanted = date or last
    rows = [row for row in own if days[row] == wanted]
    if not rows:
        known = "No day is named: a value of it cannot be told" if hides_day else f"Days: {first} to {last}"
        on = "the day asked for" if hides_day else wanted
        raise NotFoundError(f"{path} has no report of {whose} on {on}. {known}.")
    if len(rows) > 1:
        on = "that day" if hides_day else wanted
        fitting = "" if hides_book else f": {_listed(list(dict.fromkeys(books[row] for row in rows)))}"
        raise UsageError(f"{path} has {len(rows):,} reports on {on}{fitting}. Name the book of one.")
    return table, rows[0]


def _listed(names: Sequence[str]) -> str:
    """List the first of some names."""
    first = ", ".join(cut(spelled_out(name), _LONGEST_NAME) for name in names[:_MOST_NAMED])
    return first + (f" and {len(names) - _MOST_NAMED:,} more" if len(names) > _MOST_NAMED else "")


_Cells = Mapping[str, Any]


def _shortfall(written: Mapping[str, str]) -> str:
    return (
        f"Expected shortfall 97.5 is {written['es975']} EUR; the gross exposure is {written['gross_exposure']} EUR of "
        f"a limit of {written['limit_exposure']} EUR."
    )


def _next_day(written: Mapping[str, str]) -> str:
    return f"The next day brought {written['actual_pnl_next_day']} EUR, {written['exceed99']} the VaR 99."


def _driver(written: Mapping[str, str]) -> str:
    return f"The top driver is {written['top_driver']}."


_MORE: tuple[tuple[tuple[str, ...], Callable[[Mapping[str, str]], str]], ...] = (
    (("es975", "gross_exposure", "limit_exposure"), _shortfall),
    (("actual_pnl_next_day", "exceed99"), _next_day),
    (("top_driver",), _driver),
)


def _cells(table: Table, row: int) -> dict[str, Any]:
    """Return the cells of a row; None where one is empty.

    Raises:
        TableError: A cell that a narrative quotes is no figure, day, flag or name.
    """
    found: dict[str, Any] = {}
    for name in table.frame.columns:
        value = table.frame[name].iloc[row]
        is_empty = value is None or value != value
        is_flag = table.kinds[str(name)] is ColumnKind.FLAG
        found[str(name)] = None if is_empty else bool(value) if is_flag else value
    for names, read, what in _TYPES:
        for name in names:
            if found.get(name) is None:
                continue
            try:
                found[name] = read(found[name])
            except ValueError:
                cell = shown(str(found[name]), most=_LONGEST_SHOWN)
                raise table.error(f"is no {what}", _CURE, column=name, row=row, cell=cell) from None
    return found


def _figure(value: Any) -> float:
    number = decimal_number(value) if isinstance(value, str) else float(value)
    if isinstance(value, bool) or not math.isfinite(number):
        raise ValueError
    return number


def _flag(value: Any) -> bool:
    words = {"true": True, "false": False, "1": True, "0": False, "1.0": True, "0.0": False}
    if (found := words.get(str(value).lower())) is None:
        raise ValueError
    return found


def _day(value: Any) -> str:
    """Return the day of an instant.

    >>> _day("2024-03-28 00:00:00")
    '2024-03-28'
    """
    day = str(value)[:10]
    datetime.fromisoformat(str(value))
    if _DATE.fullmatch(day) is None:
        raise ValueError
    return day


def _name(value: Any) -> str:
    name = str(value)
    is_word = _NAME.fullmatch(name) is not None and len(name) <= _LONGEST_NAME
    if not is_word or any(each.isnumeric() and not each.isascii() for each in name):
        raise ValueError
    return name


_CURE = "Give one figure, day, flag or name a cell: the narrative quotes it as it is."
_LONGEST_SHOWN = 80
_TYPES: tuple[tuple[tuple[str, ...], Callable[[Any], Any], str], ...] = (
    (("as_of_date",), _day, "day such as 2024-03-28"),
    (_FIGURES, _figure, "number"),
    (_FLAGS, _flag, "true or false"),
    (_NAMES, _name, f"name: one word of at most {_LONGEST_NAME} letters, parted by _ or -"),
)


_QUOTED = tuple(name for names, _, _ in _TYPES for name in names)
_NOT_SHOWN = "no cell of the row that may be quoted says it"


def _as_held(name: str, value: Any) -> str:
    return _written(name, value) if name == "as_of_date" else str(value)


def _quotable(row: _Row, quoting: QuotedCells) -> "_Cells":
    return {name: cell for name, cell in row.cells.items() if not quoting.hides(name)}


def _drafted(row: _Row, text: str, facts: Sequence[TracedFact], quoting: QuotedCells) -> DraftedNarrative:
    """Return a draft that names its row by its book and day, and by its place where one of these may not be quoted."""
    source, cells = row.table.source, _quotable(row, quoting)
    named_by = tuple(name for name in ("book", "as_of_date") if name in cells)
    whose = f" of {cells['book']}" if "book" in cells else ""
    place = "" if len(named_by) == len(("book", "as_of_date")) else f" in {row.place}"
    on = f" on {_written('as_of_date', cells['as_of_date'])}" if "as_of_date" in cells else ""
    return DraftedNarrative(
        about=f"risk report{whose}{place}{on}",
        text=text,
        facts=tuple(facts),
        file=str(row.table.path),
        sha256=source.sha256,
        n_unconfirmed=sum(bool(fact.problem) for fact in facts),
        unnamed=f"risk report in {row.place}",
        named_by=named_by,
        columns=tuple(name for name in cells if name in _QUOTED or any(fact.fact == name for fact in facts)),
        of_row=(*row.cells, *row.table.left_out),
    )


def _quoted(name: str, cell: Any, quoting: QuotedCells) -> str:
    if not quoting.hides(name):
        return _written(name, cell)
    return _written(name, None) if (instead := quoting.instead(name, cell)) is None else instead


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _written(name: str, value: Any) -> str:
    if value is None:
        return "?"
    if name == "as_of_date":
        return str(value)[:10]
    if name == "exceed99":
        return "beyond" if value else "within"
    return (
        f"{round(float(value), n) + 0.0:.{n}f}"
        if _is_number(value) and (n := _DECIMALS.get(name, _CENTS))
        else str(value)
    )


def _traced(name: str, written: str, row: _Row, problems: Mapping[str, str], quoting: QuotedCells) -> TracedFact:
    cell = row.cells[name]
    problem = "the cell is empty" if cell is None else problems.get(name, "")
    held = None if cell is None else written if quoting.hides(name) else _as_held(name, cell)
    return TracedFact(fact=name, written=written, cell=held, place=row.place, problem=problem)


def _problems(cells: _Cells, quoting: QuotedCells) -> dict[str, str]:
    """Compute what follows from other cells, and name every fact that the row contradicts or cannot prove."""

    def quotes(*names: str) -> bool:
        return not any(map(quoting.hides, names))

    found: dict[str, str] = {}
    said, var, limit, exposure, exposure_limit, pnl, exceeded = (
        _at(cells, name)
        for name in (
            "utilisation",
            "var99_hist",
            "limit_var",
            "gross_exposure",
            "limit_exposure",
            "actual_pnl_next_day",
            "exceed99",
        )
    )
    is_told = quotes("var99_hist", "limit_var", "gross_exposure", "limit_exposure")
    if all(map(_is_number, (said, var, limit, exposure, exposure_limit))):
        true = max(var / limit, exposure / exposure_limit) if limit and exposure_limit else math.inf
        if not math.isclose(said, true, rel_tol=1e-6, abs_tol=_CLOSE):
            value = f": {true:.4f}" if is_told else ""
            found["utilisation"] = f"it does not follow from the VaR, the exposure and their limits{value}"
    else:
        why = "gross_exposure and limit_exposure are missing, so it" if is_told else "it"
        found["utilisation"] = f"{why} cannot be computed"
    if _is_number(said) and cells.get("breach_flag") is not None and bool(cells["breach_flag"]) != (said > 1):
        is_told = quotes("utilisation")
        found["breach_flag"] = f"the utilisation is {said:.4f}" if is_told else "it does not follow from the row"
    if _is_number(pnl) and _is_number(var) and exceeded is not None and bool(exceeded) != (pnl < -var):
        is_told = quotes("actual_pnl_next_day", "var99_hist")
        figures = f"the next day brought {pnl:.2f} EUR, the VaR 99 is {var:.2f} EUR"
        found["exceed99"] = figures if is_told else "it does not follow from the row"
    return found


def _at(cells: _Cells, name: str) -> Any:
    return cells.get(name)


def _rounded(value: float, decimals: int) -> str:
    return f"{round(value, decimals) + 0.0:.{decimals}f}"


def _column_of(written: str, numbers: Mapping[str, float]) -> str | None:
    """Return the first column whose number is written so, with as many decimals as the text has."""
    if _PLAIN.fullmatch(written) is None:
        return None
    plain = written.replace(",", "").replace("\N{MINUS SIGN}", "-").removeprefix("+")
    decimals = len(plain.partition(".")[2])
    for name, value in numbers.items():
        if plain in (_rounded(value, decimals), _rounded(abs(value), decimals)):
            return name
    return None


class _RiskNotes:
    """The narratives of risk reports, as other parts of the program ask for them."""

    worded = staticmethod(draft_risk_note)
    checked = staticmethod(checked_risk_note)
    beginning = staticmethod(beginning_of_note)


RISK_NOTES: NarrativeOffer = _RiskNotes()
