"""Backups at addresses that fsspec opens: what lies there is whole, whoever is killed, and no credential is shown."""

import base64
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, quote_plus

import fsspec
import pytest

from console.cli.main import main
from core.errors import ExitCode, NotFoundError, RefusedError, UsageError
from core.files import UNFINISHED
from core.maintenance.backup import BackupDamagedError, BackupRepository, create_backup, restore_workspace, target_of
from core.maintenance.backup import remote_place as remote
from core.maintenance.backup.errors import BackupBusyError, TargetInUseError
from core.maintenance.backup.folder_place import FolderPlace
from core.maintenance.backup.place import TargetError
from core.maintenance.backup.repository import MARKER
from core.maintenance.backup.writer import DEAD_AFTER, BackupWriter, is_dead, this_machine, this_writer, writers
from core.settings import backup_address
from core.settings.backup import BackupSettings
from core.state import Workspace
from tests.core.maintenance.backup.conftest import ANA, KEY, add_version
from tests.ftp_server import PASSWORD, USER, serving

HERE = Path(__file__)
WRITER = """
import os, signal, sys
from pathlib import Path
from core.maintenance.backup import create_backup, target_of
from core.maintenance.backup import remote_place as remote
from core.state import Workspace
from tests.core.maintenance.backup.conftest import ANA

workspace, target, last = Workspace.open(Path(sys.argv[1])), target_of(sys.argv[2]), int(sys.argv[3])
asked, n = remote.RemotePlace._asked, [0]

def asked_until_killed(self, action, name, ask):
    if action in ("write", "remove"):
        n[0] += 1
        if n[0] == last:
            place = self._address.folder / name
            if action == "write" and not name.endswith("unfinished"):
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(b"z cut short")
            os.kill(os.getpid(), signal.SIGKILL)
    return asked(self, action, name, ask)

remote.RemotePlace._asked = asked_until_killed
remote.N_AT_ONCE = 1
print(create_backup(workspace, target, None, actor=ANA, keep=2).backup_id, n[0], flush=True)
"""


@pytest.fixture(scope="module")
def ftp(tmp_path_factory) -> Iterator[str]:
    with serving(tmp_path_factory.mktemp("ftp")) as port:
        yield f"ftp://127.0.0.1:{port}"


@pytest.fixture(params=["file", "memory", "ftp"])
def address(request, tmp_path, monkeypatch) -> Iterator[str]:
    """An address of each kind that needs nothing outside this machine."""
    if request.param == "ftp":
        monkeypatch.setitem(fsspec.config.conf, "ftp", {"username": USER, "password": PASSWORD})
        yield f"{request.getfixturevalue('ftp')}/{tmp_path.name}"
    elif request.param == "memory":
        monkeypatch.setattr(backup_address, "_KEPT_BY_NOBODY", ())
        yield f"memory://{tmp_path.name}"
        fsspec.filesystem("memory").store.clear()
    else:
        yield f"file://{tmp_path}/elsewhere"


@pytest.fixture
def elsewhere(tmp_path) -> str:
    return f"file://{tmp_path}/elsewhere"


def backed_up(workspace: Workspace, address: str, key: bytes | None = None, **more):
    return create_backup(workspace, target_of(address), key, actor=ANA, **more)


def opened(address: str, key: bytes | None = None) -> BackupRepository:
    return BackupRepository.open(target_of(address), key)


def contents(folder: Path) -> dict[str, bytes]:
    skipped = ("cache/", "logs/", "state/", "audit/", "telemetry/")
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    return {name: path.read_bytes() for name, path in files.items() if not name.startswith(skipped)}


def left_in(folder: Path) -> set[str]:
    """Return what a writer left beside whole backups and their content."""
    names = {path.name for path in folder.rglob("*") if path.is_file()}
    return {name for name in names if not re.fullmatch(r"[0-9a-f]{64}|b-.*Z(-\d+)?\.(json|sha256)|bondx-.*", name)}


@pytest.mark.parametrize("key", [None, KEY], ids=["readable", "encrypted"])
def test_a_workspace_is_backed_up_verified_and_restored_elsewhere(full, address, tmp_path, key):
    first = backed_up(full, address, key)
    add_version(full, "spread", "three")
    second = backed_up(full, address, key)
    assert 0 < second.n_new_bytes < first.n_new_bytes
    assert second.n_unchanged_files > 0
    assert (second.folder, second.problems) == (address, ())
    repository = opened(address, key)
    assert [each.backup_id for each in repository.listed()] == [second.backup_id, first.backup_id]
    assert all(repository.verify(each).ok for each in repository.ids())
    restored = restore_workspace(repository, second.backup_id, tmp_path / "back", actor=ANA)
    assert restored.n_versions == 4
    assert contents(tmp_path / "back") == contents(full.root)


