"""The stress engine of bonds: scenarios in, cases out."""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from core.arrays import FloatArray
from core.domains.bonds.data import calibration as cal
from core.domains.bonds.data.issuers import SECTOR_NAMES
from core.domains.bonds.data.panel import BondPanel
from core.domains.bonds.domain import panel_settings
from core.domains.bonds.stress import calibration as own
from core.domains.bonds.stress.cascade import Contagion
from core.domains.bonds.stress.impact import impact_parts
from core.domains.bonds.stress.losses import FACTORS, StressedBonds, fallen_angels, stress
from core.domains.bonds.stress.market import BondMarket
from core.domains.bonds.stress.plausible import FACTORS as PLAUSIBLE
from core.domains.bonds.stress.plausible import plausible_shock
from core.domains.bonds.stress.portfolio import POSITION, BondPortfolio
from core.domains.bonds.stress.redraw import stressed_panel
from core.domains.bonds.stress.scenarios import BOND_SCENARIOS
from core.domains.bonds.stress.shock import BondShock, combined, scaled
from core.domains.bonds.stress.tail_risk import MarketState, tail_risks
from core.domains.portfolio_figures import TailRisk, herfindahl, weighted_mean
from core.domains.stress import (
    ContagionRound,
    PathPoint,
    StressCase,
    StressedInstrument,
    StressedSlice,
    StressMetric,
    StressScenario,
)
from core.domains.stress_cases import WorstMonth, tail_figures

if TYPE_CHECKING:
    from core.domains.domain import DrawRequest
    from core.tables import Table

SLICINGS = ("sector", "region", "rating", "currency")
METRICS = (
    StressMetric("spread_widening_bps", "spread widening", "bp"),
    StressMetric("liquidity_drop", "fall of the liquidity index", "points"),
    StressMetric("bid_ask_ratio", "bid-ask, times", "x"),
    StressMetric("liquidation_cost", "half the bid-ask of everything", "USD m"),
    StressMetric("liquidity_shock_rate", "liquidity shocks within a month", "share"),
    StressMetric("cut_share", "issuers cut", "share"),
    StressMetric("fallen_angel_share", "lost investment grade, by value", "share"),
    StressMetric("downgrade_rate", "downgrades within a year", "share"),
    StressMetric("default_rate", "defaults within a year", "share"),
    StressMetric("default_rate_before", "defaults within a year, before", "share"),
    StressMetric("expected_loss", "expected loss within a year", "USD m"),
    StressMetric("expected_loss_before", "expected loss within a year, before", "USD m"),
    StressMetric("var95", "VaR 95 %, a month", "USD m"),
    StressMetric("var99", "VaR 99 %, a month", "USD m"),
    StressMetric("es975", "ES 97.5 %, a month", "USD m"),
    StressMetric("var95_before", "VaR 95 %, before", "USD m"),
    StressMetric("var99_before", "VaR 99 %, before", "USD m"),
    StressMetric("es975_before", "ES 97.5 %, before", "USD m"),
    StressMetric("concentration", "Herfindahl index of value by issuer", "1"),
    StressMetric("loss_concentration", "Herfindahl index of losses by issuer", "1"),
    StressMetric("top_loss_share", "ten largest losses", "share"),
    StressMetric("contagion_radius", "spectral radius of the contagion", "1"),
    StressMetric("settled_round", "last round that counts", "round"),
)


class PreparedPortfolio:
    """A portfolio with all that holds before any shock."""

    def __init__(self, bonds: BondPortfolio) -> None:
        """Prepare it once for many shocks."""
        self.bonds = bonds
        self.market = BondMarket(bonds)
        self.contagion = Contagion(self.market)

    @property
    def n_instruments(self) -> int:
        """The number of bonds."""
        return self.bonds.n_instruments

    @property
    def market_value(self) -> float:
        """Their value, USD m."""
        return self.bonds.market_value

    @property
    def notes(self) -> tuple[str, ...]:
        """What was assumed or left out."""
        return self.bonds.notes

    def stressed(self, shock: BondShock) -> StressedBonds:
        """Apply a shock."""
        return stress(self.market, self.contagion, shock)


