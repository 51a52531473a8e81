"""The `console` block: how a console starts on this workspace."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from core.settings.names import Name


class ConsoleSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Appearance and safety of a console; command-line flags override it."""

    armed: Annotated[
        bool, Meta(description="Start with writes allowed (capital keys open their dialogs). `!` toggles.")
    ] = True
    theme: Annotated[
        Literal["auto", "bondx-dark", "bondx-light", "bondx-ansi", "bondx-colourblind"],
        Meta(description="auto: bondx-dark, or bondx-ansi if the terminal has 16 colours."),
    ] = "auto"
    glyphs: Annotated[
        Literal["auto", "unicode", "ascii"], Meta(description="auto: ascii if the terminal's encoding is not UTF-8.")
    ] = "auto"
    keys: Annotated[
        dict[str, str],
        Meta(description="Other keys, by the id of what they do: {registry.promote: B}. The guide lists the ids."),
    ] = {}
    socket: Annotated[
        Name | None,
        Meta(description="A Unix socket at which other accounts open a console, by their grants; null: none."),
    ] = None
    mouse: Annotated[
        bool, Meta(description="Let the console use the mouse; off keeps the terminal's own selection.")
    ] = True
