"""A registered version is explained: from rows that it kept, from a file, from given cells, and from the cache."""

import json
from dataclasses import replace
from datetime import timedelta

import msgspec
import numpy as np
import pandas as pd
import pytest

from bondx.ml import explain_over
from console.cli.main import main
from core.actor import Actor, Origin
from core.api import MLOpsConfig
from core.clock import utc_now
from core.errors import NotFoundError, UsageError
from core.explain.deny_list import DenyList
from core.explain.documents import DENIED
from core.explain.explainer import ExplainMethod
from core.explain.served_sketch import ContributionBasis, ContributionSketch, merged_contributions
from core.explain.stored import EXPLANATION_NAME, finding_in, read_explanation
from core.quality.gate import GateVerdict
from core.registry import Registry
from core.serving.scoring.frames import frame_of
from core.serving.scoring.warming import warm_scorer
from core.settings import ModelSettings, Settings
from core.settings.explanation import ExplanationSettings
from core.state import Workspace
from core.telemetry.live import CountedMinute, LiveWriter
from core.training.explaining import report_of
from core.training.own_data import TrainRequest, explanation, train_on_file
from core.training.own_data.explanation import ExplainRequest, explain_one, explain_rows, explain_version
from core.training.own_data.served_explainer import ServedExplainer
from core.training.own_data.served_trend import explain_over as explain_trend
from tests.core.explain.models import bonds, trained

ANA = Actor("ana", "desk", Origin.COMMAND_LINE)
LINEAR = Settings(models={"price": ModelSettings(algorithm="linear")})


def rows(seed: int, n_rows: int = 300) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"size": rng.normal(size=n_rows), "grade": rng.choice(["A", "B"], n_rows)})
    frame["noise"] = rng.normal(size=n_rows)
    frame["desk"] = [f"d{k % 25:02d}" for k in range(n_rows)]
    frame["price"] = 10 + 4 * frame["size"] + 2 * (frame["grade"] == "A") + rng.normal(size=n_rows) * 0.3
    return frame.round(4)


@pytest.fixture(scope="module")
def new(tmp_path_factory):
    path = tmp_path_factory.mktemp("new") / "new.csv"
    rows(2, 80).to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """A workspace with a linear model of prices."""
    folder = tmp_path_factory.mktemp("shop")
    workspace = Workspace.create(folder / "workspace", settings_text="{}\n")
    rows(1).to_csv(folder / "prices.csv", index=False)
    request = TrainRequest(model="price", data=folder / "prices.csv", target="price", group="desk")
    train_on_file(workspace, request, LINEAR, actor=ANA)
    return workspace


def test_a_row_of_a_file_is_explained(shop, new):
    found = explain_one(shop, ExplainRequest(model="price", data=new, row=4))
    report = found.report
    assert (found.model, found.version) == ("price", "1.0.0")
    assert found.rows == "row 4 of the rows of new.csv"
    assert report.contributions[0].feature == "size"
    assert report.base + sum(each.contribution for each in report.contributions) == pytest.approx(
        report.margin, abs=1e-6
    )
    assert report.scale == "price"
    assert 4 not in [each.row for each in report.nearest]
    assert "that the version kept" in report.reference


def test_given_cells_are_explained_as_the_same_row_of_a_file(shop, new):
    cells = pd.read_csv(new).iloc[4][["size", "grade", "noise", "desk"]].to_dict()
    given = explain_one(shop, ExplainRequest(model="price", row=cells)).report
    of_file = explain_one(shop, ExplainRequest(model="price", data=new, row=4)).report
    assert [(each.feature, pytest.approx(each.contribution)) for each in given.contributions] == [
        (each.feature, each.contribution) for each in of_file.contributions
    ]


def test_a_cell_that_is_missing_is_named(shop):
    with pytest.raises(UsageError, match=r"The given row: grade.* missing\. The model reads them"):
        explain_one(shop, ExplainRequest(model="price", row={"size": 1.0, "noise": 0.0, "desk": "d01"}))


def test_a_row_that_is_not_there_is_refused(shop, new):
    with pytest.raises(NotFoundError, match=r"no row 80 among the rows of new\.csv: they are numbered 0 to 79"):
        explain_one(shop, ExplainRequest(model="price", data=new, row=80))


def test_a_row_is_compared_with_another(shop, new):
    report = explain_one(shop, ExplainRequest(model="price", data=new, row=4, reference_row=4)).report
    assert all(each.contribution == pytest.approx(0, abs=1e-9) for each in report.contributions)
    assert report.reference == "row 4 of the rows of new.csv"
    with pytest.raises(UsageError, match="A reference row is a background"):
        explain_one(shop, ExplainRequest(model="price", row=1, reference_row=2, method=ExplainMethod.PATH_DEPENDENT))


