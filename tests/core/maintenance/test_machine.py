"""The conditions of a machine, each of which is ok, weak or wrong, and how it is cured."""

import ctypes
import errno
import os
import resource
from collections import namedtuple
from pathlib import Path
from zoneinfo import ZoneInfoNotFoundError

import pytest

from core import own_cgroup
from core.installed_packages import installed_version, required, spelled
from core.maintenance import library_versions, machine
from core.maintenance.environment_item import EnvironmentItem
from core.maintenance.library_versions import examine_libraries, is_within, pinned_versions
from core.maintenance.machine import examine_machine


def conditions(workspace: Path | None = None) -> dict[str, EnvironmentItem]:
    return {item.name: item for item in examine_machine(workspace)}


def test_this_machine_can_work_and_every_condition_has_a_finding_or_a_cure(tmp_path):
    found = conditions(tmp_path / "not" / "there" / "yet")
    assert set(found) == {
        *("file system of the workspace", "room for the workspace", "time zones", "clock", "locale"),
        *("open files", "memory", "processors"),
    }
    assert not [item for item in found.values() if item.is_a_problem]
    assert all(item.found and bool(item.cure) is (item.state != "ok") for item in found.values())
    assert not (tmp_path / "not").exists()


@pytest.mark.parametrize(
    ("is_present", "is_required", "is_condition", "state"),
    [
        (True, True, False, "ok"),
        (False, True, False, "missing"),
        (False, False, False, "absent"),
        (False, True, True, "wrong"),
        (False, False, True, "weak"),
    ],
)
def test_the_word_of_an_item(is_present, is_required, is_condition, state):
    item = EnvironmentItem(name="x", is_present=is_present, is_required=is_required, is_condition=is_condition)
    assert item.state == state
    assert item.is_a_problem is (state in ("missing", "wrong"))


@pytest.mark.parametrize(
    ("kind", "state", "cure"),
    [
        ("nfs4", "wrong", "move the workspace to a local file system"),
        ("overlay", "weak", "mount a volume for the workspace; overlay loses its files at a restart"),
        ("ext4", "ok", ""),
    ],
)
def test_the_file_system_of_the_workspace(monkeypatch, tmp_path, kind, state, cure):
    monkeypatch.setattr(machine, "mount_of", lambda folder: (Path("/desk"), kind))
    item = conditions(tmp_path)["file system of the workspace"]
    assert item.state == state
    assert cure in item.cure
    assert item.found == f"{kind} on /desk, for {tmp_path}"


@pytest.mark.parametrize("kind", ["ext4", "overlay", "tmpfs"])
def test_a_folder_in_which_nobody_may_write_is_wrong(monkeypatch, tmp_path, kind):
    monkeypatch.setattr(machine, "mount_of", lambda folder: (Path("/desk"), kind))
    monkeypatch.setattr(os, "access", lambda *_: False)
    item = conditions(tmp_path)["file system of the workspace"]
    assert item.state == "wrong"
    assert "--workspace" in item.cure


def test_a_disk_without_room_is_weak(monkeypatch, tmp_path):
    usage = namedtuple("usage", "total used free")(1 << 40, 0, 1_023 << 20)
    monkeypatch.setattr(machine.shutil, "disk_usage", lambda _: usage)
    item = conditions(tmp_path)["room for the workspace"]
    assert item.state == "weak"
    assert item.found.startswith("1,023 MiB and ")
    assert item.cure.startswith("delete files until 1,024 MiB and 10,000 inodes are free; `bondx doctor --space`")


def test_missing_data_of_time_zones_is_wrong(monkeypatch):
    def missing(name):
        raise ZoneInfoNotFoundError(f"No time zone found with key {name}")

    monkeypatch.setattr(machine, "ZoneInfo", missing)
    item = conditions()["time zones"]
    assert item.state == "wrong"
    assert "tzdata" in item.cure


