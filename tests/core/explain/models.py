"""Small models of the domains and of a user's table, trained once for all tests."""

from functools import cache

import numpy as np
import pandas as pd

from core.domains.bonds.data import PanelSettings, generate
from core.domains.catalogue import create
from core.domains.etrm.deals.panel import draw_deals
from core.domains.etrm.deals.settings import DealSettings
from core.domains.table.models.model import TableModel
from core.models.interface import Model
from core.tables.signature import ColumnKind, ColumnSignature, TableSignature, Task
from core.tables.task import outputs_of


@cache
def bonds(seed: int = 1, n_rows: int = 250) -> pd.DataFrame:
    return generate(PanelSettings(n_rows=n_rows, seed=seed, macro_seed=5)).frame.reset_index(drop=True)


@cache
def deals(seed: int = 1, n_rows: int = 250) -> pd.DataFrame:
    return draw_deals(n_rows, seed, 5, DealSettings()).frame.reset_index(drop=True)


@cache
def trained(name: str, algorithm: str, **parameters: object) -> Model:
    model = create(name, algorithm=algorithm, settings=parameters)
    model.fit(deals() if name.startswith("etrm") else bonds(), seed=3)
    return model


@cache
def small_table(n_rows: int = 200) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "size": rng.normal(size=n_rows),
            "age": rng.uniform(0, 50, n_rows),
            "noise": rng.normal(size=n_rows),
            "kind": pd.Categorical(rng.choice(["x", "y", "z"], n_rows), categories=["x", "y", "z"]),
        }
    )
    frame.loc[rng.random(n_rows) < 0.1, "age"] = np.nan
    price = 40 + 10 * frame["size"] + 0.3 * frame["age"].fillna(20) + 5 * (frame["kind"] == "y")
    frame["price"] = price + rng.normal(size=n_rows)
    frame["dear"] = pd.Categorical.from_codes((frame["price"] > 50).to_numpy(dtype=np.int64), categories=["0", "1"])
    bands = ["low", "middle", "top"]
    frame["band"] = pd.Categorical.from_codes(np.digitize(frame["price"], (42, 54)), categories=bands)
    return frame


@cache
def table_model(target: str, algorithm: str) -> TableModel:
    frame = small_table()
    kinds = {
        "size": ColumnKind.NUMBER,
        "age": ColumnKind.NUMBER,
        "noise": ColumnKind.NUMBER,
        "kind": ColumnKind.CATEGORY,
    }
    classes = () if target == "price" else tuple(sorted(frame[target].unique()))
    task = Task.CLASSIFICATION if classes else Task.ANOMALY if algorithm == "isolation_forest" else Task.REGRESSION
    signature = TableSignature(
        task=task,
        target=None if task is Task.ANOMALY else target,
        target_kind=ColumnKind.CATEGORY if classes else ColumnKind.NUMBER,
        classes=classes,
        columns=tuple(
            ColumnSignature(
                name=name,
                kind=kind,
                allows_missing=name == "age",
                levels=("x", "y", "z") if kind is ColumnKind.CATEGORY else (),
            )
            for name, kind in kinds.items()
        ),
        outputs=outputs_of(task, target, classes),
    )
    model = TableModel.described(signature, algorithm=algorithm)
    model.fit(frame, seed=1)
    return model
