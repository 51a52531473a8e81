"""Groups of agents: where they can be made, what is written, and a real process in a real one."""

import os
import subprocess
from pathlib import Path

import pytest

from core.training.agents.agent import Agent
from core.training.agents.cgroup import AgentGroup, delegated_group

REAL = next(
    (at for at in map(Path, ("/sys/fs/cgroup", "/sys/fs/cgroup/unified")) if (at / "cgroup.procs").exists()), None
)


@pytest.fixture
def service(tmp_path):
    """Return the folder of a service whose engine stands in a group of its own, as systemd delegates it."""
    folder = tmp_path / "system.slice" / "bondx.service"
    (folder / "engine").mkdir(parents=True)
    (folder / "cgroup.controllers").write_text("cpuset cpu io memory pids\n")
    (folder / "cgroup.procs").write_text("")
    (tmp_path / "own").write_text("0::/system.slice/bondx.service/engine\n")
    return folder


def found(service):
    return delegated_group(own=service.parents[1] / "own", mount=service.parents[1])


def test_a_delegated_group_has_its_controllers_switched_on(service):
    assert found(service) == service
    assert (service / "cgroup.subtree_control").read_text() == "+cpu +memory"


@pytest.mark.parametrize(
    ("file", "content"),
    [
        pytest.param("cgroup.procs", "17\n", id="a group with processes of its own"),
        pytest.param("cgroup.controllers", "pids\n", id="a group that was not given the processor"),
        pytest.param("../../own", "0::/engine\n", id="a group below the root"),
        pytest.param("../../own", "0::/\n", id="the root"),
        pytest.param("../../own", "4:memory:/x\n", id="cgroup v1"),
    ],
)
def test_no_limits_are_set_elsewhere(service, file, content):
    (service / file).write_text(content)

    assert found(service) is None
    assert not (service / "cgroup.subtree_control").exists()


def test_an_agent_has_the_weight_and_the_memory_of_its_limits(service):
    group = AgentGroup.below(service, "s-0002", Agent(name="linear", weight=2.5, memory_limit_mb=512, cpu_limit=1.5))
    group.add(4711)

    written = {file.name: file.read_text() for file in (service / "bondx-s-0002").iterdir()}
    assert written == {
        "cpu.weight": "250",
        "cpu.max": "150000 100000",
        "memory.max": str(512 << 20),
        "cgroup.procs": "4711",
    }

    AgentGroup.below(service, "s-0002", Agent(name="linear", weight=0.001))
    assert (service / "bondx-s-0002" / "cpu.weight").read_text() == "1"
    assert (service / "bondx-s-0002" / "memory.max").read_text() == "max"
    assert (service / "bondx-s-0002" / "cpu.max").read_text() == "max 100000", "the limit of an earlier agent is lifted"


@pytest.mark.skipif(
    REAL is None or os.geteuid() != 0 or not os.access(REAL, os.W_OK), reason="no cgroup v2 that this account may write"
)
def test_a_real_process_moves_into_a_real_group_which_is_removed_after_it():
    folder = REAL / f"bondx-test-{os.getpid()}"
    folder.mkdir()
    group = AgentGroup(folder)
    with subprocess.Popen(["sleep", "600"]) as process:
        group.add(process.pid)
        assert f"0::/{folder.name}" in Path(f"/proc/{process.pid}/cgroup").read_text()
        group.remove()
        assert folder.exists(), "it has a process"
        process.kill()
    group.remove()
    assert not folder.exists()


@pytest.mark.skipif(
    REAL is None or os.geteuid() != 0 or "cpu" not in (REAL / "cgroup.controllers").read_text().split(),
    reason="no cgroup v2 with the controller of processors that this account may write",
)
def test_the_kernel_takes_the_limits_of_an_agent():
    (REAL / "cgroup.subtree_control").write_text("+cpu +memory")
    name = f"test-{os.getpid()}"
    group = AgentGroup.below(REAL, name, Agent(name="linear", weight=2.5, memory_limit_mb=512, cpu_limit=0.01))
    assert group is not None
    try:
        assert (REAL / f"bondx-{name}" / "cpu.max").read_text().split() == ["1000", "100000"]
        assert (REAL / f"bondx-{name}" / "cpu.weight").read_text().strip() == "250"
    finally:
        group.remove()