class BondStressEngine:
    """Stress tests of bonds."""

    scenarios = BOND_SCENARIOS
    shock = BondShock
    metrics = METRICS
    value_unit = "USD m"
    n_plausible = len(PLAUSIBLE)

    def combined(self, shocks: Sequence[BondShock]) -> BondShock:
        """Return several shocks at once."""
        return combined(shocks)

    def scaled(self, shock: BondShock, share: float) -> BondShock:
        """Return a share of a shock."""
        return scaled(shock, share)

    def portfolio(self, table: "Table") -> PreparedPortfolio:
        """Read positions from a table."""
        bonds = BondPortfolio.of_table(table)
        if not bonds.market_value:
            raise table.error("no position has a value", "Write face amounts that are not 0.", column=POSITION)
        return PreparedPortfolio(bonds)

    def drawn_portfolio(self, frame: pd.DataFrame) -> PreparedPortfolio:
        """Hold the bonds of a panel."""
        return PreparedPortfolio(BondPortfolio.of_frame(frame))

    def run(
        self, portfolio: PreparedPortfolio, scenarios: Sequence[StressScenario], severities: Sequence[str]
    ) -> tuple[StressCase, ...]:
        """Stress a portfolio: every scenario at every severity, in this order."""
        worst = [self._worst(portfolio, scenario, severity) for scenario in scenarios for severity in severities]
        bonds = portfolio.bonds
        before = MarketState(bonds.base_yield + bonds.spread / 100, bonds.spread, bonds.value)
        calm, *risks = tail_risks(bonds, [before, *(_state(bonds, at.stressed) for at in worst)])
        return tuple(_case(portfolio, at, calm, risk) for at, risk in zip(worst, risks, strict=True))

    def instruments(self, portfolio: PreparedPortfolio, scenario: StressScenario, severity: str) -> pd.DataFrame:
        """Return every bond under one scenario, at the month of the largest loss."""
        stressed = self._worst(portfolio, scenario, severity).stressed
        bonds = portfolio.bonds
        ratings = np.array(cal.RATINGS.value, dtype=object)
        return pd.DataFrame(
            {
                "bond_id": bonds.names,
                "issuer_id": bonds.issuers[bonds.issuer],
                "sector": np.array(SECTOR_NAMES, dtype=object)[bonds.codes["sector"]],
                "value": bonds.value,
                "pnl": stressed.profit,
                **dict(zip(FACTORS, stressed.factors, strict=True)),
                "price_before": bonds.price,
                "price": stressed.price,
                "spread_before_bps": bonds.spread,
                "spread_bps": stressed.spread,
                "rating_before": ratings[bonds.notch],
                "rating": ratings[stressed.notch],
                "liquidity_index_before": bonds.numbers["liquidity_index"],
                "liquidity_index": stressed.liquidity.index,
                "bid_ask_bps": stressed.liquidity.bid_ask,
                "default_chance": stressed.default_chance,
            },
            copy=False,
        )

    def plausible(self, point: FloatArray) -> BondShock:
        """Return the macro shock at a point of standard normals."""
        return plausible_shock(point)

    def profit(self, portfolio: PreparedPortfolio, shock: Any) -> float:
        """Return the profit under one shock, USD m."""
        return float(portfolio.stressed(shock).profit.sum())

    def stressed_panel(self, request: "DrawRequest", shock: BondShock) -> BondPanel:
        """Draw the panel of a request under a shock."""
        return stressed_panel(panel_settings(request), shock)

    def _worst(
        self, portfolio: PreparedPortfolio, scenario: StressScenario, severity: str
    ) -> WorstMonth[StressedBonds]:
        return WorstMonth.of(self, scenario, severity, portfolio.stressed, partial(_path_point, portfolio.bonds))


def _state(bonds: BondPortfolio, stressed: StressedBonds) -> MarketState:
    ytm = stressed.base_yield + stressed.spread / 100
    return MarketState(ytm, stressed.spread, bonds.notional * stressed.price / 100)


def _path_point(bonds: BondPortfolio, month: float, stressed: StressedBonds) -> PathPoint:
    widening = weighted_mean(bonds.weight, stressed.spread - bonds.spread)
    drop = weighted_mean(bonds.weight, bonds.numbers["liquidity_index"] - stressed.liquidity.index)
    return PathPoint(month, float(stressed.profit.sum()), {"spread_widening_bps": widening, "liquidity_drop": drop})


def _case(portfolio: PreparedPortfolio, at: WorstMonth[StressedBonds], before: TailRisk, risk: TailRisk) -> StressCase:
    bonds, stressed = portfolio.bonds, at.stressed
    profit = stressed.profit
    metrics = _metrics(portfolio, stressed) | tail_figures(before, risk)
    parts = impact_parts(
        pnl_share=float(profit.sum()) / bonds.market_value,
        widening_bps=metrics["spread_widening_bps"],
        liquidity_drop=metrics["liquidity_drop"],
        cut_share=metrics["cut_share"],
        high_yield_share=weighted_mean(bonds.weight, bonds.is_high_yield.astype(np.float64)),
    )
    return at.case(
        market_value=bonds.market_value,
        factors=FACTORS,
        metrics=metrics,
        known=METRICS,
        parts=parts,
        slices=_slices(bonds, stressed, profit),
        worst=_worst(bonds, stressed, profit),
        rounds=_rounds(portfolio.contagion, stressed),
    )


