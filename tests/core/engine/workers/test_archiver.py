from types import SimpleNamespace

from core.actor import Actor
from core.engine.workers import WORKERS
from core.engine.workers.archiver import LOOK_SECONDS, Archiver


def test_the_engine_looks_for_grown_files_again_and_again(workspace, monkeypatch):
    looked = []
    monkeypatch.setattr("core.engine.workers.archiver.archive_documents", lambda *of, actor: looked.append((of, actor)))
    worker = Archiver(SimpleNamespace(workspace=workspace, actor=Actor.engine()))
    assert worker.step() == LOOK_SECONDS
    assert looked == [((workspace,), Actor.engine())]
    assert Archiver in WORKERS
