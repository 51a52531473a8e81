import msgspec
import pytest

from core.registry import Registry, VersionNotFoundError
from core.registry.lineage import lineage_graph


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


def test_versions_without_a_recorded_predecessor_follow_each_other(register) -> None:
    versions = [msgspec.structs.replace(register(), replaces="") for _ in range(2)]  # as earlier releases recorded them
    assert ("version:spread/1.0.0", "version:spread/1.1.0", "follows") in edges(lineage_graph(versions))


def test_a_version_comes_after_the_version_that_was_live_when_it_was_registered(register, registry: Registry, promote):
    register(), register()
    promote("1.0.0")
    third = register()

    assert [version.replaces for version in registry.versions("spread")] == ["", "spread/1.0.0", "spread/1.0.0"]
    assert third.replaces == "spread/1.0.0", "the live version, and not the newest"
    drawn = edges(registry.lineage("spread"))
    assert ("version:spread/1.0.0", f"version:{third.key}", "replaces") in drawn
    assert ("version:spread/1.1.0", f"version:{third.key}", "replaces") not in drawn
    assert next(c for c in registry.plan_prune("spread", keep=0).candidates if c.version == "1.1.0").goes


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
