"""A panel under a shock: the same issuers, bonds and random numbers, with covariates moved and labels drawn again.

Ratings, reviews and the macro path of every row are moved by the shock, and the laws of the generator are applied to
what results: the truth of a stressed row is known exactly, and owes nothing to any model. Contagion has one round here:
it adds to the log-odds of whoever was not cut at once.
"""

from dataclasses import replace

import numpy as np

from core.arrays import FloatArray, IntArray
from core.domains.bonds.data import anomalies
from core.domains.bonds.data import calibration as cal
from core.domains.bonds.data.history import redrawn
from core.domains.bonds.data.instruments import CURRENCY_NAMES
from core.domains.bonds.data.issuers import CYCLICALITY, EMERGING, REGION_NAMES, SECTOR_NAMES, Reviews
from core.domains.bonds.data.macro import MacroPath
from core.domains.bonds.data.observation import MarketMoves
from core.domains.bonds.data.panel import BondPanel, panel_of
from core.domains.bonds.data.ratings import N_LIVE
from core.domains.bonds.data.settings import PanelSettings
from core.domains.bonds.data.world import World, draw_world
from core.domains.bonds.stress import calibration as own
from core.domains.bonds.stress.shock import BondShock

_RATE_BETA, _SLOPE_BETA = (
    np.array([[getattr(cal.CURRENCY_CURVES.value[name], beta)] for name in CURRENCY_NAMES])
    for beta in ("rate_beta", "slope_beta")
)


def stressed_panel(settings: PanelSettings, shock: BondShock) -> BondPanel:
    """Draw a panel under a shock; without a shock, it is the panel of `generate`, byte for byte.

    Args:
        settings: Size, seeds and faults.
        shock: What has happened on the day of each review.
    """
    world = draw_world(settings, settings.n_rows - anomalies.counts(settings)["duplicate"])
    return panel_of(settings, moved_world(settings.seed, world, shock), _moves(shock))


def moved_world(seed: int, world: World, shock: BondShock) -> World:
    """Return a world on whose every review a shock has fallen, with labels drawn again."""
    path, reviews = _moved_path(world.path, shock), _moved_reviews(world, shock)
    cut = _cuts(world, shock)
    before = world.history
    history = replace(
        before,
        notch=np.minimum(before.notch + cut, N_LIVE - 1),
        recent_downgrade=before.recent_downgrade | (cut > 0),
    )
    added = _contagion(world, shock, cut)
    return replace(
        world,
        path=path,
        reviews=reviews,
        history=redrawn(seed, world.issuers, reviews, path, history, added=added),
    )


def _moved_path(path: MacroPath, shock: BondShock) -> MacroPath:
    floor = cal.POLICY_RATE_FLOOR.value
    policy = np.maximum(path.policy_rate + shock.policy_bps / 100, np.minimum(floor, path.policy_rate))
    moved = policy - path.policy_rate
    return replace(
        path,
        policy_rate=policy,
        slope=path.slope + shock.slope_bps / 100,
        cpi_yoy=path.cpi_yoy + shock.cpi_pp,
        fx_vol=path.fx_vol * shock.fx_vol_factor,
        credit_cycle=path.credit_cycle + shock.cycle,
        dealer_inventory_z=path.dealer_inventory_z + shock.dealer_inventory_z,
        currency_rate=path.currency_rate + _RATE_BETA * moved,
        currency_slope=path.currency_slope + _SLOPE_BETA * (shock.slope_bps / 100),
    )


def _moved_reviews(world: World, shock: BondShock) -> Reviews:
    """Move leverage of emerging issuers with a bond in hard currency, and coverage of cyclical issuers."""
    hard = np.zeros(len(world.issuers.sector), dtype=np.bool_)
    hard[world.bonds.issuer[world.bonds.currency != CURRENCY_NAMES.index("LOCAL_EM")]] = True
    exposed = EMERGING[world.issuers.region] & hard
    swing = CYCLICALITY[world.issuers.sector]
    return replace(
        world.reviews,
        z_leverage=world.reviews.z_leverage + (shock.emerging_leverage_z * exposed)[:, None],
        z_coverage=world.reviews.z_coverage + (shock.coverage_z * swing)[:, None],
    )


def _cuts(world: World, shock: BondShock) -> IntArray:
    """Return by how many notches each issuer is cut at once at each review: all, those of a sector, and the weakest."""
    by_sector = np.array([shock.notches + shock.sector_notches.get(name, 0) for name in SECTOR_NAMES])
    history = world.history
    cut = np.where(history.observed, by_sector[world.issuers.sector][:, None], 0)
    if shock.seed_notches and shock.seed_share:
        seen = history.observed
        rank = np.argsort(np.argsort(history.eta_down[seen], kind="stable"))
        weakness = (rank + 1) / seen.sum()
        seeds = np.zeros(seen.shape, dtype=np.bool_)
        seeds[seen] = weakness > 1 - shock.seed_share
        cut = cut + shock.seed_notches * seeds
    return cut


def _contagion(world: World, shock: BondShock, cut: IntArray) -> FloatArray | None:
    """Return what the cuts add to the log-odds of all others, by the share of their sector and of their region."""
    seen = world.history.observed
    if not shock.contagion or not cut[seen].any():
        return None
    added = np.zeros(seen.shape)
    for weight, codes, names in (
        (own.CONTAGION.value["sector"], world.issuers.sector, SECTOR_NAMES),
        (own.CONTAGION.value["region"], world.issuers.region, REGION_NAMES),
    ):
        at = np.broadcast_to(codes[:, None], seen.shape)[seen]
        n_all = np.bincount(at, minlength=len(names))
        share = np.bincount(at, weights=cut[seen] > 0, minlength=len(names)) / np.maximum(n_all, 1)
        added += shock.contagion * weight * share[codes][:, None]
    return np.where(cut > 0, 0.0, added)


def _moves(shock: BondShock) -> MarketMoves:
    cycle_cost = cal.BID_ASK_EFFECTS.value["cycle"] * shock.cycle  # the path has it already
    factor = shock.bid_ask_factor

    def base_yield(years: FloatArray) -> FloatArray:
        short = np.exp(-years / own.CURVE_DECAY.value)
        return np.asarray(shock.parallel_bps + shock.short_bps * short + shock.long_bps * (1 - short)) / 100

    return MarketMoves(
        ln_bid_ask=0.0 if factor is None else float(np.log(factor)) - cycle_cost,
        ln_turnover=float(np.log1p(shock.turnover_change)),
        base_yield=base_yield,
        ln_spread=tuple(shock.ln_spread + shock.sector_ln_spread.get(name, 0.0) for name in SECTOR_NAMES),
        spread_bps=shock.spread_bps,
        ln_spread_of_funds=shock.fund_outflow,
        fund_owned_above=own.FUND_OUTFLOW_ABOVE.value,
    )
