"""Hostile bytes in place of a state."""

import msgspec
import numpy as np
import pytest

from core.monitoring.sequential import (
    DriftStateError,
    SequentialDrift,
    Streams,
    state_from_bytes,
    state_to_bytes,
)
from tests.core.monitoring.sequential.populations import Population, minutes


@pytest.fixture(scope="module")
def content(streams) -> bytes:
    drift = SequentialDrift(streams)
    drift.observe(minutes(Population(), streams.layouts, np.random.default_rng(1), 20, 50, shift=2.0))
    assert drift.state.findings
    return state_to_bytes(drift.state, streams, cursor=3)


def changed(content: bytes, **fields: object) -> bytes:
    return msgspec.msgpack.encode(msgspec.msgpack.decode(content) | fields)


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"format": 1}, id="another format"),
        pytest.param({"by_minute": b"1234"}, id="too few numbers"),
        pytest.param({"n_rows": -1}, id="a negative count"),
        pytest.param({"begun_at": None}, id="an end without a beginning"),
        pytest.param({"added": {1: b"1234"}}, id="too few numbers of a minute"),
        pytest.param({"recent_levels": {"rows": b"", "sums": b"", "alike_for": 1.0}}, id="no levels"),
        pytest.param({"secret": 1}, id="an unknown field"),
    ],
)
def test_a_state_that_contradicts_itself_is_refused(content, streams, fields):
    with pytest.raises(DriftStateError):
        state_from_bytes(changed(content, **fields), streams)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_state_with_impossible_evidence_is_refused(content, streams, value):
    with pytest.raises(DriftStateError, match="cannot be"):
        state_from_bytes(changed(content, by_minute=np.full(streams.n_bets, value).tobytes()), streams)


def test_a_state_of_another_profile_is_refused(content):
    with pytest.raises(DriftStateError, match="another profile"):
        state_from_bytes(content, Streams(Population().profile(2, 3_000)))


def test_cut_bytes_are_refused(content, streams):
    for end in range(0, len(content), 997):
        with pytest.raises(DriftStateError):
            state_from_bytes(content[:end], streams)


def test_a_state_of_an_earlier_release_is_read(content, streams):
    stored = msgspec.msgpack.decode(content)
    del stored["dispersion"]["weighed"], stored["recent_levels"], stored["added"]
    drift = SequentialDrift(streams, state=state_from_bytes(msgspec.msgpack.encode(stored), streams)[0])
    drift.observe(minutes(Population(), streams.layouts, np.random.default_rng(2), 5, 50, shift=2.0))

    assert drift.state.findings
    assert drift.state.dispersion.weighed[0].max() == pytest.approx(24, rel=0.05)
