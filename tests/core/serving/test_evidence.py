"""Evidence packs over HTTP."""

import json

import pytest

from console.cli.main import main
from core.actor import Actor, Origin
from core.evidence import bill_of_version, provenance_of, signature_of_version
from core.files import digest
from core.protection.masking import PERSONAL
from core.protection.pseudonyms import Pseudonyms
from core.quality.gate import judge
from core.registry import Registry
from core.settings import Settings
from core.settings.text_model import TextModelSettings
from core.text.training import train_text_model
from core.training.text_models import register_text_model


@pytest.fixture
def ana():
    return Actor("ana", "desk", Origin.API)


@pytest.fixture
def version(workspace, ana, tmp_path):
    (tmp_path / "model.txt").write_text("tree\n")
    gates = (judge("coverage", 99.0, ">=", 90.0, unit="%"),)
    registry = Registry(workspace)
    return registry.register(
        "rent", tmp_path / "model.txt", metrics={"attainment": 0.9}, lineage={}, gates=gates, actor=ana
    ).version


def test_a_pack_is_built_listed_read_and_checked_over_http(api, version):
    built = api.post(
        "/api/v1/evidence", json={"kind": "version", "model": "rent", "version": version, "reason": "review"}
    )
    assert built.status_code == 201, built.text
    pack_id = built.json()["pack_id"]
    assert [each["pack_id"] for each in api.get("/api/v1/evidence").json()] == [pack_id]
    pack = api.get(f"/api/v1/evidence/{pack_id}").json()
    assert [section["number"] for section in pack["sections"]] == list(range(1, 17))
    page = api.get(f"/api/v1/evidence/{pack_id}/page")
    assert page.headers["content-type"].startswith("text/html")
    assert page.text.startswith("<!DOCTYPE html>")
    assert len(api.get(f"/api/v1/evidence/{pack_id}/manifest").json()["signature"]) == 128
    verdict = api.get(f"/api/v1/evidence/{pack_id}/verification").json()
    assert (verdict["ok"], verdict["damage"]) == (True, [])


def test_the_key_of_signatures_is_listed_and_rotated_over_http(api, workspace, version):
    (before,) = api.get("/api/v1/evidence/keys").json()
    assert (before["is_present"], before["n_versions"]) == (True, 1)
    done = api.post("/api/v1/evidence/keys", json={"leaked": True, "reason": "a stolen laptop"})
    assert done.status_code == 201, done.text
    assert (done.json()["former"], done.json()["n_signed"]) == (before["fingerprint"], 1)
    after = api.get("/api/v1/evidence/keys").json()
    assert [(each["is_present"], each["has_leaked"], each["n_versions"]) for each in after] == [
        (True, False, 1),
        (False, True, 0),
    ]
    assert api.post("/api/v1/evidence/keys", json={"leaked": True, "former": "0" * 16}).status_code == 404
    assert api.post("/api/v1/evidence/keys", json={"key": "mine"}).status_code == 400


def test_a_period_needs_a_model_and_a_beginning(api, version):
    built = api.post("/api/v1/evidence", json={"kind": "model", "model": "rent", "since": "2020-01-01T00:00:00Z"})
    assert built.status_code == 201, built.text
    assert api.post("/api/v1/evidence", json={"kind": "model", "model": "rent"}).status_code == 400
    assert api.post("/api/v1/evidence", json={"kind": "session"}).status_code == 400
    assert api.post("/api/v1/evidence", json={"kind": "horoscope", "named": "x"}).status_code == 400
    assert api.post("/api/v1/evidence", json={"kind": "session", "named": "s-9999"}).status_code == 404
    assert api.get("/api/v1/evidence/ev-9999").status_code == 404


def test_the_bill_of_materials_of_a_version_is_read_over_http(api, workspace, version):
    found = api.get(f"/api/v1/models/rent/versions/{version}/bom")
    assert found.json() == bill_of_version(workspace, "rent", version)
    unknown = api.get("/api/v1/models/rent/versions/9.9.9/bom")
    assert (unknown.status_code, "9.9.9" in unknown.text) == (404, True)


def test_the_provenance_of_a_version_is_read_over_http(api, workspace, version):
    found = api.get(f"/api/v1/models/rent/versions/{version}/provenance")
    assert found.json() == provenance_of(workspace, "rent", version)
    assert api.get("/api/v1/models/rent/versions/9.9.9/provenance").status_code == 404


