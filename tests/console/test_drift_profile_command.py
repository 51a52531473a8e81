"""`bondx drift profile`: what a version learned from, and the profile of a version that was registered without one."""

import functools
import json
import shutil

import numpy as np
import pandas as pd
import pytest

from bondx.ml import ModelMonitoringService
from console.cli.main import main
from console.mlops.cli import main as mlops
from core.access import AccessRefusedError, Principal, PrincipalKind
from core.actor import Actor, Origin
from core.api import MLOpsConfig
from core.errors import RefusedError, UsageError
from core.files import digest
from core.governance.audit_log import AuditLog
from core.governance.grants import Grants
from core.registry import Registry
from core.registry.made_profiles import OWN_NAME
from core.state import Workspace
from core.tables.signature import ColumnKind, TableSignature, Task
from core.tables.task import column_signature
from core.training.own_data import evaluate_on_file
from core.training.own_data.learned_rows import UNKNOWN, is_described
from core.training.own_data.profile import make_profile
from core.training.version_profile import profile_of_version
from tests.prices import prices, train_on_prices

ANA = Actor("ana", "desk", Origin.COMMAND_LINE)
OF_THE_REGISTRY = ("MANIFEST.json", "registration.json", OWN_NAME, "held_out.parquet")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Train a regression and a classification, and register each once more as from before: without a profile."""
    folder = tmp_path_factory.mktemp("profile")
    train_on_prices(folder)
    registry = Registry(Workspace.open(folder / "ws"))
    for model in ("pricing", "sales"):
        version = registry.get(model, "1.0.0")
        bare = shutil.copytree(folder / "ws" / "artifacts" / version.path, folder / model)
        for name in OF_THE_REGISTRY:
            (bare / name).chmod(0o600)
            (bare / name).unlink()
        registry.register(f"old_{model}", bare, metrics=version.metrics, lineage=version.lineage, gates=(), actor=ANA)
    return folder


@pytest.fixture
def home(trained, tmp_path):
    """Return a folder with a copy of the workspace and of the files."""
    return shutil.copytree(trained, tmp_path / "home")


@pytest.fixture
def profile(called, home):
    return functools.partial(called, main, "drift", "profile", "--workspace", str(home / "ws"))


@pytest.fixture
def check(called, home):
    return functools.partial(called, main, "drift", "check", "--workspace", str(home / "ws"))


@pytest.fixture
def evaluate(called, home):
    return functools.partial(called, mlops, "evaluate", "--workspace", str(home / "ws"))


def saved(frame, home, name="rows.csv"):
    frame.to_csv(home / name, index=False)
    return home / name


def workspace_of(home):
    return Workspace.open(home / "ws")


def test_the_profile_of_an_artifact_is_shown(profile):
    code, out, err = profile("pricing")
    assert (code, err) == (0, "")
    assert out.startswith("pricing 1.0.0 (Development): 600 rows\n")
    for row in ("size ", "grade ", "(target) ", "(prediction) ", "(residual) "):
        assert any(line.startswith(row) for line in out.splitlines()), row
    assert "answers to 600 held-out rows" in out
    assert "slices: grade=A, grade=B" in out
    assert "in the artifact, hashed with its other files" in out
    assert "artifacts/pricing/1.0.0/profile.json" in out


def test_json_has_every_figure(profile):
    found = json.loads(profile("sales", "--version", "1.0.0", "--json")[1])
    assert (found["made"], found["rows"], found["held_out"]) == (None, 600, 600)
    size, grade = sorted(found["features"], key=lambda column: column["kind"], reverse=True)
    assert (size["name"], size["kind"], size["n_edges"] > 20) == ("size", "number", True)
    assert (grade["levels"].keys(), sum(grade["levels"].values())) == ({"A", "B"}, 600)
    assert sum(part["rows"] for part in found["calibration"]) == 600


def test_a_version_from_before_says_how_its_profile_is_made_and_is_watched_with_it(profile, check, home):
    batch = saved(prices(2)[["size", "grade", "price"]], home, "batch.csv")
    cure = "Make one of that data: bondx drift profile old_pricing --version 1.0.0 --data FILE"
    for code, _, err in (profile("old_pricing"), check("old_pricing", "--data", batch)):
        assert (code, "it has no profile of the data that it learned from" in err, cure in err) == (2, True, True)
    code, out, err = profile("old_pricing", "--data", home / "prices.csv")
    assert (code, err) == (0, "")
    assert "no answers to held-out rows: predictions and errors are not compared" in out
    assert "of 600 rows, SHA-256 " in out

    registry = Registry(workspace_of(home))
    made, own = (profile_of_version(registry, model, "1.0.0") for model in ("old_pricing", "pricing"))
    assert (made.features, made.target, made.rows) == (own.features, own.target, own.rows)
    assert (made.held_out, made.prediction, made.residual) == (0, None, None)
    code, out, _ = check("old_pricing", "--data", batch)
    assert (code, "not compared, for want of data: " in out) == (0, True)
    code, out, _ = check("old_pricing", "--data", saved(prices(3).assign(size=lambda f: f["size"] + 2), home))
    assert (code, "size" in out) == (1, True)


def test_held_out_rows_bring_errors_and_calibration(profile, check, home):
    held = saved(prices(4, 800).drop(columns="price"), home)
    code, out, _ = profile("old_sales", "--data", held, "--held-out")
    assert code == 0
    assert "answers to 800 held-out rows; calibration in 10 tenths" in out
    assert "of 800 rows that it did not learn from" in out
    swapped = prices(6).assign(sold=lambda frame: np.where(frame["price"] > 0, "no", "yes")).drop(columns="price")
    code, out, _ = check("old_sales", "--data", saved(swapped, home))
    assert (code, "(residual)" in out or "residual " in out) == (1, True)


def test_rows_that_the_version_learned_from_are_no_held_out_rows(profile, home):
    code, _, err = profile("old_pricing", "--data", home / "prices.csv", "--held-out")
    assert (code, "learned from this very file" in err) == (2, True)
    assert not (home / "ws" / "artifacts" / "old_pricing" / "profiles").exists()


def registered(home, name, lineage, **changes):
    """Register the model of `pricing` with other fields of the column `size` in its signature; return its version."""
    artifact = shutil.copytree(home / "pricing", home / name)
    before = (artifact / "signature.json").read_bytes()
    signature = json.loads(before)
    (column,) = [column for column in signature["inputs"] if column["name"] == "size"]
    column |= changes
    after = json.dumps(signature).encode()
    for file, content in (("signature.json", after), ("model.json", (artifact / "model.json").read_bytes())):
        (artifact / file).chmod(0o600)
        (artifact / file).write_bytes(content.replace(digest(before).encode(), digest(after).encode()))
    return Registry(workspace_of(home)).register(name, artifact, metrics={}, lineage=lineage, gates=(), actor=ANA)


def without_figures(home):
    """Register `plain`, of whose rows neither the signature nor the lineage says anything."""
    registered(home, "plain", {}, least=None, most=None, quantiles=[])


def rewritten(home, how):
    """Return another file with the rows that `pricing` learned from."""
    frame = pd.read_csv(home / "prices.csv")
    match how:
        case "a line more":
            (home / "rows.csv").write_text((home / "prices.csv").read_text() + "\n")
            return home / "rows.csv"
        case "reordered":
            return saved(frame.sample(frac=1, random_state=1), home)
        case "without the target":
            return saved(frame.drop(columns="price"), home)
        case "parquet":
            frame.to_parquet(home / "rows.parquet")
            return home / "rows.parquet"
    raise ValueError(how)


@pytest.mark.parametrize("how", ["a line more", "reordered", "without the target", "parquet"])
@pytest.mark.parametrize("known_by", ["the signature", "a profile", "a profile that was replaced"])
def test_rows_that_the_version_learned_from_are_known_again_in_another_file(profile, home, how, known_by):
    model = "old_pricing"
    if known_by != "the signature":
        without_figures(home)
        model = "plain"
        assert profile(model, "--data", home / "prices.csv")[0] == 0
    if known_by == "a profile that was replaced":
        fresh = saved(prices(5).drop(columns="sold"), home, "fresh.csv")
        code, out, _ = profile(model, "--data", fresh, "--held-out", "--reason", "rows of March")
        assert (code, UNKNOWN in out) == (0, False)
        code, _, err = profile(model, "--data", home / "prices.csv", "--held-out", "--reason", "again")
        assert (code, "was made of this very file" in err) == (2, True)
    code, _, err = profile(model, "--data", rewritten(home, how), "--held-out", "--reason", "again")
    assert (code, f"are those of the rows that {model}/1.0.0 learned from" in err) == (2, True)


def test_held_out_rows_of_a_version_of_unknown_origin_are_said_to_be_unchecked(profile, home):
    without_figures(home)
    code, out, _ = profile("plain", "--data", home / "prices.csv", "--held-out")
    assert (code, f"note: {UNKNOWN}" in out, "of 600 held-out rows," in out) == (0, True, True)
    code, out, _ = profile("plain")
    assert (code, f"note: {UNKNOWN}" in out) == (0, True)
    found = json.loads(profile("plain", "--json")[1])
    assert (found["made"]["is_unchecked"], found["notes"]) == (True, [UNKNOWN])
    assert Registry(workspace_of(home)).made_profile("plain", "1.0.0").is_unchecked
    assert AuditLog(workspace_of(home)).tail(1)[0].after["unchecked"] is True


@pytest.mark.parametrize("how", ["a line more", "reordered"])
def test_held_out_rows_of_a_version_of_which_a_hash_alone_is_known_are_said_to_be_unchecked(profile, home, how):
    data = Registry(workspace_of(home)).get("old_pricing", "1.0.0").lineage["data"]
    registered(home, "hashed", {"data": data}, least=None, most=None, quantiles=[])
    code, out, _ = profile("hashed", "--data", rewritten(home, how), "--held-out")
    assert (code, f"note: {UNKNOWN}" in out, "of 600 held-out rows," in out) == (0, True, True)


def test_a_file_whose_hash_a_version_was_registered_with_is_the_one_that_it_learned_from(profile, evaluate, home):
    data = {"march": digest((home / "prices.csv").read_bytes())}
    registered(home, "by_hand", {"data": data}, least=None, most=None, quantiles=[])
    code, _, err = profile("by_hand", "--data", home / "prices.csv", "--held-out")
    assert (code, "learned from this very file" in err) == (2, True)
    assert evaluate("--model", "by_hand", "--test-data", str(home / "prices.csv"))[0] == 0
    made = Registry(workspace_of(home)).made_profile("by_hand", "1.0.0")
    assert (made.data_sha256, made.is_held_out) == (data["march"], False)


def test_a_version_that_learned_from_several_files_gets_no_profile_of_one_of_them_by_itself(profile, evaluate, home):
    data = {"march": digest((home / "prices.csv").read_bytes()), "april": "ab" * 32}
    registered(home, "by_hand", {"data": data})
    code, out, _ = evaluate("--model", "by_hand", "--test-data", str(home / "prices.csv"))
    assert (code, "this is one of 2 files. Make it by hand: bondx drift profile by_hand --version" in out) == (0, True)
    assert Registry(workspace_of(home)).made_profile("by_hand", "1.0.0") is None
    code, out, _ = profile("by_hand", "--data", home / "prices.csv")
    assert code == 0
    assert "by_hand/1.0.0 learned from 2 files; its rows are taken for those of this file" in out


@pytest.mark.parametrize("column", ["size", "price"])
def test_numbers_whose_squares_overflow_are_refused(profile, home, column):
    frame = prices(4)
    frame[column] = frame[column].astype(float)
    frame.loc[2, column] = 1e308
    code, _, err = profile("old_pricing", "--data", saved(frame, home), "--held-out")
    assert (code, len(err.splitlines()), "1e+308 is beyond 1e+30" in err, column in err) == (2, 1, True, True)


def test_notes_on_a_denied_column_are_neither_kept_nor_shown(profile, home):
    frame = prices(4).astype({"size": object})
    frame.loc[:2, "size"] = "unknown"
    line = ("old_pricing", "--data", saved(frame, home), "--held-out")
    assert "note: size: 3 cells are read as missing: 'unknown' (3)." in profile(*line)[1]
    (home / "ws" / "bondx.yaml").write_text("explanation:\n  denied_columns: [siz*]\n")
    code, out, _ = profile("old_pricing")
    assert (code, "unknown" in out) == (0, False)
    frame.loc[3, "size"] = "unknown"
    code, _, err = profile("old_pricing", "--data", saved(frame, home), "--held-out", "--reason", "again")
    assert code == 0, err
    assert "unknown" not in str(Registry(workspace_of(home)).made_profile("old_pricing", "1.0.0").notes)


def test_a_file_that_a_continued_version_learned_from_is_refused_for_its_successor(profile, home):
    registry = Registry(workspace_of(home))
    first = registry.get("old_pricing", "1.0.0")
    lineage = {"data": {"file": {"sha256": "ab" * 32, "n_rows": 700}}, "continues": first.key}
    next_one = registry.register("old_pricing", home / "pricing", metrics={}, lineage=lineage, gates=(), actor=ANA)
    code, _, err = profile("old_pricing", "--version", next_one.version, "--data", home / "prices.csv", "--held-out")
    assert (code, f"{next_one.key} learned from this very file" in err) == (2, True)


def test_a_file_of_few_different_figures_is_not_taken_for_the_rows_learned_from():
    ratings = pd.DataFrame({"stars": [1, 2, 3, 4, 5] * 20})
    columns = (column_signature(ratings["stars"], "stars", ColumnKind.INTEGER),)
    signature = TableSignature(task=Task.ANOMALY, target=None, columns=columns)
    assert is_described(ratings, signature) is None
    assert is_described(ratings, None) is None
    assert is_described(ratings + 1, signature) is False


def test_rows_without_outcomes_bring_predictions_and_say_so(profile, home):
    code, out, _ = profile("old_pricing", "--data", saved(prices(4)[["size", "grade"]], home), "--held-out")
    assert (code, "their outcomes are not known" in out) == (0, True)
    assert "note: the file has no outcomes, so errors are not watched" in out


def test_a_profile_in_the_artifact_is_never_replaced(profile, home):
    code, _, err = profile("pricing", "--data", home / "prices.csv", "--reason", "better")
    assert (code, "never replaced" in err) == (3, True)


def test_a_made_profile_is_replaced_with_a_reason_and_audited(profile, home):
    assert profile("old_pricing", "--data", home / "prices.csv")[0] == 0
    again = saved(prices(5, 300).drop(columns="sold"), home)
    code, _, err = profile("old_pricing", "--data", again)
    assert (code, "Give a reason to replace it (--reason TEXT)" in err) == (2, True)
    code, out, _ = profile("old_pricing", "--data", again, "--held-out", "--reason", "rows of March")
    assert (code, "(rows of March) of 300 rows that it did not learn from" in out) == (0, True)
    assert "learned from a file with other bytes" not in out
    record = AuditLog(workspace_of(home)).tail(1)[0]
    assert (record.verb, record.reason, record.after["held_out"]) == ("version.make_profile", "rows of March", True)


def test_another_file_than_the_one_learned_from_is_taken_with_a_note(profile, home):
    code, out, _ = profile("old_pricing", "--data", saved(prices(5).drop(columns="sold"), home))
    assert (code, "learned from a file with other bytes" in out) == (0, True)


def test_notes_on_the_rows_are_shown_whenever_the_profile_is(profile, home):
    strange = prices(5).drop(columns="sold").assign(grade=lambda frame: frame["grade"].where(frame.index > 2, "Z"))
    note = "3 values of grade in no category of the training data"
    for shown in (profile("old_pricing", "--data", saved(strange, home)), profile("old_pricing")):
        assert f"note: {note}\n" in shown[1]
    assert note in json.loads(profile("old_pricing", "--json")[1])["notes"]
    assert note in ModelMonitoringService(MLOpsConfig.from_yaml(workspace=home / "ws")).profile("old_pricing").notes


def spoiled(name):
    frame = prices(7, 200).drop(columns="sold")
    match name:
        case "a missing column":
            return frame.drop(columns="grade")
        case "foreign columns":
            return frame.rename(columns={"size": "weight", "grade": "kind"})
        case "text in a number":
            return frame.astype({"size": object}).assign(size=lambda f: f["size"].where(f.index != 3, "n/k"))
        case "an infinite number":
            return frame.assign(size=lambda f: f["size"].where(f.index != 3, np.inf))
        case "too few rows":
            return frame.head(49)
        case "no row":
            return frame.head(0)
        case "no target in any row":
            return frame.assign(price=np.nan)
        case "few targets":
            return frame.assign(price=frame["price"].where(frame.index < 3))
    raise ValueError(name)


@pytest.mark.parametrize(
    "name",
    [
        "a missing column",
        "foreign columns",
        "text in a number",
        "an infinite number",
        "too few rows",
        "no row",
        "no target in any row",
        "few targets",
    ],
)
@pytest.mark.parametrize("suffix", ["csv", "parquet"])
@pytest.mark.parametrize("held_out", [(), ("--held-out",)], ids=["learned from", "held out"])
def test_a_hostile_file_is_one_error_and_nothing_is_written(profile, home, name, suffix, held_out):
    frame, file = spoiled(name), home / f"rows.{suffix}"
    if suffix == "csv":
        frame.to_csv(file, index=False)
    else:
        frame.astype({column: str for column in frame if frame[column].dtype == object}).to_parquet(file)
    state = (home / "ws" / "state" / "registry.json").read_bytes()
    code, out, err = profile("old_pricing", "--data", file, *held_out)
    assert (code, out) == (2, "")
    assert err.startswith("bondx: ")
    assert "Traceback" not in err
    assert file.name in err
    assert (home / "ws" / "state" / "registry.json").read_bytes() == state
    assert not (home / "ws" / "artifacts" / "old_pricing" / "profiles").exists()


@pytest.mark.parametrize(("n_filled", "said"), [(0, "0 of its 600 rows"), (3, "3 of its 600 rows")])
def test_too_few_targets_are_not_called_too_few_rows(profile, evaluate, home, n_filled, said):
    frame = prices(7, 600).drop(columns="sold")
    file = saved(frame.assign(price=frame["price"].where(frame.index < n_filled)), home)
    code, _, err = profile("old_pricing", "--data", file)
    assert (code, f"column 'price': {said} have a target. Fill it in" in err) == (2, True)


def test_an_evaluation_without_any_target_is_one_clear_error(evaluate, home):
    file = saved(prices(7, 60).drop(columns="sold").assign(price=np.nan), home)
    code, _, err = evaluate("--model", "pricing", "--test-data", file, "--drop-missing-target")
    assert (code, "none of its 60 rows has a target" in err) == (2, True)


def test_a_file_without_the_target_s_column_makes_a_profile_that_says_so(profile, home):
    code, out, _ = profile("old_pricing", "--data", saved(prices(7, 600)[["size", "grade"]], home))
    assert (code, "note: the file has no column 'price', so the target is not watched" in out) == (0, True)


def test_an_unknown_class_is_refused(profile, home):
    frame = prices(7, 200).drop(columns="price").assign(sold=lambda f: f["sold"].where(f.index != 3, "perhaps"))
    code, _, err = profile("old_sales", "--data", saved(frame, home), "--held-out")
    assert (code, "'perhaps' is not a class of the model" in err) == (2, True)


def test_a_version_that_holds_no_model_gets_none(profile, called, home):
    (home / "notes").mkdir()
    (home / "notes" / "readme.txt").write_text("elsewhere")
    Registry(workspace_of(home)).register("elsewhere", home / "notes", metrics={}, lineage={}, gates=(), actor=ANA)
    code, _, err = profile("elsewhere", "--data", home / "prices.csv")
    assert (code, "its files hold no model.json" in err) == (2, True)


@pytest.mark.parametrize("option", ["--held-out", "--reason=why"])
def test_options_of_making_go_with_a_file(profile, option):
    code, _, err = profile("pricing", option)
    assert (code, "goes with --data FILE" in err) == (2, True)


def test_a_damaged_profile_is_one_clear_error_and_can_be_made_again(profile, check, called, home):
    batch = saved(prices(2)[["size", "grade"]], home, "batch.csv")
    assert profile("old_pricing", "--data", home / "prices.csv")[0] == 0
    (file,) = (home / "ws" / "artifacts" / "old_pricing" / "profiles").iterdir()
    file.write_bytes(file.read_bytes()[:-10])
    for code, _, err in (profile("old_pricing"), check("old_pricing", "--data", batch)):
        assert (code, f"{file.name} was changed" in err, "--reason TEXT" in err) == (2, True, True)
    code, out, _ = called(main, "registry", "verify", "old_pricing", "--workspace", home / "ws")
    assert (code, "DAMAGED" in out) == (1, True)
    code, _, _ = profile("old_pricing", "--data", home / "prices.csv", "--reason", "the file was torn")
    assert code == 0
    assert check("old_pricing", "--data", batch)[0] == 0


def test_an_evaluation_on_the_file_learned_from_makes_the_profile_and_says_so_in_one_line(evaluate, profile, home):
    code, out, _ = evaluate("--model", "old_pricing", "--test-data", saved(prices(8).drop(columns="sold"), home))
    assert (code, "profile" in out) == (0, False)
    code, out, _ = evaluate("--model", "old_pricing", "--test-data", home / "prices.csv")
    (line,) = [line for line in out.splitlines() if "profile" in line]
    assert (code, line) == (
        0,
        "note: old_pricing/1.0.0 had no profile of what it learned from: one was made of this file (600 rows), and its "
        "drift can be watched now",
    )
    assert profile("old_pricing")[0] == 0
    code, out, _ = evaluate("--model", "old_pricing", "--test-data", home / "prices.csv")
    assert (code, "profile" in out) == (0, False)
    assert [record.verb for record in AuditLog(workspace_of(home)).tail(50)].count("version.make_profile") == 1


@pytest.mark.parametrize("rule", [("--na", "A"), ("--read", "size=category")])
def test_an_evaluation_that_reads_the_file_otherwise_makes_no_profile(evaluate, profile, home, rule):
    code, out, _ = evaluate("--model", "old_pricing", "--test-data", home / "prices.csv", *rule)
    assert not (home / "ws" / "artifacts" / "old_pricing" / "profiles").exists()
    if code == 0:
        (line,) = [line for line in out.splitlines() if "no profile was made" in line]
        assert "its training did not read the file by these --na and --read. Make it by hand: bondx drift" in line
    code, out, _ = profile("old_pricing", "--data", home / "prices.csv", "--na", "-9.5", "--reason", "asked for")
    assert (code, "rows, read with --na -9.5, SHA-256" in out) == (0, True)
    made = Registry(workspace_of(home)).made_profile("old_pricing", "1.0.0")
    assert (made.na, made.read) == (("-9.5",), ())
    assert json.loads(profile("old_pricing", "--json")[1])["made"]["na"] == ["-9.5"]


def test_an_evaluation_by_the_rules_of_the_training_makes_the_profile(evaluate, home):
    registry, lineage = Registry(workspace_of(home)), {"request": {"na": ["n/k"], "read": ["size=number"]}}
    lineage |= {"data": registry.get("old_pricing", "1.0.0").lineage["data"]}
    registry.register("asked", home / "pricing", metrics={}, lineage=lineage, gates=(), actor=ANA)
    file = home / "prices.csv"
    code, out, _ = evaluate("--model", "asked", "--test-data", file, "--na", "n/k", "--read", "size=number")
    assert (code, "one was made of this file (600 rows)" in out) == (0, True)
    made = registry.made_profile("asked", "1.0.0")
    assert (made.na, made.read) == (("n/k",), ("size=number",))


def test_an_evaluation_makes_no_profile_of_rows_that_the_signature_does_not_describe(evaluate, home):
    registry = Registry(workspace_of(home))
    registered(home, "other", registry.get("old_pricing", "1.0.0").lineage, most=1.0)
    code, out, _ = evaluate("--model", "other", "--test-data", home / "prices.csv")
    (line,) = [line for line in out.splitlines() if "no profile was made" in line]
    assert (code, "it is not read as its training read it" in line, "Make it by hand" in line) == (0, True, True)
    assert registry.made_profile("other", "1.0.0") is None


def test_an_evaluation_says_how_a_damaged_profile_is_made_again(evaluate, profile, home):
    assert profile("old_pricing", "--data", home / "prices.csv")[0] == 0
    (file,) = (home / "ws" / "artifacts" / "old_pricing" / "profiles").iterdir()
    file.unlink()
    code, out, _ = evaluate("--model", "old_pricing", "--test-data", home / "prices.csv")
    cure = "make the profile again: bondx drift profile old_pricing --version 1.0.0 --data FILE --reason TEXT"
    (line,) = [line for line in out.splitlines() if file.name in line]
    assert (code, "is missing" in line, cure in line) == (0, True, True)


def test_an_evaluation_by_who_may_not_make_a_profile_evaluates_all_the_same(home, evaluate):
    workspace = workspace_of(home)
    owner = Actor(Grants(workspace).door.owner, "desk", Origin.COMMAND_LINE)
    Grants(workspace).grant(Principal(PrincipalKind.USER, "ana"), "viewer", actor=owner)
    found = evaluate_on_file(workspace, "old_pricing", home / "prices.csv", actor=ANA)
    assert found.profile.startswith(
        "no profile was made of what old_pricing/1.0.0 learned from: ana may not do version.make_profile: "
    )
    assert found.metrics["r2"] > 0.8
    assert evaluate_on_file(workspace, "old_pricing", home / "prices.csv").profile == ""
    assert Registry(workspace).made_profile("old_pricing", "1.0.0") is None
    assert "access.refuse" not in [record.verb for record in AuditLog(workspace).tail(50)]


def test_who_may_not_make_a_profile_is_refused_before_any_row_is_read(home):
    workspace = workspace_of(home)
    owner = Actor(Grants(workspace).door.owner, "desk", Origin.COMMAND_LINE)
    Grants(workspace).grant(Principal(PrincipalKind.USER, "ana"), "viewer", actor=owner)
    with pytest.raises(AccessRefusedError, match=r"ana may not do version\.make_profile"):
        make_profile(workspace, "old_pricing", home / "no such file.csv", actor=ANA)
    assert AuditLog(workspace).tail(1)[0].verb == "access.refuse"
    with pytest.raises(UsageError, match="The reason"):
        make_profile(workspace, "old_pricing", home / "no such file.csv", actor=owner, reason="why " * 10_000)


def test_python_shows_and_makes_profiles(home):
    service = ModelMonitoringService(MLOpsConfig.from_yaml(workspace=home / "ws"))
    with pytest.raises(UsageError, match="it has no profile"):
        service.profile("old_sales")
    made = service.make_profile("old_sales", prices(9).drop(columns="price"), held_out=True)
    assert (made.rows, made.held_out, made.made.is_held_out) == (400, 400, True)
    assert service.profile("old_sales") == made
    with pytest.raises(UsageError, match="Give a reason"):
        service.make_profile("old_sales", prices(10).drop(columns="price"))
    with pytest.raises(RefusedError, match="never replaced"):
        service.make_profile("sales", prices(9).drop(columns="price"))
