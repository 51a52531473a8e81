"""Columns that were denied after an explanation was stored are left out of it."""

from core.explain.deny_list import DenyList
from core.explain.documents import (
    FeatureEffect,
    FeatureGroup,
    FeatureImportance,
    FeatureInteraction,
    GlobalExplanation,
    SliceImportance,
    Surrogate,
)
from core.explain.later_denied import without_denied


def importance(feature):
    return FeatureImportance(feature=feature, importance=1.0, low=0.9, high=1.1, share=0.3, best_rank=1, worst_rank=2)


STORED = GlobalExplanation(
    n_rows=200,
    n_units=40,
    base=0.1,
    reference="40 rows",
    scale="log odds",
    algorithm="TreeSHAP",
    method="path-dependent",
    cost="one pass",
    sum_error=0.0,
    features=tuple(map(importance, ("tax_id", "size", "size x tax_id", "kind"))),
    groups=(
        FeatureGroup(features=("tax_id", "size"), association=0.9, importance=1.0),
        FeatureGroup(features=("kind", "size"), association=0.9, importance=1.0),
    ),
    effects=tuple(FeatureEffect(feature=name, kind="ale", points=(1.0,), values=(0.0,)) for name in ("tax_id", "size")),
    slices=tuple(
        SliceImportance(slicing=name, level="a", n_rows=20, importance={"tax_id": 1.0, "size": 0.5})
        for name in ("tax_office", "kind")
    ),
    surrogate=Surrogate(fidelity=0.8, rules=("tax_id <= 3: 1.0", "size > 1: 2.0"), disagrees="tax_id <= 3: off by 0.2"),
    interactions=(
        FeatureInteraction(features=("tax_id", "kind"), strength=1.0),
        FeatureInteraction(features=("size", "kind"), strength=1.0),
    ),
    notes=("tax_id, size go together.", "The rows are few."),
)


def test_nothing_of_them_is_left():
    found = without_denied(STORED, DenyList(["tax_*"]))
    assert "tax" not in str(found)
    assert [entry.feature for entry in found.features] == ["size", "kind"]
    assert [group.features for group in found.groups] == [("kind", "size")]
    assert [each.slicing for each in found.slices] == ["kind"]
    assert found.slices[0].importance == {"size": 0.5}
    assert found.surrogate is not None
    assert (found.surrogate.fidelity, found.surrogate.rules) == (0.8, ("size > 1: 2.0",))
    assert [pair.features for pair in found.interactions] == [("size", "kind")]
    assert found.notes == ("The rows are few.", "Left out, because denied later: 2 of 4 columns.")


def test_without_a_denied_column_it_is_as_it_was():
    assert without_denied(STORED, DenyList(["customer_*"])) is STORED
