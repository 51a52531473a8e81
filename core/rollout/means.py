"""Is the candidate's mean loss worse, or surely not much worse? The mixture test of differences, valid at every look.

A mixture sequential probability ratio test rests on the normal approximation, which holds for means of many values
and not for rare events: hence at least fifty values an arm, more where few large values make the mean (see
`MeanEvidence.least_values`), and what is counted (errors, answers slower than promised, losses of 0 and 1) is never
judged here. The scale of the alternatives, tau, has to be fixed before the values that are judged: the first fifty of
the stable version set it and are then forgotten.

Of a value that neither arm has ever shown, no test of means can know without a bound on the values (Bahadur and
Savage, Annals of Mathematical Statistics 27(4), 1956): what is promised holds for tails that the data show.
"""

import math

import msgspec

LEAST_PER_ARM = 50
VALUES_PER_SQUARED_SKEWNESS = 25
"""How many values it takes for a mean to be nearly normal, for each unit of squared skewness."""
N_CALIBRATION = 50
_NOTHING = 1e-200  # of squares: the power of what is smaller is no number
CERTAIN = 700.0
"""The most a logarithm of evidence says: its exponential is still a number."""
TAU_IN_SDS = 0.2
"""Scale of the differences looked for, in standard deviations of one value."""


class Moments(msgspec.Struct, frozen=True, kw_only=True):
    """Count, mean and sums of squared and of cubed deviations of the values of one arm."""

    n: int = 0
    mean: float = 0.0
    squares: float = 0.0
    cubes: float = 0.0  # earlier evidence has none, and counts as symmetric as far as it goes

    def after(self, value: float) -> "Moments":
        """Return the moments after one more value.

        Source:
            Welford, Technometrics 4(3), 1962; Pébay, Sandia report SAND2008-6212, on the third moment.
        """
        n = self.n + 1
        off = value - self.mean
        part = off / n
        grown = off * part * self.n
        return Moments(
            n=n,
            mean=self.mean + part,
            squares=self.squares + grown,
            cubes=self.cubes + grown * part * (n - 2) - 3 * part * self.squares,
        )

    def together(self, other: "Moments") -> "Moments":
        """Return the deviations of both arms, each from its own mean."""
        squares, cubes = self.squares + other.squares, self.cubes + other.cubes
        return Moments(n=self.n + other.n, squares=squares, cubes=cubes)

    @property
    def skewness(self) -> float:
        """Of one value: 0 if symmetric, positive if few large ones make the mean; at most √n."""
        return math.sqrt(self.n) * self.cubes / self.squares**1.5 if self.squares > _NOTHING else 0.0

    @property
    def variance(self) -> float:
        """Of one value."""
        return self.squares / (self.n - 1) if self.n > 1 else 0.0

    @property
    def variance_of_mean(self) -> float:
        """Of the mean."""
        return self.variance / self.n if self.n else 0.0


