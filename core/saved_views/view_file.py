"""Views as YAML: one file for one view, or for those of a whole team."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from core.errors import UsageError
from core.saved_views.checking import read_view
from core.saved_views.saved_view import MOST_VIEWS, SavedView
from core.settings.errors import SettingsError
from core.settings.placed_yaml import YamlPath, plain_scalar, read_placed

KEY = "views"


def load_views(path: Path) -> tuple[SavedView, ...]:
    """Read a file of views.

    Raises:
        SettingsError: It has a fault; the message names the first, with line and column, and how many more there are.
    """
    views, faults = check_view_file(path)
    if not faults:
        return views
    if len(faults) > 1:
        error = SettingsError(path, "")
        error.args = (f"{faults[0]} ({len(faults) - 1} more: bondx view check {path.name} lists all)",)
        raise error
    raise faults[0]


def check_view_file(path: Path) -> tuple[tuple[SavedView, ...], list[SettingsError]]:
    """Read a file of views and collect its faults.

    Returns:
        The sound views, and the faults in the order of the file.
    """
    try:
        yaml = read_placed(path)
    except SettingsError as error:
        return (), [error]
    faults: list[SettingsError] = []

    def tell(at: YamlPath, problem: str) -> None:
        faults.append(yaml.error(at, problem))

    top = yaml.values
    given = top.get(KEY) if isinstance(top, dict) else None
    if not isinstance(top, dict) or not isinstance(given, dict) or not given:
        tell((KEY,), f"{KEY} must be a block of names, each with its panes")
        return (), faults
    for key in top:
        if key != KEY:
            tell((key,), f"{key} is no key of a file of views; the one key is {KEY}")
    if len(given) > MOST_VIEWS:
        tell((KEY,), f"{len(given)} views; a workspace has at most {MOST_VIEWS}")
        return (), faults
    read = [read_view(name, values, (KEY, name), tell) for name, values in given.items()]
    for at, written in yaml.sources.items():
        if at[-1] == "rows" and len(written.lstrip("+")) > 1 and written.lstrip("+").startswith("0"):
            tell(at, f"rows is {written}, which YAML 1.1 and 1.2 read as two numbers: write it without leading zeros")
    return tuple(view for view in read if view is not None), faults


def view_yaml(views: Iterable[SavedView]) -> str:
    """Write views as a file that reads back as the same views.

    >>> from core.saved_views.saved_view import ViewPane
    >>> desk = SavedView(name="desk", models=("rates_*",), panes=(ViewPane(pane="alerts", rows=5),))
    >>> print(view_yaml([desk]), end="")
    views:
      desk:
        models:
        - rates_*
        panes:
        - pane: alerts
          rows: 5
    """
    import yaml

    written = {view.name: written_view(view) for view in views}
    if not written:
        raise UsageError("There is no view to write.")
    return str(yaml.dump({KEY: written}, Dumper=_dumper(), sort_keys=False, allow_unicode=True, width=100))


def written_view(view: SavedView) -> dict[str, Any]:
    """Return the values of a view as a file has them, without who saved it and when."""
    values: dict[str, Any] = msgspec.to_builtins(view)
    kept = {key: values[key] for key in ("title", "summary", "models", "tags") if values.get(key)}
    return kept | {"panes": [pane["pane"] if list(pane) == ["pane"] else pane for pane in values["panes"]]}


def _dumper() -> Any:
    import yaml

    class Dumper(yaml.SafeDumper):
        """Writes no anchors, which a file of views may not have."""

        def ignore_aliases(self, data: object) -> bool:
            return True

        def represent_words(self, text: str) -> Any:
            """Quote what YAML 1.1 takes for text and YAML 1.2, by which the file is read, for a number: 1e5 and 08."""
            is_text = isinstance(plain_scalar(text), str)
            return self.represent_scalar("tag:yaml.org,2002:str", text, style=None if is_text else "'")

    Dumper.add_representer(str, Dumper.represent_words)
    return Dumper
