import numpy as np
import pandas as pd
import pytest

from core.domains.bonds.data.columns import BY_NAME, TRUTH_COLUMNS, names
from core.domains.bonds.models import designs
from core.domains.bonds.models.derived import DERIVED
from core.domains.catalogue import create
from core.models.errors import EmptyPanelError, MissingColumnsError
from core.models.learners.feature_space import FeatureSpace
from core.models.learners.samples import group_folds

DESIGNS = {"spread": designs.SPREAD, "downgrade": designs.DOWNGRADE, "liquidity_shock": designs.LIQUIDITY_SHOCK}
HIDDEN = (*names(role="label"), *names(role="price"), "coupon_pct", "issuer_id", "bond_id")


def read_by(design):
    return {source for name in design.columns for source in DERIVED.sources(name)}


@pytest.mark.parametrize("name", DESIGNS)
def test_a_model_reads_only_features(name):
    roles = {BY_NAME[column].role for column in read_by(DESIGNS[name])}
    assert roles == ({"feature", "leakage"} if name == "downgrade" else {"feature"})
    assert not read_by(DESIGNS[name]) & ({c.name for c in TRUTH_COLUMNS} - {"bond_id", "as_of_date"})


def test_only_the_downgrade_model_may_read_the_market_implied_gap():
    assert {name for name, design in DESIGNS.items() if "market_implied_gap" in read_by(design)} == {"downgrade"}


@pytest.mark.parametrize("name", DESIGNS)
def test_an_answer_does_not_change_with_labels_prices_or_identity(name, draw):
    model = create(name)
    model.update(draw(0, 300), seed=0)
    bonds = draw(1, 300).bonds
    scrambled = bonds.assign(**{column: np.random.default_rng(0).permutation(bonds[column]) for column in HIDDEN})
    np.testing.assert_array_equal(model.predict(scrambled), model.predict(bonds))


@pytest.mark.parametrize("name", DESIGNS)
def test_an_answer_does_not_depend_on_the_other_rows(name, draw):
    model = create(name)
    model.update(draw(0, 300), seed=0)
    bonds = draw(1, 300).bonds
    np.testing.assert_allclose(model.predict(bonds.iloc[[7]]), model.predict(bonds)[[7]], rtol=1e-9)


@pytest.mark.parametrize("column", ["rating_num", "credit_cycle"])
def test_boosting_alone_never_lets_the_spread_fall_with_rating_or_cycle(column, draw, fresh):
    model = create("spread", algorithm="lightgbm")
    for epoch in range(4):
        model.update(draw(epoch), seed=epoch)
    bonds = fresh.bonds.head(300)
    grid = range(21) if column == "rating_num" else np.linspace(-3, 4, 29)
    answers = np.stack([model.predict(bonds.assign(**{column: value})) for value in grid])
    assert (np.diff(answers, axis=0) >= -1e-9).all()
    assert (answers[-1] > answers[0]).all()


def test_a_category_declared_but_not_yet_seen_has_its_own_column(draw):
    first = draw(0).bonds
    without = first[first["sector"] != "energy"]
    space = FeatureSpace.learn(designs.SPREAD, without, model="spread")
    assert "energy" in space.statistics["levels:sector"]


def test_an_undeclared_category_matches_no_known_level(draw):
    model = create("spread")
    model.update(draw(0, 300), seed=0)
    odd = draw(1, 300).bonds.astype({"sector": str}).assign(sector="space_mining")
    assert np.isfinite(model.predict(odd)).all()


def test_missing_and_absurd_cells_do_not_prevent_training(draw):
    model = create("spread")
    model.update(draw(0, 300), seed=0)
    bonds = draw(1, 300).bonds.copy()
    bonds["leverage_x"] = np.nan
    bonds["maturity_years"] = -3.0
    bonds["issue_size_musd"] = 1e12
    bonds["outlook"] = pd.NA
    assert np.isfinite(model.predict(bonds)).all()


def test_an_absent_column_is_named(draw):
    with pytest.raises(MissingColumnsError, match="spread cannot read this table: it has no column sector, vix"):
        create("spread").update(draw(0, 300).bonds.drop(columns=["sector", "vix"]), seed=0)


def test_rows_without_a_label_are_left_out_and_a_panel_of_them_is_refused(draw):
    bonds = draw(0, 300).bonds
    some = bonds.assign(spread_bps=bonds["spread_bps"].where(np.arange(300) % 3 > 0))
    model = create("spread")
    model.update(some, seed=0)
    assert model.n_rows == 200
    with pytest.raises(EmptyPanelError, match="none of its rows has a spread_bps"):
        model.update(bonds.assign(spread_bps=np.nan), seed=1)


def test_no_issuer_is_on_both_sides_of_a_split():
    issuer = np.repeat(np.arange(40), np.random.default_rng(0).integers(1, 9, 40))
    folds = group_folds(issuer, 4, seed=3)
    assert (np.sum(folds, axis=0) == 1).all()
    for fold in folds:
        assert not set(issuer[fold]) & set(issuer[~fold])
        assert len(set(issuer[fold])) == 10


def test_a_split_of_a_split_is_even_too():
    issuer = np.repeat(np.arange(40), 3)
    rest = issuer[~group_folds(issuer, 5, seed=0)[0]]
    assert [len(set(rest[fold])) for fold in group_folds(rest, 4, seed=0)] == [8, 8, 8, 8]


def test_downgrades_are_learned_from_one_row_per_issuer_and_date(draw):
    model = create("downgrade")
    rows = model.rows(draw(0).bonds)
    assert not rows.duplicated(["issuer_id", "as_of_date"]).any()
    assert len(rows) < len(draw(0).bonds)


def test_true_drivers_matter_more_than_decoys(draw):
    model = create("spread")
    for epoch in range(3):
        model.update(draw(epoch), seed=epoch)
    importance = model.feature_importance()
    assert sum(importance.values()) == pytest.approx(1)
    assert next(iter(importance)) == "rating_num"
    decoys = sum(importance.get(name, 0.0) for name in draw(0).metadata["decoys"])
    assert decoys < 0.05
