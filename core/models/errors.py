"""Model errors that some caller handles."""

from collections.abc import Iterable

from core.errors import NotFoundError, RefusedError, UsageError
from core.escape import shown
from core.system_libraries import cure_for


class UninstalledModelError(NotFoundError):
    """No model of this name is built in or installed."""

    def __init__(self, name: str, known: Iterable[str]) -> None:
        super().__init__(f"There is no model {name!r}. Models to choose from: {', '.join(known)}.")


class UnknownAlgorithmError(UsageError):
    """The model exists, but cannot be trained this way."""

    def __init__(self, model: str, algorithm: str, known: Iterable[str]) -> None:
        super().__init__(
            f"{model} cannot be trained with algorithm {algorithm!r}. Algorithms to choose from: {', '.join(known)}."
        )


class UnknownParameterError(UsageError):
    """The algorithm does not take a parameter in the settings."""

    def __init__(self, algorithm: str, parameters: Iterable[str], known: Iterable[str]) -> None:
        super().__init__(
            f"{algorithm} takes no parameter {', '.join(map(repr, parameters))}. It takes: {', '.join(known)}."
        )


class MissingExtraError(UsageError):
    """The algorithm needs an optional extra that is not installed."""

    def __init__(self, algorithm: str, extra: str) -> None:
        super().__init__(f"algorithm {algorithm!r} needs the optional extra: pip install 'bondx-console[{extra}]'.")


class LightGbmUnavailableError(RefusedError):
    """LightGBM is requested, and cannot be loaded on this machine."""

    def __init__(self, problem: str) -> None:
        super().__init__(
            f"LightGBM cannot be loaded ({problem}). Cure: {cure_for(problem)}. Without it, algorithm auto trains "
            "scikit-learn's learners."
        )
        self.problem = problem


class MissingColumnsError(UsageError):
    """The table lacks columns the model reads."""

    def __init__(self, model: str, columns: Iterable[str]) -> None:
        super().__init__(f"{model} cannot read this table: it has no column {', '.join(columns)}.")


class EmptyPanelError(UsageError):
    """A panel has no row to learn from."""

    def __init__(self, model: str, label: str) -> None:
        super().__init__(f"{model} cannot learn from this panel: none of its rows has a {label}.")


class TooFewGroupsError(UsageError):
    """A panel has too few groups for rows to be answered by members that have not seen their group."""

    def __init__(self, model: str, algorithm: str, groups: str) -> None:
        super().__init__(
            f"{model} cannot be trained with {algorithm} on this panel: it needs rows of two {groups} or more, so that "
            "its members can answer rows that they did not learn from."
        )


class NotReweighableError(UsageError):
    """A model has no weights that could follow outcomes."""

    def __init__(self, model: str) -> None:
        super().__init__(
            f"{model} has no weights that could follow outcomes: it is no weighted ensemble. Train it as blending, or "
            "as voting with voting: weighted"
        )


class NoSuchMemberError(NotFoundError):
    """A model has no member of this name that answers the same question."""

    def __init__(self, model: str, name: str, known: Iterable[str], *, others: Iterable[str] = ()) -> None:
        members, of_other_targets = ", ".join(known), ", ".join(others)
        told = f"Members: {members}." if members else "Only an ensemble has members: voting, blending or stacking."
        if of_other_targets:
            told = f"{f'Members: {members}. ' if members else ''}What it is made of otherwise predicts something else: "
            told += f"{of_other_targets}."
        self._said = f"has no member {shown(name)} that predicts what it predicts. {told}"
        super().__init__(f"{model} {self._said}")

    def of_version(self, version: str) -> NotFoundError:
        """Return the error with the name of a registered version, which a person knows it by."""
        return NotFoundError(f"{version} {self._said}")


class NotContinuableError(RefusedError):
    """A trained model cannot learn on from new rows."""

    def __init__(self, why: str) -> None:
        super().__init__(f"It cannot learn on: {why}. Train it again on all rows: bondx-mlops train.")
        self.why = why


class NothingGainedError(RefusedError):
    """New rows hold nothing that a trained model gains from."""

    def __init__(self, method: str, n_rows: int) -> None:
        super().__init__(
            f"{method} gains nothing from {n_rows:,} new rows: no step does better on the rows held out of them"
        )


class NotFittedError(UsageError):
    """The model was used before it was trained."""

    def __init__(self, model: str) -> None:
        super().__init__(f"{model} is not trained yet: fit it, or load an artifact.")


class ArtifactError(RefusedError):
    """An artifact is damaged, tampered with or of a kind we do not load; no part of it was used."""


class AnswersNoRowsError(UsageError):
    """A model of language is asked for what only a model of rows can do."""

    def __init__(self, which: str = "This version") -> None:
        super().__init__(
            f"{which} is a model of language, which writes texts and answers no rows: predictions, checks of "
            "drift between tables, explanations, stress tests and retrainings are not for it."
        )


class UnknownTruthError(UsageError):
    """Attainment was requested for a panel without a known truth."""

    def __init__(self) -> None:
        super().__init__("attainment needs the truth about the panel, which only generated data has.")