def test_only_the_newest_stay_with_what_they_need(full, address):
    for content in ("three", "four", "five"):
        add_version(full, "spread", content)
        last = backed_up(full, address, keep=2)
    repository = opened(address)
    assert len(repository.ids()) == 2
    assert len(last.removed) == 1
    needed = {chunk for each in repository.ids() for file in repository.read(each).files for chunk in file.chunks}
    assert set(repository._objects()) == needed
    assert all(repository.verify(each).ok for each in repository.ids())


def test_an_address_and_a_folder_hold_the_same_form(full, elsewhere, tmp_path):
    made = backed_up(full, elsewhere)
    folder = BackupRepository.open(tmp_path / "elsewhere", None)
    assert folder.verify(made.backup_id).ok
    create_backup(full, tmp_path / "elsewhere", None, actor=ANA)
    assert len(opened(elsewhere).ids()) == 2


def killed(workspace: Workspace, address: str, last: int) -> tuple[int, str]:
    run = subprocess.run(
        [sys.executable, "-c", WRITER, str(workspace.root), address, str(last)],
        capture_output=True,
        text=True,
        cwd=HERE.parents[4],
    )
    assert run.returncode in (0, -signal.SIGKILL), run.stderr
    return run.returncode, run.stdout


def test_a_writer_killed_at_any_request_leaves_every_earlier_backup_and_the_next_one_is_whole(
    full, elsewhere, tmp_path
):
    folder = tmp_path / "elsewhere"
    former = backed_up(full, elsewhere).backup_id
    add_version(full, "spread", "three")
    code, last = -signal.SIGKILL, 0
    while code:
        last += 4  # every step of a backup has some requests
        code, out = killed(full, elsewhere, last)
        repository = opened(elsewhere)
        ids = repository.ids()
        assert former in ids or len(ids) == 2, f"killed at request {last}"
        assert all(repository.verify(each).ok for each in ids), f"killed at request {last}"
        if code and last % 8 == 0:
            made = backed_up(full, elsewhere, keep=2)
            repository = opened(elsewhere)
            assert all(repository.verify(each).ok for each in repository.ids()), f"after request {last}"
            needed = {
                chunk for each in repository.ids() for file in repository.read(each).files for chunk in file.chunks
            }
            assert set(repository._objects()) == needed
            assert left_in(folder) == set()
            former = made.backup_id
            (full.datasets_dir / f"more-{last}.csv").write_text(f"a\n{last}\n" * 10)
    assert last > 12, "the writer did little"
    assert out.split()[0] in opened(elsewhere).ids()


def test_content_cut_short_by_a_killed_writer_is_written_again_beside_a_damaged_backup(full, elsewhere, tmp_path):
    former = backed_up(full, elsewhere).backup_id
    add_version(full, "spread", "three")
    assert killed(full, elsewhere, 6)[0] == -signal.SIGKILL
    cut = [path for path in (tmp_path / "elsewhere" / "objects").glob("*/*") if path.read_bytes() == b"z cut short"]
    assert cut, "it was killed while it sent content"
    manifest = tmp_path / "elsewhere" / "backups" / f"{former}.json"
    manifest.write_bytes(manifest.read_bytes()[:-1])
    made = backed_up(full, elsewhere)
    repository = opened(elsewhere)
    assert repository.verify(made.backup_id).ok
    assert not repository.verify(former).ok


