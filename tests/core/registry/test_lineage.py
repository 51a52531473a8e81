import pytest

from core.registry import Registry, VersionNotFoundError


def edges(graph) -> set[tuple[str, str, str]]:
    return {(edge.source, edge.target, edge.kind) for edge in graph.edges}


def test_a_version_comes_from_its_data_run_and_session(register, registry: Registry) -> None:
    register(run_id="r-0001", session_id="s-0001")
    graph = registry.lineage("spread")
    assert edges(graph) == {
        ("data:ab12", "run:r-0001", "trained on"),
        ("session:s-0001", "run:r-0001", "part of"),
        ("run:r-0001", "version:spread/1.0.0", "trained by"),
    }
    assert [node.kind for node in graph.nodes][-1] == "version"  # causes come before effects


def test_versions_without_a_parent_follow_each_other(register, registry: Registry) -> None:
    register(), register()
    assert ("version:spread/1.0.0", "version:spread/1.1.0", "follows") in edges(registry.lineage("spread"))


def test_parents_are_kept_with_the_version_and_reach_across_models(register, registry: Registry, ana) -> None:
    register(), register("anomaly")
    registry.set_alias("anomaly", "champion", "1.0.0", actor=ana)
    child = register(parents=["1.0.0", "anomaly/@champion"])
    assert child.lineage["parents"] == ["spread/1.0.0", "anomaly/1.0.0"]
    graph = registry.lineage("anomaly")
    assert ("version:anomaly/1.0.0", "version:spread/1.1.0", "made from") in edges(graph)
    assert registry.verify("spread", "1.1.0")[0].ok  # the parents are hashed along with the evidence


def test_around_one_version_only_its_causes_and_effects_are_drawn(register, registry: Registry) -> None:
    register(run_id="r-0001"), register(parents=["1.0.0"]), register(parents=["1.0.0"])
    keys = {node.key for node in registry.lineage("spread", "1.1.0").nodes}
    assert {"version:spread/1.0.0", "version:spread/1.1.0", "run:r-0001"} <= keys
    assert "version:spread/1.2.0" not in keys


def test_a_parent_must_exist(register, registry: Registry) -> None:
    register()
    with pytest.raises(VersionNotFoundError):
        register(parents=["7.0.0"])


def test_a_circular_lineage_is_still_drawn(registry: Registry, source, ana) -> None:
    for number, parent in (("1", "1.1.0"), ("2", "1.0.0")):
        (source / "model.txt").write_text(number)
        registry.register("spread", source, metrics={}, lineage={"parent": parent}, gates=(), actor=ana)
    assert len(registry.lineage("spread").nodes) == 2
