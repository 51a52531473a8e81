"""The engine starts what is due: once for what was missed, and nothing twice after its clock was set back."""

import gzip

import pytest

from core.errors import CoreError
from core.retraining.document import RetrainingPhase, TriggerKind
from core.retraining.files import source_files
from core.retraining.planning import plan_of
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


@pytest.mark.parametrize(
    ("name", "content"),
    [
        pytest.param("rows.parquet", b"PAR1 and then nothing", id="a truncated Parquet file"),
        pytest.param("rows.csv.gz", gzip.compress(b"area,floor,district,rent\n" * 99)[:-9], id="a truncated gzip file"),
        pytest.param("rows.csv.gz", b"no gzip", id="another file under its name"),
    ],
)
def test_a_damaged_file_is_named_and_keeps_no_engine_from_looking(world: World, name: str, content: bytes) -> None:
    settings = world.workspace.settings_file
    settings.write_text(settings.read_text() + "    min_new_samples: 10\n")
    folder = world.workspace.root / "new"
    folder.mkdir(mode=0o700)
    (folder / name).write_bytes(content)
    world.pipeline.tick()
    said = " ".join(reading.reason for reading in plan_of(world.workspace, MODEL, now=world.clock.now).triggers)
    assert name in said
    assert "could not be counted" in said
    assert world.retrainings.all() == []


@pytest.mark.parametrize("path", ["~nobody-of-this-name/rows", "new\\0rows", "/proc/self/task/nobody/*.csv"])
def test_a_place_that_cannot_be_read_is_refused_in_words(world: World, path: str) -> None:
    with pytest.raises(CoreError, match=r"source\.path"):
        source_files(path.replace("\\0", "\0"), root=world.workspace.root)
