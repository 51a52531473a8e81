"""Steps that compute, in real child processes: what breaks off is tried again, and what does not pass ends it."""

import os
import random
import shutil
import signal
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from core.errors import CoreError
from core.governance import AuditLog
from core.retraining.document import Retraining, RetrainingPhase, RetrainingStep, StepName, StepState
from core.settings import PolicySource
from core.settings.retraining import RetrainingPolicy
from core.state import Workspace
from tests.clocks import HandSeconds
from tests.disks import filled, mounted
from tests.end_to_end import market
from tests.retraining_world import ANA, MODEL, World
from tests.waiting import until


def rules_of(world: World) -> RetrainingPolicy:
    return PolicySource(world.workspace.root).policy().for_model(MODEL).retraining


def after_failure(world: World, found: Retraining, n: int) -> RetrainingStep:
    """Drive the pipeline until the first step has broken off so often."""

    def look() -> RetrainingStep | None:
        world.pipeline.tick()
        step = world.retrainings.get(found.retraining_id).observed.step(StepName.COLLECT)
        return step if step.n_failures == n else None

    return until(look, f"failure {n}")


@pytest.fixture
def held(at_start_of_children: Callable[[str], None], tmp_path: Path) -> Path:
    """A file: for as long as it is there, no child begins to compute, and so none is done too early."""
    gate = tmp_path / "held"
    at_start_of_children(f"import os, time\nwhile os.path.exists({str(gate)!r}):\n    time.sleep(0.01)\n")
    return gate


def test_a_truncated_file_a_killed_child_and_a_late_one_are_tried_again_after_growing_waits(
    world: World, held: Path
) -> None:
    file = world.offer(*market.flats(400, seed=2))
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2 - 3])
    found = world.retrainings.now(MODEL, actor=ANA)

    truncated = after_failure(world, found, 1)
    assert truncated.state is StepState.FAILED
    assert "rows.csv" in truncated.reason
    assert truncated.next_attempt_at is not None
    assert (truncated.next_attempt_at - world.clock.now).total_seconds() == 60
    world.pipeline.tick()
    assert world.pipeline.child_pid is None, "it waits"

    file.write_bytes(whole)
    held.touch()
    world.pass_by(seconds=61)
    world.pipeline.tick()
    pid = world.pipeline.child_pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    killed = after_failure(world, found, 2)
    assert "killed by SIGKILL" in killed.reason
    assert killed.next_attempt_at is not None
    assert (killed.next_attempt_at - world.clock.now).total_seconds() == 120

    seconds = HandSeconds()
    world.pipeline.close()
    world.start_engine(monotonic=seconds)
    world.pass_by(seconds=121)
    world.pipeline.tick()
    assert world.pipeline.child_pid is not None
    seconds.pass_by(61 * 60)
    late = after_failure(world, found, 3)
    assert "took longer than 60 minutes" in late.reason

    held.unlink()
    world.pipeline.close()
    world.start_engine()
    world.pass_by(seconds=241)
    collected = world.run(found.retraining_id, to=StepName.CHECK).observed.step(StepName.COLLECT)
    assert (collected.state, collected.n_failures) == (StepState.DONE, 3)
    assert collected.evidence["n_rows"] == 400
    assert world.live == "1.0.0"


def test_a_wait_that_a_wrong_clock_wrote_down_is_over(world: World) -> None:
    file = world.offer(*market.flats(400, seed=2))
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2 - 3])
    found = world.retrainings.now(MODEL, actor=ANA)
    world.pass_by(days=400)
    after_failure(world, found, 1)
    file.write_bytes(whole)
    world.clock.now -= timedelta(days=400)
    world.run(found.retraining_id, to=StepName.CHECK)


