"""The bill of a version holds to the schema of CycloneDX, has recorded facts alone, and no denied column."""

import base64
import json
import re
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from console.cli.main import main
from core.api import MLOpsConfig, ModelRegistry
from core.errors import ExitCode
from core.evidence import EvidencePacks, bill_of_version, encoded_record, verify_pack
from core.evidence.bill import SPEC_VERSION
from core.evidence.signing import BILL
from core.files import digest
from core.governance.json_signing import json_signed
from core.governance.model_keys import ModelKeys
from core.installed_packages import installed_version
from core.quality.gate import judge
from core.registry import HashMismatchError, ModelVersion, Registry, VersionNotFoundError
from core.state import Workspace
from tests.core.evidence.conftest import ANA

SIGNATURE = {
    "task": "regression",
    "target": "price",
    "inputs": [{"name": "size", "type": "number"}, {"name": "tax_id", "type": "category"}],
    "outputs": [{"name": "price", "type": "number"}],
}
SHA256 = {"panel": "ab" * 32, "tax_id": "cd" * 32}


@pytest.fixture
def registered(demo: Workspace, tmp_path: Path) -> ModelVersion:
    """A version of a file of its user, one of whose columns may become denied, made from an earlier version."""
    source = tmp_path / "made"
    source.mkdir()
    (source / "weights.txt").write_text("1 2 3\n")
    (source / "signature.json").write_text(json.dumps(SIGNATURE))
    (source / "report.json").write_text(json.dumps({"ships": "linear", "feature_importance": {"tax_id": 0.9}}))
    packages = {"msgspec": installed_version("msgspec"), "numpy": "0.1", "of-nobody": "7"}
    environment = {"python": "3.11.7", "packages": packages, "optional_packages": {"torch": "2.9.0"}}
    (source / "environment.json").write_text(json.dumps(environment))
    registry = Registry(demo)
    first = registry.register("pricing", source, metrics={}, lineage={}, gates=(), actor=ANA)
    (source / "weights.txt").write_text("1 2 4\n")
    version = registry.register(
        "pricing",
        source,
        metrics={"r2": 0.5, "r2_low": 0.4, "r2_high": 0.6, "late.r2": 0.25, "tax_id_r2": 0.1, "tax_id.r2": 0.2},
        lineage={
            "data": {
                "panel": {"sha256": SHA256["panel"], "n_rows": 1200},
                "tax_id": SHA256["tax_id"],
                "word": "not a hash",
            },
            "chosen": "linear",
            "random_seed": 42,
        },
        gates=(
            judge("coverage", 80.0, ">=", 90.0, unit="%", n_samples=9, window="cells of the file"),
            judge("no_leak", 1.0, "<=", 0.0, reason="tax_id alone predicts the target"),
        ),
        parents=[first.version],
        actor=ANA,
    )
    registry.set_tags("pricing", version.version, {"purpose": "prices of loans", "desk": "rates"}, actor=ANA)
    return version


def bill(workspace: Workspace, version: ModelVersion) -> dict:
    return bill_of_version(workspace, version.model, version.version)


def faults(found: dict) -> object:
    return JsonStrictValidator(SchemaVersion.from_version(SPEC_VERSION)).validate_str(encoded_record(found).decode())


def is_signed(found: dict, public: Path, folder: Path) -> bool:
    """Verify a bill as others would: the canonical form by Python's own JSON, the signature by OpenSSL."""
    found = json.loads(json.dumps(found))
    value = found["signature"].pop("value")
    raw = base64.urlsafe_b64decode(value + "=" * (-len(value) % 4))
    (folder / "canonical").write_text(json.dumps(found, sort_keys=True, separators=(",", ":"), ensure_ascii=False))
    numbers = (int.from_bytes(raw[:32]), int.from_bytes(raw[32:]))
    (folder / "signature").write_bytes(encode_dss_signature(*numbers))
    command = ["openssl", "dgst", "-sha256", "-verify", public, "-signature", folder / "signature"]
    return subprocess.run([*command, folder / "canonical"], check=False, capture_output=True).returncode == 0


def test_a_bill_is_signed_by_the_key_of_versions_and_any_change_of_it_is_found(
    demo: Workspace, registered: ModelVersion, tmp_path: Path
) -> None:
    Registry(demo).set_tags("pricing", registered.version, {"purpose": 'Größe 📈 <b> "x\\y"/'}, actor=ANA)
    found, public = bill(demo, registered), demo.keys_dir / "model-signing.pub"
    assert faults(found) is None
    assert is_signed(found, public, tmp_path)
    assert found == bill(demo, registered)
    for change in (
        {"version": 2},
        {"serialNumber": "urn:uuid:00000000-0000-0000-0000-000000000000"},
        {"components": found["components"][1:]},
        {"signature": {**found["signature"], "algorithm": "ES384"}},
    ):
        assert not is_signed({**found, **change}, public, tmp_path), change
    assert found["signature"]["publicKey"].keys() == {"kty", "crv", "x", "y"}


