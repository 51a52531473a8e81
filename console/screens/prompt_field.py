"""The field of the prompt."""

from widgets.field import TextField
from widgets.textual_internals import character_of


class PromptField(TextField):
    """A field that takes every character, also the keys of the screen: `/` begins no filter inside a path."""

    def check_consume_key(self, key: str, character: str | None) -> bool:
        """Take every key that is a character; Textual's own field does not know all their names."""
        return super().check_consume_key(key, character or character_of(key))