@pytest.mark.parametrize(("status", "state"), [(0x2001, "ok"), (0x2041, "weak")])
def test_the_clock_is_what_the_kernel_says_of_it(monkeypatch, status, state):
    class Kernel:
        def adjtimex(self, timex):
            assert bytes(timex) == bytes(len(timex))  # modes 0 changes nothing
            ctypes.c_int.from_buffer(timex, machine._STATUS_AT).value = status
            return 5 if state == "weak" else 0

    monkeypatch.setattr(ctypes, "CDLL", lambda *_, **__: Kernel())
    assert conditions()["clock"].state == state


def test_a_kernel_that_says_nothing_of_its_clock_is_no_finding(monkeypatch):
    monkeypatch.setattr(ctypes, "CDLL", lambda *_, **__: object())
    assert conditions()["clock"].state == "ok"


def test_a_kernel_that_refuses_to_tell_of_its_clock_is_quoted(monkeypatch):
    class Kernel:
        def adjtimex(self, timex):
            ctypes.set_errno(errno.EPERM)
            return -1

    monkeypatch.setattr(ctypes, "CDLL", lambda *_, use_errno: Kernel())
    item = conditions()["clock"]
    assert item.state == "ok"
    assert item.found.endswith(f": {os.strerror(errno.EPERM)}")


def test_the_locale_of_an_old_system_is_weak(monkeypatch):
    monkeypatch.setattr(machine.locale, "getpreferredencoding", lambda do_setlocale: "ANSI_X3.4-1968")
    assert conditions()["locale"].cure == "export LC_ALL=C.UTF-8"  # which overrides LC_CTYPE and LANG


@pytest.mark.parametrize(
    ("limits", "state"), [((1_024, 4_095), "weak"), ((1_024, 4_096), "ok"), ((1_024, resource.RLIM_INFINITY), "ok")]
)
def test_the_hard_limit_of_descriptors_counts(monkeypatch, limits, state):
    real = resource.getrlimit
    of = {resource.RLIMIT_NOFILE: limits}
    monkeypatch.setattr(resource, "getrlimit", lambda kind: of.get(kind) or real(kind))
    item = conditions()["open files"]
    assert item.state == state
    assert item.found == f"soft limit 1,024, hard limit {'none' if limits[1] < 0 else f'{limits[1]:,}'}"


@pytest.fixture
def cgroup(tmp_path, monkeypatch):
    """A cgroup of our own, on a machine with 64 GiB."""
    folder = tmp_path / "cgroups" / "box" / "engine"
    folder.mkdir(parents=True)
    (tmp_path / "own").write_text("0::/box/engine\n")
    (tmp_path / "meminfo").write_text("MemTotal: 67108864 kB\nMemAvailable: 33554432 kB\n")
    monkeypatch.setattr(own_cgroup, "MOUNT", tmp_path / "cgroups")
    monkeypatch.setattr(own_cgroup, "OWN", tmp_path / "own")
    monkeypatch.setattr(machine, "MEMORY", tmp_path / "meminfo")
    return folder


@pytest.mark.parametrize(("used_mib", "state"), [(1_024, "ok"), (1_025, "weak")])
def test_what_the_cgroup_leaves_of_the_memory_counts(cgroup, used_mib, state):
    (cgroup / "memory.max").write_text(f"{2_048 << 20}\n")
    (cgroup / "memory.current").write_text(f"{used_mib << 20}\n")
    item = conditions()["memory"]
    assert item.state == state
    assert item.found.startswith(f"32,768 of 65,536 MiB available, cgroup: {used_mib:,} of 2,048 MiB used")


def test_files_that_the_kernel_gives_up_do_not_count_as_used(cgroup):
    (cgroup / "memory.max").write_text(f"{2_048 << 20}\n")
    (cgroup / "memory.current").write_text(f"{2_000 << 20}\n")
    (cgroup / "memory.stat").write_text(f"anon {300 << 20}\nactive_file {1 << 20}\ninactive_file {1_500 << 20}\n")
    item = conditions()["memory"]
    assert item.state == "ok"
    assert "cgroup: 500 of 2,048 MiB used" in item.found


