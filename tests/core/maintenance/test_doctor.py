from pathlib import Path

import pytest

from core.actor import Actor, Origin
from core.clock import utc_now
from core.errors import NotFoundError, RefusedError
from core.maintenance.doctor import examine
from core.maintenance.restore import restore
from core.state import DamagedFileError, Lease
from core.state.generation import previous_of
from core.telemetry import TelemetryWriter
from core.telemetry.past import PastWriter
from core.telemetry.predictions import PredictionWriter

ANNA = Actor("anna", "desk", Origin.COMMAND_LINE)


@pytest.fixture
def path(database):
    database.table("t").insert({"n": 1})
    database.table("t").insert({"n": 2})
    return database.path


def test_a_sound_workspace_has_no_findings(workspace, path):
    assert examine(workspace) == []


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("bondx.yaml", "max_epoch: 3\n", "line 1, column 1: there is no key 'max_epoch'"),
        ("bondx.yaml", "policy: {promotion: {min_accuracy: 7}}\n", "min_accuracy is 7"),
        ("policy.yaml", "promotion: [\n", "not valid YAML"),
    ],
    ids=["a key of the settings", "the policy in the settings", "the policy file"],
)
def test_settings_and_a_policy_that_cannot_be_used_are_found_once_each(workspace, name, text, says):
    (workspace.root / name).write_text(text)

    [finding] = examine(workspace)

    assert finding.file == str(workspace.root / name)
    assert says in finding.problem
    assert "bondx config validate" in finding.cure


@pytest.mark.parametrize("content", [b"", b'{"t": {"1"', b"garbage", None], ids=["empty", "torn", "garbage", "missing"])
def test_a_damaged_file_is_found_restored_and_its_bytes_are_kept(workspace, database, path, content):
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)
    (finding,) = examine(workspace)
    assert finding.file == str(path)
    assert "bondx doctor --restore registry.json" in finding.cure

    restored = restore(workspace, path, actor=ANNA)

    assert database.table("t").all() == [{"n": 1}]
    assert examine(workspace) == []
    if content is None:
        assert restored.kept_as is None
    else:
        assert Path(restored.kept_as or "").name == "registry.json.damaged-1"
        assert path.with_name("registry.json.damaged-1").read_bytes() == content
    database.table("t").insert({"n": 3})
    assert len(database.table("t")) == 2


def test_damage_after_damage_is_kept_under_the_next_number(workspace, path):
    for n in (1, 2):
        path.write_bytes(b"%d" % n)
        restore(workspace, path, actor=ANNA)
    assert path.with_name("registry.json.damaged-1").read_bytes() == b"1"
    assert path.with_name("registry.json.damaged-2").read_bytes() == b"2"


def test_a_restoration_is_audited(workspace, path):
    from core.governance.audit_log import AuditLog

    path.write_bytes(b"")
    restored = restore(workspace, path, actor=ANNA)
    assert restored.unaudited_because is None
    record = AuditLog(workspace).tail(1)[0]
    assert (record.verb, record.object, record.actor) == ("state.restore", "state/registry.json", "anna@desk")
    assert "it is empty" in record.reason
    assert [evidence.path for evidence in record.evidence] == [restored.kept_as]


@pytest.mark.parametrize("name", ["registry", "registry.json", "state/registry.json"])
def test_the_file_may_be_given_by_its_short_name(workspace, path, name):
    path.write_bytes(b"")
    assert restore(workspace, Path(name), actor=ANNA).n_documents == 1


def test_an_intact_file_is_not_restored(workspace, path):
    before = path.read_bytes()
    with pytest.raises(RefusedError, match="is whole"):
        restore(workspace, path, actor=ANNA)
    assert path.read_bytes() == before


def test_without_a_good_generation_nothing_is_changed(workspace, path):
    path.write_bytes(b"{")
    previous_of(path).write_bytes(b"{")
    (finding,) = examine(workspace)
    assert "backup" in finding.cure
    with pytest.raises(DamagedFileError, match="No earlier generation"):
        restore(workspace, path, actor=ANNA)
    assert path.read_bytes() == b"{"
    path.rename(path.with_name("aside"))  # as the message says, to start empty
    previous_of(path).rename(path.with_name("aside.prev"))
    assert workspace.database("registry").table("t").all() == []


