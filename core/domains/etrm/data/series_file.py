"""The price series as one `.npz` file without times of day: the same series gives the same bytes."""

import io
import zipfile
from collections.abc import Mapping

import numpy as np

from core.arrays import AnyArray
from core.domains.etrm.data.prices import PriceSeries

NOTICE = "Synthetic data: no trade, price, firm or person in it is real."
_THEN = (1980, 1, 1, 0, 0, 0)  # the earliest time that the format knows


def series_arrays(prices: PriceSeries) -> dict[str, AnyArray]:
    """Return the arrays of `price_series.npz`; the history before the first trading day is included."""
    return {
        "dates": prices.dates,
        "names": np.array(prices.names),
        "commodities": np.array([hub.commodity for hub in prices.hubs]),
        "currencies": np.array([hub.currency for hub in prices.hubs]),
        "tenors": prices.tenors,
        "spot": prices.spot,
        "forward": prices.forward,
        "short_factor": prices.short_factor,
        "long_factor": prices.long_factor,
        "jumps": prices.jumps,
        "eur_usd": prices.eur_usd,
        "first_day": prices.days.dates[[prices.days.first]],
        "notice": np.array(NOTICE),
    }


def arrays_file(arrays: Mapping[str, AnyArray]) -> bytes:
    """Return arrays as the bytes of a `.npz` file, every entry dated alike."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, array in arrays.items():
            entry = zipfile.ZipInfo(f"{name}.npy", date_time=_THEN)
            entry.compress_type = zipfile.ZIP_DEFLATED
            content = io.BytesIO()
            np.lib.format.write_array(content, np.asanyarray(array), allow_pickle=False)
            archive.writestr(entry, content.getvalue())
    return out.getvalue()
