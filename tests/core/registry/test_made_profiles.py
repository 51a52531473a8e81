"""Profiles that were made later: beside the artifact, recorded, hashed at every read, and whole after every death."""

import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import pytest

from core.errors import RefusedError, UsageError
from core.files import FileAccessError, digest, write_file
from core.governance.audit_log import AuditLog
from core.maintenance.doctor import examine
from core.registry import Registry
from core.registry.made_profiles import OWN_NAME, DamagedProfileError, MadeProfiles
from core.state import Workspace
from tests.disks import refuse_to_list
from tests.processes import dies

OLD, NEW = b'{"rows":1}\n', b'{"rows":2}\n'


@pytest.fixture
def keep(registry, register, ana):
    register()

    def kept(content, **more):
        given = {"data_sha256": "ab" * 32, "n_rows": 100, "is_held_out": False, "actor": ana, **more}
        return registry.make_profile("spread", "1.0.0", content, **given)

    return kept


def files(workspace):
    return sorted(path.name for path in (workspace.artifacts_dir / "spread" / "profiles").glob("*"))


def test_a_profile_lies_beside_the_artifact_and_is_found_with_its_record(keep, registry, workspace):
    assert registry.profile_file("spread", "1.0.0") is None
    made = keep(OLD, reason="watch it")
    found = registry.profile_file("spread", "1.0.0")
    assert (found.content, found.sha256, found.made) == (OLD, digest(OLD), made)
    assert found.path == f"spread/profiles/1.0.0-{digest(OLD)}.json"
    assert (made.made_by, made.reason, made.n_rows, made.is_held_out) == ("ana@desk", "watch it", 100, False)
    record = AuditLog(workspace).tail(1)[0]
    assert (record.verb, record.object, record.reason) == ("version.make_profile", "spread/1.0.0", "watch it")
    assert [each.sha256 for each in record.evidence] == [digest(OLD)]
    assert registry.verify()[0].ok
    assert AuditLog(workspace).verify().ok


def test_a_profile_of_an_artifact_is_never_replaced(registry, source, ana):
    (source / OWN_NAME).write_bytes(OLD)
    registry.register("spread", source, metrics={}, lineage={}, gates=(), actor=ana)
    assert registry.profile_file("spread", "1.0.0").content == OLD
    assert registry.profile_file("spread", "1.0.0").made is None
    with pytest.raises(RefusedError, match="never replaced"):
        registry.make_profile(
            "spread", "1.0.0", NEW, data_sha256="", n_rows=1, is_held_out=False, actor=ana, reason="better"
        )
    assert registry.profile_file("spread", "1.0.0").content == OLD


def test_a_made_profile_is_replaced_for_a_reason_only(keep, registry, workspace):
    keep(OLD)
    with pytest.raises(UsageError, match=r"has a profile that ana@desk made on .* Give a reason"):
        keep(NEW)
    assert registry.profile_file("spread", "1.0.0").content == OLD
    assert keep(NEW, reason="of all rows").revision == 2
    assert registry.profile_file("spread", "1.0.0").content == NEW
    assert files(workspace) == sorted(f"1.0.0-{digest(each)}.json" for each in (OLD, NEW))
    record = AuditLog(workspace).tail(1)[0]
    assert (record.before["sha256"], record.after["sha256"]) == (digest(OLD), digest(NEW))


def test_the_same_profile_again_changes_nothing(keep, workspace):
    keep(OLD)
    generation = workspace.database("registry").signature()
    assert keep(OLD).revision == 1
    assert workspace.database("registry").signature() == generation


