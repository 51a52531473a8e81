"""One way to ask any model why it answers as it does: the algorithm that suits it, chosen by its type, and named."""

from collections.abc import Sequence
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
import pandas as pd

from core.arrays import BoolArray, FloatArray
from core.errors import UsageError
from core.escape import shown
from core.explain.documents import SEVERAL_READ
from core.explain.lime import LimeExplainer
from core.explain.linear_terms import linear_columns
from core.explain.parts import Assembly, ExplainedPart, ExplainedRows, NotAdditiveError, TreeReading
from core.explain.sampling import SampledExplainer
from core.models.anatomy import Anatomy

if TYPE_CHECKING:
    from core.explain.prediction_function import PredictionFunction
    from core.models.interface import Model

AGREEMENT: Final = 1e-3  # certain probabilities are clipped by some ensembles
ROWS_TO_AGREE: Final = 50
N_PAIRS: Final = 16
N_PARTS: Final = 5
LEAST_PART: Final = 2  # reference rows in a part
MOST_EXACT_PLAYERS: Final = 12


class ExplainMethod(StrEnum):
    """How contributions are computed."""

    AUTO = "auto"
    PATH_DEPENDENT = "path-dependent"
    BACKGROUND = "background"
    PERMUTATION = "permutation"
    EXACT = "exact"
    LIME = "lime"


class ContributionTable(NamedTuple):
    """The contributions of columns to rows.

    Attributes:
        values: Shape (n, players).
        errors: Their standard errors, of the same shape; None where nothing was sampled.
        margin: What they and the base sum to, shape (n,).
    """

    values: FloatArray
    errors: FloatArray | None
    margin: FloatArray