def test_a_version_is_explained_from_rows_that_it_kept_and_again_from_the_cache(shop, monkeypatch):
    request = ExplainRequest(model="price")
    first = explain_version(shop, request)
    assert [each.feature for each in first.report.features][:2] == ["size", "grade"]
    assert first.report.n_units <= 25
    monkeypatch.setattr(explanation, "_explained", lambda *args: pytest.fail("it is in the cache"))
    assert explain_version(shop, request) == first
    with pytest.raises(pytest.fail.Exception):  # another question
        explain_version(shop, ExplainRequest(model="price", n_rows=50))


def test_a_damaged_cache_is_made_again(shop):
    first = explain_version(shop, ExplainRequest(model="price"))
    for path in (shop.cache_dir / explanation.CACHE).glob("*.json"):
        path.write_bytes(b"{")
    assert explain_version(shop, ExplainRequest(model="price")) == first


def test_given_rows_are_explained_as_the_same_rows_of_a_file(shop, new):
    given = explain_rows(shop, ExplainRequest(model="price"), pd.read_csv(new).to_dict("records"))
    of_file = explain_version(shop, ExplainRequest(model="price", data=new))
    assert given.report == of_file.report
    assert given.data_sha256 == ""


def test_what_goes_with_a_row_is_refused_without_one(shop):
    with pytest.raises(UsageError, match="go with one row"):
        explain_version(shop, ExplainRequest(model="price", turn=">=1"))


def test_cells_of_a_file_that_could_not_be_read_are_counted(shop, tmp_path):
    frame = rows(2, 80).astype({"size": object})
    frame.loc[[3, 5], "size"] = "n/k"
    frame.to_csv(tmp_path / "new.csv", index=False)
    found = explain_version(shop, ExplainRequest(model="price", data=tmp_path / "new.csv"))
    assert "'size': 2 filled cells could not be read, and count as missing." in found.reading


@pytest.mark.parametrize("row", [[], ["--row", "3"]])
def test_the_command_tells_what_could_not_be_read(shop, tmp_path, capsys, row):
    frame = rows(2, 80).astype({"size": object})
    frame.loc[[3, 5], "size"] = "n/k"
    frame.to_csv(tmp_path / "new.csv", index=False)
    asked = ["explain", "price", "--data", str(tmp_path / "new.csv"), *row]
    assert main(["--workspace", str(shop.root), *asked]) == 0
    assert "note: 'size': 2 filled cells could not be read, and count as missing." in capsys.readouterr().out


def test_a_row_of_the_version_is_no_neighbour_of_its_own(shop):
    found = explain_one(shop, ExplainRequest(model="price", row=3))
    assert 3 not in [each.row for each in found.report.nearest]
    assert len(found.report.nearest) == 3


def test_denied_columns_of_the_settings_do_not_appear(shop, tmp_path):
    rows(2, 80).rename(columns={"grade": " grade "}).to_csv(tmp_path / "new.csv", index=False)
    asked = ExplainRequest(model="price", data=tmp_path / "new.csv")
    assert any("grade" in note for note in explain_version(shop, asked).reading)
    shop.settings_file.write_text("explanation:\n  denied_columns: [gra*]\n")
    try:
        found = explain_version(shop, asked)
        row = explain_one(shop, replace(asked, row=4, turn="<=12"))
    finally:
        shop.settings_file.write_text("{}\n")
    for each in (found, row):
        assert "grade" not in str(each)
        assert DENIED in str(each.report)


def test_a_slicing_that_is_made_of_a_denied_column_does_not_appear():
    def slicings(*denied):
        model, settings = trained("spread", "linear"), ExplanationSettings(denied_columns=denied)
        found = report_of(model, bonds(2), bonds(2).head(20), (), settings, reference="", units=None, n_rows=100)
        return {each.slicing for each in found.slices}

    assert slicings() >= {"region", "maturity"}
    assert "maturity" not in slicings("maturity_years")
    assert "region" in slicings("maturity_years")


@pytest.fixture
def bondx(called, shop):
    return lambda *words: called(main, "--workspace", shop.root, "explain", *words)


