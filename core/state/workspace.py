"""The folder that holds all files of one installation."""

import os
import threading
import weakref
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from core.confinement import LeadsOutError, confine, require_inside
from core.files import access_error, create_once, make_folder, make_root, sync
from core.home_paths import at_home
from core.state.errors import WorkspaceNotFoundError
from core.state.filesystem import require_local

if TYPE_CHECKING:
    from core.state.database import Database

SETTINGS_NAME = "bondx.yaml"
ACCESS_DATABASE = "access"


@dataclass(frozen=True, slots=True)
class Workspace:
    """The layout of one installation."""

    root: Path
    _databases: "dict[str, Database]" = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        confine(self.root)

    @staticmethod
    def locate(flag: Path | None, environ: Mapping[str, str]) -> Path:
        """Determine the workspace folder, whether it exists or not.

        Args:
            flag: The value of `--workspace`, which has precedence.
            environ: The environment, for `BONDX_HOME`.

        Returns:
            An absolute path: the flag, else `$BONDX_HOME`, else the platform's folder for user state.
        """
        if flag is not None:
            return at_home(flag).absolute()
        if home := environ.get("BONDX_HOME"):
            return at_home(home).absolute()
        import platformdirs  # needed for the default only

        return Path(platformdirs.user_state_dir("bondx", appauthor=False))

    @classmethod
    def create(cls, root: Path, *, settings_text: str) -> "Workspace":
        """Create a workspace, keeping existing files.

        Args:
            root: The folder; missing parents are made.
            settings_text: The content of `bondx.yaml`, if it does not exist yet.

        Raises:
            UnsuitableFilesystemError: The folder is on a network file system.
            FileAccessError: The operating system refuses to create a folder or the settings file.
        """
        workspace = cls(root.absolute())
        require_local(workspace.root)
        workspace._make_folders(is_new=True)
        if not workspace.settings_file.exists():
            workspace._write_settings(settings_text)
        return workspace

    @classmethod
    def open(cls, root: Path) -> "Workspace":
        """Open the workspace in a folder.

        Raises:
            WorkspaceNotFoundError: There is no workspace; the message says how to create one.
            UnsuitableFilesystemError: The folder is on a network file system.
            FileAccessError: A folder of it is missing and cannot be created.
        """
        workspace = cls(root.absolute())
        if not workspace.root.is_dir():
            raise WorkspaceNotFoundError(workspace.root, "the folder does not exist")
        if not workspace.settings_file.is_file():
            raise WorkspaceNotFoundError(workspace.root, f"it holds no {SETTINGS_NAME}")
        require_local(workspace.root)
        workspace._make_folders()
        return workspace

    @property
    def settings_file(self) -> Path:
        """The settings that people edit."""
        return self.root / SETTINGS_NAME

    @property
    def state_dir(self) -> Path:
        """The TinyDB documents."""
        return self.root / "state"

    @property
    def telemetry_file(self) -> Path:
        """The time series, in SQLite."""
        return self.root / "telemetry" / "telemetry.db"

    @property
    def predictions_file(self) -> Path:
        """Predictions and their outcomes, in SQLite; written by every server process."""
        return self.telemetry_file.with_name("predictions.db")

    @property
    def live_file(self) -> Path:
        """The counts of served rows by minute and hour, in SQLite; written by every server process."""
        return self.telemetry_file.with_name("live.db")

    @property
    def contributions_file(self) -> Path:
        """Sums of contributions to served answers by minute and hour, in SQLite; written by every server process."""
        return self.telemetry_file.with_name("contributions.db")

    @property
    def features_file(self) -> Path:
        """A sample of served rows, in SQLite, if `serving.log_features` asks for it."""
        return self.telemetry_file.with_name("features.db")

    @property
    def metrics_file(self) -> Path:
        """The recorded series that alert rules look at, in SQLite; written by the engine and every server."""
        return self.telemetry_file.with_name("metrics.db")

    def evidence_file(self, rollout_id: str) -> Path:
        """The sums by caller of an active rollout; the engine collects them again if they are lost."""
        return self.telemetry_file.with_name(f"{rollout_id}.evidence")

    @property
    def past_file(self) -> Path:
        """The states of documents over the last hours, in SQLite; perishable."""
        return self.telemetry_file.with_name("past.db")

    @property
    def audit_dir(self) -> Path:
        """The hash-chained record of changes."""
        return self.root / "audit"

    @property
    def audit_file(self) -> Path:
        """The audit log, one line for each change."""
        return self.audit_dir / "audit.jsonl"

    @property
    def keys_dir(self) -> Path:
        """The keys that seal and sign the audit log; not accessible to other accounts."""
        return self.root / "keys"

    @property
    def artifacts_dir(self) -> Path:
        """The files of every model version."""
        return self.root / "artifacts"

    @property
    def datasets_dir(self) -> Path:
        """Generated and imported data sets with their lineage."""
        return self.root / "datasets"

    @property
    def reports_dir(self) -> Path:
        """Reports and evidence packs."""
        return self.root / "reports"

    @property
    def logs_dir(self) -> Path:
        """Rotated logs."""
        return self.root / "logs"

    @property
    def cache_dir(self) -> Path:
        """Files that can be regenerated at any time; the first writer creates the folder."""
        return self.root / "cache"

    @property
    def lease_file(self) -> Path:
        """The lock of the workspace's engine."""
        return self.state_dir / "engine.lease"

    def state_file(self, name: str) -> Path:
        """The file of a database, whether it exists or not."""
        return self.state_dir / f"{name}.json"

    @property
    def access_file(self) -> Path:
        """The grants, roles and tokens; before the first of them there is no such file."""
        return self.state_file(ACCESS_DATABASE)

    def database(self, name: str) -> "Database":
        """Open a database of this workspace: registry, sessions, runs or alerts.

        Args:
            name: Its name, which is also its file's.

        Returns:
            The one instance that this process shares for the file; safe to use from any thread.
        """
        found = self._databases.get(name)
        if found is None:
            path = self.state_file(name)
            found = self._databases[name] = _shared_database(_real_path(path))
        return found

    def require_own_folders(self) -> None:
        """Refuse a workspace of which a folder is a link that leads out of it: nothing would be written there.

        Raises:
            FileAccessError: There is such a link; the message names it.
        """
        for folder in self._folders():
            try:
                require_inside(folder)
            except OSError as error:
                raise access_error(folder, "write", error) from error

    def _folders(self) -> tuple[Path, ...]:
        return (
            self.state_dir,
            self.telemetry_file.parent,
            self.audit_dir,
            self.artifacts_dir,
            self.datasets_dir,
            self.reports_dir,
            self.logs_dir,
            self.keys_dir,
        )

    def _make_folders(self, *, is_new: bool = False) -> None:
        try:
            if is_new:
                make_root(self.root)
            for folder in self._folders():
                make_folder(folder)
        except OSError as error:
            raise access_error(Path(error.filename or self.root), "make", error) from error

    def _write_settings(self, text: str) -> None:
        create_once(self.settings_file, text.encode())  # of two first starts at once, the settings of the first stand
        try:
            sync(self.root.parent)  # the name of the workspace itself, too
        except OSError as error:
            raise access_error(self.settings_file, "write", error) from error


def _real_path(path: Path) -> Path:
    """Return the one path of a state file; of a link that may not be followed, its own."""
    try:
        require_inside(path)
    except LeadsOutError:
        return path  # it can be read, and every change is refused with the name of the link
    # A link that leads to no file keeps its own name, so that it is reported and not taken for an empty file.
    return path.resolve() if path.is_file() else path.parent.resolve() / path.name


def _shared_database(path: Path) -> "Database":
    from core.state.database import Database

    with _databases_lock:
        database = _databases.get(path)
        if database is None:
            database = _databases[path] = Database(path)
        return database


# Weak, so that the open file of a database is closed with the last workspace object that used it.
_databases: "weakref.WeakValueDictionary[Path, Database]" = weakref.WeakValueDictionary()
_databases_lock = threading.Lock()
# A fork while another thread holds the lock would leave it locked in the child forever.
os.register_at_fork(
    before=_databases_lock.acquire, after_in_parent=_databases_lock.release, after_in_child=_databases_lock.release
)
