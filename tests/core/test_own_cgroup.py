"""The limits of the group that this process is in, and of those above it."""

from pathlib import Path

import pytest

from core import own_cgroup
from core.own_cgroup import CgroupMemory, memory_limits, processor_limit


@pytest.fixture
def groups(tmp_path, monkeypatch):
    """Groups of our own, of which this process is in `box/engine`; returns a function that writes a file of one."""
    monkeypatch.setattr(own_cgroup, "MOUNT", tmp_path / "cgroup")
    monkeypatch.setattr(own_cgroup, "OWN", tmp_path / "own")
    (tmp_path / "own").write_text("4:memory:/another\n0::/box/engine\n")

    def write(name: str, content: str) -> None:
        file = Path(tmp_path, "cgroup", name)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)

    return write


def test_a_process_outside_every_group_has_no_limit(groups):
    assert memory_limits() == []
    assert processor_limit() is None


def test_the_limits_of_the_groups_above_hold_too(groups):
    groups("box/engine/memory.max", "300\n")
    groups("box/engine/memory.current", "100\n")
    groups("box/memory.max", "200\n")
    groups("box/memory.current", "150\n")
    groups("box/engine/cpu.max", "400000 100000\n")
    groups("cpu.max", "150000 100000\n")
    assert memory_limits() == [CgroupMemory(300, 100), CgroupMemory(200, 150)]
    assert [memory.left for memory in memory_limits()] == [200, 50]
    assert processor_limit() == 1.5


def test_the_cache_of_files_is_not_used_memory(groups):
    groups("box/memory.max", "300\n")
    groups("box/memory.current", "200\n")
    groups("box/memory.stat", "anon 50\nactive_file 10\ninactive_file 140\n")
    assert memory_limits() == [CgroupMemory(300, 60)]


def test_a_group_over_its_limit_has_nothing_left():
    assert CgroupMemory(limit=100, used=101).left == 0


def test_a_group_without_a_limit_says_nothing(groups):
    groups("box/engine/memory.max", "max\n")
    groups("box/engine/memory.current", "1\n")
    groups("box/engine/cpu.max", "max 100000\n")
    assert memory_limits() == []
    assert processor_limit() is None


@pytest.mark.parametrize("own", ["0::/\n", "0::/../elsewhere\n", "4:memory:/box\n", ""])
def test_a_container_sees_its_own_group_as_the_topmost(groups, own):
    own_cgroup.OWN.write_text(own)
    groups("memory.max", "300\n")
    groups("memory.current", "100\n")
    assert memory_limits() == [CgroupMemory(300, 100)]


def test_two_dots_in_a_name_lead_nowhere_else(groups):
    own_cgroup.OWN.write_text("0::/box/a..b\n")
    groups("box/a..b/cpu.max", "50000 100000\n")
    assert processor_limit() == 0.5
