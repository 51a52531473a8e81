"""Kill -9 of the engine at random points of a retraining: the next engine continues, and nothing is half-done."""

import random
import shutil
import subprocess
import sys
from collections import Counter
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from core.governance import AuditLog
from core.maintenance.doctor import examine
from core.retraining.child_run import MODULE
from core.retraining.document import Retraining, RetrainingPhase, StepName, StepState
from core.retraining.retrainings import Retrainings
from core.state import Workspace
from tests.clocks import HandClock
from tests.end_to_end import market
from tests.processes import printed_unless_killed
from tests.retraining_world import ANA, MODEL, POLICY, World
from tests.waiting import until


@pytest.fixture
def settings_text() -> str:
    return f"{POLICY}    auto_deploy: true\n"


def run_engine(workspace: Workspace, goal: str, *, dies_at: int = 0) -> int | None:
    """Run an engine until the retraining has ended, or until it dies at its n-th change on the disk.

    Returns:
        How many changes it has made; None if it died.
    """
    return n_changes_of(workspace, "tests.retraining_process", str(workspace.root), str(dies_at), goal)


def n_changes_of(workspace: Workspace, *program: str) -> int | None:
    """Run a program over a workspace; return the number that it prints, or None if it died."""
    retrainings = Retrainings(workspace)
    printed = printed_unless_killed(
        [sys.executable, "-m", *program],
        "the end of the retraining",
        progress=lambda: [each.observed for each in retrainings.all()],
    )
    return None if printed is None else int(printed)


@pytest.mark.crash
@pytest.mark.parametrize(
    ("goal", "phase"), [("live", RetrainingPhase.DONE), ("cancelled", RetrainingPhase.CANCELLED)], ids=str
)
def test_a_repeatedly_killed_engine_ends_a_retraining_as_an_undisturbed_one_does(
    world: World, tmp_path: Path, goal: str, phase: RetrainingPhase, is_long: bool
) -> None:
    world.offer(*market.flats(300, seed=2, dearer=1.4))
    world.retrainings.now(MODEL, actor=ANA)
    peaceful = tmp_path / "peaceful"
    shutil.copytree(world.workspace.root, peaceful)
    n_changes = run_engine(Workspace.open(peaceful), goal)
    assert n_changes is not None
    assert_ended(Workspace.open(peaceful), phase)
    luck, n_kills, n_wanted = random.Random(16), 0, 50 if is_long else 2
    while n_kills < n_wanted:
        violent = tmp_path / f"violent-{n_kills}"
        shutil.copytree(world.workspace.root, violent)
        workspace = Workspace.open(violent)
        while run_engine(workspace, goal, dies_at=luck.randint(1, n_changes) if n_kills < n_wanted else 0) is None:
            n_kills += 1
        assert_ended(workspace, phase)


def run_real_engine(workspace: Workspace, goal: str, thread: str, *, dies_at: int = 0) -> int | None:
    """Run the whole engine until the retraining has ended, or until it dies at the n-th change of one thread.

    Returns:
        How many changes that thread has made; None if it died.
    """
    return n_changes_of(workspace, "tests.retraining_engine", str(workspace.root), goal, thread, str(dies_at))


@pytest.mark.crash
@pytest.mark.parametrize(
    ("goal", "phase"),
    [
        pytest.param("restored", RetrainingPhase.RESTORED, id="its performance falls while it is watched"),
        pytest.param("live", RetrainingPhase.DONE, id="it stays live"),
    ],
)
def test_a_real_engine_killed_anywhere_leaves_a_retraining_that_ends_by_itself(
    world: World, tmp_path: Path, goal: str, phase: RetrainingPhase, is_long: bool
) -> None:
    if not is_long and goal != "restored":
        pytest.skip("the long form kills it on this way, too")
    world.offer(*market.flats(300, seed=2, dearer=1.4))
    world.retrainings.now(MODEL, actor=ANA)
    for thread, n_kills in (("retraining", 40 if is_long else 1), ("rollouts", 15 if is_long else 1)):
        peaceful = tmp_path / f"{thread}-peaceful"
        shutil.copytree(world.workspace.root, peaceful)
        n_changes = run_real_engine(Workspace.open(peaceful), goal, thread)
        assert n_changes
        assert_ended(Workspace.open(peaceful), phase)
        luck, n_deaths = random.Random(f"{goal} {thread}"), 0
        for stratum in range(n_kills):  # spread over the whole way, at a random place of each part
            violent = tmp_path / f"{thread}-{stratum}"
            shutil.copytree(world.workspace.root, violent)
            workspace = Workspace.open(violent)
            dies_at = 1 + int((stratum + luck.random()) * 0.9 * n_changes / n_kills)
            while run_real_engine(workspace, goal, thread, dies_at=dies_at) is None:
                n_deaths += 1
                assert world_of(workspace).live in {"1.0.0", *made_by(workspace)}
                dies_at = luck.randint(1, n_changes) if is_long else 0
            assert_ended(workspace, phase)
            shutil.rmtree(violent)
        assert n_deaths >= n_kills


