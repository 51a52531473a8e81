"""The palettes: the only place for colours.

A palette names roles, not colours: a tone is the meaning of a text (`good`, `warn`, `bad`, `muted`, `accent`,
`strong`), a ground is the background below it. Every tone reads at 4.5:1 or better on every ground; a test checks it.
"""

from __future__ import annotations

import msgspec
from textual.theme import Theme

DEFAULT_THEME = "bondx-dark"


class Palette(msgspec.Struct, frozen=True, kw_only=True):
    """The colours of one theme by role."""

    name: str
    dark: bool = True
    ansi: bool = False
    background: str
    surface: str  # inputs and dialogs
    bar: str  # the top line and the footer
    cursor: str  # beneath the row under the cursor, in the focused pane
    cursor_idle: str  # the same in a pane without focus
    selection: str
    line: str  # borders, axes and the empty part of bars: never text
    text: str
    strong: str
    muted: str
    accent: str
    good: str
    warn: str
    bad: str
    series: tuple[str, str, str, str, str, str]

    @property
    def tones(self) -> dict[str, str]:
        """Every colour that text may have, by tone."""
        return {
            "text": self.text,
            "strong": self.strong,
            "muted": self.muted,
            "accent": self.accent,
            "good": self.good,
            "warn": self.warn,
            "bad": self.bad,
        } | {f"series-{number}": colour for number, colour in enumerate(self.series, start=1)}

    @property
    def grounds(self) -> dict[str, str]:
        """Every colour that may be the background of text."""
        return {
            "background": self.background,
            "surface": self.surface,
            "bar": self.bar,
            "cursor": self.cursor,
            "cursor-idle": self.cursor_idle,
        }

    def variables(self) -> dict[str, str]:
        """Name the roles for style sheets, and map the variables of Textual's own widgets to them."""
        tones = {f"tone-{name}": colour for name, colour in self.tones.items()}
        grounds = {f"ground-{name}": colour for name, colour in self.grounds.items()}
        return (
            tones
            | grounds
            | {
                "line": self.line,
                "border": self.accent,
                "border-blurred": self.line,
                "text": self.text,
                "text-muted": self.muted,
                "text-disabled": self.muted,
                "foreground-muted": self.muted,
                "block-cursor-background": self.cursor,
                "block-cursor-foreground": self.strong,
                "block-cursor-text-style": "bold",
                "block-cursor-blurred-background": self.cursor_idle,
                "block-cursor-blurred-foreground": self.text,
                "block-hover-background": self.cursor_idle,
                "input-cursor-background": self.text,
                "input-cursor-foreground": self.background,
                "input-selection-background": self.selection,
                "input-selection-foreground": self.text,
                "screen-selection-background": self.selection,
                "screen-selection-foreground": self.text,
                "footer-background": self.bar,
                "footer-foreground": self.text,
                "footer-key-foreground": self.accent,
                "footer-description-foreground": self.muted,
                "scrollbar": self.line,
                "scrollbar-hover": self.muted,
                "scrollbar-active": self.accent,
                "scrollbar-background": self.background,
                "scrollbar-background-hover": self.background,
                "scrollbar-background-active": self.background,
                "scrollbar-corner-color": self.background,
                "button-foreground": self.text,
                "button-color-foreground": self.background,
                "button-focus-text-style": "bold reverse",
                "link-color": self.accent,
                "link-background-hover": self.cursor,
                "link-color-hover": self.strong,
                # Textual's own sheets ask for these two, and its ANSI themes do not always define them.
                "ansi-background": "transparent",
                "ansi-foreground": "transparent",
            }
        )

    def theme(self) -> Theme:
        """Build the Textual theme."""
        return Theme(
            name=self.name,
            primary=self.accent,
            secondary=self.accent,
            accent=self.accent,
            warning=self.warn,
            error=self.bad,
            success=self.good,
            foreground=self.text,
            background=self.background,
            surface=self.surface,
            panel=self.bar,
            dark=self.dark,
            ansi=self.ansi,
            variables=self.variables(),
        )


DARK = Palette(
    name="bondx-dark",
    background="#0f1419",
    surface="#161d25",
    bar="#18202a",
    cursor="#1d3349",
    cursor_idle="#1a222c",
    selection="#2b4a68",
    line="#2f3b48",
    text="#ccd5de",
    strong="#f2f5f8",
    muted="#8d9bab",
    accent="#74b7f2",
    good="#7ccb92",
    warn="#e3bb6d",
    bad="#f58d8d",
    series=("#74b7f2", "#f0a868", "#7ccb92", "#cfa5f3", "#62cbc9", "#e3bb6d"),
)

LIGHT = Palette(
    name="bondx-light",
    dark=False,
    background="#fbfcfd",
    surface="#f3f6f9",
    bar="#ecf0f4",
    cursor="#d8e8f8",
    cursor_idle="#e9eef3",
    selection="#b9d7f3",
    line="#c3ccd6",
    text="#27323e",
    strong="#0b1219",
    muted="#55616e",
    accent="#0a559e",
    good="#17653a",
    warn="#7c4a00",
    bad="#ab1f2d",
    series=("#0a559e", "#9a4100", "#17653a", "#7434a8", "#00616a", "#7c4a00"),
)

# Sixteen colours of the terminal's own choosing: black lies beneath on purpose, since on the terminal's default
# background nobody could promise that yellow can be read.
ANSI = Palette(
    name="bondx-ansi",
    ansi=True,
    background="ansi_black",
    surface="ansi_black",
    bar="ansi_black",
    cursor="ansi_black",
    cursor_idle="ansi_black",
    selection="ansi_blue",
    line="ansi_bright_black",
    text="ansi_bright_white",
    strong="ansi_bright_white",
    muted="ansi_white",
    accent="ansi_bright_cyan",
    good="ansi_bright_green",
    warn="ansi_bright_yellow",
    bad="ansi_bright_red",
    series=(
        "ansi_bright_cyan",
        "ansi_bright_yellow",
        "ansi_bright_green",
        "ansi_bright_magenta",
        "ansi_white",
        "ansi_bright_red",
    ),
)

# Derived from the palette of Okabe and Ito (2008), lightened where 4.5:1 asks for it.
COLOURBLIND = Palette(
    name="bondx-colourblind",
    background="#0f1419",
    surface="#161d25",
    bar="#18202a",
    cursor="#1d3349",
    cursor_idle="#1a222c",
    selection="#2b4a68",
    line="#2f3b48",
    text="#ccd5de",
    strong="#f2f5f8",
    muted="#8d9bab",
    accent="#56b4e9",
    good="#2fc79b",
    warn="#f0e442",
    bad="#f28241",
    series=("#56b4e9", "#e69f00", "#2fc79b", "#d98fb8", "#f0e442", "#f28241"),
)

PALETTES: tuple[Palette, ...] = (DARK, LIGHT, ANSI, COLOURBLIND)
THEMES: dict[str, Theme] = {palette.name: palette.theme() for palette in PALETTES}


def default_variables() -> dict[str, str]:
    """Give `App.get_theme_variable_defaults` our roles, so that other themes can be loaded as well."""
    return DARK.variables()
