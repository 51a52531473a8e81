"""Sums of contributions: what they estimate, how they add up, and that nothing else is read as one."""

import zlib

import msgspec
import numpy as np
import pytest

from core.explain.served_sketch import (
    MAGIC,
    ContributionBasis,
    ContributionSketch,
    ContributionSketchError,
    add_sketches,
    merged_contributions,
    sketch_from_bytes,
)

BASIS = ContributionBasis(("size", "age"), "TreeSHAP", "price", None, "40 rows")


def test_totals_and_their_variance_are_those_of_a_sample_without_replacement():
    population = np.random.default_rng(1).lognormal(size=(200, 2)) * [1.0, -3.0]
    draws = [np.random.default_rng(seed).permutation(200)[:20] for seed in range(2_000)]
    found = [ContributionSketch.of(BASIS, population[chosen], 200) for chosen in draws]
    sizes = np.array([each.sizes for each in found])
    truth = np.abs(population).sum(axis=0)
    assert np.abs(sizes.mean(axis=0) / truth - 1).max() < 0.02
    estimated = np.array([each.variances for each in found]).mean(axis=0)
    assert estimated == pytest.approx(sizes.var(axis=0), rel=0.1)
    assert np.array([each.sums for each in found]).mean(axis=0) == pytest.approx(population.sum(axis=0), rel=0.02)


def test_where_whole_requests_were_chosen_first_their_differences_are_in_the_variance():
    random = np.random.default_rng(2)
    levels = random.lognormal(size=(60, 1, 2))  # rows of a request are alike
    population = levels * random.uniform(0.9, 1.1, size=(60, 10, 2))
    found = []
    for _ in range(2_000):
        chosen = random.permutation(60)[:12]
        rows = population[chosen].reshape(-1, 2)
        some = random.permutation(120)[:30]
        found.append(ContributionSketch.of(BASIS, rows[some], 600, np.repeat(np.arange(12), 10)[some]))
    spread = np.array([each.sizes for each in found]).var(axis=0)
    estimated = np.array([each.variances for each in found]).mean(axis=0)
    assert (estimated > 0.85 * spread).all()  # without the finite share of requests, a little too large
    assert (estimated < 1.6 * spread).all()
    as_rows = ContributionSketch.of(BASIS, rows[some], 600).variances
    assert np.array(as_rows).max() < 0.7 * spread.max()


def test_sketches_of_one_basis_add_up_and_others_do_not():
    one = ContributionSketch.of(BASIS, np.array([[1.0, -2.0], [3.0, 4.0]]), 10)
    other = ContributionSketch.of(BASIS, np.array([[5.0, 0.0], [0.0, 1.0]]), 4)
    both = sketch_from_bytes(merged_contributions([one.to_bytes(), other.to_bytes()]))
    assert both == add_sketches([one, other])
    assert (both.n, both.n_explained) == (14, 4)
    assert both.sizes == pytest.approx((20.0 + 10.0, 30.0 + 2.0))
    assert both.variances == pytest.approx(tuple(np.add(one.variances, other.variances)))
    elsewhere = msgspec.structs.replace(BASIS, scale="log odds")
    assert elsewhere.number != BASIS.number
    with pytest.raises(ContributionSketchError, match="in two ways"):
        add_sketches([one, ContributionSketch.of(elsewhere, np.ones((1, 2)), 1)])


def test_rows_of_one_request_do_not_stand_for_others():
    with pytest.raises(ContributionSketchError, match="one request"):
        ContributionSketch.of(BASIS, np.ones((3, 2)), 30, np.zeros(3, dtype=np.int64))


def packed(**changed):
    sketch = ContributionSketch.of(BASIS, np.ones((2, 2)), 5)
    return msgspec.structs.replace(sketch, **changed).to_bytes()


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"BXL1" + packed()[4:], id="counts of rows"),
        pytest.param(packed()[:-3], id="cut off"),
        pytest.param(packed() + b"x", id="with bytes behind it"),
        pytest.param(MAGIC + zlib.compress(b"\xc1"), id="no MessagePack"),
        pytest.param(packed(sizes=(1.0,)), id="too few figures"),
        pytest.param(packed(sizes=(1.0, float("nan"))), id="no number"),
        pytest.param(packed(sizes=(1.0, -1.0)), id="a negative size"),
        pytest.param(packed(variances=(1.0, -1.0)), id="a negative variance"),
        pytest.param(packed(n_explained=6), id="more explained than answered"),
        pytest.param(packed(n_explained=0), id="none explained"),
        pytest.param(packed(basis=msgspec.structs.replace(BASIS, names=("size", "size"))), id="a column twice"),
        pytest.param(MAGIC + zlib.compress(b"\0" * (5 << 20)), id="too large"),
    ],
)
def test_what_is_no_sketch_is_refused(content):
    with pytest.raises(ContributionSketchError):
        sketch_from_bytes(content)