def test_the_signature_of_a_version_is_read_over_http(api, workspace, version):
    found = api.get(f"/api/v1/models/rent/versions/{version}/file-signature")
    assert found.json() == json.loads(signature_of_version(workspace, "rent", version))
    assert api.get("/api/v1/models/rent/versions/9.9.9/file-signature").status_code == 404


ROW = {
    "as_of_date": "2024-03-28", "book": "GAS_DESK", "var99_hist": 1000.0, "limit_var": 2000.0, "utilisation": 0.75,
    "breach_flag": False, "gross_exposure": 3000.0, "limit_exposure": 4000.0,
}  # fmt: skip
DRAFTS = "/api/v1/evidence/drafts"


def test_a_draft_is_recorded_listed_edited_and_kept_with_its_rows(api, workspace):
    recorded = api.post(
        DRAFTS, json={"rows": [ROW, {**ROW, "book": "OIL_DESK"}], "book": "GAS_DESK", "reason": "March"}
    )
    assert recorded.status_code == 201, recorded.text
    draft = recorded.json()
    assert (draft["draft_id"], draft["is_worded_here"], draft["n_unconfirmed"]) == ("dr-0001", True, 0)
    assert draft["about"] == "risk report of GAS_DESK on 2024-03-28"
    assert {fact["place"] for fact in draft["facts"]} == {"line 1"}
    file = workspace.reports_dir / "drafts" / f"{draft['sha256']}.jsonl"
    assert (draft["file"], digest(file.read_bytes())) == (str(file), draft["sha256"])

    edited = api.post(DRAFTS, json={"rows": [ROW], "text": "VaR 99 is 1000.00 EUR, or 17.", "changes": "dr-0001"})
    assert edited.status_code == 201, edited.text
    assert (edited.json()["n_unconfirmed"], edited.json()["changes"]) == (1, "dr-0001")
    assert "17 [not confirmed]" in edited.json()["text"]
    newest, first = api.get(DRAFTS).json()
    assert newest["author"] == "written by a person or another program, and checked here"
    assert "dr-0002" in first["changes"][0]
    file.write_bytes(b"{}")
    assert "was changed" in api.get(DRAFTS).json()[1]["changes"][1]


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({"rows": []}, 400, "rows"),
        ({"rows": [ROW], "book": "none"}, 404, "rows has no report of 'none'. Books: GAS_DESK."),
        ({"rows": [ROW], "date": "2024-03-27"}, 404, "Days: 2024-03-28 to 2024-03-28."),
        ({"rows": [ROW], "date": "March"}, 400, "date"),
        ({"rows": [ROW, {**ROW, "book": "OIL_DESK"}]}, 400, "Name the book of one."),
        ({"rows": [{"book": "GAS_DESK"}]}, 400, "lacks as_of_date"),
        ({"rows": [ROW], "seed": 3}, 400, "without it no model writes"),
        ({"rows": [ROW], "by": "prose", "text": "x"}, 400, "exclude each other"),
        ({"rows": [ROW], "changes": "dr-0001"}, 400, "the edited text"),
        ({"rows": [ROW], "text": "x", "changes": "dr-0009"}, 404, "dr-0009"),
        ({"rows": [ROW], "by": "prose"}, 404, "prose"),
        ({"rows": [ROW], "domain": "bonds"}, 400, "has no narratives of reports. Domains with them: etrm."),
        ({"rows": [ROW], "file": "/etc/passwd"}, 400, "file"),
    ],
)
def test_a_draft_that_cannot_be_made_is_refused_and_leaves_nothing(api, workspace, body, status, said):
    refused = api.post(DRAFTS, json=body)
    assert (refused.status_code, said in refused.text) == (status, True), refused.text
    assert not (workspace.reports_dir / "drafts").exists()
    assert api.get(DRAFTS).json() == []


def test_a_version_writes_a_draft_with_the_same_seed_again(api, workspace, ana, tmp_path):
    settings = TextModelSettings(architecture="ngram", documents=60, judged_documents=10)
    train_text_model(settings, tmp_path / "prose")
    register_text_model(workspace, tmp_path / "prose", "prose", Settings(), actor=ana, n_written=2)
    asked = {"rows": [ROW], "by": "prose", "seed": 3}
    first, second = (api.post(DRAFTS, json=asked) for _ in range(2))
    assert first.status_code == 201, first.text
    draft = first.json()
    assert (draft["model"], draft["version"], draft["seed"], draft["is_worded_here"]) == ("prose", "1.0.0", 3, False)
    assert draft["text"] == second.json()["text"]
    assert "GAS_DESK is 1000.00 EUR against a limit of 2000.00 EUR" in draft["text"]
    assert api.get(DRAFTS).json()[0]["author"] == "synthetic: a text of the model of language prose 1.0.0"


