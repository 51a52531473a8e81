"""Unpack compressed bytes that anyone may have written: to no more bytes than expected, and with none behind them."""

import zlib


def unpacked(content: bytes, most_bytes: int) -> bytes:
    """Return what `zlib.compress` has compressed.

    Args:
        content: The compressed bytes.
        most_bytes: How many bytes may come out of them.
    Raises:
        zlib.error: They are damaged or cut off, become more bytes than may come out, or have others behind them.

    >>> unpacked(zlib.compress(bytes(1_000_000)), 1_000_000) == bytes(1_000_000)
    True
    >>> unpacked(zlib.compress(bytes(1_000_000)), 999_999)
    Traceback (most recent call last):
    zlib.error: they become more than 999,999 bytes
    """
    unpacking = zlib.decompressobj()
    found = unpacking.decompress(content, most_bytes + 1)
    if len(found) > most_bytes:
        raise zlib.error(f"they become more than {most_bytes:,} bytes")
    if not unpacking.eof:
        raise zlib.error("they are cut off")
    if unpacking.unused_data:
        raise zlib.error("other bytes follow them")
    return found
