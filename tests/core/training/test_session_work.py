import msgspec
import pytest

from core.domains.registry import session_domain
from core.models import Panel
from core.settings import ModelSettings, QualityGates, TrainingSettings
from core.training import panels as panels_module
from core.training.errors import UnsplittableDrawError
from core.training.panels import Draw, SessionPanels
from core.training.session_work import SessionWork

ALL_FOUR = TrainingSettings(dataset_size=150, max_epochs=3)
ONE = msgspec.structs.replace(ALL_FOUR, models={"liquidity_shock": ModelSettings(algorithm="linear")})
# No draw of 150 bonds has this few gaps, so every draw fails its gates.
IMPOSSIBLE = msgspec.structs.replace(ONE, quality_gates=QualityGates(esg_missing_max=0.0))


@pytest.fixture(autouse=True)
def small_panels(monkeypatch):
    monkeypatch.setattr(panels_module, "VALIDATION_ROWS", 500)
    monkeypatch.setattr(panels_module, "TEST_ROWS", 800)


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def work(settings, folder, *, restart_after=()):
    """Run a whole session, resuming it from its checkpoint after some of its epochs."""
    session = SessionWork(settings, folder)
    for epoch in range(1, settings.max_epochs + 1):
        session.run_epoch(epoch)
        if epoch in restart_after:
            session = SessionWork(settings, folder)
    return session.finish()


@pytest.mark.journey
def test_a_session_resumed_from_its_checkpoints_ends_in_the_same_bytes(tmp_path):
    whole = work(ALL_FOUR, tmp_path / "whole")
    pieces = work(ALL_FOUR, tmp_path / "pieces", restart_after=(1, 2, 3))
    assert whole == pieces
    assert contents(tmp_path / "whole") == contents(tmp_path / "pieces")
    assert [model.name for model in whole.models] == ["spread", "downgrade", "liquidity_shock", "anomaly"]


def test_another_seed_gives_another_result(tmp_path):
    other = msgspec.structs.replace(ONE, random_seed=7)
    one, two = (SessionWork(settings, tmp_path / str(settings.random_seed)) for settings in (ONE, other))
    assert one.run_epoch(1).record.draw.sha256 != two.run_epoch(1).record.draw.sha256


def test_each_epoch_sees_new_bonds_and_validates_on_other_issuers(tmp_path):
    panels = SessionPanels(ONE)
    draws = [panels.epoch(1), panels.epoch(2), panels.validation(), panels.test("test"), panels.test("test_new_macro")]
    issuers = [set(draw.panel.frame["issuer_id"]) for draw in draws]
    assert sum(map(len, issuers)) == len(set().union(*issuers))
    assert len({draw.record.sha256 for draw in draws}) == len(draws)


def test_a_draw_is_split_by_issuer_in_the_share_of_the_settings():
    panel = SessionPanels(ONE).epoch(1).panel
    learned, holdout = SessionPanels(ONE).split(panel, 1)
    inside, outside = set(learned.frame["issuer_id"]), set(holdout.frame["issuer_id"])
    assert not inside & outside
    assert len(learned.frame) + len(holdout.frame) == len(panel.frame)
    assert len(inside) == round(0.8 * len(inside | outside))
    assert len(learned.truth) == len(learned.frame)


def test_later_epochs_score_higher_than_the_first(tmp_path):
    session = SessionWork(ONE, tmp_path)
    scores = [session.run_epoch(epoch).record.score for epoch in range(1, 6)]
    assert scores[-1] > scores[0]


def test_an_epoch_whose_draw_fails_a_gate_is_skipped(tmp_path):
    session = SessionWork(IMPOSSIBLE, tmp_path)
    done = session.run_epoch(1)
    assert not done.record.learned
    assert "esg_missing" in done.record.refusal
    assert done.record.as_score.score is None
    assert not (tmp_path / "epoch_0001" / "models").exists()