SECRETS = ("BOOKSECRETQ", "DRIVERSECRETQ", "771123")
CLASSED_ROW = {
    **ROW, "book": "BOOKSECRETQ", "var99_hist": 771123.0, "es975": 1100.5, "actual_pnl_next_day": -1200.25,
    "exceed99": True, "top_driver": "DRIVERSECRETQ",
}  # fmt: skip
CLASSED = "[book, top_driver, var99_hist]"
CLASSES = pytest.mark.parametrize("class_", ["secret", "personal", "personal with a key"])


def classify(workspace, class_, monkeypatch):
    monkeypatch.setenv("DRAFTS_KEY", "a key of this workspace")
    key = ", key_env: DRAFTS_KEY" if class_.endswith("key") else ""
    workspace.settings_file.write_text(f"protection: {{{class_.partition(' ')[0]}: {CLASSED}{key}}}\n")


def quoted(*texts):
    return [secret for secret in SECRETS for text in texts if secret in text]


def told_of(api, workspace, called, pack_of):
    """Return all that is told of drafts: by the control API, the command line and a pack."""
    built = api.post(
        "/api/v1/evidence", json={"kind": "version", "model": "rent", "version": pack_of, "drafts": ["dr-0001"]}
    )
    assert built.status_code == 201, built.text
    folder = f"/api/v1/evidence/{built.json()['pack_id']}"
    listed = [called(main, "--workspace", workspace.root, "evidence", "drafts", *more)[1] for more in ((), ("--json",))]
    return [api.get(each).text for each in (DRAFTS, folder, f"{folder}/page")] + listed


@CLASSES
def test_a_draft_of_classed_columns_holds_none_of_their_values_anywhere(
    api, workspace, version, called, monkeypatch, class_
):
    classify(workspace, class_, monkeypatch)
    recorded = api.post(DRAFTS, json={"rows": [CLASSED_ROW]})
    assert recorded.status_code == 201, recorded.text
    draft = recorded.json()
    assert draft["about"] == "risk report in line 1 on 2024-03-28"
    assert "against a limit of 2000.00 EUR; utilisation 0.7500" in draft["text"]
    facts = {fact["fact"]: fact["cell"] for fact in draft["facts"]}
    assert facts["limit_var"] == "2000.0"
    if class_ == "secret":
        assert not {"book", "top_driver", "var99_hist"} & set(facts)
        assert "VaR 99 of (withheld) is (withheld) EUR" in draft["text"]
    elif class_ == "personal":
        assert (facts["book"], facts["var99_hist"]) == (PERSONAL, PERSONAL)
    else:
        assert facts["book"] == Pseudonyms(b"a key of this workspace").of("BOOKSECRETQ", "book")
    told = told_of(api, workspace, called, version)
    assert draft["text"] in json.loads(told[0])[0]["draft"]["text"]
    assert quoted(recorded.text, *told) == []
    assert quoted(api.get("/api/v1/audit").text, *(each.read_text() for each in workspace.audit_dir.iterdir())) == []


@CLASSES
def test_a_text_that_may_quote_a_classed_column_is_withheld_from_all_others(
    api, workspace, version, called, monkeypatch, class_
):
    classify(workspace, class_, monkeypatch)
    text = "BOOKSECRETQ lost 1200.25 EUR to DRIVERSECRETQ; its VaR 99 is 771123.00 EUR, or 771123.5 of 2000."
    recorded = api.post(DRAFTS, json={"rows": [CLASSED_ROW], "text": text})
    assert recorded.status_code == 201, recorded.text
    assert "771123.00 [not confirmed]" in recorded.json()["text"]
    told = told_of(api, workspace, called, version)
    assert quoted(*told, api.get("/api/v1/audit").text) == []
    draft = json.loads(told[0])[0]["draft"]
    assert draft["text"].startswith("withheld: ")
    assert [(fact["fact"], fact["written"]) for fact in draft["facts"]] == [
        ("actual_pnl_next_day", "1200.25"),
        ("", "(withheld)"),
        ("", "(withheld)"),
        ("limit_var", "2000"),
    ]


