"""Conversion of YAML values to a typed model, with errors that name file, line, field and cure."""

import difflib
import math
import re
from collections.abc import Mapping, Sequence
from types import UnionType
from typing import Annotated, Any, Literal, NamedTuple, TypeVar, Union, get_args, get_origin

import msgspec

from core.escape import shown
from core.json_documents import converted
from core.settings.errors import SettingsError
from core.settings.source import KeyPath, YamlSource
from core.settings.yaml_words import SWITCH_HINT, in_plain_words

T = TypeVar("T", bound=msgspec.Struct)

_AT = re.compile(r" - at `(?P<key>key` in `)?\$(?P<path>[^`]*)`$")
_OF_BLOCK = re.compile(r"^Expected `(?:object|array)[^,]*, got `(?:str|array)`$")
_STEP = re.compile(r"\.(?P<name>[A-Za-z0-9_]+)|\[(?P<index>\.\.\.|[0-9]+)\]")


def convert(source: YamlSource, struct: type[T], values: Mapping[str, Any], at: KeyPath = ()) -> T:
    """Convert values to a typed model.

    Args:
        source: The file with the values, for errors.
        struct: The type of the model.
        values: Its fields.
        at: The position of the values in the file.
    Raises:
        SettingsError: A value has the wrong type, or is out of its range.
    """
    _refuse_non_finite(source, values, at)
    try:
        return converted(values, struct)
    except msgspec.ValidationError as error:
        message = str(error)
        fault = _fault_of(message, struct, values)
        problem = in_plain_words(_AT.sub("", message))
        found = "" if isinstance(fault.value, dict) or not fault.path else f" is {shown(fault.value)}"
        found = f" has the key {shown(fault.value)}" if fault.is_key else found
        if fault.may_be_secret or _OF_BLOCK.search(
            _AT.sub("", message)
        ):  # whoever writes an address there may write its token
            found = " has a key that cannot be used" if fault.is_key else ""
        problem = _form_of(fault.annotation, fault.value) or problem
        if problem.startswith("invalid enum value"):
            problem = f"expected one of {', '.join(_values_of(fault.annotation))}"
        problem += SWITCH_HINT if message.startswith("Expected") and isinstance(fault.value, bool) else ""
        name = ".".join((*at, *filter(None, [fault.display]))) or "settings"
        raise SettingsError(source.file, f"{name}{found}: {problem}", **source.place_of((*at, *fault.path))) from None


def refuse_unknown_keys(
    source: YamlSource,
    struct: type[msgspec.Struct],
    values: Mapping[str, Any],
    at: KeyPath = (),
    *,
    also: Sequence[str] = (),
) -> None:
    """Refuse an unknown key, and suggest the nearest known key.

    Args:
        source: The file with the keys, for errors.
        struct: The type that has these keys.
        values: The keys with their values.
        at: The position of the keys in the file.
        also: Further keys to suggest, which stand for others.
    Raises:
        SettingsError: There is an unknown key.
    """
    fields = {field.name: field for field in msgspec.structs.fields(struct)}
    for key, value in values.items():
        here = (*at, key)
        if key not in fields:
            where = f"{'.'.join(at)} has no key" if at else "there is no key"
            nearest = difflib.get_close_matches(key, [*fields, *also], n=1, cutoff=0.5)
            cure = f"did you mean {nearest[0]}?" if nearest else f"the keys are {', '.join(fields)}."
            raise SettingsError(source.file, f"{where} {key!r}: {cure}", **source.place_of(here))
        if not isinstance(value, dict):
            continue
        if (inner := _struct(fields[key].type)) is not None:
            refuse_unknown_keys(source, inner, value, here)
        elif (entry_type := _struct_of_entries(fields[key].type)) is not None:
            for name, entry in value.items():
                if isinstance(entry, dict):
                    refuse_unknown_keys(source, entry_type, entry, (*here, name))


def _refuse_non_finite(source: YamlSource, values: Mapping[str, Any], path: KeyPath) -> None:
    for key, value in values.items():
        here = (*path, key)
        for each in value if isinstance(value, list) else (value,):
            if isinstance(each, Mapping):
                _refuse_non_finite(source, each, here)
            elif isinstance(each, float) and not math.isfinite(each):
                raise SettingsError(
                    source.file, f"{'.'.join(here)} is {each}: expected a number", **source.place_of(here)
                )


def _bare(annotation: Any) -> Any:
    return get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation


def _struct(annotation: Any) -> type[msgspec.Struct] | None:
    bare = _bare(annotation)
    return bare if isinstance(bare, type) and issubclass(bare, msgspec.Struct) else None


