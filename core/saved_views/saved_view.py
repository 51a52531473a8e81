"""What a view is: the models that it is about, and its panes. Light to import: the console's snapshot has them all."""

from datetime import datetime
from typing import Final

import msgspec

from core.settings.patterns import is_named

MOST_PANES: Final = 8
MOST_VIEWS: Final = 200
"""Of one workspace: every console reads them all."""
MOST_SCOPE_CELLS: Final = 40
"""The longest scope that lists write out: a view can name 50 models."""


class ViewPane(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One pane of a view.

    Attributes:
        pane: The kind of pane, a name of `PANES`.
        title: The title of its frame; empty for the usual one.
        columns: The columns shown, from left to right; empty for the usual ones.
        filter: Words that every row must contain, `column:word` in that column, as typed after `/`.
        sort: A column, and `desc` behind it for the largest first; empty for the usual order.
        rows: The number of rows that it has room for at most; 0 shares the screen with the other panes.
    """

    pane: str
    title: str = ""
    columns: tuple[str, ...] = ()
    filter: str = ""
    sort: str = ""
    rows: int = 0


class SavedView(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A saved view.

    Attributes:
        name: Its name, such as "rates-desk".
        title: The title in words; empty for the name.
        summary: One sentence on whom it is for.
        models: Names of models, and patterns such as `rates_*`; without any, all models.
        tags: Tags that the live version of a model must have, else its newest; a value may be a pattern.
        panes: Its panes, in the order in which they are read.
        updated_at: When it was saved last.
        updated_by: By whom.
        revision: Grows by one each time it is saved.
    """

    name: str
    title: str = ""
    summary: str = ""
    models: tuple[str, ...] = ()
    tags: dict[str, str] = {}
    panes: tuple[ViewPane, ...] = ()
    updated_at: datetime | None = None
    updated_by: str = ""
    revision: int = 0

    @property
    def shown_title(self) -> str:
        """Its title, else its name."""
        return self.title or self.name

    @property
    def is_about_all(self) -> bool:
        """Whether it is about every model."""
        return not (self.models or self.tags)

    @property
    def scope(self) -> str:
        """The models that it is about, in a few words: "rates_*, swap_1, desk=rates"."""
        return ", ".join((*self.models, *(f"{name}={value}" for name, value in self.tags.items()))) or "all models"

    @property
    def brief_scope(self) -> str:
        """The scope as lists have it: the numbers alone where the names are long.

        >>> SavedView(name="rates", models=tuple(f"rates_{n}y" for n in range(50)), tags={"desk": "rates"}).brief_scope
        '50 models, desk=rates'
        >>> SavedView(name="rates", models=("rates_*", "swap_1")).brief_scope
        'rates_*, swap_1'
        """
        if len(self.scope) <= MOST_SCOPE_CELLS:
            return self.scope
        tags = [f"{name}={value}" for name, value in self.tags.items()]
        if len(", ".join(tags)) > MOST_SCOPE_CELLS // 2:
            tags = [f"{len(tags)} tag{'s' * (len(tags) > 1)}"]
        what = "model pattern" if any(sign in name for name in self.models for sign in "*?[") else "model"
        n = len(self.models)
        return ", ".join([*([f"{n} {what}{'s' * (n > 1)}"] if n else []), *tags])

    def is_about(self, model: str, tags: dict[str, str]) -> bool:
        """Say whether it is about a model.

        Args:
            model: Its name.
            tags: The tags of its live version, else of its newest.

        >>> view = SavedView(name="rates", models=("rates_*",), tags={"desk": "lon*"})
        >>> view.is_about("rates_10y", {"desk": "london"}), view.is_about("rates_10y", {}), view.is_about("fx", {})
        (True, False, False)
        """
        if self.models and not is_named(model, self.models):
            return False
        return all(is_named(tags.get(name, ""), (wanted,)) for name, wanted in self.tags.items())
