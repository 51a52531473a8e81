"""Whether the files of a version still match the registered files; a mismatch alerts an operator."""

import logging
from datetime import datetime

import msgspec

from core.errors import CoreError
from core.registry.artifacts import ArtifactStore
from core.registry.card import CARD_NAME, RegistrationCard
from core.registry.documents import ModelVersion
from core.registry.manifest import check, is_unread
from core.registry.stages import Stage
from core.state import Workspace

log = logging.getLogger(__name__)


class IntegrityResult(msgspec.Struct, frozen=True, kw_only=True):
    """The result of hashing every file of one version again."""

    model: str
    version: str
    stage: Stage
    ok: bool
    problems: tuple[str, ...]
    n_files: int
    n_bytes: int

    @property
    def is_unread(self) -> bool:
        """Whether files could not be opened, such as for want of a key, and nothing shows that they were changed."""
        return is_unread(self.problems)


def inspect(store: ArtifactStore, version: ModelVersion) -> IntegrityResult:
    """Hash the files of a version, and compare its evidence in the database with the copy among the files."""
    folder = store.folder(version.model, version.version)
    problems = check(folder, version.manifest_sha256)
    if not problems:
        try:
            problems = RegistrationCard.read(folder).contradictions(version)
        except (OSError, msgspec.DecodeError):
            problems = [f"{CARD_NAME} cannot be read"]
    return IntegrityResult(
        model=version.model,
        version=version.version,
        stage=version.stage,
        ok=not problems,
        problems=tuple(problems),
        n_files=version.n_files,
        n_bytes=version.n_bytes,
    )


def tell_operator(workspace: Workspace, result: IntegrityResult, *, now: datetime) -> None:
    """Fire the critical alert for a version whose files were changed, or clear it once they are restored.

    A failure to do so is only logged: it must not hide the result itself.
    """
    from core.alerts import Alerts

    labels = {"model": result.model, "version": result.version}
    try:
        if result.ok:
            Alerts(workspace).clear("hash_mismatch", labels=labels, now=now, reason="all files are as registered")
        else:
            summary = f"{result.model} {result.version}: {'; '.join(result.problems[:3])}"
            Alerts(workspace).fire("hash_mismatch", labels=labels, summary=summary, now=now)
    except (CoreError, OSError) as error:
        log.error("could not update the alert on the files of %s %s: %s", result.model, result.version, error)
