"""What must hold in every data set, computed from its tables alone: functions that return the worst fault found."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from core.arrays import FloatArray
from core.domains.etrm.data import calibration as cal
from core.domains.etrm.data.texts import OF_OPTION, DocumentReading, read_document
from core.domains.etrm.data.trade_block import HOURS_A_DAY

KEY = ["book", "commodity", "hub", "delivery_month", "option_type", "strike"]
_TINY = 1e-300
_SLACK = 1 + 1e-12


def net_units(trades: pd.DataFrame, as_of: "pd.Timestamp") -> "pd.Series[float]":
    """Add up trades into positions, from their table: signed units of each book, hub, month and option.

    Cancelled trades weigh nothing; months that are over on the day, and options that have expired, are left out.
    """
    sums = PositionSums([as_of])
    sums.take(trades)
    return sums.positions(as_of)


class PositionSums:
    """Adds up trades into positions, from their rows alone, a table of them at a time.

    Its size depends on the period, the hubs and the options, not on the number of trades.
    """

    def __init__(self, days: "Sequence[pd.Timestamp]") -> None:
        """Begin without trades; positions can be asked for at the end of each of `days`, in order."""
        self._days = np.array(days, dtype="datetime64[D]")
        self._sums: pd.DataFrame | None = None

    def take(self, trades: pd.DataFrame) -> None:
        """Add trades; cancelled ones weigh nothing."""
        live = trades[trades["status"].ne("cancelled")]
        first = live["delivery_start"].to_numpy().astype("datetime64[M]")
        last = live["delivery_end"].to_numpy().astype("datetime64[M]")
        length = (last - first).astype(np.int64) + 1
        row = np.repeat(np.arange(len(live)), length)
        month = first[row] + np.arange(len(row)) - np.repeat(np.cumsum(length) - length, length)
        table = live[["book", "commodity", "hub", "option_type", "strike"]].iloc[row].reset_index(drop=True)
        table["units"] = np.where(live["side"].eq("buy"), 1.0, -1.0)[row] * _units_of(live.iloc[row], month)
        table["delivery_month"] = month.astype("datetime64[s]")
        made = live["trade_ts"].to_numpy().astype("datetime64[D]")
        table["from_day"] = np.searchsorted(self._days, made)[row]
        parts = [table] if self._sums is None else [self._sums, table]
        grouped = pd.concat(parts, ignore_index=True).groupby(["from_day", *KEY], dropna=False, observed=True)
        self._sums = grouped["units"].sum().reset_index()

    def positions(self, as_of: "pd.Timestamp") -> "pd.Series[float]":
        """Return the positions at the end of one of the days; without what is delivered or has expired by then."""
        assert self._sums is not None, "no trades have been added"
        expires = np.where(self._sums["option_type"].notna(), 1, 0)
        month = self._sums["delivery_month"].to_numpy().astype("datetime64[M]")
        place = int(np.searchsorted(self._days, np.datetime64(as_of, "D")))
        rows = (self._sums["from_day"] <= place).to_numpy() & (month >= np.datetime64(as_of, "M") + expires)
        summed: pd.Series[float] = _as_texts(self._sums[rows]).groupby(KEY, dropna=False)["units"].sum()
        return summed

    def error(self, positions: pd.DataFrame) -> float:
        """Return the largest difference of a position from the sum of its trades, in units, relative to the larger."""
        worst = 0.0
        for as_of, rows in positions.groupby("as_of_date"):
            summed = self.positions(pd.Timestamp(str(as_of)))
            wanted = pd.MultiIndex.from_frame(_as_texts(rows[KEY]))
            expected = summed.reindex(wanted).fillna(0.0).to_numpy(dtype=np.float64)
            found = rows["net_quantity_units"].to_numpy(dtype=np.float64)
            worst = max(worst, _relative(np.asarray(found), np.asarray(expected)))
        return worst


def _as_texts(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(**{name: table[name].astype("str") for name in ("book", "commodity", "hub", "option_type")})


def _units_of(live: pd.DataFrame, month: "np.ndarray[tuple[int, ...], np.dtype[np.datetime64]]") -> FloatArray:
    """Return the units that each trade delivers in a month: lots by the hours in it, or by the size of the contract."""
    contract = live["commodity"].astype("str").map(dict(cal.CONTRACTS.value))
    begin = np.maximum(live["delivery_start"].to_numpy().astype("datetime64[D]"), month.astype("datetime64[D]"))
    end = np.minimum(
        live["delivery_end"].to_numpy().astype("datetime64[D]"), (month + 1).astype("datetime64[D]") - np.timedelta64(1)
    )
    hours = ((end - begin).astype(np.int64) + 1) * HOURS_A_DAY
    is_hourly = np.array([each.is_hourly for each in contract], dtype=np.bool_)
    size = np.array([each.lot_units for each in contract], dtype=np.float64)
    return np.asarray(live["quantity_lots"].to_numpy(dtype=np.float64) * size * np.where(is_hourly, hours, 1))


def position_error(trades: pd.DataFrame, positions: pd.DataFrame) -> float:
    """Return the largest difference of a position from the sum of its trades, in units, relative to the larger."""
    sums = PositionSums([pd.Timestamp(str(day)) for day in sorted(positions["as_of_date"].unique())])
    sums.take(trades)
    return sums.error(positions)


def mark_error(positions: pd.DataFrame) -> float:
    """Return the largest difference of mark-to-market from net × (mark − average) × rate, relative to the larger."""
    expected = (
        positions["net_quantity_units"] * (positions["mark_price"] - positions["avg_price"]) * positions["fx_rate"]
    )
    return _relative(positions["mtm"].to_numpy(), expected.to_numpy())


def report_faults(reports: pd.DataFrame) -> list[str]:
    """Name what does not hold in risk reports; nothing, if all does."""
    rules = {
        "VaR 99 ≥ VaR 95, historical": reports["var99_hist"] >= reports["var95_hist"],
        "VaR 99 ≥ VaR 95, parametric": reports["var99_param"] >= reports["var95_param"],
        "VaR 97.5 between VaR 95 and VaR 99": reports["var975_hist"].between(
            reports["var95_hist"], reports["var99_hist"]
        ),
        "ES 97.5 ≥ VaR 97.5": reports["es975"] >= reports["var975_hist"],
        "net exposure ≤ gross exposure": reports["net_exposure"] <= reports["gross_exposure"] * _SLACK,
        "breach flag ⇔ utilisation > 1": reports["breach_flag"] == (reports["utilisation"] > 1),
        "exceed95 ⇔ loss > VaR 95": reports["exceed95"] == (-reports["actual_pnl_next_day"] > reports["var95_hist"]),
        "exceed99 ⇔ loss > VaR 99": reports["exceed99"] == (-reports["actual_pnl_next_day"] > reports["var99_hist"]),
        "credit exposure ≥ 0": reports["credit_exposure"] >= 0,
        "limits > 0": (reports["limit_var"] > 0) & (reports["limit_exposure"] > 0),
    }
    return [rule for rule, holds in rules.items() if not bool(np.all(holds))]


def text_faults(
    lines: Sequence[str],
    *,
    trades: pd.DataFrame,
    positions: pd.DataFrame,
    risk_reports: pd.DataFrame,
    compliance: pd.DataFrame,
    spot: pd.DataFrame,
) -> list[str]:
    """Name the documents that the grammar does not have, or whose facts are not those of a row.

    Args:
        lines: The documents.
        trades: The table of that name, and so the next three.
        positions: Likewise.
        risk_reports: Likewise.
        compliance: Likewise.
        spot: The spot prices, with the columns date, hub and price.
    """
    positions = positions.assign(
        direction=np.sign(positions["net_quantity_units"]).map({1.0: "long", -1.0: "short", 0.0: "flat"}),
        net_quantity_units=positions["net_quantity_units"].abs(),
    )
    tables = {
        form: _told(frame[frame["option_type"].notna() == form.endswith(OF_OPTION)], names + of_option)
        for kind, frame, names in (("trade", trades, _TRADE), ("position", positions, _POSITION))
        for form, of_option in ((kind, ()), (kind + OF_OPTION, ("option_type", "strike")))
    } | {
        "risk": _told(risk_reports, ("as_of_date", "book", "var99_hist", "limit_var", "utilisation")),
        "compliance": _told(compliance.assign(flag=_filled(compliance)), ("regime", "trade_id", "status", "flag")),
        "market": _told(spot, ("date", "hub", "price")),
    }
    faults = []
    for line in lines:
        reading = read_document(line)
        if reading is None:
            faults.append(f"{line.split(' ', 1)[0]}: the grammar has no such document")
        elif _facts(reading, tables[reading.form][1]) not in tables[reading.form][0]:
            faults.append(f"{reading.number}: no {reading.kind} has these facts")
    return faults


_TRADE = (
    *("trade_id", "status", "side", "quantity_lots", "commodity", "hub", "counterparty_id", "settlement"),
    *("delivery_start", "delivery_end", "price", "currency"),
)
_POSITION = (
    *("as_of_date", "book", "direction", "net_quantity_units", "hub", "delivery_month"),
    *("mark_price", "mtm", "currency"),
)
_DECIMALS = {
    "price": cal.PRICE_DECIMALS.value,
    "strike": cal.STRIKE_DECIMALS.value,
    "net_quantity_units": 1,
    "mark_price": 4,
    "mtm": 2,
    "var99_hist": 2,
    "limit_var": 2,
    "utilisation": 4,
}
_SPOT_DECIMALS = 2
_Told = tuple[set[tuple[str, ...]], tuple[str, ...]]


def _told(frame: pd.DataFrame, names: tuple[str, ...]) -> _Told:
    columns = []
    for name in names:
        if name in _DECIMALS:
            digits = _SPOT_DECIMALS if "date" in frame else _DECIMALS[name]
            columns.append([f"{round(value, digits) + 0.0:.{digits}f}" for value in frame[name].tolist()])
        elif name.endswith(("date", "month", "_start", "_end")):
            columns.append([str(value)[:10] for value in frame[name]])
        else:
            columns.append([str(value) for value in frame[name]])
    return set(zip(*columns, strict=True)), names


def _filled(compliance: pd.DataFrame) -> "pd.Series[str]":
    return compliance["flag"].astype("str").replace("", "none")


def _facts(reading: DocumentReading, names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(reading.facts[name] for name in names)


def _relative(found: FloatArray, expected: FloatArray) -> float:
    scale = np.maximum(np.maximum(np.abs(found), np.abs(expected)), _TINY)
    return float((np.abs(found - expected) / scale).max(initial=0.0))
