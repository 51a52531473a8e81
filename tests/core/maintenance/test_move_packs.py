"""The older moves of a model share documents: nothing of them is lost, whoever reads, and undo still walks back."""

import shutil
from itertools import count

import msgspec
import pytest

from core.actor import Actor, Origin
from core.evidence.subject import version_subject
from core.governance import AuditLog
from core.governance.audit import audited
from core.maintenance.backup.restoring import _OF_A_MODEL, _documents_of
from core.maintenance.doctor import examine
from core.quality.gate import judge
from core.registry import Registry, Stage, move_packs
from core.registry.move_packs import MovePack
from core.registry.records import Records
from core.settings.promotion import PromotionSettings
from core.state import Workspace
from tests.processes import dies

ADA, ENGINE = Actor("ada", "desk", Origin.COMMAND_LINE), Actor.engine()
PASSED = tuple(judge(f"gate_{n}", 99.0, ">=", 90.0, unit="%", n_samples=500) for n in range(6))
A_PACK, SINGLE = 3, 4


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(move_packs, "MOVES_IN_A_PACK", A_PACK)
    monkeypatch.setattr(move_packs, "SINGLE_MOVES", SINGLE)


def opened(workspace):
    """A registry that another process would have: nothing is read yet."""
    return Registry(Workspace.open(workspace.root), promotion=PromotionSettings())


def promoted(registry, model, version):
    stages = (Stage.STAGING, Stage.PRODUCTION)
    for stage in stages[registry.get(model, version).stage is Stage.STAGING :]:
        registry.apply(registry.plan_promotion(model, version, stage), actor=ADA, reason=f"{version} to {stage}")


@pytest.fixture
def moved(workspace, tmp_path):
    """Two models: one whose versions moved thirteen times, and one whose version moved twice."""
    registry, source = opened(workspace), tmp_path / "model.txt"
    for n, model in enumerate(("spread", "spread", "carry")):
        source.write_text(f"tree {n}")
        registry.register(model, source, metrics={"attainment": 0.9}, lineage={"n": n}, gates=PASSED, actor=ADA)
    promoted(registry, "carry", "1.0.0")
    promoted(registry, "spread", "1.0.0")
    promoted(registry, "spread", "1.1.0")
    while registry.newest_moves("spread", 1)[0].number < 13:
        registry.apply(registry.plan_rollback("spread"), actor=ADA, reason="worse")
        promoted(registry, "spread", "1.1.0")
    return workspace


def archive(workspace):
    """Pack and archive as the engine does, however small the file is; return how many moves went into packs."""
    with audited(workspace, "registry", actor=ENGINE) as change:
        n_packed = Records(workspace).pack_older_moves()
        change.db.storage.archive(newest_bytes=0)
        change.record("state.archive", "state/registry.json")
    return n_packed


def told(registry):
    """All that the registry says of its moves."""
    return {
        "history": {model: registry.history(model) for model in ("spread", "carry")},
        "of a version": registry.history("spread", "1.0.0"),
        "newest": [move.number for move in registry.newest_moves("spread", 9)],
        "went live": [registry.went_live("spread", version) for version in ("1.0.0", "1.1.0")],
        "undo": msgspec.to_builtins(registry.plan_undo("spread")),
    }


def test_every_reader_finds_every_move_with_its_gates(moved):
    before = told(opened(moved))
    n_moves = before["history"]["spread"][0].number
    assert archive(moved) == A_PACK * ((n_moves - SINGLE) // A_PACK) - 1, (
        "the first move of a model is its second change"
    )
    assert archive(moved) == 0, "what is in a pack is not packed again"
    assert told(opened(moved)) == before
    assert before["history"]["spread"][-1].gates, "the evidence of the first move"
    assert examine(moved) == []
    assert AuditLog(moved).verify().ok


@pytest.mark.crash
def test_kill_9_at_any_point_of_packing_loses_no_move_and_the_next_engine_packs_them(moved, tmp_path):
    before = told(opened(moved))
    for n in count(1):
        killed = Workspace.open(shutil.copytree(moved.root, tmp_path / f"killed-{n}"))
        was_killed = dies(n, lambda killed=killed: archive(killed))
        assert told(opened(killed)) == before, n
        archive(killed)
        assert told(opened(killed)) == before, n
        assert archive(killed) == 0
        assert AuditLog(killed).verify().ok
        if not was_killed:
            break
    assert n > 10


def test_a_registry_that_was_open_before_finds_them_too(moved):
    registry = opened(moved)
    before = told(registry)
    archive(moved)
    assert told(registry) == before


def test_the_table_of_moves_stays_as_long_as_it_is(moved):
    archive(moved)
    records, n_moves = Records(moved), opened(moved).newest_moves("spread", 1)[0].number
    own = [key for key in records.transitions.all_keys() if key.startswith("spread/")]
    assert SINGLE <= len(own) < SINGLE + A_PACK
    assert own[-1] == f"spread/{n_moves}"
    assert [key for key in records.transitions.all_keys() if key.startswith("carry/")] == ["carry/2", "carry/3"]
    assert all(type(pack).__mro__[1] is MovePack for pack in records.packs.all()), "read in brief: no move is held"


def test_undo_walks_back_through_the_packs_to_the_first_move(moved):
    twin = opened(moved)
    moves = [move for move in reversed(twin.history("spread")) if move.undoes is None]
    archive(moved)
    registry = opened(moved)
    for move in reversed(moves):
        plan = registry.plan_undo("spread")
        assert plan.allowed, plan.refusal
        assert {change.version for change in plan.changes} == {change.version for change in move.changes}
        registry.apply(plan, actor=ADA)
        archive(moved)
    assert registry.production("spread") is None
    assert not registry.plan_undo("spread").allowed
    assert {version.stage for version in registry.versions("spread")} == {Stage.DEVELOPMENT}


def test_the_pack_of_an_auditor_cites_every_move(moved):
    def cited():
        subject = version_subject(moved, "spread", "1.0.0")
        return [dict(move.fields) for move in sorted(subject.transitions, key=lambda move: move["number"])]

    before = cited()
    archive(moved)
    assert [fields | {"revision": 0} for fields in cited()] == [fields | {"revision": 0} for fields in before]
    subject = version_subject(moved, "spread", "1.0.0")
    assert len({move.source for move in subject.transitions}) == len(before), "each is a source of its own"


def test_a_restored_model_has_its_older_moves(moved):
    archive(moved)
    tables = moved.database("registry").storage.read()
    restored = {name: _documents_of("spread", tables.get(name, {}), name) for name in _OF_A_MODEL}
    packed = [move["number"] for pack in restored["move_packs"].values() for move in pack["moves"]]
    own = [move["number"] for move in restored["transitions"].values()]
    assert sorted(packed + own) == list(range(2, max(own) + 1))
