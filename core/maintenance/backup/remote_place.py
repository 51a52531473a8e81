"""Backups on a file system elsewhere, through fsspec: an object store, an FTP or SFTP server, and the like.

Such a file system has no locks, no `rename` that everyone can rely on, and may show a file that is partly written.
So one writer at a time says by a file of its own that it is at work (`writer.py`); before it writes, it leaves the file
`backups/unfinished`, which goes when it has ended well. Whoever finds that file knows that content which no backup
names may be cut short, and removes it. A manifest is written under another name first, and is the last step.
"""

import errno
import ftplib
import functools
import os
import random
import re
import socket
import stat
import threading
import time
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from core.clock import to_iso, utc_now
from core.confinement import confine, require_inside
from core.errors import UsageError
from core.escape import escaped
from core.files import (
    PRIVATE_FILE,
    PRIVATE_FOLDER,
    UNFINISHED,
    make_folder,
    make_root,
    open_to_write,
    rename,
    write_all,
)
from core.json_documents import decode_json
from core.maintenance.backup.errors import BackupBusyError
from core.maintenance.backup.place import ASIDE, TargetError
from core.maintenance.backup.writer import (
    ALIVE_EVERY,
    LOST_AFTER,
    PREFIX,
    BackupWriter,
    is_dead,
    this_writer,
    writers,
)
from core.output_files import require_output
from core.settings.backup_address import MASK, BackupAddress, masked, require_extra

