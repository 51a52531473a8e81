"""The ticks of an axis: round numbers, linear or logarithmic, and how they are written."""

import math


def nice_ticks(low: float, high: float, n_ticks: int) -> list[float]:
    """Choose round numbers that cover a range.

    Args:
        low: The least value.
        high: The greatest value, above `low`.
        n_ticks: The maximum number of ticks.

    Returns:
        Multiples of 1, 2 or 5 times a power of ten within the range, in rising order; at least one.

    >>> nice_ticks(0.0, 1.0, 6)
    [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    """
    power = 10.0 ** math.floor(math.log10((high - low) / n_ticks))
    for factor in (1, 2, 5, 10, 20):
        step = factor * power
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
        if 1 <= last - first + 1 <= n_ticks:
            return [round(index * step, 12) for index in range(first, last + 1)]
    return [(low + high) / 2]


def log_ticks(low: float, high: float, n_ticks: int) -> list[float]:
    """Choose round numbers that cover a range of decimal logarithms, and return their logarithms.

    >>> [round(10**tick, 9) for tick in log_ticks(-0.1, 2.1, 6)], [round(10**t) for t in log_ticks(1.8, 2.0, 6)]
    ([1.0, 10.0, 100.0], [70, 80, 90, 100])
    """
    decades = range(math.floor(low), math.ceil(high) + 1)
    for digits in ((1, 2, 3, 4, 5, 6, 7, 8, 9), (1, 2, 5), (1,)):
        logarithms = (decade + math.log10(digit) for decade in decades for digit in digits)
        ticks = [tick for tick in logarithms if low - 1e-9 <= tick <= high + 1e-9]
        if 2 <= len(ticks) <= n_ticks:
            return ticks
    return nice_ticks(low, high, n_ticks)


def tick_labels(low: float, high: float, n_ticks: int, *, is_log: bool) -> dict[float, str]:
    """Choose the ticks of an axis, and write each; those of a logarithmic axis are logarithms.

    >>> tick_labels(0.0, 1.0, 3, is_log=False), tick_labels(0.0, 2.0, 3, is_log=True)
    ({0.0: '0.0', 0.5: '0.5', 1.0: '1.0'}, {0.0: '1', 1.0: '10', 2.0: '100'})
    """
    if is_log:
        return {tick: f"{10.0**tick:.3g}" for tick in log_ticks(low, high, n_ticks)}
    ticks = nice_ticks(low, high, n_ticks)
    step = ticks[1] - ticks[0] if len(ticks) > 1 else high - low
    return {tick: number_text(tick, step) for tick in ticks}


def number_text(value: float, step: float) -> str:
    """Write an axis value with the decimals that its step needs.

    >>> number_text(0.30000000000000004, 0.1), number_text(12000.0, 2000.0), number_text(2.5e7, 5e6)
    ('0.3', '12k', '25M')
    """
    for limit, size, unit in ((1e9, 1e9, "G"), (1e6, 1e6, "M"), (1e4, 1e3, "k")):
        if abs(value) >= limit:
            return f"{value / size:.4g}{unit}"
    if value and abs(value) < 1e-4:
        return f"{value:.1e}"
    decimals = 0 if step >= 1 or step <= 0 else min(6, math.ceil(-math.log10(step) - 1e-9))
    return f"{value:.{decimals}f}"
