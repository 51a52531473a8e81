"""The `protection` block: how sensitive columns are, and the key of pseudonyms."""

from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated

import msgspec
from msgspec import Meta

from core.settings.key_places import KeyVariable, command_of_key, file_of_key, require_one_place
from core.settings.patterns import is_named

Patterns = tuple[Annotated[str, Meta(min_length=1, max_length=200)], ...]


class Sensitivity(StrEnum):
    """How sensitive the values of a column are, from the least to the most."""

    PUBLIC = "public"
    INTERNAL = "internal"
    PERSONAL = "personal"
    SECRET = "secret"


class ProtectionSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Classes of columns, by name or pattern. Of several that match, the most sensitive holds; without one, internal.

    >>> protection = ProtectionSettings(public=("*",), personal=("customer_*",), secret=("*_iban",))
    >>> [protection.sensitivity_of(name).value for name in ("size", "customer_age", "customer_iban")]
    ['public', 'personal', 'secret']
    >>> ProtectionSettings(personal=("income [EUR]",)).sensitivity_of("income [EUR]").value
    'personal'
    """

    public: Annotated[Patterns, Meta(description="Columns, or patterns such as `size*`, that anybody may see.")] = ()
    internal: Annotated[Patterns, Meta(description="Columns for this organisation; the class of all others, too.")] = ()
    personal: Annotated[
        Patterns, Meta(description="Columns, or patterns such as `customer_*`, whose values lead to a person.")
    ] = ()
    secret: Annotated[
        Patterns,
        Meta(description="Columns, or patterns, that nobody may see; each is on `explanation.denied_columns`, too."),
    ] = ()
    key_file: Annotated[str, file_of_key("the key of pseudonyms")] = ""
    key_env: KeyVariable = ""
    key_command: Annotated[str, command_of_key("bondx-pseudonyms")] = ""

    def __post_init__(self) -> None:
        require_one_place(self.key_file, self.key_env, self.key_command)

    @property
    def classifies(self) -> bool:
        """Whether any column has a class of its own."""
        return bool(self.public or self.internal or self.personal or self.secret)

    def sensitivity_of(self, column: str) -> Sensitivity:
        """Return the class of a column."""
        return max((each for each, _ in self.matching(column)), key=[*Sensitivity].index, default=Sensitivity.INTERNAL)

    def matching(self, column: str) -> Iterator[tuple[Sensitivity, str]]:
        """Yield each class and pattern that match a column."""
        for sensitivity in Sensitivity:
            patterns: Patterns = getattr(self, sensitivity)
            yield from ((sensitivity, pattern) for pattern in patterns if is_named(column, [pattern]))