def test_the_tightest_cgroup_above_counts(cgroup):
    for folder, limit_mib, used_mib in ((cgroup, 4_096, 100), (cgroup.parent, 2_048, 1_500)):
        (folder / "memory.max").write_text(f"{limit_mib << 20}\n")
        (folder / "memory.current").write_text(f"{used_mib << 20}\n")
    (cgroup / "cpu.max").write_text("400000 100000\n")
    (cgroup.parent / "cpu.max").write_text("50000 100000\n")
    item = conditions()["memory"]
    assert item.state == "weak"
    assert item.found.endswith("cgroup: 1,500 of 2,048 MiB used")
    assert item.cure.startswith("make 1,024 MiB available, or lower dataset_size")
    assert conditions()["processors"].found.endswith(", limited to 0.5 by the cgroup")


def test_a_cgroup_without_a_limit_says_nothing(cgroup):
    (cgroup / "memory.max").write_text("max\n")
    (cgroup / "memory.current").write_text("1\n")
    (cgroup / "cpu.max").write_text("max 100000\n")
    assert "cgroup" not in conditions()["memory"].found
    assert "cgroup" not in conditions()["processors"].found


def test_the_processors_that_the_cgroup_gives_are_named(cgroup):
    (cgroup / "cpu.max").write_text("150000 100000\n")
    assert conditions()["processors"].found.endswith(", limited to 1.5 by the cgroup")


def test_every_required_library_is_within_its_bounds_and_tested():
    assert not [item for item in examine_libraries() if item.is_a_problem]
    tested = pinned_versions()
    assert {spelled(each.name) for each in required()} <= set(tested)
    assert all(version[0].isdigit() and " " not in version for version in tested.values())


def test_a_library_out_of_its_bounds_is_wrong_and_one_of_another_version_is_weak(monkeypatch):
    versions = {"textual": "7.0.0", "msgspec": "0.20.99"}
    monkeypatch.setattr(
        library_versions, "installed_version", lambda name: versions.get(name) or installed_version(name)
    )
    found = {item.name: item for item in examine_libraries()}
    assert found["library textual"].state == "wrong"
    assert "pip install 'textual" in found["library textual"].cure
    assert found["library versions"].state == "weak"
    assert f"msgspec 0.20.99 (tested: {pinned_versions()['msgspec']})" in found["library versions"].found
    *_, file, distribution = found["library versions"].cure.split()
    assert Path(file).is_file()
    assert distribution == "bondx-console"


def test_a_library_that_is_not_installed_is_missing(monkeypatch):
    monkeypatch.setattr(
        library_versions, "installed_version", lambda name: None if name == "tinydb" else installed_version(name)
    )
    (missing,) = (item for item in examine_libraries() if item.name == "library tinydb")
    assert missing.state == "missing"
    assert missing.cure.startswith("pip install 'tinydb")


def test_without_the_list_of_tested_versions_nothing_is_said_to_be_tested(monkeypatch):
    monkeypatch.setattr(library_versions, "CONSTRAINTS", ())
    *_, item = examine_libraries()
    assert item.found == f"{len(required())} required; the list of tested versions is missing"


def test_the_requirements_are_read_once(monkeypatch):
    reads = []
    monkeypatch.setattr(library_versions, "required", lambda: reads.append(1) or required())
    assert list(examine_libraries())
    assert len(reads) == 1


@pytest.mark.parametrize(
    ("bounds", "holds"),
    [
        *(("==1.2", True), ("==1.2.0", True), ("!=1.2", False), (">1.1.9", True), (">1.2", False), ("<1.2.1", True)),
        *(("<1.2", False), (">=1.2", True), (">=1.3", False), ("<=1.2", True), ("<=1.1", False), (">=1,<1.2", False)),
    ],
)
def test_the_bounds_of_a_version(bounds, holds):
    assert is_within("1.2", bounds) is holds
