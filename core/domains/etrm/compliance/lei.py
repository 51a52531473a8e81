"""Legal entity identifiers: their shape and check digits."""

import re
from functools import lru_cache

_SHAPE = re.compile(r"[A-Z0-9]{18}[0-9]{2}")


@lru_cache(maxsize=65_536)
def is_lei(text: str) -> bool:
    """Return whether a text has the shape and the check digits of a legal entity identifier.

    Source:
        ISO 17442-1:2020; check digits of ISO/IEC 7064, MOD 97-10.

    >>> is_lei("SYN00000000000000128"), is_lei("SYN00000000000000129"), is_lei("")
    (True, False, False)
    """
    if _SHAPE.fullmatch(text) is None:
        return False
    return int("".join(str(int(character, 36)) for character in text)) % 97 == 1
