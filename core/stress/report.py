"""The report of a stress test. Light to import: screens read reports, and run no test."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from core.domains.stress import StressCase
from core.stress.model_figures import ModelCase, ModelUnderStress, StressedTraining

if TYPE_CHECKING:
    from core.explain.deny_list import DenyList


class StressReport(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a stress test.

    Attributes:
        domain: The domain.
        portfolio: The name of the file of positions, or of the panel.
        n_instruments: How many instruments were stressed.
        market_value: Their value before any shock.
        value_unit: Of values and profits.
        cases: Each scenario at each severity.
        notes: What was assumed or left out.
        models: Models under the same scenarios, on the same panel.
        trained: What stressed rows in training did to each model, where a session learned from some.
    """

    domain: str
    portfolio: str
    n_instruments: int
    market_value: float
    value_unit: str
    cases: tuple[StressCase, ...]
    notes: tuple[str, ...] = ()
    models: tuple[ModelUnderStress, ...] = ()
    trained: tuple[StressedTraining, ...] = ()

    @property
    def worst(self) -> StressCase:
        """The case that loses most."""
        return min(self.cases, key=lambda case: case.pnl)

    def without_denied(self, denied: "DenyList") -> "StressReport":
        """Return the report without what it tells of denied columns.

        These are slices, labels and figures of instruments, features that leave their range, and the names of
        instruments, which are numbered instead, where a column that makes them is denied.
        """
        if not denied.patterns:
            return self
        columns = _columns_of(self.domain)

        def is_shown(word: str) -> bool:
            return columns is not None and not denied.among(columns.get(word, (word,)))

        return replace(
            self,
            cases=tuple(
                replace(
                    case,
                    slices=tuple(part for part in case.slices if is_shown(part.slicing)),
                    worst=tuple(
                        replace(
                            each,
                            name=each.name if is_shown("name") else f"instrument {place}",
                            labels={word: label for word, label in each.labels.items() if is_shown(word)},
                            figures={word: figure for word, figure in each.figures.items() if is_shown(word)},
                        )
                        for place, each in enumerate(case.worst, start=1)
                    ),
                )
                for case in self.cases
            ),
            models=tuple(
                replace(
                    model,
                    calm=_without_denied(model.calm, denied),
                    cases=tuple(_without_denied(case, denied) for case in model.cases),
                )
                for model in self.models
            ),
        )


def _columns_of(domain: str) -> Mapping[str, Sequence[str]] | None:
    """Return the columns that the words of a domain's reports tell of; None: it is gone, and nobody knows."""
    from core.domains.registry import find_domain
    from core.plugins import UnknownPluginError

    try:
        return getattr(find_domain(domain), "stress_columns", {})
    except UnknownPluginError:
        return None


def _without_denied(case: ModelCase, denied: "DenyList") -> ModelCase:
    return replace(case, beyond=tuple(each for each in case.beyond if not denied.denies(each.name)))
