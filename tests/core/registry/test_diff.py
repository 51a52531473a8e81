import json

import pytest

from core.actor import Actor
from core.registry import Registry
from core.registry.diff import SECTIONS, VersionDiff, difference
from core.tracking import Runs


@pytest.fixture
def two_versions(registry: Registry, source, ana: Actor, workspace) -> Registry:
    runs = Runs(workspace)
    for depth, attainment in ((6, 0.90), (8, 0.92)):
        run = runs.start(name="nightly", actor=ana, parameters={"random_seed": 42, "dataset_size": 100 * depth})
        (source / "model.txt").write_text(f"depth {depth}\n")
        report = {
            "ships": f"trees of depth {depth}",
            "parameters": {"max_depth": depth, "tuning": {"method": "random"}},
            "features": ["rating", "maturity"] + (["esg"] if depth == 8 else []),
            "feature_importance": {"rating": 0.5, "maturity": depth / 100},
            "slices": {name: {"loss": depth / 10} for name in ("years=0-1y", "region=EU")},
            "sliced_by": {"years": "maturity", "region": "region"},
        }
        (source / "report.json").write_text(json.dumps(report))
        registry.register(
            "spread",
            source,
            metrics={"attainment": attainment},
            lineage={"data": {"train": "same", "test": f"test{depth}"}},
            gates=(),
            actor=ana,
            run_id=run.run_id,
        )
    return registry


def test_a_diff_lists_the_changes_of_every_section(two_versions: Registry) -> None:
    changed = {
        (row.section, row.name): (row.before, row.after)
        for row in two_versions.diff("spread", "1.0.0", "1.1.0").changed
    }
    assert changed.pop(("metrics", "attainment")) == (0.90, 0.92)
    assert changed.pop(("lineage", "data.test")) == ("test6", "test8")
    assert changed.pop(("parameters", "dataset_size")) == (600, 800)
    assert changed.pop(("parameters", "max_depth")) == (6, 8)
    assert changed.pop(("model", "ships")) == ("trees of depth 6", "trees of depth 8")
    assert changed.pop(("features", "esg")) == (None, True)
    assert changed.pop(("importances", "maturity")) == (0.06, 0.08)
    for name in ("years=0-1y.loss", "region=EU.loss"):
        assert changed.pop(("slices", name)) == (0.6, 0.8)
    assert {name for section, name in changed if section == "files"} == {
        "model.txt",
        "report.json",
        "registration.json",
    }


def test_the_slices_of_a_denied_column_are_left_out_under_another_name(two_versions: Registry, workspace) -> None:
    def slices() -> set[str]:
        rows = two_versions.diff("spread", "1.0.0", "1.1.0").rows
        return {row.name for row in rows if row.section == "slices"}

    assert slices() == {"years=0-1y.loss", "region=EU.loss"}
    workspace.settings_file.write_text("explanation: {denied_columns: [maturity]}\n")
    assert slices() == {"region=EU.loss"}


def test_equal_values_are_listed_as_the_same(two_versions: Registry) -> None:
    rows = {(row.section, row.name): row for row in two_versions.diff("spread", "1.0.0", "1.1.0").rows}
    for key in [("parameters", "random_seed"), ("parameters", "tuning.method"), ("files", "environment.json")]:
        assert rows[key].change == "same"


def test_a_diff_of_a_version_with_itself_has_no_changes(two_versions: Registry) -> None:
    assert two_versions.diff("spread", "1.1.0", "1.1.0").changed == ()


def test_a_changed_report_is_left_out_and_noted(two_versions: Registry, workspace) -> None:
    report = workspace.artifacts_dir / "spread" / "1.1.0" / "report.json"
    report.chmod(0o644)
    report.write_text('{"features": ["forged"]}')
    diff = two_versions.diff("spread", "1.0.0", "1.1.0")
    assert diff.notes == ("spread/1.1.0: report.json has 24 bytes instead of 318, so it was not compared.",)
    assert not any(row.name == "forged" for row in diff.rows)


