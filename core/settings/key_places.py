"""Where a secret key is: `key_file`, `key_env` or `key_command` of a block; a key itself stands in no settings."""

from typing import Annotated

from msgspec import Meta

from core.settings.webhooks import VARIABLE

KeyVariable = Annotated[
    str,
    Meta(
        pattern=VARIABLE,
        description="The environment variable with the key.",
        extra={
            "form_of_text": "the name of an environment variable: letters, digits and _; the key itself has no place "
            "here",
            "holds_secrets": True,
        },
    ),
]


def file_of_key(key: str) -> Meta:
    """Describe `key_file`.

    Args:
        key: What the key is, such as "the key of pseudonyms".
    """
    return Meta(
        max_length=4096,
        description=f"The file with {key}, which no other account may read; relative to the workspace. Keep it outside "
        "the workspace.",
        extra={"holds_secrets": True},
    )


def command_of_key(name: str) -> Meta:
    """Describe `key_command`.

    Args:
        name: What a password store calls the key, for the example.
    """
    return Meta(
        max_length=4096,
        description=f"A command that prints the key, such as pass show {name}.",
        extra={"holds_secrets": True},
    )


def require_one_place(key_file: str, key_env: str, key_command: str) -> None:
    """Require at most one place of a key.

    Raises:
        ValueError: There are several.
    """
    if sum(map(bool, (key_file, key_env, key_command))) > 1:
        raise ValueError("key_file, key_env and key_command exclude each other: leave only one")