def test_the_command_prints_a_row_and_a_version(bondx, new):
    code, out, err = bondx("price", "--data", new, "--row", "4", "--turn", "<=12")
    assert (code, err) == (0, "")
    assert "price 1.0.0 (Development), row 4 of the rows of new.csv" in out
    assert "method: linear model in closed form, background" in out
    code, out, err = bondx("price@1.0.0")
    assert (code, err) == (0, "")
    assert "a small tree imitates the model with R²" in out
    assert "importance is the mean size of contributions to price" in out
    report = json.loads(bondx("price", "--json")[1])["report"]
    assert report["sum_error"] < 1e-6
    assert {effect["kind"] for effect in report["effects"]} == {"ale", "partial dependence"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("price", "--row", "[1]"), "it must be the position of a row, from 0, or a JSON object"),
        (("price", "--row", "1e9"), "it must be the position of a row"),
        (("price", "--turn", ">=1"), "--turn, --fix, --reference and --interval go with --row"),
        (("price", "--row", "1", "--rows", "5"), "--rows is of a whole version"),
        (("price", "--row", "1", "--turn", "x"), "is no side of a number"),
        (("price", "--row", "1", "--turn"), "The model decides nothing"),
        (("price", "--class", "a"), "is no class of table: it has no classes"),
        (("price", "--method", "path-dependent"), "Linear models have one reading"),
        (("nothing",), "No model nothing is registered"),
        (("price@2.0.0",), "price has no version 2.0.0"),
    ],
)
def test_bad_input_is_one_clear_error(bondx, words, said):
    code, out, err = bondx(*words)
    assert code != 0
    assert out == ""
    assert said in err
    assert len(err.splitlines()) == 1


def test_an_interval_of_the_answer_is_given_and_kept_by_the_version(shop, new, bondx):
    kept = json.loads((shop.artifacts_dir / "price" / "1.0.0" / "conformal.json").read_bytes())
    assert kept["is_grouped"]
    found = explain_one(shop, ExplainRequest(model="price", data=new, row=4, interval=0.9)).report
    assert found.interval is not None
    assert found.interval.low < found.prediction < found.interval.high
    assert "hierarchical by group, 25 groups" in found.interval.method
    out = bondx("price", "--row", "4", "--interval", "0.9")[1]
    assert "90% interval" in out
    code, _, err = bondx("price", "--row", "4", "--interval", "0.99")
    assert code == 2
    assert "25 groups of held-out rows are too few for an interval of level 0.99: at most 0.96" in err


def test_a_version_keeps_the_explanation_of_its_registration(shop):
    folder = shop.artifacts_dir / "price" / "1.0.0"
    report = read_explanation(folder)
    assert report is not None
    assert [entry.feature for entry in report.features][:2] == ["size", "grade"]
    finding = finding_in(folder)
    assert finding.problem == ""
    assert finding.sums_hold
    assert finding.fidelity is not None
    assert finding.fidelity > 0.8
    assert EXPLANATION_NAME in (folder / "MANIFEST.json").read_text()


def test_the_gate_of_a_policy_reads_the_explanation(shop):
    for least, verdict in ((0.5, GateVerdict.PASS), (0.99, GateVerdict.FAIL)):
        (shop.root / "policy.yaml").write_text(
            f"promotion: {{require_explainability: true, min_fidelity: {least}, accuracy_metric: r2}}\n"
        )
        gates = Registry(shop).policy_gates("price", "1.0.0")
        (gate,) = [gate for gate in gates if gate.name == "explainability"]
        assert gate.verdict is verdict
    assert "contributions of" in gate.reason
    (shop.root / "policy.yaml").unlink()


def test_no_explanation_is_kept_where_the_settings_want_none(tmp_path):
    workspace = Workspace.create(tmp_path / "workspace", settings_text="{}\n")
    rows(1).to_csv(tmp_path / "prices.csv", index=False)
    settings = msgspec.structs.replace(LINEAR, explanation=ExplanationSettings(rows=0))
    train_on_file(workspace, TrainRequest("price", tmp_path / "prices.csv", target="price"), settings, actor=ANA)
    folder = workspace.artifacts_dir / "price" / "1.0.0"
    assert read_explanation(folder) is None
    assert "train it again" in finding_in(folder).problem
    (folder / EXPLANATION_NAME).write_bytes(b"{}")
    assert "cannot be read" in finding_in(folder).problem


def test_two_versions_are_compared(shop, bondx, tmp_path):
    frame = rows(3)
    frame["price"] = 10 + 4 * frame["noise"] + frame["size"]
    frame.to_csv(tmp_path / "other.csv", index=False)
    train_on_file(shop, TrainRequest("price", tmp_path / "other.csv", target="price", group="desk"), LINEAR, actor=ANA)
    found = json.loads(bondx("price@1.1.0", "--against", "1.0.0", "--json")[1])
    assert (found["before"], found["after"]) == ("1.0.0", "1.1.0")
    by_name = {entry["feature"]: entry for entry in found["features"]}
    assert by_name["noise"]["change"] > 0.5
    assert by_name["noise"]["is_clear"]
    assert by_name["noise"]["rank_after"] == 1
    code, out, _ = bondx("price@1.1.0", "--against", "1.0.0")
    assert code == 0
    assert "clear" in out
    assert "--against compares whole versions" in bondx("price", "--against", "1.0.0", "--row", "1")[2]
    assert bondx("price", "--against", "7.0.0")[0] == 2


