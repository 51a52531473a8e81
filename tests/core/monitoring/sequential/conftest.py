"""The population and the bets that the tests of the sequential verdict share."""

import pytest

from core.monitoring.sequential import Streams
from tests.core.monitoring.sequential.populations import Population


@pytest.fixture
def population() -> Population:
    return Population()


@pytest.fixture(scope="module")
def streams() -> Streams:
    return Streams(Population().profile(1, 5_000))
