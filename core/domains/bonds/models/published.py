"""The generator's laws, read from a published table alone, for any rating that a row might truly have."""

from functools import lru_cache

import numpy as np
import pandas as pd
from scipy.special import logit, xlog1py, xlogy

from core.arrays import FloatArray, IntArray
from core.domains.bonds.data import calibration as cal
from core.domains.bonds.data.esg import score_location
from core.domains.bonds.data.issuers import OUTLOOKS, is_high_yield
from core.domains.bonds.data.ratings import N_LIVE, entry_law
from core.domains.bonds.data.spread import SpreadInputs, expected_spread

_SHORTEST, _LONGEST = 0.05, float(cal.MAX_TERM_YEARS.value - 1)
_IMPOSSIBLE = -50.0  # nats
_RARELY = 1e-6


class PublishedRows:
    """The cells of a table, with a typical value in each empty cell."""

    def __init__(self, bonds: pd.DataFrame) -> None:
        self.bonds = bonds
        self.n_rows = len(bonds)
        self.notch = np.clip(bonds["rating_num"].to_numpy(dtype=np.int64), 0, N_LIVE - 1)
        self.sector, self.region, self.currency, self.seniority = (
            self._codes(name) for name in ("sector", "region", "currency", "seniority")
        )
        self.outlook = np.maximum(self._codes("outlook"), OUTLOOKS.index("stable"))

    def _codes(self, name: str) -> IntArray:
        return np.asarray(self.bonds[name].cat.codes.to_numpy(), dtype=np.int64)

    def numbers(self, name: str, typical: float | FloatArray = np.nan) -> FloatArray:
        """Return a numeric column, with a typical value where a cell is empty."""
        values = self.bonds[name].to_numpy(dtype=np.float64)
        return np.where(np.isnan(values), typical, values)

    def fundamentals(self, notch: IntArray) -> tuple[FloatArray, FloatArray]:
        """Return standardised leverage and coverage, were the rating `notch`; NaN where the cell is empty."""
        leverage, coverage = cal.LEVERAGE.value, cal.COVERAGE.value
        z_leverage = (np.log(self.numbers("leverage_x")) - leverage["notch"] * notch) / leverage["sd"]
        ln_coverage = np.log(self.numbers("interest_coverage_x") / coverage["top"])
        return z_leverage, (ln_coverage - coverage["notch"] * notch) / coverage["sd"]

    def esg_given_rest(self, notch: IntArray) -> tuple[FloatArray, FloatArray]:
        """Return mean and sd of the logit of the first provider's score, given rating, region and second provider."""
        law = cal.ESG.value
        location = score_location(notch, self.region)
        second = logit(self.numbers("esg_provider2") / 100) - location
        informed = law["provider_correlation"] * ~np.isnan(second)
        return location + informed * np.nan_to_num(second), law["logit_sd"] * np.sqrt(1 - informed**2)

    def expected_spread(self, notch: IntArray) -> FloatArray:
        """Return the expected spread, were the rating `notch`, in bp, shape (n,)."""
        z_leverage, z_coverage = self.fundamentals(notch)
        z_leverage = np.nan_to_num(z_leverage)
        score = self.numbers("esg_score")
        mean, sd = self.esg_given_rest(notch)
        return expected_spread(
            SpreadInputs(
                notch=notch,
                maturity=np.clip(self.numbers("maturity_years"), _SHORTEST, _LONGEST),
                seniority=self.seniority,
                sector=self.sector,
                region=self.region,
                currency=self.currency,
                outlook=self.outlook,
                callable=self.bonds["callable"].to_numpy(dtype=np.bool_),
                z_leverage=z_leverage,
                z_coverage=np.where(
                    np.isnan(z_coverage), cal.LEVERAGE_COVERAGE_CORRELATION.value * z_leverage, z_coverage
                ),
                sentiment=self.numbers("news_sentiment", 0.0),
                liquidity_index=self.numbers("liquidity_index", cal.LIQUIDITY_INDEX_SCALE.value["centre"]),
                policy_rate=self.numbers("policy_rate"),
                cpi_yoy=self.numbers("cpi_yoy"),
                fx_vol=self.numbers("fx_vol"),
                cycle=self.numbers("credit_cycle"),
            ),
            np.nan_to_num(score, nan=cal.ESG.value["mean"]),
            esg_observed=~np.isnan(score),
            esg_mean=mean,
            esg_sd=sd,
        )[1]

    def cells_given(self, notch: IntArray) -> FloatArray:
        """Return the log-likelihood of the cells whose law depends on the rating, up to a term common to all ratings.

        These are fundamentals, trading, fund ownership and ESG scores; the spread and the coupon are not among them.
        An empty cell says nothing.
        """
        z_leverage, z_coverage = self.fundamentals(notch)
        correlation = cal.LEVERAGE_COVERAGE_CORRELATION.value
        own = (z_coverage - correlation * z_leverage) / np.sqrt(1 - correlation**2)
        cost, volume, fund = cal.BID_ASK_EFFECTS.value, cal.TURNOVER_EFFECTS.value, cal.FUND_OWNERSHIP.value
        speculative = is_high_yield(notch).astype(np.float64)
        traded = np.log(self.numbers("bid_ask_bps")) - np.log(np.array(cal.BID_ASK_BASE.value, dtype=np.float64)[notch])
        ln_size = np.log(self.numbers("issue_size_musd") / cal.TYPICAL_ISSUE_SIZE.value)
        ln_age = np.log1p(self.numbers("age_years"))
        maturity = np.clip(self.numbers("maturity_years"), _SHORTEST, _LONGEST)
        z_cost = (
            traded
            - cost["size"] * ln_size
            - cost["age"] * ln_age
            - cost["maturity"] * np.log(maturity / cal.TYPICAL_MATURITY.value)
            - cost["cycle"] * self.numbers("credit_cycle")
        ) / cost["noise"]
        z_volume = (
            np.log(self.numbers("turnover_annual") / volume["median"])
            - volume["high_yield"] * speculative
            - volume["size"] * ln_size
            - volume["age"] * ln_age
        ) / volume["noise"]
        normal = np.stack((z_leverage, own, z_cost, z_volume, *self._esg_scores(notch)))
        owned = self.numbers("fund_ownership") - fund["high_yield"] * speculative
        possible = (owned > 0) & (owned < 1)
        share = np.where(possible, owned, 0.5)
        held = np.where(possible, xlogy(fund["a"] - 1, share) + xlog1py(fund["b"] - 1, -share), _IMPOSSIBLE)
        held[np.isnan(owned)] = 0.0
        return np.asarray(held - np.nansum(np.square(normal), axis=0) / 2)

    def _esg_scores(self, notch: IntArray) -> tuple[FloatArray, FloatArray]:
        """Return the standardised scores of the second provider, and of the first given the second."""
        mean, sd = self.esg_given_rest(notch)
        second = logit(self.numbers("esg_provider2") / 100) - score_location(notch, self.region)
        first = logit(self.numbers("esg_score") / 100) - mean
        return second / cal.ESG.value["logit_sd"], first / sd


@lru_cache(maxsize=1)
def notch_by_sector() -> FloatArray:
    """Return the law of a rating by sector, shape (19, 21); nothing is quite impossible after some years."""
    return np.maximum(entry_law(), _RARELY)
