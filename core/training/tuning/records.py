"""Tuning as documents: trials, where a search stands, and its verdict. They hold no clock times and no host names."""

import msgspec

from core.models.tuning.ranges import ParameterValue
from core.models.tuning.trial import Trial


class SessionTrial(msgspec.Struct, frozen=True, kw_only=True):
    """A trial of a session.

    Attributes:
        model: The model that was trained with its parameters.
        trial: The trial.
    """

    model: str
    trial: Trial


class TuningRecord(msgspec.Struct, frozen=True, kw_only=True):
    """The search for one model, and what became of it.

    Attributes:
        model: The model.
        algorithm: Its algorithm.
        method: How parameters were searched.
        n_trials: Trials that ended, the recipe of the settings included.
        n_pruned: Of these, how many ended before their last fold.
        n_failed: Of these, how many could not be trained.
        n_folds: Folds of whole groups that scored the trials.
        n_search_rows: Rows of these folds.
        given: The recipe of the settings.
        given_loss: Its mean loss over the folds.
        best: The best parameters found; None where no trial could be scored.
        best_loss: Their mean loss over the folds. It chose them, so it is too low.
        fresh_loss: Their mean loss on fresh rows, after learning from all rows of the search: the honest figure.
        fresh_low: Lower end of its 95 % interval over groups.
        fresh_high: Upper end.
        fresh_given_loss: The mean loss of the settings' recipe on the same rows.
        improvement: That loss less `fresh_loss`; below 0 where the search made it worse.
        low: Lower end of its 95 % interval over groups; None where nothing can be shown.
        high: Upper end.
        n_rows: Fresh rows.
        n_groups: Their groups.
        scores: Further figures on the fresh rows: `given.<metric>` and `tuned.<metric>`.
        ships: Whether the session trains with the best parameters.
        why: The verdict in a sentence.
    """

    model: str
    algorithm: str
    method: str
    n_trials: int
    n_pruned: int
    n_failed: int
    n_folds: int
    n_search_rows: int
    given: dict[str, ParameterValue]
    given_loss: float | None
    best: dict[str, ParameterValue] | None
    best_loss: float | None
    fresh_loss: float | None = None
    fresh_low: float | None = None
    fresh_high: float | None = None
    fresh_given_loss: float | None = None
    improvement: float | None = None
    low: float | None = None
    high: float | None = None
    n_rows: int = 0
    n_groups: int = 0
    scores: dict[str, float] = {}
    ships: bool = False
    why: str = ""


class FeatureRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A column of a model, and what the folds say of it.

    Attributes:
        name: Its name.
        score: Mean over the folds: its share of the gain in trees, or its mutual information with the target.
        shadow: The same of the best shadow: a copy that says nothing.
        kept_on: Share of the folds that keep it.
        is_kept: Whether it is kept.
    """

    name: str
    score: float
    shadow: float
    kept_on: float
    is_kept: bool


class SelectionRecord(msgspec.Struct, frozen=True, kw_only=True):
    """The choice of a model's columns.

    Attributes:
        model: The model.
        method: How columns were judged.
        n_columns: How many were judged.
        columns: Each of them, those on the most folds first.
        features: The columns of the table that the model then reads.
        fresh_loss: Mean loss on fresh rows with these columns.
        fresh_whole_loss: The same with all columns.
        improvement: That loss less `fresh_loss`.
        low: Lower end of its 95 % interval over groups; None where nothing can be shown.
        high: Upper end.
        n_rows: Fresh rows.
        n_groups: Their groups.
        ships: Whether the session trains with these columns alone.
        why: The verdict in a sentence.
    """

    model: str
    method: str
    n_columns: int
    columns: tuple[FeatureRecord, ...] = ()
    features: tuple[str, ...] = ()
    fresh_loss: float | None = None
    fresh_whole_loss: float | None = None
    improvement: float | None = None
    low: float | None = None
    high: float | None = None
    n_rows: int = 0
    n_groups: int = 0
    ships: bool = False
    why: str = ""

    @property
    def n_kept(self) -> int:
        """How many columns were kept."""
        return sum(each.is_kept for each in self.columns)


class TuningStanding(msgspec.Struct, frozen=True, kw_only=True):
    """Where the search for one model stands.

    Attributes:
        model: The model.
        n_trials: Trials that have ended.
        n_planned: Trials that there will be, unless the search is stopped.
        n_pruned: Of those that ended, how many ended before their last fold.
        given_loss: Mean loss of the settings' recipe over the folds; None before trial 0.
        best_trial: The number of the best trial so far.
        best_loss: Its mean loss.
        best: Its parameters.
        ships: Whether the session trains with them; None before the verdict.
        why: The verdict in a sentence.
    """

    model: str
    n_trials: int = 0
    n_planned: int = 0
    n_pruned: int = 0
    given_loss: float | None = None
    best_trial: int | None = None
    best_loss: float | None = None
    best: dict[str, ParameterValue] = {}
    ships: bool | None = None
    why: str = ""


class TuningProgress(msgspec.Struct, frozen=True, kw_only=True):
    """Where the search of a session stands.

    Attributes:
        standings: By model.
        trials: Those that are new in this message; in the first message of a child, all.
        is_done: Whether the verdicts stand, so that the epochs can begin.
        stopped: Why the search ended early; empty where it ran to its end.
        records: The verdicts.
        selections: The columns chosen so far, by model.
    """

    standings: tuple[TuningStanding, ...] = ()
    trials: tuple[SessionTrial, ...] = ()
    is_done: bool = False
    stopped: str = ""
    records: tuple[TuningRecord, ...] = ()
    selections: tuple[SelectionRecord, ...] = ()

    @property
    def n_trials(self) -> int:
        """The trials of all models that have ended."""
        return sum(each.n_trials for each in self.standings)

    @property
    def n_planned(self) -> int:
        """The trials of all models that there will be, unless the search is stopped."""
        return sum(each.n_planned for each in self.standings)
