"""One row per bond and review: all columns that a vendor would publish, and the truth behind them."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.special import expit

from core.arrays import AnyArray, BoolArray, DateArray, FloatArray, IntArray
from core.domains.bonds.data import calibration as cal
from core.domains.bonds.data.esg import EsgScores, draw_esg
from core.domains.bonds.data.instruments import month_end, years_between
from core.domains.bonds.data.issuers import REGION_NAMES, SECTOR_NAMES, in_sectors, is_high_yield, settled_outlook
from core.domains.bonds.data.labels import frailty_integrated, liquidity_shock_odds
from core.domains.bonds.data.liquidity import Liquidity, draw_liquidity
from core.domains.bonds.data.pricing import base_yield
from core.domains.bonds.data.settings import PanelSettings
from core.domains.bonds.data.spread import LN_VARIANCE, SpreadInputs, expected_spread
from core.domains.bonds.data.world import World
from core.domains.draws import stream

Columns = dict[str, AnyArray]


class PanelRows:
    """The rows of a world: their positions in its arrays, and the inputs that several columns share."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.bond = world.row_bond
        self.issuer = world.bonds.issuer[self.bond]
        self.at = (self.issuer, world.row_year)  # into arrays by issuer and year
        self.month = world.history.month[self.at]  # into the macro path
        self.notch = world.history.notch[self.at]
        self.sector = world.issuers.sector[self.issuer]
        self.region = world.issuers.region[self.issuer]
        self.outlook = settled_outlook(world.reviews.outlook[self.at], self.notch)
        self.as_of: DateArray = month_end(world.path.months[self.month])
        self.maturity_years = years_between(self.as_of, world.bonds.maturity_date[self.bond])
        self.age_years = years_between(world.bonds.issue_date[self.bond], self.as_of)
        self.issue_size = world.bonds.issue_size[self.bond]
        self.cycle = world.path.credit_cycle[self.month]

    @cached_property
    def fund_ownership(self) -> FloatArray:
        """Share of the bond held by funds; higher for speculative grade."""
        more = cal.FUND_OWNERSHIP.value["high_yield"] * is_high_yield(self.notch)
        share: FloatArray = np.minimum(self.world.bonds.fund_ownership_base[self.bond] + more, 1)
        return share


@dataclass(frozen=True, slots=True)
class Observation:
    """Clean rows, with a bond's years in sequence; every array has shape (n_rows,)."""

    published: Columns  # by column name; categories as codes
    truth: Columns
    issuer: IntArray
    bond: IntArray
    bond_number: IntArray
    notch: IntArray
    maturity_years: FloatArray
    as_of: DateArray
    follows_itself: BoolArray  # the previous row is the same bond a year earlier


@dataclass(frozen=True, slots=True)
class MarketMoves:
    """What moves a market beside its macro path, its reviews and its ratings; by default nothing.

    Attributes:
        ln_bid_ask: Added to the log of every bid-ask.
        ln_turnover: Added to the log of every turnover.
        base_yield: Added to the base yield of a maturity in years, %.
        ln_spread: Added to the log of every expected spread, by sector.
        spread_bps: Added to every expected spread.
        ln_spread_of_funds: Added to the log of the expected spreads of bonds that funds own most of.
        fund_owned_above: The quantile of fund ownership from which they do.
    """

    ln_bid_ask: float = 0.0
    ln_turnover: float = 0.0
    base_yield: Callable[[FloatArray], FloatArray] = np.zeros_like
    ln_spread: tuple[float, ...] = (0.0,) * len(SECTOR_NAMES)
    spread_bps: float = 0.0
    ln_spread_of_funds: float = 0.0
    fund_owned_above: float = 1.0


UNMOVED = MarketMoves()