def test_after_a_refused_draw_the_models_are_those_of_the_previous_epoch(tmp_path):
    first = SessionWork(ONE, tmp_path).run_epoch(1)
    second = SessionWork(IMPOSSIBLE, tmp_path).run_epoch(2)
    assert (second.record.learned, second.record.score) == (False, first.record.score)
    assert any(gate.blocks for gate in second.record.gates)
    assert second.record.learned_gates == first.record.gates, "a version carries the verdicts on its training data"
    before, after = (contents(tmp_path / folder / "models") for folder in ("epoch_0001", "epoch_0002"))
    assert before == after


def test_a_session_of_skipped_epochs_has_no_model_to_ship(tmp_path):
    session = SessionWork(IMPOSSIBLE, tmp_path)
    session.run_epoch(1)
    with pytest.raises(Exception, match="no model to register"):
        session.finish()


def test_the_test_panels_are_used_once(tmp_path, monkeypatch):
    session = SessionWork(ONE, tmp_path)
    session.run_epoch(1)
    first = session.finish()
    monkeypatch.setattr(SessionPanels, "test", lambda *_: pytest.fail("used again"))
    assert SessionWork(ONE, tmp_path).finish() == first


def test_old_checkpoints_are_removed_and_the_best_is_kept(tmp_path):
    session = SessionWork(ONE, tmp_path)
    history = [session.run_epoch(epoch).record.score for epoch in range(1, 7)]
    best = history.index(max(history)) + 1
    kept = {int(path.name.removeprefix("epoch_")) for path in tmp_path.glob("epoch_*")}
    assert kept == {5, 6, best}


def test_epochs_cannot_be_skipped(tmp_path):
    with pytest.raises(ValueError, match="epoch 1 is next"):
        SessionWork(ONE, tmp_path).run_epoch(2)


@pytest.mark.parametrize("n_rows", [18, 20, 50])
def test_few_rows_train_all_models_with_a_caution(tmp_path, n_rows):
    session = SessionWork(msgspec.structs.replace(ALL_FOUR, dataset_size=n_rows, max_epochs=1), tmp_path)

    assert f"dataset_size is {n_rows}" in session.where_it_stands().warnings[0]
    session.run_epoch(1)
    assert [model.name for model in session.finish().models] == ["spread", "downgrade", "liquidity_shock", "anomaly"]


def test_an_epoch_whose_small_draw_has_one_issuer_is_skipped(tmp_path, monkeypatch):
    monkeypatch.setattr(SessionPanels, "epoch", draw_of_one_issuer(SessionPanels.epoch))
    work = SessionWork(msgspec.structs.replace(ALL_FOUR, dataset_size=18), tmp_path)
    record = work.run_epoch(1).record

    assert (record.learned, record.score) == (False, None)
    assert record.refusal.endswith("groups: no issuers are left to hold out")
    assert record.gates[-1].sentence == "1 issuer (at least 2): no issuers are left to hold out"
    assert record.quality_score < 0.9


def draw_of_one_issuer(epoch):
    def draw(panels, number):
        found = epoch(panels, number)
        frame = found.panel.frame.assign(issuer_id="I1")
        return Draw(Panel(frame, found.panel.truth), msgspec.structs.replace(found.record, n_groups=1))

    return draw


def test_a_large_draw_of_one_issuer_says_that_it_cannot_be_split():
    panels = SessionPanels(msgspec.structs.replace(ALL_FOUR, dataset_size=100))
    with pytest.raises(UnsplittableDrawError, match=r"100 bonds has fewer than two issuers.*Raise dataset_size"):
        panels.split(draw_of_one_issuer(SessionPanels.epoch)(panels, 1).panel, 1)


@pytest.mark.parametrize("domain", ["bonds", "etrm"])
def test_nearly_every_draw_of_the_least_rows_of_a_domain_has_two_groups(domain):
    least = session_domain(domain).least_rows
    panels = SessionPanels(TrainingSettings(domain=domain, dataset_size=least))
    gates = [panels.groups_gate(panels.epoch(number)) for number in range(1, 41)]
    assert sum(gate.passed for gate in gates) >= 36