N_AT_ONCE: Final = 8
_BACKUPS, _OBJECTS, _MARK = "backups", "objects", "backups/unfinished"
_SECRETS = ("password", "passwd", "secret", "token", "key", "pass", "passphrase", "connection_string")
_CHANGES = ("write", "remove", "rename")
_FLAT = ("s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "adl", "oci", "oss", "r2", "memory")
"""File systems without folders: making one would make a bucket of a mistyped name."""
_WITHOUT_RANGES = ("ftp", "ftps")
_MOST_OF_REASON = 300
_LEAST_OF_SECRET, _LEAST_OF_ENCODED = 8, 4
_ATTEMPTS, _MOST_PAUSE_SECONDS = 4, 2.0
_REMEDY = " If that process is gone, remove this file; after an hour without a sign of life nobody waits for it."
_now = time.time
_held: set[str] = set()
PlaceAnswer = TypeVar("PlaceAnswer")


class _Told(msgspec.Struct, frozen=True, kw_only=True):
    """What the file of a writer says for people."""

    host: str = ""
    process: int = 0
    since: str = ""


class RemotePlace:
    """A file system elsewhere that holds backups."""

    n_readers = N_AT_ONCE

    def __init__(self, address: BackupAddress, *, option: str = "--to") -> None:
        """Open the file system.

        Raises:
            UsageError: The extra or the package of this file system is not installed, or nobody knows the file system.
            RefusedError: It is a folder of this machine in a workspace.
            TargetError: It does not answer, or refuses the credentials.
        """
        require_extra(address)
        if (folder := address.folder) is not None:
            require_output(folder, option=option, follows=True)
        self._address = address
        self._of_thread = threading.local()
        self._shared: Any = None
        self._shared = self._opened()
        self._writer: BackupWriter | None = None
        self._alive_at = 0.0
        self._is_unclean = False
        self._present: dict[str, int] = {}
        self._uploads: dict[str, Future[None]] = {}
        self._room = threading.BoundedSemaphore(2 * N_AT_ONCE)
        self._pool: ThreadPoolExecutor | None = None
        self._making = threading.Lock()

    def __str__(self) -> str:
        return self._address.text

    def where(self, name: str) -> str:
        """Return the address of a file."""
        return f"{self._address.text}/{name}".rstrip("/")

    # One writer

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the place for one writer.

        Raises:
            BackupBusyError: Another process writes to it.
            TargetError: It cannot be written.
        """
        self._close_to_others()
        self._writer = writer = self._acquired()
        is_over = threading.Event()
        alive = threading.Thread(target=self._stay_alive, args=(is_over,), name="backup-alive", daemon=True)
        alive.start()
        try:
            self._is_unclean = _base(_MARK) in self.names(_BACKUPS)
            if not self._is_unclean:
                self._put(_MARK, b"A backup is being written; the next one removes what it left.\n")
            yield
            if not self._is_unclean:
                self.remove([_MARK])
        finally:
            is_over.set()
            alive.join()
            if self._pool is not None:
                self._pool.shutdown(cancel_futures=True)
            self._pool, self._uploads, self._writer = None, {}, None
            with suppress(TargetError):  # it counts as dead, since this process does not hold it any more
                self.remove(self._files_of(writer))
            _held.discard(writer.token)

    def _close_to_others(self) -> None:
        """Make a folder of this machine, and close it and what is in it to other accounts, as far as that can be."""
        if (folder := self._address.folder) is None:
            return
        self._asked("write", "", lambda _, path: make_root(Path(path)))
        confine(folder)
        for place, folders, files in os.walk(folder):
            with suppress(OSError):
                os.chmod(place, PRIVATE_FOLDER)
            if Path(place) == folder:
                folders[:] = [name for name in folders if name in (_BACKUPS, _OBJECTS)]
            for name in files:
                with suppress(OSError):
                    found = os.lstat(file := f"{place}/{name}")
                    # A file with another name is somebody else's, too.
                    if stat.S_ISREG(found.st_mode) and found.st_mode & 0o077 and found.st_nlink == 1:
                        os.chmod(file, PRIVATE_FILE)

    def _acquired(self) -> BackupWriter:
        """Leave a file that says who writes, unless somebody else writes."""
        for left in reversed(range(_ATTEMPTS)):
            self._refuse_others(None)
            writer = this_writer(_now())
            _held.add(writer.token)
            try:
                self._put(f"{_BACKUPS}/{writer.name}", _told())
                self._alive_at = time.monotonic()
                self._refuse_others(writer)
            except BaseException as error:
                with suppress(TargetError):
                    self.remove(self._files_of(writer))
                _held.discard(writer.token)
                if not (isinstance(error, BackupBusyError) and left):
                    raise
                time.sleep(random.uniform(0.1, _MOST_PAUSE_SECONDS))  # both came at once, and both step back
            else:
                return writer
        raise AssertionError("the last attempt returns or raises")

    def _refuse_others(self, own: BackupWriter | None) -> None:
        names = self.names(_BACKUPS)
        found = writers(names)
        if own is not None and own.token not in {each.token for each in found}:
            raise TargetError(self.where(_BACKUPS), "list", "a file that was just written is not in it")
        others = [each for each in found if own is None or each.token != own.token]
        for each in others:
            if not is_dead(each, _now(), _held):
                raise BackupBusyError(self.where(f"{_BACKUPS}/{each.name}"), self._described(each), remedy=_REMEDY)
        if own is not None:
            self.remove(f"{_BACKUPS}/{name}" for each in others for name in names if _is_of(name, each))

    def _described(self, writer: BackupWriter) -> str:
        try:
            told = decode_json(self.read(f"{_BACKUPS}/{writer.name}", most=1 << 12), type=_Told)
            return escaped(f"process {told.process} on {told.host}, since {told.since},")
        except (OSError, TargetError, msgspec.DecodeError):
            return "another process"

    def _stay_alive(self, is_over: threading.Event) -> None:
        """Say now and then that the writer is alive; a file system that does not answer is asked again."""
        while not is_over.wait(ALIVE_EVERY.total_seconds()):
            with suppress(Exception):
                self.show_alive()

    def show_alive(self) -> None:
        """Leave a file with the present time, and remove the one before.

        Raises:
            TargetError: It cannot be written.
        """
        if (former := self._writer) is None:
            return
        begun = time.monotonic()
        writer = msgspec.structs.replace(former, alive_at=int(_now()))
        if writer != former:
            self._put(f"{_BACKUPS}/{writer.name}", _told())
            self._writer = writer
            self.remove([f"{_BACKUPS}/{former.name}"])
        self._alive_at = begun

    def _require_held(self) -> None:
        """Refuse to let a backup count if another writer may have come.

        Raises:
            TargetError: It may.
        """
        is_late = time.monotonic() - self._alive_at > LOST_AFTER.total_seconds()
        if self._writer is None or is_late or not any(self._files_of(self._writer)):
            reason = "this writer could not show that it is alive for too long, and another may have taken its place"
            raise TargetError(self.where(_BACKUPS), "write", reason)

    def _files_of(self, writer: BackupWriter) -> list[str]:
        return [f"{_BACKUPS}/{name}" for name in self.names(_BACKUPS) if _is_of(name, writer)]

    # Content

    def begin(self) -> bool:
        """Remove unfinished manifests, learn what content is here, and say whether some of it may be cut short."""
        self.remove(f"{_BACKUPS}/{name}" for name in self.names(_BACKUPS) if name.endswith(UNFINISHED))
        self._present = dict(self.objects())
        return self._is_unclean

    def swept(self) -> None:
        """Learn that nothing is here any more that may be cut short."""
        self._is_unclean = False

    def size_of(self, name: str) -> int | None:
        """Return the size of some content; None if it is not here."""
        return self._present.get(name)

    def set_aside(self, name: str) -> None:
        """Give damaged content another name.

        Raises:
            TargetError: It cannot be renamed.
        """
        self._asked("rename", name, lambda file_system, path: self._move(file_system, path, path + ASIDE))
        self._present.pop(name, None)

    def stage(self, name: str, content: bytes) -> None:
        """Send new content, several files at once.

        Raises:
            TargetError: An earlier one could not be sent.
        """
        for sent in [each for each, sending in self._uploads.items() if sending.done()]:
            self._uploads.pop(sent).result()
        self._room.acquire()
        sending = self._workers().submit(self._put, name, content)
        sending.add_done_callback(lambda _: self._room.release())
        self._uploads[name] = sending
        self._present[name] = len(content)

    def settle(self, names: Iterable[str]) -> int:
        """Wait until all new content is there.

        Raises:
            TargetError: Some could not be sent.
        """
        names = list(names)
        for name in names:
            if name in self._uploads:
                self._uploads.pop(name).result()
        return sum(self._present[name] for name in names)

    def discard(self, names: Iterable[str]) -> None:
        """Remove new content; if that fails, the next backup does."""
        for sending in self._uploads.values():
            sending.cancel()
        with suppress(Exception):
            for sending in self._uploads.values():
                if not sending.cancelled():
                    sending.exception()
        self._uploads = {}
        names = list(names)
        try:
            here = self.objects()
            self.remove(name for name in names if name in here)
            self._present = {name: size for name, size in here.items() if name not in set(names)}
        except TargetError:
            self._is_unclean = True

    def read(self, name: str, *, most: int) -> bytes:
        """Return the first bytes of a file.

        Raises:
            FileNotFoundError: There is none.
            OSError: It is a pipe, a device or the like.
            TargetError: The file system does not answer.
        """
        if (sending := self._uploads.get(name)) is not None:
            sending.result()
        if self._address.folder is not None and not stat.S_ISREG(os.stat(self._path(name)).st_mode):
            raise OSError(errno.EINVAL, "it is not a plain file", self.where(name))  # a pipe would never end
        return self._asked("read", name, lambda file_system, path: self._content(file_system, path, most))[:most]

    def _content(self, file_system: Any, path: str, most: int) -> bytes:
        if self._address.scheme not in _WITHOUT_RANGES:
            try:
                return bytes(file_system.cat_file(path, start=0, end=most))
            except FileNotFoundError:
                raise
            except Exception:  # an empty file has no range; the whole file says what is wrong
                pass
        return bytes(file_system.cat_file(path))

    def write(self, name: str, content: bytes) -> None:
        """Write a file whole: under another name first.

        Raises:
            TargetError: It cannot be written, or another writer may have come.
        """
        self._require_held()
        unfinished = name + UNFINISHED
        self._put(unfinished, content)
        self._asked("write", name, lambda file_system, path: self._move(file_system, self._path(unfinished), path))
        try:
            is_there = self.read(name, most=len(content) + 1) == content
        except FileNotFoundError:
            is_there = False
        if not is_there:
            raise TargetError(self.where(name), "write", "what is read is not what was written")
        try:
            self._require_held()
        except TargetError:
            self.remove([name])
            raise

    def names(self, folder: str) -> list[str]:
        """Return the names in a folder.

        Raises:
            TargetError: It cannot be listed.
        """
        return [_base(entry["name"]) for entry in self._entries(folder)]

    def objects(self) -> Mapping[str, int]:
        """Return the size of all content.

        Raises:
            TargetError: It cannot be listed.
        """
        if self._address.scheme in _FLAT:
            return self._flat_objects()
        folders = [_base(each["name"]) for each in self._entries(_OBJECTS) if each["type"] == "directory"]
        found: dict[str, int] = {}
        with ThreadPoolExecutor(N_AT_ONCE, thread_name_prefix="backup-list") as pool:
            for folder, entries in zip(
                folders, pool.map(self._entries, (f"{_OBJECTS}/{each}" for each in folders)), strict=True
            ):
                found |= {f"{_OBJECTS}/{folder}/{_base(each['name'])}": int(each["size"] or 0) for each in entries}
        return found

    def _flat_objects(self) -> dict[str, int]:
        def all_files(file_system: Any, path: str) -> dict[str, Any]:
            file_system.invalidate_cache()
            return dict(file_system.find(path, detail=True))

        try:
            found = self._asked("list", _OBJECTS, all_files)
        except FileNotFoundError:
            return {}
        return {
            "/".join([_OBJECTS, *path.rstrip("/").split("/")[-2:]]): int(entry["size"] or 0)
            for path, entry in found.items()
        }

    def remove(self, names: Iterable[str]) -> None:
        """Remove files that are there.

        Raises:
            TargetError: One cannot be removed.
        """

        def remove_one(name: str) -> None:
            try:
                self._asked("remove", name, lambda file_system, path: file_system.rm_file(path))
            except FileNotFoundError:
                pass
            except TargetError:  # not every library tells a file that is gone
                if _base(name) in self.names(name.rpartition("/")[0]):
                    raise
            self._present.pop(name, None)

        names = list(names)
        if len(names) < N_AT_ONCE:
            for name in names:
                remove_one(name)
        else:
            with ThreadPoolExecutor(N_AT_ONCE, thread_name_prefix="backup-remove") as pool:
                list(pool.map(remove_one, names))

    def is_new(self, first: str) -> bool:
        """Say whether nothing is here yet but the files of writers, and an unfinished first file.

        Raises:
            TargetError: It cannot be listed.
        """
        if set(self.names("")) - {_BACKUPS, first + UNFINISHED}:
            return False
        return all(name.startswith(PREFIX) or name == _base(_MARK) for name in self.names(_BACKUPS))

    def make(self, name: str, content: bytes) -> None:
        """Write the first file, unless another process was faster.

        Raises:
            BackupBusyError: Another process writes to the place.
            TargetError: It cannot be written.
        """
        with self.locked():
            if name not in self.names(""):
                self.write(name, content)

    def _entries(self, folder: str) -> list[dict[str, Any]]:
        """Return what is in a folder, as the file system itself says it now."""

        def listed(file_system: Any, path: str) -> list[dict[str, Any]]:
            file_system.invalidate_cache()
            found = file_system.ls(path, detail=True)
            return [each for each in found if each["name"].strip("/") != path.strip("/")]

        try:
            return self._asked("list", folder, listed)
        except FileNotFoundError:
            return []

    # Asking the file system

    def _put(self, name: str, content: bytes) -> None:
        def put(file_system: Any, path: str) -> None:
            if self._address.folder is not None:
                _write_private(Path(path), content)
                return
            for _ in range(_ATTEMPTS - 1):
                try:
                    file_system.pipe_file(path, content)
                    return
                except Exception:  # each library has errors of its own; the last attempt tells them
                    if self._address.scheme not in _FLAT:
                        self._make_folder(file_system, path.rpartition("/")[0])
            file_system.pipe_file(path, content)

        self._asked("write", name, put)

    def _move(self, file_system: Any, path: str, name: str) -> None:
        if self._address.folder is not None:  # fsspec would move it into a folder that has the name
            rename(Path(path), Path(name))
        else:
            file_system.mv(path, name)

    def _make_folder(self, file_system: Any, path: str) -> None:
        with self._making, suppress(Exception):  # another process may make it at the same time
            file_system.invalidate_cache()
            file_system.makedirs(path, exist_ok=True)

    def _asked(self, action: str, name: str, ask: Callable[[Any, str], PlaceAnswer]) -> PlaceAnswer:
        """Ask the file system for something.

        Raises:
            FileNotFoundError: There is no such file.
            TargetError: It did not do it; the sentence holds no credential.
        """
        file_system = self._file_system()
        try:
            if self._address.folder is not None and action in _CHANGES:
                require_inside(Path(self._path(name)), follows=False)
            return ask(file_system, self._path(name))
        except FileNotFoundError as error:
            if not _is_other_trouble(error):
                if action == "write":
                    raise TargetError(str(self), action, "there is no such bucket or folder") from None
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), self.where(name)) from None
            raise TargetError(self.where(name), action, _reason(error.__cause__ or error, file_system)) from None
        except Exception as error:  # each library has errors of its own
            raise TargetError(self.where(name), action, _reason(error, file_system)) from None

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}".rstrip("/")

    @functools.cached_property
    def _root(self) -> str:
        return str(self._shared._strip_protocol(self._address.text)).rstrip("/")

    def _file_system(self) -> Any:
        """Return a file system for this thread: a connection of FTP or SFTP serves one at a time."""
        if self._shared.async_impl:
            return self._shared
        if (found := getattr(self._of_thread, "file_system", None)) is None:
            found = self._of_thread.file_system = self._opened()
        return found

    def _opened(self) -> Any:
        import fsspec

        scheme = self._address.scheme
        try:
            return fsspec.core.url_to_fs(self._address.text, skip_instance_cache=True)[0]
        except ImportError as error:
            raise UsageError(f"{scheme}:// needs a package that is not installed: {_reason(error)}.") from None
        except ValueError as error:
            if "not known" not in str(error):
                raise TargetError(str(self), "open", _reason(error)) from None
            raise UsageError(
                f"{scheme}:// is no file system that fsspec knows. Name a folder, or an address such as s3://, gs://, "
                "sftp:// or ftp://."
            ) from None
        except Exception as error:
            raise TargetError(str(self), "open", _reason(error)) from None

    def _workers(self) -> ThreadPoolExecutor:
        if self._pool is None:
            self._pool = ThreadPoolExecutor(N_AT_ONCE, thread_name_prefix="backup")
        return self._pool


def _is_other_trouble(error: FileNotFoundError) -> bool:
    """Say whether a library calls another trouble a missing file.

    fsspec's FTP does so for every refusal; that a file is missing has the number 550.

    Source:
        RFC 959, 4.2: 4yz is a transient refusal.
    """
    cause = error.__cause__
    return isinstance(cause, ftplib.Error | OSError) and not (
        isinstance(cause, FileNotFoundError) or str(cause).startswith("550")
    )


def _reason(error: BaseException, file_system: Any = None) -> str:
    """Say what a library complains about, in one line and without a credential."""
    from fsspec.config import conf  # what the environment and its own files say, of every file system

    text = masked(" ".join(str(error).split()) or type(error).__name__)
    environ = {name: value for name, value in os.environ.items() if len(value) >= _LEAST_OF_SECRET}
    for secret in _secrets_in([environ, conf, getattr(file_system, "storage_options", None)]):
        text = _spellings_of(secret).sub(MASK, text)
    return escaped(text)[:_MOST_OF_REASON].rstrip(". ")


def _secrets_in(options: Any, name: str = "") -> Iterator[str]:
    """Yield the values that may be credentials, however deep they lie in options."""
    if isinstance(options, Mapping):
        for inner, value in options.items():
            yield from _secrets_in(value, inner if isinstance(inner, str) else name)
    elif isinstance(options, list | tuple):
        for value in options:
            yield from _secrets_in(value, name)
    elif isinstance(options, str) and options and any(each in name.lower() for each in _SECRETS):
        yield options


def _spellings_of(secret: str) -> re.Pattern[str]:
    """Return what finds a secret: as it is, percent-encoded, as hex digits, and in base64.

    >>> spelled = "p@ss word", "P%40ss+word", "7040737320776f7264", "70 40 73 73 20 77 6F 72 64", "cEBzcyB3b3Jk"
    >>> {_spellings_of("p@ss word").sub("***", text) for text in spelled}
    {'***'}
    """
    spelled = [re.escape(secret)]
    if len(encoded := secret.encode(errors="surrogatepass")) >= _LEAST_OF_ENCODED:
        forms = (_forms_of(each) for each in encoded)
        spelled += ["".join(forms)]
        spelled += [re.escape(make(encoded).decode().rstrip("=")) + "=*" for make in (b64encode, urlsafe_b64encode)]
    return re.compile("|".join(spelled), re.IGNORECASE)


def _forms_of(byte: int) -> str:
    character = re.escape(chr(byte)) + (r"|\+" if byte == ord(" ") else "")
    return rf"(?:{character}|(?:%|\\x|0x|[\s:,=-])*{byte:02x})"


def _write_private(path: Path, content: bytes) -> None:
    """Write a file of this machine that no other account can read, whatever the umask is; fsspec follows that.

    Raises:
        OSError: It cannot be written, or it is a link.
    """
    make_folder(path.parent)
    descriptor = open_to_write(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW)
    try:
        os.fchmod(descriptor, PRIVATE_FILE)
        os.ftruncate(descriptor, 0)
        write_all(descriptor, content)
    finally:
        os.close(descriptor)


def _told() -> bytes:
    told = _Told(host=socket.gethostname(), process=os.getpid(), since=to_iso(utc_now()))
    return msgspec.json.encode(told) + b"\n"


def _is_of(name: str, writer: BackupWriter) -> bool:
    return name.startswith(f"{PREFIX}{writer.token}-")


def _base(path: str | Path) -> str:
    return str(path).rstrip("/").rpartition("/")[2]
