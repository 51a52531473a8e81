"""A secret with a character that no terminal shows is refused by its place, and never repeated."""

import pytest

from core.settings.errors import SettingsError
from core.settings.placed_yaml import read_placed
from core.settings.yaml_source import parse_yaml


@pytest.mark.parametrize("hidden", ["\u200b", "\x1b", "\u202e"])
@pytest.mark.parametrize("of_routing", [True, False])
def test_a_secret_with_a_hidden_character_is_not_repeated(tmp_path, hidden, of_routing):
    text = f'a: 1\nrouting_key: "PDSECRET{hidden.encode("unicode_escape").decode()}1234"\n'
    file = tmp_path / "a.yaml"
    file.write_text(text)
    with pytest.raises(SettingsError, match=f"line 2.*U\\+{ord(hidden):04X}") as caught:
        read_placed(file) if of_routing else parse_yaml(file, text)
    assert "SECRET" not in str(caught.value)
    assert "1234" not in str(caught.value)
