"""The page of every setting, `docs/configuration.md`, written from the typed settings and the comments of the template.

`python -m tools.configuration` writes it again; a test compares it.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from msgspec import inspect

import sample_configs
from core.domains.bonds.data.settings import BondSettings
from core.settings import Settings
from core.settings.source import KeyPath
from core.settings.yaml_source import read_yaml

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "configuration.md"
TEMPLATE = sample_configs.FOLDER / "bondx.yaml"
BEGIN = "<!-- from here on written by `python -m tools.configuration` -->"
BONDS = ("domain_settings",)
_UNITS = {
    "seconds": "s",
    "hours": "h",
    "days": "d",
    "ms": "ms",
    "mib": "MiB",
    "mb": "MiB",
    "percent": "%",
    "share": "share",
    "epochs": "epochs",
    "rows": "rows",
}
_MOST_DIGITS = 1e15  # beyond, a number is written as a power of ten
_ENDS = (("gt", "more than"), ("ge", "from"), ("lt", "less than"), ("le", "to"))


class Setting(NamedTuple):
    """One key of `bondx.yaml`.

    Attributes:
        path: Its name, block by block.
        kind: Its type and range, in words.
        default: Its default as JSON.
        unit: Its unit; empty for a number without one, or no number.
        meaning: One sentence.
    """

    path: KeyPath
    kind: str
    default: str
    unit: str
    meaning: str


def settings() -> Iterator[Setting]:
    """Yield every setting in the order of `bondx.yaml`."""
    comments = template_comments()
    yield from _of_block(inspect.type_info(Settings), Settings(), (), comments)
    yield from _of_block(inspect.type_info(BondSettings), BondSettings(), BONDS, comments)


def template_comments() -> dict[KeyPath, str]:
    """Return what the template says beside each key."""
    lines = TEMPLATE.read_text().splitlines()
    found = {}
    for path, number in read_yaml(TEMPLATE).lines.items():
        _, mark, comment = lines[number - 1].partition(" # ")
        if mark:
            found[path] = comment.strip()
    return found


def page() -> str:
    """Return the page: its introduction as it is, and the tables as the settings are now."""
    head, _, _ = PAGE.read_text().partition(BEGIN)
    return f"{head}{BEGIN}\n\n{tables()}"


def tables() -> str:
    """Return a table for the keys at the top, and one for each block."""
    blocks: dict[KeyPath, list[Setting]] = {}
    for setting in settings():
        blocks.setdefault(setting.path[:-1], []).append(setting)
    return "\n".join(_table(block, found) for block, found in sorted(blocks.items(), key=lambda each: each[0]))


def _table(block: KeyPath, found: list[Setting]) -> str:
    title = f"`{'.'.join(block)}`" if block else "At the top"
    title += " of the domain bonds" if block[:1] == BONDS else ""
    rows = [
        f"| `{setting.path[-1]}` | {setting.kind} | `{setting.default}` | {setting.unit} | {setting.meaning} |"
        for setting in found
    ]
    return "\n".join(
        (f"## {title}", "", "| Key | Type | Default | Unit | Meaning |", "|---|---|---|---|---|", *rows, "")
    )


def _of_block(
    block: inspect.Type, values: msgspec.Struct, path: KeyPath, comments: dict[KeyPath, str]
) -> Iterator[Setting]:
    assert isinstance(block, inspect.StructType)
    for field in block.fields:
        here, value, (kind, said) = (*path, field.encode_name), getattr(values, field.name), _bare(field.type)
        if isinstance(value, msgspec.Struct) and (inner := _block_of(kind)) is not None:
            yield from _of_block(inner, value, here, comments)
            continue
        meaning = said or comments.get(here, "")
        default = json.dumps(msgspec.to_builtins(value), ensure_ascii=False).removesuffix(".0")
        yield Setting(here, _words(kind), default, _unit(here[-1], kind), _sentence(meaning))


def _block_of(kind: inspect.Type) -> inspect.StructType | None:
    """Return the block of a key, which `null` may switch off."""
    found = kind.types if isinstance(kind, inspect.UnionType) else (kind,)
    return next((each for each in found if isinstance(each, inspect.StructType)), None)


def _bare(kind: inspect.Type) -> tuple[inspect.Type, str]:
    """Return a type without its description, and the description."""
    said = ""
    while isinstance(kind, inspect.Metadata):
        said = said or (kind.extra_json_schema or {}).get("description", "")
        kind = kind.type
    return kind, said


def _words(kind: inspect.Type) -> str:
    """Spell a type with its range.

    >>> _words(inspect.IntType(ge=1, le=20))
    'whole number from 1 to 20'
    """
    kind, _ = _bare(kind)
    match kind:
        case inspect.BoolType():
            return "true or false"
        case inspect.IntType():
            return "whole number" + _range(kind)
        case inspect.FloatType():
            return "number" + _range(kind)
        case inspect.LiteralType():
            return ", ".join(f"`{value}`" for value in kind.values)
        case inspect.UnionType():
            return " or ".join(dict.fromkeys(_words(each) for each in kind.types))
        case inspect.NoneType():
            return "`null`"
        case inspect.DictType():
            return f"block of {_words(kind.value_type)}"
        case inspect.VarTupleType() | inspect.ListType() | inspect.SetType() | inspect.FrozenSetType():
            return f"list of {_words(kind.item_type)}"
        case inspect.TupleType():
            return f"list of {len(kind.item_types)}, each a {' or '.join(dict.fromkeys(map(_words, kind.item_types)))}"
        case inspect.StructType():
            return "settings"
        case inspect.AnyType():
            return "values"
    return "text"


def _range(kind: Any) -> str:
    parts = [f"{word} {_figure(limit)}" for name, word in _ENDS if (limit := getattr(kind, name)) is not None]
    return f" {', '.join(parts)}".replace(", to", " to") if parts else ""


def _figure(limit: float) -> str:
    return f"{int(limit):,}" if float(limit).is_integer() and abs(limit) <= _MOST_DIGITS else f"{limit:g}"


def _unit(name: str, kind: inspect.Type) -> str:
    alternatives = kind.types if isinstance(kind, inspect.UnionType) else (kind,)
    if not any(isinstance(_bare(each)[0], inspect.IntType | inspect.FloatType) for each in alternatives):
        return ""
    parts = re.split("_", name)
    return next((_UNITS[part] for part in reversed(parts) if part in _UNITS), "")


def _sentence(text: str) -> str:
    text = text.replace("|", "\\|").rstrip()
    if re.match(r"[a-z_]+:|[a-z]+_", text) is None:  # a value or a key, such as `auto: …`, stays as it is written
        text = text[:1].upper() + text[1:]
    return text if not text or text.endswith((".", ")")) else f"{text}."


if __name__ == "__main__":
    PAGE.write_text(page())
