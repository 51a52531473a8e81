"""One row per bond and review: everything a vendor would publish of it, and the truth behind it."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from core.data.bonds import calibration as cal
from core.data.bonds.arrays import BoolArray, FloatArray, IntArray, stream, systematic_sample
from core.data.bonds.instruments import Dates, month_end, years_between
from core.data.bonds.issuers import (
    REGION_NAMES,
    SECTOR_NAMES,
    in_sectors,
    is_high_yield,
    settled_outlook,
)
from core.data.bonds.labels import frailty_integrated, liquidity_shock_odds
from core.data.bonds.liquidity import draw_liquidity
from core.data.bonds.settings import PanelSettings
from core.data.bonds.spread import (
    LN_VARIANCE,
    SpreadInputs,
    esg_location,
    esg_missing_probability,
    expected_spread,
)
from core.data.bonds.world import World

Columns = dict[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Observation:
    """Clean rows, a bond's years one after the other; every array has shape (n_rows,)."""

    published: Columns  # by column name; categories as codes
    truth: Columns
    issuer: IntArray
    bond: IntArray
    bond_number: IntArray
    notch: IntArray
    maturity_years: FloatArray
    as_of: Dates
    follows_itself: BoolArray  # the row before is the same bond a year earlier


@dataclass(frozen=True, slots=True)
class _EsgScores:
    """Scores by issuer and year, shape (n_issuers, 5)."""

    score: FloatArray
    pillars: FloatArray  # (3, n_issuers, 5)
    provider2: FloatArray
    observed: BoolArray
    second_observed: BoolArray
    mean_given_rest: FloatArray
    sd_given_rest: FloatArray


