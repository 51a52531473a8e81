"""Whether this console may change anything now, and the sentence that says why not."""

from dataclasses import dataclass

from console.presentation.keys import sign_of


@dataclass(frozen=True, slots=True)
class WriteAccess:
    """The write access of a console. `--read-only` never arms."""

    read_only: bool = False
    armed: bool = True

    @property
    def refusal(self) -> str | None:
        """The reason why changes are refused, or None."""
        if self.read_only:
            return "This console is read-only; start it without --read-only to change anything."
        if not self.armed:
            return f"Writes are disarmed; press {sign_of('console.toggle_writes')} to arm them."
        return None

    def toggled(self) -> "WriteAccess":
        """Arm or disarm; a read-only console stays as it is."""
        return self if self.read_only else WriteAccess(read_only=False, armed=not self.armed)
