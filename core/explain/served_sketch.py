"""Contributions to served answers, added up: a few hundred bytes a minute, and no row in them.

A minute of one server process is a stratum: some of its rows, chosen at random, are explained and stand for all that
it answered. What is kept of a column is the total size of its contributions that these rows estimate, the total with
signs, and the variance that the choice of rows gives to the first. Strata are independent, so all three add up.
"""

import hashlib
import zlib
from collections.abc import Sequence
from typing import Annotated, Final, Literal, NoReturn

import msgspec
import numpy as np
from msgspec import Meta

from core.arrays import FloatArray, IntArray
from core.errors import CoreError
from core.json_documents import decode_msgpack
from core.packed_documents import unpacked

MAGIC: Final = b"BXC1"
MOST_BYTES: Final = 4 << 20  # of one sketch once it is unpacked
_LEVEL = 1  # of zlib

_Count = Annotated[int, Meta(ge=0, le=1 << 53)]


class ContributionSketchError(CoreError):
    """The bytes are no sketch of contributions."""

    def __init__(self, problem: str) -> None:
        super().__init__(f"The contributions to served answers cannot be used: {problem}.")


class ContributionBasis(msgspec.Struct, array_like=True, frozen=True, forbid_unknown_fields=True):
    """How contributions were computed: only those of one basis add up.

    Attributes:
        names: The columns, those denied as one.
        algorithm: Its name in words.
        scale: The scale on which contributions sum, in words.
        output: Of a classification the class that is explained.
        reference: What the base is the mean of, in words.
        is_sampled: Whether orders of columns were sampled, so that sizes hold noise.
    """

    names: tuple[str, ...]
    algorithm: str
    scale: str
    output: str | None
    reference: str
    is_sampled: bool = False

    @property
    def number(self) -> str:
        """The name under which sketches of it are stored: no two have the same."""
        return hashlib.sha256(_ENCODER.encode(self)).hexdigest()[:16]


class ContributionSketch(msgspec.Struct, array_like=True, frozen=True, forbid_unknown_fields=True):
    """What columns added to the answers of some rows.

    Attributes:
        basis: How that was computed.
        n: Rows that it stands for.
        n_explained: Rows of them that were explained.
        sizes: By column the total size of the contributions to the n rows, as estimated.
        sums: By column their total with signs, as estimated.
        variances: By column the variance of `sizes` that comes from the choice of the explained rows.
    """

    basis: ContributionBasis
    n: _Count
    n_explained: _Count
    sizes: tuple[float, ...]
    sums: tuple[float, ...]
    variances: tuple[float, ...]
    format: Literal[1] = 1

    @classmethod
    def of(
        cls, basis: ContributionBasis, values: FloatArray, n_rows: int, requests: IntArray | None = None
    ) -> "ContributionSketch":
        """Add up the contributions to rows of one minute, chosen at random.

        Args:
            basis: How they were computed.
            values: The contributions, shape (n, columns).
            n_rows: How many rows they stand for.
            requests: The number of the request of each row, where whole requests were chosen first, shape (n,).
        Raises:
            ContributionSketchError: One request was chosen, and others not: nothing says how much they differ.
        Source:
            Cochran, Sampling Techniques (1977), sections 2.6 (rows) and 9A.5 (requests, without their finite share).

        >>> basis = ContributionBasis(("age",), "", "", None, "")
        >>> found = ContributionSketch.of(basis, np.array([[1.0], [-3.0]]), 2)
        >>> found.sizes, found.sums, found.variances  # all rows are explained, so the choice adds nothing
        ((4.0,), (-2.0,), (0.0,))
        """
        n_explained, sizes = len(values), np.abs(values)
        means = sizes.mean(axis=0)
        if requests is None:
            spread = sizes.var(axis=0, ddof=1) if n_explained > 1 else np.zeros_like(means)
            variance = n_rows**2 * (1.0 - n_explained / n_rows) * spread / n_explained
        else:
            (known, at) = np.unique(requests, return_inverse=True)
            if len(known) < 2:
                raise ContributionSketchError("the rows of one request do not stand for those of others")
            by_request = np.zeros((len(known), sizes.shape[1]))
            np.add.at(by_request, at, (sizes - means) / n_explained)
            variance = n_rows**2 * len(known) / (len(known) - 1) * (by_request**2).sum(axis=0)
        sums = n_rows * values.mean(axis=0)
        return cls(
            basis,
            n_rows,
            n_explained,
            tuple((n_rows * means).tolist()),
            tuple(sums.tolist()),
            tuple(variance.tolist()),
        )

    def to_bytes(self) -> bytes:
        """Return the bytes that are stored."""
        return MAGIC + zlib.compress(_ENCODER.encode(self), _LEVEL)


_ENCODER = msgspec.msgpack.Encoder(order="deterministic")


def sketch_from_bytes(content: bytes) -> ContributionSketch:
    """Read a sketch strictly: a store can be damaged or forged.

    Raises:
        ContributionSketchError: It is none.
    """
    if not isinstance(content, bytes) or not content.startswith(MAGIC):
        _refuse("they do not begin as a sketch does")
    try:
        found = decode_msgpack(unpacked(content[len(MAGIC) :], MOST_BYTES), ContributionSketch)
    except (zlib.error, msgspec.DecodeError) as error:
        raise ContributionSketchError(f"they are damaged ({error})") from error
    columns = (found.sizes, found.sums, found.variances)
    if any(len(column) != len(found.basis.names) for column in columns) or len(set(found.basis.names)) != len(
        found.basis.names
    ):
        _refuse("they do not have a figure for each column")
    if not np.isfinite(np.array(columns)).all() or min((*found.sizes, *found.variances), default=0.0) < 0.0:
        _refuse("they hold figures that cannot be")
    if not 0 < found.n_explained <= found.n:
        _refuse(f"{found.n_explained:,} rows stand for {found.n:,}")
    return found


def add_sketches(parts: Sequence[ContributionSketch]) -> ContributionSketch:
    """Add up sketches of one basis, at least one.

    Raises:
        ContributionSketchError: They are of several.
    """
    first = parts[0]
    if any(part.basis != first.basis for part in parts):
        _refuse("they were computed in two ways")
    table = np.array([(part.sizes, part.sums, part.variances) for part in parts]).sum(axis=0)
    sizes, sums, variances = (tuple(column) for column in table.tolist())
    return ContributionSketch(
        first.basis, sum(part.n for part in parts), sum(part.n_explained for part in parts), sizes, sums, variances
    )


def merged_contributions(parts: list[bytes]) -> bytes:
    """Add up stored sketches, for a roll-up.

    Raises:
        ContributionSketchError: A part is none, or they were computed in several ways.
    """
    return add_sketches([sketch_from_bytes(part) for part in parts]).to_bytes()


def _refuse(problem: str) -> NoReturn:
    raise ContributionSketchError(problem)
