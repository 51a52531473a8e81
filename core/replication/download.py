"""The files of a version from the control plane: in parts that survive a restart, each file hashed before it counts."""

import logging
import time
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from urllib.parse import quote, urlencode

import msgspec

from core.client.http import Http
from core.errors import CoreError
from core.escape import is_shown_as_is, shown
from core.files import digest, make_folder, remove_tree, replace_end, sha256_of, write_file
from core.governance.model_keys import model_keys_in
from core.governance.model_signing import is_valid
from core.json_documents import decode_json
from core.plain_files import read_file
from core.registry import ModelVersion
from core.registry.artifacts import ArtifactStore
from core.registry.card import CARD_NAME
from core.registry.file_signatures import version_statement
from core.registry.manifest import MANIFEST_NAME, Manifest, ManifestFile, check
from core.replication.errors import UntrustedVersionError
from core.replication.offer import FILE_BYTES
from core.settings.encryption import SealedKind
from core.settings.sealing import sealer_to_write
from core.state import Workspace

log = logging.getLogger(__name__)

FILES = "/api/v1/models/{}/versions/{}/files"
INCOMING = "incoming"
_ANSWER_SECONDS = 60.0


class VersionDownload:
    """Brings versions into the artifacts of a replica: whole and as registered, or not at all."""

    def __init__(
        self, workspace: Workspace, folder: Path, http: Http, *, public_key: str, is_stopping: Callable[[], bool]
    ) -> None:
        """Prepare.

        Args:
            workspace: The replica's.
            folder: Where parts wait for the rest; they are taken up again after a restart.
            http: The control plane.
            public_key: In PEM, one or several; the files of every version must be signed by one. Empty: hashes alone
                are checked.
            is_stopping: Whether to give up between two parts.
        """
        self._workspace = workspace
        self._store = ArtifactStore(workspace.artifacts_dir)
        self._incoming = folder / INCOMING
        self._http = http
        self._public_key = public_key
        self._is_stopping = is_stopping

    def bring(self, version: ModelVersion) -> bool:
        """Bring the files of a version; return whether they are here now: not if this process is stopping.

        Raises:
            ClientError: The control plane does not answer.
            UntrustedVersionError: A file is not what was registered, or the key has not signed them.
            CoreError: They cannot be stored.
            OSError: Likewise.
        """
        place = self._store.folder(version.model, version.version)
        if place.exists():
            if not check(place, version.manifest_sha256):
                # Again, too: the key that counts may be another one since it came, and so may the signature.
                self._checked_manifest(version, read_file(place / MANIFEST_NAME))
                return True
            if why := self._store.withdraw(version.model, version.version):
                raise UntrustedVersionError(f"{version.model} {version.version} is damaged, and {why}.")
        waiting = self._incoming / version.manifest_sha256
        content = self._small(version, waiting / MANIFEST_NAME)
        manifest = self._checked_manifest(version, content)
        for name, file in manifest.files.items():
            if not self._file(version, name, file, self._place_of(waiting, name)):
                return False
        self._publish(version, waiting)
        return True

    def forget_others(self, versions: list[ModelVersion]) -> None:
        """Remove the parts of versions that are not wanted any more."""
        wanted = {version.manifest_sha256 for version in versions}
        if self._incoming.is_dir():
            for folder in self._incoming.iterdir():
                if folder.name not in wanted:
                    remove_tree(folder, root=self._workspace.root)

    def _place_of(self, waiting: Path, name: str) -> Path:
        # The store adds the card itself, as at a registration: no folder to copy may hold a file of that name.
        return waiting / ("card" if name == CARD_NAME else f"files/{name}")

    def _checked_manifest(self, version: ModelVersion, content: bytes) -> Manifest:
        about = f"{version.model} {version.version}"
        if digest(content) != version.manifest_sha256:
            raise UntrustedVersionError(f"The manifest of {about} is not the registered one: its SHA-256 differs.")
        try:
            manifest = decode_json(content, Manifest)
        except msgspec.DecodeError as error:
            raise UntrustedVersionError(f"The manifest of {about} cannot be read: {error}.") from None
        for name in manifest.files:
            path = PurePosixPath(name)
            if (
                path.is_absolute()
                or not path.parts
                or ".." in path.parts
                or not is_shown_as_is(name)
                or str(path) != name
            ):
                raise UntrustedVersionError(f"{about} has a file of the name {shown(name)}, which no version has.")
        statement = version_statement(version.key, manifest, version.manifest_sha256)
        if self._public_key and not any(
            is_valid(statement, version.model_signature, key) for key in model_keys_in(self._public_key)
        ):
            raise UntrustedVersionError(
                f"The files of {about} are not signed by the key of serving.follow.public_key: name "
                "keys/model-signing.pub of the workspace that registered them. After a rotation, the file holds its "
                "former keys, too, one after the other."
            )
        return manifest

    def _small(self, version: ModelVersion, place: Path) -> bytes:
        if place.exists() and digest(content := read_file(place)) == version.manifest_sha256:
            return content
        content = self._part(version, MANIFEST_NAME, 0, FILE_BYTES)
        make_folder(place.parent)
        write_file(place, content)
        return content

    def _file(self, version: ModelVersion, name: str, file: ManifestFile, place: Path) -> bool:
        here = place.stat().st_size if place.exists() else 0
        if here > file.size:
            here = 0
        if here:
            log.info("%s %s: %s is continued at byte %d of %d", version.model, version.version, name, here, file.size)
        while here < file.size or not place.exists():
            if self._is_stopping():
                return False
            part = self._part(version, name, here, min(FILE_BYTES, file.size - here)) if file.size else b""
            replace_end(place, here, part)
            here += len(part)
        if sha256_of(place) != file.sha256:
            replace_end(place, 0, b"")
            raise UntrustedVersionError(
                f"{name} of {version.model} {version.version} is not the registered file: its SHA-256 differs."
            )
        return True

    def _part(self, version: ModelVersion, name: str, start: int, n_bytes: int) -> bytes:
        path = FILES.format(quote(version.model, safe=""), version.version)
        headers = {"range": f"bytes={start}-{start + n_bytes - 1}"}
        deadline = time.monotonic() + _ANSWER_SECONDS
        found = self._http.ask("GET", f"{path}?{urlencode({'name': name})}", deadline, headers=headers).content
        if not found or len(found) > n_bytes:
            raise UntrustedVersionError(
                f"The part of {name} at byte {start} has {len(found):,} bytes, not {n_bytes:,}."
            )
        return found

    def _publish(self, version: ModelVersion, waiting: Path) -> None:
        card = waiting / "card"
        additions = {CARD_NAME: read_file(card)} if card.exists() else {}
        sealer = sealer_to_write(self._workspace.root, SealedKind.ARTIFACTS)
        with self._store.staged(waiting / "files", additions) as staged:
            if staged.manifest_sha256 != version.manifest_sha256:
                raise UntrustedVersionError(
                    f"The files of {version.model} {version.version} do not make up the registered version."
                )
            if sealer is not None:
                self._store.seal(staged, sealer)
            self._store.publish(staged, version.model, version.version)
        try:
            remove_tree(waiting, root=self._workspace.root)
        except CoreError as error:  # it only takes room
            log.warning("the parts of %s %s are not removed: %s", version.model, version.version, error)
        log.info("%s %s has come: %d files", version.model, version.version, version.n_files)
