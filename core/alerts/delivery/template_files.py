"""The files of `templates:` in a routing file: read, checked, and laid over the templates that Alertmanager brings."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from glob import glob
from pathlib import Path
from typing import Final

from core.alerts.delivery.default_templates import DEFAULT_TEMPLATES
from core.alerts.delivery.templates import DIALECT
from core.promql.errors import PromqlError
from core.promql.template_reading import Action, Template, TemplateLibrary, TemplateToken, read_definitions
from core.settings.errors import SettingsError
from core.settings.source import read_text

_OF_ALERTMANAGER: Final = ".default."
"""In the names of the templates that Alertmanager brings, for channels of every kind."""


def template_files(patterns: Sequence[str]) -> list[Path]:
    """Return the files that patterns name, as Alertmanager finds them: `*` goes into no folder.

    Args:
        patterns: Whole paths with `*`, `?` and `[…]`.
    """
    found = (name for pattern in patterns for name in sorted(glob(pattern, include_hidden=True)))
    return [Path(name) for name in dict.fromkeys(found)]


def load_templates(files: Sequence[Path], read: Callable[[Path], str] = read_text) -> TemplateLibrary:
    """Read files of templates; of two with one name, the later holds.

    Args:
        files: The files, in their order.
        read: Returns the text of one.

    Raises:
        SettingsError: One cannot be read; the message names file, line and column, what is wrong and what to do.
    """
    default = _defaults()
    defined, places = dict(default.defined), dict[str, Callable[[int], str]]()
    called: list[tuple[Path, str, TemplateToken]] = []
    for file in files:
        text = read(file)
        try:
            found, names = read_definitions(text, DIALECT)
        except PromqlError as error:
            raise _placed(file, text, error.offset or 0, f"the template cannot be read: {error.message}") from None
        called += [(file, text, name) for name in names]
        own = {file.name: found.actions, **found.defined} if _writes(found.actions) else dict(found.defined)
        defined |= own
        places |= {name: _place_of(file, text) for name in own}
    for file, text, name in called:
        if name.text not in defined and _OF_ALERTMANAGER not in name.text:
            raise _placed(file, text, name.offset, f"template {name.text!r} is defined in no file of templates:.")
    return TemplateLibrary(defined, places)


@lru_cache(maxsize=1)
def _defaults() -> Template:
    return read_definitions(DEFAULT_TEMPLATES, DIALECT)[0]


def _writes(actions: Sequence[Action]) -> bool:
    """Whether the text outside of `define` is a template of its own, by the name of its file."""
    return any(action.kind != "text" or action.text.strip() for action in actions)


def _place_of(file: Path, text: str) -> Callable[[int], str]:
    def place(offset: int) -> str:
        line, column = _line_and_column(text, offset)
        return f"{file}:{line}:{column}"

    return place


def _placed(file: Path, text: str, offset: int, problem: str) -> SettingsError:
    line, column = _line_and_column(text, offset)
    return SettingsError(file, problem, line=line, column=column)


def _line_and_column(text: str, offset: int) -> tuple[int, int]:
    return text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset)
