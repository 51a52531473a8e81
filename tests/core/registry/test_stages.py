import pytest

from core.registry.stages import Stage, TransitionVerb, is_allowed, next_stage


@pytest.mark.parametrize(
    ("verb", "before", "after", "allowed"),
    [
        pytest.param(TransitionVerb.PROMOTE, Stage.DEVELOPMENT, Stage.STAGING, True, id="first step"),
        pytest.param(TransitionVerb.PROMOTE, Stage.STAGING, Stage.PRODUCTION, True, id="second step"),
        pytest.param(TransitionVerb.PROMOTE, Stage.DEVELOPMENT, Stage.PRODUCTION, False, id="no step is skipped"),
        pytest.param(
            TransitionVerb.PROMOTE, Stage.ARCHIVED, Stage.STAGING, True, id="an archived version comes back by Staging"
        ),
        pytest.param(
            TransitionVerb.PROMOTE, Stage.ARCHIVED, Stage.PRODUCTION, False, id="but not straight to Production"
        ),
        pytest.param(TransitionVerb.PROMOTE, Stage.PRODUCTION, Stage.STAGING, False, id="a promotion never leads down"),
        pytest.param(
            TransitionVerb.ROLL_BACK, Stage.ARCHIVED, Stage.PRODUCTION, True, id="a rollback does go straight there"
        ),
        pytest.param(
            TransitionVerb.ROLL_BACK, Stage.DEVELOPMENT, Stage.PRODUCTION, False, id="never to an untried version"
        ),
        pytest.param(
            TransitionVerb.ARCHIVE, Stage.PRODUCTION, Stage.ARCHIVED, True, id="a live version may be retired"
        ),
        pytest.param(TransitionVerb.ARCHIVE, Stage.ARCHIVED, Stage.ARCHIVED, False, id="archiving twice is nothing"),
    ],
)
def test_a_move_is_allowed_by_the_one_table(verb: TransitionVerb, before: Stage, after: Stage, allowed: bool) -> None:
    assert is_allowed(verb, before, after) is allowed


def test_each_stage_has_at_most_one_next_stage() -> None:
    assert [next_stage(stage) for stage in Stage] == [Stage.STAGING, Stage.PRODUCTION, None, Stage.STAGING]