def test_two_writers_at_once_lose_nothing(full, elsewhere):
    words = [sys.executable, "-c", WRITER.replace(", keep=2", ""), "{}", elsewhere, "-1"]
    others = [full.root]
    for n in range(2):
        other = Workspace.create(full.root.parent / f"other-{n}", settings_text="")
        (other.datasets_dir / "rows.csv").write_text(f"a\n{n}\n" * 1000)
        others.append(other.root)
    running = [
        subprocess.Popen(
            [word.format(root) for word in words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=HERE.parents[4],
        )
        for root in others
    ]
    ended = [(process, *process.communicate()) for process in running]
    repository = opened(elsewhere)
    acknowledged = [out.split()[0] for process, out, _ in ended if process.returncode == 0]
    assert acknowledged, [err for _, _, err in ended]
    assert all("BackupBusyError" in err for process, _, err in ended if process.returncode)
    assert sorted(acknowledged) == repository.ids()
    assert all(repository.verify(each).ok for each in acknowledged)


@pytest.mark.parametrize("left", [f"{MARKER}{UNFINISHED}", f".{MARKER}.4242-1{UNFINISHED}"])
def test_a_place_whose_first_file_was_cut_short_is_taken_in_use(full, tmp_path, left):
    place = tmp_path / "elsewhere"
    place.mkdir()
    (place / left).write_text('{"form')
    address = place if left.startswith(".") else f"file://{place}"
    assert backed_up(full, str(address)).backup_id in BackupRepository.open(place, None).ids()


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_a_place_that_another_process_makes_in_between_is_not_held_to_be_somebody_elses(
    full, tmp_path, monkeypatch, kind
):
    place, made = tmp_path / "elsewhere", []
    other = Workspace.create(full.root.parent / "other", settings_text="")
    address = str(place) if kind == "folder" else f"file://{place}"
    whole = (remote.RemotePlace if kind == "file" else FolderPlace).names

    def names(self, folder):
        found = whole(self, folder)
        if not folder and not made:
            made.append(True)
            backed_up(other, address)
        return found

    monkeypatch.setattr(remote.RemotePlace if kind == "file" else FolderPlace, "names", names)
    assert len({backed_up(full, address).backup_id, *BackupRepository.open(place, None).ids()}) == 2


@pytest.mark.parametrize("linked", ["objects", "backups"])
def test_nothing_is_written_or_removed_through_a_link_that_leads_out_of_a_file_address(
    full, elsewhere, tmp_path, linked
):
    backed_up(full, elsewhere)
    victim = f"file://{tmp_path}/victim"
    backed_up(full, victim)
    before = {path: path.read_bytes() for path in (tmp_path / "victim").rglob("*") if path.is_file()}
    shutil.rmtree(tmp_path / "elsewhere" / linked)
    (tmp_path / "elsewhere" / linked).symlink_to(tmp_path / "victim" / linked)
    if linked == "objects":
        (tmp_path / "elsewhere" / "backups" / "unfinished").touch()
    with pytest.raises(TargetError, match="is a link that leads out"):
        backed_up(full, elsewhere, keep=1)
    assert {path: path.read_bytes() for path in (tmp_path / "victim").rglob("*") if path.is_file()} == before


def test_content_is_set_aside_in_the_place_itself_and_only_if_it_was_read(full, elsewhere, tmp_path, monkeypatch):
    backed_up(full, elsewhere)
    repository, folder = opened(elsewhere), tmp_path / "elsewhere"
    first, second = sorted((folder / "objects").glob("*/*"))[:2]
    first.write_bytes(first.read_bytes()[:-1] + b"?")
    (tmp_path / "outside").mkdir()
    (first.parent / f"{first.name}.damaged").symlink_to(tmp_path / "outside")
    read = remote.RemotePlace.read

    def read_unless(self, name, *, most):
        if name.endswith(second.name):
            raise PermissionError(13, "Permission denied")
        return read(self, name, most=most)

    monkeypatch.setattr(remote.RemotePlace, "read", read_unless)
    assert repository.set_aside([first.name, second.name]) == [f"{elsewhere}/{first.relative_to(folder)}"]
    assert second.exists()
    assert list((tmp_path / "outside").iterdir()) == []
    assert [path.is_file() and not path.is_symlink() for path in first.parent.glob("*.damaged")] == [True]


def test_a_second_writer_is_refused_and_told_who_writes(full, address):
    repository = opened(address) if backed_up(full, address) else None
    with repository.locked(), pytest.raises(BackupBusyError, match=rf"process {os.getpid()} on .* since 20"):
        backed_up(full, address)
    assert backed_up(full, address).backup_id in opened(address).ids()


def test_who_counts_as_dead():
    now = 1_800_000_000.0
    own = this_writer(now)
    assert not is_dead(own, now, {own.token})
    assert is_dead(own, now, set()), "another writer of this process, which ended"
    gone = subprocess.Popen(["true"])
    gone.wait()
    assert is_dead(
        BackupWriter(token="0" * 16, machine=this_machine(), pid=gone.pid, began=1, alive_at=int(now)), now, ()
    )
    elsewhere = BackupWriter(token="0" * 16, machine="f" * 12, pid=own.pid, began=own.began, alive_at=int(now))
    assert not is_dead(elsewhere, now + DEAD_AFTER.total_seconds(), ())
    assert is_dead(elsewhere, now + DEAD_AFTER.total_seconds() + 1, ())
    assert not is_dead(elsewhere, now - DEAD_AFTER.total_seconds(), ())
    assert is_dead(elsewhere, now - DEAD_AFTER.total_seconds() - 1, ()), "its time is ahead, which is no sign of life"
    assert writers([own.name, "lock-x.json", "unfinished", "b-20261127T201724Z.json"]) == [own]


@pytest.mark.parametrize(("minutes", "is_waited_for"), [(59, True), (61, False), (-59, True), (-61, False)])
def test_a_writer_of_another_machine_is_waited_for_until_it_shows_no_life_for_an_hour(
    full, elsewhere, tmp_path, minutes, is_waited_for
):
    backed_up(full, elsewhere)
    alive_at = int(remote._now() - 60 * minutes)
    other = BackupWriter(token="0" * 16, machine="f" * 12, pid=1, began=1, alive_at=alive_at)
    (tmp_path / "elsewhere" / "backups" / other.name).write_bytes(b"{")
    if is_waited_for:
        with pytest.raises(BackupBusyError, match=r"another process holds .* If that process is gone, remove"):
            backed_up(full, elsewhere)
        assert left_in(tmp_path / "elsewhere") == {other.name}
    else:
        backed_up(full, elsewhere)
        assert left_in(tmp_path / "elsewhere") == set()


def test_a_writer_shows_that_it_is_alive(full, elsewhere, tmp_path, monkeypatch):
    backed_up(full, elsewhere)
    place = opened(elsewhere).place
    backups = tmp_path / "elsewhere" / "backups"
    with place.locked():
        (before,) = backups.glob("lock-*")
        monkeypatch.setattr(remote, "_now", lambda: before.stat().st_mtime + 300)
        place.show_alive()
        (after,) = backups.glob("lock-*")
        assert writers([after.name])[0].alive_at > writers([before.name])[0].alive_at
    assert list(backups.glob("lock-*")) == []


@pytest.mark.parametrize("how", ["its file was removed", "it was still for too long"])
def test_the_backup_of_a_writer_that_others_may_take_for_dead_does_not_count(
    full, elsewhere, tmp_path, how, monkeypatch
):
    former = backed_up(full, elsewhere).backup_id
    settle = BackupRepository.settle

    def settle_late(self):
        if how == "its file was removed":
            for each in (tmp_path / "elsewhere" / "backups").glob("lock-*"):
                each.unlink()
        else:
            self.place._alive_at -= 21 * 60
        return settle(self)

    monkeypatch.setattr(BackupRepository, "settle", settle_late)
    with pytest.raises(TargetError, match="could not show that it is alive"):
        backed_up(full, elsewhere)
    assert opened(elsewhere).ids() == [former]
    monkeypatch.setattr(BackupRepository, "settle", settle)
    made = backed_up(full, elsewhere)
    assert opened(elsewhere).verify(made.backup_id).ok


@pytest.mark.parametrize("umask", [0o000, 0o022])
@pytest.mark.parametrize("scheme", ["file", "local"])
def test_a_folder_that_an_address_names_is_closed_to_other_accounts(full, tmp_path, scheme, umask):
    def left_open() -> list[Path]:
        places = [tmp_path / "elsewhere", *(tmp_path / "elsewhere").rglob("*")]
        return [path for path in places if path.stat().st_mode & 0o077]

    address = f"{scheme}://{tmp_path}/elsewhere"
    former = os.umask(umask)
    try:
        backed_up(full, address)
        assert left_open() == []
        for path in (tmp_path / "elsewhere", *(tmp_path / "elsewhere").rglob("*")):
            path.chmod(0o777 if path.is_dir() else 0o666)  # as releases before left them
        backed_up(full, address)
        assert left_open() == []
    finally:
        os.umask(former)


@pytest.mark.parametrize("harm", ["cut", "changed", "emptied", "removed", "exchanged", "a pipe"])
def test_harmed_content_is_found_and_named(full, elsewhere, tmp_path, harm):
    made = backed_up(full, elsewhere, KEY)
    places = sorted((tmp_path / "elsewhere" / "objects").glob("*/*"), key=lambda path: path.stat().st_size)
    content = places[-1].read_bytes()
    harmed = {
        "cut": content[:-1],
        "changed": content[:40] + bytes([content[40] ^ 1]) + content[41:],
        "emptied": b"",
        "exchanged": places[0].read_bytes(),
    }
    places[-1].write_bytes(harmed[harm]) if harm in harmed else places[-1].unlink()
    if harm == "a pipe":  # nobody writes to it, so whoever opens it waits
        os.mkfifo(places[-1])
    verdict = opened(elsewhere, KEY).verify(made.backup_id)
    assert not verdict.ok
    assert f"{elsewhere}/objects/{places[-1].parent.name}/{places[-1].name} " in verdict.damage[0]
    with pytest.raises(BackupDamagedError):
        restore_workspace(opened(elsewhere, KEY), made.backup_id, tmp_path / "back", actor=ANA)
    assert not (tmp_path / "back").exists()


def test_a_file_system_that_does_not_answer_says_nothing_about_a_backup(full, elsewhere, monkeypatch):
    made = backed_up(full, elsewhere)
    repository = opened(elsewhere)

    def refuse(self, file_system, path, most):
        raise ConnectionResetError("reset by peer of file://ana:secret@host")

    monkeypatch.setattr(remote.RemotePlace, "_content", refuse)
    with pytest.raises(TargetError, match=r"Cannot read .*: reset by peer of file://\*\*\*@host"):
        repository.verify(made.backup_id)


def test_a_backup_that_cannot_be_sent_counts_nothing(full, elsewhere, tmp_path, monkeypatch):
    backed_up(full, elsewhere)
    ids = opened(elsewhere).ids()
    (full.datasets_dir / "large.bin").write_bytes(os.urandom(1 << 20))
    put = remote.RemotePlace._put

    def refuse(self, name, content):
        if len(content) > 1 << 20:
            raise TargetError(self.where(name), "write", "quota exceeded")
        put(self, name, content)

    monkeypatch.setattr(remote.RemotePlace, "_put", refuse)
    with pytest.raises(TargetError, match="quota exceeded"):
        backed_up(full, elsewhere)
    assert opened(elsewhere).ids() == ids
    monkeypatch.setattr(remote.RemotePlace, "_put", put)
    assert opened(elsewhere).verify(backed_up(full, elsewhere).backup_id).ok
    assert left_in(tmp_path / "elsewhere") == set()


def test_a_place_with_something_else_is_refused(full, elsewhere, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "thesis.tex").write_text("x")
    with pytest.raises(TargetInUseError, match="holds something else than backups"):
        backed_up(full, elsewhere)
    with pytest.raises(NotFoundError, match=f"bondx backup --to {elsewhere}"):
        opened(elsewhere)


def test_a_file_address_of_this_machine_by_name_is_that_without_a_host(full, elsewhere, tmp_path):
    made = backed_up(full, elsewhere.replace("file://", "FILE://LocalHost"))
    assert Path(made.folder.partition("://")[2]) == tmp_path / "elsewhere"
    assert opened(elsewhere).verify(made.backup_id).ok


def test_the_workspace_itself_is_no_place_for_its_backups(full):
    with pytest.raises(RefusedError, match="is in the workspace"):
        backed_up(full, f"file://{full.root}/backups")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("ftp://ana:s3cret@host/safe", "ftp://***@host/safe holds a password"),
        ("s3://AKIA:s3/cret@safe/desk", "holds a password"),
        ("s3://safe/desk?token=s3cret", "s3://safe/desk?*** holds a query or a fragment"),
        ("simplecache::s3://safe", "is a chain of two"),
        ("s3://", "names no place"),
        ("file://localhost", "names no place"),
        ("file://localhost/", "names no place"),
        ("memory://safe/desk", "is the memory of this process, which keeps nothing"),
        ("file://safe/desk", "names the host 'safe', and a file address means this machine"),
        ("local://127.0.0.1/desk", "names the host '127.0.0.1'"),
        ("s3://safe/a b", "holds blanks or hidden characters"),
        ("ftp:/bob:s3cret@h/x", "ftp:/***@h/x is in no form that is known"),
        ("ftp:bob:s3cret@h/x", "ftp:***@h/x is in no form that is known"),
        (" ftp://bob:s3cret@h/x", "***@h/x' holds blanks"),
        ("file:/x/y", "file:/x/y is in no form that is known. Name it as in s3://safe/desk"),
        ("arrow_hdfs://h", "arrow_hdfs://h is in no form that is known"),
        ("://bob:s3cret@h", "is in no form that is known"),
        ("ftp://bob:s3cret\uff20h/x", "ftp://***@h/x holds a password"),
        ("ftp\uff1a//bob:s3cret@h/x", "ftp://***@h/x holds a password"),
        ("s3://b/x#s3cret", "s3://b/x#*** holds a query or a fragment"),
        ("ftp://bob:s3cret", "holds a password"),
        ("a://bob:s3cret@h::b://c", "is a chain of two"),
    ],
)
def test_an_address_that_cannot_be_used_is_refused_without_showing_its_secret(text, complaint):
    with pytest.raises(UsageError) as raised:
        target_of(text)
    assert complaint in str(raised.value)
    assert "s3cret" not in str(raised.value)
    with pytest.raises(ValueError, match="to: The address") as raised:
        BackupSettings(to=text)
    assert "s3cret" not in str(raised.value)


