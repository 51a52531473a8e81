"""A whole bond panel: the world's rows, the injected faults, the prices, and the separate truth."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from core.arrays import IntArray
from core.domains.bonds.data import anomalies, pricing
from core.domains.bonds.data import calibration as cal
from core.domains.bonds.data.columns import COLUMNS, TRUTH_COLUMNS, BondColumn, required
from core.domains.bonds.data.instruments import (
    CURRENCY_NAMES,
    SENIORITY_NAMES,
    identifiers,
    isin_like,
    years_between,
)
from core.domains.bonds.data.issuers import COUNTRY_NAMES, OUTLOOKS, REGION_NAMES, SECTOR_NAMES
from core.domains.bonds.data.observation import UNMOVED, Columns, MarketMoves, Observation, observe
from core.domains.bonds.data.settings import PanelSettings
from core.domains.bonds.data.world import World, draw_world
from core.domains.draws import stream
from core.progress import begins

GENERATOR_VERSION = "1"
NOTICE = "Synthetic data: no issuer, bond, price or rating in it is real."

CATEGORIES: dict[str, tuple[str, ...]] = {
    "sector": SECTOR_NAMES,
    "region": REGION_NAMES,
    "country": COUNTRY_NAMES,
    "currency": CURRENCY_NAMES,
    "seniority": SENIORITY_NAMES,
    "rating": cal.RATINGS.value,
    "outlook": OUTLOOKS,
    "coupon_type": ("fixed", "zero"),
    "anomaly_type": anomalies.ANOMALY_TYPES,
    "rating_next": cal.RATINGS.value,
}
"""The levels of each categorical column, in the order of its codes."""

_DTYPES = {name: pd.CategoricalDtype(list(values)) for name, values in CATEGORIES.items()}


@dataclass(frozen=True, slots=True)
class BondPanel:
    """A generated panel; `truth` has the same rows in the same order and is never a source of features."""

    bonds: pd.DataFrame
    truth: pd.DataFrame
    settings: PanelSettings
    metadata: dict[str, Any]

    @property
    def frame(self) -> pd.DataFrame:
        """The bonds, under the name that models of any domain use for their table."""
        return self.bonds


def generate(settings: PanelSettings) -> BondPanel:
    """Generate a panel of exactly `n_rows` rows; the same settings give the same bytes.

    Args:
        settings: Size, seeds and faults. With the same `macro_seed` and another `seed`, new issuers
            live on the same macro path; without a `macro_seed`, `seed` determines the path.
    Raises:
        MacroPathError: No acceptable macro path of this length was found.
    """
    begins(f"drawing {settings.n_rows:,} bonds")
    return panel_of(settings, draw_world(settings, settings.n_rows - anomalies.counts(settings)["duplicate"]))


def panel_of(settings: PanelSettings, world: World, moves: MarketMoves = UNMOVED) -> BondPanel:
    """Observe a world, inject the faults, and price its bonds.

    Args:
        settings: Of the panel.
        world: Drawn for these settings; its macro path, reviews and ratings may have been moved since.
        moves: What else moves the market.
    """
    n_of_kind = anomalies.counts(settings)
    n_duplicates = n_of_kind["duplicate"]
    rows = observe(settings, world, moves)
    published = _with_faults(settings, rows, n_of_kind)

    sound = np.flatnonzero(published["anomaly_type"] == 0)
    original = stream(settings.seed, "duplicates").permutation(sound)[:n_duplicates]
    take = np.concatenate((np.arange(len(rows.bond)), original))
    is_copy = np.arange(len(take)) >= len(rows.bond)
    number = rows.bond_number[take]
    number[is_copy] = _unused_numbers(world.issuers.n_bonds, rows.issuer[original])
    order = np.lexsort((number, rows.issuer[take], rows.as_of[take]))
    take, is_copy, number = take[order], is_copy[order], number[order]

    issuer_id, bond_id = identifiers(settings.seed, rows.issuer[take], number)
    serial = np.where(is_copy, len(world.bonds.issuer) + np.cumsum(is_copy) - 1, rows.bond[take])
    keys: Columns = {"bond_id": bond_id, "as_of_date": rows.as_of[take]}
    columns = {name: values[take] for name, values in published.items()}
    columns |= keys | {"issuer_id": issuer_id, "isin_like": isin_like(settings.seed, serial)}
    kind = np.where(is_copy, anomalies.ANOMALY_TYPES.index("duplicate"), columns["anomaly_type"])
    columns |= {"anomaly_type": kind, "is_anomaly": (kind > 0).astype(np.int64)}

    bonds = _frame(COLUMNS, columns)
    _empty_cells(settings, bonds)
    truth = _frame(TRUTH_COLUMNS, {name: values[take] for name, values in rows.truth.items()} | keys)
    return BondPanel(bonds, truth, settings, _metadata(settings, bonds))


def _with_faults(settings: PanelSettings, rows: Observation, n_of_kind: dict[str, int]) -> Columns:
    """Inject faults into spread, rating and maturity, and price each bond at its resulting spread."""
    clean = rows.published
    shown = anomalies.inject(
        stream(settings.seed, "anomalies"),
        n_of_kind,
        spread=rows.truth["clean_spread"],
        notch=rows.notch,
        as_of=rows.as_of,
        issue_date=clean["issue_date"],
        maturity_date=clean["maturity_date"],
        follows_itself=rows.follows_itself,
    )
    ytm = clean["base_yield_pct"] + shown.spread / 100
    first_call = years_between(rows.as_of, clean["first_call_date"])
    valuation = pricing.value_to_worst(clean["coupon_pct"], rows.maturity_years, ytm, first_call)
    lgd = np.array(list(cal.LGD.value.values()))[clean["seniority"]]
    return clean | {
        "maturity_date": shown.maturity_date,
        "maturity_years": years_between(rows.as_of, shown.maturity_date),
        "rating": shown.notch,
        "rating_num": shown.notch,
        "spread_bps": shown.spread,
        "ytm_pct": ytm,
        "clean_price": np.maximum(valuation.clean_price, pricing.recovery_floor(lgd)),
        "mod_duration": valuation.mod_duration,
        "convexity": valuation.convexity,
        "anomaly_type": shown.kind,
    }


def _unused_numbers(n_bonds: IntArray, issuer: IntArray) -> IntArray:
    """Number the copies of each issuer's bonds, continuing after its last bond."""
    order = np.argsort(issuer, kind="stable")
    ordered = issuer[order]
    rank = np.arange(len(issuer)) - np.searchsorted(ordered, ordered)
    number = np.empty_like(issuer)
    number[order] = n_bonds[ordered] + 1 + rank
    return number


