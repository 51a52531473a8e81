"""The loop of a replica: ask the control plane for changes, bring what is new, and serve on alone for a while."""

import logging
import os
import socket
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import httpx
import msgspec

from core.client.errors import ClientError, NotAllowedError, RejectedError, UnknownModelError
from core.client.http import Http
from core.client.retry_policy import Timeouts
from core.clock import Clock, utc_now
from core.errors import CoreError
from core.escape import shown
from core.files import make_folder, remove_file
from core.home_paths import at_home
from core.lock_files import locked_within, open_lock, unlock
from core.plain_files import read_file
from core.replication.contacts import EVERY_HEADER, host_headers
from core.replication.download import VersionDownload
from core.replication.errors import NotReplicaError, UntrustedVersionError
from core.replication.mirror import apply_state, has_own_models, require_sound, withdraw
from core.replication.offer import ReplicaState
from core.replication.outbox import OUTBOX, batches_in
from core.replication.standing import FOLDER, ReplicaStanding, read_standing, standing_file, store_standing
from core.settings.following import FollowSettings
from core.state import Workspace

log = logging.getLogger(__name__)

STATE_PATH = "/api/v1/replica"
RECORDS_PATH = "/api/v1/replica/records"
_TIMEOUTS = Timeouts(connect_seconds=5.0, answer_seconds=30.0, total_seconds=60.0)
_NOT_MODIFIED = 304
_MOST_KEY_BYTES = 1 << 16
_NOTED_EVERY = timedelta(minutes=1)
_OTHERS = 0o077
_STOP_SECONDS = 5.0
_LEAVE_SECONDS = 2.0


