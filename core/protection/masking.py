"""Values of personal columns as they are shown: pseudonyms if there is a key, else one word for all of them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from core.protection.keys import key_of
from core.protection.pseudonyms import Pseudonyms, canonical_text
from core.settings import settings_in_force
from core.settings.patterns import is_named
from core.settings.protection import ProtectionSettings, Sensitivity

PERSONAL: Final = "(personal)"


class Masking:
    """What is shown instead of the values of personal columns."""

    def __init__(self, protection: ProtectionSettings, root: Path, *, masked: Sequence[str] = ()) -> None:
        """Begin with settings; the key is read when the first personal value is shown.

        Args:
            protection: The settings.
            root: The workspace, where a relative key file of the settings begins.
            masked: Further columns whose values are hidden, or patterns of names.
        """
        self._protection, self._root, self._masked = protection, root, masked
        self._pseudonyms: Pseudonyms | None = None
        self._is_read = False

    @classmethod
    def in_force(cls, root: Path) -> "Masking":
        """Return the masking of a workspace's settings.

        Raises:
            SettingsError: The settings cannot be read.
        """
        settings = settings_in_force(root)
        return cls(settings.protection, root, masked=settings.explanation.masked_columns)

    def hides(self, column: str) -> bool:
        """Whether the values of a column are not shown as they are; secret columns are on the deny list, too."""
        is_classed = self._protection.sensitivity_of(column) in (Sensitivity.PERSONAL, Sensitivity.SECRET)
        return is_classed or is_named(column, self._masked)

    def shown(self, column: str, value: object) -> str | None:
        """Return what is shown instead of a value of a hidden column; None for an empty cell.

        Raises:
            KeySourceError: The key cannot be read.
        """
        if canonical_text(value) is None:
            return None
        if not self._is_read:
            key = key_of(self._protection, self._root)
            self._pseudonyms = None if key is None else Pseudonyms(key)
            self._is_read = True
        return PERSONAL if self._pseudonyms is None else self._pseudonyms.of(value, column)
