"""The audit finds what an advisory says of a pinned version, and says why where it cannot."""

import json
import os
import zipfile
from datetime import date

import pytest

from tools import audit

TODAY = date(2026, 11, 30)


def advisory(
    name="Some_Package", *, number="GHSA-1", versions=(), events=(), kind="ECOSYSTEM", ecosystem="PyPI", **more
):
    ranges = [{"type": kind, "events": list(events)}] if events else []
    affected = {"package": {"ecosystem": ecosystem, "name": name}, "ranges": ranges, "versions": list(versions)}
    return {"id": number, "modified": "2026-11-29T10:00:00Z", "affected": [affected], **more}


@pytest.fixture
def ask(tmp_path, capsys):
    """Audit pins against advisories in a folder; return exit code, findings, and what is said beside them."""
    (tmp_path / "osv").mkdir()
    (tmp_path / "ignored.toml").write_text("")

    def asked(*advisories, pins="some.package==1.5\n", ignored="", place=None):
        for number, each in enumerate(advisories):
            (tmp_path / "osv" / f"{number}.json").write_text(each if isinstance(each, str) else json.dumps(each))
        (tmp_path / "constraints.txt").write_text(pins)
        (tmp_path / "ignored.toml").write_text(ignored)
        words = ["--constraints", tmp_path / "constraints.txt", "--ignored", tmp_path / "ignored.toml"]
        code = audit.main([*map(str, words), "--advisories", str(place or tmp_path / "osv")], today=TODAY)
        said = capsys.readouterr()
        return code, said.out.splitlines(), said.err

    return asked


def test_a_finding_has_its_id_package_installed_and_fixed_version_and_ends_with_1(ask):
    events = [{"introduced": "0"}, {"fixed": "1.4"}, {"introduced": "1.5"}, {"fixed": "1.6.1"}]
    found = advisory(events=events, aliases=["CVE-2026-1"], summary="It \x1b[31mleaks.")
    code, (line,), said = ask(found)
    assert code == 1
    assert line.startswith("GHSA-1 (CVE-2026-1)  some-package 1.5  fixed in 1.6.1  It ")
    assert "\x1b" not in line
    assert "1 pinned versions, 1 advisories, 1 known vulnerabilities" in said
    assert ask(found, pins="some-package==1.4.9\n")[:2] == (0, [])


@pytest.mark.parametrize(
    ("events", "affected", "safe"),
    [
        ([{"introduced": "0"}, {"fixed": "1.5"}], ["0", "0a1.dev1", "1.5rc1", "1.4"], ["1.5", "1.5.post1", "1!0"]),
        ([{"introduced": "1.5"}], ["1.5", "99"], ["1.5rc1", "1.4.99"]),
        ([{"introduced": "1.0"}, {"last_affected": "1.5"}], ["1.0", "1.5", "1.5.0"], ["0.9", "1.5.post1", "1.5.1"]),
        ([{"fixed": "1.2"}, {"introduced": "1.0"}], ["1.1"], ["1.2", "0.9"]),  # in any order
        ([{"introduced": "1.0"}, {"fixed": "1.2"}, {"introduced": "1.10"}], ["1.10", "1.11"], ["1.9"]),
        ([{"introduced": "1.0"}, {"fixed": "1.2"}, {"introduced": "1.2"}], ["1.2"], []),
        ([{"introduced": "0"}, {"limit": "2.0"}], ["1.9"], ["2.0"]),
        ([{"introduced": "0"}, {"limit": "*"}], ["9"], []),
        ([{"introduced": "0"}, {"fixed": "2004d"}], ["1.5"], []),  # no version of PEP 440 ends nothing
        ([{"introduced": "2004d"}], ["1.5"], []),
        ([{"introduced": "0"}, {"fixed": "9" * 5000}], ["1.5"], []),
        ([{"introduced": "0"}, {"fixed": "1.5+local"}], ["1.5"], ["1.5+local.1"]),
    ],
)
def test_ranges_follow_the_specification_in_the_order_of_pep_440(events, affected, safe, ask):
    for version in affected:
        assert ask(advisory(events=events), pins=f"some-package=={version}\n")[0] == 1, version
    for version in safe:
        assert ask(advisory(events=events), pins=f"some-package=={version}\n")[0] == 0, version


