"""Networks of PyTorch and TensorFlow: explained as models of one's own and as functions, and equal to the package shap.

`make interop` runs these tests where both libraries are installed.
"""

import json
import shutil
from importlib import import_module, util
from pathlib import Path

import numpy as np
import pytest

from bondx import BondXAIAutonomousTrainer
from bondx.ml import explain_function
from console.cli.main import main
from core.domains.bonds.data import PanelSettings, generate
from core.explain.documents import SUM_TOLERANCE
from tests.packages import installed

NETWORKS = Path(__file__).parent / "networks"
LIBRARIES = {"torch": "torch_spread:TorchSpread", "tensorflow": "keras_spread:KerasSpread"}
DRIVERS = {"rating_num", "credit_cycle", "maturity_years", "liquidity_index"}
DECOYS = {"web_traffic_z", "news_count", "supplier_stress"}
FEW = ["rating_num", "credit_cycle", "maturity_years", "liquidity_index", "web_traffic_z"]

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module", params=LIBRARIES)
def library(request):
    if util.find_spec(request.param) is None:
        pytest.skip(f"{request.param} is not installed")
    return request.param


@pytest.fixture(scope="module")
def registered(library, tmp_path_factory):
    """A workspace with a version of a network, trained by a session as any model of one's own."""
    module = LIBRARIES[library].partition(":")[0]
    site, root = tmp_path_factory.mktemp("site"), tmp_path_factory.mktemp("desk")
    shutil.copy(NETWORKS / f"{module}.py", site)
    settings = root / "net.yaml"
    settings.write_text("dataset_size: 1500\nmax_epochs: 1\nmodels: {net: {}}\n")
    with installed(site, "networks", {"bondx.models": {"net": LIBRARIES[library]}}):
        trainer = BondXAIAutonomousTrainer(settings, workspace=root / "home", user="ana")
        outcome = trainer.run_autonomous_training_loop()
        assert outcome.registered == ("net/1.0.0",), outcome.reason
        yield root / "home"


@pytest.fixture
def told(registered, capsys):
    def run(*words):
        code = main(["--workspace", str(registered), "explain", "net", *words, "--json"])
        out, err = capsys.readouterr()
        assert code == 0, err
        return json.loads(out)["report"]

    return run


@pytest.mark.parametrize("method", ["auto", "permutation"])
def test_contributions_to_the_answer_of_a_registered_network_sum_to_it(told, method):
    report = told("--row", "3", "--method", method)
    assert report["method"] == "permutation"
    assert "only a prediction function" in " ".join(report["notes"]) or method == "permutation"
    parts = {part["feature"]: part["contribution"] for part in report["contributions"]}
    assert set(parts) == {*DRIVERS, *DECOYS, "leverage_x", "interest_coverage_x"}, "the columns that it reads, no other"
    assert report["sum_error"] <= SUM_TOLERANCE
    assert report["base"] + sum(parts.values()) == pytest.approx(report["prediction"], abs=1e-6, rel=1e-6)
    assert all(part["error"] >= 0 for part in report["contributions"])


def test_all_coalitions_of_a_registered_network_agree_with_sampled_orders(told):
    exact = told("--row", "3", "--method", "exact")
    sampled = {part["feature"]: part for part in told("--row", "3", "--method", "permutation")["contributions"]}
    assert exact["sum_error"] <= SUM_TOLERANCE
    for part in exact["contributions"]:
        other = sampled[part["feature"]]
        # The base is another sample of rows, too: both say how far they may be off.
        assert abs(other["contribution"] - part["contribution"]) <= 6 * (other["error"] + part["error"]) + 1.0


def test_lime_of_a_registered_network_names_its_spread(told):
    report = told("--row", "3", "--method", "lime")
    assert all(part["error"] > 0 for part in report["contributions"])
    assert {part["feature"] for part in report["contributions"][:4]} & DRIVERS


def test_true_drivers_of_a_registered_network_are_above_every_decoy(told):
    report = told("--interactions")
    sizes = {entry["feature"]: entry["importance"] for entry in report["features"]}
    assert min(sizes[name] for name in DRIVERS) > max(sizes[name] for name in DECOYS)
    assert report["sum_error"] <= SUM_TOLERANCE
    assert report["surrogate"]["fidelity"] > 0.5
    assert all("h_statistic" in pair for pair in report["interactions"])


def test_what_was_explained_at_the_registration_is_kept(registered):
    kept = json.loads((registered / "artifacts" / "net" / "1.0.0" / "explanation.json").read_text())["report"]
    sizes = {entry["feature"]: entry["importance"] for entry in kept["features"]}
    assert set(sizes) == {*DRIVERS, *DECOYS, "leverage_x", "interest_coverage_x"}
    assert max(sizes, key=sizes.get) in DRIVERS
    assert kept["sum_error"] <= SUM_TOLERANCE