@pytest.mark.parametrize(
    ("before", "after", "change", "delta"),
    [
        pytest.param(1, 1, "same", 0.0, id="equal numbers"),
        pytest.param(1, 3, "changed", 2.0, id="numbers that differ have a delta"),
        pytest.param("a", "b", "changed", None, id="words have no delta"),
        pytest.param(True, False, "changed", None, id="booleans have no delta"),
        pytest.param(None, 1, "added", None, id="only on the right"),
        pytest.param(1, None, "removed", None, id="only on the left"),
    ],
)
def test_one_value_is_compared(before, after, change, delta) -> None:
    row = difference("parameters", "p", before, after)
    assert (row.change, row.delta) == (change, delta)


def test_what_moved_between_two_training_sets_is_compared_by_column(registry: Registry, source, ana: Actor) -> None:
    for mean in (100.0, 130.0):
        profile = {"spread_bps": {"mean": mean, "sd": 5.0}, "rating": {"share of BB": mean / 1000}}
        (source / "report.json").write_text(json.dumps({"data_profile": profile}))
        registry.register("spread", source, metrics={}, lineage={}, gates=(), actor=ana)
    diff = registry.diff("spread", "1.0.0", "1.1.0")
    moved = {row.name: (row.before, row.after) for row in diff.changed if row.section == "data"}
    assert moved == {"spread_bps.mean": (100.0, 130.0), "rating.share of BB": (0.1, 0.13)}


def test_slices_signature_and_environment_are_compared_by_name(registry: Registry, source, ana: Actor) -> None:
    for auc, columns, numpy in ((0.7, ["rating", "esg"], "1.0"), (0.8, ["esg", "rating", "age"], "2.0")):
        (source / "report.json").write_text(json.dumps({"slices": {"high yield": {"auc": auc}}}))
        described = [{"name": name, "kind": "number", "most": auc} for name in columns]
        (source / "signature.json").write_text(json.dumps({"columns": described}))
        (source / "environment.json").write_text(json.dumps({"packages": {"numpy": numpy}}))
        registry.register("spread", source, metrics={}, lineage={}, gates=(), actor=ana)
    changed = {
        (row.section, row.name): (row.before, row.after) for row in registry.diff("spread", "1.0.0", "1.1.0").changed
    }
    assert changed["slices", "high yield.auc"] == (0.7, 0.8)
    assert changed["signature", "columns.age.kind"] == (None, "number")
    assert changed["signature", "columns.esg.most"] == (0.7, 0.8)
    assert ("signature", "columns.esg.kind") not in changed
    assert changed["environment", "packages.numpy"] == ("1.0", "2.0")


def a_diff(**sections: dict[str, tuple[object, object]]) -> VersionDiff:
    rows = [difference(section, name, *values) for section, named in sections.items() for name, values in named.items()]
    return VersionDiff(model="spread", a="1.0.0", b="1.1.0", rows=tuple(rows))


def test_what_changed_most_comes_first_and_fits_a_screen() -> None:
    diff = a_diff(
        metrics={"mae": (1.0, 2.0), "loss": (1.0, 1.01), "panel.mae": (1.0, 9.0), "same": (1.0, 1.0)},
        slices={f"rating.{level}.mae": (1.0, 2.0) for level in range(60)},
        importances={f"column {n}": (0.1, 0.2) for n in range(30)},
        gates={"coverage": ("pass", "fail")},
        files={f"file {n}": ("a", "b") for n in range(9)},
    )

    assert [row.name for row in diff.first()] == ["mae", "loss", "panel.mae", "coverage"]
    assert diff.left_out(diff.first()) == {"slices": 60, "importances": 30, "files": 9}
    assert len(diff.first(slices=True)) == 4 + 60
    assert diff.left_out(diff.changed) == {}


def test_attainment_is_among_the_first_rows_however_little_it_changed() -> None:
    others = {f"metric {n}": (1.0, float(n)) for n in range(20)}
    added = {f"score {n}": (None, 0.5) for n in range(20)}
    diff = a_diff(metrics=others | added | {"attainment": (0.90, 0.91)}, gates={f"g{n}": (1, 2) for n in range(20)})

    assert diff.first()[0].name == "attainment"


def test_no_diff_is_longer_than_a_screen() -> None:
    diff = a_diff(**{section: {f"n{n}": (n, n + 1) for n in range(100)} for section in SECTIONS})

    assert len(diff.first()) + len(("heading", "what else changed", "a note", "the prompt")) <= 24
