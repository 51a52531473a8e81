"""The number of a new version says what is different from the one before it."""

import json

import pytest

from core.registry import Registry
from core.registry.version_bump import Makeup, part_to_raise

COLUMNS = [{"name": "rating", "kind": "integer", "least": 1, "most": 21}, {"name": "sector", "kind": "category"}]
BASE = {
    "signature": {"task": "regression", "target": "spread", "columns": COLUMNS},
    "report": {"parameters": {"num_leaves": 31}},
    "lineage": {"data": {"train": "ab12"}, "settings_sha256": "cd34", "random_seed": 42},
}


@pytest.fixture
def makeup(tmp_path):
    def of(**changes) -> Makeup:
        said = {**BASE, **changes}
        for name in ("signature", "report"):
            (tmp_path / f"{name}.json").write_text(json.dumps(said[name]))
        return Makeup.of(tmp_path, said["lineage"])

    return of


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        pytest.param({}, "patch", id="the same model again"),
        pytest.param({"lineage": {**BASE["lineage"], "random_seed": 7}}, "patch", id="another seed"),
        pytest.param({"lineage": {**BASE["lineage"], "data": {"train": "ef56"}}}, "minor", id="other data"),
        pytest.param({"lineage": {**BASE["lineage"], "settings_sha256": "ef"}}, "minor", id="other settings"),
        pytest.param({"report": {"parameters": {"num_leaves": 63}}}, "minor", id="other parameters"),
        pytest.param({"signature": {**BASE["signature"], "target": "price"}}, "major", id="another target"),
        pytest.param({"signature": {**BASE["signature"], "columns": COLUMNS[:1]}}, "major", id="a column less"),
        pytest.param(
            {"signature": {**BASE["signature"], "columns": [{**COLUMNS[0], "most": 22}, COLUMNS[1]]}},
            "patch",
            id="a wider range",
        ),
        pytest.param(
            {"signature": {**BASE["signature"], "columns": [{**COLUMNS[0], "kind": "number"}, COLUMNS[1]]}},
            "patch",
            id="whole numbers that became numbers",
        ),
        pytest.param(
            {"signature": {**BASE["signature"], "columns": [{**COLUMNS[0], "kind": "category"}, COLUMNS[1]]}},
            "major",
            id="another kind",
        ),
    ],
)
def test_what_changed_decides_which_part_is_raised(makeup, changes: dict, part: str) -> None:
    assert part_to_raise(makeup(), makeup(**changes))[0] == part


def test_the_gravest_change_wins_and_the_reason_names_it(makeup) -> None:
    both = makeup(report={"parameters": {"num_leaves": 63}}, lineage={**BASE["lineage"], "data": {}})
    assert part_to_raise(makeup(), both) == ("minor", "the data and parameters changed")


def test_without_a_signature_the_features_of_the_report_are_the_schema(makeup) -> None:
    before = makeup(signature={}, report={"features": ["a", "b"]})
    assert part_to_raise(before, makeup(signature={}, report={"features": ["a"]}))[0] == "major"


def test_the_registry_numbers_by_what_changed(registry: Registry, source, ana) -> None:
    def register(features: list[str], data: str):
        (source / "report.json").write_text(json.dumps({"features": features}))
        return registry.register(
            "spread", source, metrics={}, lineage={"data": {"train": data}}, gates=(), actor=ana, bump="auto"
        )

    assert register(["a"], "1").version == "1.0.0"
    assert register(["a"], "1").version == "1.0.1"
    assert register(["a"], "2").version == "1.1.0"
    third = register(["a", "b"], "2")
    assert (third.version, third.bump) == ("2.0.0", "major: the schema changed since 1.1.0")
