"""Versions of a lineage as a list: names, what changed since what they came from, and what is gone."""

import pytest

from core.registry import Registry, Stage
from core.registry.ancestry import Ancestry, ancestry
from core.registry.graph_layout import Fold


def laid_out(registry: Registry, model: str = "spread") -> Ancestry:
    return ancestry(registry.lineage(model), registry.versions(), registry.all_aliases())


@pytest.mark.parametrize(
    ("before", "after", "changes"),
    [
        pytest.param({}, {}, ("refit",), id="refit"),
        pytest.param({}, {"data": {"train": "cd34"}}, ("data",), id="data"),
        pytest.param({"parameters": {"depth": 3}}, {"parameters": {"depth": 4}}, ("parameters",), id="parameters"),
        pytest.param({}, {"data": {"train": "cd34"}, "chosen": "b"}, ("data", "parameters"), id="both"),
    ],
)
def test_the_listed_change_is_the_reason_the_number_was_raised(
    registry: Registry, source, ana, before, after, changes
) -> None:
    for number, more in enumerate((before, after)):
        (source / "model.txt").write_text(str(number))
        lineage = {"data": {"train": "ab12"}} | more
        registry.register("spread", source, metrics={}, lineage=lineage, gates=(), actor=ana, bump="auto")
    tree = laid_out(registry)
    assert [tree.by_key[graph_row.key].changes for graph_row in tree.graph] == [changes, ("first",)]


def test_a_schema_change_is_listed(registry: Registry, source, ana) -> None:
    for features in (["a"], ["a", "b"]):
        (source / "signature.json").write_text(str({"inputs": features}).replace("'", '"'))
        registry.register("spread", source, metrics={}, lineage={}, gates=(), actor=ana, bump="auto")
    assert laid_out(registry).by_key["spread/2.0.0"].changes == ("schema",)


def test_on_a_branch_the_change_is_measured_against_the_parent_and_not_against_the_newest(register, registry) -> None:
    register(), register(bump="auto"), register(bump="auto", parents=["1.0.0"])
    tree = laid_out(registry)
    newest = tree.by_key[tree.graph[0].key]
    assert [source.key for source in newest.sources] == ["spread/1.0.0"]
    assert newest.changes == ()  # same data and parameters as its parent, as far as their lineages tell


def test_a_pruned_version_stays_in_its_place(register, registry: Registry, ana) -> None:
    for _ in range(3):
        register()
    registry.prune(registry.plan_prune("spread", keep=1), actor=ana)
    tree = laid_out(registry)
    assert [(tree.by_key[graph_row.key].version, tree.by_key[graph_row.key].stage) for graph_row in tree.graph] == [
        ("1.2.0", Stage.DEVELOPMENT),
        ("1.1.0", None),
        ("1.0.0", None),
    ]
    assert tree.by_key["spread/1.1.0"].detail.startswith("pruned 2026-03-02 by ana")


def test_a_parent_that_was_never_registered_here_is_drawn(registry: Registry, source, ana) -> None:
    registry.register("spread", source, metrics={}, lineage={"parent": "0.9.0"}, gates=(), actor=ana)
    tree = laid_out(registry)
    assert [graph_row.key for graph_row in tree.graph] == ["spread/1.0.0", "spread/0.9.0"]
    assert tree.by_key["spread/0.9.0"].detail == "no longer registered"
    assert tree.by_key["spread/1.0.0"].changes == ()


def test_live_named_and_selected_versions_are_never_folded(register, registry, promote, ana) -> None:
    for _ in range(30):
        register()
    promote("1.10.0")
    registry.set_alias("spread", "champion", "1.5.0", actor=ana)
    tree = laid_out(registry)
    rows = tree.rows(("spread/1.20.0",), reach=1)
    shown = [len(row.keys) if isinstance(row, Fold) else tree.by_key[row.key].version for row in rows]
    assert shown == ["1.29.0", 7, "1.21.0", "1.20.0", "1.19.0", 8, "1.10.0", 4, "1.5.0", 4, "1.0.0"]
    assert tree.by_key["spread/1.10.0"].is_live
    assert tree.by_key["spread/1.5.0"].aliases == ("@champion",)
    assert len(tree.rows(whole=True)) == 30
