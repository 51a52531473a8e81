"""The Merkle tree over a sequence of lines: one hash for all of them, and a short proof for each.

Source: RFC 6962, section 2.1 (the Merkle tree hash, audit paths); RFC 9162, section 2.1.3.2 (how a path is checked).
No key here: whoever has the root can check a line.
"""

import hashlib
from collections.abc import Iterable, Sequence

_LEAF, _NODE = b"\x00", b"\x01"  # so that no inner node can pass for a line


def leaf_hash(line: bytes) -> bytes:
    """Return the hash of one line, without its newline."""
    return hashlib.sha256(_LEAF + line.rstrip(b"\n")).digest()


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(_NODE + left + right).digest()


class Peaks:
    """The roots of the full subtrees of a growing tree, the largest first: all that is needed to add a leaf.

    There is one for each bit of the number of leaves, so a million leaves need twenty hashes.
    """

    def __init__(self, n: int = 0, hashes: Iterable[bytes] = ()) -> None:
        """Take up a tree.

        Args:
            n: The number of its leaves.
            hashes: Its peaks, the largest first.
        """
        self.n = n
        self.hashes = list(hashes)

    def add(self, leaf: bytes) -> None:
        """Add the hash of one more leaf."""
        n = self.n
        while n & 1:
            leaf = _node(self.hashes.pop(), leaf)
            n >>= 1
        self.hashes.append(leaf)
        self.n += 1

    def root(self) -> bytes:
        """Return the hash of the whole tree; of an empty tree, the hash of nothing.

        >>> Peaks().root().hex()[:16]
        'e3b0c44298fc1c14'
        """
        if not self.hashes:
            return hashlib.sha256().digest()
        root = self.hashes[-1]
        for peak in reversed(self.hashes[:-1]):
            root = _node(peak, root)
        return root


def root_of(leaves: Iterable[bytes]) -> bytes:
    """Return the root of a tree over the hashes of its leaves."""
    peaks = Peaks()
    for leaf in leaves:
        peaks.add(leaf)
    return peaks.root()


def path_to(index: int, leaves: Sequence[bytes]) -> list[bytes]:
    """Return the hashes that lead from a leaf to the root, the lowest first.

    Args:
        index: The leaf, counted from 0.
        leaves: The hashes of all leaves.
    """
    if len(leaves) <= 1:
        return []
    middle = 1 << (len(leaves) - 1).bit_length() - 1  # the largest power of two below the number of leaves
    if index < middle:
        return [*path_to(index, leaves[:middle]), root_of(leaves[middle:])]
    return [*path_to(index - middle, leaves[middle:]), root_of(leaves[:middle])]


def path_through(index: int, leaves: Iterable[bytes], n: int) -> list[bytes]:
    """Return the same as `path_to`, going through the leaves once and holding none of them.

    Args:
        index: The leaf, counted from 0.
        leaves: The hashes of all leaves.
        n: Their number.

    >>> leaves = [leaf_hash(bytes([each])) for each in range(13)]
    >>> all(path_through(at, iter(leaves), 13) == path_to(at, leaves) for at in range(13))
    True
    """
    # The path names the subtrees beside the way from the root to the leaf, and these have all other leaves.
    siblings: list[range] = []
    inside = range(n)
    while len(inside) > 1:
        middle = inside.start + (1 << (len(inside) - 1).bit_length() - 1)
        left, right = range(inside.start, middle), range(middle, inside.stop)
        inside, beside = (left, right) if index < middle else (right, left)
        siblings.append(beside)
    waiting = sorted(siblings, key=lambda each: each.start, reverse=True)
    roots: dict[int, Peaks] = {each.start: Peaks() for each in siblings}
    for at, leaf in enumerate(leaves):
        if waiting and at == waiting[-1].stop:
            waiting.pop()
        if waiting and at >= waiting[-1].start:
            roots[waiting[-1].start].add(leaf)
    return [roots[each.start].root() for each in reversed(siblings)]


def paths_to(indices: Iterable[int], leaves: Sequence[bytes]) -> dict[int, list[bytes]]:
    """Return the paths of several leaves, as `path_to` does for one; each hash of the tree is computed once.

    >>> leaves = [leaf_hash(bytes([each])) for each in range(13)]
    >>> paths_to(range(13), leaves) == {at: path_to(at, leaves) for at in range(13)}
    True
    """
    paths: dict[int, list[bytes]] = {index: [] for index in indices}
    places = {index: index for index in paths}
    level = list(leaves)
    while len(level) > 1:
        for index, place in places.items():
            if (sibling := place ^ 1) < len(level):
                paths[index].append(level[sibling])
            places[index] = place >> 1
        pairs = [_node(level[at], level[at + 1]) for at in range(0, len(level) - 1, 2)]
        level = pairs + level[len(level) - len(level) % 2 :]  # the last one of an odd number moves up as it is
    return paths


def leads_to(root: bytes, leaf: bytes, index: int, n: int, path: Sequence[bytes]) -> bool:
    """Say whether a path leads from a leaf to the root of a tree of `n` leaves.

    >>> leaves = [leaf_hash(bytes([each])) for each in range(7)]
    >>> all(leads_to(root_of(leaves), leaf, at, 7, path_to(at, leaves)) for at, leaf in enumerate(leaves))
    True
    >>> leads_to(root_of(leaves), leaves[2], 3, 7, path_to(2, leaves))
    False
    """
    if not 0 <= index < n:
        return False
    at, last, found = index, n - 1, leaf
    for step in path:
        if last == 0:
            return False
        if at & 1 or at == last:
            found = _node(step, found)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            found = _node(found, step)
        at, last = at >> 1, last >> 1
    return last == 0 and found == root
