"""The rule files that the settings name, read again when one changes; the last good rules of a broken file stay."""

from collections.abc import Iterator
from glob import iglob
from pathlib import Path
from typing import Final

from core.alerts.ready_made import READY_MADE_FILE
from core.alerts.rule_files.anomaly_rules import ANOMALY_FILE, anomaly_rule_file
from core.alerts.rule_files.reading import load_rule_file
from core.alerts.rule_files.rule_file import RuleFile
from core.errors import CoreError
from core.plain_files import signatures_of
from core.settings import AlertSettings
from core.settings.alert_anomaly import AnomalySettings

MOST_FILES: Final = 200


class RulesInForce:
    """The rule files of one workspace, by the names under which alerts know them."""

    def __init__(self, root: Path) -> None:
        """Begin without rules; `refresh` reads them.

        Args:
            root: The folder of the workspace, to which the settings' paths are relative.
        """
        self._root = root
        self._read_from: dict[str, object] = {}
        self._anomaly: list[AnomalySettings] = []
        self.files: dict[str, RuleFile] = {}
        self.problems: dict[str, str] = {}  # of files that cannot be used, and of patterns that find none

    def refresh(self, settings: AlertSettings) -> bool:
        """Read what has changed; it costs a `stat()` of each file while nothing has.

        Returns:
            Whether the rules or their problems have changed.
        """
        wanted, problems = self._named(settings)
        before = (dict(self.files), dict(self.problems))
        for name in [name for name in self._read_from if name not in wanted]:
            del self._read_from[name]
            self.files.pop(name, None)
        for name, path in wanted.items():
            signature = signatures_of([path])
            if self._read_from.get(name) == signature:
                if name in self.problems:
                    problems[name] = self.problems[name]
                continue
            self._read_from[name] = signature
            try:
                self.files[name] = load_rule_file(path)
            except CoreError as error:
                problems[name] = str(error)
        self._take_anomaly(settings, problems)
        self.problems = problems
        return before != (self.files, self.problems)

    def _take_anomaly(self, settings: AlertSettings, problems: dict[str, str]) -> None:
        """Take the rules of `alerts.anomaly`, if they are not those of the last time."""
        if settings.anomaly == self._anomaly:
            if ANOMALY_FILE in self.problems:
                problems[ANOMALY_FILE] = self.problems[ANOMALY_FILE]
            return
        self._anomaly = list(settings.anomaly)
        if not settings.anomaly:
            self.files.pop(ANOMALY_FILE, None)
            return
        try:
            self.files[ANOMALY_FILE] = anomaly_rule_file(settings)
        except CoreError as error:
            problems[ANOMALY_FILE] = str(error)

    def _named(self, settings: AlertSettings) -> tuple[dict[str, Path], dict[str, str]]:
        """Return the files by name, and what is wrong with the patterns."""
        found = {READY_MADE_FILE.name: READY_MADE_FILE} if settings.ready_made else {}
        problems = {}
        for pattern in settings.rules:
            matched = sorted(self._matching(pattern))
            if not matched:
                problems[pattern] = f"alerts.rules: {pattern} names no file"
            for name, path in matched:
                if len(found) >= MOST_FILES:
                    problems[pattern] = f"alerts.rules: more than {MOST_FILES} files; name fewer"
                    break
                found[name] = path
        return found, problems

    def _matching(self, pattern: str) -> Iterator[tuple[str, Path]]:
        if not any(sign in pattern for sign in "*?["):
            yield pattern, self._root / pattern
            return
        for name in iglob(pattern, root_dir=self._root, recursive=True):
            if (self._root / name).is_file():
                yield name, self._root / name
