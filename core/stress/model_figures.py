"""The figures of models under stress. Light to import: screens read reports, and run no test."""

import msgspec

CALM = "calm"


class FeatureBeyond(msgspec.Struct, frozen=True):
    """A feature that leaves the range that a model learned from.

    Attributes:
        name: Its name.
        share: The share of rows outside the range.
        share_calm: The same without a shock.
    """

    name: str
    share: float
    share_calm: float


class ModelCase(msgspec.Struct, frozen=True, kw_only=True):
    """A model under one scenario.

    Attributes:
        scenario: Its name, or "calm".
        family: Its family.
        severity: mild, moderate or severe; empty in calm.
        figures: By name. Against the truth: `error` (mean absolute), `bias` (mean answer less mean truth),
            `calibration` (mean answer over mean truth), `calibration_error` (mean absolute bias of ten groups by
            answer, over the mean truth) and `ranking` (Spearman's correlation). And the model's own metrics on the
            labels, such as `loss`; where the truth of each answer is known, `attainment`.
        gates: The quality gates that the stressed rows fail.
        beyond: The features that leave the trained range for more rows than in calm, the most rows first.
    """

    scenario: str
    family: str
    severity: str
    figures: dict[str, float]
    gates: tuple[str, ...] = ()
    beyond: tuple[FeatureBeyond, ...] = ()

    @property
    def key(self) -> str:
        """The scenario with its severity."""
        return f"{self.scenario}/{self.severity}" if self.severity else self.scenario


class ModelUnderStress(msgspec.Struct, frozen=True, kw_only=True):
    """One model under all scenarios.

    Attributes:
        model: Such as "spread@1.2.0".
        panel: The rows that were drawn.
        n_rows: How many rows the model is judged on.
        calm: The figures without a shock.
        cases: Each scenario at each severity.
    """

    model: str
    panel: str
    n_rows: int
    calm: ModelCase
    cases: tuple[ModelCase, ...]

    def ratio(self, case: ModelCase, figure: str = "error") -> float | None:
        """Return how many times a figure is that of calm; None where it is unknown, or 0 in calm."""
        now, before = case.figures.get(figure), self.calm.figures.get(figure)
        return now / before if now is not None and before else None
