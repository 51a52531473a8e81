"""The slices of a domain say which columns they are made of."""

from types import SimpleNamespace

import pandas as pd
import pytest

from core.domains.bonds.data import PanelSettings, generate
from core.domains.registry import find_domain
from core.explain.deny_list import DenyList
from core.training.slicing import EpochSlices, slicings_of


class Sliced:
    """A domain whose slices are of one series."""

    def __init__(self, values):
        self.values = values

    def slices(self, frame):
        return {"size": self.values(frame)}


def test_the_columns_behind_the_slices_of_bonds_are_known():
    bonds = generate(PanelSettings(n_rows=150, seed=3)).bonds
    made_of = {"sector": "sector", "rating": "rating", "maturity": "maturity_years", "region": "region"}
    assert slicings_of(bonds, find_domain("bonds")) == made_of


def test_the_columns_behind_the_slices_of_deals_are_known():
    columns = ("commodity", "book", "instrument", "counterparty_grade")
    deals = pd.DataFrame({name: ["a", "b"] for name in columns})
    assert slicings_of(deals, find_domain("etrm")) == dict(
        zip(("commodity", "book", "instrument", "grade"), columns, strict=True)
    )


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        (lambda frame: frame["tax_id"] > 0, set()),
        (lambda frame: (frame["price"] > 0).rename("price"), {"size=False", "size=True"}),
        (lambda frame: (frame["price"] > frame["tax_id"]).rename("price x tax_id"), set()),
        (lambda frame: frame["price"] > frame["tax_id"], set()),  # of no name: it may be made of any column
    ],
)
def test_the_slices_of_a_denied_column_are_left_out_under_another_name(values, shown):
    rows = pd.DataFrame({"tax_id": [-1.0, 1.0] * 40, "price": [0.5, -0.5] * 40})
    answers = SimpleNamespace(rows=rows, scores=lambda where: {"loss": float(where.sum())})
    table = EpochSlices(Sliced(values), DenyList(["tax_*"])).table("spread", answers)
    assert set(table.slices if table else ()) == shown
    whole = EpochSlices(Sliced(values), DenyList()).table("spread", answers)
    assert set(whole.slices) == {"size=False", "size=True"}