def test_listed_versions_count_however_they_are_spelled_and_commits_do_not(ask):
    assert ask(advisory(versions=["1.5.0"]))[0] == 1
    assert ask(advisory(versions=["1.5.0.post1", "no version"]))[0] == 0
    assert ask(advisory(events=[{"introduced": "0"}], kind="GIT"))[0] == 0
    code, (line,), _ = ask(advisory(versions=["1.5"]))
    assert (code, "no fixed version is known" in line) == (1, True)


@pytest.mark.parametrize("name", ["some-package", "Some.Package", "SOME__PACKAGE", "some-.package"])
def test_names_are_one_in_every_spelling(name, ask):
    assert ask(advisory(name, versions=["1.5"]), pins="sOmE_package==1.5  # why\n\n# a remark\n")[0] == 1


def test_what_was_withdrawn_or_is_of_another_ecosystem_or_package_is_no_finding(ask):
    ours = advisory("other", number="GHSA-9", versions=["1.5"])
    assert ask(ours, advisory(versions=["1.5"], withdrawn="2026-11-01T00:00:00Z"))[0] == 0
    assert ask(ours, advisory(versions=["1.5"], ecosystem="npm"))[0] == 0
    assert ask(ours, advisory(versions=["1.5"], ecosystem="PyPI:mirror"))[0] == 1


def test_one_vulnerability_of_two_databases_is_one_finding(ask):
    first = advisory(number="GHSA-1", aliases=["CVE-1"], events=[{"introduced": "0"}, {"fixed": "1.10"}])
    second = advisory(
        number="PYSEC-1", aliases=["CVE-1"], events=[{"introduced": "0"}, {"fixed": "1.9"}], summary="It leaks."
    )
    _, lines, _ = ask(first, second)
    assert lines == ["GHSA-1 (CVE-1, PYSEC-1)  some-package 1.5  fixed in 1.9  It leaks."]


def test_an_ignored_vulnerability_counts_again_after_its_end(ask):
    found = advisory(versions=["1.5"], aliases=["CVE-1"])
    entry = '[[ignored]]\nid = "CVE-1"\nreason = "not called"\nuntil = {}\n'
    assert ask(found, ignored=entry.format("2026-11-30"))[:2] == (0, [])
    assert ask(found, ignored=entry.format("2026-11-30") + 'package = "Some.Package"\n')[0] == 0
    assert ask(found, ignored=entry.format("2026-11-30") + 'package = "other"\n')[0] == 1
    code, _, said = ask(found, ignored=entry.format("2026-11-29"))
    assert code == 1
    assert "CVE-1 counts again, its entry has ended on 2026-11-29: not called" in said
    assert "CVE-2 is ignored and not found any more" in ask(found, ignored=entry.replace("E-1", "E-2").format(TODAY))[2]


@pytest.mark.parametrize(
    "text",
    [
        '[[ignored]]\nid = "A"\nuntil = 2027-01-01\n',
        '[[ignored]]\nid = "A"\nreason = " "\nuntil = 2027-01-01\n',
        '[[ignored]]\nid = "A"\nreason = "x"\n',
        '[[ignored]]\nid = "A"\nreason = "x"\nuntil = "soon"\n',
        '[[ignored]]\nid = "A"\nreason = "x"\nuntil = 2027-01-01\nwhy = "y"\n',
        "ignored = 1\n",
        "[[ignored",
        "a = " + "[" * 5000,
    ],
)
def test_an_entry_without_reason_or_end_is_refused(text, ask):
    code, _, said = ask(advisory(versions=["1.5"]), ignored=text)
    assert code == 2
    assert "each [[ignored]] has id, reason and until" in said


@pytest.mark.parametrize("line", ["some-package>=1.5", "some-package", "some package==1", "some-package==latest"])
def test_a_line_that_is_no_pin_is_refused(line, ask):
    code, _, said = ask(advisory(versions=["1.5"]), pins=f"good==1\n{line}\n")
    assert (code, "line 2: " in said) == (2, True)


