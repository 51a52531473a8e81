"""Sketches of served rows: exact, the same in any order, mergeable, small, and read strictly."""

import dataclasses
import zlib

import msgspec
import numpy as np
import pandas as pd
import pytest

from core.models.outcomes import Outcomes
from core.models.scoring.fields import Rows
from core.monitoring import profiling
from core.monitoring.compare_numbers import bin_numbers
from core.monitoring.live import (
    PREDICTION,
    LiveSketch,
    ProfileIndex,
    SketchCounter,
    SketchError,
    from_bytes,
    merged_bytes,
    profile_number,
    to_bytes,
)
from core.monitoring.live.counting import Served
from core.monitoring.live.encoding import MAGIC, MOST_BYTES
from core.monitoring.live.level_counts import MOST_UNSEEN, LevelIndex
from core.monitoring.live.number_counts import NumberGrid
from core.monitoring.number_sketch import CountedNumbers
from core.tables.signature import ColumnKind

NUMBERS, TEXTS = ("smooth", "tied", "gaps", "not_read"), ("grade", "client")


def drawn(n, seed, *, shift=0.0):
    rng = np.random.default_rng(seed)
    gaps = rng.normal(size=n)
    gaps[rng.random(n) < 0.1] = np.nan
    return pd.DataFrame(
        {
            "smooth": rng.normal(size=n) + shift,
            "tied": rng.poisson(2, n).astype(np.float64) + shift,
            "gaps": gaps,
            "grade": pd.Categorical(rng.choice(list("ABCD"), n, p=[0.6, 0.3, 0.08, 0.02])),
            "client": rng.zipf(1.3, n).clip(0, 5000).astype(str),
        }
    )


@pytest.fixture(scope="module")
def profile():
    frame = drawn(4_000, 1)
    outcomes = Outcomes(frame, frame["smooth"].to_numpy() * 2, frame["smooth"].to_numpy())
    columns = profiling.profile_columns(frame, profiling.kinds_of(frame))
    return profiling.profile_of(columns, features=tuple(columns), target=None, group=None, held_out=outcomes)


@pytest.fixture(scope="module")
def index(profile):
    return ProfileIndex(profile)


@pytest.fixture(scope="module")
def counter(index):
    return SketchCounter(index, numbers=NUMBERS, texts=TEXTS)


def requests(frame, sizes, *, grades=None):
    """Cut a frame into requests of some sizes."""
    found, start = [], 0
    for size in sizes:
        part = frame.iloc[start : start + size]
        numbers = np.column_stack([*(part[name] for name in NUMBERS[:3]), np.zeros(len(part))])
        texts = list(zip(grades or part["grade"].astype(str), part["client"], strict=False))
        found.append(Served(Rows(np.ascontiguousarray(numbers), texts), (part["smooth"] * 2).tolist()))
        start += size
    return found


@pytest.fixture(scope="module")
def sketch(counter):
    return counter.count(requests(drawn(3_000, 2, shift=0.2), [3_000]))


def test_the_same_rows_give_the_same_bytes_however_they_are_cut_and_ordered(counter, sketch):
    frame = drawn(3_000, 2, shift=0.2)
    whole = to_bytes(sketch)
    parts = [counter.count([each]) for each in requests(frame, [1] * 50 + [450, 2_500])]
    merged = LiveSketch()
    for part in reversed(parts):
        merged.merge(part)
    assert to_bytes(merged) == whole
    assert merged_bytes([to_bytes(part) for part in parts]) == whole


@pytest.mark.parametrize("n", [100, 60_000])
@pytest.mark.parametrize("name", ["smooth", "tied", "skewed", "huge", "constant"])
def test_numbers_are_counted_exactly_at_every_point_of_the_profile(name, n):
    def draw(seed, rows):
        rng = np.random.default_rng(seed)
        return {
            "smooth": rng.normal(size=rows),
            "tied": rng.normal(size=rows).round(1),
            "skewed": rng.lognormal(sigma=3, size=rows),
            "huge": rng.uniform(-1, 1, rows) * 1.7e308,
            "constant": np.full(rows, 3.0) + rng.integers(0, seed, rows),
        }[name]

    with np.errstate(over="ignore"):
        stored = profiling.profile_column(pd.Series(draw(1, 5_000)), ColumnKind.NUMBER, name="x")
        values = draw(2, n)
        grid = NumberGrid(stored)
        counts = grid.count(np.concatenate([values, [np.nan, np.inf]]))
        assert (counts.n, counts.missing, counts.unreadable, counts.infinite) == (n, 1, 1, 1)
        found, wanted = grid.counted(counts), CountedNumbers.of_sorted(grid.points, np.sort(values))
    assert (found.below == wanted.below).all()
    assert (found.up_to == wanted.up_to).all()
    if name != "huge":  # whose range no number can hold
        assert grid.mean(counts) == pytest.approx(values.mean(), rel=1e-4, abs=1e-6)
        outside = grid.points[0] - values[values < grid.points[0]]
        assert found.outside[0] == pytest.approx(outside.sum(), rel=1e-6, abs=grid.step * (1 + len(outside)))