@pytest.mark.parametrize(
    ("harm", "problem"),
    [
        pytest.param(lambda file: file.unlink(), "is missing", id="missing"),
        pytest.param(lambda file: file.write_bytes(OLD[:-1]), "was changed", id="torn"),
        pytest.param(lambda file: file.write_bytes(OLD + OLD), "was changed", id="longer"),
        pytest.param(lambda file: (file.unlink(), file.mkdir()), "cannot be read", id="folder"),
        pytest.param(lambda file: file.symlink_to(file.rename(file.with_name("moved"))), "cannot be read", id="link"),
    ],
)
def test_a_damaged_file_is_one_error_everywhere_and_keeps_no_version_from_loading(
    keep, registry, workspace, harm, problem
):
    made = keep(OLD)
    harm(workspace.artifacts_dir / made.path)
    with pytest.raises(DamagedProfileError, match=f"{made.path} {problem}"):
        registry.profile_file("spread", "1.0.0")
    (result,) = registry.verify()
    assert (result.ok, len(result.problems)) == (False, 1)
    assert f"{made.path} {problem}" in result.problems[0]
    (finding,) = [found for found in examine(workspace) if made.path in found.problem]
    assert "bondx drift profile spread --version 1.0.0 --data FILE --reason TEXT" in finding.cure
    with registry.opened("spread", "1.0.0") as folder:
        assert (folder / "model.txt").exists()


def test_the_same_profile_mends_a_damaged_file(keep, registry, workspace):
    made = keep(OLD)
    (workspace.artifacts_dir / made.path).unlink()
    with pytest.raises(UsageError, match=rf"had a profile .*{made.path} is missing\. Give a reason to make it again"):
        keep(OLD)
    keep(OLD, reason="the file was lost")
    assert registry.profile_file("spread", "1.0.0").content == OLD


def test_files_of_no_version_and_unfinished_ones_are_reported_and_swept(keep, registry, workspace, ana):
    made = keep(OLD)
    folder = (workspace.artifacts_dir / made.path).parent
    orphan, unfinished, of_a_person = folder / f"9.0.0-{'0' * 64}.json", folder / ".1.json.9-9.new", folder / "notes"
    for file in (orphan, unfinished, of_a_person):
        file.write_text("{")
    assert registry.verify()[0].ok, "they are no files of the version"
    assert {found.file for found in examine(workspace)} == {str(orphan), str(unfinished)}
    assert registry.sweep(ana).n_removed == 2
    assert sorted(folder.iterdir()) == [workspace.artifacts_dir / made.path, of_a_person]
    assert registry.verify()[0].ok


def test_a_registry_that_is_restored_to_an_earlier_state_finds_the_profile_of_that_time(keep, registry, workspace, ana):
    state = workspace.state_file("registry")
    without = state.read_bytes()
    made = keep(OLD)
    first = state.read_bytes()
    keep(NEW, reason="another")
    state.write_bytes(first)
    again = Registry(Workspace.open(workspace.root))
    assert again.sweep(ana).n_removed == 0
    assert again.profile_file("spread", "1.0.0").content == OLD
    assert again.profile_problems() == []
    state.write_bytes(without)
    again = Registry(Workspace.open(workspace.root))
    assert again.sweep(ana).n_removed == 0
    assert len(files(workspace)) == 2
    found = next(found for found in examine(workspace) if found.file == str(workspace.artifacts_dir / made.path))
    assert found.problem == f"no record names {made.path}"
    assert "bondx drift profile spread --version 1.0.0 --data FILE makes it again" in found.cure


def put_a_file(monkeypatch, folder):
    folder.rename(folder.with_name("moved"))
    folder.write_text("a file")


def put_a_link(monkeypatch, folder):
    folder.symlink_to(folder.rename(folder.with_name("moved")))


@pytest.mark.parametrize(
    ("harm", "problem"),
    [
        pytest.param(refuse_to_list, "it cannot be listed (Permission denied)", id="not to be listed"),
        pytest.param(put_a_file, "it cannot be listed (Not a directory)", id="file"),
        pytest.param(put_a_link, "it is a link, which is not followed", id="link"),
    ],
)
def test_a_folder_of_profiles_that_cannot_be_listed_is_named_and_left_alone(
    keep, registry, workspace, ana, monkeypatch, caplog, harm, problem
):
    keep(OLD)
    folder = workspace.artifacts_dir / "spread" / "profiles"
    harm(monkeypatch, folder)
    assert registry.sweep(ana).n_removed == 0
    assert f"not swept: {folder}: {problem}" in caplog.text
    assert len(registry.verify()) == 1
    (finding,) = [found for found in examine(workspace) if found.file == str(folder)]
    assert (finding.problem, "make it a folder of its own" in finding.cure) == (problem, True)
    state = workspace.state_file("registry").read_bytes()
    with pytest.raises(FileAccessError, match=r"make it a folder of its own .* This change was not made"):
        keep(NEW, reason="another")
    assert workspace.state_file("registry").read_bytes() == state


