"""Evidence packs over HTTP."""

import json

import pytest

from core.actor import Actor, Origin
from core.evidence import bill_of_version, provenance_of, signature_of_version
from core.quality.gate import judge
from core.registry import Registry


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