@pytest.mark.parametrize("task", [0.5, ["a"], {"a": 1.5}])
def test_a_task_that_is_no_text_is_left_out_and_the_bill_is_signed(
    demo: Workspace, tmp_path: Path, task: object
) -> None:
    (tmp_path / "model.txt").write_text("1\n")
    registry = Registry(demo)
    version = registry.register(
        "odd", tmp_path / "model.txt", metrics={}, lineage={"task": task, "chosen": 2.5}, gates=(), actor=ANA
    )
    found = bill(demo, version)
    assert "task" not in found["metadata"]["component"]["modelCard"].get("modelParameters", {})
    assert is_signed(found, demo.keys_dir / "model-signing.pub", tmp_path)


def test_an_account_without_the_key_writes_the_bill_unsigned(
    demo: Workspace, registered: ModelVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    signed = bill(demo, registered)
    monkeypatch.setattr(ModelKeys, "can_sign", lambda _: False)
    unsigned = bill(demo, registered)
    assert {**unsigned, "signature": signed["signature"]} == signed
    assert "signature" not in unsigned


@pytest.mark.parametrize("value", [0.5, {"ä": 1}, {1: 2}, [{"a": object()}]])
def test_what_has_another_canonical_form_is_not_signed(demo: Workspace, value: object) -> None:
    with pytest.raises(TypeError):
        json_signed({"value": value}, ModelKeys(demo.keys_dir))


def valued(properties: list[dict]) -> dict[str, str]:
    return {each["name"]: each["value"] for each in properties}


def test_every_bill_holds_to_the_strict_schema(demo, described, registered):
    registry = Registry(demo)
    versions = [registry.get("spread", described), *registry.versions()]
    assert [faults(bill(demo, version)) for version in versions] == [None] * len(versions)
    broken = bill(demo, registered)
    broken["metadata"]["component"]["modelCard"]["colour"] = "red"
    assert faults(broken) is not None


def test_the_same_version_has_the_same_bytes_and_another_tag_another_number(demo, registered):
    found = bill(demo, registered)
    Registry(demo).apply(Registry(demo).plan_archive("pricing", registered.version), actor=ANA)
    assert encoded_record(bill(Workspace.open(demo.root), registered)) == encoded_record(found)
    Registry(demo).set_tags("pricing", registered.version, {"purpose": "prices of bonds"}, actor=ANA)
    assert bill(demo, registered)["serialNumber"] != found["serialNumber"]


def test_the_model_card_says_what_is_recorded(demo, registered):
    model = bill(demo, registered)["metadata"]["component"]
    assert (model["type"], model["name"], model["version"]) == ("machine-learning-model", "pricing", registered.version)
    assert model["hashes"] == [{"alg": "SHA-256", "content": registered.manifest_sha256}]
    (ancestor,) = model["pedigree"]["ancestors"]
    first = Registry(demo).get("pricing", ancestor["version"])
    assert ancestor["hashes"][0]["content"] == first.manifest_sha256
    card = model["modelCard"]
    assert card["modelParameters"] == {
        "approach": {"type": "supervised"},
        "task": "regression",
        "modelArchitecture": "linear",
        "datasets": [{"ref": "data:panel"}, {"ref": "data:tax_id"}, {"ref": "data:word"}],
        "inputs": [{"format": "category"}, {"format": "number"}],
        "outputs": [{"format": "number"}],
    }
    metrics = card["quantitativeAnalysis"]["performanceMetrics"]
    interval = {"lowerBound": "0.4", "upperBound": "0.6"}
    assert {"type": "r2", "value": "0.5", "confidenceInterval": interval} in metrics
    assert {"type": "r2", "value": "0.25", "slice": "late"} in metrics
    assert {"type": "gate coverage", "value": "80.0 %", "slice": "cells of the file"} in metrics
    assert not any(each["type"].endswith(("_low", "_high")) for each in metrics)
    assert card["considerations"]["useCases"] == ["prices of loans"]
    assert "coverage: 80% < 90%" in card["considerations"]["technicalLimitations"]
    properties = valued(card["properties"])
    assert properties["bondx:gate:coverage"] == "fail: 80% < 90%"
    assert (properties["bondx:input:size"], properties["bondx:random_seed"]) == ("number", "42")


def test_every_file_of_the_artifact_is_listed_with_its_hash(demo, registered):
    model = bill(demo, registered)["metadata"]["component"]
    folder = demo.artifacts_dir / registered.path
    assert {each["name"]: each["hashes"][0]["content"] for each in model["components"]} == {
        file.name: digest(file.read_bytes()) for file in folder.iterdir() if file.name != "MANIFEST.json"
    }


def test_data_and_packages_are_components_that_the_model_depends_on(demo, registered):
    found = bill(demo, registered)
    by_ref = {each["bom-ref"]: each for each in found["components"]}
    panel, word = by_ref["data:panel"], by_ref["data:word"]
    assert panel["hashes"] == [{"alg": "SHA-256", "content": SHA256["panel"]}]
    assert valued(panel["data"][0]["contents"]["properties"]) == {"bondx:n_rows": "1200"}
    assert "hashes" not in word
    assert valued(word["data"][0]["contents"]["properties"]) == {"bondx:hash": "not a hash"}
    assert by_ref["pkg:pypi/torch@2.9.0"]["scope"] == "optional"
    assert by_ref["python:3.11.7"]["type"] == "platform"
    (edges,) = found["dependencies"]
    assert edges["dependsOn"] == sorted(by_ref)


def test_a_package_has_the_licence_of_its_recorded_version_or_none(demo, registered):
    licences = {each["name"]: each.get("licenses") for each in bill(demo, registered)["components"]}
    assert licences["msgspec"]  # installed here in the recorded version
    assert licences["numpy"] is licences["of-nobody"] is None


def test_denied_columns_are_nowhere_in_a_bill(demo, registered):
    assert "tax_id" in encoded_record(bill(demo, registered)).decode()
    text = demo.settings_file.read_text()
    demo.settings_file.write_text(text.replace("denied_columns: []", "denied_columns: ['tax_*']"))
    found = bill(demo, registered)
    assert "tax" not in encoded_record(found).decode()
    assert SHA256["tax_id"] not in encoded_record(found).decode()
    assert faults(found) is None
    assert "bondx:input:size" in valued(found["metadata"]["component"]["modelCard"]["properties"])


def test_a_broad_pattern_leaves_out_columns_and_keeps_the_keys_of_a_bill(demo, registered):
    before = bill(demo, registered)
    text = demo.settings_file.read_text()
    demo.settings_file.write_text(text.replace("denied_columns: []", "denied_columns: ['*']"))
    found = bill(demo, registered)
    assert not re.search(r"(?<!\w)tax_id(?!\w)", encoded_record(found).decode())
    assert faults(found) is None
    assert {each["name"] for each in found["components"]} == {each["name"] for each in before["components"]} - {
        "tax_id"
    }
    metrics = found["metadata"]["component"]["modelCard"]["quantitativeAnalysis"]["performanceMetrics"]
    assert {"r2"} <= {each["type"] for each in metrics}


def test_a_bill_of_changed_files_is_refused(demo, registered):
    file = demo.artifacts_dir / registered.path / "report.json"
    file.chmod(0o600)
    file.write_text("{}")
    with pytest.raises(HashMismatchError, match=r"pricing .* report\.json was changed"):
        bill(demo, registered)


def test_an_unknown_version_is_named(demo):
    with pytest.raises(VersionNotFoundError, match=r"9\.9\.9"):
        bill_of_version(demo, "spread", "9.9.9")


def test_a_pack_about_a_version_holds_its_bill_and_an_edit_of_it_shows(demo, registered, key):
    packs = EvidencePacks(demo)
    pack = packs.of_version("pricing", registered.version, actor=ANA)
    file = packs.folder_of(pack) / BILL
    assert file.read_bytes() == encoded_record(bill(demo, registered))
    assert verify_pack(file, key).ok
    file.chmod(0o600)
    file.write_text(file.read_text().replace("regression", "classification"))
    assert verify_pack(file, key).damage == (f"{BILL} was edited: its SHA-256 is not that in manifest.json",)
    file.unlink()
    assert verify_pack(file, key).damage == (f"{BILL} is missing",)


def test_a_command_prints_the_bill_or_writes_it_into_a_new_file(demo, registered, tmp_path, called):
    words = ["registry", "bom", "pricing", registered.version, "--workspace", demo.root]
    wanted = encoded_record(bill(demo, registered)).decode()
    assert called(main, *words)[:2] == (ExitCode.GOOD, wanted)
    out = tmp_path / "pricing.cdx.json"
    code, said, _ = called(main, *words, "--out", out)
    assert (code, out.read_text()) == (ExitCode.GOOD, wanted)
    assert said == f"{out}: bill of materials of pricing {registered.version}, CycloneDX {SPEC_VERSION}\n"
    assert called(main, *words, "--out", out)[0] == ExitCode.USAGE


def test_a_program_gets_the_same_bytes(demo, registered):
    registry = ModelRegistry(MLOpsConfig.from_yaml(workspace=demo.root))
    assert registry.bill_of_materials("pricing", registered.version) == encoded_record(bill(demo, registered))