def test_a_mistyped_address_makes_no_folder_and_its_password_stands_nowhere(full, called, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.iterdir())
    for words in (("backup", "--to"), ("backup", "verify", "--from"), ("restore", "--from")):
        code, _, err = called(main, "--workspace", full.root, *words, "ftp:/bob:HUNTER2@h/x")
        assert (code, "is in no form that is known" in err, "HUNTER2" in err) == (ExitCode.USAGE, True, False)
    assert sorted(tmp_path.iterdir()) == before
    files = [path for path in full.root.rglob("*") if path.is_file()]
    assert not [path for path in files if b"HUNTER2" in path.read_bytes()]


def test_the_account_of_a_server_that_refuses_it_is_not_shown(full, ftp, monkeypatch):
    monkeypatch.setitem(fsspec.config.conf, "ftp", {"username": USER, "password": "not-the-password"})
    with pytest.raises(TargetError, match="530") as raised:
        backed_up(full, f"{ftp}/refused")
    assert "not-the-password" not in str(raised.value)


def test_a_credential_in_the_words_of_a_library_is_not_shown(full, elsewhere, monkeypatch):
    backed_up(full, elsewhere)
    monkeypatch.setitem(fsspec.config.conf, "file", {"auth_token": PASSWORD})

    def refuse(self, file_system, path, most):
        raise OSError(f"cannot log in as {USER} with {PASSWORD}")

    monkeypatch.setattr(remote.RemotePlace, "_content", refuse)
    with pytest.raises(TargetError, match=r"cannot log in as keeper with \*\*\*") as raised:
        opened(elsewhere)
    assert PASSWORD not in str(raised.value)


