"""The `protection` block: how sensitive columns are, and the key of pseudonyms."""

from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated

import msgspec
from msgspec import Meta

from core.settings.patterns import is_named
from core.settings.webhooks import VARIABLE

_VARIABLE_FORM = "the name of an environment variable: letters, digits and _; the key itself has no place here"

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
    key_file: Annotated[
        str,
        Meta(
            max_length=4096,
            description="The file with the key of pseudonyms, which no other account may read; relative to the "
            "workspace. Keep it outside the workspace.",
            extra={"holds_secrets": True},
        ),
    ] = ""
    key_env: Annotated[
        str,
        Meta(
            pattern=VARIABLE,
            description="The environment variable with the key.",
            extra={"form_of_text": _VARIABLE_FORM, "holds_secrets": True},
        ),
    ] = ""
    key_command: Annotated[
        str,
        Meta(
            max_length=4096,
            description="A command that prints the key, such as pass show bondx-pseudonyms.",
            extra={"holds_secrets": True},
        ),
    ] = ""

    def __post_init__(self) -> None:
        if sum(map(bool, (self.key_file, self.key_env, self.key_command))) > 1:
            raise ValueError("key_file, key_env and key_command exclude each other: leave only one")

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
