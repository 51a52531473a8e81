"""`bondx backup` and `bondx restore`: what they print, and how they end."""

import json
import os

import pytest

from console.cli.main import main
from core.errors import ExitCode


@pytest.fixture
def run(called, workspace):
    return lambda *words: called(main, "--workspace", workspace.root, *words)


def test_a_backup_is_made_listed_verified_and_restored(run, called, workspace, tmp_path):
    code, out, err = run("backup", "--to", tmp_path / "safe", "--reason", "before the move")
    assert (code, err) == (ExitCode.GOOD, "")
    backup_id = out.split()[0]
    assert f"in {tmp_path}/safe, not encrypted" in out
    assert "new there, read again; what was there fits in size;" in out
    code, out, _ = run("backup", "list", "--from", tmp_path / "safe")
    assert (code, backup_id in out) == (ExitCode.GOOD, True)
    code, out, _ = run("backup", "verify", "--from", tmp_path / "safe")
    assert (code, out.startswith(f"{backup_id}: intact (")) == (ExitCode.GOOD, True)
    code, out, _ = called(main, "--workspace", tmp_path / "new", "restore", "--from", tmp_path / "safe")
    assert (code, f"is the workspace of {backup_id}" in out) == (ExitCode.GOOD, True)
    code, out, _ = called(main, "--workspace", tmp_path / "new", "audit", "verify")
    assert (code, "chain intact" in out) == (ExitCode.GOOD, True)
    code, _, err = called(main, "--workspace", tmp_path / "new", "restore", "--from", tmp_path / "safe")
    assert (code, "is not empty" in err) == (ExitCode.REFUSED, True)


def test_a_damaged_backup_is_a_finding(run, tmp_path):
    run("backup", "--to", tmp_path / "safe")
    place = max((tmp_path / "safe" / "objects").glob("*/*"), key=lambda path: path.stat().st_size)
    place.write_bytes(place.read_bytes()[:-1])
    code, out, err = run("backup", "verify", "--from", tmp_path / "safe")
    assert (code, out) == (ExitCode.FAILING, "")
    assert "is damaged." in err
    assert place.name in err


@pytest.mark.parametrize("kind", ["a folder", "an address"])
def test_damaged_content_is_set_aside_and_the_next_backup_writes_it_again(run, workspace, tmp_path, kind):
    to = tmp_path / "safe" if kind == "a folder" else f"file://{tmp_path}/safe"
    (workspace.datasets_dir / "rows.bin").write_bytes(os.urandom(10_000))
    run("backup", "--to", to)
    place = max((tmp_path / "safe" / "objects").glob("*/*"), key=lambda path: path.stat().st_size)
    content = place.read_bytes()
    place.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    code, out, err = run("backup", "verify", "--set-aside", "--from", to)
    assert (code, out) == (ExitCode.FAILING, "")
    assert f"{place.name} was set aside. Take another backup" in err
    assert place.with_name(f"{place.name}.damaged").is_file()
    code, _, err = run("backup", "--to", to)
    assert (code, err) == (ExitCode.GOOD, "")
    code, out, _ = run("backup", "verify", "--from", to)
    assert (code, out.count("intact")) == (ExitCode.GOOD, 2)


def test_the_settings_name_folder_key_and_number(run, workspace, tmp_path):
    (tmp_path / "key").write_text("k" * 32)
    (tmp_path / "key").chmod(0o600)
    workspace.settings_file.write_text("backup: {to: ../safe, keep: 1, key_file: ../key}\n")
    for _ in range(2):
        code, out, _ = run("backup", "--json")
        assert (code, json.loads(out)["is_encrypted"]) == (ExitCode.GOOD, True)
    code, out, _ = run("backup", "list", "--json")
    assert (code, len(json.loads(out))) == (ExitCode.GOOD, 1)


def test_without_a_folder_the_command_says_where_to_name_it(run):
    code, _, err = run("backup")
    assert (code, "set backup.to in bondx.yaml" in err) == (ExitCode.USAGE, True)


def test_the_key_comes_from_the_environment_and_a_wrong_one_is_refused(run, tmp_path, monkeypatch):
    monkeypatch.setenv("BACKUP_KEY", "0123456789abcdef")
    assert run("backup", "--to", tmp_path / "safe", "--key-env", "BACKUP_KEY")[0] == ExitCode.GOOD
    monkeypatch.setenv("BACKUP_KEY", "0123456789abcdeF")
    code, _, err = run("backup", "verify", "--from", tmp_path / "safe", "--key-env", "BACKUP_KEY")
    assert (code, "This is not the key of the backups" in err) == (ExitCode.USAGE, True)
    code, _, err = run("backup", "list", "--from", tmp_path / "safe")
    assert (code, "are encrypted: name their key" in err) == (ExitCode.USAGE, True)


def test_an_address_is_a_place_for_every_verb(run, called, tmp_path):
    address = f"file://{tmp_path}/elsewhere"
    code, out, err = run("backup", "--to", address, "--keep", "1")
    assert (code, err) == (ExitCode.GOOD, "")
    backup_id = out.split()[0]
    assert f"in {address}, not encrypted" in out
    code, out, _ = run("backup", "list", "--from", address)
    assert (code, backup_id in out, f"{address} takes " in out) == (ExitCode.GOOD, True, True)
    code, out, _ = run("backup", "verify", "--from", address)
    assert (code, out.startswith(f"{backup_id}: intact (")) == (ExitCode.GOOD, True)
    code, out, _ = called(main, "--workspace", tmp_path / "new", "restore", "--from", address)
    assert (code, f"is the workspace of {backup_id}" in out) == (ExitCode.GOOD, True)


def test_a_password_in_the_settings_is_refused_and_not_shown(run, workspace):
    workspace.settings_file.write_text("backup: {to: 'ftp://ana:s3cret@host/safe'}\n")
    code, out, err = run("backup")
    assert (code, out, "s3cret" in err) == (ExitCode.USAGE, "", False)
    assert "ftp://***@host/safe holds a password" in err


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        pytest.param(("backup",), "give --to FOLDER, or set backup.to in bondx.yaml", id="no place"),
        pytest.param(("backup", "list"), "give --from FOLDER, or set backup.to in bondx.yaml", id="no place to list"),
        pytest.param(("backup", "--to", "ftp://a:b@host/safe"), "ftp://***@host/safe holds a password", id="password"),
        pytest.param(("restore", "--from", "moon://safe"), "fsspec knows", id="an unknown file system"),
        pytest.param(("backup", "--to", "/proc/safe"), "Cannot make", id="a folder that cannot be made"),
        pytest.param(("backup", "list", "--from", "/no/such"), "holds no backups", id="no folder"),
        pytest.param(("restore", "--from", "/no/such"), "holds no backups", id="nothing to restore from"),
        pytest.param(("backup", "--to", "x" * 300), "cannot be used: File name too long", id="a name too long"),
        pytest.param(("backup", "--keep", "0", "--to", "x"), "--keep", id="no backup kept"),
    ],
)
def test_bad_input_is_one_clear_line(run, words, complaint):
    code, out, err = run(*words)
    assert code in (ExitCode.USAGE, ExitCode.REFUSED)
    assert out == ""
    assert complaint in err
    assert "Traceback" not in err


def test_a_full_restore_leaves_the_files_to_their_owner_alone(run, called, tmp_path):
    run("backup", "--to", tmp_path / "safe")
    called(main, "--workspace", tmp_path / "new", "restore", "--from", tmp_path / "safe")
    assert not [path for path in (tmp_path / "new").rglob("*") if os.stat(path).st_mode & 0o077]
