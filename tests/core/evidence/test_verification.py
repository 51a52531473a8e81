"""Packs verify themselves on a machine without the workspace, and every edited byte is found and named."""

import json
import shutil

import msgspec
import pytest

from core.errors import NotFoundError, UsageError
from core.evidence import verify_pack
from core.evidence.pack import EvidencePack
from core.evidence.signing import encoded_pack
from core.governance import AuditLog
from core.state import Workspace

FILES = ("evidence.html", "evidence.json", "manifest.json")


@pytest.fixture
def elsewhere(built, packs, key, demo, tmp_path):
    """The pack and the public key on another machine; the workspace is gone."""
    folder = tmp_path / "auditor"
    shutil.copytree(packs.folder_of(built), folder)
    shutil.copy(key, tmp_path / "bondx.pub")
    anchor = AuditLog(demo).anchor()
    shutil.rmtree(demo.root)
    return folder, tmp_path / "bondx.pub", anchor


@pytest.mark.parametrize("named", ["", *FILES])
def test_a_pack_is_intact_without_its_workspace(elsewhere, named):
    folder, key, _ = elsewhere
    verdict = verify_pack(folder / named, key)
    assert verdict.damage == ()
    assert verdict.ok
    assert (verdict.subject, verdict.n_records > 3) == ("spread/1.3.0", True)
    assert verdict.n_vouched >= verdict.n_sources - 3  # the settings, and what no record is about


@pytest.mark.parametrize("name", FILES)
def test_every_edited_byte_is_found_and_its_file_named(elsewhere, name):
    folder, key, _ = elsewhere
    content = (folder / name).read_bytes()
    for at in range(0, len(content), max(1, len(content) // 150)):
        for changed in (content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :], content[:at] + content[at + 1 :]):
            (folder / name).write_bytes(changed)
            verdict = verify_pack(folder, key)
            assert not verdict.ok, at
            assert any(sentence.startswith(name) for sentence in verdict.damage), (at, verdict.damage)
    (folder / name).write_bytes(content)
    assert verify_pack(folder, key).ok


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("add", [b" ", b"\n"])
def test_a_byte_at_the_end_is_found_too(elsewhere, name, add):
    folder, key, _ = elsewhere
    with (folder / name).open("ab") as file:
        file.write(add)
    assert any(sentence.startswith(name) for sentence in verify_pack(folder, key).damage)


def rewritten(folder, change):
    """Edit the data of a pack as somebody would who keeps it readable."""
    pack = json.loads((folder / "evidence.json").read_text())
    change(pack)
    decoded = msgspec.convert(pack, EvidencePack)
    (folder / "evidence.json").write_bytes(encoded_pack(decoded))


def better(pack):
    for table in pack["sections"][5]["tables"]:
        table["rows"][0][1][0] = "0.9999"


def no_alert(pack):
    pack["sections"][15]["tables"] = pack["sections"][15]["tables"][:1]


def another_line(pack):
    pack["proof"]["records"][0]["line"] = pack["proof"]["records"][0]["line"].replace('"reason":"', '"reason":"not ')


def another_document(pack):
    source = next(each for each in pack["sources"] if each["kind"] == "document")
    source["content"] = source["content"].replace("Staging", "Production")


def one_source_less(pack):
    del pack["sources"][0]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        pytest.param(better, "section 6 ('Performance') was edited", id="a figure"),
        pytest.param(no_alert, "section 16 ('Change log, approvals, retirement') was edited", id="a table"),
        pytest.param(another_line, "is not in the audit log under the signed root", id="a quoted record"),
        pytest.param(another_document, "is not what its hash says", id="a document"),
        pytest.param(one_source_less, "source S1 ('') is missing", id="a source"),
    ],
)
def test_an_edited_part_is_named(elsewhere, change, named):
    folder, key, _ = elsewhere
    rewritten(folder, change)
    damage = verify_pack(folder, key).damage
    assert any(named in sentence for sentence in damage), damage


def test_a_pack_that_was_signed_anew_with_another_key_is_refused(elsewhere, tmp_path):
    folder, key, _ = elsewhere
    from core.governance.keys import AuditKeys

    (tmp_path / "forger").mkdir()
    forger = AuditKeys(tmp_path / "forger")
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["public_key"] = forger.public_key()
    (folder / "manifest.json").write_text(json.dumps(manifest))
    assert (
        verify_pack(folder, key).damage[0] == "manifest.json was signed with another key than this one, or was edited"
    )
    assert not verify_pack(folder, tmp_path / "forger" / "audit-signing.pub").ok


