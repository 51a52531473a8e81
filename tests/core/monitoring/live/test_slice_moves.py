"""Features by slice: the same whatever the order, in few bytes, and the slice on which a feature moved."""

import zlib

import msgspec
import numpy as np
import pandas as pd
import pytest

from core.models.outcomes import Outcomes
from core.models.scoring.fields import Rows
from core.monitoring import profiling
from core.monitoring.live import (
    LiveSketch,
    ProfileIndex,
    SketchCounter,
    SketchError,
    from_bytes,
    merged_bytes,
    to_bytes,
)
from core.monitoring.live.counting import Served
from core.monitoring.live.encoding import MAGIC
from core.monitoring.live.sketch import SliceMoves
from core.monitoring.sequential.fine_measures import moved_slice_of

NUMBERS, TEXTS = ("income", "age", "rooms"), ("region", "grade")


def drawn(n, seed, *, where=None, shift=0.0):
    rng = np.random.default_rng(seed)
    region = rng.choice(["EU", "US", "JP"], n, p=[0.5, 0.3, 0.2])
    frame = pd.DataFrame(
        {
            "income": rng.normal(size=n) + (region == "US"),
            "age": rng.normal(40, 10, n),
            "rooms": rng.poisson(3, n).astype(float),
            "region": pd.Categorical(region),
            "grade": pd.Categorical(rng.choice(["A", "B"], n)),
        }
    )
    frame.loc[rng.random(n) < 0.1, "age"] = np.nan
    moved = np.ones(n, dtype=bool) if where is None else region == where
    frame.loc[moved, "income"] += shift
    return frame


@pytest.fixture(scope="module")
def profile():
    frame = drawn(4_000, 1)
    outcomes = Outcomes(frame, frame["income"].to_numpy(), frame["income"].to_numpy())
    columns = profiling.profile_columns(frame, profiling.kinds_of(frame))
    return profiling.profile_of(columns, features=tuple(columns), target=None, group=None, held_out=outcomes)


@pytest.fixture(scope="module")
def index(profile):
    return ProfileIndex(profile)


@pytest.fixture(scope="module")
def counter(index):
    return SketchCounter(index, numbers=NUMBERS, texts=TEXTS)


def served(frame):
    texts = [tuple(row) for row in frame[list(TEXTS)].astype(object).itertuples(index=False)]
    return Served(Rows(frame[list(NUMBERS)].to_numpy(), texts), frame["income"].tolist())


def test_the_profile_has_the_means_of_the_slices_that_are_measured(profile, index):
    assert index.measured_slices == ("region=EU", "region=JP", "region=US", "grade=A", "grade=B")
    assert index.measured_features == NUMBERS
    frame = drawn(4_000, 1)
    for name, found in profile.slices.items():
        column, _, level = name.partition("=")
        own = frame[frame[column] == level]
        assert found.features == pytest.approx({each: own[each].mean() for each in NUMBERS})


def test_only_the_first_slice_columns_with_few_levels_together_are_measured():
    rng = np.random.default_rng(2)
    frame = pd.DataFrame(
        {
            "income": rng.normal(size=4_000),
            **{f"c{k}": pd.Categorical(rng.choice([f"l{j}" for j in range(14)], 4_000)) for k in range(4)},
        }
    )
    outcomes = Outcomes(frame, frame["income"].to_numpy(), None)
    columns = profiling.profile_columns(frame, profiling.kinds_of(frame))
    found = profiling.profile_of(columns, features=tuple(columns), target=None, group=None, held_out=outcomes)
    measured = {name.partition("=")[0] for name in ProfileIndex(found).measured_slices}
    assert (measured, len(found.slices)) == ({"c0", "c1"}, 56)


@pytest.mark.parametrize("n_parts", [1, 7, 900])
def test_means_by_slice_are_those_of_the_rows_in_any_order_and_any_parts(counter, index, n_parts):
    frame = drawn(3_000, 3)
    found, whole = LiveSketch(), counter.count([served(frame)])
    for part in np.array_split(np.random.default_rng(4).permutation(3_000), n_parts):
        found.merge(counter.count([served(frame.iloc[part])]))
    assert to_bytes(found) == to_bytes(whole)
    for name in NUMBERS:
        means = found.feature_means(index, name)
        for of, (mean, n) in means.items():
            column, _, level = of.partition("=")
            own = frame.loc[frame[column] == level, name].dropna()
            assert (mean, n) == (pytest.approx(own.mean(), abs=1e-5), len(own))
        assert means.keys() == set(index.measured_slices)


def test_cells_without_a_number_and_levels_without_a_slice_count_nowhere(counter, index):
    frame = drawn(50, 5).astype({"region": object})
    frame.loc[:9, "region"] = "Mars"
    frame.loc[10:19, "region"] = None
    frame.loc[20:24, "income"] = np.inf
    found = counter.count([served(frame)])
    own = frame[frame["region"].isin(["EU", "US", "JP"]) & np.isfinite(frame["income"])]
    rows = {of: n for of, (_, n) in found.feature_means(index, "income").items() if of.startswith("region")}
    assert rows == {f"region={level}": n for level, n in own["region"].value_counts().items()}
    assert sum(rows.values()) == len(own) == 25


