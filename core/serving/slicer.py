"""The levels of the slice columns of a request, found in its checked rows: some hundred nanoseconds a column."""

from collections.abc import Callable, Sequence
from typing import Any

from core.models.scoring.fields import Rows
from core.monitoring.performance.recorded_slices import HAS_LEVELS, RecordedColumn, code_of_row, coders
from core.rollout.slices import Slice, code_of, packed
from core.serving.signature import OpenSignature, ServingSignature


class Slicer:
    """Finds the slices of the rows of one version, whose signature says where its columns are."""

    def __init__(
        self, slices: Sequence[Slice], signature: ServingSignature, columns: Sequence[RecordedColumn] = ()
    ) -> None:
        """Prepare.

        Args:
            slices: Of the rollout.
            signature: Of the version.
            columns: The slice columns of the version itself.
        """
        self._slices, self._columns = tuple(slices), tuple(columns)
        self._is_open = isinstance(signature, OpenSignature)
        numbers = {field.name: position for position, field in enumerate(signature.numbers)}
        texts = {field.name: position for position, field in enumerate(signature.texts)}
        self._places: list[tuple[bool, int | None, Callable[[Any], int]]] = [
            (each.column in numbers, numbers.get(each.column, texts.get(each.column)), each.number_of)
            for each in slices
        ]
        self._texts = [
            (texts[column.column], code)
            for column, code in zip(columns, coders(columns), strict=True)
            if column.column in texts
        ]
        self._own = HAS_LEVELS if columns else 0

    def of(self, rows: Rows) -> list[int]:
        """Return, for each row, the packed numbers of its levels; a column that is not there counts as missing."""
        if self._is_open:
            return [code_of(self._slices, row) | code_of_row(self._columns, row) for row in rows.texts]
        own, texts = self._own, self._texts
        found = [own + sum([code(row[position]) for position, code in texts]) for row in rows.texts] if own else []
        if not self._slices:
            return found
        codes = [packed([self._level(rows, row, place) for place in self._places]) for row in range(len(rows))]
        return [code | mine for code, mine in zip(codes, found, strict=True)] if own else codes

    @staticmethod
    def _level(rows: Rows, row: int, place: tuple[bool, int | None, Callable[[Any], int]]) -> int:
        is_number, position, number_of = place
        if position is None:
            return 0
        return number_of(rows.numbers.item(row, position) if is_number else rows.texts[row][position])
