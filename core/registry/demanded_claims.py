"""The signed claims that a server demands before it loads a version (`serving.require_claims`)."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from core.clock import in_words
from core.errors import RefusedError
from core.governance.dsse import opened_statement
from core.governance.keys import public_key_in
from core.home_paths import at_home
from core.plain_files import open_regular
from core.registry.claims import PREDICATES, subject_name
from core.registry.documents import ModelVersion
from core.settings.claims import ClaimKeySettings, ClaimName
from core.state import Workspace

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

_MOST_KEY_BYTES = 1 << 16
_OWN_KEY: Final = "audit-signing.pub"
_CURES: Final[Mapping[ClaimName, str]] = {
    "gates_passed": "it is signed at a registration in which gates judged the data and none failed",
    "validated_by": "bondx registry approve {model} {version} signs it",
}


class ClaimRefusedError(RefusedError):
    """A version has not every claim that the serving side demands."""


class ClaimDemand:
    """Which claims a version must have, and whose count."""

    def __init__(
        self, workspace: Workspace, required: Sequence[ClaimName], keys: Sequence[ClaimKeySettings] = ()
    ) -> None:
        """Prepare.

        Args:
            workspace: The workspace.
            required: The claims; empty: none is demanded.
            keys: The public keys that count; empty: that of the workspace itself.
        """
        self._required = tuple(dict.fromkeys(required))
        self._keys: list[tuple[Path, datetime | None]] = [
            (workspace.root / at_home(each.file), each.ends_at) for each in keys
        ]
        self._own = workspace.keys_dir / _OWN_KEY
        if not keys:
            self._keys = [(self._own, None)]

    def __bool__(self) -> bool:
        return bool(self._required)

    def require(self, version: ModelVersion, claims: Iterable[str], now: datetime) -> None:
        """Refuse a version that lacks a demanded claim.

        Args:
            version: The version.
            claims: What is recorded about it, as DSSE envelopes; each may be anything.
            now: The time.

        Raises:
            ClaimRefusedError: A claim is missing, or no key that counts has signed it.
        """
        if problem := self.problem(version, claims, now):
            raise ClaimRefusedError(f"{problem}.")

    def problem(self, version: ModelVersion, claims: Iterable[str], now: datetime) -> str:
        """Return why a version must not be loaded, without a full stop; empty if it may."""
        if not self._required:
            return ""
        keys, faults = [], []
        for file, until in self._keys:
            if until is not None and until <= now:
                faults.append(f"the key {file.name} counts until {in_words(until)} alone")
                continue
            try:
                keys.append(_public_key(file))
            except OSError as error:
                faults.append(f"the key {file.name} cannot be read ({error.strerror or error})")
            except ValueError as error:
                faults.append(f"the key {file.name} {error}")
        statements = [
            statement for claim in claims for key in keys if (statement := opened_statement(claim, key)) is not None
        ]
        for name in self._required:
            if any(_is_about(statement, name, version) for statement in statements):
                continue
            cure = _CURES[name].format(model=version.model, version=version.version)
            why = "; ".join([*faults, cure, *self._lacks_own(keys)])
            return f"it has no valid claim {name}, which serving.require_claims demands: {why}"
        return ""

    def _lacks_own(self, keys: "Sequence[Ed25519PublicKey]") -> list[str]:
        """Say that what is signed here would not count, if so: then the cure is not enough."""
        try:
            own = _public_key(self._own)
        except (OSError, ValueError):
            return []
        if own in keys:
            return []
        return [f"keys/{_OWN_KEY}, which signs here, is not among serving.claim_keys that count: add it"]


def _is_about(statement: Mapping[str, Any], name: ClaimName, version: ModelVersion) -> bool:
    """Say whether a signed statement claims this about these files under this name."""
    if statement.get("predicateType") != PREDICATES[name]:
        return False
    wanted = {"name": subject_name(version.key), "digest": {"sha256": version.manifest_sha256}}
    subjects = statement.get("subject")
    return isinstance(subjects, list) and wanted in subjects


def _public_key(file: Path) -> "Ed25519PublicKey":
    """Read a key.

    Raises:
        OSError: It cannot be read.
        ValueError: It is no Ed25519 public key in PEM.
    """
    with open_regular(file) as opened:
        return public_key_in(opened.read(_MOST_KEY_BYTES))
