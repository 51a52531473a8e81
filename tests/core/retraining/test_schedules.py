"""The engine starts what is due: once for what was missed, and nothing twice after its clock was set back."""

import pytest

from core.retraining.document import RetrainingPhase, TriggerKind
from tests.end_to_end import market
from tests.retraining_world import ANA, MODEL, POLICY, World


@pytest.fixture
def settings_text() -> str:
    more = (
        "    enabled: true\n    schedule: '0 2 * * *'\n    cooldown_hours: 0\n    max_per_day: 9\n    max_retries: 0\n"
    )
    return POLICY + more


def drive(world: World) -> int:
    """Let one look pass, end what has started, and count all retrainings."""
    world.pass_by(seconds=20)
    world.pipeline.tick()
    for found in world.retrainings.all():
        if found.is_active:
            world.pipeline.close()
            world.retrainings.cancel(found.retraining_id, actor=ANA)
            world.run(found.retraining_id, to=RetrainingPhase.CANCELLED)
    return len(world.retrainings.all())


def test_a_schedule_is_kept_over_downtime_and_a_clock_that_is_set_back(world: World) -> None:
    world.offer(*market.flats(300, seed=3))
    assert drive(world) == 0, "what was due before anybody watched is not made up for"
    world.pass_by(hours=18)  # 2026-03-03 03:00
    assert drive(world) == 1
    assert world.retrainings.all()[0].trigger is TriggerKind.SCHEDULE
    assert drive(world) == 1
    world.pass_by(hours=-2)
    assert drive(world) == 1, "02:00 comes again, and was handled"
    world.pass_by(hours=3)
    assert drive(world) == 1
    world.pipeline.close()
    world.pass_by(days=5)
    world.start_engine()
    assert drive(world) == 2, "five missed nights are made up for once"
    assert drive(world) == 2
    world.pass_by(days=-400)  # the clock was wrong all the time
    assert drive(world) == 2
    world.pass_by(days=1)
    assert drive(world) == 3
    assert world.retrainings.memory(MODEL).handled_until is not None
