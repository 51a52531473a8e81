"""The drill: a workspace is lost under load, and what was backed up goes on elsewhere as if nothing had happened."""

import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest

from core.domains.bonds.domain import BONDS
from core.domains.catalogue import load_model
from core.domains.domain import DrawRequest
from core.governance import AuditLog
from core.maintenance.backup import BackupRepository, create_backup, restore_workspace
from core.models.interface import Model
from core.registry import Registry
from core.settings import TrainingSettings
from core.settings.explanation import ExplanationSettings
from core.state import Workspace
from core.training.sessions import Sessions
from tests.core.engine.test_kill import assert_complete, begin, run_engine
from tests.waiting import until


@pytest.mark.crash
def test_a_workspace_lost_under_load_is_restored_elsewhere_and_ends_with_the_same_bytes(tmp_path, person):
    peaceful = begin(tmp_path / "peaceful", person)
    run_engine(peaceful)
    lost = begin(tmp_path / "lost", person)
    command = [sys.executable, "-m", "tests.core.engine.engine_process", str(lost.root), "0"]
    engine = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        sessions = Sessions(lost)
        until(lambda: sessions.get("s-0001").observed.epoch >= 1, "the first epoch")
        backup = create_backup(lost, tmp_path / "safe", b"the key of this drill", actor=person)
    finally:
        engine.send_signal(signal.SIGKILL)
        engine.wait()
    shutil.rmtree(lost.root)

    repository = BackupRepository.open(tmp_path / "safe", b"the key of this drill")
    assert repository.verify(backup.backup_id).ok
    result = restore_workspace(repository, backup.backup_id, tmp_path / "elsewhere", actor=person)
    restored = Workspace.open(tmp_path / "elsewhere")
    assert result.n_records == backup.audit_sequence
    assert AuditLog(restored).verify().ok
    assert run_engine(restored) is not None
    assert_complete(restored, as_in=peaceful)


@pytest.mark.journey
def test_the_versions_of_a_restored_workspace_give_the_same_answers_to_the_bit(tmp_path, person):
    trained = Workspace.create(tmp_path / "trained", settings_text="{}\n")
    Sessions(trained).start(
        TrainingSettings(explanation=ExplanationSettings(rows=20, background_rows=10), dataset_size=150, max_epochs=1),
        name="",
        actor=person,
    )
    run_engine(trained)
    backup = create_backup(trained, tmp_path / "safe", None, actor=person)
    repository = BackupRepository.open(tmp_path / "safe", None)
    restore_workspace(repository, backup.backup_id, tmp_path / "elsewhere", actor=person)
    rows = BONDS.draw(DrawRequest("draw", 100, 7, 42, BONDS.settings())).frame
    versions = Registry(trained).versions(None)
    assert len(versions) == 4
    for version in versions:
        before, after = (
            loaded(workspace, version.model).predict(rows)
            for workspace in (trained, Workspace.open(tmp_path / "elsewhere"))
        )
        assert np.array_equal(np.asarray(before), np.asarray(after), equal_nan=True)


def loaded(workspace: Workspace, model: str) -> Model:
    return load_model(Registry(workspace).load_path(model, "1.0.0"))