def test_bins_are_those_that_a_batch_is_compared_in(index, sketch, profile):
    frame = drawn(3_000, 2, shift=0.2)
    before = profile.features[0].sketch()
    wanted = bin_numbers(before, CountedNumbers.of(before.points, frame["smooth"].to_numpy()))
    assert (sketch.bins(index, "smooth") == wanted).all()
    assert sketch.bins(index, "grade").sum(axis=1).tolist() == [4_000, 3_000]
    assert sketch.bins(index, PREDICTION)[1].sum() == 3_000
    with pytest.raises(KeyError):
        sketch.bins(index, "nothing")


def test_gaps_and_predictions_by_slice_are_counted(index, sketch):
    frame = drawn(3_000, 2, shift=0.2)
    assert sketch.features["gaps"].missing == int(frame["gaps"].isna().sum())
    assert sketch.features["gaps"].rows == 3_000
    rare = frame["grade"] == "B"
    assert sketch.slices["grade=B"].rows == int(rare.sum())
    assert sketch.slice_mean(index, "grade=B") == pytest.approx(float(frame["smooth"][rare].mean() * 2), abs=1e-5)
    assert sketch.slice_mean(index, "grade=Z") is None


def test_unseen_levels_are_numbered_in_bounded_memory_and_in_any_order():
    stored = profiling.profile_column(pd.Series(list("AABBC")), ColumnKind.CATEGORY, name="grade")
    index = LevelIndex(stored)
    few = index.count(["A", "new", "newer"], [5, 2, 1], missing=1)
    assert (few.n, few.rows, few.n_unseen_rows, few.n_unseen_levels) == (8, 9, 3, 2)
    names = [f"level {number}" for number in range(5_000)]
    forward, backward = index.nothing(), index.nothing()
    for name in names:
        forward.add(index.count([name], [3]))
    for name in reversed(names):
        backward.add(index.count([name], [3]))
    assert forward.unseen == backward.unseen
    assert forward.n_unseen_rows == backward.n_unseen_rows == 15_000
    assert len(forward.unseen) == MOST_UNSEEN
    assert forward.n_unseen_levels == pytest.approx(5_000, rel=0.2)
    found, rows = index.counted(forward)
    unnamed = index.unnamed(forward)
    assert rows.sum() + unnamed.rows == 15_000
    assert len(found) + unnamed.levels == forward.n_unseen_levels


def test_rows_with_other_texts_than_the_version_has_are_refused(index):
    rows = Rows(np.zeros((2, 1)), [("A",), ("A", "B", "C")])
    with pytest.raises(ValueError, match="2 rows of 1 texts have 4 cells"):
        SketchCounter(index, numbers=("smooth",), texts=("grade",)).count([Served(rows, [1.0, 2.0])])


def test_a_feature_that_requests_do_not_carry_is_named(index):
    assert SketchCounter(index, numbers=("smooth",), texts=("tied",)).left_out == ["tied", "gaps", "grade", "client"]


def test_rows_by_name_are_counted_too(index, profile):
    rows = [{"smooth": 0.5, "tied": "two", "grade": "A"}, {"smooth": None, "tied": True, "client": "1"}]
    sketch = SketchCounter(index, numbers=(), texts=()).count([Served(Rows(np.empty((2, 0)), rows), [1.0, 2.0])])
    assert (sketch.features["smooth"].n, sketch.features["smooth"].missing) == (1, 1)
    assert (sketch.features["tied"].n, sketch.features["tied"].unreadable) == (1, 1)
    assert sketch.slices["grade=A"].rows == 1


