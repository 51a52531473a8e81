"""What is remembered of one version between two looks: sums by hour, by day and slice, and over its whole life.

An outcome counts in the hour of its prediction, however late it came. The state holds its cursor, so both are stored in
one transaction: after a kill -9 no outcome is counted twice, and none is lost.
"""

import hashlib
import zlib
from collections.abc import Iterable, Mapping, Sequence

import msgspec
import numpy as np

from core.arrays import FloatArray, IntArray
from core.json_documents import decode_msgpack
from core.monitoring.data_profile import DataProfile
from core.monitoring.performance.layout import SCORES, Layout
from core.monitoring.performance.recorded_slices import RecordedColumn, level_numbers, recorded_columns
from core.monitoring.performance.row_sums import AnswerColumns, answers_in, scores_by_cell, sums_by_group
from core.telemetry.predictions import Cursor, LabelledAnswers

HOUR_US = 3_600_000_000
HOURS_A_DAY = 24
HOURS_KEPT = 8 * HOURS_A_DAY  # a week, and the day that ends in it
N_CELLS = 256
"""Callers are kept in cells by their number: each of few callers has a cell of its own."""
_CELLS_SHIFT = np.uint64(56)
N_HOUR_CELLS = 32
"""Of each hour, so that a window knows how many callers its own rows come from."""
_HOUR_CELLS_SHIFT = np.uint64(59)
_FORMAT = 2
_LEVEL = 1


class _StoredColumn(msgspec.Struct, frozen=True, omit_defaults=True):
    """A slice column by the hash of its levels, which may be names of people; earlier releases stored the levels."""

    column: str
    levels: tuple[str, ...] = ()
    n_levels: int = 0
    levels_sha256: str = ""

    @classmethod
    def of(cls, column: RecordedColumn) -> "_StoredColumn":
        """Return how a column is stored."""
        content = msgspec.msgpack.encode((column.column, column.levels))
        return cls(column.column, (), len(column.levels), hashlib.sha256(content).hexdigest())

    def read(self, known: Iterable[RecordedColumn]) -> RecordedColumn:
        """Return the column: one of those known, or one whose levels are numbered."""
        if not self.levels_sha256:
            return RecordedColumn(self.column, self.levels)
        if (found := next((each for each in known if self.of(each) == self), None)) is not None:
            return found
        return RecordedColumn(self.column, tuple(f"level {number}" for number in range(1, self.n_levels + 1)))


class _Header(msgspec.Struct, frozen=True, kw_only=True):
    format: int
    layout: Layout | None
    columns: tuple[_StoredColumn, ...]
    cursor: Cursor
    hours: tuple[int, ...]
    answered: dict[int, int]
    n_answered: int
    days: tuple[int, ...]
    begun_us: int
    is_behind: bool
    n_grouped: int
    n_other_form: int


