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


class ErrorChange(msgspec.Struct, frozen=True, kw_only=True):
    """What stressed rows in training did to the error under one scenario.

    Attributes:
        scenario: Its name, or "calm".
        family: Its family.
        severity: mild, moderate or severe; empty in calm.
        error: The mean absolute difference of answer and truth, of the model that learned from stressed rows.
        error_without: The same of the model that learned from the same rows without a shock.
        low: The least change of the mean error that other judged rows and other training rows allow.
        high: The largest. None where the rows are of one group, or the errors do not differ.
        n_learned: How many stressed rows of this scenario were learned from.
    """

    scenario: str
    family: str
    severity: str
    error: float
    error_without: float
    low: float | None
    high: float | None
    n_learned: int = 0

    @property
    def key(self) -> str:
        """The scenario with its severity."""
        return f"{self.scenario}/{self.severity}" if self.severity else self.scenario

    @property
    def change(self) -> float:
        """The change of the error, as a share of the error without stressed rows; negative is better.

        >>> case = ErrorChange(scenario="calm", family="", severity="", error=3.0, error_without=4.0, low=-2, high=0)
        >>> case.change, case.verdict
        (-0.25, 'not clear')
        """
        return self.error / self.error_without - 1.0 if self.error_without else 0.0

    @property
    def interval_words(self) -> str:
        """The interval of the change, as shares of the error without stressed rows; empty if there is none."""
        if self.low is None or self.high is None or not self.error_without:
            return ""
        return f"{self.low / self.error_without:+.1%} to {self.high / self.error_without:+.1%}"

    @property
    def verdict(self) -> str:
        """Whether the interval leaves the sign open: "better", "worse" or "not clear"."""
        if self.high is not None and self.high < 0:
            return "better"
        return "worse" if self.low is not None and self.low > 0 else "not clear"


class StressedTraining(msgspec.Struct, frozen=True, kw_only=True):
    """What it bought and cost a model that a share of its rows was drawn under scenarios.

    Attributes:
        model: Its name.
        n_rows: How many rows of the stressed panel it is judged on.
        n_learned: How many rows both models learned from.
        n_stressed: How many of them were stressed for one of the two.
        calm: The cost.
        cases: What was bought under each scenario.
    """

    model: str
    n_rows: int
    n_learned: int
    n_stressed: int
    calm: ErrorChange
    cases: tuple[ErrorChange, ...]

    @property
    def words(self) -> str:
        """A sentence: how many scenarios are clearly better and worse, and the change in calm."""
        calm = (self.calm.error, self.calm.error_without)
        found = [case.verdict for case in self.cases if (case.error, case.error_without) != calm]
        return (
            f"of {len(found)} scenarios that move the errors {found.count('better')} clearly better, "
            f"{found.count('worse')} clearly worse; calm {self.calm.change:+.1%}, {self.calm.verdict}"
        )
