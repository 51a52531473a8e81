"""The engine keeps state files small, and the audit log, the doctor and a crash find every document where it was."""

import os
from itertools import count

import msgspec
import orjson
import pytest

from core.actor import Actor, Origin
from core.errors import RefusedError
from core.governance import AuditLog
from core.governance.audit import audited
from core.maintenance.archiving import archive_documents
from core.maintenance.doctor import examine
from core.maintenance.repair import repair
from core.maintenance.restore import restore
from core.quality.gate import judge
from core.registry import Registry, Stage
from core.registry.documents import ModelVersion
from core.state import DamagedFileError, Workspace
from core.state.archive import copy_of
from core.state.encoding import fields_of, spelled
from core.state.generation import load
from tests.processes import dies

ADA = Actor("ada", "desk", Origin.COMMAND_LINE)
ENGINE = Actor.engine()
PASSED = (judge("coverage", 99.0, ">=", 90.0, unit="%"),)


def fill(workspace, tmp_path, n_versions):
    """Register three versions of a model, and write the documents of more."""
    registry, source = Registry(workspace), tmp_path / "model.txt"
    for n in range(3):
        source.write_text(f"tree {n}")
        version = registry.register(
            "spread", source, metrics={"attainment": 0.9}, lineage={"seed": n}, gates=PASSED, actor=ADA
        )
    with audited(workspace, "registry", actor=ADA) as change:
        storage = change.db.storage
        table = dict(storage.read()["versions"])
        for n in range(3, n_versions):
            more = msgspec.structs.replace(
                version, key=f"spread/1.{n}.0", version=f"1.{n}.0", description="of an epoch " * 40, revision=1
            )
            table[str(n + 1)] = spelled(more, "")
        storage.write_table("versions", table)
        change.record("test.fill", "registry")


@pytest.fixture
def full(workspace, tmp_path):
    fill(workspace, tmp_path, 400)
    return workspace


@pytest.fixture
def archived(full):
    assert archive_documents(full, actor=ENGINE, above_bytes=1)
    return full


@pytest.fixture
def archive_file(archived):
    (file,) = (archived.state_dir / "archive").glob("*.json")
    return file


def forget(workspace):
    """Read everything again, as another process does."""
    workspace.database("registry").close()


def keys(workspace):
    return [version.key for version in Registry(workspace).versions()]


def test_a_grown_state_file_is_relieved_once_and_on_record(full):
    before, size = Registry(full).versions(), full.state_file("registry").stat().st_size
    (sentence,) = archive_documents(full, actor=ENGINE, above_bytes=100_000)
    assert "documents of registry.json moved to registry-" in sentence
    assert full.state_file("registry").stat().st_size < size / 3
    assert archive_documents(full, actor=ENGINE, above_bytes=100_000) == []
    assert Registry(full).versions() == before
    log = AuditLog(full)
    (record,) = [record for record in log.tail(99) if record.verb == "state.archive"]
    assert record.object == "state/registry.json"
    assert record.documents == {}
    assert record.after["n_documents"] > 300
    assert log.verify().ok


def test_a_small_state_file_is_left_alone(workspace, tmp_path):
    fill(workspace, tmp_path, 150)
    content = workspace.state_file("registry").read_bytes()
    assert archive_documents(workspace, actor=ENGINE) == []
    assert workspace.state_file("registry").read_bytes() == content


def test_an_old_version_is_promoted_rolled_back_and_verified(archived):
    registry = Registry(archived)
    for number in ("1.0.0", "1.1.0"):
        while registry.get("spread", number).stage is not Stage.PRODUCTION:
            registry.apply(registry.plan_promotion("spread", number), actor=ADA)
    registry.apply(registry.plan_rollback("spread"), actor=ADA)
    live = registry.production("spread")
    assert live is not None
    assert live.version == "1.0.0"
    assert AuditLog(archived).verify().ok
    assert examine(archived) == []


@pytest.mark.parametrize("n_versions", [400, 1200])
def test_a_promotion_writes_the_same_few_bytes_whatever_the_number_of_versions(
    workspace, tmp_path, monkeypatch, n_versions
):
    fill(workspace, tmp_path, n_versions)
    archive_documents(workspace, actor=ENGINE, above_bytes=1)
    registry = Registry(workspace)
    plan = registry.plan_promotion("spread", "1.0.0")
    written, write = [], os.write

    def counted(descriptor, content):
        written.append(len(content))
        return write(descriptor, content)

    monkeypatch.setattr(os, "write", counted)
    registry.apply(plan, actor=ADA)
    assert sum(written) < 200_000


