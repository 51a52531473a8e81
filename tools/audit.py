"""Known vulnerabilities in the pinned versions: `make audit ADVISORIES=all.zip`.

The advisories are a folder or a zip of JSON files in the OSV format, such as the export of osv.dev for PyPI. Nothing is
downloaded. A finding ends the command with exit code 1, and data that cannot be used with 2.

Where an advisory is unclear, it counts: a version of it that is not PEP 440 never ends a range.
"""

import argparse
import json
import lzma
import os
import re
import sys
import tomllib
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import NamedTuple, NoReturn

import msgspec
from packaging.utils import canonicalize_name
from packaging.version import Version

from core.errors import UsageError
from core.escape import escaped, shown, shown_path
from core.json_documents import converted, decode_json
from core.plain_files import open_plain, read_file

ROOT = Path(__file__).parents[1]
SOURCE = "https://osv-vulnerabilities.storage.googleapis.com/PyPI/all.zip"
ECOSYSTEM = "PyPI"
MOST_FILES = 500_000
MOST_BYTES, MOST_TOTAL_BYTES = 8 << 20, 2 << 30
"""Of one advisory, and of all."""
OLD_DAYS = 30
_MOST_LIST_BYTES = 1 << 20
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,99}")
_ORDER = {"limit": 0, "fixed": 1, "last_affected": 1, "introduced": 2}  # at the same version, affected again


class Package(msgspec.Struct, frozen=True):
    """What an advisory is about."""

    ecosystem: str = ""
    name: str = ""


class Range(msgspec.Struct, frozen=True):
    """Versions between events, each of which is one of introduced, fixed, last_affected and limit."""

    type: str
    events: list[dict[str, str]] = []


class Affected(msgspec.Struct, frozen=True):
    """The affected versions of one package."""

    package: Package | None = None
    ranges: list[Range] = []
    versions: list[str] = []


class Advisory(msgspec.Struct, frozen=True):
    """An advisory in the OSV format, as far as it is read here."""

    id: str
    modified: datetime
    withdrawn: datetime | None = None
    aliases: list[str] = []
    summary: str = ""
    affected: list[Affected] = []

    @property
    def names(self) -> set[str]:
        """Its id, and those of the same vulnerability elsewhere."""
        return {self.id, *self.aliases}