def test_counts_by_slice_take_few_bytes_and_add_up_without_the_profile(counter, index):
    parts = [counter.count([served(drawn(500, seed))]) for seed in range(4)]
    contents = [to_bytes(part) for part in parts]
    bare = LiveSketch(parts[0].n, parts[0].features, parts[0].answers, parts[0].slices)
    assert len(contents[0]) - len(to_bytes(bare)) < 12 * len(index.measured_slices) * len(NUMBERS)
    assert from_bytes(index, contents[0]).moves.steps.tolist() == parts[0].moves.steps.tolist()
    whole = LiveSketch()
    for part in parts:
        whole.merge(part)
    assert merged_bytes(contents) == to_bytes(whole)


def test_counts_of_a_release_from_before_are_read_and_add_up(counter, index):
    sketch = counter.count([served(drawn(200, 6))])
    fields = msgspec.msgpack.decode(zlib.decompress(to_bytes(sketch)[len(MAGIC) :]))
    before = MAGIC + zlib.compress(msgspec.msgpack.encode(fields[:4]))
    found = from_bytes(index, before)
    assert (found.moves, found.n) == (None, 200)
    assert found.merge(sketch).moves.rows.sum() == sketch.moves.rows.sum()
    assert from_bytes(index, merged_bytes([before, to_bytes(sketch)])).n == 400


@pytest.mark.parametrize(
    ("moves", "problem"),
    [
        pytest.param([3, [1] * 15, [0] * 14], "contradict", id="fewer sums than rows"),
        pytest.param([0, [], []], "contradict", id="no feature"),
        pytest.param([3, [1] * 14, [0] * 14], "contradict", id="no whole slice"),
        pytest.param([3, [1] * 12, [0] * 12], "other slices", id="other slices"),
        pytest.param([5, [1] * 15, [0] * 15], "other slices", id="other features"),
        pytest.param([3, [201] * 15, [0] * 15], "more cells", id="more cells than rows"),
        pytest.param([3, [-1] * 15, [0] * 15], "damaged", id="a negative count"),
        pytest.param("moves", "damaged", id="a text"),
    ],
)
def test_forged_counts_by_slice_are_refused(counter, index, moves, problem):
    sketch = counter.count([served(drawn(200, 6))])
    fields = msgspec.msgpack.decode(zlib.decompress(to_bytes(sketch)[len(MAGIC) :]))
    with pytest.raises(SketchError, match=problem):
        from_bytes(index, MAGIC + zlib.compress(msgspec.msgpack.encode([*fields[:4], moves])))


def test_counts_by_the_slices_of_two_profiles_do_not_add_up(counter):
    sketch = counter.count([served(drawn(200, 6))])
    other = LiveSketch(moves=SliceMoves(np.ones((2, 3), dtype=np.int64), np.ones((2, 3), dtype=np.int64)))
    with pytest.raises(ValueError, match="two profiles"):
        other.merge(sketch)


def test_a_profile_without_means_counts_no_feature_by_slice(profile):
    slices = {name: msgspec.structs.replace(each, features={}) for name, each in profile.slices.items()}
    index = ProfileIndex(msgspec.structs.replace(profile, slices=slices))
    found = SketchCounter(index, numbers=NUMBERS, texts=TEXTS).count([served(drawn(200, 6))])
    assert (found.moves, moved_slice_of(index, "income", found, 1.0)) == (None, "")


@pytest.mark.parametrize(
    ("where", "shift", "named"),
    [
        pytest.param("JP", 0.8, "region = JP", id="on the smallest slice"),
        pytest.param("EU", -0.8, "region = EU", id="on the largest slice"),
        pytest.param(None, 0.8, "", id="everywhere alike"),
        pytest.param("JP", 0.0, "", id="nowhere"),
    ],
)
def test_a_slice_is_named_where_a_feature_moved_otherwise_than_elsewhere(counter, index, where, shift, named):
    found = counter.count([served(drawn(2_000, 7, where=where, shift=shift))])
    assert moved_slice_of(index, "income", found, 1.0) == named
    assert moved_slice_of(index, "age", found, 1.0) == ""
    assert moved_slice_of(index, "income", found, 500.0) == "", "few independent rows name no slice"
    assert moved_slice_of(index, "region", found, 1.0) == ""


def test_unmoved_rows_name_a_slice_no_more_often_than_the_level_says(counter, index):
    named = [moved_slice_of(index, "income", counter.count([served(drawn(500, 100 + k))]), 1.0) for k in range(200)]
    assert sum(map(bool, named)) <= 20
