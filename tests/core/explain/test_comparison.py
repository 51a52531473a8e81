"""Two versions' explanations side by side."""

import msgspec
import pytest

from core.explain.comparison import compare_explanations
from core.explain.documents import FeatureImportance, GlobalExplanation


def explanation(width, **sizes):
    total = sum(sizes.values())
    features = tuple(
        FeatureImportance(
            feature=name,
            importance=size,
            low=size - width,
            high=size + width,
            share=size / total,
            best_rank=1,
            worst_rank=1,
            share_error=width / total / 2,
        )
        for name, size in sorted(sizes.items(), key=lambda item: -item[1])
    )
    return GlobalExplanation(
        n_rows=100, n_units=100, base=0.0, reference="", scale="", algorithm="", method="", cost="", sum_error=0.0,
        features=features,
    )  # fmt: skip


def test_shares_are_compared_whatever_the_scale():
    before, after = explanation(0.1, a=6.0, b=3.0, c=1.0), explanation(1.0, a=30.0, b=60.0, c=10.0)
    found = {entry.feature: entry for entry in compare_explanations(before, after)}
    assert list(found) == ["a", "b", "c"]
    assert found["a"].change == pytest.approx(-0.3)
    assert (found["a"].rank_before, found["a"].rank_after) == (1, 2)
    assert found["a"].is_clear
    assert found["c"].change == pytest.approx(0.0)
    assert not found["c"].is_clear


def test_a_column_of_one_version_only_has_no_share_in_the_other():
    found = {
        entry.feature: entry for entry in compare_explanations(explanation(0.1, a=1.0), explanation(0.1, a=1.0, b=1.0))
    }
    assert found["b"].before is None
    assert found["b"].rank_before is None
    assert found["b"].is_clear
    assert found["a"].change == pytest.approx(-0.5)


def test_wide_intervals_make_no_change_clear():
    before = explanation(3.0, a=5.0, b=5.0)
    after = explanation(3.0, a=6.0, b=4.0)
    assert not any(entry.is_clear for entry in compare_explanations(before, after))
    assert msgspec.json.encode(compare_explanations(before, after))