class Ignored(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A vulnerability that does not count for a while."""

    id: str
    reason: str
    until: date
    package: str = ""  # empty: whichever has it

    def holds(self, finding: "Finding", today: date) -> bool:
        """Say whether a finding does not count today."""
        return today <= self.until and self.is_about(finding)

    def is_about(self, finding: "Finding") -> bool:
        """Say whether it is about a finding."""
        is_named = not self.package or canonicalize_name(self.package) == canonicalize_name(finding.package)
        return is_named and self.id in {finding.id, *finding.aliases}


class IgnoreList(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file of what is ignored."""

    ignored: list[Ignored] = []


class Finding(NamedTuple):
    """A vulnerability of a pinned version."""

    id: str
    package: str
    installed: str
    fixed: str  # the first later version without it; empty if none is known
    aliases: list[str]
    summary: str


def main(arguments: list[str] | None = None, *, today: date | None = None) -> int:
    """Print the findings; return 1 if there are any, and 2 if the data cannot be used."""
    parser = argparse.ArgumentParser(
        prog="make audit ADVISORIES=PATH", description="Look for known vulnerabilities in the pinned versions."
    )
    parser.add_argument("--advisories", default="", metavar="PATH", help="a folder or a zip of advisories (OSV, JSON)")
    parser.add_argument("--constraints", type=Path, default=ROOT / "constraints.txt", help="the pinned versions")
    parser.add_argument("--ignored", type=Path, default=ROOT / "tools" / "audit_ignored.toml", help="what is ignored")
    parser.add_argument("--json", action="store_true", help="print only JSON")
    options = parser.parse_args(arguments)
    today = today or datetime.now(UTC).date()
    try:
        pins, ignored = pinned(options.constraints), read_ignored(options.ignored)
        if not options.advisories:
            raise UsageError(
                f"No advisories are given, and nothing is downloaded here: fetch {SOURCE} where there is a network, "
                "and give its path: make audit ADVISORIES=all.zip."
            )
        advisories = list(read_advisories(Path(options.advisories)))
    except UsageError as error:
        print(f"audit: {error}", file=sys.stderr)
        return 2
    found = together(finding for advisory in advisories for finding in findings(advisory, pins))
    counting = [each for each in found if not any(entry.holds(each, today) for entry in ignored)]
    if options.json:
        print(json.dumps([each._asdict() for each in counting], indent=2))
    else:
        for each in counting:
            fixed = f"fixed in {each.fixed}" if each.fixed else "no fixed version is known"
            also = f" ({', '.join(each.aliases)})" if each.aliases else ""
            print(f"{each.id}{also}  {each.package} {each.installed}  {fixed}  {escaped(each.summary)}")
    for line in remarks(advisories, found, ignored, today):
        print(f"audit: {line}", file=sys.stderr)
    print(
        f"audit: {len(pins)} pinned versions, {len(advisories):,} advisories, {len(counting)} known vulnerabilities",
        file=sys.stderr,
    )
    return 1 if counting else 0


def remarks(advisories: list[Advisory], found: list[Finding], ignored: list[Ignored], today: date) -> Iterator[str]:
    """Say what a person should know of the data and of the list."""
    newest = max(advisory.modified for advisory in advisories).astimezone(UTC).date()
    if (today - newest).days > OLD_DAYS:
        yield f"the newest advisory is of {newest}: fetch newer ones from {SOURCE}"
    for entry in ignored:
        if not any(entry.is_about(each) for each in found):
            yield f"{entry.id} is ignored and not found any more: remove its entry"
        elif today > entry.until:
            yield f"{entry.id} counts again, its entry has ended on {entry.until}: {escaped(entry.reason)}"


def pinned(file: Path) -> dict[str, str]:
    """Return the pinned version of each package, by its name in one spelling.

    Raises:
        UsageError: The file cannot be read, or a line of it is no pin.
    """
    pins = {}
    for number, line in enumerate(_text(file).splitlines(), start=1):
        stated = line.partition("#")[0].strip()
        if not stated:
            continue
        name, _, version = stated.partition("==")
        try:
            pins[canonicalize_name(name.strip(), validate=True)] = str(Version(version.strip()))
        except ValueError:  # of the name or of the version
            raise UsageError(f"{file}, line {number}: {shown(stated)} is no pin: write NAME==VERSION.") from None
    return pins


def read_ignored(file: Path) -> list[Ignored]:
    """Return what is ignored.

    Raises:
        UsageError: The file cannot be read, or an entry lacks its reason or its end.
    """
    form = "each [[ignored]] has id, reason and until (such as 2027-01-31), and may have package"
    try:
        entries = converted(tomllib.loads(_text(file)), IgnoreList).ignored
    except (tomllib.TOMLDecodeError, RecursionError, msgspec.ValidationError) as error:
        raise UsageError(f"{file} cannot be used ({shown(str(error), most=200)}): {form}.") from None
    for entry in entries:
        if not entry.reason.strip() or not entry.id.strip():
            raise UsageError(f"{file}: the entry {shown(entry.id)} has no id or no reason: {form}.")
    return entries


def read_advisories(place: Path) -> Iterator[Advisory]:
    """Read the advisories for PyPI below a folder, or in a zip.

    Raises:
        UsageError: There are none, or a file is none.
    """
    is_any = False
    for name, content in _contents(place):
        try:
            advisory = decode_json(content, Advisory)
            if _ID.fullmatch(advisory.id) is None or not all(map(_ID.fullmatch, advisory.aliases)):
                raise msgspec.ValidationError("its id is none")
            if advisory.modified.tzinfo is None:
                raise msgspec.ValidationError("its time has no zone")
        except msgspec.DecodeError as error:
            raise UsageError(
                f"{name} is not an advisory in the OSV format ({shown(str(error), most=200)}): fetch {SOURCE} anew, "
                "and keep no other JSON beside it."
            ) from None
        if any(_is_ours(affected) for affected in advisory.affected):
            is_any = True
            yield advisory
    if not is_any:
        raise UsageError(f"{place} holds no advisory for {ECOSYSTEM}: fetch {SOURCE}, and give its path.")


def findings(advisory: Advisory, pins: Mapping[str, str]) -> Iterator[Finding]:
    """Yield a finding for each pinned package whose version an advisory affects; a withdrawn one affects none."""
    if advisory.withdrawn is not None:
        return
    about: dict[str, list[Affected]] = {}
    for affected in advisory.affected:
        if affected.package is not None and _is_ours(affected):
            about.setdefault(canonicalize_name(affected.package.name), []).append(affected)
    for name, all_affected in about.items():
        if name not in pins:
            continue
        version = Version(pins[name])
        hit = [affected for affected in all_affected if is_affected(version, affected)]
        if hit:
            fixed = min((each for affected in hit for each in fixes(version, affected)), default=None)
            yield Finding(
                advisory.id,
                name,
                pins[name],
                "" if fixed is None else str(fixed),
                sorted(advisory.names - {advisory.id}),
                advisory.summary,
            )


def is_affected(version: Version, affected: Affected) -> bool:
    """Say whether a version is affected: it is listed, or within a range.

    >>> affected = Affected(ranges=[Range("ECOSYSTEM", [{"introduced": "1.0"}, {"fixed": "1.2"}])], versions=["0.9"])
    >>> [text for text in ("0.9.0", "1.0rc1", "1.0", "1.2rc1", "1.2") if is_affected(Version(text), affected)]
    ['0.9.0', '1.0', '1.2rc1']
    """
    is_listed = any(_version(text) == version for text in affected.versions)
    return is_listed or any(_is_within(version, each) for each in affected.ranges if each.type != "GIT")


def fixes(version: Version, affected: Affected) -> Iterator[Version]:
    """Yield the versions after this one in which it is fixed."""
    for each in affected.ranges:
        for event in each.events:
            fixed = _version(event.get("fixed", ""))
            if each.type != "GIT" and fixed is not None and fixed > version:
                yield fixed


def together(found: Iterable[Finding]) -> list[Finding]:
    """Join the findings of one vulnerability, which several databases describe, and sort them."""
    joined: list[Finding] = []
    places: dict[tuple[str, str], int] = {}
    for each in sorted(found):
        names = {each.id, *each.aliases}
        place = next((places[each.package, name] for name in sorted(names) if (each.package, name) in places), None)
        if place is None:
            place = len(joined)
            joined.append(each)
        else:
            one = joined[place]
            joined[place] = one._replace(
                fixed=min(filter(None, (one.fixed, each.fixed)), key=Version, default=""),
                aliases=sorted({*one.aliases, *names} - {one.id}),
                summary=one.summary or each.summary,
            )
        places |= {(each.package, name): place for name in names}
    return sorted(joined, key=lambda each: (each.package, each.id))


def _is_within(version: Version, within: Range) -> bool:
    """Walk the events of a range in the order of their versions, as the specification of OSV has it."""
    events = []
    for event in within.events:
        for kind, text in event.items():
            at = _version(text)
            if kind == "introduced" and (text == "0" or at is None):
                events.append((True, Version("0.dev0"), kind))
            elif kind in _ORDER and at is not None:
                events.append((False, at, kind))
    limits = [at for _, at, kind in events if kind == "limit"]
    if limits and all(version >= at for at in limits):
        return False
    is_in = False
    for is_first, at, kind in sorted(events, key=lambda each: (not each[0], each[1], _ORDER[each[2]])):
        if kind == "introduced" and (is_first or version >= at):
            is_in = True
        elif (kind == "fixed" and version >= at) or (kind == "last_affected" and version > at):
            is_in = False
    return is_in


def _version(text: str) -> Version | None:
    try:
        return Version(text)
    except ValueError:  # also of a number with more digits than Python reads
        return None


def _is_ours(affected: Affected) -> bool:
    return affected.package is not None and affected.package.ecosystem.partition(":")[0] == ECOSYSTEM


def _contents(place: Path) -> Iterator[tuple[str, bytes]]:
    """Yield the JSON files of a folder or a zip, each with a name for messages.

    Raises:
        UsageError: One cannot be read, or they are more or larger than advisories are.
    """
    total = 0
    for number, (name, content) in enumerate(_in_folder(place) if place.is_dir() else _in_zip(place)):
        total += len(content)
        if number >= MOST_FILES or len(content) > MOST_BYTES or total > MOST_TOTAL_BYTES:
            raise UsageError(
                f"{name} is too much: {MOST_FILES:,} advisories, {MOST_BYTES >> 20} MiB each and "
                f"{MOST_TOTAL_BYTES >> 30} GiB in all are read. Give the export of osv.dev as it is: {SOURCE}."
            )
        yield name, content


def _in_folder(place: Path) -> Iterator[tuple[str, bytes]]:
    for folder, _, names in os.walk(place, onerror=_refuse):
        for name in sorted(names):
            if name.endswith(".json"):
                file = Path(folder, name)
                try:
                    with open_plain(file, follow_links=False) as opened:
                        yield shown_path(file), opened.read(MOST_BYTES + 1)
                except OSError as error:
                    _refuse(error, file)


def _in_zip(place: Path) -> Iterator[tuple[str, bytes]]:
    try:
        with open_plain(place) as file, zipfile.ZipFile(file) as archive:
            for entry in archive.infolist():
                if entry.filename.endswith(".json"):
                    with archive.open(entry) as opened:
                        yield f"{shown_path(place)}, {shown(entry.filename)},", opened.read(MOST_BYTES + 1)
    except OSError as error:
        _refuse(error, place)
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, RuntimeError, NotImplementedError) as error:
        raise UsageError(
            f"{shown_path(place)} cannot be read as a zip ({shown(str(error), most=100)}): give a folder or a zip of "
            f"advisories, such as {SOURCE}."
        ) from None


def _refuse(error: OSError, file: Path | None = None) -> NoReturn:
    name = shown_path(file or error.filename or "?")
    raise UsageError(
        f"{name} cannot be read ({error.strerror or error}): give a folder or a zip of advisories, such as {SOURCE}."
    ) from None


def _text(file: Path) -> str:
    try:
        content = read_file(file, most=_MOST_LIST_BYTES)
        if len(content) > _MOST_LIST_BYTES:
            raise UsageError(f"{file} has more than {_MOST_LIST_BYTES:,} bytes: it is no list of this kind.")
        return content.decode()
    except UnicodeDecodeError:
        raise UsageError(f"{file} is no text in UTF-8.") from None
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror or error}.") from None


if __name__ == "__main__":
    sys.exit(main())
