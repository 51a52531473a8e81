"""The keys that the settings change (`console.keys`): each checked against the rule of keys before it is bound."""

from collections.abc import Iterable, Mapping
from typing import Any

from msgspec.structs import replace

from console.verbs.catalog import VERBS
from console.verbs.screens import GO
from console.verbs.verb import Key, Verb
from core.errors import UsageError

SPACE = "Space"
MOVES = "jkgG"
"""Keys of every list."""
ANSWERS: Mapping[str, str] = {
    "Y": "it confirms in dialogs, and a key held down repeats",
    "y": "it answers a question, and copies in dialogs",
    "n": "it answers a question, and finds the next match in logs",
    "N": "it answers a question, and finds the previous match in logs",
    ".": "it is part of a version that is typed in a dialog",
}
"""Keys that dialogs read: once the dialog is gone, the next one of them would reach the verb behind it."""
_NEVER = (
    "Keys are one printable character or Space: Ctrl, Alt and Backspace belong to terminals and multiplexers; Enter, "
    "Esc and Tab are fixed; choose another key"
)
MOVABLE: Mapping[str, Verb[Any]] = {
    verb.id: verb for verb in VERBS if verb.key and verb.key.keys not in ("", "escape") and verb not in GO
}
"""The verbs whose keys the settings may change, by id: not the digits of screens, Esc, and what is bound elsewhere."""


class KeyProblemError(UsageError):
    """A key of the settings cannot be bound."""

    def __init__(self, verb_id: str, problem: str) -> None:
        super().__init__(problem)
        self.verb_id = verb_id


class Keymap:
    """The keys of verbs, as the settings have them."""

    def __init__(self, chosen: Mapping[str, str] | None = None) -> None:
        """Check every key on its own.

        Args:
            chosen: Keys by the id of their verb.
        Raises:
            KeyProblemError: There is no such verb, or its key breaks the rule of keys.
        """
        self._keys = {verb_id: _moved(verb_id, text) for verb_id, text in (chosen or {}).items()}

    def key_of(self, verb: Verb[Any]) -> Key | None:
        """Return the key of a verb, as bound and as shown."""
        return self._keys.get(verb.id, verb.key)

    def bound(self) -> dict[str, str]:
        """Return the changed keys by Textual's names, for its own keymap."""
        return {verb_id: key.keys for verb_id, key in self._keys.items()}

    def signs(self) -> dict[str, str]:
        """Return the changed keys as people write them."""
        return {verb_id: key.display for verb_id, key in self._keys.items()}

    def differences(self, other: "Keymap") -> str:
        """Say which keys are others than in the workspace shown before; "" if none is.

        The keys that change something come first: a hand that knows the old ones presses them.
        """
        moved = [MOVABLE[name] for name in {**self._keys, **other._keys} if self._sign(name) != other._sign(name)]
        if not moved:
            return ""
        moved.sort(key=lambda verb: (not verb.changes, verb.id))
        return f"Other keys here: {', '.join(f'{self._sign(verb.id)} {verb.id}' for verb in moved)}."

    def _sign(self, verb_id: str) -> str:
        key = self.key_of(MOVABLE[verb_id])
        return key.display if key is not None else ""

    def refuse_conflicts(self, screen: str, verbs: Iterable[Verb[Any]]) -> None:
        """Refuse a changed key that another verb of a screen has.

        Raises:
            KeyProblemError: Two verbs share a key.
        """
        owners: dict[str, Verb[Any]] = {}
        for verb in verbs:
            if (key := self.key_of(verb)) is None or not key.keys:
                continue
            other = owners.setdefault(key.keys, verb)
            if other is not verb:
                changed, kept = (verb, other) if verb.id in self._keys else (other, verb)
                raise KeyProblemError(
                    changed.id, f"{key.display} is also the key of {kept.id} on {screen}; change one of the two"
                )


def _moved(verb_id: str, text: str) -> Key:
    verb = MOVABLE.get(verb_id)
    if verb is None or verb.key is None:
        import difflib  # no first frame needs it

        nearest = difflib.get_close_matches(verb_id, MOVABLE, n=1, cutoff=0.5)
        hint = f"did you mean {nearest[0]}?" if nearest else "`bondx config keys` lists the ids."
        raise KeyProblemError(verb_id, f"there is no such id: {hint}")
    if text != SPACE and not (len(text) == 1 and text.isascii() and text.isprintable() and text != " "):
        raise KeyProblemError(verb_id, _NEVER)
    if text in ANSWERS and text != verb.key.display:
        raise KeyProblemError(verb_id, f"{text} is fixed: {ANSWERS[text]}; choose another key")
    if text in MOVES or text in "0123456789":
        raise KeyProblemError(verb_id, f"{text} is fixed: j, k, g and G move, digits show screens; choose another key")
    is_capital = len(text) == 1 and text.isupper()
    if verb.changes and not is_capital:
        raise KeyProblemError(
            verb_id, "it changes something, so its key is a capital: lowercase never changes anything"
        )
    if is_capital and not verb.changes:
        raise KeyProblemError(verb_id, "it changes nothing, so its key must not be a capital: capitals change")
    from widgets.textual_internals import key_named

    return replace(verb.key, keys="space" if text == SPACE else key_named(text), sign=text)
