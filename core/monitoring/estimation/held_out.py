"""`held_out.parquet` of a version: rows that it did not learn from, with its answers and their outcomes.

An estimate without labels compares the live rows with these rows; no profile of single columns can replace them. The
settings limit the rows, leave columns out, or leave the file out. The same rows give the same bytes.
"""

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

import msgspec
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from core.arrays import AnyArray, BoolArray, FloatArray, IntArray
from core.errors import UsageError
from core.json_documents import decode_json
from core.models.outcomes import Outcomes
from core.monitoring import dependence
from core.seeds import derive_seed
from core.settings.patterns import is_named
from core.settings.sealing import read_content
from core.tables.data_files import arrow_table

HELD_OUT_NAME = "held_out.parquet"
MOST_BYTES = 256 << 20
ANSWER, ACTUAL, DECIDED, GROUP = ".answer", ".actual", ".decided", ".group"
_KEY = b"held_out"


class HeldOutError(UsageError):
    """A version has no held-out rows, or rows that cannot be used."""

    def __init__(self, place: object, problem: str, cure: str) -> None:
        super().__init__(f"{place}: {problem}. {cure}")


class _Header(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What the file says of its rows."""

    format: Literal[1]
    classes: tuple[str, ...] = ()
    n_answers: int = 1  # columns of the answer
    masked: tuple[str, ...] = ()  # columns that the settings left out
    group: str = ""


@dataclass(frozen=True, slots=True)
class HeldOutRows:
    """Rows that a version did not learn from.

    Attributes:
        rows: The columns that requests bring, the most important first, without those that the settings mask.
        answer: Numbers, the probability of the second of two classes, or probabilities of shape (n, n_classes).
        actual: Numbers, or positions of classes.
        classes: Names of the classes; empty for numbers.
        decided: Of two classes: the rows that the model declares events.
        units: The number of the group of each row; None if no row depends on another.
        group: The column that names the groups.
        masked: Columns that the settings left out.
    """

    rows: pd.DataFrame
    answer: AnyArray
    actual: FloatArray
    classes: tuple[str, ...]
    decided: BoolArray | None
    units: IntArray | None
    group: str
    masked: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.actual)

    @classmethod
    def of(
        cls,
        model: object,
        outcomes: Outcomes | None,
        columns: Sequence[str],
        *,
        group: str | None,
        most: int,
        masked: Iterable[str] = (),
    ) -> Self | None:
        """Choose the rows that a version keeps.

        Args:
            model: The model.
            outcomes: Its answers to rows that it did not learn from.
            columns: Columns of these rows, the most important first.
            group: The column whose rows depend on each other; only the numbers of the groups are kept.
            most: How many rows to keep, at random.
            masked: Columns that must not be kept, by name or pattern.
        Returns:
            None if the settings keep none, or no outcome is known.
        """
        if not most or outcomes is None or outcomes.actual is None:
            return None
        known = np.flatnonzero(np.isfinite(outcomes.actual) & np.isfinite(_rows_of(outcomes.answer)))
        if not len(known):
            return None
        if len(known) > most:
            known = np.sort(np.random.default_rng(derive_seed(0, "held-out rows")).permutation(known)[:most])
        hidden = hidden_among(columns, tuple(masked))
        names = [name for name in columns if name in outcomes.rows and name not in hidden and name != group]
        frame = outcomes.rows.iloc[known]
        units = dependence.group_numbers(frame[group]) if group is not None and group in frame else None
        return cls(
            rows=frame[names].reset_index(drop=True),
            answer=outcomes.answer[known],
            actual=outcomes.actual[known],
            classes=outcomes.classes,
            decided=decided_by(model, outcomes.answer[known], outcomes.classes),
            units=units,
            group=group or "",
            masked=tuple(sorted(hidden)),
        )

    def to_bytes(self) -> bytes:
        """Return the content of the file."""
        answers = self.answer.reshape(len(self), -1)
        columns: dict[str, Any] = {str(name): self.rows[name] for name in self.rows}
        columns |= {f"{ANSWER}.{k}": answers[:, k] for k in range(answers.shape[1])}
        columns[ACTUAL] = self.actual
        if self.decided is not None:
            columns[DECIDED] = self.decided
        if self.units is not None:
            columns[GROUP] = self.units
        header = _Header(
            format=1, classes=self.classes, n_answers=answers.shape[1], masked=self.masked, group=self.group
        )
        table = arrow_table(pd.DataFrame(columns), metadata={_KEY.decode(): msgspec.json.encode(header).decode()})
        out = io.BytesIO()
        pq.write_table(table, out, compression="zstd")
        return out.getvalue()

    @classmethod
    def read(cls, folder: Path, version: str) -> Self:
        """Read the held-out rows of an artifact.

        Args:
            folder: Of the artifact.
            version: Its name, for messages.
        Raises:
            HeldOutError: It has none, or none that can be read.
        """
        place = f"{version}, {HELD_OUT_NAME}"
        try:
            content = read_content(folder / HELD_OUT_NAME, most=MOST_BYTES, follow_links=True)
        except FileNotFoundError:
            raise HeldOutError(
                version,
                "it has no held-out rows: held_out.rows is 0, or it was registered from a folder, imported, or made by "
                "an earlier release",
                "Train it again (bondx-mlops train, bondx run)",
            ) from None
        except OSError as error:
            raise HeldOutError(place, f"it cannot be read ({error})", "Restore it.") from error
        return cls.from_bytes(content, place)

    @classmethod
    def from_bytes(cls, content: bytes, place: object) -> Self:
        """Read the content of the file strictly.

        Raises:
            HeldOutError: It is damaged, or contradicts itself.
        """
        cure = "Train the version again, or check its folder: bondx registry verify"
        if len(content) > MOST_BYTES:
            raise HeldOutError(place, f"it has more than {MOST_BYTES:,} bytes", cure)
        try:
            table = pq.read_table(pa.BufferReader(content), use_threads=False)
            header = decode_json((table.schema.metadata or {}).get(_KEY, b""), type=_Header)
            frame = table.to_pandas()
            answers = [f"{ANSWER}.{k}" for k in range(header.n_answers)]
            answer = frame[answers].to_numpy(dtype=np.float64)
            actual = frame[ACTUAL].to_numpy(dtype=np.float64)
        except (pa.ArrowException, msgspec.DecodeError, OSError, KeyError, ValueError, TypeError) as error:
            raise HeldOutError(place, f"it does not hold the held-out rows of a version ({error})", cure) from error
        if not len(frame) or not (np.isfinite(answer).all() and np.isfinite(actual).all()):
            raise HeldOutError(place, "it lacks answers or outcomes", cure)
        return cls(
            rows=frame[[name for name in frame if name not in {*answers, ACTUAL, DECIDED, GROUP}]],
            answer=answer[:, 0] if header.n_answers == 1 else answer,
            actual=actual,
            classes=header.classes,
            decided=frame[DECIDED].to_numpy(dtype=np.bool_) if DECIDED in frame else None,
            units=dependence.group_numbers(frame[GROUP]) if GROUP in frame else None,
            group=header.group,
            masked=header.masked,
        )


def hidden_among(columns: Iterable[str], masked: Sequence[str]) -> set[str]:
    """Return those of some columns that must not be kept.

    >>> sorted(hidden_among(["tax_id", "tax_[old]", "size"], ["tax_i*", "tax_[old]"]))
    ['tax_[old]', 'tax_id']
    """
    return {name for name in columns if is_named(name, masked)}


def decided_by(model: object, answer: AnyArray, classes: Sequence[str]) -> BoolArray | None:
    """Return the rows that a model of two classes declares events, from one half unless it says; None for others."""
    if len(classes) != 2 or answer.ndim != 1:
        return None
    decide = getattr(model, "decide", None)
    decided = decide(answer) if decide is not None else None
    return np.asarray(answer >= 0.5 if decided is None else decided, dtype=np.bool_)


def _rows_of(answer: AnyArray) -> FloatArray:
    return np.asarray(answer.reshape(len(answer), -1).sum(axis=1), dtype=np.float64)
