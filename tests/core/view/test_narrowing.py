"""A snapshot narrowed to the models of a view: the filter holds in every part of it."""

from types import SimpleNamespace

import pytest

from core.saved_views import checked_view
from core.view.narrowing import narrowed
from core.view.source import take_snapshot
from tests.console.conftest import NOW
from tools.demo import make_demo
from tools.demo_stress import stress_demo


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory):
    workspace = make_demo(tmp_path_factory.mktemp("narrow") / "ws", now=NOW)
    stress_demo(workspace, NOW)
    return take_snapshot(workspace)


def view(**values):
    return checked_view("desk", {"panes": ["alerts"], **values})


def test_a_view_about_nothing_in_particular_is_about_everything(snapshot):
    found = narrowed(snapshot, view())
    assert found.snapshot is snapshot
    assert found.missing == ()


def test_every_part_holds_what_is_about_the_models_alone(snapshot):
    found = narrowed(snapshot, view(models=["liq*"]))
    kept = found.snapshot
    assert found.models == ("liquidity_shock",)
    for part, of in (("models", "model"), ("versions", "model"), ("monitoring", "model"), ("rollouts", "model")):
        assert {getattr(each, of) for each in getattr(kept, part)} <= {"liquidity_shock"}, part
        assert len(getattr(kept, part)) < len(getattr(snapshot, part)) or part == "rollouts"
    assert kept.rollouts
    assert all(each.object.startswith(("liquidity_shock", "ro-", "s-")) for each in kept.audit)


def test_what_is_about_no_model_stays(snapshot):
    nobody = narrowed(snapshot, view(models=["nothing_like_it"]))
    assert nobody.snapshot.stress_tests == snapshot.stress_tests
    unnamed = [a for a in snapshot.alerts if not {"model", "session", "rollout"} & set(a.labels)]
    assert list(nobody.snapshot.alerts) == unnamed
    assert nobody.missing == ("no model nothing_like_it",)
    disk = SimpleNamespace(labels={"severity": "critical"})
    assert narrowed(with_alerts(snapshot, disk), view(models=["x"])).snapshot.alerts == (disk,)


def with_alerts(snapshot, *alerts):
    from dataclasses import replace

    return replace(snapshot, alerts=alerts)


def test_an_alert_about_a_session_or_a_rollout_belongs_to_its_models(snapshot):
    of_rollout = SimpleNamespace(labels={"rollout": snapshot.rollouts[0].rollout_id})
    model = snapshot.rollouts[0].model
    other = next(each.model for each in snapshot.models if each.model != model)
    given = with_alerts(snapshot, of_rollout)
    assert narrowed(given, view(models=[model])).snapshot.alerts == (of_rollout,)
    assert narrowed(given, view(models=[other])).snapshot.alerts == ()


def test_models_are_chosen_by_the_tags_of_their_live_version(snapshot):
    import msgspec

    def tagged(version):
        is_live = any((m.model, m.production) == (version.model, version.version) for m in snapshot.models)
        return msgspec.structs.replace(version, tags={"desk": "milan" if is_live else "old"})

    from dataclasses import replace

    given = replace(snapshot, versions=tuple(map(tagged, snapshot.versions)))
    live = {each.model for each in given.models if each.production}
    assert set(narrowed(given, view(tags={"desk": "mil*"})).models) == live
    assert narrowed(given, view(tags={"desk": "rome"})).missing == ("no version is tagged desk=rome",)


def test_a_snapshot_whose_models_were_not_read_yet_misses_none(snapshot):
    from dataclasses import replace

    unread = replace(snapshot, models=(), versions=(), unread=frozenset({"registry"}))
    assert narrowed(unread, view(models=["spread"])).missing == ()