def observe(settings: PanelSettings, world: World) -> Observation:
    """Publish every row of the world, without any fault."""
    bonds, issuers, history, path = world.bonds, world.issuers, world.history, world.path
    bond, year = world.row_bond, world.row_year
    issuer = bonds.issuer[bond]
    at = (issuer, year)
    month, notch = history.month[at], history.notch[at]
    sector, region = issuers.sector[issuer], issuers.region[issuer]
    as_of = month_end(path.months[month])
    maturity = years_between(as_of, bonds.maturity_date[bond])
    age = years_between(bonds.issue_date[bond], as_of)
    size = bonds.issue_size[bond]
    cycle = path.credit_cycle[month]
    outlook = settled_outlook(world.reviews.outlook[at], notch)
    high_yield = is_high_yield(notch)
    fund_ownership = np.minimum(
        bonds.fund_ownership_base[bond] + cal.FUND_OWNERSHIP.value["high_yield"] * high_yield, 1
    )

    liquidity = draw_liquidity(
        stream(settings.seed, "liquidity"),
        notch=notch,
        issue_size=size,
        age_years=age,
        maturity=maturity,
        cycle=cycle,
        liq_shift=settings.liq_shift,
    )
    scores = _draw_esg(settings, world)
    s_full, s_opt = expected_spread(
        SpreadInputs(
            notch=notch,
            maturity=maturity,
            seniority=bonds.seniority[bond],
            sector=sector,
            region=region,
            currency=bonds.currency[bond],
            outlook=outlook,
            callable=bonds.callable[bond],
            z_leverage=world.reviews.z_leverage[at],
            z_coverage=world.reviews.z_coverage[at],
            sentiment=world.reviews.sentiment[at],
            liquidity_index=liquidity.liquidity_index,
            policy_rate=path.policy_rate[month],
            cpi_yoy=path.cpi_yoy[month],
            fx_vol=path.fx_vol[month],
            cycle=cycle,
        ),
        scores.score[at],
        esg_observed=scores.observed[at],
        esg_mean=scores.mean_given_rest[at],
        esg_sd=scores.sd_given_rest[at],
    )
    effects = _spread_effects(settings, world, issuer, bond, year, sector, region, month)
    clean_spread = _draw_spread(settings, s_full, effects)
    eta_liquidity = liquidity_shock_odds(
        notch=notch,
        cycle=cycle,
        ln_vix=path.ln_vix[month],
        bid_ask_bps=liquidity.bid_ask_bps,
        fund_ownership=fund_ownership,
        issue_size=size,
        age_years=age,
        dealer_inventory_z=path.dealer_inventory_z[month],
    )
    p_liquidity = expit(eta_liquidity)
    shock = stream(settings.seed, "liquidity shocks").random(len(bond)) < p_liquidity

    leverage, coverage = cal.LEVERAGE.value, cal.COVERAGE.value
    assets = cal.LOG_ASSETS.value
    published: Columns = {
        "issue_date": bonds.issue_date[bond],
        "maturity_date": bonds.maturity_date[bond],
        "sector": sector,
        "region": region,
        "country": issuers.country[issuer],
        "currency": bonds.currency[bond],
        "seniority": bonds.seniority[bond],
        "outlook": outlook,
        "age_years": age,
        "original_tenor": bonds.tenor[bond],
        "coupon_pct": bonds.coupon_pct[bond],
        "issue_size_musd": size,
        "face": bonds.face[bond],
        "callable": bonds.callable[bond],
        "coupon_type": (bonds.coupon_pct[bond] == 0).astype(np.int64),
        "leverage_x": np.exp(leverage["notch"] * notch + leverage["sd"] * world.reviews.z_leverage[at]),
        "interest_coverage_x": coverage["top"]
        * np.exp(coverage["notch"] * notch + coverage["sd"] * world.reviews.z_coverage[at]),
        "debt_due_12m": world.reviews.debt_due[at],
        "log_assets": assets["mean"] + assets["sd"] * issuers.size_z[issuer],
        "esg_score": np.where(scores.observed[at], scores.score[at], np.nan),
        "esg_provider2": np.where(scores.second_observed[at], scores.provider2[at], np.nan),
        "fund_ownership": fund_ownership,
        "news_sentiment": world.reviews.sentiment[at],
        "market_implied_gap": world.reviews.gap[at],
        "policy_rate": path.policy_rate[month],
        "slope": path.slope[month],
        "cpi_yoy": path.cpi_yoy[month],
        "fx_vol": path.fx_vol[month],
        "credit_cycle": cycle,
        "vix": np.exp(path.ln_vix[month]),
        "dealer_inventory_z": path.dealer_inventory_z[month],
        "recent_downgrade": history.recent_downgrade[at],
        "downgrade_12m": history.downgraded[at].astype(np.int64),
        "upgrade_12m": history.upgraded[at].astype(np.int64),
        "default_12m": history.defaulted[at].astype(np.int64),
        "liquidity_shock_1m": shock.astype(np.int64),
        "rating_next": history.next_notch[at],
        **liquidity._asdict(),
        **_alternative_data(settings, world, at, sector),
    }
    for name, pillar in zip(("esg_e", "esg_s", "esg_g"), scores.pillars, strict=True):
        published[name] = np.where(scores.observed[at], pillar[at], np.nan)
    eta_down = history.eta_down[at]
    truth: Columns = {
        "s_full": s_full,
        "s_opt": s_opt,
        "eta_down": eta_down,
        "p_down": frailty_integrated(eta_down),
        "p_liq": p_liquidity,
        **effects,
        "clean_spread": clean_spread,
        "clean_rating_num": notch,
    }
    return Observation(
        published=published,
        truth=truth,
        issuer=issuer,
        bond=bond,
        bond_number=bonds.number[bond],
        notch=notch,
        maturity_years=maturity,
        as_of=as_of,
        follows_itself=np.concatenate(([False], bond[1:] == bond[:-1])),
    )