@pytest.fixture(scope="module")
def served(shop):
    """The shop, with a week of sums of contributions: size counts twice as much in its later half."""
    basis = ContributionBasis(("size", "grade", "noise"), "linear model", "price", None, "40 rows")
    random, now = np.random.default_rng(4), utc_now()
    with LiveWriter(shop.contributions_file, merged_contributions) as writer:
        for hours in range(166):
            values = random.normal(size=(20, 3)) * [3.0 if hours < 84 else 1.0, 1.0, 0.0]
            sketch = ContributionSketch.of(basis, values, 50)
            at = int((now - timedelta(hours=hours)).timestamp()) // 60 * 60
            writer.add(CountedMinute("price", "1.0.0", basis.number, at, 50, 5, sketch.to_bytes()))
        writer.flush()
    return shop


def test_the_command_prints_what_a_model_relied_on_while_it_served(served, bondx):
    code, out, err = bondx("price", "--over", "7d")
    assert (code, err) == (0, "")
    size = next(line for line in out.splitlines() if line.startswith("size"))
    assert size.endswith("change")
    assert "#" in size
    assert not any(line.endswith("change") for line in out.splitlines() if line.startswith(("grade", "noise")))
    assert "on, one character per 6h" in out
    assert next(line for line in out.splitlines() if line.startswith("noise")).count("_") >= 27  # it moves nothing
    assert "3,320 of 8,300 answers explained, chosen at random" in out
    assert "830 more answers of 1.0.0 are not represented: no explained answer stands for them" in out
    assert "A change: its interval excludes zero. False-change rate at most 5 % over all 3 figures." in out
    code, out, err = bondx("price@1.0.0", "--over", "7d", "--json")
    (trend,) = json.loads(out)["trends"]
    assert trend["features"][0]["move"]["is_change"] is True
    assert len(trend["features"][0]["sizes"]) == len(trend["buckets"]) in (28, 29)
    assert bondx("price", "--over", "24h")[0] == 0


def test_programs_get_the_same_trend(served):
    found = explain_over("price", config=MLOpsConfig.from_yaml(workspace=served.root))
    assert found.trends[0].features[0].feature == "size"
    assert found.trends[0].features[0].move.is_change
    assert found.not_explained[0].n_rows == 830


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["price", "--over", "soon"], "'soon' is not a duration"),
        (["price", "--over", "30s"], "The time to look back must be from 1m to ten years, such as 7d."),
        (["price", "--over", "9999d"], "The time to look back must be from 1m to ten years, such as 7d."),
        (["price", "--over", "7d", "--row", "3"], "It can only be combined with --json."),
        (["price", "--over", "7d", "--interactions"], "It can only be combined with --json."),
        (["price@7.0.0", "--over", "7d"], "7.0.0"),
        (["nothing", "--over", "7d"], "nothing"),
    ],
)
def test_bad_input_over_served_time_is_refused(served, bondx, words, problem):
    code, out, err = bondx(*words)
    assert code not in (0, 1)
    assert out == ""
    assert problem in err


def test_where_nothing_was_explained_the_refusal_says_why(tmp_path, shop):
    with pytest.raises(UsageError, match="A minute is stored when it is over"):
        explain_trend(shop, "price", timedelta(minutes=1), clock=lambda: utc_now() + timedelta(days=400))
    shop.settings_file.write_text("explanation: {served_rows: 0}\n")
    try:
        with pytest.raises(UsageError, match="served_rows is 0"):
            explain_trend(shop, "price", timedelta(minutes=1), clock=lambda: utc_now() + timedelta(days=400))
    finally:
        shop.settings_file.write_text("{}\n")


def test_a_table_of_users_is_explained_by_the_rows_of_its_requests(shop, new):
    with Registry(shop).opened("price", "1.0.0") as folder:
        signature = warm_scorer(folder).signature
    table = pd.read_csv(new).head(6)
    rows = signature.convert_columns({field.name: table[field.name].tolist() for field in signature.fields})
    sketch = ServedExplainer(shop, "price", "1.0.0").sketch(frame_of(signature, rows), 6, DenyList(["gra*"]))
    assert sketch.basis.names[-1] == DENIED
    wanted = explain_one(shop, ExplainRequest(model="price", version="1.0.0", data=new, row=0)).report
    alone = ServedExplainer(shop, "price", "1.0.0").sketch(
        frame_of(signature, type(rows)(rows.numbers[:1], rows.texts[:1])), 1, DenyList()
    )
    found = dict(zip(alone.basis.names, alone.sums, strict=True))
    for each in wanted.contributions:
        assert found[each.feature] == pytest.approx(each.contribution, abs=1e-9), each.feature
