"""The `executor` block: where the trials, folds and members of a training are computed."""

import re
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from core.local_callers import is_loopback

_ADDRESS = re.compile(r"(?P<scheme>tcp|tls)://(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):(?P<port>[0-9]{1,5})")
_LAST_PORT = 65535


class ExecutorTls(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The `tls` part: PEM files with which both ends of a Dask cluster prove who they are."""

    ca: Annotated[str, Meta(min_length=1, description="File of the authority that signed all certificates.")]
    cert: Annotated[str, Meta(min_length=1, description="File of the certificate of this end.")]
    key: Annotated[str, Meta(min_length=1, description="File of its private key.")]


class ExecutorSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The `executor` block. The results are the same on each of them."""

    kind: Annotated[
        Literal["thread", "process", "dask"],
        Meta(description="Threads of the training, processes of this machine, or the workers of a Dask cluster."),
    ] = "thread"
    workers: Annotated[
        int,
        Meta(
            ge=0,
            le=256,
            description="Threads or processes; 0: one per core. With dask: how many must be there before work begins; "
            "0: one.",
        ),
    ] = 0
    address: Annotated[
        str, Meta(max_length=300, description="Of the Dask scheduler: tcp://HOST:PORT or tls://HOST:PORT.")
    ] = ""
    tables: Annotated[
        Literal["auto", "memory", "dask"],
        Meta(
            description="Where a file to train on is read: in memory, or in parts by the workers of the Dask cluster; "
            "auto: by the workers where it is a folder, a pattern, or larger than the memory allows."
        ),
    ] = "auto"
    tls: Annotated[ExecutorTls | None, Meta(description="With a tls:// address: the files of both ends.")] = None
    allow_unencrypted: Annotated[
        bool,
        Meta(description="Allow tcp:// to another machine; whoever can send there runs code on scheduler and workers."),
    ] = False

    def __post_init__(self) -> None:
        if self.kind != "dask":
            if self.address or self.tls is not None:
                raise ValueError(f"address and tls are for kind: dask, and the kind is {self.kind}")
            if self.tables == "dask":
                raise ValueError(f"tables: dask is for kind: dask, and the kind is {self.kind}")
            return
        if not self.address:
            raise ValueError("kind: dask needs the address of a scheduler, such as tcp://127.0.0.1:8786")
        found = _ADDRESS.fullmatch(self.address)
        if found is None or int(found["port"]) > _LAST_PORT:
            raise ValueError(f"address ({self.address}) must be tcp://HOST:PORT or tls://HOST:PORT")
        is_encrypted = found["scheme"] == "tls"
        if is_encrypted != (self.tls is not None):
            missing = "a tls:// address needs tls: {ca, cert, key}" if is_encrypted else "tls needs a tls:// address"
            raise ValueError(f"{missing} (address is {self.address})")
        host = found["host"].strip("[]")
        if not (is_encrypted or self.allow_unencrypted or host == "localhost" or is_loopback(host)):
            raise ValueError(
                f"address ({self.address}) is another machine, and Dask's messages are pickles: use tls:// with tls, "
                "or set allow_unencrypted: true on a network that you trust"
            )