def _struct_of_entries(annotation: Any) -> type[msgspec.Struct] | None:
    bare = _bare(annotation)
    return _struct(get_args(bare)[1]) if get_origin(bare) is dict else None


class _Fault(NamedTuple):
    """The place of a refused value or key."""

    path: KeyPath = ()  # of the key in the file; list positions are left out
    display: str = ""  # the path in words, with list positions
    value: Any = None
    annotation: Any = None
    is_key: bool = False  # the key of a mapping is at fault, not its value
    may_be_secret: bool = False  # an error says what is wrong with it, and repeats nothing of it


def _fault_of(message: str, struct: type[msgspec.Struct], values: Mapping[str, Any]) -> _Fault:
    """Find the place that a validation message names."""
    if (match := _AT.search(message)) is None:
        return _Fault()
    path: list[str] = []
    display = ""
    here: Any = values
    annotation: Any = struct
    may_be_secret = False
    for step in _STEP.finditer(match["path"]):
        name = step["name"]
        if name is None and step["index"] == "...":
            annotation = get_args(_bare(annotation))[1]
            name = _guilty_key(here, annotation)
        elif name is not None:
            block = next(filter(None, map(_struct, _choices(_bare(annotation)))), None)
            fields = msgspec.structs.fields(block) if block else ()
            annotation = next((field.type for field in fields if field.encode_name == name), None)
        if name is not None:
            path.append(name)
            display += f".{name}" if display else name
            here = here.get(name) if isinstance(here, dict) else None
        elif step["index"] is not None:
            display += f"[{step['index']}]"
            here = here[int(step["index"])] if isinstance(here, list) else None
            annotation = _type_of_items(annotation)
        may_be_secret = may_be_secret or _may_hold_secrets(annotation)
    if match["key"] is None:
        return _Fault(tuple(path), display, here, annotation, may_be_secret=may_be_secret)
    of_keys = get_args(_bare(annotation))[0]
    guilty = next((key for key in here if not _fits(key, of_keys)), None)
    return _Fault(
        (*path, *([] if guilty is None else [guilty])),
        display,
        guilty,
        of_keys,
        is_key=True,
        may_be_secret=may_be_secret,
    )


def _type_of_items(annotation: Any) -> Any:
    """Return the type of the items of a field that is a list, or may be one."""
    lists = (_bare(choice) for choice in _choices(_bare(annotation)) if get_origin(_bare(choice)) in (list, tuple))
    return next(iter(get_args(next(lists, _bare(annotation)))), None)


def _may_hold_secrets(annotation: Any) -> bool:
    """Whether a field says of itself that its values, or those beneath it, may be secrets."""
    metas = (each for choice in (annotation, *_choices(annotation)) for each in getattr(choice, "__metadata__", ()))
    return any((meta.extra or {}).get("holds_secrets", False) for meta in metas if isinstance(meta, msgspec.Meta))


def _form_of(annotation: Any, value: Any) -> str | None:
    """Return how a field says what it accepts, since nobody reads that in a regular expression."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None  # the type is at fault, which the problem names
    wanted = ("form", "form_of_text") if isinstance(value, str) else ("form",)
    metas = (each for choice in _choices(annotation) for each in getattr(choice, "__metadata__", ()))
    notes = [meta.extra or {} for meta in metas if isinstance(meta, msgspec.Meta)]
    return next((note[key] for note in notes for key in wanted if key in note), None)


def _values_of(annotation: Any) -> list[str]:
    """List the values of a type that has few."""
    bare = _bare(annotation)
    if get_origin(bare) is Literal:
        return [str(value) for value in get_args(bare)]
    if bare is bool:
        return ["true", "false"]
    return [value for choice in _choices(bare) if choice is not annotation for value in _values_of(choice)]


def _choices(annotation: Any) -> tuple[Any, ...]:
    """Return the types that a field may have."""
    is_union = isinstance(annotation, UnionType) or get_origin(annotation) is Union
    return get_args(annotation) if is_union else (annotation,)


def _guilty_key(entries: Any, entry_type: Any) -> str | None:
    """Name the entry of a mapping that msgspec only calls `[...]`, by converting each one alone."""
    if not isinstance(entries, dict):
        return None
    return next((str(name) for name, entry in entries.items() if not _fits(entry, entry_type)), None)


def _fits(value: Any, annotation: Any) -> bool:
    try:
        converted(value, annotation)
    except msgspec.ValidationError:
        return False
    return True
