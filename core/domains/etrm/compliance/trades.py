"""Trades as columns of plain arrays, in some 100 bytes each; every rule reads them and nothing else."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from core.arrays import AnyArray, BoolArray, DateArray, FloatArray, IntArray
from core.domains.etrm.compliance.labels import WordColumn
from core.domains.etrm.compliance.lei import is_lei
from core.errors import UsageError
from core.escape import shown

TradeColumnKind = Literal["id", "word", "number", "flag", "instant", "day", "lei", "mark"]

COLUMNS: Mapping[str, TradeColumnKind] = {
    "trade_id": "id",
    "trade_ts": "instant",
    "book": "word",
    "trader_id": "word",
    "counterparty_id": "word",
    "lei_like": "lei",
    "commodity": "word",
    "hub": "word",
    "instrument": "word",
    "side": "word",
    "quantity_lots": "number",
    "quantity_units": "number",
    "price": "number",
    "currency": "word",
    "delivery_start": "day",
    "delivery_end": "day",
    "settlement": "word",
    "venue": "word",
    "cleared": "flag",
    "hedge_flag": "flag",
    "option_type": "word",
    "strike": "number",
    "status": "word",
    "uti": "mark",
    "reported_ts": "instant",
}
"""The columns that the rules read, as `trades.csv` names them; a `mark` is only filled or empty."""

ESSENTIAL = ("trade_id", "trade_ts", "commodity", "hub", "instrument")
"""Without one of these nothing can be judged."""
UNKNOWN, NO, YES = -1, 0, 1


@dataclass(frozen=True, slots=True)
class TradeColumns:
    """Trades, column by column.

    Attributes:
        ids: The trade ids.
        words: Columns of words.
        numbers: Columns of numbers; NaN where a cell is empty.
        flags: Columns of flags: 1, 0, and -1 where a cell is empty; `lei_like` and `uti` say whether it is valid.
        instants: Points in time in UTC, datetime64[s]; NaT where a cell is empty.
        days: Days, datetime64[D]; NaT where a cell is empty.
        withheld: The columns of which nothing that is said of the trades quotes a cell.
    """

    ids: pa.Array
    words: Mapping[str, WordColumn]
    numbers: Mapping[str, FloatArray] = field(default_factory=dict)
    flags: Mapping[str, AnyArray] = field(default_factory=dict)
    instants: Mapping[str, DateArray] = field(default_factory=dict)
    days: Mapping[str, DateArray] = field(default_factory=dict)
    withheld: frozenset[str] = frozenset()

    @classmethod
    def of(cls, frame: pd.DataFrame) -> "TradeColumns":
        """Read the columns of a frame; columns that the rules do not read are ignored.

        Raises:
            UsageError: A column that every rule needs is missing, or a column is not of its kind.
        """
        if missing := [name for name in ESSENTIAL if name not in frame]:
            raise UsageError(f"trades: the column {missing[0]} is missing; {', '.join(ESSENTIAL)} are always needed.")
        parts: dict[TradeColumnKind, dict[str, Any]] = {}
        for name, kind in COLUMNS.items():
            if name in frame:
                parts.setdefault(kind, {})[name] = _column(name, kind, frame[name])
        return cls.by_kind(parts)

    @classmethod
    def by_kind(cls, parts: "Mapping[TradeColumnKind, Mapping[str, Any]]") -> "TradeColumns":
        """Arrange columns that are read, given by their kind and their name."""
        return cls(
            ids=parts["id"]["trade_id"],
            words=parts.get("word", {}),
            numbers=parts.get("number", {}),
            flags={**parts.get("flag", {}), **parts.get("lei", {}), **parts.get("mark", {})},
            instants=parts.get("instant", {}),
            days=parts.get("day", {}),
        )

    def __len__(self) -> int:
        return len(self.ids)

    def __contains__(self, name: str) -> bool:
        groups = (self.words, self.numbers, self.flags, self.instants, self.days)
        return name == "trade_id" or any(name in group for group in groups)

    def missing(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """Return the columns among `names` that the trades do not have."""
        return tuple(name for name in names if name not in self)

    def among(self, column: str, words: tuple[str, ...]) -> BoolArray:
        """Return which trades have one of these words in a column."""
        return self.words[column].among(words)

    def is_flag(self, column: str, *, empty: bool = False) -> BoolArray:
        """Return which trades have a flag; `empty` where the file or the cell does not say."""
        if column not in self.flags:
            return np.full(len(self), empty)
        flags = self.flags[column]
        return np.asarray((flags == YES) | ((flags == UNKNOWN) & empty))

    @property
    def is_live(self) -> BoolArray:
        """Which trades are not cancelled; a cancelled trade weighs nothing in positions and patterns."""
        return ~self.among("status", ("cancelled", "canceled")) if "status" in self.words else np.full(len(self), True)

    @property
    def sign(self) -> FloatArray:
        """1 for a purchase, -1 for a sale, NaN where the side is empty or another word."""
        sides = np.full(len(self), np.nan)
        sides[self.among("side", ("buy", "b", "bought", "purchase", "long"))] = 1.0
        sides[self.among("side", ("sell", "s", "sold", "sale", "short"))] = -1.0
        return sides

    @property
    def delivery_month(self) -> IntArray:
        """The months since 1970 of the first delivery; the smallest integer where it is empty."""
        return np.asarray(self.days["delivery_start"].astype("datetime64[M]").astype(np.int64))

    @property
    def ends_too_early(self) -> int | None:
        """The first trade whose delivery ends before it starts; no rule could judge it."""
        if not {"delivery_start", "delivery_end"} <= self.days.keys():
            return None
        found = np.flatnonzero(self.days["delivery_end"] < self.days["delivery_start"])  # never of an empty cell
        return int(found[0]) if found.size else None

    def trade_id(self, row: int) -> str:
        """Return the id of a trade, or its row, counted from 0, if no id may be quoted."""
        return _row(row) if "trade_id" in self.withheld else str(self.ids[row].as_py() or "")

    def trade_ids(self, start: int, n: int) -> "pd.Series[str]":
        """Return the same of some trades."""
        if "trade_id" in self.withheld:
            return pd.Series([_row(row) for row in range(start, min(start + n, len(self)))], dtype="str")
        return pd.Series(self.ids.slice(start, n).to_pandas(), dtype="str")


def _row(row: int) -> str:
    return f"row {row}"


def _column(name: str, kind: TradeColumnKind, column: "pd.Series[Any]") -> Any:
    try:
        return _read(kind, column)
    except (ValueError, TypeError, pa.ArrowException, OverflowError) as error:
        said = shown(str(error).splitlines()[0] if str(error) else type(error).__name__, most=120)
        raise UsageError(f"trades, column {name}: is not a column of this kind ({kind}): {said}.") from error


def _read(kind: TradeColumnKind, column: "pd.Series[Any]") -> Any:
    if kind == "id":
        return pa.array(column.astype(str), pa.string())
    if kind == "word":
        return WordColumn.of(column)
    if kind == "number":
        return pd.to_numeric(column).to_numpy(dtype=np.float64)
    if kind == "flag":
        return flags_of(column)
    if kind in ("instant", "day"):
        instants = pd.to_datetime(column, utc=True).dt.tz_localize(None).to_numpy()
        return instants.astype("datetime64[s]" if kind == "instant" else "datetime64[D]")
    if kind == "mark":  # every row has another text, so no word is looked at twice
        cells = pa.array(column, from_pandas=True).cast(pa.string())
        filled = pc.fill_null(pc.not_equal(pc.utf8_trim_whitespace(cells), ""), False)
        return filled.to_numpy(zero_copy_only=False).astype(np.int8)
    labels = WordColumn.of(column)
    valid = np.array([is_lei(word) for word in labels.words], dtype=np.bool_)
    return labels.spread(valid, False).astype(np.int8)


def flags_of(column: "pd.Series[Any]") -> AnyArray:
    """Return 1, 0, and -1 for a missing value.

    Raises:
        ValueError: A value is neither a boolean nor 0, 1, true, false, yes or no.
    """
    codes, found = pd.factorize(column)
    known = {"true": YES, "1": YES, "1.0": YES, "yes": YES, "y": YES, "": UNKNOWN}
    known |= {"false": NO, "0": NO, "0.0": NO, "no": NO, "n": NO}
    texts = [str(value).strip().lower() for value in found]
    if strange := [text for text in texts if text not in known]:
        raise ValueError(f"{strange[0]!r} is neither true nor false")
    return np.array([*(known[text] for text in texts), UNKNOWN], dtype=np.int8)[codes]