class Explainer:
    """Explains the rows of one model against a reference.

    Attributes:
        players: The columns that contributions are of.
        algorithm: Its name in words.
        method: The method that was used.
        scale: The scale on which contributions sum, in words.
        cost: What one row costs, in words.
        answers_a_row: How many answers of the model one row takes; 0 where its parts are explained exactly.
        base: The mean over the reference.
        notes: Why another method than the exact one is used, a sentence each.
    """

    def __init__(
        self,
        model: "Model | PredictionFunction",
        background: pd.DataFrame,
        *,
        columns: Sequence[str],
        method: ExplainMethod = ExplainMethod.AUTO,
        reading: TreeReading = TreeReading.PATH_DEPENDENT,
        output: str | None = None,
        n_pairs: int = N_PAIRS,
        seed: int = 0,
    ) -> None:
        """Prepare the algorithm.

        Args:
            model: The model.
            background: The reference rows.
            columns: The columns of a row that a prediction function is asked about.
            method: How to explain; by default exactly where that is possible.
            reading: Of trees, where the method leaves it open.
            output: Of several classes the one to explain; by default the most frequent answer to the background.
            n_pairs: Of sampled orders a row.
            seed: Of the orders.
        Raises:
            NotAdditiveError: The model has no explanation by this method.
            UsageError: There are no background rows, or the class is unknown.
        """
        if not len(background):
            raise UsageError("An explanation needs at least one reference row.")
        self._model = model
        self._anatomy: Anatomy | None = model.anatomy()
        self.classes: tuple[str, ...] = self._anatomy.classes if self._anatomy is not None else ()
        self.output = self._output(background, output)
        self.notes: tuple[str, ...] = ()
        self.answers_a_row = 0
        self._part: ExplainedPart | None = None
        self._sampled: SampledExplainer | LimeExplainer | None = None
        if method not in (ExplainMethod.PERMUTATION, ExplainMethod.EXACT, ExplainMethod.LIME):
            try:
                self._take_apart(background, method, reading if method is ExplainMethod.AUTO else TreeReading(method))
            except NotAdditiveError as reason:
                if method is not ExplainMethod.AUTO:
                    raise NotAdditiveError(f"{model.name} cannot be explained by {method}: {reason}") from None
                self.notes = (str(reason),)
        if self._part is None:
            self._ask(background, columns, method, n_pairs=n_pairs, seed=seed)
        # A part of the reference rows is explained by the same method.
        self._background = background
        self._of_part = partial(
            Explainer,
            model,
            columns=columns,
            method=self.method,
            reading=TreeReading.BACKGROUND,
            output=self.output,
            n_pairs=n_pairs,
            seed=seed,
        )

    def contributions(self, rows: pd.DataFrame) -> ContributionTable:
        """Return the contribution of each player to each row."""
        if self._part is not None and self._anatomy is not None:
            prepared = ExplainedRows(rows.reset_index(drop=True), self._anatomy.matrices(rows))
            return ContributionTable(self._part.contributions(prepared), None, self._part.score(prepared))
        assert self._sampled is not None
        values, errors = self._sampled.contributions(rows.reset_index(drop=True))
        sampled = errors if np.isnan(errors).any() or errors.any() else None
        return ContributionTable(values, sampled, self.predict(rows))

    def by_part(self, rows: pd.DataFrame) -> list[FloatArray]:
        """Return the contributions against each of some parts of the reference rows, each of shape (n, players).

        How far they differ says how much an explanation owes to the choice of these rows.

        Returns:
            Nothing where no reference rows stand for a column, where they are fewer than ten, or where what is sampled
            says how far it is off itself: sampled orders start at other rows, and LIME draws them anew.
        """
        is_sampled = self._sampled is not None and not self._sampled.is_exact
        if is_sampled or self.method is ExplainMethod.PATH_DEPENDENT or len(self._background) < N_PARTS * LEAST_PART:
            return []
        order = np.random.default_rng(0).permutation(len(self._background))
        parts = (self._background.iloc[np.sort(places)] for places in np.array_split(order, N_PARTS))
        return [self._of_part(part.reset_index(drop=True)).contributions(rows).values for part in parts]

    def interactions(self, rows: pd.DataFrame) -> FloatArray | None:
        """Return the Shapley interaction of each pair of players in each row, shape (n, players, players).

        None where the prediction function is asked: no exact algorithm takes it apart.
        """
        if self._part is None or self._anatomy is None:
            return None
        return self._part.interactions(ExplainedRows(rows.reset_index(drop=True), self._anatomy.matrices(rows)))

    @property
    def interaction_cost(self) -> int | None:
        """About how many products the exact interactions of one row take; None where there is no exact algorithm."""
        return None if self._part is None else self._part.interaction_cost

    def margin(self, rows: pd.DataFrame) -> FloatArray:
        """Return what the contributions and the base of each row sum to, shape (n,)."""
        if self._part is not None and self._anatomy is not None:
            return self._part.score(ExplainedRows(rows.reset_index(drop=True), self._anatomy.matrices(rows)))
        return self.predict(rows)

    def predict(self, rows: pd.DataFrame) -> FloatArray:
        """Return the model's answers, of several classes the probability of the one explained; shape (n,)."""
        answer = np.asarray(self._model.predict(self._model.as_strangers(rows)), dtype=np.float64)
        return answer if answer.ndim == 1 else answer[:, self._position]

    def decide(self, answers: FloatArray) -> BoolArray | None:
        """Say which answers are events, of two classes from one half unless the model says; None if nobody decides."""
        found = self._model.decide(answers)
        if found is None and len(self.classes) == 2:
            return np.asarray(answers >= 0.5)
        return found

    def sum_error(self, table: ContributionTable) -> float:
        """Return by how much contributions and base miss the margin at most, relative to its size from 1 on."""
        missed = np.abs(self.base + table.values.sum(axis=1) - table.margin) / np.maximum(np.abs(table.margin), 1.0)
        return float(missed.max(initial=0.0))

    @property
    def is_sampled(self) -> bool:
        """Whether a prediction function is asked about mixtures of rows."""
        return self._sampled is not None

    @property
    def _position(self) -> int:
        return self.classes.index(self.output) if len(self.classes) > 2 and self.output is not None else 0

    def _output(self, background: pd.DataFrame, wanted: str | None) -> str | None:
        if wanted is not None and wanted not in self.classes:
            known = f"its classes are {', '.join(map(shown, self.classes))}" if self.classes else "it has no classes"
            raise UsageError(f"{shown(wanted)} is no class of {self._model.name}: {known}.")
        if len(self.classes) <= 2:
            if wanted is not None and wanted != self.classes[-1]:
                raise UsageError(f"Of two classes the second is explained: {shown(self.classes[-1])}.")
            return self.classes[-1] if self.classes else None
        if wanted is not None:
            return wanted
        answers = np.asarray(self._model.predict(background), dtype=np.float64)
        return self.classes[int(np.bincount(answers.argmax(axis=1)).argmax())]

    def _take_apart(self, background: pd.DataFrame, method: ExplainMethod, reading: TreeReading) -> None:
        if self._anatomy is None:
            raise NotAdditiveError("The model has only a prediction function.")
        rows = ExplainedRows(background.reset_index(drop=True), self._anatomy.matrices(background))
        assembly = Assembly(self._anatomy, reading, rows, self._position)
        part, scale = assembly.part()
        if method is ExplainMethod.PATH_DEPENDENT and TreeReading.PATH_DEPENDENT.value not in part.algorithm:
            raise NotAdditiveError("Linear models have one reading, the background.")
        some = background.head(ROWS_TO_AGREE)
        margin = part.score(ExplainedRows(some.reset_index(drop=True), self._anatomy.matrices(some)))
        is_on_link = scale == self._anatomy.scale
        if not (is_on_link and len(self.classes) > 2):  # a score of one class alone has no answer
            answer = np.asarray(self._anatomy.to_answer(margin)) if is_on_link else margin
            if (np.abs(answer - self.predict(some)) > AGREEMENT * (1.0 + np.abs(answer))).any():
                raise NotAdditiveError("The sum of its parts is not what the model answers.")
        self._part, self.base, self.scale = part, part.base, scale
        if len(self.classes) > 2:
            self.scale = f"{scale} of {self.output}"
        self.players, self.algorithm = assembly.players, part.algorithm
        against = TreeReading.BACKGROUND.value in part.algorithm
        is_by_path = TreeReading.PATH_DEPENDENT.value in part.algorithm
        self.method = ExplainMethod.PATH_DEPENDENT if is_by_path else ExplainMethod.BACKGROUND
        self.cost = (
            f"one pass over the model a row, against {len(background):,} reference rows"
            if against
            else ("one pass over the model a row")
        )

    def _ask(
        self, background: pd.DataFrame, columns: Sequence[str], method: ExplainMethod, *, n_pairs: int, seed: int
    ) -> None:
        known = [*columns, *(_read_by(self._anatomy) if self._anatomy is not None else ())]
        players = tuple(dict.fromkeys(name for name in known if name in background))
        if method is ExplainMethod.EXACT and len(players) > MOST_EXACT_PLAYERS:
            raise NotAdditiveError(
                f"{self._model.name} reads {len(players)} columns: more than {MOST_EXACT_PLAYERS} have too many "
                f"coalitions. Use --method {ExplainMethod.PERMUTATION}."
            )
        self.notes += (
            "The prediction function is asked about mixtures of rows, and some mixtures may be rows that cannot occur.",
        )
        if method is ExplainMethod.LIME:
            self.notes += (
                "LIME fits a line to neighbours of the row: its contributions need not sum to the answer, and the "
                "spread is their standard deviation over seeds.",
            )
            self._sampled = LimeExplainer(self.predict, players, background, seed=seed)
        else:
            self._sampled = SampledExplainer(
                self.predict, players, background, n_pairs=n_pairs, seed=seed, is_exact=method is ExplainMethod.EXACT
            )
        self.base, self.players, self.algorithm = self._sampled.base, players, self._sampled.algorithm
        self.method = method if method is not ExplainMethod.AUTO else ExplainMethod.PERMUTATION
        self.scale = "probability" if self.classes or self._model.task == "classification" else "the model's answer"
        self.answers_a_row = self._sampled.calls(1)
        self.cost = f"{self.answers_a_row:,} answers of the model a row"


def _read_by(anatomy: Anatomy) -> list[str]:
    linear = linear_columns(anatomy.space) if anatomy.space is not None else ()
    of_members = (name for member in anatomy.members for name in _read_by(member.anatomy))
    return [*linear, *(name for column in anatomy.columns for name in column.split(SEVERAL_READ)), *of_members]
