"""What a model relies on: importances with intervals, effects, groups of columns, slices, a surrogate."""

import re

import numpy as np
import pandas as pd
import pytest

from core.explain.association import associated
from core.explain.deny_list import DenyList
from core.explain.documents import DENIED
from core.explain.effects import effect_of
from core.explain.explainer import Explainer
from core.explain.global_explanation import explain_globally, stratified_rows
from core.explain.surrogate import imitate
from tests.core.explain.models import small_table, table_model

COLUMNS = ("size", "age", "noise", "kind")


def explained(frame=None, algorithm="lightgbm", **more):
    frame = small_table() if frame is None else frame
    explainer = Explainer(table_model("price", algorithm), frame.head(40), columns=COLUMNS)
    return explain_globally(explainer, frame, reference="40 rows", **more)


def test_importances_are_mean_sizes_with_intervals_and_ranks():
    frame = small_table()
    explainer = Explainer(table_model("price", "lightgbm"), frame.head(40), columns=COLUMNS)
    found = explain_globally(explainer, frame, reference="40 rows")
    sizes = np.abs(explainer.contributions(frame).values).mean(axis=0)
    by_name = {entry.feature: entry for entry in found.features}
    for name, size in zip(COLUMNS, sizes, strict=True):
        assert by_name[name].importance == pytest.approx(size)
        assert by_name[name].low <= size <= by_name[name].high
    assert found.features[0].feature == "size"
    assert found.features[0].best_rank == found.features[0].worst_rank == 1
    assert found.features[-1].feature == "noise"
    assert found.features[0].direction == pytest.approx(1.0, abs=0.1)
    assert by_name["kind"].direction is None
    assert sum(entry.share for entry in found.features) == pytest.approx(1.0)
    assert found.sum_error < 1e-6


def test_groups_are_the_evidence_and_not_rows():
    by_age = np.argsort(np.argsort(small_table()["age"].fillna(20.0)))
    alone, grouped = explained(), explained(units=by_age // 20)
    assert grouped.n_units == 10
    assert any("10 groups only" in note for note in grouped.notes)
    (age,), (by_group,) = ([each for each in found.features if each.feature == "age"] for found in (alone, grouped))
    assert by_group.high - by_group.low > 2 * (age.high - age.low)
    assert alone.n_units == 200
    assert not any("groups only" in note for note in alone.notes)


def test_the_interval_covers_the_importance_over_all_rows():
    frame = small_table()
    explainer = Explainer(table_model("price", "linear"), frame.head(40), columns=COLUMNS)
    whole = np.abs(explainer.contributions(frame).values).mean(axis=0)[0]
    covered = [explain_globally(explainer, frame, reference="", n_rows=60, seed=seed).features[0] for seed in range(20)]
    assert sum(entry.low <= whole <= entry.high for entry in covered) >= 17


def test_denied_columns_are_one_entry():
    found = explained(
        denied=DenyList(["age", "noise"]), slices={"age": small_table()["kind"], "kind": small_table()["kind"]}
    )
    assert {entry.feature for entry in found.features} == {"size", "kind", DENIED}
    assert {entry.slicing for entry in found.slices} == {"kind"}
    assert all("age" not in effect.feature for effect in found.effects)
    assert found.surrogate is not None
    assert not any("age" in rule for rule in found.surrogate.rules)


def test_slices_have_their_own_importances():
    found = explained(slices={"kind": small_table()["kind"]})
    assert [entry.level for entry in found.slices] == ["x", "y", "z"]
    assert sum(entry.n_rows for entry in found.slices) == 200
    assert next(iter(found.slices[0].importance)) == "size"


def test_strata_of_the_margin_are_all_represented():
    margin = np.random.default_rng(0).normal(size=1000)
    chosen = stratified_rows(margin, 50, seed=1)
    assert len(set(chosen.tolist())) == 50
    ranks = np.argsort(np.argsort(margin))[chosen]
    assert sorted(rank // 20 for rank in ranks.tolist()) == list(range(50))


def test_effects_of_a_linear_model_are_its_lines():
    frame = small_table()
    model = table_model("price", "linear")
    explainer = Explainer(model, frame.head(40), columns=COLUMNS)
    effect = effect_of(explainer, frame, "size")
    assert effect is not None
    assert effect.kind == "ale"
    slope = np.diff(effect.values) / np.diff(np.array(effect.points, dtype=float))
    assert slope == pytest.approx(10.0, rel=0.2)
    by_level = effect_of(explainer, frame, "kind")
    assert by_level is not None
    assert by_level.kind == "partial dependence"
    values = dict(zip(by_level.points, by_level.values, strict=True))
    assert values["y"] - values["x"] == pytest.approx(5.0, abs=1.0)


def test_accumulated_effects_do_not_lead_to_impossible_rows():
    rng = np.random.default_rng(0)
    left = rng.uniform(0, 1, 500)
    frame = pd.DataFrame({"left": left, "right": left + rng.normal(size=500) * 0.01})

    class Sum:
        def margin(self, rows):
            # Where the two disagree, which no row does, the answer is absurd.
            return (rows["left"] + np.where(np.abs(rows["left"] - rows["right"]) > 0.3, 1000.0, 0.0)).to_numpy()

    effect = effect_of(Sum(), frame, "left")
    assert effect is not None
    assert effect.values[-1] - effect.values[0] == pytest.approx(1.0, abs=0.05)


def test_a_column_that_never_varies_has_no_effect():
    frame = small_table().assign(size=1.0)
    explainer = Explainer(table_model("price", "linear"), small_table().head(40), columns=COLUMNS)
    assert effect_of(explainer, frame, "size") is None
    assert effect_of(explainer, frame.assign(age=np.nan), "age") is None


def test_columns_that_go_together_are_grouped():
    rng = np.random.default_rng(0)
    one = rng.normal(size=400)
    frame = pd.DataFrame(
        {
            "one": one,
            "monotone": np.exp(one),
            "level": np.digitize(one, (-1, 0, 1)).astype(str),
            "apart": rng.normal(size=400),
            "coin": rng.choice(["h", "t"], 400),
        }
    )
    frame["flag"] = np.where(rng.random(400) < 0.02, "h", frame["coin"])
    groups = associated(frame, list(frame))
    assert [set(group) for group, _ in groups] == [{"one", "monotone", "level"}, {"coin", "flag"}]
    assert all(0.8 <= association <= 1.0 for _, association in groups)


def test_columns_apart_are_not_grouped_whatever_their_levels():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.integers(0, 40, 200).astype(str), "b": rng.integers(0, 40, 200).astype(str)})
    frame["c"] = rng.normal(size=200)
    assert associated(frame, list(frame)) == []