def test_a_folder_at_the_name_of_a_profile_is_refused_with_its_cure(keep, registry, workspace):
    made = keep(OLD)
    place = workspace.artifacts_dir / made.path
    place.unlink()
    place.mkdir()
    with pytest.raises(DamagedProfileError, match=r"it is a folder, not a plain file\): move it away first"):
        registry.profile_file("spread", "1.0.0")
    with pytest.raises(FileAccessError, match=f"{place}: it is a folder; move it away and try again"):
        keep(OLD, reason="it was lost")
    place.rmdir()
    keep(OLD, reason="it was lost")
    assert registry.profile_file("spread", "1.0.0").content == OLD


def test_a_link_at_the_name_of_a_profile_is_called_a_link(keep, registry, workspace):
    made = keep(OLD)
    place = workspace.artifacts_dir / made.path
    place.unlink()
    place.symlink_to("/etc/hostname")
    with pytest.raises(DamagedProfileError, match=r"cannot be read \(it is a link, not a plain file\)"):
        registry.profile_file("spread", "1.0.0")
    (finding,) = examine(workspace)
    assert (finding.file, "leads out of the workspace" in finding.problem) == (str(place), True)


def test_a_file_that_is_just_being_recorded_is_no_problem(keep, registry, workspace, monkeypatch):
    keep(OLD)
    is_written, is_seen = threading.Event(), threading.Event()
    look = MadeProfiles._unrecorded

    def written(place, content):
        write_file(place, content)
        is_written.set()
        assert is_seen.wait(60)

    def looked(self, model):
        found = look(self, model)
        is_seen.set()
        return found

    monkeypatch.setattr("core.registry.made_profiles.write_file", written)
    monkeypatch.setattr(MadeProfiles, "_unrecorded", looked)
    with ThreadPoolExecutor(1) as pool:
        recording = pool.submit(keep, NEW, reason="another")
        assert is_written.wait(60)
        assert registry.verify()[0].ok
        assert registry.profile_problems() == []
        recording.result(60)


def test_writers_that_replace_each_other_s_profile_never_lose_the_recorded_file(keep, registry, workspace):
    keep(OLD)
    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(keep, content, reason="another") for content in (NEW, OLD) * 6]:
            done.result(60)
    recorded = registry.made_profile("spread", "1.0.0")
    assert digest(registry.profile_file("spread", "1.0.0").content) == recorded.sha256


def test_pruning_a_version_deletes_its_profile(keep, register, registry, workspace, ana):
    keep(OLD)
    register()
    plan = registry.plan_prune("spread", keep=1)
    assert [found.version for found in plan.doomed] == ["1.0.0"]
    registry.prune(plan, actor=ana, reason="room")
    assert files(workspace) == []
    assert registry.made_profile("spread", "1.0.0") is None
    assert examine(workspace) == []


def test_archiving_a_version_keeps_its_profile(keep, registry, ana):
    keep(OLD)
    registry.apply(registry.plan_archive("spread", "1.0.0"), actor=ana, reason="old")
    assert registry.profile_file("spread", "1.0.0").content == OLD


def test_a_death_at_any_change_of_the_disk_leaves_the_old_profile_or_the_new_one(keep, registry, workspace, ana):
    keep(OLD)
    seen = set()
    for point in count(1):
        now = registry.profile_file("spread", "1.0.0").content
        wanted = NEW if now == OLD else OLD

        def replace_it(wanted=wanted):
            Registry(Workspace.open(workspace.root)).make_profile(
                "spread",
                "1.0.0",
                wanted,
                data_sha256="",
                n_rows=1,
                is_held_out=False,
                actor=ana,
                reason="another",
            )

        was_killed = dies(point, replace_it)
        found = registry.profile_file("spread", "1.0.0")
        assert found.content in (now, wanted)
        seen.add(found.content == wanted)
        registry.sweep(ana)
        assert set(files(workspace)) <= {f"1.0.0-{digest(each)}.json" for each in (OLD, NEW)}
        assert AuditLog(workspace).verify().ok
        if not was_killed:
            break
    assert seen == {True, False}
