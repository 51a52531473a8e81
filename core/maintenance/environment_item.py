"""What one line of the environment check says."""

import msgspec


class EnvironmentItem(msgspec.Struct, frozen=True, kw_only=True):
    """One component of the machine, or one condition of it such as a limit."""

    name: str
    is_present: bool  # of a condition: whether it is as it should be
    is_required: bool
    is_condition: bool = False
    found: str = ""  # version, location or value, or the reason why it is unusable
    purpose: str = ""
    cure: str = ""  # empty if it is present

    @property
    def is_a_problem(self) -> bool:
        """Whether a required component is missing, or a condition does not let BondX work."""
        return self.is_required and not self.is_present

    @property
    def state(self) -> str:
        """One word for it: ok; missing or absent, if BondX needs it or not; wrong or weak, if it is a condition."""
        if self.is_present:
            return "ok"
        if self.is_condition:
            return "wrong" if self.is_required else "weak"
        return "missing" if self.is_required else "absent"


def condition(
    name: str, *, found: str, cure: str = "", is_required: bool = False, purpose: str = ""
) -> EnvironmentItem:
    """Return the line of a condition, which is as it should be if nothing needs a cure."""
    return EnvironmentItem(
        name=name,
        is_present=not cure,
        is_required=is_required,
        is_condition=True,
        found=found,
        purpose=purpose,
        cure=cure,
    )
