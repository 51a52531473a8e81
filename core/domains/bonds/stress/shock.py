"""The shock to a bond market, as one struct: what moves, by how much, and how shocks add up."""

from collections.abc import Mapping, Sequence
from typing import Annotated

import msgspec
from msgspec import Meta

from core.domains.bonds.data.instruments import CURRENCY_NAMES
from core.domains.bonds.data.issuers import SECTOR_NAMES
from core.errors import UsageError
from core.escape import shown
from core.json_documents import converted

Bps = Annotated[float, Meta(ge=-5_000, le=5_000)]
LnSpread = Annotated[float, Meta(ge=-3, le=3)]
FxMove = Annotated[float, Meta(ge=-0.99, le=5)]
Notches = Annotated[int, Meta(ge=0, le=20)]


class BondShock(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A shock; every default does nothing."""

    parallel_bps: Annotated[Bps, Meta(description="Every base curve moves by it.")] = 0.0
    short_bps: Annotated[Bps, Meta(description="Short ends move by it, long ends less and less.")] = 0.0
    long_bps: Annotated[Bps, Meta(description="Long ends move by it, short ends less and less.")] = 0.0
    policy_bps: Annotated[
        Bps, Meta(description="The dollar's policy rate moves by it, and other currencies by their share of it.")
    ] = 0.0
    slope_bps: Annotated[Bps, Meta(description="The dollar's slope, ten years less three months, moves by it.")] = 0.0
    cycle: Annotated[float, Meta(ge=-6, le=6, description="Added to the credit cycle Z, in sd.")] = 0.0
    cpi_pp: Annotated[float, Meta(ge=-50, le=50, description="Added to inflation, percentage points.")] = 0.0
    fx: Annotated[dict[str, FxMove], Meta(description="Move of each currency against the dollar, as a share.")] = {}
    fx_vol_factor: Annotated[float, Meta(gt=0, le=50, description="Times exchange-rate volatility.")] = 1.0
    bid_ask_factor: Annotated[
        Annotated[float, Meta(ge=0.02, le=50)] | None,
        Meta(description="Times the bid-ask, the cycle's effect included; null: the cycle's effect alone."),
    ] = None
    turnover_change: Annotated[float, Meta(gt=-1, le=10, description="Change of turnover, as a share.")] = 0.0
    dealer_inventory_z: Annotated[float, Meta(ge=-10, le=10, description="Added to dealers' inventory, in sd.")] = 0.0
    fund_outflow: Annotated[
        LnSpread, Meta(description="Added to ln spread of the quarter of bonds that funds own most of.")
    ] = 0.0
    emerging_leverage_z: Annotated[
        float, Meta(ge=-5, le=5, description="Added to leverage of emerging issuers in hard currency, in sd.")
    ] = 0.0
    coverage_z: Annotated[
        float, Meta(ge=-5, le=5, description="Added to interest coverage times the sector's cyclicality, in sd.")
    ] = 0.0
    ln_spread: Annotated[LnSpread, Meta(description="Added to every ln spread.")] = 0.0
    spread_bps: Annotated[Bps, Meta(description="Added to every spread.")] = 0.0
    sector_ln_spread: Annotated[dict[str, LnSpread], Meta(description="Added to ln spread by sector.")] = {}
    notches: Annotated[Notches, Meta(description="Every issuer is cut by it.")] = 0
    sector_notches: Annotated[dict[str, Notches], Meta(description="Issuers of a sector are cut by it.")] = {}
    seed_share: Annotated[
        float, Meta(ge=0, le=1, description="The share of issuers, likeliest first, that is cut at once.")
    ] = 0.0
    seed_notches: Annotated[Notches, Meta(description="How far they are cut.")] = 0
    contagion: Annotated[
        float, Meta(ge=0, le=5, description="Times the effect of cuts on other issuers; 0: there is none.")
    ] = 0.0

    def __post_init__(self) -> None:
        for name, known in (
            ("fx", CURRENCY_NAMES), ("sector_ln_spread", SECTOR_NAMES), ("sector_notches", SECTOR_NAMES)
        ):  # fmt: skip
            for level in getattr(self, name):
                if level not in known:
                    raise ValueError(f"{name}: {shown(level)} is not known; known: {', '.join(known)}")
        if "USD" in self.fx:
            raise ValueError("fx: USD is the currency of the portfolio's value; move the others against it")


CALM = BondShock()

_STRONGEST = ("cycle", "dealer_inventory_z", "fund_outflow", "contagion", "seed_share", "seed_notches")
"""One crisis is not counted twice: of these, several shocks have the strongest in each direction, not the sum."""
_SUMS = (
    *("parallel_bps", "short_bps", "long_bps", "policy_bps", "slope_bps", "cpi_pp", "emerging_leverage_z"),
    *("coverage_z", "ln_spread", "spread_bps", "notches"),
)


def combined(shocks: Sequence[BondShock]) -> BondShock:
    """Return shocks at once: moves of curves and spreads add up, the strongest crisis counts once.

    Raises:
        UsageError: Together they leave the range of a field.
    """
    if len(shocks) == 1:
        return shocks[0]
    fields: dict[str, object] = {name: sum(getattr(shock, name) for shock in shocks) for name in _SUMS}
    for name in _STRONGEST:
        values = [getattr(shock, name) for shock in shocks]
        fields[name] = max(0, *values) + min(0, *values)
    fields["fx"] = _together([{name: 1 + move for name, move in shock.fx.items()} for shock in shocks])
    fields["sector_ln_spread"] = _added([shock.sector_ln_spread for shock in shocks])
    fields["sector_notches"] = _added([shock.sector_notches for shock in shocks])
    fields["fx_vol_factor"] = max(1.0, *(shock.fx_vol_factor for shock in shocks)) * min(
        1.0, *(shock.fx_vol_factor for shock in shocks)
    )
    given = [shock.bid_ask_factor for shock in shocks if shock.bid_ask_factor is not None]
    fields["bid_ask_factor"] = max(given) if given else None
    fields["turnover_change"] = min(shock.turnover_change for shock in shocks)
    try:
        return converted(fields, BondShock)
    except msgspec.ValidationError as error:
        raise UsageError(f"The shocks cannot be combined: {error}.") from None


def _added(levels: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {name: sum(each.get(name, 0) for each in levels) for each in levels for name in each}


def _together(moves: Sequence[Mapping[str, float]]) -> dict[str, float]:
    found: dict[str, float] = {}
    for each in moves:
        for name, factor in each.items():
            found[name] = found.get(name, 1.0) * factor
    return {name: factor - 1 for name, factor in found.items()}


def scaled(shock: BondShock, share: float) -> BondShock:
    """Return a share of a shock: its moves in proportion, its factors to that power, its cuts as they are.

    Cuts do not fade: a rating that was cut stays cut. At 0 nothing is left of either.

    >>> scaled(BondShock(parallel_bps=200, fx={"EUR": -0.19}), 0.5).parallel_bps
    100.0
    """
    if share == 1:
        return shock
    if share <= 0:
        return CALM
    proportional = (*_SUMS[:-1], "cycle", "dealer_inventory_z", "fund_outflow")
    factor = shock.bid_ask_factor
    return msgspec.structs.replace(
        shock,
        **{name: getattr(shock, name) * share for name in proportional},
        fx={name: (1 + move) ** share - 1 for name, move in shock.fx.items()},
        sector_ln_spread={name: value * share for name, value in shock.sector_ln_spread.items()},
        fx_vol_factor=shock.fx_vol_factor**share,
        bid_ask_factor=None if factor is None else factor**share,
        turnover_change=(1 + shock.turnover_change) ** share - 1,
    )
