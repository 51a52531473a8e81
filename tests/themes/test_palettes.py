from __future__ import annotations

import re
from pathlib import Path

import pytest
from textual.color import Color

import themes
from themes import style_sheets
from themes.palettes import DEFAULT_THEME, PALETTES, THEMES, default_variables

# What terminals make of the sixteen colours differs; each palette here is the default of one in wide use.
TERMINALS = {
    "vga": (
        "000000 aa0000 00aa00 aa5500 0000aa aa00aa 00aaaa aaaaaa "
        "555555 ff5555 55ff55 ffff55 5555ff ff55ff 55ffff ffffff"
    ),
    "xterm": (
        "000000 cd0000 00cd00 cdcd00 0000ee cd00cd 00cdcd e5e5e5 "
        "7f7f7f ff0000 00ff00 ffff00 5c5cff ff00ff 00ffff ffffff"
    ),
}
NAMES = ["black", "red", "green", "yellow", "blue", "magenta", "cyan", "white"]
ANSI_NAMES = [f"ansi_{name}" for name in NAMES] + [f"ansi_bright_{name}" for name in NAMES]


def as_colour(name: str, terminal: str) -> Color:
    if name.startswith("ansi_"):
        return Color.parse("#" + TERMINALS[terminal].split()[ANSI_NAMES.index(name)])
    return Color.parse(name)


def luminance(colour: Color) -> float:
    channels = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in colour.normalized]
    return 0.2126 * channels[0] + 0.7152 * channels[1] + 0.0722 * channels[2]


def contrast(first: Color, second: Color) -> float:
    light, dark = sorted((luminance(first), luminance(second)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("terminal", TERMINALS)
@pytest.mark.parametrize("palette", PALETTES, ids=lambda palette: palette.name)
def test_every_tone_can_be_read_on_every_ground(palette, terminal):
    poor = {
        (tone, ground): round(ratio, 2)
        for tone, colour in palette.tones.items()
        for ground, beneath in palette.grounds.items()
        if (ratio := contrast(as_colour(colour, terminal), as_colour(beneath, terminal))) < 4.5
    }
    assert poor == {}


@pytest.mark.parametrize("palette", [item for item in PALETTES if not item.ansi], ids=lambda palette: palette.name)
def test_selected_text_and_text_on_buttons_can_be_read(palette):
    assert contrast(Color.parse(palette.text), Color.parse(palette.selection)) >= 4.5
    for tone in (palette.accent, palette.good, palette.warn, palette.bad):
        assert contrast(Color.parse(palette.background), Color.parse(tone)) >= 4.5


@pytest.mark.parametrize("palette", PALETTES, ids=lambda palette: palette.name)
def test_good_warn_and_bad_differ_in_every_palette(palette):
    assert len({palette.good, palette.warn, palette.bad, palette.muted}) == 4


def test_the_colour_blind_palette_keeps_good_and_bad_apart_without_red_cones_and_without_green_ones():
    (palette,) = [palette for palette in PALETTES if palette.name == "bondx-colourblind"]
    colours = [Color.parse(colour) for colour in (palette.good, palette.warn, palette.bad)]
    for simulate in (_protanope, _deuteranope):
        seen = [simulate(colour) for colour in colours]
        for index, first in enumerate(seen):
            for second in seen[index + 1 :]:
                assert sum((a - b) ** 2 for a, b in zip(first, second, strict=True)) ** 0.5 > 0.2


def _protanope(colour: Color) -> tuple[float, float, float]:
    """Simulate vision without red cones (Machado, Oliveira and Fernandes 2009, severity 1)."""
    red, green, blue = colour.normalized
    return (
        0.152286 * red + 1.052583 * green - 0.204868 * blue,
        0.114503 * red + 0.786281 * green + 0.099216 * blue,
        -0.003882 * red - 0.048116 * green + 1.051998 * blue,
    )


def _deuteranope(colour: Color) -> tuple[float, float, float]:
    """Simulate vision without green cones (the same source)."""
    red, green, blue = colour.normalized
    return (
        0.367322 * red + 0.860646 * green - 0.227968 * blue,
        0.280085 * red + 0.672501 * green + 0.047413 * blue,
        -0.011820 * red + 0.042940 * green + 0.968881 * blue,
    )


def test_themes_are_registered_by_their_names():
    assert list(THEMES) == ["bondx-dark", "bondx-light", "bondx-ansi", "bondx-colourblind"]
    assert DEFAULT_THEME in THEMES
    assert set(default_variables()) == set(THEMES[DEFAULT_THEME].variables)


def test_no_style_sheet_names_its_own_colour():
    for sheet in style_sheets():
        assert not re.findall(r"#[0-9a-fA-F]{3,8}\b(?=[^{]*;)|\brgba?\(|\bansi_\w+", sheet.read_text()), sheet.name


def test_every_style_sheet_is_found_and_the_base_comes_first():
    found = style_sheets()
    assert found[0].name == "base.tcss"
    assert set(found) == set(Path(themes.__file__).parent.rglob("*.tcss"))
