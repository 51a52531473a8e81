import hashlib
import io
import json
import math
import os
import zipfile
from collections import OrderedDict
from functools import partial
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import skops.io
from sklearn.ensemble import IsolationForest, RandomForestRegressor
from sklearn.linear_model import LinearRegression

from core.domains.bonds.models.isolation import forest_rows
from core.domains.catalogue import create, load_model
from core.models.errors import ArtifactError, NotFittedError
from core.models.persistence.archive import HEADER, pack_arrays, unpack_arrays
from core.models.persistence.skops_files import dump_estimator, load_estimator
from core.models.persistence.tree_text import checked_text


@pytest.fixture(scope="module")
def learned(draw):
    models = {name: create(name) for name in ("spread", "anomaly")}
    for model in models.values():
        model.update(draw(0, 300), seed=0)
    return models


def rewrite(folder: Path, name: str, content: bytes) -> None:
    """Replace the content of a saved file, and forge the header to match."""
    (folder / name).write_bytes(content)
    header = json.loads((folder / HEADER).read_bytes())
    header["files"][name] = {"sha256": hashlib.sha256(content).hexdigest(), "n_bytes": len(content)}
    (folder / HEADER).write_text(json.dumps(header))


def edit(folder: Path, **changes) -> None:
    header = json.loads((folder / HEADER).read_bytes())
    (folder / HEADER).write_text(json.dumps({**header, **changes}))


def test_a_saved_model_of_any_name_answers_as_before(learned, draw, tmp_path):
    for name, model in learned.items():
        written = model.save(tmp_path / name)
        assert {path.name for path in written} == {path.name for path in (tmp_path / name).iterdir()}
        loaded = load_model(tmp_path / name)
        np.testing.assert_array_equal(loaded.predict(draw(1).bonds), model.predict(draw(1).bonds))
        assert loaded.report() == model.report()
        assert loaded.feature_importance() == model.feature_importance()


def test_nothing_saved_is_a_pickle(learned, tmp_path):
    for name, model in learned.items():
        for path in model.save(tmp_path / name):
            assert path.suffix in {".json", ".npz", ".txt", ".skops"}
            assert not path.read_bytes().startswith(b"\x80")


def test_an_untrained_model_has_nothing_to_save_or_report(draw, tmp_path):
    for name in ("spread", "anomaly"):
        with pytest.raises(NotFittedError, match="fit it, or load"):
            create(name).save(tmp_path)
        with pytest.raises(NotFittedError):
            create(name).predict(draw(1).bonds)


def truncated(folder):
    (folder / "arrays.npz").write_bytes((folder / "arrays.npz").read_bytes()[:-100])


def flipped(folder):
    content = bytearray((folder / "spread.boosting.trees.txt").read_bytes())
    content[1_000] ^= 1
    (folder / "spread.boosting.trees.txt").write_bytes(content)


def headless(folder):
    text = (folder / "spread.boosting.trees.txt").read_bytes()
    rewrite(folder, "spread.boosting.trees.txt", text[text.index(b"Tree=0") :])


def forged_estimator(folder):
    rewrite(folder, "forest.skops", skops.io.dumps(OrderedDict(call=print)))


def other_estimator(folder):
    rewrite(folder, "forest.skops", skops.io.dumps(LinearRegression()))


def rewritten(name, change):
    def damage(folder):
        arrays = unpack_arrays((folder / "arrays.npz").read_bytes(), name="arrays.npz")
        rewrite(folder, "arrays.npz", pack_arrays({**arrays, name: change(arrays[name])}))

    return damage


def forest_with(name, change):
    return rewritten(f"forest.{name}", change)


def forest_without(name):
    def damage(folder):
        arrays = unpack_arrays((folder / "arrays.npz").read_bytes(), name="arrays.npz")
        del arrays[f"forest.{name}"]
        rewrite(folder, "arrays.npz", pack_arrays(arrays))

    return damage


def in_a_ring(children):
    """Detach a split with two leaves from its parent and attach it below itself; its leaf takes its place."""
    own = np.arange(len(children))
    is_leaf = children[:, 0] == own
    lowest = next(node for node in own if not is_leaf[node] and is_leaf[children[node]].all())
    parent, side = next(zip(*np.nonzero((children == lowest) & (own != lowest)[:, None]), strict=True))
    ring = children.copy()
    ring[parent, side], ring[lowest, 0] = children[lowest, 0], lowest
    return ring


