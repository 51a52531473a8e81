"""The epochs of a session: the same answers as from a list of them, for one step of work an epoch."""

from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.training import scores as module
from core.training.scores import EpochScore, EpochScores

EPOCHS = st.lists(
    st.builds(EpochScore, st.none() | st.sampled_from([0.5, 0.7, 0.7004, 0.9]), st.floats(0, 1)), max_size=12
)


def chained(epochs):
    history = EpochScores()
    for epoch in epochs:
        history = history.then(epoch)
    return history


@given(EPOCHS, st.sampled_from([0.0, 0.001, 0.1]))
def test_epochs_added_one_by_one_are_the_epochs_put_together(epochs, threshold):
    history, together = chained(epochs), EpochScores(epochs)
    assert list(history) == epochs
    assert history == together
    assert history[-3:] == tuple(epochs[-3:])
    assert history.best_epoch == together.best_epoch
    assert history.n_skipped == together.n_skipped == sum(epoch.score is None for epoch in epochs)
    assert history.without_improvement(threshold) == together.without_improvement(threshold)
    assert list(history.recent_quality(3)) == [epoch.quality_score for epoch in epochs[-3:]]
    assert EpochScores.joined([EpochScores(epochs[:4]), EpochScores(epochs[4:])]) == together


@given(EPOCHS, EPOCHS, EPOCHS)
def test_a_session_that_continues_from_an_earlier_epoch_leaves_the_epochs_it_had_as_they_were(before, lost, after):
    at_checkpoint = chained(before)
    first = at_checkpoint
    for epoch in lost:
        first = first.then(epoch)
    second = at_checkpoint
    for epoch in after:
        second = second.then(epoch)
    assert (list(at_checkpoint), list(first), list(second)) == (before, before + lost, before + after)
    assert second.best_epoch == EpochScores(before + after).best_epoch
    assert second.without_improvement(0.1) == EpochScores(before + after).without_improvement(0.1)


class CountedArray(array):
    """Counts the numbers that are read or copied."""

    n_read = 0

    def __getitem__(self, index):
        found = super().__getitem__(index)
        CountedArray.n_read += len(found) if isinstance(index, slice) else 1
        return found

    def __iter__(self):
        CountedArray.n_read += len(self)
        return super().__iter__()


@pytest.mark.parametrize("n_before", [10, 5_000])
def test_an_epoch_reads_no_more_after_many_epochs_than_after_few(monkeypatch, n_before):
    monkeypatch.setattr(module, "array", CountedArray)
    history = EpochScores([EpochScore(0.5, 0.9)] * n_before)
    history.without_improvement(0.001)
    CountedArray.n_read = 0
    for n in range(100):
        history = history.then(EpochScore(0.6 + n / 500, 0.9))
        assert (history.best_epoch, history.without_improvement(0.001)) == (n_before + n + 1, 0)
        history.recent_quality(5)
    assert CountedArray.n_read <= 100 * (1 + 5)


def test_an_epoch_takes_sixteen_bytes():
    history = chained(EpochScore(index / 1000, 0.9) for index in range(1_000))
    assert history._scores.itemsize + history._quality.itemsize == 16
    assert history.then(EpochScore(0.1, 0.9))._scores is history._scores
