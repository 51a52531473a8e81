"""Which rollout a name means."""

import pytest

from core.errors import NotFoundError, UsageError
from core.rollout.naming import rollout_named


class Found:
    def __init__(self, rollout_id, model, is_active):
        self.rollout_id, self.model, self.is_active = rollout_id, model, is_active


ENDED, ACTIVE = Found("ro-0001", "spread", False), Found("ro-0002", "spread", True)
ODD = Found("ro-0003", "ro-0001", True)


def test_an_id_comes_before_a_model_and_a_model_means_its_active_rollout():
    assert rollout_named([ENDED, ACTIVE, ODD], "ro-0001") is ENDED
    assert rollout_named([ENDED, ACTIVE, ODD], "spread") is ACTIVE
    assert rollout_named([ACTIVE, ODD], "ro-0001") is ODD


def test_several_active_rollouts_of_a_model_are_named_and_none_is_chosen():
    with pytest.raises(UsageError, match="spread has several active rollouts, ro-0002 and ro-0004: name one"):
        rollout_named([ACTIVE, Found("ro-0004", "spread", True)], "spread")


def test_without_an_active_rollout_the_error_says_what_there_is():
    with pytest.raises(
        NotFoundError, match=r"the newest, ro-0001, has ended\. No rollout is active; ended: ro-0001 \(spread\)"
    ):
        rollout_named([ENDED], "spread")
    with pytest.raises(NotFoundError, match=r"no model x with a rollout\. Active rollouts: ro-0002 \(spread\)\."):
        rollout_named([ACTIVE], "x")