def _metrics(portfolio: PreparedPortfolio, stressed: StressedBonds) -> dict[str, float]:
    bonds, cascade = portfolio.bonds, stressed.cascade
    weight, liquidity = bonds.weight, stressed.liquidity
    calm_default = portfolio.contagion.calm_default
    exposure = bonds.notional * bonds.loss_given_default
    cut_share = float(cascade.is_cut.mean())
    losses = np.maximum(-stressed.profit, 0)
    by_issuer = np.bincount(bonds.issuer, weights=losses, minlength=bonds.n_issuers)
    held_by_issuer = np.bincount(bonds.issuer, weights=weight, minlength=bonds.n_issuers)
    largest = np.sort(losses)[::-1][: own.LARGEST_NUMBER.value].sum()
    return {
        "spread_widening_bps": weighted_mean(weight, stressed.spread - bonds.spread),
        "liquidity_drop": weighted_mean(weight, bonds.numbers["liquidity_index"] - liquidity.index),
        "bid_ask_ratio": weighted_mean(weight, liquidity.bid_ask / bonds.numbers["bid_ask_bps"]),
        "liquidation_cost": float(np.abs(bonds.notional * stressed.price / 100) @ liquidity.bid_ask) / 2e4,
        "liquidity_shock_rate": float(liquidity.shock_chance.mean()),
        "cut_share": cut_share,
        "fallen_angel_share": weighted_mean(weight, fallen_angels(portfolio.market, stressed).astype(np.float64)),
        "downgrade_rate": float(portfolio.contagion.calm_chance.mean()) + cut_share,
        "default_rate": float(np.maximum(cascade.default_chance, calm_default).mean()),
        "default_rate_before": float(calm_default.mean()),
        "expected_loss": float(exposure @ stressed.default_chance),
        "expected_loss_before": float(exposure @ calm_default[bonds.issuer]),
        "concentration": herfindahl(held_by_issuer),
        "loss_concentration": herfindahl(by_issuer),
        "top_loss_share": float(largest / losses.sum()) if losses.any() else 0.0,
        "contagion_radius": cascade.radius,
        "settled_round": float(cascade.settled_round),
    }


def _slices(bonds: BondPortfolio, stressed: StressedBonds, profit: FloatArray) -> tuple[StressedSlice, ...]:
    found = []
    weight = bonds.weight
    widening = (stressed.spread - bonds.spread) * weight
    drop = (bonds.numbers["liquidity_index"] - stressed.liquidity.index) * weight
    is_cut = stressed.notch > bonds.notch
    for slicing in SLICINGS:
        codes, names = bonds.level(slicing)
        counts = np.bincount(codes, minlength=len(names))
        sums = [
            np.bincount(codes, weights=each, minlength=len(names))
            for each in (weight, profit, widening, drop, is_cut.astype(np.float64))
        ]
        for code in np.flatnonzero(counts).tolist():
            worth, pnl, wider, less, cut = (float(each[code]) for each in sums)
            metrics = {
                "pnl": pnl,
                "pnl_share": pnl / worth if worth else 0.0,
                "spread_widening_bps": wider / worth if worth else 0.0,
                "liquidity_drop": less / worth if worth else 0.0,
                "cut_share": cut / int(counts[code]),
            }
            found.append(StressedSlice(slicing, names[code], int(counts[code]), worth, metrics))
    return tuple(found)


def _worst(bonds: BondPortfolio, stressed: StressedBonds, profit: FloatArray) -> tuple[StressedInstrument, ...]:
    order = np.argsort(profit, kind="stable")[: own.LARGEST_NUMBER.value]
    ratings = cal.RATINGS.value
    return tuple(
        StressedInstrument(
            name=str(bonds.names[row]),
            labels={
                "issuer": str(bonds.issuers[bonds.issuer[row]]),
                "sector": SECTOR_NAMES[bonds.codes["sector"][row]],
                "rating": ratings[bonds.notch[row]],
                "rating_after": ratings[stressed.notch[row]],
            },
            value=float(bonds.value[row]),
            pnl=float(profit[row]),
            factors=dict(zip(FACTORS, stressed.factors[:, row].tolist(), strict=True)),
            figures={
                "price": float(bonds.price[row]),
                "price_after": float(stressed.price[row]),
                "spread_bps": float(bonds.spread[row]),
                "spread_after_bps": float(stressed.spread[row]),
            },
        )
        for row in order.tolist()
        if profit[row] < 0
    )


def _rounds(contagion: Contagion, stressed: StressedBonds) -> tuple[ContagionRound, ...]:
    found, total = [], 0
    for number, each in enumerate(stressed.cascade.rounds):
        sectors = np.bincount(contagion.sector[each.cut], minlength=len(SECTOR_NAMES))
        total += int(each.cut.sum())
        by_sector = {SECTOR_NAMES[code]: int(sectors[code]) for code in np.flatnonzero(sectors).tolist()}
        found.append(ContagionRound(number, int(each.cut.sum()), total, by_sector))
    return tuple(found) if total else ()


ENGINE = BondStressEngine()