def test_a_log_that_was_rebuilt_does_not_agree_with_an_anchor_kept_elsewhere(elsewhere, demo):
    folder, key, anchor = elsewhere
    newest = json.loads((folder / "manifest.json").read_text())
    kept = msgspec.structs.replace(anchor, sequence=newest["audit_sequence"], hash=newest["audit_hash"])
    verdict = verify_pack(folder, key, [kept])
    assert (verdict.ok, verdict.n_anchors) == (True, 1)
    other = msgspec.structs.replace(kept, hash="0" * 64)
    assert "is not the one that was anchored" in verify_pack(folder, key, [other]).damage[0]
    assert "no anchor is about a record that the pack quotes" in verify_pack(folder, key, [anchor]).damage[0]


@pytest.mark.parametrize("name", ["evidence.html", "evidence.json"])
def test_a_missing_file_is_named(elsewhere, name):
    folder, key, _ = elsewhere
    (folder / name).unlink()
    assert f"{name} is missing" in verify_pack(folder, key).damage


@pytest.mark.parametrize("name", ["evidence.pdf", "evidence-annex.html", ".hidden", "a\nb", "dir"])
def test_what_was_added_is_named_and_the_pack_not_intact(elsewhere, name):
    folder, key, _ = elsewhere
    if name == "dir":
        (folder / name).mkdir()
    else:
        (folder / name).write_bytes(b"forged")
    (found,) = verify_pack(folder if name == "dir" else folder / name, key).damage
    assert found.endswith(" was added: manifest.json does not list it, so nobody signed it")
    assert name.partition("\n")[0] in found


def test_of_many_added_files_some_are_named_and_all_counted(elsewhere):
    folder, key, _ = elsewhere
    for number in range(23):
        (folder / f"{number:02d}.txt").touch()
    verdict = verify_pack(folder, key)
    assert (len(verdict.damage), verdict.damage[-1][:25]) == (21, "3 more files were added, ")


@pytest.mark.parametrize("name", ["bill.cdx.json", "provenance.json"])
def test_a_file_that_only_other_packs_have_is_added_too(elsewhere, name):
    folder, key, _ = elsewhere
    listed = (folder / name).exists()
    (folder / name).write_bytes(b"forged")
    (found,) = verify_pack(folder, key).damage
    assert found.startswith(f"{name} was {'edited' if listed else 'added'}")


def test_the_key_an_anchor_and_what_git_keeps_may_lie_beside_the_files(elsewhere):
    folder, key, _ = elsewhere
    shutil.copy(key, folder / "bondx.pub")
    (folder / "anchors.jsonl").touch()
    (folder / ".git").mkdir()
    assert verify_pack(folder, folder / "bondx.pub", beside=[folder / "anchors.jsonl"]).ok
    assert not verify_pack(folder, key).ok


def test_a_file_that_is_not_there_is_no_pack(elsewhere):
    folder, key, _ = elsewhere
    with pytest.raises(NotFoundError, match=r"There is no .*missing\.pdf"):
        verify_pack(folder / "missing.pdf", key)


def test_a_planted_pdf_is_not_listed_among_the_files_of_a_pack(built, packs):
    folder = packs.folder_of(built)
    (folder / "evidence.pdf").write_bytes(b"forged")
    assert [file.name for file in packs.files_of(built)] == ["evidence.html"]
    (folder / "evidence.pdf").unlink()


def test_a_folder_without_a_pack_and_a_file_that_is_no_key_are_refused(elsewhere, tmp_path):
    folder, key, _ = elsewhere
    with pytest.raises(NotFoundError, match="holds no evidence pack"):
        verify_pack(tmp_path, key)
    with pytest.raises(UsageError, match="is no Ed25519 public key in PEM"):
        verify_pack(folder, folder / "manifest.json")
    with pytest.raises(UsageError, match="cannot be read"):
        verify_pack(folder, tmp_path / "missing")


def test_a_pack_verifies_in_its_workspace_too(built, packs, key, demo):
    assert verify_pack(packs.folder_of(built), key).ok
    assert Workspace.open(demo.root)