class Follower:
    """Keeps the workspace of a replica as its control plane has it. One process does it; `run` does it in a thread."""

    def __init__(
        self,
        workspace: Workspace,
        settings: FollowSettings,
        *,
        clock: Clock = utc_now,
        environ: Mapping[str, str] | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """Prepare; nothing is asked yet.

        Args:
            workspace: The replica's own.
            settings: What it follows.
            clock: The time.
            environ: The environment; by default that of this process.
            transport: What carries requests; None for the network.
        Raises:
            NotReplicaError: The workspace has models of its own, or a file of the settings cannot be used.
            RejectedError: A certificate cannot be used.
        """
        self._workspace = workspace
        self._settings = settings
        self._clock = clock
        self._folder = workspace.root / FOLDER
        self._file = standing_file(workspace.root)
        stored = read_standing(self._file)
        if stored is None and has_own_models(workspace):
            raise NotReplicaError(
                f"{workspace.root} has models of its own, which serving.follow would replace: follow {settings.url} "
                "from a workspace of its own (bondx init)."
            )
        if stored is None or stored.url != settings.url:
            stored = ReplicaStanding(url=settings.url, contact_at=None if stored is None else stored.contact_at)
        self._standing = stored
        self._stored_at = stored.contact_at  # of the last contact, as the file has it
        self._stopping = threading.Event()
        self._said = ""
        self._is_known = False  # to the control plane, by this process
        self._http = Http(
            settings.url,
            _TIMEOUTS,
            token=_token(settings, workspace.root, os.environ if environ is None else environ),
            authority=self._path(settings.authority),
            identity=self._identity(),
            n_connections=2,
            headers=host_headers(socket.gethostname(), settings.every_seconds),
            transport=transport,
        )
        self._download = VersionDownload(
            workspace,
            self._folder,
            self._http,
            public_key=self._public_key(),
            is_stopping=self._stopping.is_set,
        )
        self._thread = threading.Thread(target=self._run, name="follower", daemon=True)

    @property
    def standing(self) -> ReplicaStanding:
        """What is known of the control plane."""
        return self._standing

    def start(self) -> None:
        """Begin to follow."""
        self._thread.start()

    def stop(self) -> None:
        """Stop after the part of a file that is on its way, and let the control plane miss nothing."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join(_STOP_SECONDS)
        if self._is_known:
            self._is_known = False
            self._leave()
        self._http.close()

    def _leave(self) -> None:
        """Say that it asks no more: a replica that was stopped on purpose, as by an autoscaler, is not silent."""
        headers = {EVERY_HEADER: "0", "if-none-match": f'"{self._standing.tag}"'}
        with suppress(ClientError):
            deadline = time.monotonic() + _LEAVE_SECONDS
            self._http.ask("GET", STATE_PATH, deadline, headers=headers, also=(_NOT_MODIFIED,))

    def follow_once(self) -> bool:
        """Ask once, and take what is new; return whether the control plane has answered, and everything is here.

        Raises:
            CoreError: What has come cannot be stored.
            OSError: Likewise.
        """
        try:
            is_complete = self._follow()
            is_sent = self._send()
        except NotAllowedError as error:
            self._say(
                f"the control plane refuses this replica, which serves on: {error.reason} Put a valid token where "
                f"{self._settings.token_key} says, and start the replica again."
            )
            self._serve_on_or_withdraw(is_refused=True)
            return False
        except ClientError as error:
            self._say(f"the control plane does not answer; serving on: {error}")
            self._serve_on_or_withdraw(is_refused=False)
            return False
        if is_complete and is_sent:
            self._say("")
        return is_complete

    def _follow(self) -> bool:
        headers = {"if-none-match": f'"{self._standing.tag}"'} if self._standing.tag else {}
        deadline = time.monotonic() + _TIMEOUTS.answer_seconds
        answer = self._http.ask("GET", STATE_PATH, deadline, headers=headers, also=(_NOT_MODIFIED,))
        self._is_known = True
        if answer.status == _NOT_MODIFIED:
            self._note()
            return True
        state = self._http.read(answer, ReplicaState)
        require_sound(state)
        self._note()
        missing = self._bring(state)
        if missing is None:
            return False
        stays = apply_state(self._workspace, state, without=missing, url=self._settings.url, clock=self._clock)
        self._download.forget_others(state.versions)
        # What is missing is asked for again, so the state does not count as taken.
        tag = "" if missing else answer.headers.get("etag", "").strip('"')
        self._note(tag=tag)
        if missing:
            kept = f"; {', '.join(stays)} stays as it was" if stays else ""
            self._say(f"not everything is followed: {'; '.join(missing.values())}{kept}")
        return not missing

    def _bring(self, state: ReplicaState) -> dict[str, str] | None:
        """Bring the files of all versions, those that answer first; return why which are missing, None at the end."""
        live = {f"{model.model}/{model.production}" for model in state.models}
        missing: dict[str, str] = {}
        for version in sorted(state.versions, key=lambda version: version.key not in live):
            try:
                if not self._download.bring(version):
                    return None
            except UntrustedVersionError as error:
                missing[version.key] = str(error).removesuffix(".")
            self._note()
        return missing

    def _send(self) -> bool:
        """Send what waits, oldest first; what the control plane refuses for good is dropped, and said."""
        for file in batches_in(self._folder / OUTBOX):
            if self._stopping.is_set():
                break
            deadline = time.monotonic() + _TIMEOUTS.answer_seconds
            try:
                self._http.ask("POST", RECORDS_PATH, deadline, content=read_file(file))
            except (NotAllowedError, UnknownModelError) as error:  # a role or a release can be mended
                self._say(f"predictions and outcomes wait to be sent: {getattr(error, 'reason', error)}")
                return False
            except RejectedError as error:
                log.error("%s: records are dropped, which the control plane refuses: %s", self._settings.url, error)
            remove_file(file)
            self._note()
        return True

    def _serve_on_or_withdraw(self, *, is_refused: bool) -> None:
        limit, since = self._settings.serve_on_hours, self._standing.contact_at
        if is_refused != self._standing.is_refused:
            self._standing = msgspec.structs.replace(self._standing, is_refused=is_refused)
            self._store()
        if limit is None or since is None or self._standing.is_withdrawn:
            return
        if self._clock() - since <= timedelta(hours=limit):
            return
        withdraw(self._workspace, url=self._settings.url, clock=self._clock)
        self._standing = msgspec.structs.replace(self._standing, tag="", is_withdrawn=True)
        self._store()
        log.error(
            "nothing is served any more: %s has %s for longer than serving.follow.serve_on_hours (%g)",
            self._settings.url,
            "refused this replica" if is_refused else "not answered",
            limit,
        )

    def _note(self, *, tag: str | None = None) -> None:
        """Note a contact; with a tag, that the state of this tag was applied."""
        before, at = self._standing, self._clock()
        self._standing = msgspec.structs.replace(before, contact_at=at, is_refused=False)
        if tag is not None:
            self._standing = msgspec.structs.replace(self._standing, tag=tag, is_withdrawn=False)
        # Other processes and the next start read the file, so its age counts, not the time since the last contact.
        is_old = self._stored_at is None or abs(at - self._stored_at) >= _NOTED_EVERY
        if is_old or before.is_refused or tag is not None or not self._file.exists():
            self._store()

    def _store(self) -> None:
        store_standing(self._file, self._standing)
        self._stored_at = self._standing.contact_at

    def _say(self, problem: str) -> None:
        """Say a problem once, and its end."""
        if problem == self._said:
            return
        if problem:
            log.warning("%s: %s", self._settings.url, problem)
        else:
            log.info("%s is followed", self._settings.url)
        self._said = problem

    def _run(self) -> None:
        lock = None
        try:
            while not self._stopping.is_set():
                try:
                    lock = self._locked() if lock is None else lock
                    if lock is None:
                        self._say("another server of this workspace follows it")
                    else:
                        self.follow_once()
                except Exception as error:  # whatever it is, a server that answers must continue to answer
                    is_bug = not isinstance(error, (CoreError, OSError))
                    if is_bug or str(error) != self._said:
                        log.error("%s is not followed: %s", self._settings.url, error, exc_info=is_bug)
                    self._said = str(error)
                self._stopping.wait(self._settings.every_seconds)
        finally:
            if lock is not None:
                unlock(lock)

    def _locked(self) -> int | None:
        make_folder(self._folder)
        descriptor = open_lock(self._folder / "follower.lock")
        if locked_within(descriptor, 0.0, pause_seconds=0.0):
            return descriptor
        os.close(descriptor)
        return None

    def _path(self, name: str) -> Path | None:
        return self._workspace.root / at_home(name) if name else None

    def _identity(self) -> tuple[Path, Path] | None:
        certificate, key = self._path(self._settings.certificate), self._path(self._settings.key)
        return None if certificate is None or key is None else (certificate, key)

    def _public_key(self) -> str:
        file = self._path(self._settings.public_key)
        if file is None:
            return ""
        try:
            content = read_file(file, most=_MOST_KEY_BYTES).decode()
        except (OSError, UnicodeDecodeError) as error:
            why = getattr(error, "strerror", None) or "it is no text"
            raise NotReplicaError(f"serving.follow.public_key {shown(str(file))} cannot be read: {why}.") from None
        if "PUBLIC KEY" not in content:
            raise NotReplicaError(
                f"serving.follow.public_key {shown(str(file))} is no public key in PEM: copy keys/model-signing.pub of "
                "the workspace that is followed."
            )
        return content


def _token(settings: FollowSettings, root: Path, environ: Mapping[str, str]) -> str | None:
    if settings.token_env:
        found = environ.get(settings.token_env, "").strip()
        if not found:
            raise NotReplicaError(
                f"serving.follow.token_env names the variable {settings.token_env}, which is not set: set it where the "
                "server is started."
            )
        return _checked_token(found, f"the variable {settings.token_env}")
    if not settings.token_file:
        return None
    file = root / at_home(settings.token_file)
    about = f"serving.follow.token_file {shown(str(file))}"
    try:
        if file.stat().st_mode & _OTHERS:
            raise NotReplicaError(f"{about} can be read by other accounts: close it with chmod 600.")
        return _checked_token(read_file(file).decode().strip(), about)
    except UnicodeDecodeError:
        raise NotReplicaError(f"{about} holds no text.") from None
    except OSError as error:
        raise NotReplicaError(f"{about} cannot be read: {error.strerror or error}.") from None


def _checked_token(token: str, about: str) -> str:
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise NotReplicaError(f"{about} holds no token: put the one line there that bondx serve token create prints.")
    return token
