"""A rollback while the audit log is behind a link that leads out of the workspace."""

import pytest

from core.files import FileAccessError
from core.governance import AuditLog


def test_a_rollback_works_and_its_record_waits_for_the_log(
    workspace, register, promote, registry, stages, ana, tmp_path, caplog
):
    register()
    register(bump="major")
    promote("1.0.0", "2.0.0")
    outside = tmp_path / "outside"
    workspace.audit_dir.rename(outside)
    workspace.audit_dir.symlink_to(outside)
    before = (outside / "audit.jsonl").read_bytes()
    with pytest.raises(FileAccessError, match="audit is a link that leads out of the workspace"):
        registry.apply(registry.plan_undo("spread"), actor=ana, reason="undo")
    assert stages()["2.0.0"] == "Production"
    registry.apply(registry.plan_rollback("spread"), actor=ana, reason="harm")
    assert stages()["1.0.0"] == "Production"
    assert "the record waits in the registry database" in caplog.text
    assert (outside / "audit.jsonl").read_bytes() == before
    workspace.audit_dir.unlink()
    outside.rename(workspace.audit_dir)
    log = AuditLog(workspace)
    log.drain()
    assert [record.reason for record in log.tail(1)] == ["harm"]
    assert log.verify().ok
