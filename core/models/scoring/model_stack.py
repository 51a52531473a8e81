"""A stack of models on checked rows: each member compiled, and their answers combined."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from typing_extensions import override

from core.arrays import FloatArray
from core.models.errors import NotFittedError
from core.models.scoring.fields import NUMERIC, Field, Rows, numbers_first
from core.models.scoring.scorer import RowScorer
from core.models.scoring.supervised import SupervisedScorer

if TYPE_CHECKING:
    from core.models.supervised import SupervisedModel

Combine = Callable[[Mapping[str, FloatArray], Callable[[str], FloatArray]], FloatArray]


class StackScorer(RowScorer):
    """Predicts rows exactly as a `ModelStack` does."""

    def __init__(
        self,
        members: Mapping[str, "SupervisedModel"],
        combine: Combine,
        field: Callable[[str, tuple[str, ...] | None], Field],
        unit: str,
    ) -> None:
        """Compile a trained stack.

        Args:
            members: Its members by name.
            combine: Makes the answer of the members' scores, and of columns of numbers by name.
            field: Describes a column, by its name and its known levels.
            unit: The unit of the answer.
        Raises:
            UnsupportedSpaceError: A member reads a derived column without a compiled form.
        """
        self._combine = combine
        compiled = {name: _compiled(member) for name, member in members.items()}
        self.fields = _union([scorer.fields for scorer in compiled.values()], field)
        self.unit = unit
        self.is_fast = all(scorer.is_fast for scorer in compiled.values())
        numbers = [each.name for each in self.fields if each.kind in NUMERIC]
        texts = [each.name for each in self.fields if each.kind not in NUMERIC]
        self._position = {name: position for position, name in enumerate(numbers)}
        self._members = {
            name: (
                scorer,
                np.array([numbers.index(each.name) for each in scorer.fields if each.kind in NUMERIC], dtype=np.intp),
                tuple(texts.index(each.name) for each in scorer.fields if each.kind not in NUMERIC),
            )
            for name, scorer in compiled.items()
        }

    @override
    def answer(self, rows: Rows) -> FloatArray:
        scores = {
            name: scorer.answer(Rows(rows.numbers[:, at], [tuple(row[k] for k in places) for row in rows.texts]))
            for name, (scorer, at, places) in self._members.items()
        }
        return self._combine(scores, lambda name: rows.numbers[:, self._position[name]])


def _compiled(member: "SupervisedModel") -> SupervisedScorer:
    """Compile a member, to answer on its learning scale."""
    if member.space is None:
        raise NotFittedError(member.name)
    shipping = member.learners[member.shipping]
    return SupervisedScorer(member.space, shipping, lambda score: score, field=member.field, unit="")


def _union(
    of_members: Sequence[Sequence[Field]], field: Callable[[str, tuple[str, ...] | None], Field]
) -> tuple[Field, ...]:
    """Return the fields of all members once each; the levels of a category are those that any member has seen."""
    levels: dict[str, dict[str, None] | None] = {}
    for each in (each for fields in of_members for each in fields):
        known = levels.setdefault(each.name, None if each.kind in NUMERIC else {})
        if known is not None:
            known.update(dict.fromkeys(each.categories))
    return numbers_first([field(name, None if known is None else tuple(known)) for name, known in levels.items()])
