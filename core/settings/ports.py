"""Ports as settings files of other programs spell them, read as the addresses of the block `serving`.

`server: {host: …, port: …}` is the address of the server; `metrics_port` or `monitoring: {port: …}` is the address at
which probes and Prometheus ask. A port alone is one of this machine.
"""

from collections.abc import Callable
from typing import Any

from core.settings.errors import SettingsError
from core.settings.source import KeyPath, YamlSource

KeyMove = Callable[[YamlSource, KeyPath, KeyPath], None]

_BLOCK = "serving"
_METRICS: tuple[KeyPath, ...] = (
    ("metrics_port",),
    ("server", "metrics_port"),
    ("server", "monitoring_port"),
    (_BLOCK, "metrics_port"),
    (_BLOCK, "monitoring_port"),
    ("monitoring", "metrics_port"),
    ("monitoring", "port"),
)


def spell_ports(source: YamlSource, move: KeyMove) -> None:
    """Give every port its canonical place.

    Args:
        source: The file; it is changed.
        move: Moves a key to another place, and refuses two spellings of one setting.
    Raises:
        SettingsError: One setting is given twice.
    """
    for path in _METRICS:
        block = source.values if len(path) == 1 else source.values.get(path[0])
        if isinstance(block, dict) and path[-1] in block:
            _join_host(source, path)
            move(source, path, (_BLOCK, "metrics_listen"))
    _drop_if_empty(source, "monitoring")
    for name in ("server", _BLOCK):
        block = source.values.get(name)
        if not isinstance(block, dict):
            continue
        if "port" in block:
            _join_host(source, (name, "port"))
            move(source, (name, "port"), (name, "listen"))
        elif "host" in block:
            raise SettingsError(
                source.file,
                f"{name}.host has no port beside it: name {name}.port, too, or give both as serving.listen",
                **source.place_of((name, "host")),
            )
    if isinstance(source.values.get("server"), dict):
        for key in list(source.values["server"]):
            move(source, ("server", key), (_BLOCK, key))
        _drop_if_empty(source, "server")


def _join_host(source: YamlSource, path: KeyPath) -> None:
    """Spell a port as an address, with the host beside it if it has one of its own."""
    block: dict[str, Any] = source.values if len(path) == 1 else source.values[path[0]]
    port = block[path[-1]]
    if isinstance(port, bool) or not isinstance(port, int | str):
        return  # refused for its type
    host = block.pop("host", "") if path[-1] == "port" else ""
    bare = f"[{host}]" if ":" in str(host) and not str(host).startswith("[") else host
    block[path[-1]] = f"{bare}:{port}" if host else f"{port}"


def _drop_if_empty(source: YamlSource, name: str) -> None:
    if source.values.get(name) == {}:
        del source.values[name]