def test_the_likeliest_class_is_counted():
    frame = drawn(200, 3)
    answers = np.random.default_rng(0).dirichlet([1, 1, 1], 200)
    columns = profiling.profile_columns(frame, profiling.kinds_of(frame))
    profile = profiling.profile_of(
        columns,
        features=("smooth",),
        target=None,
        group=None,
        held_out=Outcomes(frame, answers, None, ("low", "middle", "high")),
    )
    index = ProfileIndex(profile)
    counter = SketchCounter(index, numbers=("smooth",), texts=(), classes=("low", "middle", "high"))
    rows = Rows(frame[["smooth"]].to_numpy(), [()] * 200)
    sketch = counter.count([Served(rows, answers.tolist())])
    likeliest = {name: int((answers.argmax(axis=1) == at).sum()) for at, name in enumerate(("low", "middle", "high"))}
    counts = sketch.answers[PREDICTION]
    assert dict(zip(index.answers[PREDICTION].names, counts.levels.tolist(), strict=True)) == likeliest


def test_it_reads_back_and_is_small(index, sketch, profile):
    content = to_bytes(sketch)
    assert to_bytes(from_bytes(index, content)) == content
    assert len(content) < 1_024 * len(profile.columns)


def test_stored_slices_have_no_name_and_those_of_an_earlier_release_add_up_with_them(index, sketch):
    named, placed = to_bytes(sketch), to_bytes(sketch, index)
    assert b"grade=B" in zlib.decompress(named[len(MAGIC) :])
    assert b"grade=" not in zlib.decompress(placed[len(MAGIC) :])
    assert from_bytes(index, placed).slices == sketch.slices
    assert to_bytes(from_bytes(index, placed), index) == placed
    both = from_bytes(index, merged_bytes([named, placed])).slices
    assert {name: counts.rows for name, counts in both.items()} == {
        name: 2 * counts.rows for name, counts in sketch.slices.items()
    }


def test_profiles_have_names_of_their_own(profile):
    assert profile_number(profile) == profile_number(msgspec.structs.replace(profile))
    assert profile_number(profile) != profile_number(msgspec.structs.replace(profile, rows=5))


def forged(sketch, **changes):
    return to_bytes(dataclasses.replace(sketch, **changes))


@pytest.mark.parametrize(
    ("forge", "problem"),
    [
        pytest.param(lambda _s, _c: b"", "do not begin", id="nothing"),
        pytest.param(lambda _s, c: c[:-3], "cut off", id="cut off"),
        pytest.param(lambda _s, c: c + b"x", "other bytes follow", id="with bytes behind it"),
        pytest.param(lambda _s, c: c[:20] + bytes(20) + c[40:], "damaged", id="overwritten"),
        pytest.param(lambda _s, _c: MAGIC + zlib.compress(bytes(MOST_BYTES + 1)), "become more than", id="a bomb"),
        pytest.param(lambda _s, _c: MAGIC + zlib.compress(b"\x93\x01"), "damaged", id="not the structure"),
        pytest.param(
            lambda _s, _c: MAGIC + zlib.compress(bytes([0x94, 1, 0x81, 0xA1, 0xFF, 0xC0, 0x80, 0x80])),
            "not UTF-8",
            id="a name that is no text",
        ),
        pytest.param(lambda _s, _c: "BONDX", "do not begin", id="a text"),
        pytest.param(lambda s, _c: forged(s, n=5), "cells in 5 rows", id="more cells than rows"),
        pytest.param(
            lambda s, _c: forged(s, features={"other": s.features["smooth"]}), "no column 'other'", id="a new column"
        ),
        pytest.param(
            lambda s, _c: forged(s, features={"smooth": s.features["grade"]}), "other bins", id="levels for numbers"
        ),
        pytest.param(lambda s, _c: forged(s, features={"smooth": s.features["tied"]}), "other bins", id="other points"),
        pytest.param(lambda s, _c: forged(s, slices={"grade=Z": s.slices["grade=B"]}), "no slice", id="a new slice"),
        pytest.param(lambda s, _c: forged(s, slices={"999": s.slices["grade=B"]}), "no slice", id="no such place"),
    ],
)
def test_hostile_bytes_are_refused(index, sketch, forge, problem):
    with pytest.raises(SketchError, match=problem):
        from_bytes(index, forge(sketch, to_bytes(sketch)))


def test_random_damage_never_passes_for_another_error(index, sketch):
    content = to_bytes(sketch)
    rng = np.random.default_rng(0)
    for _ in range(300):
        damaged = bytearray(content)
        for at in rng.integers(0, len(damaged), 3):
            damaged[at] = rng.integers(0, 256)
        try:
            from_bytes(index, bytes(damaged))
        except SketchError:
            continue


def test_sketches_of_two_profiles_do_not_add_up(sketch):
    other = LiveSketch(1, {"smooth": sketch.features["grade"]})
    with pytest.raises(SketchError, match="two profiles"):
        merged_bytes([to_bytes(sketch), to_bytes(other)])