@CLASSES
def test_a_draft_that_was_recorded_before_its_columns_were_classed_is_told_without_their_values(
    api, workspace, version, called, monkeypatch, class_
):
    api.post(DRAFTS, json={"rows": [{**CLASSED_ROW, "breach_flag": True}]})
    wrong = api.get(DRAFTS).json()[0]["draft"]
    assert wrong["about"] == "risk report of BOOKSECRETQ on 2024-03-28"
    classify(workspace, class_, monkeypatch)
    told = told_of(api, workspace, called, version)
    assert quoted(told[1].replace("of BOOKSECRETQ on", "")) == []  # in a line of the audit log, which stays as it is
    assert quoted(told[0], *told[2:]) == []
    draft = json.loads(told[0])[0]["draft"]
    assert (draft["about"], draft["n_unconfirmed"]) == ("risk report in line 1", wrong["n_unconfirmed"])
    assert all(fact["problem"] in ("", "it is not confirmed") for fact in draft["facts"])
    assert ("book" in {fact["fact"] for fact in draft["facts"]}) == (class_ != "secret")


@CLASSES
@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"var99_hist": "771123x"}, 400),
        ({"var99_hist": "٧٧١١٢٣ 771123"}, 400),
        ({"var99_hist": ["771123"]}, 400),
        ({"var99_hist": {"of": "771123"}}, 400),
        ({"book": "BOOKSECRETQ of 771123"}, 400),
        ({"book": ["BOOKSECRETQ"]}, 400),
        ({"top_driver": "DRIVERSECRETQ!"}, 400),
        ({"top_driver": {"is": "DRIVERSECRETQ"}}, 400),
        ({}, 404),
        ({}, 400),
    ],
)
def test_no_refusal_of_a_draft_quotes_a_classed_column(
    api, workspace, called, monkeypatch, tmp_path, class_, change, status
):
    classify(workspace, class_, monkeypatch)
    rows = [{**CLASSED_ROW, **change}]
    rows += [{**CLASSED_ROW, "as_of_date": "2024-03-27"}] if change else [] if status == 404 else [CLASSED_ROW]
    body = {"rows": rows, **({"book": "zz"} if status == 404 else {})}
    (tmp_path / "note.txt").write_text("It is 17.")
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    for more in ({}, {"text": "It is 17."}):
        refused = api.post(DRAFTS, json={**body, **more})
        assert (refused.status_code, quoted(refused.text)) == (status, []), refused.text
    line = ["--workspace", workspace.root, "text", "draft", tmp_path / "rows.jsonl"]
    line += ["--book", "zz"] if status == 404 else []
    for more in ((), ("--check", tmp_path / "note.txt"), ("--record",), ("--json",)):
        code, out, err = called(main, *line, *more)
        assert (code, quoted(out, err)) == (2, []), out + err
    assert quoted(api.get("/api/v1/audit").text) == []


def test_a_value_that_is_no_flag_or_number_of_a_classed_column_is_named_by_its_place_alone(api, workspace, monkeypatch):
    workspace.settings_file.write_text("protection: {secret: [var99_hist, as_of_date]}\n")
    said = api.post(DRAFTS, json={"rows": [{**CLASSED_ROW, "var99_hist": True}]}).text
    assert "line 1, column 'var99_hist': a value is no number" in said
    assert "True" not in said
    days = [{**CLASSED_ROW, "as_of_date": f"2024-03-{day}"} for day in (26, 27)]
    refused = api.post(DRAFTS, json={"rows": days, "date": "2024-03-28"})
    assert (refused.status_code, "2024-03" in refused.text) == (404, False)
    assert api.post(DRAFTS, json={"rows": days}).json()["about"] == "risk report of BOOKSECRETQ in line 2"


def test_a_version_goes_on_from_a_beginning_without_classed_values(api, workspace, ana, monkeypatch, tmp_path):
    train_text_model(TextModelSettings(architecture="ngram", documents=60, judged_documents=10), tmp_path / "prose")
    register_text_model(workspace, tmp_path / "prose", "prose", Settings(), actor=ana, n_written=2)
    classify(workspace, "secret", monkeypatch)
    recorded = api.post(DRAFTS, json={"rows": [CLASSED_ROW], "by": "prose", "seed": 3})
    assert recorded.status_code == 201, recorded.text
    assert "VaR 99 of (withheld) is (withheld) EUR" in recorded.json()["text"]
    assert api.get(DRAFTS).json()[0]["draft"]["text"] == recorded.json()["text"]
    assert quoted(recorded.text) == []