@pytest.fixture(scope="module")
def network(library):
    """A small network in double precision as a function of arrays, and the rows that it learned from."""
    frame = generate(PanelSettings(n_rows=1_200, seed=3, macro_seed=5)).frame
    rows = frame[FEW].to_numpy(dtype=np.float64)
    centre, scale = np.nanmean(rows, axis=0), np.nanstd(rows, axis=0)
    rows = np.where(np.isnan(rows), centre, rows)
    wanted = np.arcsinh(frame["spread_bps"].to_numpy() / 10)
    make = {"torch": of_torch, "tensorflow": of_keras}[library]
    return make((rows - centre) / scale, wanted), (rows - centre) / scale


def of_torch(rows, wanted):
    torch = import_module("torch")
    torch.manual_seed(1)
    net = torch.nn.Sequential(torch.nn.Linear(len(FEW), 12), torch.nn.Tanh(), torch.nn.Linear(12, 1)).double()
    inputs, targets = torch.tensor(rows), torch.tensor(wanted)[:, None]
    step = torch.optim.Adam(net.parameters(), lr=0.02, weight_decay=1e-3)
    for _ in range(300):
        step.zero_grad()
        torch.nn.functional.mse_loss(net(inputs), targets).backward()
        step.step()
    return lambda some: net(torch.tensor(some)).detach().numpy()


def of_keras(rows, wanted):
    tf = import_module("tensorflow")
    tf.keras.utils.set_random_seed(1)
    layers = tf.keras.layers
    net = tf.keras.Sequential(
        [
            layers.Input((len(FEW),), dtype="float64"),
            layers.Dense(12, activation="tanh", dtype="float64"),
            layers.Dense(1, dtype="float64"),
        ]
    )
    net.compile(optimizer=tf.keras.optimizers.Adam(0.02), loss="mse")
    net.fit(rows, wanted, epochs=25, batch_size=128, verbose=0)
    return lambda some: net(some, training=False).numpy()


@pytest.mark.parametrize("method", ["exact", "permutation"])
def test_a_network_as_a_function_is_explained_as_shap_explains_it(network, method):
    shap = pytest.importorskip("shap", reason="the package shap is not installed")
    predict, rows = network
    background = rows[:40]
    theirs = shap.KernelExplainer(lambda some: predict(some)[:, 0], background)
    for place in (100, 200, 300):
        # With every coalition asked about, the regression of KernelSHAP is exact.
        wanted = theirs.shap_values(rows[place], nsamples=2 ** len(FEW), l1_reg=False, silent=True)
        found = explain_function(predict, rows, row=place, background=background, method=method)
        parts = {part.feature: part.contribution for part in found.contributions}
        assert [parts[f"feature_{k}"] for k in range(len(FEW))] == pytest.approx(wanted, abs=1e-6)
        assert found.base == pytest.approx(theirs.expected_value, abs=1e-6)
        assert found.base + sum(parts.values()) == pytest.approx(predict(rows[[place]])[0, 0], abs=1e-6)
        assert found.sum_error <= SUM_TOLERANCE


def test_a_network_as_a_function_has_importances_a_surrogate_and_drivers_above_the_decoy(network):
    predict, rows = network
    found = explain_function(predict, rows, n_rows=80)
    sizes = {entry.feature: entry.importance for entry in found.features}
    decoy = f"feature_{FEW.index('web_traffic_z')}"
    assert found.features[0].feature == f"feature_{FEW.index('rating_num')}"
    assert all(size > sizes[decoy] for name, size in sizes.items() if name != decoy)
    assert found.sum_error <= SUM_TOLERANCE
    assert found.surrogate is not None
    assert found.surrogate.fidelity > 0.6


def test_dropout_that_is_left_on_is_named(library):
    if library == "torch":
        torch = import_module("torch")
        net = torch.nn.Sequential(torch.nn.Linear(3, 8), torch.nn.Dropout(0.5), torch.nn.Linear(8, 1))

        def predict(rows):
            return net(torch.tensor(rows, dtype=torch.float32)).detach().numpy()
    else:
        tf = import_module("tensorflow")
        net = tf.keras.Sequential([tf.keras.layers.Input((3,)), tf.keras.layers.Dropout(0.5), tf.keras.layers.Dense(1)])

        def predict(rows):
            return net(rows, training=True).numpy()

    with pytest.raises(Exception, match=r"answers the same row differently the second time"):
        explain_function(predict, np.random.default_rng(0).normal(size=(80, 3)), row=0)
