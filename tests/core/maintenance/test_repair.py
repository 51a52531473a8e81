"""Documents that do not read as their type, and modes that let others in: found, and repaired."""

import json
import stat
from datetime import timedelta
from pathlib import Path

import msgspec
import orjson
import pytest

from core.actor import Actor, Origin
from core.governance.audit import audited
from core.governance.audit_log import AuditLog
from core.maintenance.doctor import examine
from core.maintenance.repair import repair
from core.maintenance.stored_documents import TABLES, tables_of
from core.quality.gate import judge
from core.registry import Registry
from core.settings.promotion import PromotionSettings
from core.state import Workspace
from core.state.generation import previous_of
from core.tracking import Runs, track
from tests.clocks import HandClock

ANNA = Actor("anna", "desk", Origin.COMMAND_LINE)
ROOT = Path(__file__).parents[3]


@pytest.fixture
def stocked(workspace, tmp_path):
    """A workspace with a version and a run."""
    source = tmp_path / "model.txt"
    source.write_text("tree\n")
    registry = Registry(workspace, promotion=PromotionSettings(), clock=HandClock(step=timedelta(seconds=1)))
    gates = (judge("coverage", 99.0, ">=", 90.0, unit="%"),)
    registry.register(
        "spread", source, metrics={"attainment": 0.9}, lineage={}, gates=gates, actor=ANNA, tags={"desk": "emea"}
    )
    with track(workspace, "a run", actor=ANNA):
        pass
    assert examine(workspace) == []
    return workspace


def edit(workspace, database, table, **fields):
    """Put values into a stored document as an older release could."""
    file = workspace.state_file(database)
    tables = json.loads(file.read_bytes())
    document = next(reversed(tables[table].values()))
    for name, value in fields.items():
        if value is ...:
            del document[name]
        else:
            document[name] = value
    file.write_bytes(orjson.dumps(tables))


@pytest.mark.parametrize(
    ("database", "table", "field", "value", "repaired", "as_recorded"),
    [
        ("registry", "versions", "run_id", None, "", True),
        ("registry", "versions", "description", 7, "7", False),
        ("registry", "versions", "tags", {"desk": 3, "x": None}, {"desk": "3"}, False),
        ("registry", "outbox", "reason", None, "", True),
        ("runs", "runs", "name", 5, "5", False),
        ("runs", "outbox", "reason", 2.5, "2.5", True),
    ],
)
def test_a_document_that_does_not_read_is_named_and_repaired(
    stocked, database, table, field, value, repaired, as_recorded
):
    edit(stocked, database, table, **{field: value})
    before = next(reversed(json.loads(stocked.state_file(database).read_bytes())[table].values()))
    (finding,) = [each for each in examine(stocked) if each.file == str(stocked.state_file(database))]
    assert f"table {table}" in finding.problem
    assert field in finding.problem
    assert "bondx doctor --repair" in finding.cure

    told, *doubt = repair(stocked, actor=ANNA, reason="found at night")

    assert (doubt == []) is as_recorded
    assert all("differs from all that the records left" in sentence for sentence in doubt)
    assert AuditLog(stocked).verify().ok is as_recorded
    assert f"{field} " in told
    assert [each for each in examine(stocked) if each.file == str(stocked.state_file(database))] == []
    record = next(each for each in reversed(AuditLog(stocked).tail(9)) if each.verb == "document.repair")
    assert (record.actor, record.reason) == (str(ANNA), "found at night")
    assert record.after[field] == repaired
    kept = Path(record.evidence[0].path)
    assert json.loads(kept.read_bytes()) == before
    assert repair(stocked, actor=ANNA) == []


def test_a_document_without_any_reading_is_taken_out_and_kept(stocked):
    edit(stocked, "runs", "runs", status={"nested": 1}, started_at="yesterday")
    previous_of(stocked.state_file("runs")).unlink()
    (finding,) = [each for each in examine(stocked) if each.file == str(stocked.state_file("runs"))]
    assert "takes it out of the table" in finding.cure
    repair(stocked, actor=ANNA)
    assert Runs(stocked).all() == []
    assert examine(stocked) == []
    (kept,) = (stocked.state_dir / "repaired").iterdir()
    assert json.loads(kept.read_bytes())["started_at"] == "yesterday"


def test_an_outbox_that_jams_the_audit_log_flows_again(stocked):
    with audited(stocked, "runs", actor=ANNA) as change:
        change.db.table("notes").insert({"n": 1})
        change.record("note.make", "note")
    edit(stocked, "runs", "outbox", reason=None, id="another", verb="note.lost")
    with pytest.raises(Exception, match="reason"):
        AuditLog(stocked).drain()
    repair(stocked, actor=ANNA)
    assert "note.lost" in {record.verb for record in AuditLog(stocked).tail(9)}
    assert AuditLog(stocked).n_waiting() == 0


def test_every_table_that_is_stored_is_read_by_the_doctor(stocked):
    """A table that nobody listed would be whole by definition."""
    for file in stocked.state_dir.glob("*.json"):
        listed = {kind.table for kind in tables_of(file.stem, TABLES)} | {"holds"}  # which the engine writes again
        assert set(json.loads(file.read_bytes())) <= listed, file.name
    assert all(issubclass(kind.struct, msgspec.Struct) for kind in TABLES)


def test_what_other_accounts_can_reach_is_found_and_closed(stocked):
    lock = stocked.state_file("registry").with_name("registry.json.lock")
    stocked.state_dir.chmod(0o755)
    lock.chmod(0o644)
    (stocked.audit_dir / ".audit.lock").chmod(0o666)  # in a closed folder: nobody reaches it
    (finding,) = examine(stocked)
    assert finding.file == str(stocked.state_dir)
    assert "a folder state has mode 0755" in finding.problem
    assert "lock file can stop every change" in finding.problem
    told = repair(stocked, actor=ANNA)
    assert f"{lock}: mode 0644 is now 0600." in told
    assert stat.S_IMODE(stocked.state_dir.stat().st_mode) == 0o700
    assert examine(stocked) == []


def test_a_shared_folder_may_hold_a_workspace_but_not_be_written_to_by_others(stocked):
    stocked.root.chmod(0o755)
    stocked.settings_file.chmod(0o644)
    assert examine(stocked) == []
    stocked.root.chmod(0o777)
    (finding,) = examine(stocked)
    assert finding.file == str(stocked.root)
    repair(stocked, actor=ANNA)
    assert stat.S_IMODE(stocked.root.stat().st_mode) == 0o755


def test_what_another_account_owns_is_found(stocked, monkeypatch):
    import os

    if os.geteuid() != 0:
        pytest.skip("only root can give a file away")
    os.chown(stocked.state_file("runs"), 65534, -1)
    (finding,) = examine(stocked)
    assert "do not belong to root" in finding.problem
    assert finding.cure.startswith("as root: chown -R root ")


def test_a_fresh_workspace_is_closed(tmp_path):
    assert examine(Workspace.create(tmp_path / "w", settings_text="{}\n")) == []