def test_a_damaged_safety_net_is_reported(workspace, path):
    previous_of(path).write_bytes(b"{")
    (finding,) = examine(workspace)
    assert finding.file == str(previous_of(path))
    assert "nothing to do" in finding.cure


def test_an_unknown_state_file_is_refused_with_the_known_files(workspace, path):
    with pytest.raises(NotFoundError, match=r"State files: registry\.json"):
        restore(workspace, Path("regsitry"), actor=ANNA)


def test_a_damaged_telemetry_file_is_found(workspace):
    workspace.telemetry_file.write_bytes(b"SQLite it is not" * 100)
    (finding,) = examine(workspace)
    assert finding.file == str(workspace.telemetry_file)
    assert "not a database" in finding.problem
    assert "bondx doctor --restore telemetry.db" in finding.cure


def test_damaged_telemetry_is_rebuilt_from_its_readable_rows(workspace):
    with TelemetryWriter(workspace.telemetry_file) as telemetry:
        telemetry.add_epoch("r-0001", 1, {"score": 0.5}, utc_now())
    whole = workspace.telemetry_file.read_bytes()
    workspace.telemetry_file.write_bytes(whole[: len(whole) // 2])

    restored = restore(workspace, Path("telemetry.db"), actor=ANNA)

    assert Path(restored.kept_as).read_bytes() == whole[: len(whole) // 2]
    assert examine(workspace) == []
    with pytest.raises(RefusedError, match="whole"):
        restore(workspace, Path("telemetry.db"), actor=ANNA)


def test_telemetry_is_not_restored_while_an_engine_runs(workspace):
    workspace.telemetry_file.write_bytes(b"SQLite it is not" * 100)
    with Lease.acquire(workspace, ANNA, "headless"), pytest.raises(RefusedError, match="stop it first"):
        restore(workspace, Path("telemetry.db"), actor=ANNA)


def test_an_edited_audit_log_is_found(workspace, path):
    from core.governance.audit import audited

    for n in range(3):
        with audited(workspace, "registry", actor=ANNA) as change:
            change.record("test.count", str(n))
    log = workspace.audit_dir / "audit.jsonl"
    log.write_bytes(log.read_bytes().replace(b'"object":"1"', b'"object":"7"'))
    (finding,) = examine(workspace)
    assert finding.file == str(log)
    assert "bondx audit verify" in finding.cure


def test_a_damaged_state_file_is_not_reported_as_an_edited_audit_log(workspace, database, path):
    from core.governance.audit import audited

    with audited(workspace, "registry", actor=ANNA) as change:
        change.record("test.count", "1")
    path.write_bytes(b"torn")

    assert [finding.file for finding in examine(workspace)] == [str(path)]


def test_a_nearly_full_disk_is_a_finding(workspace, monkeypatch):
    monkeypatch.setattr("core.maintenance.doctor._LOW_SPACE_BYTES", 2**80)
    (finding,) = examine(workspace)
    assert "free some space" in finding.cure


@pytest.mark.parametrize(
    ("name", "stop", "begin"),
    [
        pytest.param("predictions.db", "the servers", PredictionWriter, id="predictions"),
        pytest.param("past.db", "the engine", PastWriter, id="past"),
    ],
)
def test_damaged_perishable_stores_are_found_and_replaced_by_empty_ones(workspace, name, stop, begin):
    file = workspace.telemetry_file.with_name(name)
    begin(file).close()
    assert examine(workspace) == []
    file.write_bytes(b"SQLite it is not" * 100)
    (finding,) = examine(workspace)
    assert finding.file == str(file)
    assert f"stop {stop}, then bondx doctor --restore {name}" in finding.cure

    restored = restore(workspace, Path(name), actor=ANNA)

    assert Path(restored.kept_as).read_bytes() == b"SQLite it is not" * 100
    assert "is new and empty" in str(restored)
    assert examine(workspace) == []
    begin(file).close()
    with pytest.raises(RefusedError, match="whole"):
        restore(workspace, Path(name), actor=ANNA)


def test_the_past_is_not_restored_while_an_engine_runs(workspace):
    workspace.telemetry_file.with_name("past.db").write_bytes(b"SQLite it is not" * 100)
    with Lease.acquire(workspace, ANNA, "headless"), pytest.raises(RefusedError, match="stop it first"):
        restore(workspace, Path("past.db"), actor=ANNA)
