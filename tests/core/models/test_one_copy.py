"""A large model is loaded without being in memory more often than it must: its bytes are the memory of its arrays."""

import io
import tracemalloc

import numpy as np
import pytest
from sklearn.ensemble import RandomForestRegressor

from core.domains.bonds.data import PanelSettings, generate
from core.domains.catalogue import class_of, create
from core.models.errors import ArtifactError
from core.models.persistence.archive import array_in, pack_arrays, unpack_arrays
from core.models.persistence.skops_files import dump_estimator, load_estimator


def peak_of(act):
    """The most memory that Python and NumPy held at a time within a call, beyond what they held before."""
    tracemalloc.start()
    try:
        act()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_arrays_take_their_memory_once():
    blob = pack_arrays({"rows": np.arange(400_000.0).reshape(2, -1), "columns": np.asfortranarray(np.ones((900, 800)))})
    assert peak_of(lambda: unpack_arrays(blob, name="a.npz")) < 1.2 * len(blob)
    found = unpack_arrays(blob, name="a.npz")
    found["rows"][0, 0] = 7.0  # they may be changed, and the file is not
    assert unpack_arrays(blob, name="a.npz")["rows"][0, 0] == 0.0


def test_an_estimator_takes_its_memory_once_beside_its_own_trees():
    rows = np.random.default_rng(1).normal(size=(3_000, 4))
    forest = RandomForestRegressor(8, random_state=1).fit(rows, rows[:, 0])
    blob = dump_estimator(forest)
    found = []

    def load():
        found.append(load_estimator(blob, expected="RandomForestRegressor", n_features=4))

    load()  # imports
    assert peak_of(load) < 1.5 * len(blob)
    np.testing.assert_array_equal(found[1].predict(rows), forest.predict(rows))
    assert dump_estimator(found[1]) == blob


@pytest.mark.parametrize("array", [np.zeros((0, 3)), np.float64(2.0), np.asfortranarray(np.arange(6).reshape(2, 3))])
def test_every_shape_is_read_as_it_was_written(array):
    content = io.BytesIO()
    np.save(content, array)
    content.seek(0)
    found = array_in(content, "it")
    np.testing.assert_array_equal(found, array)
    assert (found.shape, found.dtype) == (array.shape, array.dtype)


def test_the_class_of_a_model_is_found_without_reading_its_files(tmp_path):
    model = create("spread", algorithm="linear")
    model.update(generate(PanelSettings(n_rows=300, seed=1)), seed=1)
    model.save(tmp_path)
    (tmp_path / "arrays.npz").unlink()
    assert class_of(tmp_path) is type(model)
    with pytest.raises(ArtifactError, match=r"arrays\.npz is listed in model\.json but cannot be read"):
        class_of(tmp_path).load(tmp_path)
