"""The block `serving.models`: which models a server answers for, and with which of their versions."""

import re
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from core.settings.names import Name

MODEL_NAME = r"^[a-z][a-z0-9_-]{0,63}(?![\s\S])"
MODEL_RULE = "1 to 64 lowercase letters, digits, - and _, and begins with a letter"
VERSION = r"^[0-9]{1,9}(\.[0-9]{1,9}){0,2}(?![\s\S])"

_VERSION_FORM = "expected a version such as 1.2.0; 1 is short for 1.0.0"

ServedName = Annotated[str, Meta(pattern=MODEL_NAME, extra={"form_of_text": f"the name of a model has {MODEL_RULE}"})]
_Number = Annotated[int, Meta(ge=0, lt=10**9, extra={"form": _VERSION_FORM})]
_Text = Annotated[str, Meta(pattern=VERSION, extra={"form_of_text": _VERSION_FORM})]
_Target = Annotated[str, Meta(pattern=r"\S", max_length=250)]


class ServedModelSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One model of the list of what to serve."""

    versions: Annotated[
        Literal["registry", "latest", "all"] | Annotated[tuple[_Number | _Text, ...], Meta(min_length=1)],
        Meta(description="The versions it is served with: as the registry says, the newest, all, or these."),
    ] = "registry"
    latest: Annotated[
        int, Meta(ge=1, le=10_000, description="With latest: how many, the version in Production and those before it.")
    ] = 1
    labels: Annotated[
        dict[Name, _Number | _Target],
        Meta(description="Names for versions: each with a version, or with a stage or an alias that it follows."),
    ] = {}
    ignored: Annotated[
        tuple[Name, ...], Meta(description="Fields of TensorFlow Serving's list that say nothing here.")
    ] = ()

    def __post_init__(self) -> None:
        if isinstance(self.versions, str):
            return
        listed = {full_version(version) for version in self.versions}
        for label, target in self.labels.items():
            if is_version(target) and full_version(target) not in listed:
                raise ValueError(f"the label {label} is of version {target}, which is not among the versions")


def is_version(target: int | str) -> bool:
    """Whether the target of a label is a version, not the name of a stage or an alias."""
    return isinstance(target, int) or re.search(VERSION, target) is not None


def full_version(version: int | str) -> str:
    """Return the number of a version, of which the list may leave out the zeros at the end.

    TensorFlow Serving's versions are whole numbers.

    >>> full_version(1), full_version("1.2"), full_version("1.2.3")
    ('1.0.0', '1.2.0', '1.2.3')
    """
    return ".".join([*(str(int(part)) for part in str(version).split(".")), "0", "0"][:3])
