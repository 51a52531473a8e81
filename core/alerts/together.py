"""One decision about several alerts or silences: about all of them, or about none."""

from collections.abc import Sequence

from core.errors import CoreError


class NoneChangedError(CoreError):
    """Some of several objects refused a decision, so that it was made about none of them."""

    def __init__(self, faults: Sequence[CoreError], n_all: int) -> None:
        """Say what each of them says.

        Args:
            faults: Why the objects refuse; at least one.
            n_all: The number of all objects.
        """
        super().__init__("\n".join((f"None of {n_all} was changed.", *map(str, faults))))
        self.exit_code = faults[0].exit_code


def require_no_faults(faults: Sequence[CoreError], n_all: int) -> None:
    """Raise what keeps a decision from being made about every object.

    Args:
        faults: Why objects refuse.
        n_all: The number of all objects.

    Raises:
        CoreError: The only object refuses.
        NoneChangedError: One of several refuses.
    """
    if faults:
        raise faults[0] if n_all == 1 else NoneChangedError(faults, n_all)
