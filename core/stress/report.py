"""The report of a stress test. Light to import: screens read reports, and run no test."""

import msgspec

from core.domains.stress import StressCase
from core.stress.model_figures import ModelUnderStress, StressedTraining


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