def test_without_data_it_says_what_to_do_and_is_not_clean(ask, tmp_path, capsys):
    assert audit.main([]) == 2
    said = capsys.readouterr().err
    assert "nothing is downloaded here: fetch https://osv-" in said
    assert "make audit ADVISORIES=all.zip" in said
    assert "holds no advisory for PyPI" in ask()[2]
    assert "holds no advisory for PyPI" in ask(advisory(ecosystem="npm"))[2]
    code, _, said = ask(place=tmp_path / "missing.zip")
    assert (code, "missing.zip' cannot be read (No such file or directory)" in said) == (2, True)


def test_old_data_are_named(ask):
    old = advisory("other", versions=["1"]) | {"modified": "2026-10-01T00:00:00Z"}
    code, _, said = ask(old)
    assert (code, "the newest advisory is of 2026-10-01: fetch newer ones" in said) == (0, True)


def test_a_zip_is_read_as_it_comes(ask, tmp_path):
    with zipfile.ZipFile(tmp_path / "all.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("GHSA-1.json", json.dumps(advisory(versions=["1.5"])))
        archive.writestr("README.txt", "no advisory")
    assert ask(place=tmp_path / "all.zip")[0] == 1


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "[" * 100_000, '{"id": "A"}', '{"id": 1, "modified": "2026-01-01T00:00:00Z"}', "\udcff"],
)
def test_a_file_that_is_no_advisory_is_refused(text, ask, tmp_path):
    (tmp_path / "osv" / "bad.json").write_bytes(text.encode(errors="surrogateescape"))
    code, lines, said = ask(advisory(versions=["1.5"]))
    assert (code, lines) == (2, [])
    assert "bad.json' is not an advisory in the OSV format" in said


@pytest.mark.parametrize(
    "more",
    [
        {"id": "A\x1b[31m"},
        {"aliases": ["A B"]},
        {"modified": "2026-01-01T00:00:00"},
        {"affected": [{"package": {"ecosystem": "PyPI", "name": "x"}, "versions": "1.5"}]},
    ],
)
def test_an_advisory_of_another_form_is_refused(more, ask):
    code, _, said = ask(advisory(versions=["1.5"]) | more)
    assert code == 2
    assert "is not an advisory in the OSV format" in said
    assert "\x1b" not in said


def test_hostile_places_are_refused(ask, tmp_path, monkeypatch):
    monkeypatch.setattr(audit, "MOST_BYTES", 1000)
    code, _, said = ask(advisory(versions=["1.5"]), advisory(summary="x" * 1000))
    assert (code, "1.json' is too much" in said) == (2, True)
    (tmp_path / "osv" / "1.json").unlink()
    for make in (os.mkfifo, lambda place: place.symlink_to("/etc/hostname")):
        make(tmp_path / "osv" / "1.json")
        code, _, said = ask()
        assert (code, "1.json' cannot be read" in said) == (2, True)
        (tmp_path / "osv" / "1.json").unlink()
    bomb, whole = tmp_path / "bomb.zip", tmp_path / "whole.zip"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.json", b" " * 10_000_000)
    assert "is too much" in ask(place=bomb)[2]
    with zipfile.ZipFile(whole, "w") as archive:
        archive.writestr("a.json", json.dumps(advisory(versions=["1.5"])))
    content = whole.read_bytes()
    for damaged in (content[:-30], content.replace(b"modified", b"modifief", 1), b"no zip"):
        whole.write_bytes(damaged)
        code, _, said = ask(place=whole)
        assert (code, "whole.zip' cannot be read as a zip" in said) == (2, True)


def test_our_own_lists_can_be_read():
    assert audit.pinned(audit.ROOT / "constraints.txt")["packaging"]
    audit.read_ignored(audit.ROOT / "tools" / "audit_ignored.toml")


def test_json_has_every_field(ask, tmp_path, capsys):
    ask(advisory(versions=["1.5"]))
    words = ["--constraints", tmp_path / "constraints.txt", "--advisories", tmp_path / "osv", "--json"]
    assert audit.main([*map(str, words)], today=TODAY) == 1
    (found,) = json.loads(capsys.readouterr().out)
    assert (found["id"], found["package"], found["installed"], found["fixed"]) == ("GHSA-1", "some-package", "1.5", "")