@pytest.mark.parametrize("where", ["options", "deep options", "environment"])
@pytest.mark.parametrize(
    "spell",
    [
        quote,
        quote_plus,
        lambda text: "".join(f"%{byte:02x}" for byte in text.encode()),
        lambda text: text.encode().hex(),
        lambda text: text.encode().hex(" ").upper(),
        lambda text: base64.b64encode(text.encode()).decode(),
    ],
)
def test_a_credential_that_a_server_spells_otherwise_is_not_shown(full, elsewhere, monkeypatch, where, spell):
    secret = "p@ss/w\u00f6rd &HUNTER2"
    backed_up(full, elsewhere)
    if where == "environment":
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secret)
    else:
        options = {"password": secret}
        monkeypatch.setitem(fsspec.config.conf, "file", {"client_kwargs": options} if where[0] == "d" else options)

    def refuse(self, file_system, path, most):
        raise OSError(f"no login with [{spell(secret)}]")

    monkeypatch.setattr(remote.RemotePlace, "_content", refuse)
    with pytest.raises(TargetError, match=r"no login with \[\*\*\*\]"):
        opened(elsewhere)


def test_no_credential_is_written_anywhere(full, ftp, monkeypatch, caplog):
    monkeypatch.setitem(fsspec.config.conf, "ftp", {"username": USER, "password": PASSWORD})
    result = backed_up(full, f"{ftp}/quiet")
    said = [repr(result), caplog.text, json.dumps([str(each) for each in opened(f"{ftp}/quiet").listed()])]
    written = [path.read_bytes().decode(errors="replace") for path in full.root.rglob("*") if path.is_file()]
    assert not [text for text in (*said, *written) if PASSWORD in text]


def test_without_the_extra_one_sentence_says_what_to_install(full, elsewhere, monkeypatch):
    monkeypatch.setattr(backup_address, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"need the extra fsspec, .* pip install 'bondx-console\[fsspec\]'"):
        backed_up(full, elsewhere)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [("s3://safe/desk", "needs a package that is not installed: Install s3fs"), ("moon://safe", "fsspec knows")],
)
def test_a_file_system_without_its_package_is_one_sentence(full, text, complaint):
    with pytest.raises(UsageError, match=complaint):
        backed_up(full, text)