LONGEST_SECONDS = {StepName.COLLECT: 3.0, StepName.CHECK: 5.0, StepName.TRAIN: 6.0, StepName.VALIDATE: 3.0}
"""How long after a step was seen the engine is killed at most; the other steps are over within a moment."""


@pytest.mark.crash
def test_an_engine_killed_at_random_instants_of_every_step_leaves_nothing_half_done(
    world: World, tmp_path: Path, is_long: bool
) -> None:
    """Seven kills a retraining, one in each step: at instants of the clock, children at work included."""
    world.offer(*market.flats(300, seed=2, dearer=1.4))
    asked = world.retrainings.now(MODEL, actor=ANA).retraining_id
    luck, hits, ends = random.Random(50), Counter[str](), Counter[str]()
    for number in range(8 if is_long else 1):
        root = tmp_path / f"killed-{number}"
        shutil.copytree(world.workspace.root, root)
        workspace = Workspace.open(root)
        for step in StepName if is_long else luck.sample(list(StepName), 2):
            if (hit := killed_in(workspace, asked, step, luck)) is not None:
                hits[hit] += 1
            assert world_of(workspace).live in {"1.0.0", *made_by(workspace)}
        assert run_real_engine(workspace, "live", "retraining") is not None
        assert_ended(workspace, RetrainingPhase.DONE)
        ends[str(world_of(workspace).retrainings.get(asked).observed.phase)] += 1
        shutil.rmtree(root)
    print(f"{hits.total()} kills: {dict(sorted(hits.items()))}; ends: {dict(ends)}")
    assert hits.total() >= (50 if is_long else 1)


def killed_in(workspace: Workspace, asked: str, step: StepName, luck: random.Random) -> str | None:
    """Run an engine up to a step, and kill it at a random instant from there on; return where it was.

    Returns:
        The step and its state; None if the retraining had ended before the kill.
    """
    command = [sys.executable, "-m", "tests.retraining_engine", str(workspace.root), "live", "retraining", "0"]
    engine = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    order = list(StepName)

    def is_there() -> bool:
        found = Retrainings(workspace).get(asked)
        current = found.observed.current
        if engine.poll() is not None or current is None or not found.is_active:
            return True
        is_in_it = current.name is step and not (step.computes and current.state is StepState.WAITING)
        return is_in_it or order.index(current.name) > order.index(step)

    def seen() -> object:
        return Retrainings(workspace).get(asked).observed

    until(is_there, f"{step} of {asked}", told=seen, progress=seen)
    with suppress(subprocess.TimeoutExpired):
        engine.wait(timeout=luck.uniform(0.0, LONGEST_SECONDS.get(step, 0.3)))
    is_alive = engine.poll() is None
    engine.kill()
    engine.wait()
    until(lambda: not children_of(workspace), "the end of the killed engine's child")
    current = Retrainings(workspace).get(asked).observed.current
    if not is_alive:
        return None
    return "after the last step" if current is None else f"{current.name} {current.state}"


def children_of(workspace: Workspace) -> list[int]:
    """Return the processes that compute a step of this workspace."""
    root = str(workspace.root)
    found = []
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if MODULE in words and root in words:
            found.append(process.pid)
    return found


def world_of(workspace: Workspace) -> World:
    return World(workspace, HandClock())


def made_by(workspace: Workspace) -> set[str]:
    """Return the versions that the retraining registered: one at most, however often its engine was killed."""
    made = set(world_of(workspace).registry.numbers(MODEL)) - {"1.0.0"}
    assert len(made) <= 1
    return made


def assert_ended(workspace: Workspace, phase: RetrainingPhase) -> None:
    """Exactly one version was made, one rollout decided on it, and what is live is what the end says."""
    world = World(workspace, HandClock())
    (found,) = world.retrainings.all()
    assert found.observed.phase is phase, found.observed.reason
    (made,) = made_by(workspace)
    assert found.observed.challenger == made
    (rollout,) = world.rollouts.all()
    assert (rollout.candidate, rollout.is_active) == (made, False)
    assert world.live == (made if phase is RetrainingPhase.DONE else "1.0.0")
    if phase is RetrainingPhase.DONE:
        assert all_done(found)
    told = ["retraining_failed"] if phase is RetrainingPhase.RESTORED else []
    assert [alert.rule for alert in world.alerts.open() if alert.rule.startswith("retraining")] == told
    assert AuditLog(workspace).verify().ok
    assert examine(workspace) == []


def all_done(found: Retraining) -> bool:
    return {step.state for step in found.observed.steps} == {StepState.DONE}