def test_a_surrogate_is_faithful_to_steps_and_not_to_noise():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.normal(size=600), "kind": rng.choice(["x", "y"], 600)})
    steps = np.where(frame["a"] > 0.3, 2.0, 0.0) + np.where(frame["kind"] == "y", 1.0, 0.0)
    units = np.arange(600)
    faithful = imitate(frame, steps, list(frame), units, seed=0)
    assert faithful is not None
    assert faithful.fidelity > 0.98
    assert any("kind in {y}" in rule and "a > 0." in rule for rule in faithful.rules)
    noise = imitate(frame, rng.normal(size=600), list(frame), units, seed=0)
    assert noise is not None
    assert noise.fidelity < 0.2
    assert imitate(frame.head(30), steps[:30], list(frame), units[:30], seed=0) is None
    assert imitate(frame, np.zeros(600), list(frame), units, seed=0) is None


def test_thresholds_have_the_digits_that_part_their_rows():
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"big": 1_001_000 + rng.permutation(600), "size": rng.normal(size=600)})
    steps = np.floor((frame["big"] - 1_001_000) / 100).to_numpy()
    found = imitate(frame, steps, list(frame), np.arange(600), seed=0)
    assert found is not None
    limits = {float(limit) for rule in found.rules for limit in re.findall(r"big <= ([\d.e+]+)", rule)}
    assert len(limits) >= 5
    for limit in limits:
        assert (limit - 1_001_000) % 100 == pytest.approx(99.5, abs=0.5)


def test_times_and_names_are_left_out_of_sentences():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.normal(size=400), "name": [f"n{k}" for k in range(400)]})
    frame["day"] = pd.Timestamp("2026-01-01") + pd.to_timedelta(np.arange(400), unit="D")
    found = imitate(frame, frame["a"].to_numpy(), list(frame), np.arange(400), seed=0)
    assert found is not None
    assert not any("day" in rule or "name" in rule for rule in found.rules)
    explainer = Explainer(table_model("price", "linear"), small_table().head(40), columns=COLUMNS)
    assert effect_of(explainer, frame, "day") is None
