import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from core.domains.draws import stream, systematic_sample


def test_streams_of_other_names_or_seeds_differ():
    draws = {stream(seed, name).random() for seed in (1, 2) for name in ("issuers", "esg")}
    assert len(draws) == 4
    assert stream(1, "esg").random() == stream(1, "esg").random()


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=200), st.integers(0, 2**32))
def test_a_systematic_sample_has_the_expected_size(probability, seed):
    chosen = systematic_sample(stream(seed, "t"), np.array(probability), np.ones(len(probability), dtype=np.int64))
    assert np.floor(sum(probability) - 1e-9) <= chosen.sum() <= np.ceil(sum(probability) + 1e-9)


def test_a_systematic_sample_keeps_each_probability():
    probability = np.array([0.05, 0.3, 0.3, 0.9])
    size = np.array([1, 2, 2, 1])
    rng = stream(0, "t")
    share = np.mean([systematic_sample(rng, probability, size) for _ in range(4000)], axis=0)
    assert np.abs(share - probability).max() < 0.03