def observe(settings: PanelSettings, world: World, moves: MarketMoves = UNMOVED) -> Observation:
    """Build every row of the world, without faults.

    Args:
        settings: Of the panel.
        world: The world.
        moves: What moves the market.
    """
    rows = PanelRows(world)
    liquidity = draw_liquidity(
        stream(settings.seed, "liquidity"),
        notch=rows.notch,
        issue_size=rows.issue_size,
        age_years=rows.age_years,
        maturity=rows.maturity_years,
        cycle=rows.cycle,
        liq_shift=settings.liq_shift,
        ln_bid_ask=moves.ln_bid_ask,
        ln_turnover=moves.ln_turnover,
    )
    esg = draw_esg(settings.seed, settings.esg_base, world)
    s_full, s_opt = expected_spread(
        _spread_inputs(rows, liquidity),
        esg.score[rows.at],
        esg_observed=esg.observed[rows.at],
        esg_mean=esg.mean_given_rest[rows.at],
        esg_sd=esg.sd_given_rest[rows.at],
    )
    moved = _moved_spread(rows, moves)
    s_full, s_opt = s_full * moved + moves.spread_bps, s_opt * moved + moves.spread_bps
    effects = _spread_effects(settings.seed, rows)
    p_liquidity = _liquidity_shock_chance(rows, liquidity)
    eta_down = world.history.eta_down[rows.at]
    truth: Columns = {
        "s_full": s_full,
        "s_opt": s_opt,
        "eta_down": eta_down,
        "p_down": frailty_integrated(eta_down),
        "p_liq": p_liquidity,
        **effects,
        "clean_spread": _draw_spread(settings, s_full, effects),
        "clean_rating_num": rows.notch,
    }
    shocked = stream(settings.seed, "liquidity shocks").random(len(rows.bond)) < p_liquidity
    published: Columns = {
        **_instrument_columns(rows),
        **_issuer_columns(rows),
        **_esg_columns(rows, esg),
        **liquidity._asdict(),
        **_alternative_data(settings.seed, rows),
        **_macro_columns(rows, moves),
        **_label_columns(rows),
        "liquidity_shock_1m": shocked.astype(np.int64),
    }
    return Observation(
        published=published,
        truth=truth,
        issuer=rows.issuer,
        bond=rows.bond,
        bond_number=world.bonds.number[rows.bond],
        notch=rows.notch,
        maturity_years=rows.maturity_years,
        as_of=rows.as_of,
        follows_itself=np.concatenate(([False], rows.bond[1:] == rows.bond[:-1])),
    )


def _moved_spread(rows: PanelRows, moves: MarketMoves) -> FloatArray:
    """Return the factor by which moves multiply each expected spread."""
    ln_factor = np.array(moves.ln_spread)[rows.sector]
    if moves.ln_spread_of_funds:
        owned = rows.fund_ownership
        most = owned > np.quantile(owned, moves.fund_owned_above)
        ln_factor = ln_factor + moves.ln_spread_of_funds * most
    return np.asarray(np.exp(ln_factor))


def _spread_inputs(rows: PanelRows, liquidity: Liquidity) -> SpreadInputs:
    bonds, reviews, path = rows.world.bonds, rows.world.reviews, rows.world.path
    return SpreadInputs(
        notch=rows.notch,
        maturity=rows.maturity_years,
        seniority=bonds.seniority[rows.bond],
        sector=rows.sector,
        region=rows.region,
        currency=bonds.currency[rows.bond],
        outlook=rows.outlook,
        callable=bonds.callable[rows.bond],
        z_leverage=reviews.z_leverage[rows.at],
        z_coverage=reviews.z_coverage[rows.at],
        sentiment=reviews.sentiment[rows.at],
        liquidity_index=liquidity.liquidity_index,
        policy_rate=path.policy_rate[rows.month],
        cpi_yoy=path.cpi_yoy[rows.month],
        fx_vol=path.fx_vol[rows.month],
        cycle=rows.cycle,
    )


def _spread_effects(seed: int, rows: PanelRows) -> Columns:
    """Return the shared parts of the multiplicative noise.

    Month effects belong to the panel's seed, so that new issuers on the same macro path get new month effects.
    """
    rng, world = stream(seed, "month effects"), rows.world
    n_months, sd = world.path.n_months, cal.SPREAD_SD.value
    by_sector = sd["sector_month"] * rng.standard_normal((len(SECTOR_NAMES), n_months))
    by_region = sd["region_month"] * rng.standard_normal((len(REGION_NAMES), n_months))
    panel_month = rows.month - world.path.n_history
    return {
        "u_issuer": world.issuers.u_issuer[rows.issuer],
        "u_issuer_year": world.reviews.u_issuer_year[rows.at],
        "u_bond": world.bonds.u_bond[rows.bond],
        "u_sector_month": by_sector[rows.sector, panel_month],
        "u_region_month": by_region[rows.region, panel_month],
    }


def _draw_spread(settings: PanelSettings, s_full: FloatArray, effects: Columns) -> FloatArray:
    """Draw y = s exp(m - var/2) + noise, whose mean given s is s."""
    own, additive = stream(settings.seed, "spread noise").standard_normal((2, len(s_full)))
    m = sum(effects.values()) + cal.SPREAD_SD.value["idiosyncratic"] * own
    spread: FloatArray = s_full * np.exp(m - LN_VARIANCE / 2) + settings.noise_add * additive + settings.spread_shift
    return spread


def _liquidity_shock_chance(rows: PanelRows, liquidity: Liquidity) -> FloatArray:
    path = rows.world.path
    chance: FloatArray = expit(
        liquidity_shock_odds(
            notch=rows.notch,
            cycle=rows.cycle,
            ln_vix=path.ln_vix[rows.month],
            bid_ask_bps=liquidity.bid_ask_bps,
            fund_ownership=rows.fund_ownership,
            issue_size=rows.issue_size,
            age_years=rows.age_years,
            dealer_inventory_z=path.dealer_inventory_z[rows.month],
        )
    )
    return chance