class PerformanceState:
    """The sums of one version.

    Attributes:
        layout: Of its sums; None before its first outcome.
        columns: The slice columns of the version.
        cursor: How far the store has been read.
        hours: By hour since 1970, the sums of the answers given in it.
        life: The sums of all answers.
        slices: The sums of all answers by slice, shape (n_slices, n_sums).
        days: By day since 1970, the sums by slice.
        cells: By cell of callers, rows and scores.
        hour_cells: By hour since 1970, the same in fewer cells.
        answered: By hour since 1970, the answers given in it, with an outcome or without.
        n_answered: All answers.
        begun_us: When the first answer with an outcome was given.
        is_behind: Whether outcomes are left that have not been read.
        n_grouped: Outcomes whose caller is known, or that have the request in common with others.
        n_other_form: Outcomes of answers of another form than the first, which are left out.
        slices_since_us: Since when answers carry the slices of `columns`; earlier ones are added to no slice.
    """

    def __init__(self, columns: Sequence[RecordedColumn] = ()) -> None:
        """Begin with nothing."""
        self.layout: Layout | None = None
        self.columns = tuple(columns)
        self._stored: tuple[_StoredColumn, ...] = ()  # as they were read, where the levels of some are not known
        self.cursor = Cursor()
        self.hours: dict[int, FloatArray] = {}
        self.life: FloatArray = np.zeros(0)
        self.slices: FloatArray = np.zeros((0, 0))
        self.days: dict[int, FloatArray] = {}
        self.cells: FloatArray = np.zeros((0, 0))
        self.hour_cells: dict[int, FloatArray] = {}
        self.answered: dict[int, int] = {}
        self.n_answered = 0
        self.begun_us = 0
        self.is_behind = False
        self.n_grouped = 0
        self.n_other_form = 0
        self.slices_since_us = 0

    @classmethod
    def begun(cls, profile: DataProfile | None) -> "PerformanceState":
        """Begin to follow a version."""
        return cls(() if profile is None else recorded_columns(profile))

    @property
    def slice_names(self) -> tuple[str, ...]:
        """The slices in the order of their sums."""
        return tuple(name for column in self.columns for name in column.names)

    @property
    def n_outcomes(self) -> int:
        """Answers with an outcome, or with a reported loss."""
        return 0 if self.layout is None else self.layout.n_outcomes(self.life)

    def fits(self, profile: DataProfile | None) -> bool:
        """Whether the sums are of the slices and in the bins of a profile; without one, they stay what they are."""
        if profile is None:
            return True
        is_of_bins = self.layout is None or self.layout.has_bins_of(profile)
        return is_of_bins and self.columns == recorded_columns(profile)

    def awaited_since(self, hour: int) -> float | None:
        """Return the share of the answers given since an hour whose outcome is awaited; None without an answer.

        Args:
            hour: Since 1970; of the last eight days.
        """
        answered = sum(n for each, n in self.answered.items() if each >= hour)
        if self.layout is None or not answered:
            return None
        known = sum(self.layout.n_outcomes(sums) for each, sums in self.hours.items() if each >= hour)
        return max(1.0 - known / answered, 0.0)

    def add(self, batches: Iterable[LabelledAnswers], profile: DataProfile | None) -> None:
        """Add labelled answers.

        Args:
            batches: The answers.
            profile: Of the version, which decides the bins at the first outcome.
        """
        for form, rows in batches:
            if self.layout is None:
                centre = float(next((row.actual for row in rows if row.actual is not None), 0.0))
                self._lay_out(Layout.of(form, profile, centre))
            assert self.layout is not None
            same = Layout.of(form, profile, self.layout.centre)
            if (same.task, same.classes) != (self.layout.task, self.layout.classes):
                self.n_other_form += len(rows)
                continue
            self._add(self.layout, answers_in(rows, form, self.layout))

    def _lay_out(self, layout: Layout) -> None:
        self.layout = layout
        self.life = np.zeros(layout.n_sums)
        self.slices = np.zeros((len(self.slice_names), layout.n_sums))
        self.cells = np.zeros((N_CELLS, 1 + len(SCORES[layout.task])))

    def _add(self, layout: Layout, rows: AnswerColumns) -> None:
        hour = rows.at_us // HOUR_US
        first = int(rows.at_us.min())
        self.begun_us = min(self.begun_us, first) if self.begun_us else first
        hours, position = np.unique(hour, return_inverse=True)
        found = sums_by_group(layout, rows, position.astype(np.int64), len(hours))
        for number, sums in zip(hours.tolist(), found, strict=True):
            layout.combine(self.hours.setdefault(number, np.zeros(layout.n_sums)), sums)
            layout.combine(self.life, sums)
        self._add_slices(layout, rows, hour // HOURS_A_DAY)
        self._add_cells(layout, rows, hours, position.astype(np.int64))
        self.n_grouped += int(np.count_nonzero(rows.has_unit))

    def _add_cells(self, layout: Layout, rows: AnswerColumns, hours: IntArray, position: IntArray) -> None:
        unit = rows.unit.astype(np.uint64)
        self.cells += scores_by_cell(layout, rows, (unit >> _CELLS_SHIFT).astype(np.int64), N_CELLS)
        cell = position * N_HOUR_CELLS + (unit >> _HOUR_CELLS_SHIFT).astype(np.int64)
        found = scores_by_cell(layout, rows, cell, len(hours) * N_HOUR_CELLS)
        for number, cells in zip(hours.tolist(), np.split(found, len(hours)), strict=True):
            self.hour_cells[number] = self.hour_cells.get(number, 0.0) + cells

    def _add_slices(self, layout: Layout, rows: AnswerColumns, day: IntArray) -> None:
        start = 0
        for column, (number, known) in zip(self.columns, level_numbers(self.columns, rows.code), strict=True):
            end = start + column.n_numbers
            known = known & (rows.at_us >= self.slices_since_us)  # noqa: PLW2901
            for one in np.unique(day[known]).tolist():
                group = np.where(known & (day == one), number, -1)
                sums = sums_by_group(layout, rows, group, column.n_numbers)
                empty = np.zeros((len(self.slice_names), layout.n_sums))
                layout.combine(self.days.setdefault(one, empty)[start:end], sums)
                layout.combine(self.slices[start:end], sums)
            start = end

    def count(self, hours: Mapping[int, int]) -> None:
        """Count answers by hour, with an outcome or without."""
        for hour, n in hours.items():
            self.answered[hour] = self.answered.get(hour, 0) + n
            self.n_answered += n

    def forget(self, now_us: int) -> None:
        """Forget hours and days that no window shows any more; the whole life keeps their sums."""
        oldest = now_us // HOUR_US - HOURS_KEPT
        self.hours = {hour: sums for hour, sums in self.hours.items() if hour >= oldest}
        self.hour_cells = {hour: cells for hour, cells in self.hour_cells.items() if hour >= oldest}
        self.answered = {hour: n for hour, n in self.answered.items() if hour >= oldest}
        self.days = {day: sums for day, sums in self.days.items() if day >= oldest // HOURS_A_DAY}

    def to_bytes(self) -> bytes:
        """Return the state in one piece."""
        header = _Header(
            format=_FORMAT,
            layout=self.layout,
            columns=self._stored or tuple(map(_StoredColumn.of, self.columns)),
            cursor=self.cursor,
            hours=tuple(self.hours),
            answered=self.answered,
            n_answered=self.n_answered,
            days=tuple(self.days),
            begun_us=self.begun_us,
            is_behind=self.is_behind,
            n_grouped=self.n_grouped,
            n_other_form=self.n_other_form,
        )
        head = msgspec.msgpack.encode(header)
        by_hour = [each for hour in self.hours for each in (self.hours[hour], self.hour_cells[hour])]
        arrays = (self.life, self.slices, self.cells, *by_hour, *self.days.values())
        body = b"".join(np.ascontiguousarray(each).tobytes() for each in arrays)
        return len(head).to_bytes(4, "big") + head + zlib.compress(body, _LEVEL)

    @classmethod
    def from_bytes(cls, content: bytes, known: Sequence[RecordedColumn] = ()) -> "PerformanceState":
        """Read a state.

        Args:
            content: The bytes.
            known: The slice columns of the version; the levels of others are numbered.
        Raises:
            ValueError: It is damaged, or of another format: the version is read from its first outcome again.
        """
        n_head = int.from_bytes(content[:4], "big")
        try:
            header = decode_msgpack(content[4 : 4 + n_head], _Header)
            body = np.frombuffer(zlib.decompress(content[4 + n_head :]))
        except (msgspec.DecodeError, zlib.error) as error:
            raise ValueError(f"it cannot be read: {error}") from error
        if header.format != _FORMAT:
            raise ValueError(f"it has format {header.format}; this release reads format {_FORMAT}")
        found = cls(tuple(column.read(known) for column in header.columns))
        if tuple(map(_StoredColumn.of, found.columns)) != header.columns and all(
            column.levels_sha256 for column in header.columns
        ):
            found._stored = header.columns
        for name in ("cursor", "answered", "n_answered", "begun_us", "is_behind", "n_grouped", "n_other_form"):
            setattr(found, name, getattr(header, name))
        if header.layout is None:
            return found
        found._lay_out(header.layout)
        n_sums, n_slices = header.layout.n_sums, len(found.slice_names)
        shapes = [(n_sums,), (n_slices, n_sums), found.cells.shape]
        shapes += [(n_sums,), (N_HOUR_CELLS, found.cells.shape[1])] * len(header.hours)
        shapes += [(n_slices, n_sums)] * len(header.days)
        sizes = [int(np.prod(shape)) for shape in shapes]
        if sum(sizes) != len(body):
            raise ValueError("it does not hold the sums that it says")
        parts = np.split(body.copy(), np.cumsum(sizes)[:-1])
        arrays = [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]
        found.life, found.slices, found.cells = arrays[:3]
        by_hour, days = arrays[3 : 3 + 2 * len(header.hours)], arrays[3 + 2 * len(header.hours) :]
        found.hours = dict(zip(header.hours, by_hour[::2], strict=True))
        found.hour_cells = dict(zip(header.hours, by_hour[1::2], strict=True))
        found.days = dict(zip(header.days, days, strict=True))
        return found
