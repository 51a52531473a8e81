"""What servers on other hosts follow: the state of the workspace, and the files of versions."""

import re
from typing import Annotated, Any

import msgspec
from litestar import Controller, Request, Response, get, post
from litestar.params import FromPath, JSONBody, QueryParameter
from msgspec import Meta

from core.clock import utc_now
from core.governance import require_access
from core.registry import Registry
from core.replication import FILE_BYTES, ReplicaState, file_of_version, offer_tag, offered_state
from core.replication.contacts import note_contact
from core.replication.sent_records import SentRecords, TakenRecords
from core.serving.authenticator import Caller
from core.serving.control.admission import INSPECT, OPERATE, Given, inspected
from core.serving.errors import BadRequestError
from core.serving.live import LiveCounter
from core.serving.recording import PredictionRecorder
from core.state import Workspace
from core.typed_numbers import whole_number

_RANGE = re.compile(r"bytes=([0-9]{1,15})-([0-9]{1,15})")


class ReplicationRoutes(Controller):
    """Replicas."""

    path = "/"
    tags = ["replicas"]

    @get("/replica", opt=INSPECT, sync_to_thread=True)
    def offer(
        self, workspace: Given[Workspace], caller: Given[Caller], request: Request[Any, Any, Any]
    ) -> Response[ReplicaState]:
        """Return what replicas serve: models, versions, rollouts, digests of tokens; 304 by `If-None-Match`."""
        now = utc_now()
        tag = f'"{offer_tag(workspace, now)}"'  # before the state: at worst it is asked for once more
        has_all = tag in request.headers.get("if-none-match", "")
        note_contact(workspace, caller.actor, request.headers, now, has_all=has_all)
        if has_all:
            return Response(None, status_code=304, headers={"etag": tag})  # type: ignore[arg-type]
        return Response(offered_state(workspace, now), headers={"etag": tag})

    @get(
        "/models/{model:str}/versions/{version:str}/files",
        opt=INSPECT,
        media_type="application/octet-stream",
        sync_to_thread=True,
    )
    def read_file(
        self,
        workspace: Given[Workspace],
        caller: Given[Caller],
        request: Request[Any, Any, Any],
        model: FromPath[str],
        version: FromPath[str],
        name: Annotated[
            str,
            Meta(max_length=1000),
            QueryParameter(description="The file, as MANIFEST.json spells it; by default MANIFEST.json."),
        ] = "MANIFEST.json",
    ) -> Response[bytes]:
        """Return a file of a version, up to 8 MiB; `Range: bytes=FIRST-LAST` asks for a part. The ETag is its hash."""
        note_contact(workspace, caller.actor, request.headers, utc_now())
        number = inspected(workspace, caller, model, version) or version
        with file_of_version(workspace, model, number, name) as file:
            asked = request.headers.get("range")
            if asked is None:
                first, n_bytes = 0, file.size
            else:
                first, n_bytes = _part(asked, file.size)
            if n_bytes > FILE_BYTES:
                raise BadRequestError(
                    f"The file has {file.size:,} bytes, and an answer at most {FILE_BYTES:,}: ask for parts with the "
                    f"header Range, such as bytes=0-{FILE_BYTES - 1}."
                )
            _skip(file.content, first)
            content = file.content.read(n_bytes)
            headers = {"etag": f'"{file.sha256}"', "accept-ranges": "bytes"}
            if asked is not None:
                headers["content-range"] = f"bytes {first}-{first + len(content) - 1}/{file.size}"
            return Response(
                content,
                status_code=200 if asked is None else 206,
                headers=headers,
                media_type="application/octet-stream",
            )


class SentRecordRoutes(Controller):
    """What replicas send back."""

    path = "/replica/records"
    tags = ["replicas"]

    @post("/", opt=OPERATE, status_code=202, sync_to_thread=True)
    def take(
        self,
        workspace: Given[Workspace],
        caller: Given[Caller],
        request: Request[Any, Any, Any],
        recorder: Given[PredictionRecorder],
        live: Given[LiveCounter | None],
        data: JSONBody[SentRecords],
    ) -> TakenRecords:
        """Take predictions, outcomes and counts of served rows of a replica; a batch that is sent again counts once."""
        require_access(workspace, caller.actor, "replica.report", object=data.batch)
        note_contact(workspace, caller.actor, request.headers, utc_now())
        registry = Registry(workspace)
        known = {(model.model, number) for model in registry.models() for number in registry.numbers(model.model)}
        taken = recorder.take(data, known)
        if taken is None:  # it was acknowledged, and the acknowledgement was lost
            return TakenRecords(n_predictions=0, n_outcomes=0, n_minutes=0)
        minutes = [each.record() for each in data.minutes if (each.model, each.version) in known]
        return msgspec.structs.replace(taken, n_minutes=0 if live is None else live.take(minutes))


def _part(asked: str, size: int) -> tuple[int, int]:
    found = _RANGE.fullmatch(asked)
    first, last = (whole_number(found[1]), whole_number(found[2])) if found else (0, -1)
    if found is None or not first <= last or first >= max(size, 1):
        raise BadRequestError(
            f"The header Range must be bytes=FIRST-LAST within the {size:,} bytes of the file, such as bytes=0-1023."
        )
    return first, min(last + 1, size) - first


def _skip(content: Any, n_bytes: int) -> None:
    if n_bytes and content.seekable():
        content.seek(n_bytes)
        return
    while n_bytes > 0 and (read := content.read(min(n_bytes, FILE_BYTES))):
        n_bytes -= len(read)
