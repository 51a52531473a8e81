"""An audit log behind a link that leads out: no change without a place for its record, except the way back."""

from pathlib import Path

import pytest

from console.cli.main import main
from core.actor import Actor
from core.files import FileAccessError
from core.governance import AuditLog, audited
from core.maintenance.doctor import examine


@pytest.fixture
def linked(workspace, write_notes, tmp_path):
    """Return a function that moves a place of the workspace out, and leaves a link to it."""
    write_notes(1)

    def link_out(place: Path) -> Path:
        place.parent.mkdir(exist_ok=True)
        outside = tmp_path / f"outside-{place.name}"
        if place.exists():
            place.rename(outside)
        place.symlink_to(outside)
        return outside

    return link_out


@pytest.mark.parametrize(
    "place",
    ["audit", "audit/audit.jsonl", "audit/.audit.lock", "audit/epochs", "state/audit.json", "keys"],
)
def test_a_change_whose_record_could_not_be_written_is_refused_before_it_is_made(workspace, write_notes, linked, place):
    linked(workspace.root / place)
    before = workspace.state_file("registry").read_bytes()
    with pytest.raises(FileAccessError, match=f"{place} is a link that leads out of the workspace.*was not made"):
        write_notes(1)
    assert workspace.state_file("registry").read_bytes() == before


def test_what_the_engine_observes_is_kept_and_waits(workspace, linked):
    linked(workspace.audit_dir)
    with audited(workspace, "registry", actor=Actor.engine()) as change:
        change.record("alert.fire", "a")
    assert AuditLog(workspace).n_waiting() == 1


def test_verify_names_the_link_and_so_does_the_doctor_once(workspace, linked, capsys):
    linked(workspace.audit_dir)
    for verb in ("verify", "anchor"):
        assert main(["--workspace", str(workspace.root), "audit", verb]) == 2
        assert f"{workspace.audit_dir} is a link that leads out of the workspace" in capsys.readouterr().err
    assert main(["--workspace", str(workspace.root), "audit", "tail"]) == 0
    found = [each for each in examine(workspace) if "leads out" in each.problem]
    assert [each.file for each in found] == [str(workspace.audit_dir)]
