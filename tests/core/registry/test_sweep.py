import pytest

from core.registry import Registry
from core.registry.artifacts import STAGING_NAME
from tests.disks import refuse_to_list


def test_a_complete_folder_whose_record_was_lost_is_recorded_again(
    register, registry: Registry, workspace, ana
) -> None:
    register(description="the good one", run_id="r-0001")
    before = registry.get("spread", "1.0.0")
    workspace.database("registry").drop_tables()
    assert registry.sweep(ana).adopted == ("spread/1.0.0",)
    after = registry.get("spread", "1.0.0")
    for field in ("metrics", "lineage", "gates", "description", "manifest_sha256", "n_files", "n_bytes", "stage"):
        assert getattr(after, field) == getattr(before, field)
    assert registry.verify()[0].ok


def test_an_adopted_version_returns_to_the_run_that_produces_it_again(registry, source, workspace, ana) -> None:
    def once_more():
        return registry.register("spread", source, metrics={}, lineage={}, gates=(), actor=ana, run_id="r-0001")

    once_more()
    workspace.database("registry").drop_tables()
    registry.sweep(ana)
    version = once_more()
    assert (version.version, version.run_id) == ("1.0.0", "r-0001")
    assert len(registry.versions("spread")) == 1


def test_an_incomplete_artifact_is_left_alone_and_reported(register, registry, workspace, ana) -> None:
    register()
    (workspace.artifacts_dir / "spread" / "7.0.0").mkdir()
    sweep = registry.sweep(ana)
    assert sweep.adopted == ()
    assert len(sweep.left) == 1
    assert sweep.left[0].startswith("spread/7.0.0: is not a complete artifact")
    assert (workspace.artifacts_dir / "spread" / "7.0.0").exists()


def test_an_artifact_under_another_models_name_is_not_taken_for_its_own(register, registry, workspace, ana) -> None:
    register("spread"), register("downgrade")
    (workspace.artifacts_dir / "spread" / "1.0.0").rename(workspace.artifacts_dir / "downgrade" / "9.0.0")
    assert registry.sweep(ana).left == ("downgrade/9.0.0: is an artifact of spread",)


def test_the_copy_of_a_killed_process_is_removed(registry: Registry, workspace, ana) -> None:
    orphan = workspace.artifacts_dir / STAGING_NAME / "0123456789abcdef"
    orphan.mkdir(parents=True)
    (orphan / "half").write_text("ha")
    assert registry.sweep(ana).n_removed == 1
    assert not orphan.exists()


def test_with_nothing_to_do_a_sweep_changes_nothing(register, registry: Registry, workspace, ana) -> None:
    register()
    generation = workspace.database("registry").signature()
    assert registry.sweep(ana) == type(registry.sweep(ana))()
    assert workspace.database("registry").signature() == generation


@pytest.mark.parametrize("place", [".", "spread", ".staging"])
def test_a_folder_that_cannot_be_listed_is_left_alone_with_a_line_in_the_log(
    registry, register, workspace, ana, monkeypatch, caplog, place
):
    register()
    folder = workspace.artifacts_dir / place
    refuse_to_list(monkeypatch, folder)
    assert registry.sweep(ana).n_removed == 0
    assert not registry.verify()[0].problems
    assert f"not swept: {folder} cannot be listed (Permission denied)" in caplog.text


def test_the_folder_of_a_version_that_cannot_be_listed_is_a_problem_of_that_version(
    registry, register, workspace, monkeypatch
):
    register()
    register()
    folder = workspace.artifacts_dir / "spread" / "1.0.0"
    refuse_to_list(monkeypatch, folder)
    first, second = registry.verify()
    assert first.problems == (f"{folder} cannot be listed (Permission denied)",)
    assert second.ok