def pickled_array(folder):
    content = io.BytesIO()
    np.save(content, np.array([print], dtype=object), allow_pickle=True)
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr("centre.npy", content.getvalue())
    rewrite(folder, "arrays.npz", archive.getvalue())


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        pytest.param(truncated, "not the saved file", id="a truncated file"),
        pytest.param(flipped, "not the saved file", id="one flipped bit"),
        pytest.param(forged_estimator, "types we do not load", id="an estimator file with another type"),
        pytest.param(other_estimator, "not a IsolationForest", id="another estimator"),
        pytest.param(pickled_array, "damaged", id="an array of pickled objects"),
        pytest.param(lambda f: (f / "arrays.npz").unlink(), "cannot be read", id="a missing file"),
        pytest.param(forest_without("threshold"), "'threshold' is missing", id="a forest without an array"),
        pytest.param(
            forest_with("children", lambda a: a.astype(float)),
            "another kind",
            id="children that are not node numbers",
        ),
        pytest.param(forest_with("roots", lambda a: a[:0]), "different sizes", id="a forest without a tree"),
        pytest.param(forest_with("threshold", lambda a: a[1:]), "different sizes", id="a threshold too few"),
        pytest.param(
            forest_with("children", lambda a: a + 1), "no split, or to several", id="children beyond the nodes"
        ),
        pytest.param(forest_with("roots", lambda a: a[1:]), "no split, or to several", id="a tree without its root"),
        pytest.param(forest_with("children", in_a_ring), "its own ancestor", id="two nodes that lead to each other"),
        pytest.param(forest_with("feature", lambda a: a + 99), "no valid column or threshold", id="an unknown column"),
        pytest.param(
            forest_with("threshold", lambda a: a * np.nan),
            "no valid column or threshold",
            id="a threshold that is not a number",
        ),
        pytest.param(forest_with("n_samples", lambda a: a * 0), "without samples", id="nodes without samples"),
        pytest.param(forest_with("drawn", lambda a: a * 0), "without samples", id="trees without samples"),
        pytest.param(
            rewritten("held", lambda a: a[:, 1:]), "do not have the columns it reads", id="held rows of other columns"
        ),
        pytest.param(lambda f: (f / HEADER).write_text("{"), "header", id="a broken header"),
        pytest.param(lambda f: (f / HEADER).unlink(), "header", id="no header"),
        pytest.param(lambda f: edit(f, format=99), "format 99", id="a future format"),
        pytest.param(lambda f: edit(f, files={"../x": {}}), "outside its folder", id="a file outside the folder"),
        pytest.param(lambda f: edit(f, model="nobody"), "does not know", id="an unknown model"),
        pytest.param(lambda f: edit(f, spread={}), "anomaly|spread", id="a header that lacks a part"),
        pytest.param(lambda f: rewrite(f, "spread.boosting.trees.txt", b""), "spread", id="trees that are gone"),
        pytest.param(headless, "is inconsistent", id="trees without a heading"),
    ],
)
def test_a_damaged_or_forged_artifact_is_refused_with_a_reason(damage, says, learned, tmp_path):
    learned["anomaly"].save(tmp_path)
    damage(tmp_path)
    with pytest.raises(ArtifactError, match=says):
        load_model(tmp_path)


def test_an_artifact_of_the_first_releases_whose_forest_is_an_estimator_file_is_still_read(learned, draw, tmp_path):
    forest = IsolationForest(n_estimators=5, random_state=0).fit(learned["anomaly"].forest.learner.held)
    learned["anomaly"].save(tmp_path)
    rewrite(tmp_path, "forest.skops", dump_estimator(forest))
    loaded = load_model(tmp_path)
    bonds = draw(1).bonds
    expected = -forest.score_samples(loaded.forest.learner.filled(forest_rows(bonds)))
    np.testing.assert_allclose(loaded.detect("isolation_forest", bonds), expected, rtol=0, atol=1e-12)
    assert {path.name for path in loaded.save(tmp_path / "again")}.isdisjoint({"forest.skops"})


