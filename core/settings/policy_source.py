"""The policy in force: the `policy:` section of `bondx.yaml`, with one policy file as an overlay.

The file is the one named by `--config` or `BONDX_CONFIG`; else, with `BONDX_ENV=production`, `production_policy.yaml`
in the workspace, which must then exist; else `policy.yaml` in the workspace, if it exists. Never more than one file
applies.

An engine starts only with a policy that can be used. While a file of it is broken later, the threads of the engine and
the processes that it starts go on with the policy that it read last; everybody else is refused.
"""

import os
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import msgspec

from core.json_documents import decode_json
from core.plain_files import signatures_of
from core.settings.errors import SettingsError
from core.settings.in_force import SETTINGS_NAME, named_config
from core.settings.load import settings_of
from core.settings.policy import Policy

ENVIRONMENT_VARIABLE = "BONDX_ENV"
POLICY_NAME = "policy.yaml"
LAST_GOOD_VARIABLE = "BONDX_LAST_GOOD_POLICY"
"""Holds the policy, as JSON, with which a process that an engine starts goes on while the files cannot be used."""

_ENVIRONMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_last_read: dict[tuple[Path, Path | None], Policy] = {}
"""By workspace and named file: several sources of one process read the same files, and most live for one change."""
_of_thread = threading.local()


class PolicySource:
    """The policy of one workspace, read again only when one of its files has changed. Safe to share between threads."""

    def __init__(self, root: Path, *, config: Path | None = None, environ: Mapping[str, str] | None = None) -> None:
        """Prepare to read; no file is read yet.

        Args:
            root: The folder of the workspace.
            config: The policy file given by a person; by default that of `BONDX_CONFIG`.
            environ: The environment, for `BONDX_ENV` and `BONDX_CONFIG`; by default that of this process, read again
                each time.
        """
        self._root = root
        self._config = config
        self._environ = os.environ if environ is None else environ
        self._heeds_config = True
        self._read: tuple[object, Policy] | None = None

    @classmethod
    def without_config(cls, root: Path) -> "PolicySource":
        """Prepare to read what the workspace itself says, whatever file a person names for one command."""
        source = cls(root)
        source._heeds_config = False
        return source

    def policy(self) -> Policy:
        """Return the policy in force now.

        Raises:
            SettingsError: A file is missing or cannot be used, and this thread is none of an engine with an earlier
                policy.
        """
        try:
            return self._present()
        except SettingsError:
            if (last := self._last_good()) is None:
                raise
            return last

    def _present(self) -> Policy:
        files = self.files()
        signatures = signatures_of(files)
        # Reading YAML takes as long as a promotion itself.
        if self._read is None or self._read[0] != signatures:
            self._read = signatures, _policy_of(files)
            _last_read[self._root, self.config] = self._read[1]
        return self._read[1]

    def _last_good(self) -> Policy | None:
        if getattr(_of_thread, "goes_on", False):
            return _last_read.get((self._root, self.config))
        if encoded := self._environ.get(LAST_GOOD_VARIABLE, ""):
            return decode_json(encoded.encode(), Policy)
        return None

    def to_return_by(self) -> tuple[Policy, SettingsError | None]:
        """Return the policy for a move back to an earlier state, which no broken file may forbid.

        Returns:
            The policy in force and None; else the policy that this process last read for the workspace, or the
            defaults, and what is wrong with the files.
        """
        try:
            return self._present(), None
        except SettingsError as error:
            # A file named for one command is not the workspace's rule, unless it is that of a whole engine.
            last = self._last_good() or _last_read.get((self._root, None))
            return last or Policy(), error

    @property
    def config(self) -> Path | None:
        """The policy file given by a person, if there is one."""
        return (self._config or named_config(self._environ)) if self._heeds_config else None

    @property
    def environment(self) -> str:
        """The environment that selects the policy file, or an empty text."""
        return self._environ.get(ENVIRONMENT_VARIABLE, "") if self.config is None else ""

    def files(self) -> tuple[Path, ...]:
        """Return the files of the policy; the last file wins.

        Raises:
            SettingsError: `BONDX_ENV` selects a file that does not exist.
        """
        base = self._root / SETTINGS_NAME
        selected = self._selected()
        return (*([base] if base.exists() else []), *([selected] if selected else []))

    def _selected(self) -> Path | None:
        if (config := self.config) is not None:
            return config
        if not (name := self.environment):
            file = self._root / POLICY_NAME
            return file if file.exists() else None
        if _ENVIRONMENT.fullmatch(name) is None:
            raise SettingsError(
                Path(f"${ENVIRONMENT_VARIABLE}"), f"{name[:64]!a} is not an environment: letters, digits, - and _ only"
            )
        file = self._root / f"{name}_{POLICY_NAME}"
        if not file.exists():
            raise SettingsError(file, f"no such file, but {ENVIRONMENT_VARIABLE} is {name!r}: create it, or unset that")
        return file


@contextmanager
def going_on_with_last_good() -> Iterator[None]:
    """Within it, this thread of an engine goes on with the policy last read while a file of it cannot be used."""
    _of_thread.goes_on = True
    try:
        yield
    finally:
        _of_thread.goes_on = False


def last_good_environment(root: Path) -> dict[str, str]:
    """Return the variables for a process that the engine starts: its last good policy, while the files are broken.

    Args:
        root: The folder of the workspace.
    """
    policy, problem = PolicySource(root).to_return_by()
    return {} if problem is None else {LAST_GOOD_VARIABLE: msgspec.json.encode(policy).decode()}


def require_policy(root: Path) -> None:
    """Refuse to start what works by the policy for long while a file of it cannot be used.

    Args:
        root: The folder of the workspace.
    Raises:
        SettingsError: A file is missing or cannot be used; the message names the place.
    """
    PolicySource(root).policy()
    PolicySource.without_config(root).policy()  # a named policy never requires fewer approvals than the workspace


def load_policy(root: Path, *, config: Path | None = None, environ: Mapping[str, str] | None = None) -> Policy:
    """Return the policy of a workspace; see `PolicySource`.

    Raises:
        SettingsError: A file is missing or cannot be used.
    """
    return PolicySource(root, config=config, environ=environ).policy()


def read_policy(file: Path) -> Policy:
    """Read one policy file by itself.

    Raises:
        SettingsError: It cannot be used.
    """
    return _policy_of((file,))


def _policy_of(files: tuple[Path, ...]) -> Policy:
    from core.settings.yaml_source import read_yaml

    return settings_of([read_yaml(file) for file in files]).policy


def files_of(root: Path) -> tuple[Path, ...]:
    """Return the settings file and every policy file of a workspace, in force or not."""
    found = [root / SETTINGS_NAME, root / POLICY_NAME, *sorted(root.glob(f"*_{POLICY_NAME}"))]
    return tuple(file for file in found if file.exists())
