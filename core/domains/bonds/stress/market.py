"""The market after a shock: base yields, credit spreads factor by factor, and liquidity."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.special import expit, ndtr, ndtri

from core.arrays import BoolArray, FloatArray, IntArray
from core.domains.bonds.data import calibration as cal
from core.domains.bonds.data.instruments import CURRENCY_NAMES
from core.domains.bonds.data.issuers import CYCLICALITY, EMERGING, SECTOR_NAMES
from core.domains.bonds.data.labels import liquidity_shock_odds
from core.domains.bonds.data.pricing import base_yield
from core.domains.bonds.data.ratings import N_LIVE
from core.domains.bonds.data.spread import LN_VARIANCE, SpreadInputs, expected_spread
from core.domains.bonds.stress import calibration as own
from core.domains.bonds.stress.portfolio import BondPortfolio
from core.domains.bonds.stress.shock import CALM, BondShock

_RATE_BETA = np.array([cal.CURRENCY_CURVES.value[name].rate_beta for name in CURRENCY_NAMES])
_SLOPE_BETA = np.array([cal.CURRENCY_CURVES.value[name].slope_beta for name in CURRENCY_NAMES])


@dataclass(frozen=True, slots=True)
class StressedLiquidity:
    """Bid-ask in bp of price, turnover a year, index 0-100, and the chance of a liquidity shock within a month."""

    bid_ask: FloatArray
    turnover: FloatArray
    index: FloatArray
    shock_chance: FloatArray


class BondMarket:
    """A portfolio's market, before and after shocks; a spread's own level, as the file has it, is kept."""

    def __init__(self, portfolio: BondPortfolio) -> None:
        """Begin with the market as it stands."""
        self.portfolio = portfolio
        self._at_calm_liquidity: dict[tuple[float, ...], FloatArray] = {}

    @cached_property
    def expected(self) -> FloatArray:
        """The expected spread before any shock, bp."""
        return self._expected_at_calm_liquidity(CALM)

    @cached_property
    def own_level(self) -> FloatArray:
        """How much wider than expected each bond trades: the factor that holds under shocks, too."""
        width = np.exp(own.SPREAD_RATIO_SD.value * np.sqrt(LN_VARIANCE))
        ratio: FloatArray = np.clip(self.portfolio.spread / self.expected, 1 / width, width)
        return ratio

    @cached_property
    def is_fund_owned(self) -> BoolArray:
        """The bonds that funds own most of."""
        owned = self.portfolio.numbers["fund_ownership"]
        most: BoolArray = owned > np.quantile(owned, own.FUND_OUTFLOW_ABOVE.value)
        return most

    @cached_property
    def calm_liquidity(self) -> StressedLiquidity:
        """Liquidity before any shock."""
        return self.liquidity(CALM)

    def base_yield(self, shock: BondShock) -> FloatArray:
        """Return the base yield of each bond after a shock, %."""
        portfolio = self.portfolio
        years, currency = portfolio.maturity, portfolio.codes["currency"]
        short = np.exp(-years / own.CURVE_DECAY.value)
        moved = (
            portfolio.base_yield + (shock.parallel_bps + shock.short_bps * short + shock.long_bps * (1 - short)) / 100
        )
        if shock.policy_bps or shock.slope_bps:
            policy = self._policy_move(shock) * _RATE_BETA[currency]
            moved = moved + base_yield(policy, shock.slope_bps / 100 * _SLOPE_BETA[currency], years)
        return moved

    def spreads(
        self, shock: BondShock, notch: IntArray, liquidity: StressedLiquidity, is_fallen_angel: BoolArray
    ) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """Return the spread in bp after one factor more at a time: cycle and macro, liquidity, funds, ratings."""
        portfolio = self.portfolio
        calm = portfolio.numbers["liquidity_index"]
        direct = self._direct(shock)
        cycle = self._expected_at_calm_liquidity(shock) * direct
        liquid = cycle
        if (liquidity.index != calm).any():
            liquid = self._expected(shock, portfolio.notch, liquidity.index) * direct
        flows = liquid * np.exp(shock.fund_outflow * self.is_fund_owned)
        rated = flows
        if (notch != portfolio.notch).any():
            cut = self._expected(shock, notch, self.fallen_index(liquidity.index, is_fallen_angel)) * direct
            rated = cut * np.exp(
                shock.fund_outflow * self.is_fund_owned + own.FALLEN_ANGEL.value["ln_spread"] * is_fallen_angel
            )
        before, added = portfolio.spread, shock.spread_bps
        first, second, third, fourth = (
            before + self.own_level * (after - self.expected) + added for after in (cycle, liquid, flows, rated)
        )
        return first, second, third, fourth

    def liquidity(self, shock: BondShock) -> StressedLiquidity:
        """Return the liquidity of each bond after a shock, as long as its rating stays."""
        numbers = self.portfolio.numbers
        effect, index = cal.BID_ASK_EFFECTS.value, cal.LIQUIDITY_INDEX.value
        ln_cost = effect["cycle"] * shock.cycle if shock.bid_ask_factor is None else np.log(shock.bid_ask_factor)
        ln_volume = np.log1p(shock.turnover_change)
        silence = cal.ZERO_TRADE_EFFECTS.value["turnover"] * ln_volume
        quiet = np.clip(numbers["zero_trade_share"] + silence, 0, 1) - numbers["zero_trade_share"]
        moved = index["slope"] * (
            index["bid_ask"] * ln_cost + index["turnover"] * ln_volume + index["zero_trade"] * quiet
        )
        calm = numbers["liquidity_index"]
        level = np.where(moved == 0, calm, 100 * ndtr(ndtri(np.clip(calm, 0.01, 99.99) / 100) + moved))
        bid_ask = numbers["bid_ask_bps"] * np.exp(ln_cost)
        odds = liquidity_shock_odds(
            notch=self.portfolio.notch,
            cycle=numbers["credit_cycle"] + shock.cycle,
            ln_vix=np.log(numbers["vix"]),
            bid_ask_bps=bid_ask,
            fund_ownership=numbers["fund_ownership"],
            issue_size=numbers["issue_size_musd"],
            age_years=numbers["age_years"],
            dealer_inventory_z=numbers["dealer_inventory_z"] + shock.dealer_inventory_z,
        )
        chance: FloatArray = expit(odds)
        return StressedLiquidity(bid_ask, numbers["turnover_annual"] * np.exp(ln_volume), level, chance)

    @staticmethod
    def fallen_index(index: FloatArray, is_fallen_angel: BoolArray) -> FloatArray:
        """Return the liquidity index after bonds have lost their investment grade."""
        lower: FloatArray = np.clip(index + own.FALLEN_ANGEL.value["liquidity_index"] * is_fallen_angel, 0.0, None)
        return lower

    def z_leverage(self, shock: BondShock) -> FloatArray:
        """Return leverage in sd: emerging issuers in hard currency owe more."""
        codes = self.portfolio.codes
        exposed = EMERGING[codes["region"]] & (codes["currency"] != CURRENCY_NAMES.index("LOCAL_EM"))
        more: FloatArray = self.portfolio.numbers["z_leverage"] + shock.emerging_leverage_z * exposed
        return more

    def z_coverage(self, shock: BondShock) -> FloatArray:
        """Return coverage in sd: cyclical issuers earn less."""
        swing = CYCLICALITY[self.portfolio.codes["sector"]]
        less: FloatArray = self.portfolio.numbers["z_coverage"] + shock.coverage_z * swing
        return less

    def sector_notches(self, shock: BondShock) -> IntArray:
        """Return the notches by which each bond's issuer is cut at once, whatever else happens."""
        by_sector = np.array([shock.sector_notches.get(name, 0) for name in SECTOR_NAMES])
        cut: IntArray = (shock.notches + by_sector)[self.portfolio.codes["sector"]]
        return cut

    def _policy_move(self, shock: BondShock) -> FloatArray:
        """Return the move of the dollar's policy rate, %, which its floor stops."""
        before = self.portfolio.numbers["policy_rate"]
        floor = np.minimum(cal.POLICY_RATE_FLOOR.value, before)
        move: FloatArray = np.maximum(before + shock.policy_bps / 100, floor) - before
        return move

    def _direct(self, shock: BondShock) -> FloatArray:
        by_sector = np.array([shock.sector_ln_spread.get(name, 0.0) for name in SECTOR_NAMES])
        factor: FloatArray = np.exp(shock.ln_spread + by_sector[self.portfolio.codes["sector"]])
        return factor

    def _expected_at_calm_liquidity(self, shock: BondShock) -> FloatArray:
        """Return the expected spread if neither liquidity nor ratings moved; scenarios of rates alone share it."""
        key = (
            *(shock.cycle, shock.policy_bps, shock.cpi_pp, shock.fx_vol_factor),
            *(shock.emerging_leverage_z, shock.coverage_z),
        )
        if key not in self._at_calm_liquidity:
            calm = self.portfolio.numbers["liquidity_index"]
            self._at_calm_liquidity[key] = self._expected(shock, self.portfolio.notch, calm)
        return self._at_calm_liquidity[key]

    def _expected(self, shock: BondShock, notch: IntArray, liquidity_index: FloatArray) -> FloatArray:
        portfolio, numbers = self.portfolio, self.portfolio.numbers
        codes = portfolio.codes
        policy = numbers["policy_rate"] + (self._policy_move(shock) if shock.policy_bps else 0.0)
        inputs = SpreadInputs(
            notch=np.minimum(notch, N_LIVE - 1),
            maturity=portfolio.maturity,
            seniority=codes["seniority"],
            sector=codes["sector"],
            region=codes["region"],
            currency=codes["currency"],
            outlook=codes["outlook"],
            callable=numbers["callable"] > 0,
            z_leverage=self.z_leverage(shock),
            z_coverage=self.z_coverage(shock),
            sentiment=numbers["news_sentiment"],
            liquidity_index=liquidity_index,
            policy_rate=policy,
            cpi_yoy=numbers["cpi_yoy"] + shock.cpi_pp,
            fx_vol=numbers["fx_vol"] * shock.fx_vol_factor,
            cycle=numbers["credit_cycle"] + shock.cycle,
        )
        seen = np.ones(portfolio.n_instruments, dtype=np.bool_)
        empty = np.zeros(portfolio.n_instruments)
        spread, _ = expected_spread(inputs, numbers["esg_score"], esg_observed=seen, esg_mean=empty, esg_sd=empty)
        return spread