def _frame(dictionary: tuple[BondColumn, ...], columns: Columns) -> pd.DataFrame:
    """Arrange arrays by the column dictionary, rounded as published."""
    laid_out: dict[str, Any] = {}
    for column in dictionary:
        values = columns[column.name]
        if column.kind == "category":
            laid_out[column.name] = _categorical(column.name, values)
        elif column.kind == "date":
            laid_out[column.name] = values.astype("datetime64[s]")
        elif column.kind == "float":
            laid_out[column.name] = np.round(values, column.decimals or 0) + 0.0  # avoids a negative zero
        else:
            laid_out[column.name] = values
    return pd.DataFrame(laid_out, copy=False)


def _categorical(name: str, codes: IntArray) -> "pd.Categorical[Any]":
    return pd.Categorical.from_codes(codes, dtype=_DTYPES[name])


def _empty_cells(settings: PanelSettings, bonds: pd.DataFrame) -> None:
    """Empty the wanted share of required cells, in place."""
    lacking = [column for column in COLUMNS if column.can_lack]
    empty = anomalies.empty_cells(
        stream(settings.seed, "empty cells"), len(bonds), len(required()), len(lacking), settings.missing_rate
    )
    for column, cells in zip(lacking, empty, strict=True):
        if column.kind == "category":
            values = bonds[column.name].cat.codes.to_numpy().astype(np.int64)
            values[cells] = -1
            bonds[column.name] = _categorical(column.name, values)
        else:
            floats = bonds[column.name].to_numpy().copy()
            floats[cells] = np.nan
            bonds[column.name] = floats


def _metadata(settings: PanelSettings, bonds: pd.DataFrame) -> dict[str, Any]:
    """Return the facts about the panel that its readers need; they do not depend on time or machine."""
    dates = bonds["as_of_date"]
    labels = ("downgrade_12m", "upgrade_12m", "default_12m", "liquidity_shock_1m", "is_anomaly")
    return {
        "synthetic": True,
        "notice": NOTICE,
        "generator_version": GENERATOR_VERSION,
        "calibration_sha256": cal.digest(),
        "n_rows": len(bonds),
        "n_issuers": int(bonds["issuer_id"].nunique()),
        "n_issuer_dates": len(bonds[["issuer_id", "as_of_date"]].drop_duplicates()),
        "first_date": str(dates.min().date()),
        "last_date": str(dates.max().date()),
        "n_anomalies": anomalies.counts(settings),
        "label_shares": {name: round(float(bonds[name].mean()), 6) for name in labels},
        "decoys": list(cal.DECOYS.value),
    }