@pytest.mark.parametrize("name", ["n_rows", "n_updates"])
def test_an_infinite_count_is_refused_as_every_other_damage_is(learned, tmp_path, name):
    learned["spread"].save(tmp_path)
    edit(tmp_path, **{name: math.inf})
    with pytest.raises(ArtifactError, match="the artifact of spread is inconsistent: OverflowError"):
        load_model(tmp_path)


def test_a_model_refuses_the_artifact_of_another(learned, tmp_path):
    learned["spread"].save(tmp_path)
    with pytest.raises(ArtifactError, match="contains the model 'spread', not 'downgrade'"):
        type(create("downgrade")).load(tmp_path)


def test_a_trusted_part_does_not_allow_another_root():
    blob = dump_estimator(IsolationForest(n_estimators=2, random_state=0).fit(np.eye(20)))
    with pytest.raises(ArtifactError, match="not a RandomForestRegressor"):
        load_estimator(blob, expected="RandomForestRegressor", n_features=20)


def test_an_estimator_gives_the_same_bytes_before_and_after_loading():
    forest = IsolationForest(n_estimators=20, random_state=0).fit(np.random.default_rng(0).normal(size=(300, 4)))
    blob = dump_estimator(forest)
    assert dump_estimator(forest) == blob
    assert dump_estimator(load_estimator(blob, expected="IsolationForest", n_features=4)) == blob


def test_arrays_survive_the_archive_and_always_give_the_same_bytes():
    arrays = {"a": np.arange(6.0).reshape(2, 3), "b.c": np.array([], dtype=np.float32)}
    packed = pack_arrays(arrays)
    assert pack_arrays(arrays) == packed
    for name, array in unpack_arrays(packed, name="arrays").items():
        np.testing.assert_array_equal(array, arrays[name])
        assert array.dtype == arrays[name].dtype


class Marking:
    """Leaves a mark where it is made, whoever makes it."""

    marks: ClassVar[list[str]] = []

    def __init__(self, *_):
        self.marks.append("made")

    def __reduce__(self):
        return Marking, ("again",)

    def __setstate__(self, state):
        self.marks.append("set")


@pytest.mark.parametrize("hides_as", ["the root", "a part of a forest"])
def test_a_file_with_a_type_of_somebody_else_is_refused_and_none_of_it_is_run(hides_as):
    hostile = Marking()
    forest = RandomForestRegressor(n_estimators=1, random_state=0).fit(np.eye(4), np.arange(4.0))
    forest.extra = hostile
    blob = skops.io.dumps(hostile if hides_as == "the root" else forest)
    Marking.marks.clear()
    with pytest.raises(ArtifactError, match=r"contains types we do not load: .*Marking"):
        load_estimator(blob, expected="RandomForestRegressor", n_features=4)
    assert Marking.marks == []


def test_an_estimator_with_its_method_replaced_by_a_call_is_refused(tmp_path):
    mark = tmp_path / "mark"
    forest = RandomForestRegressor(n_estimators=1, random_state=0).fit(np.eye(4), np.arange(4.0))
    forest.extra = partial(os.mkdir, str(mark))
    with pytest.raises(ArtifactError, match=r"types we do not load: .*mkdir"):
        load_estimator(skops.io.dumps(forest), expected="RandomForestRegressor", n_features=4)
    assert not mark.exists()


@pytest.mark.parametrize("n_leaves", [2_000_000_000, 1, -1])
def test_foreign_trees_that_say_another_number_of_leaves_are_refused_before_they_are_parsed(n_leaves):
    text = "max_feature_idx=0\nfeature_names=a\nfeature_infos=none\nnum_class=1\nnum_tree_per_iteration=1\n"
    text += f"Tree=0\nnum_leaves={n_leaves}\nnum_cat=0\nsplit_feature=0\nthreshold=0.5\ndecision_type=2\n"
    text += "left_child=-1\nright_child=-2\nleaf_value=1 2\n\nend of trees\n"
    with pytest.raises(ValueError, match="tree 1 has another number of leaves than it says"):
        checked_text(text, n_features=1)
    assert checked_text(text.replace(f"num_leaves={n_leaves}", "num_leaves=2"), n_features=1)