def _spread_effects(
    settings: PanelSettings,
    world: World,
    issuer: IntArray,
    bond: IntArray,
    year: IntArray,
    sector: IntArray,
    region: IntArray,
    month: IntArray,
) -> Columns:
    """Return the parts of the multiplicative noise that rows share.

    The effects of a month belong to the panel's seed, so that new issuers on the same macro path see new ones.
    """
    rng = stream(settings.seed, "month effects")
    n_months, sd = world.path.n_months, cal.SPREAD_SD.value
    by_sector = sd["sector_month"] * rng.standard_normal((len(SECTOR_NAMES), n_months))
    by_region = sd["region_month"] * rng.standard_normal((len(REGION_NAMES), n_months))
    panel_month = month - world.path.n_history
    return {
        "u_issuer": world.issuers.u_issuer[issuer],
        "u_issuer_year": world.reviews.u_issuer_year[issuer, year],
        "u_bond": world.bonds.u_bond[bond],
        "u_sector_month": by_sector[sector, panel_month],
        "u_region_month": by_region[region, panel_month],
    }


def _draw_spread(settings: PanelSettings, s_full: FloatArray, effects: Columns) -> FloatArray:
    """Draw y = s exp(m - var/2) + noise, whose mean given s is s."""
    rng = stream(settings.seed, "spread noise")
    own, additive = rng.standard_normal((2, len(s_full)))
    m = sum(effects.values()) + cal.SPREAD_SD.value["idiosyncratic"] * own
    spread: FloatArray = s_full * np.exp(m - LN_VARIANCE / 2) + settings.noise_add * additive + settings.spread_shift
    return spread


def _draw_esg(settings: PanelSettings, world: World) -> _EsgScores:
    """Draw the scores of both providers, and which of them are published.

    Where the first provider is silent, what is known of its score comes from rating and region, and from the
    second provider if that one speaks.
    """
    rng = stream(settings.seed, "esg")
    law, missing = cal.ESG.value, cal.ESG_MISSING.value
    issuers, history = world.issuers, world.history
    shape = history.notch.shape
    location = esg_location(history.notch, issuers.region[:, None])
    score = np.clip(location + law["sd"] * world.reviews.z_esg, 0, 100)
    pillars = np.clip(score + law["pillar_sd"] * rng.standard_normal((3, *shape)), 0, 100)
    agreement = law["provider_correlation"]
    second_z = agreement * world.reviews.z_esg + np.sqrt(1 - agreement**2) * rng.standard_normal(shape)
    second = np.clip(location + law["sd"] * second_z, 0, 100)
    silent = esg_missing_probability(
        settings.esg_base,
        issuers.size_z[:, None],
        is_high_yield(history.notch),
        issuers.region[:, None],
        issuers.sector[:, None],
    )
    n_rows = np.zeros(shape, dtype=np.int64)
    np.add.at(n_rows, (world.bonds.issuer[world.row_bond], world.row_year), 1)
    seen = n_rows > 0
    observed = np.ones(shape, dtype=np.bool_)
    observed[seen] = ~systematic_sample(rng, silent[seen], n_rows[seen])
    second_observed = rng.random(shape) >= missing["second_provider"]
    informed = second_observed * agreement
    return _EsgScores(
        score=score,
        pillars=pillars,
        provider2=second,
        observed=observed,
        second_observed=second_observed,
        mean_given_rest=location + informed * (second - location),
        sd_given_rest=law["sd"] * np.sqrt(1 - informed**2),
    )


def _alternative_data(
    settings: PanelSettings, world: World, at: tuple[IntArray, IntArray], sector: IntArray
) -> Columns:
    """Draw the alternative data; none of it tells anything that sentiment does not."""
    rng = stream(settings.seed, "alternative data")
    shape, law = world.history.notch.shape, cal.ALTERNATIVE_DATA.value
    traffic, satellite, supplier = rng.standard_normal((3, *shape))
    correlation = law["web_traffic_correlation"]
    followed = in_sectors(sector, cal.SATELLITE_SECTORS.value)
    return {
        "web_traffic_z": correlation * world.reviews.sentiment[at] + np.sqrt(1 - correlation**2) * traffic[at],
        "news_count": rng.poisson(law["news_per_year"], shape)[at],
        "satellite_activity": np.where(followed, satellite[at], np.nan),
        "supplier_stress": supplier[at],
    }