def test_a_step_says_which_of_its_parts_has_begun(world: World, at_start_of_children, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    gate.touch()
    at_start_of_children(
        "import os, time\nimport core.progress as progress\nbegins = progress.listen\n"
        "def listen(told):\n"
        "    before = begins(told)\n"
        "    told('waiting for the test')\n"
        f"    while os.path.exists({str(gate)!r}):\n        time.sleep(0.01)\n"
        "    return before\n"
        "progress.listen = listen\n"
    )
    world.offer(*market.flats(400, seed=2))
    found = world.retrainings.now(MODEL, actor=ANA)

    def said() -> bool:
        world.pass_by(seconds=11)
        world.pipeline.tick()
        return "collect is running: waiting for the test" in world.retrainings.get(found.retraining_id).observed.reason

    until(said, "the part that has begun")
    assert AuditLog(world.workspace).verify().ok, "what a step says of itself is no change that somebody made"
    world.retrainings.hold(MODEL, actor=ANA, reason="release night")
    for _ in range(3):
        world.pass_by(seconds=11)
        world.pipeline.tick()
    assert "release night" in world.retrainings.get(found.retraining_id).observed.reason
    world.retrainings.resume(MODEL, actor=ANA)
    gate.unlink()
    world.run(found.retraining_id, to=StepName.CHECK)


def test_scrambled_outcomes_are_not_learned(world: World) -> None:
    dice = random.Random(5)
    flats = market.flats(500, seed=2)
    rents = [flat.rent for flat in flats]
    world.offer(*(flat._replace(rent=dice.choice(rents)) if dice.random() < 0.3 else flat for flat in flats))
    found = world.retrainings.now(MODEL, actor=ANA)
    rejected = world.run(found.retraining_id, to=RetrainingPhase.REJECTED)
    assert rejected.observed.step(StepName.CHECK).state is StepState.STOPPED
    assert "contradict the live version and a second model" in rejected.observed.reason
    assert world.registry.numbers(MODEL) == ["1.0.0"]
    assert [alert.rule for alert in world.alerts.open()] == ["retraining_failed"]


@pytest.mark.journey
def test_a_version_that_is_not_shown_to_be_better_is_not_registered(world: World) -> None:
    world.offer(*market.flats(400, seed=2))
    policy = rules_of(world)
    strict = msgspec.structs.replace(policy, validation=msgspec.structs.replace(policy.validation, require="superior"))
    found = world.retrainings.now(MODEL, actor=ANA, policy=strict)
    rejected = world.run(found.retraining_id, to=RetrainingPhase.REJECTED)
    assert rejected.observed.step(StepName.VALIDATE).state is StepState.STOPPED
    assert "not shown to be better" in rejected.observed.reason
    assert world.registry.numbers(MODEL) == ["1.0.0"]


def test_too_few_rows_end_it_at_once(world: World) -> None:
    world.offer(*market.flats(150, seed=2))
    found = world.retrainings.now(MODEL, actor=ANA)
    rejected = world.run(found.retraining_id, to=RetrainingPhase.REJECTED)
    assert rejected.observed.reason == "collect: 150 of 200 labelled rows"


def test_a_disk_that_fills_stops_a_step_and_the_next_engine_continues_once_there_is_room(
    world: World, tmp_path: Path, held: Path
) -> None:
    with mounted(tmp_path / "disk", "128m") as disk:
        shutil.copytree(world.workspace.root, disk / "workspace")
        small = World(Workspace.open(disk / "workspace"), world.clock)
        small.offer(*market.flats(400, seed=2))
        found = small.retrainings.now(MODEL, actor=ANA)
        held.touch()
        small.pipeline.tick()
        with filled(disk):
            held.unlink()  # from its first byte on it finds no room, and has none to give back

            def fails() -> bool:
                try:
                    small.pipeline.tick()
                except (CoreError, OSError):  # the worker's thread restarts with a new pipeline
                    return True
                return False

            until(fails, "a state that cannot be written")
            assert small.live == "1.0.0"
        small.pipeline.close()
        small.start_engine()
        small.pass_by(seconds=61)
        collected = small.run(found.retraining_id, to=StepName.CHECK)
        small.pipeline.close()
        assert collected.observed.step(StepName.COLLECT).evidence["n_rows"] == 400
        assert (small.live, AuditLog(small.workspace).verify().ok) == ("1.0.0", True)


def test_rows_that_fail_a_quality_gate_are_not_learned(world: World) -> None:
    settings = world.workspace.settings_file
    settings.write_text(f"quality_gates: {{coverage_min: 100}}\n{settings.read_text()}")
    file = world.offer(*market.flats(400, seed=2))
    lines = file.read_text().splitlines()
    file.write_text("\n".join([*lines[:5], *("," + line.partition(",")[2] for line in lines[5:9]), *lines[9:]]) + "\n")
    found = world.retrainings.now(MODEL, actor=ANA)
    rejected = world.run(found.retraining_id, to=RetrainingPhase.REJECTED)
    assert rejected.observed.step(StepName.CHECK).state is StepState.STOPPED
    assert "the rows failed a quality gate: coverage" in rejected.observed.reason
    assert world.registry.numbers(MODEL) == ["1.0.0"]