def _instrument_columns(rows: PanelRows) -> Columns:
    bonds, bond = rows.world.bonds, rows.bond
    return {
        "issue_date": bonds.issue_date[bond],
        "maturity_date": bonds.maturity_date[bond],
        "first_call_date": bonds.first_call_date[bond],
        "currency": bonds.currency[bond],
        "seniority": bonds.seniority[bond],
        "age_years": rows.age_years,
        "original_tenor": bonds.tenor[bond],
        "coupon_pct": bonds.coupon_pct[bond],
        "issue_size_musd": rows.issue_size,
        "face": bonds.face[bond],
        "callable": bonds.callable[bond],
        "coupon_type": (bonds.coupon_pct[bond] == 0).astype(np.int64),
        "fund_ownership": rows.fund_ownership,
    }


def _issuer_columns(rows: PanelRows) -> Columns:
    issuers, reviews = rows.world.issuers, rows.world.reviews
    leverage, coverage, assets = cal.LEVERAGE.value, cal.COVERAGE.value, cal.LOG_ASSETS.value
    ln_leverage = leverage["notch"] * rows.notch + leverage["sd"] * reviews.z_leverage[rows.at]
    ln_coverage = coverage["notch"] * rows.notch + coverage["sd"] * reviews.z_coverage[rows.at]
    return {
        "sector": rows.sector,
        "region": rows.region,
        "country": issuers.country[rows.issuer],
        "outlook": rows.outlook,
        "leverage_x": np.exp(ln_leverage),
        "interest_coverage_x": coverage["top"] * np.exp(ln_coverage),
        "debt_due_12m": reviews.debt_due[rows.at],
        "log_assets": assets["mean"] + assets["sd"] * issuers.size_z[rows.issuer],
        "news_sentiment": reviews.sentiment[rows.at],
        "market_implied_gap": reviews.gap[rows.at],
        "recent_downgrade": rows.world.history.recent_downgrade[rows.at],
    }


def _esg_columns(rows: PanelRows, esg: EsgScores) -> Columns:
    first = dict(zip(("esg_score", "esg_e", "esg_s", "esg_g"), (esg.score, *esg.pillars), strict=True))
    columns: Columns = {name: np.where(esg.observed[rows.at], score[rows.at], np.nan) for name, score in first.items()}
    columns["esg_provider2"] = np.where(esg.second_observed[rows.at], esg.provider2[rows.at], np.nan)
    return columns


def _alternative_data(seed: int, rows: PanelRows) -> Columns:
    """Draw the alternative data, which add no information to sentiment."""
    rng = stream(seed, "alternative data")
    shape, law = rows.world.history.notch.shape, cal.ALTERNATIVE_DATA.value
    traffic, satellite, supplier = rng.standard_normal((3, *shape))
    correlation = law["web_traffic_correlation"]
    followed = in_sectors(rows.sector, cal.SATELLITE_SECTORS.value)
    sentiment = rows.world.reviews.sentiment[rows.at]
    return {
        "web_traffic_z": correlation * sentiment + np.sqrt(1 - correlation**2) * traffic[rows.at],
        "news_count": rng.poisson(law["news_per_year"], shape)[rows.at],
        "satellite_activity": np.where(followed, satellite[rows.at], np.nan),
        "supplier_stress": supplier[rows.at],
    }


def _macro_columns(rows: PanelRows, moves: MarketMoves) -> Columns:
    path, month = rows.world.path, rows.month
    return {
        "policy_rate": path.policy_rate[month],
        "slope": path.slope[month],
        "cpi_yoy": path.cpi_yoy[month],
        "fx_vol": path.fx_vol[month],
        "credit_cycle": rows.cycle,
        "vix": np.exp(path.ln_vix[month]),
        "dealer_inventory_z": path.dealer_inventory_z[month],
        "base_yield_pct": _base_yield(rows) + moves.base_yield(rows.maturity_years),
    }


def _base_yield(rows: PanelRows) -> FloatArray:
    """Return the base yield of each bond's own currency at its maturity, in %."""
    path, at = rows.world.path, (rows.world.bonds.currency[rows.bond], rows.month)
    return base_yield(path.currency_rate[at], path.currency_slope[at], rows.maturity_years)


def _label_columns(rows: PanelRows) -> Columns:
    history, at = rows.world.history, rows.at
    return {
        "downgrade_12m": history.downgraded[at].astype(np.int64),
        "upgrade_12m": history.upgraded[at].astype(np.int64),
        "default_12m": history.defaulted[at].astype(np.int64),
        "rating_next": history.next_notch[at],
    }