def test_a_hand_that_edits_an_archived_document_is_found(archived, archive_file):
    archive_file.write_bytes(archive_file.read_bytes().replace(b'"stage":"Development"', b'"stage":"Production"', 1))
    forget(archived)
    with pytest.raises(DamagedFileError):
        AuditLog(archived).verify()
    (finding,) = examine(archived)
    assert finding.file == str(archive_file)
    assert f"bondx doctor --restore {archive_file.name}" in finding.cure


def test_a_hand_that_edits_an_archived_document_and_all_digests_is_found(archived, archive_file):
    from core.files import digest

    content = archive_file.read_bytes().replace(b'"stage":"Development"', b'"stage":"Production"', 1)
    head = archived.state_file("registry")
    old, new = digest(archive_file.read_bytes()), digest(content)
    archive_file.with_name(f"registry-{new[:16]}.json").write_bytes(content)
    head.write_bytes(
        head.read_bytes().replace(old.encode(), new.encode()).replace(old[:16].encode(), new[:16].encode())
    )
    forget(archived)
    verdict = AuditLog(archived).verify()
    assert not verdict.ok
    assert "document 1 of versions in state/registry.json is not what record" in verdict.reason


@pytest.mark.parametrize("harm", ["edited", "missing"])
def test_a_damaged_archive_file_is_restored_from_its_copy_without_a_loss(archived, archive_file, harm, monkeypatch):
    content, before = archive_file.read_bytes(), keys(archived)
    archive_file.unlink() if harm == "missing" else archive_file.write_bytes(content[:-30])
    monkeypatch.setattr("core.state.archive._read_files", {})  # as another process, which has not read it yet
    with pytest.raises(DamagedFileError, match=f"bondx doctor --restore {archive_file.name}"):
        load(archived.state_file("registry"))
    assert [finding.file for finding in examine(archived)] == [str(archive_file)]

    restored = restore(archived, archive_file, actor=ADA)

    assert "was restored with all of its" in str(restored)
    assert archive_file.read_bytes() == content
    assert keys(archived) == before
    assert AuditLog(archived).verify().ok
    assert AuditLog(archived).tail(1)[0].object == f"state/archive/{archive_file.name}"
    assert examine(archived) == []
    with pytest.raises(RefusedError, match="whole"):
        restore(archived, archive_file, actor=ADA)


def test_a_damaged_copy_is_named_before_it_is_needed(archived, archive_file):
    copy_of(archive_file).write_bytes(b"{}")
    (finding,) = examine(archived)
    assert finding.file == str(copy_of(archive_file))


def test_a_damaged_state_file_is_restored_with_its_archived_documents(archived):
    before = keys(archived)
    Registry(archived).set_tags("spread", "1.0.0", {"note": "later"}, actor=ADA)
    archived.state_file("registry").write_bytes(b"{")
    restored = restore(archived, archived.state_file("registry"), actor=ADA)
    assert restored.n_documents > 400
    assert keys(archived) == before
    assert Registry(archived).get("spread", "1.0.0").tags == {}


def test_an_archived_document_of_the_wrong_type_is_repaired(full):
    with audited(full, "registry", actor=ADA) as change:
        table = dict(change.db.storage.read()["versions"])
        table["1"] = {**fields_of(table["1"]), "description": 7}
        change.db.storage.write_table("versions", table)
        change.record("test.spoil", "spread/1.0.0")
    archive_documents(full, actor=ENGINE, above_bytes=1)
    (finding,) = examine(full)
    assert "description" in finding.problem
    repair(full, actor=ADA)
    assert Registry(full).get("spread", "1.0.0").description == "7"
    assert examine(full) == []
    assert AuditLog(full).verify().ok


@pytest.mark.crash
def test_the_conversion_killed_at_any_point_loses_and_repeats_nothing(full):
    def convert():
        archive_documents(Workspace(full.root), actor=ENGINE, above_bytes=1)

    stored = [orjson.dumps(msgspec.to_builtins(version)) for version in Registry(full).versions()]
    for point in count(1):
        if not dies(point, convert):
            break
        forget(full)
        found = [orjson.dumps(msgspec.to_builtins(version)) for version in Registry(full).versions()]
        assert found == stored, f"point {point}"
        assert not [finding for finding in examine(full) if "audit" not in finding.file], f"point {point}"
    log = AuditLog(full)
    log.drain()
    assert log.verify().ok
    assert [record.verb for record in log.tail(99)].count("state.archive") == 1


def test_every_type_of_version_is_listed_in_brief_and_whole(archived):
    registry = Registry(archived)
    brief, whole = registry.versions_in_brief(), registry.versions()
    assert brief == whole
    assert {type(version) for version in whole} == {ModelVersion}
    assert msgspec.json.encode(whole[0])
