"""What an explanation says: of one row, and of a model. Plain values, stored and sent as JSON."""

from typing import Final

import msgspec

ShownCell = str | float | None
"""A cell as it is shown: text, a number, or None for an empty cell."""

DENIED: Final = "(denied columns)"
SEVERAL_READ: Final = " x "  # between the columns behind one derived column
SUM_TOLERANCE: Final = 1e-6
"""By how much base and contributions may miss a margin, relative to its size from 1 on."""


class FeatureContribution(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one column adds to the answer for a row."""

    feature: str
    value: ShownCell = None
    contribution: float
    error: float | None = None  # its standard error, over sampled orders or over the choice of the reference rows


class CellChange(msgspec.Struct, frozen=True, kw_only=True):
    """One cell that is changed."""

    feature: str
    before: ShownCell
    after: ShownCell


class Counterfactual(msgspec.Struct, frozen=True, kw_only=True):
    """The smallest change that turns the answer."""

    changes: tuple[CellChange, ...]
    prediction: float
    distance: float  # the sum of the changes, each as a share of the reference rows between the two values
    n_asked: int  # how many changed rows the model answered


class NearRow(msgspec.Struct, frozen=True, kw_only=True):
    """A reference row that is like the row."""

    row: int
    distance: float  # the mean over columns, 0 for the same row
    prediction: float
    actual: float | None = None


class AnswerInterval(msgspec.Struct, frozen=True, kw_only=True):
    """A conformal interval of an answer."""

    level: float
    low: float
    high: float
    method: str


class LocalExplanation(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Why a model answers a row as it does.

    Attributes:
        prediction: The answer.
        margin: The answer on the scale of the contributions; the base and the contributions sum to it.
        base: The reference: the mean margin, or the margin of the reference row.
        reference: What the base is the mean of, in words.
        scale: The scale of margin, base and contributions, in words.
        algorithm: How they were computed, in words.
        method: The same as an option.
        cost: What a row costs, in words.
        output: Of a classification the class that is explained.
        contributions: By size, the largest first.
        sum_error: By how much base and contributions miss the margin.
        nearest: The reference rows most like this row.
        counterfactual: The smallest change that turns the answer, if it was asked for and found.
        interval: A conformal interval, if it was asked for.
        notes: What a reader must know, a sentence each.
    """

    prediction: float
    margin: float
    base: float
    reference: str
    scale: str
    algorithm: str
    method: str
    cost: str
    output: str | None = None
    contributions: tuple[FeatureContribution, ...]
    sum_error: float
    nearest: tuple[NearRow, ...] = ()
    counterfactual: Counterfactual | None = None
    interval: AnswerInterval | None = None
    notes: tuple[str, ...] = ()


class FeatureImportance(msgspec.Struct, frozen=True, kw_only=True):
    """How much one column moves the answers.

    Attributes:
        feature: The column.
        importance: The mean size of its contributions.
        low: Lower end of its 95 % interval; None where the rows are of one group.
        high: Upper end.
        share: Of the sum over columns.
        best_rank: The best rank that it may have at 95 %, 1 for the largest.
        worst_rank: The worst.
        direction: The rank correlation of its values with its contributions; None for a category.
        reference_error: Its standard error over the choice of the reference rows; None where none stand for a column,
            or where sampled orders start at others.
        share_error: The standard error of its share; None where the rows are of one group.
    """

    feature: str
    importance: float
    low: float | None
    high: float | None
    share: float
    best_rank: int
    worst_rank: int
    direction: float | None = None
    reference_error: float | None = None
    share_error: float | None = None


class FeatureGroup(msgspec.Struct, frozen=True, kw_only=True):
    """Columns that are hard to tell apart; how they share their importance says little."""

    features: tuple[str, ...]
    association: float  # the strongest between two of them, 0 to 1
    importance: float  # the mean size of the sum of their contributions


class FeatureInteraction(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How much two columns do together beyond what each does alone.

    Attributes:
        features: The two columns.
        strength: The mean size of their Shapley interaction; where it was sampled, the root mean square of what their
            joint partial dependence has beyond the sum of theirs. On the scale of the margin.
        low: Lower end of the 95 % interval of an exact strength; None where the rows are of one group.
        high: Upper end.
        h_statistic: Of a sampled one, from 0 to 1, the share of their joint effect.
    """

    features: tuple[str, str]
    strength: float
    low: float | None = None
    high: float | None = None
    h_statistic: float | None = None


class FeatureEffect(msgspec.Struct, frozen=True, kw_only=True):
    """How the margin moves along one column."""

    feature: str
    kind: str  # "ale" or "partial dependence"
    points: tuple[ShownCell, ...]
    values: tuple[float, ...]


class SliceImportance(msgspec.Struct, frozen=True, kw_only=True):
    """The importances among the rows of one slice."""

    slicing: str
    level: str
    n_rows: int
    importance: dict[str, float]


class Surrogate(msgspec.Struct, frozen=True, kw_only=True):
    """A small tree that imitates the model.

    Attributes:
        fidelity: R² of its imitation of the margin, on rows that it did not learn from.
        rules: Each leaf as a sentence.
        disagrees: Where it is furthest from the model.
    """

    fidelity: float
    rules: tuple[str, ...]
    disagrees: str


class GlobalExplanation(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a model relies on.

    Attributes:
        n_rows: How many rows were explained.
        n_units: How many groups they belong to, each a piece of evidence; the rows if they are independent.
        base: The mean margin over the reference.
        reference: What the base is the mean of, in words.
        scale: The scale of the margin, in words.
        algorithm: How contributions were computed, in words.
        method: The same as an option.
        cost: What a row costs, in words.
        output: Of a classification the class that is explained.
        sum_error: By how much base and contributions miss a margin at most.
        features: By importance, the largest first.
        groups: Columns that are hard to tell apart.
        effects: Of the most important columns.
        slices: By slice.
        surrogate: The tree that imitates the model; None if the rows are too few.
        interactions: Of pairs of columns, the strongest first, if they were asked for.
        interaction_method: How they were computed, on how many rows, and what it cost, in words.
        notes: What a reader must know, a sentence each.
    """

    n_rows: int
    n_units: int
    base: float
    reference: str
    scale: str
    algorithm: str
    method: str
    cost: str
    output: str | None = None
    sum_error: float
    features: tuple[FeatureImportance, ...]
    groups: tuple[FeatureGroup, ...] = ()
    effects: tuple[FeatureEffect, ...] = ()
    slices: tuple[SliceImportance, ...] = ()
    surrogate: Surrogate | None = None
    interactions: tuple[FeatureInteraction, ...] = ()
    interaction_method: str = ""
    notes: tuple[str, ...] = ()

    @property
    def interactions_are_exact(self) -> bool:
        """Whether they are Shapley interactions, and no H-statistics."""
        return all(each.h_statistic is None for each in self.interactions)