class MeanEvidence(msgspec.Struct, frozen=True, kw_only=True):
    """All that the values of a rollout say about one mean."""

    calibration: Moments = Moments()
    tau: float | None = None  # fixed once the calibration is complete
    stable: Moments = Moments()
    candidate: Moments = Moments()
    peak_log_harm: float = 0.0
    begun: bool = False  # a value came, be it one of the candidate before the scale was fixed; see `has_begun`

    def after(self, value: float, *, is_candidate: bool) -> "MeanEvidence":
        """Return the evidence after one more value; until the scale is fixed, only those of the stable count."""
        if self.tau is None:
            calibrated = self if is_candidate else self._calibrated(self.calibration.after(value))
            return msgspec.structs.replace(calibrated, begun=True)
        grown = (
            msgspec.structs.replace(self, candidate=self.candidate.after(value))
            if is_candidate
            else msgspec.structs.replace(self, stable=self.stable.after(value))
        )
        return msgspec.structs.replace(grown, peak_log_harm=max(grown.peak_log_harm, grown.log_harm))

    def _calibrated(self, calibration: Moments) -> "MeanEvidence":
        tau = TAU_IN_SDS * math.sqrt(calibration.variance)
        is_done = calibration.n >= N_CALIBRATION and tau > 0  # all equal so far: go on until they are not
        return msgspec.structs.replace(self, calibration=calibration, tau=tau if is_done else None)

    @property
    def has_begun(self) -> bool:
        """Whether it was ever given a value; earlier evidence tells by its calibration alone."""
        return self.begun or self.calibration.n > 0

    @property
    def is_enough(self) -> bool:
        """Whether both arms have the least number of values that any mean needs."""
        return self.tau is not None and min(self.stable.n, self.candidate.n) >= LEAST_PER_ARM

    @property
    def skewness(self) -> float:
        """The strongest of either arm's and of both together: the larger arm tells what the smaller has not met yet."""
        arms = (self.stable, self.candidate, self.stable.together(self.candidate))
        return max((arm.skewness for arm in arms), key=abs)

    @property
    def least_values(self) -> int:
        """How many values it takes of an arm whose mean is said to be the lower, if the tail is of large values.

        Where few large values make a mean, an arm that has not met its share of them yet has a mean and a variance
        that are both too small, and looks better than it is with great certainty. For an arm said to be the higher,
        the same errs on the side of doubt, so that harm is found with a small share of the traffic as soon as ever.
        A tail of small values turns this round.

        Source:
            Cochran, Sampling Techniques, 3rd ed., 1977, section 2.15: n > 25 G², some 25 events of a rare kind. That
            it is enough at every look is checked by simulation.
        """
        return max(LEAST_PER_ARM, math.ceil(VALUES_PER_SQUARED_SKEWNESS * self.skewness**2))

    def shows(self, *, lower: Moments, higher: Moments) -> bool:
        """Say whether there are values enough to call the mean of one arm lower than that of the other."""
        decisive = lower if self.skewness >= 0 else higher
        return self.is_enough and decisive.n >= self.least_values

    @property
    def difference(self) -> float:
        """How much the candidate's mean exceeds that of the stable version."""
        return self.candidate.mean - self.stable.mean

    @property
    def log_harm(self) -> float:
        """The evidence that the candidate's mean is greater; 0 while it is not, or with too few values."""
        if self.tau is None or self.difference <= 0 or not self.shows(lower=self.stable, higher=self.candidate):
            return 0.0
        variance = self.stable.variance_of_mean + self.candidate.variance_of_mean
        return log_mixture(self.difference, variance, self.tau)

    def log_safety(self, margin: float) -> float:
        """Return the evidence that the candidate's mean is less than `1 + margin` times that of the stable version.

        Args:
            margin: As a share of the stable mean, for example 0.05; the mean must be positive.
        Returns:
            log E, 0 while the candidate is beyond the margin or with too few values.
        """
        if self.tau is None or not self.shows(lower=self.candidate, higher=self.stable):
            return 0.0
        short_of_margin = (1 + margin) * self.stable.mean - self.candidate.mean
        if short_of_margin <= 0:
            return 0.0
        variance = (1 + margin) ** 2 * self.stable.variance_of_mean + self.candidate.variance_of_mean
        return log_mixture(short_of_margin, variance, self.tau)

    def interval(self, alpha: float) -> tuple[float, float] | None:
        """Return the differences of means not excluded at any look so far or to come; None with too few values."""
        if self.tau is None or min(self.stable.n, self.candidate.n) < self.least_values:
            return None
        half = half_width(self.stable.variance_of_mean + self.candidate.variance_of_mean, self.tau, alpha)
        return self.difference - half, self.difference + half


def log_mixture(difference: float, variance: float, tau: float) -> float:
    """Return log Λ = ½ log(v/(v+τ²)) + τ²d²/(2v(v+τ²)), the evidence against a difference of zero.

    The p-value that stays valid at every look is the least of 1/Λ so far.

    Args:
        difference: Of the two means, d.
        variance: v = s_t²/n_t + s_c²/n_c.
        tau: The scale of the alternatives, fixed in advance.
    Source:
        Johari et al., "Always Valid Inference", Operations Research 70(3), 2022.

    >>> round(log_mixture(0.3, 0.005, 0.2), 3)
    6.901
    """
    if variance <= 0:  # constant on both sides
        return 0.0 if difference == 0 else CERTAIN
    spread = variance + tau * tau
    log_ratio = 0.5 * math.log(variance / spread) + tau * tau * difference * difference / (2 * variance * spread)
    return min(log_ratio, CERTAIN)


def half_width(variance: float, tau: float, alpha: float) -> float:
    """Return half the width of the confidence sequence: the difference at which Λ reaches 1/alpha.

    Source:
        Howard et al., Annals of Statistics 49(2), 2021, the normal mixture boundary.

    >>> width = half_width(0.005, 0.2, 0.05)
    >>> round(math.exp(log_mixture(width, 0.005, 0.2)), 9)
    20.0
    """
    if variance <= 0:
        return 0.0
    spread = variance + tau * tau
    return math.sqrt(2 * variance * spread / (tau * tau) * (math.log(1 / alpha) + 0.5 * math.log(spread / variance)))
