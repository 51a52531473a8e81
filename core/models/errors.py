"""What can go wrong with a model that a caller acts on."""

from collections.abc import Iterable

from core.errors import NotFoundError, RefusedError, UsageError
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
    """A parameter in the settings is none the algorithm takes."""

    def __init__(self, algorithm: str, parameters: Iterable[str], known: Iterable[str]) -> None:
        super().__init__(
            f"{algorithm} takes no parameter {', '.join(map(repr, parameters))}. It takes: {', '.join(known)}."
        )


class MissingExtraError(UsageError):
    """The algorithm lives in an optional extra that is not installed."""

    def __init__(self, algorithm: str, extra: str) -> None:
        super().__init__(f"algorithm {algorithm!r} needs the optional extra: pip install 'bondx-console[{extra}]'.")


class LightGbmUnavailableError(RefusedError):
    """LightGBM is asked for, and cannot be loaded on this machine."""

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
    """There is nothing in a panel to learn from."""

    def __init__(self, model: str, label: str) -> None:
        super().__init__(f"{model} cannot learn from this panel: no row of it has a {label}.")


class NotFittedError(UsageError):
    """The model was asked for an answer before it had learned anything."""

    def __init__(self, model: str) -> None:
        super().__init__(f"{model} has not learned from any panel yet: fit it, or load an artifact.")


class ArtifactError(RefusedError):
    """An artifact is damaged, tampered with or of a kind we do not load; nothing of it was used."""


class UnknownTruthError(UsageError):
    """Attainment was asked for on a panel whose truth nobody knows."""

    def __init__(self) -> None:
        super().__init__("attainment needs the truth about the panel, which only generated data have.")
