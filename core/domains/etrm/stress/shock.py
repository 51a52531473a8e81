"""The shock to an energy market, as one struct: what moves, by how much, and how shocks add up."""

from collections.abc import Mapping, Sequence
from typing import Annotated

import msgspec
from msgspec import Meta

from core.domains.etrm.data import calibration as market_cal
from core.domains.etrm.stress import calibration as own
from core.errors import UsageError
from core.escape import shown
from core.json_documents import converted

HUB_NAMES = tuple(hub.name for hub in market_cal.HUBS.value)
LnMove = Annotated[float, Meta(ge=-6, le=6)]
PriceMove = Annotated[float, Meta(ge=-10_000, le=10_000)]
TimesUsual = Annotated[float, Meta(ge=0.02, le=50)]
HubFreeze = Annotated[float, Meta(ge=0, le=own.MOST_FREEZE.value)]


class EtrmShock(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A shock; every default does nothing. Prices of power count with the shift of its price law."""

    level: Annotated[
        dict[str, LnMove],
        Meta(description="By commodity: added to its slow factor, so to the log price of all deliveries."),
    ] = {}
    front: Annotated[
        dict[str, LnMove],
        Meta(description="By commodity: added to its fast factor: near deliveries move, far ones do not."),
    ] = {}
    hub_level: Annotated[dict[str, LnMove], Meta(description="As level, for one hub alone.")] = {}
    hub_front: Annotated[dict[str, LnMove], Meta(description="As front, for one hub alone.")] = {}
    hub_add: Annotated[
        dict[str, PriceMove],
        Meta(description="By hub: added to the price of the delivery at hand, in currency; fades by half in 11 days."),
    ] = {}
    volatility_factor: Annotated[dict[str, TimesUsual], Meta(description="By commodity: times its volatilities.")] = {}
    bid_ask_factor: Annotated[dict[str, TimesUsual], Meta(description="By commodity: times its bid-asks.")] = {}
    hub_freeze: Annotated[dict[str, HubFreeze], Meta(description="By hub: the share of its trading that stops.")] = {}
    correlation_loss: Annotated[
        float, Meta(ge=0, le=1, description="The share of all correlations that is lost; 1: all.")
    ] = 0.0
    usd: Annotated[float, Meta(ge=-0.9, le=5, description="Move of the dollar against the euro, as a share.")] = 0.0

    def __post_init__(self) -> None:
        for names, known in ((_BY_COMMODITY, market_cal.COMMODITIES), (_BY_HUB, HUB_NAMES)):
            for name in names:
                for level in getattr(self, name):
                    if level not in known:
                        raise ValueError(f"{name}: {shown(level)} is not known; known: {', '.join(known)}")


_BY_COMMODITY = ("level", "front", "volatility_factor", "bid_ask_factor")
_BY_HUB = ("hub_level", "hub_front", "hub_add", "hub_freeze")
_SUMS = ("level", "front", "hub_level", "hub_front", "hub_add")
_FACTORS = ("volatility_factor", "bid_ask_factor")
CALM = EtrmShock()


def combined(shocks: Sequence[EtrmShock]) -> EtrmShock:
    """Return shocks at once: moves of prices add up; of volatility, liquidity and correlation, the strongest counts.

    Raises:
        UsageError: Together they leave the range of a field.
    """
    if len(shocks) == 1:
        return shocks[0]
    fields: dict[str, object] = {name: _added([getattr(shock, name) for shock in shocks]) for name in _SUMS}
    fields |= {name: _strongest([getattr(shock, name) for shock in shocks]) for name in (*_FACTORS, "hub_freeze")}
    fields["correlation_loss"] = max((shock.correlation_loss for shock in shocks), default=0.0)
    moved = 1.0
    for shock in shocks:
        moved *= 1 + shock.usd
    fields["usd"] = moved - 1
    try:
        return converted(fields, EtrmShock)
    except msgspec.ValidationError as error:
        raise UsageError(f"The shocks cannot be combined: {error}.") from None


def _added(levels: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {name: sum(each.get(name, 0.0) for each in levels) for each in levels for name in each}


def _strongest(levels: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {name: max(each[name] for each in levels if name in each) for each in levels for name in each}


def scaled(shock: EtrmShock, share: float) -> EtrmShock:
    """Return a share of a shock: its moves in proportion, its factors to that power.

    >>> scaled(EtrmShock(level={"POWER": 0.4}, volatility_factor={"POWER": 4.0}), 0.5).volatility_factor
    {'POWER': 2.0}
    """
    if share == 1:
        return shock
    if share <= 0:
        return CALM
    most = own.MOST_FREEZE.value
    moves = {name: {key: value * share for key, value in getattr(shock, name).items()} for name in _SUMS}
    factors = {name: {key: value**share for key, value in getattr(shock, name).items()} for name in _FACTORS}
    return msgspec.structs.replace(
        shock,
        **moves,
        **factors,
        hub_freeze={hub: min(most, value * share) for hub, value in shock.hub_freeze.items()},
        correlation_loss=min(1.0, shock.correlation_loss * share),
        usd=(1 + shock.usd) ** share - 1,
    )
