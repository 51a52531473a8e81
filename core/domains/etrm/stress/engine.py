"""The stress engine of energy trading: scenarios in, cases out."""

import itertools
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pandas as pd

from core.arrays import AnyArray, FloatArray, IntArray
from core.domains.etrm.deals.settings import DealSettings
from core.domains.etrm.domain import price_seed
from core.domains.etrm.stress import calibration as own
from core.domains.etrm.stress.impact import impact_parts
from core.domains.etrm.stress.plausible import N_FACTORS, plausible_shock
from core.domains.etrm.stress.portfolio import EnergyPortfolio
from core.domains.etrm.stress.redraw import stressed_deals
from core.domains.etrm.stress.revaluation import COMMODITIES, FACTORS, StressedPositions, leaving_cost, revalue
from core.domains.etrm.stress.scenarios import ENERGY_SCENARIOS
from core.domains.etrm.stress.shock import HUB_NAMES, EtrmShock, combined, scaled
from core.domains.etrm.stress.tail_risk import calm_state, stressed_state, tail_risks
from core.domains.portfolio_figures import TailRisk, herfindahl, weighted_mean
from core.domains.stress import (
    PathPoint,
    StressCase,
    StressedInstrument,
    StressedSlice,
    StressMetric,
    StressScenario,
)
from core.domains.stress_cases import WorstMonth, tail_figures
from core.errors import UsageError
from core.models.interface import Panel

if TYPE_CHECKING:
    from core.domains.domain import DrawRequest
    from core.tables import Table

SLICINGS = ("commodity", "hub", "book", "delivery")
METRICS = (
    StressMetric("price_move", "move of prices, by gross value", "log"),
    StressMetric("basis_move", "move of hubs against their commodity, by gross value", "log"),
    StressMetric("turnover_share", "all that moved, wins as well as losses", "share"),
    StressMetric("negative_share", "at a price below zero, by gross value", "share"),
    StressMetric("liquidation_cost", "half the bid-ask of everything", "EUR m"),
    StressMetric("liquidation_cost_before", "half the bid-ask of everything, before", "EUR m"),
    StressMetric("frozen_share", "cannot be left, by gross value", "share"),
    StressMetric("var95", "VaR 95 %, a month", "EUR m"),
    StressMetric("var99", "VaR 99 %, a month", "EUR m"),
    StressMetric("es975", "ES 97.5 %, a month", "EUR m"),
    StressMetric("var95_before", "VaR 95 %, before", "EUR m"),
    StressMetric("var99_before", "VaR 99 %, before", "EUR m"),
    StressMetric("es975_before", "ES 97.5 %, before", "EUR m"),
    StressMetric("concentration", "Herfindahl index of gross value by hub", "1"),
    StressMetric("loss_concentration", "Herfindahl index of losses by hub", "1"),
    StressMetric("top_loss_share", "ten largest losses", "share"),
)


class EtrmStressEngine:
    """Stress tests of energy positions."""

    scenarios = ENERGY_SCENARIOS
    shock = EtrmShock
    metrics = METRICS
    value_unit = "EUR m"
    n_plausible = N_FACTORS

    def combined(self, shocks: Sequence[EtrmShock]) -> EtrmShock:
        """Return several shocks at once."""
        return combined(shocks)

    def scaled(self, shock: EtrmShock, share: float) -> EtrmShock:
        """Return a share of a shock."""
        return scaled(shock, share)

    def portfolio(self, table: "Table") -> EnergyPortfolio:
        """Read positions from a table."""
        held = EnergyPortfolio.of_table(table)
        if not held.market_value:
            raise table.error("no position has a value", "Write quantities and prices that are not 0.")
        return held

    def drawn_portfolio(self, frame: pd.DataFrame) -> EnergyPortfolio:
        """Hold the deals of a panel, or positions in the columns of `positions.csv`."""
        held = (EnergyPortfolio.of_deals if "deal_id" in frame else EnergyPortfolio.of_positions)(frame)
        if not held.market_value:
            raise UsageError("no position has a value")
        return held

    def run(
        self, portfolio: EnergyPortfolio, scenarios: Sequence[StressScenario], severities: Sequence[str]
    ) -> tuple[StressCase, ...]:
        """Stress a portfolio: every scenario at every severity, in this order."""
        worst = [self._worst(portfolio, scenario, severity) for scenario in scenarios for severity in severities]
        states = [calm_state(portfolio), *(stressed_state(portfolio, at.stressed) for at in worst)]
        calm, *risks = tail_risks(portfolio, states)
        return tuple(_case(portfolio, at, calm, risk) for at, risk in zip(worst, risks, strict=True))

    def instruments(self, portfolio: EnergyPortfolio, scenario: StressScenario, severity: str) -> pd.DataFrame:
        """Return every position under one scenario, at the month of the largest loss."""
        stressed = self._worst(portfolio, scenario, severity).stressed
        return pd.DataFrame(
            {
                "position": portfolio.names,
                "book": portfolio.book,
                "commodity": np.array(COMMODITIES, dtype=object)[portfolio.commodity],
                "hub": np.array(HUB_NAMES, dtype=object)[portfolio.hub],
                "net_quantity_units": portfolio.net,
                "value": portfolio.value,
                "pnl": stressed.profit,
                **dict(zip(FACTORS, stressed.factors, strict=True)),
                "price_before": portfolio.forward,
                "price": stressed.price,
                "liquidation_cost": stressed.cost,
            },
            copy=False,
        )

    def plausible(self, point: FloatArray) -> EtrmShock:
        """Return the shock at a point of standard normals."""
        return plausible_shock(point)

    def profit(self, portfolio: EnergyPortfolio, shock: Any) -> float:
        """Return the profit under one shock, EUR m."""
        return float(revalue(portfolio, shock).profit.sum())

    def stressed_panel(self, request: "DrawRequest", shock: EtrmShock) -> Panel:
        """Draw the deals of a request under a shock."""
        settings = cast(DealSettings, request.settings)
        return stressed_deals(request.n_rows, request.seed, price_seed(request), settings, shock)

    def _worst(self, held: EnergyPortfolio, scenario: StressScenario, severity: str) -> WorstMonth[StressedPositions]:
        return WorstMonth.of(self, scenario, severity, partial(revalue, held), partial(_path_point, held))


