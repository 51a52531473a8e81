"""Which of a run's metrics tells most: what a list has room for."""

from collections.abc import Mapping

# As the last part of its name goes; "spread.mae" tells as much as "mae".
_TELLING = ("score", "attainment", "auc", "accuracy", "r2", "mae", "mae_bps", "rmse", "loss", "log_loss")


def headline_metric(metrics: Mapping[str, float]) -> tuple[str, float] | None:
    """Return the name and value of the metric that tells most; None without metrics.

    >>> headline_metric({"loss": 0.25, "auc": 0.91}), headline_metric({"zeal": 2.0, "depth": 3.0}), headline_metric({})
    (('auc', 0.91), ('depth', 3.0), None)
    """
    if not metrics:
        return None
    by_name = sorted(metrics, key=lambda name: (name.count("."), name))  # a whole before its parts
    known = (name for wanted in _TELLING for name in by_name if name.rpartition(".")[2] == wanted)
    name = next(known, by_name[0])
    return name, metrics[name]
