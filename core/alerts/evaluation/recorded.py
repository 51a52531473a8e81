"""Series that recording rules have just made, beside those that are stored."""

from collections.abc import Iterable, Sequence

import numpy as np

from core.promql import Matcher, SeriesLabels, SeriesSamples, SeriesSource, VectorSample

NAME = "__name__"


class SourceWithRecorded:
    """A source to which series are added while a group is evaluated, so that its later rules see them."""

    def __init__(self, inner: SeriesSource) -> None:
        """Begin with what is stored."""
        self._inner = inner
        self._added: dict[str, dict[SeriesLabels, SeriesSamples]] = {}

    def add(self, samples: Iterable[VectorSample], at_ms: int) -> None:
        """Add one sample each."""
        for sample in samples:
            self.add_series(SeriesSamples(sample.labels, np.array([at_ms]), np.array([sample.value])))

    def add_series(self, series: SeriesSamples) -> None:
        """Add a series; its samples are later than those of the same series that are stored."""
        self._added.setdefault(dict(series.labels).get(NAME, ""), {})[series.labels] = series

    def select(self, matchers: Sequence[Matcher], from_ms: int, to_ms: int) -> Sequence[SeriesSamples]:
        """Return the series that fulfil all matchers, with their samples in (from_ms, to_ms]."""
        stored = self._inner.select(matchers, from_ms, to_ms)
        if not self._added:
            return stored
        named = [matcher for matcher in matchers if matcher.name == NAME]
        names = [name for name in self._added if all(matcher.matches(name) for matcher in named)]
        if not names:
            return stored
        by_labels = {one.labels: one for one in stored}
        for name in names:
            for labels, series in self._added[name].items():
                values = dict(labels)
                first, end = series.at_ms.searchsorted((from_ms, to_ms), side="right").tolist()
                if first == end or not all(matcher.matches(values.get(matcher.name, "")) for matcher in matchers):
                    continue
                at_ms, fresh = series.at_ms[first:end], series.values[first:end]
                if (before := by_labels.get(labels)) is not None:
                    is_earlier = before.at_ms < at_ms[0]
                    at_ms = np.concatenate([before.at_ms[is_earlier], at_ms])
                    fresh = np.concatenate([before.values[is_earlier], fresh])
                by_labels[labels] = SeriesSamples(labels, at_ms, fresh)
        return list(by_labels.values())