def _path_point(held: EnergyPortfolio, month: float, stressed: StressedPositions) -> PathPoint:
    price_move = weighted_mean(held.value, np.abs(stressed.common_move))
    return PathPoint(
        month,
        float(stressed.profit.sum()),
        {"price_move": price_move, "liquidation_cost": float(stressed.cost.sum())},
    )


def _case(held: EnergyPortfolio, at: WorstMonth[StressedPositions], before: TailRisk, risk: TailRisk) -> StressCase:
    stressed = at.stressed
    profit = stressed.profit
    metrics = _metrics(held, stressed, profit) | tail_figures(before, risk)
    parts = impact_parts(
        pnl_share=float(profit.sum()) / held.market_value,
        risk_increase=risk.es975 / before.es975 - 1 if before.es975 > 0 else 0.0,
        basis_move=metrics["basis_move"],
        cost_increase=(metrics["liquidation_cost"] - metrics["liquidation_cost_before"]) / held.market_value,
    )
    return at.case(
        market_value=held.market_value,
        factors=FACTORS,
        metrics=metrics,
        known=METRICS,
        parts=parts,
        slices=_slices(held, stressed, profit),
        worst=_worst(held, stressed, profit),
    )


def _metrics(held: EnergyPortfolio, stressed: StressedPositions, profit: FloatArray) -> dict[str, float]:
    value, losses = held.value, np.maximum(-profit, 0)
    before = calm_state(held)
    frozen = np.array([stressed.shock.hub_freeze.get(name, 0.0) for name in HUB_NAMES])[held.hub]
    largest = np.sort(losses)[::-1][: own.LARGEST_NUMBER.value].sum()
    return {
        "price_move": weighted_mean(value, np.abs(stressed.common_move)),
        "basis_move": weighted_mean(value, np.abs(stressed.hub_move)),
        "turnover_share": float(np.abs(profit).sum()) / held.market_value,
        "negative_share": weighted_mean(value, (stressed.price < 0).astype(np.float64)),
        "liquidation_cost": float(stressed.cost.sum()),
        "liquidation_cost_before": float(leaving_cost(held, before.shifted, before.unit.delta).sum()),
        "frozen_share": weighted_mean(value, frozen),
        "concentration": herfindahl(np.bincount(held.hub, weights=value)),
        "loss_concentration": herfindahl(np.bincount(held.hub, weights=losses)),
        "top_loss_share": float(largest / losses.sum()) if losses.any() else 0.0,
    }


def _levels(held: EnergyPortfolio, slicing: str) -> tuple[IntArray, Sequence[Any]]:
    """Return the codes of a slicing, and its levels."""
    if slicing == "commodity":
        return held.commodity, COMMODITIES
    if slicing == "hub":
        return held.hub, HUB_NAMES
    if slicing == "book":
        books, codes = np.unique(held.book.astype(str), return_inverse=True)
        return codes.astype(np.int64), books.tolist()
    bounds = own.DELIVERY_BUCKETS.value
    names = [f"to {bounds[0]:g} y", *(f"{low:g}-{high:g} y" for low, high in itertools.pairwise(bounds))]
    return np.searchsorted(bounds, held.years, side="left").astype(np.int64), [*names, f"over {bounds[-1]:g} y"]


def _slices(held: EnergyPortfolio, stressed: StressedPositions, profit: FloatArray) -> tuple[StressedSlice, ...]:
    found = []
    for slicing in SLICINGS:
        codes, names = _levels(held, slicing)
        counts = np.bincount(codes, minlength=len(names))
        worth, pnl, cost = (
            np.bincount(codes, weights=each, minlength=len(names)) for each in (held.value, profit, stressed.cost)
        )
        for code in np.flatnonzero(counts).tolist():
            metrics = {
                "pnl": float(pnl[code]),
                "pnl_share": float(pnl[code] / worth[code]) if worth[code] else 0.0,
                "liquidation_cost": float(cost[code]),
            }
            found.append(StressedSlice(slicing, str(names[code]), int(counts[code]), float(worth[code]), metrics))
    return tuple(found)


def _worst(held: EnergyPortfolio, stressed: StressedPositions, profit: FloatArray) -> tuple[StressedInstrument, ...]:
    order: AnyArray = np.argsort(profit, kind="stable")[: own.LARGEST_NUMBER.value]
    return tuple(
        StressedInstrument(
            name=str(held.names[row]),
            labels={
                "commodity": COMMODITIES[held.commodity[row]],
                "hub": HUB_NAMES[held.hub[row]],
                "book": str(held.book[row]),
                "side": "long" if held.net[row] >= 0 else "short",
            },
            value=float(held.value[row]),
            pnl=float(profit[row]),
            factors=dict(zip(FACTORS, stressed.factors[:, row].tolist(), strict=True)),
            figures={
                "price": float(held.forward[row]),
                "price_after": float(stressed.price[row]),
                "units": float(held.net[row]),
            },
        )
        for row in order.tolist()
        if profit[row] < 0
    )


ENGINE = EtrmStressEngine()
