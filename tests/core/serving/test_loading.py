"""The loader, turn by turn."""

import shutil
from concurrent.futures import wait

import msgspec

from core.actor import Actor
from core.clock import utc_now
from core.registry import ModelVersion, Registry
from core.registry.changes import registry_change
from core.serving.loading import Loader
from core.serving.stats import ServerStats
from core.state import Workspace


def test_a_version_requested_during_a_refresh_is_loaded_in_the_next(workspace, artifacts, register):
    version = register(workspace, "spread", artifacts / "spread").version
    register(workspace, "spread", artifacts / "spread_other")  # the newest is loaded unasked
    wishes = []

    def publish(_table):
        if not wishes:
            wishes.append(loader.ask_for("spread", version))

    loader = Loader(workspace, ServerStats(), publish)
    loader.refresh()
    (wish,) = wishes
    assert not wish.done()
    loader.refresh()
    wait(loader._loading.values())
    loader.refresh()
    assert wish.result(0).version == version
    loader._worker.shutdown()


def test_a_version_that_has_other_files_under_the_same_number_is_loaded_again(
    workspace, artifacts, register, tmp_path, monkeypatch
):
    register(workspace, "spread", artifacts / "spread")
    other = Workspace.create(tmp_path / "other", settings_text="{}\n")
    theirs = register(other, "spread", artifacts / "spread_other")
    tables = []
    loader = Loader(workspace, ServerStats(), tables.append)

    def turn():
        loader.refresh()
        wait(loader._loading.values())
        loader.refresh()
        return tables[-1].models["spread"].versions[theirs.version]

    first = turn()
    assert turn() is first
    # As a replica takes a version of its desk.
    own = Registry(workspace).get("spread", theirs.version)
    shutil.rmtree(workspace.artifacts_dir / own.path)
    shutil.copytree(other.artifacts_dir / theirs.path, workspace.artifacts_dir / own.path)
    database = workspace.database("registry")
    with registry_change(workspace, actor=Actor.engine(), reason="", clock=utc_now) as change:
        versions = database.documents("versions", ModelVersion, "key")
        versions.replace(msgspec.structs.replace(versions.get(own.key), manifest_sha256=theirs.manifest_sha256))
        change.record("replica.follow", own.key)
    second = turn()
    assert second is not first
    assert (first.manifest_sha256, second.manifest_sha256) == (own.manifest_sha256, theirs.manifest_sha256)
    loader._worker.shutdown()


class TestTheMemoryLimit:
    """Four versions of one model: the newest is loaded unasked, the others on request."""

    MIB = 1 << 20

    def loader(self, workspace, artifacts, register, monkeypatch, *, memory_bytes):
        for name in ("spread", "spread_other", "spread", "spread_other"):
            register(workspace, "spread", artifacts / name)
        taken = iter(range(0, 1_000 * self.MIB, self.MIB))
        monkeypatch.setattr("core.serving.loading._memory", lambda: next(taken))  # each version takes a MiB
        stats, tables = ServerStats(), []
        return Loader(workspace, stats, tables.append, memory_bytes=memory_bytes), stats, tables

    def load(self, loader, *versions):
        for version in versions:
            wish = loader.ask_for("spread", version)
            loader.refresh()
            wait(loader._loading.values())
            loader.refresh()
            assert wish.result(0).version == version

    def numbers(self, tables):
        return set(tables[-1].models["spread"].versions)

    def test_evicts_what_was_used_least_recently(self, workspace, artifacts, register, monkeypatch):
        loader, stats, tables = self.loader(workspace, artifacts, register, monkeypatch, memory_bytes=3 * self.MIB)
        first, second, third, newest = (version.version for version in loader._registry.versions("spread"))
        self.load(loader, first, second)
        assert self.numbers(tables) == {first, second, newest}
        stats.of("spread", first).answered(0.001, 1)
        self.load(loader, third)
        loader.refresh()
        assert self.numbers(tables) == {first, third, newest}
        assert stats.n_evicted == 1
        loader._worker.shutdown()

    def test_evicts_neither_labels_nor_the_version_that_was_asked_for_last(
        self, workspace, artifacts, register, monkeypatch
    ):
        loader, stats, tables = self.loader(workspace, artifacts, register, monkeypatch, memory_bytes=1)
        first, *_, newest = (version.version for version in loader._registry.versions("spread"))
        self.load(loader, first)
        loader.refresh()
        assert (self.numbers(tables), stats.n_evicted) == ({first, newest}, 0)
        loader._worker.shutdown()

    def test_without_a_limit_nothing_is_evicted(self, workspace, artifacts, register, monkeypatch):
        loader, stats, tables = self.loader(workspace, artifacts, register, monkeypatch, memory_bytes=0)
        first, second, *_ = (version.version for version in loader._registry.versions("spread"))
        self.load(loader, first, second)
        assert ({first, second} <= self.numbers(tables), stats.n_evicted) == (True, 0)
        loader._worker.shutdown()
