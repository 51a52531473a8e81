"""Whether this console may change anything now, and if not, why: the sentence shown beside a dim key."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class WriteAccess:
    """What a console is allowed to do. `--read-only` never arms."""

    read_only: bool = False
    armed: bool = True

    @property
    def refusal(self) -> str | None:
        """Why nothing may be changed, or None when it may."""
        if self.read_only:
            return "This console is read-only; start it without --read-only to change anything."
        if not self.armed:
            return "Writes are disarmed; press ! to arm them."
        return None

    def toggled(self) -> "WriteAccess":
        """Arm or disarm; a read-only console stays as it is."""
        return self if self.read_only else WriteAccess(read_only=False, armed=not self.armed)
