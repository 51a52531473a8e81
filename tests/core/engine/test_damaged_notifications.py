"""A damaged notification log: who was told is state, so no engine starts without it, and the way back is named."""

import pytest

from core.alerts.routing.dispatcher import DATABASE, groups_of
from core.alerts.routing.groups import AlertGroup
from core.clock import utc_now
from core.engine import Engine
from core.maintenance.restore import restore
from core.state import DamagedFileError


def group(name):
    now = utc_now()
    return AlertGroup(
        group_id=name, group_key="{}:{}", receiver="desk", group_labels={}, since=now, next_at=now, told={"a": 1}
    )


def test_an_engine_starts_without_forgetting_who_was_told_once_the_file_is_restored(workspace, person):
    for name in ("first", "second"):
        with workspace.database(DATABASE).transaction():
            groups_of(workspace).insert(group(name))
    file = workspace.state_dir / f"{DATABASE}.json"
    file.write_bytes(file.read_bytes()[:-40])
    engine = Engine(workspace, mode="headless", actor=person)
    with pytest.raises(DamagedFileError, match=r"notifications\.json.*bondx doctor --restore notifications\.json"):
        engine.start()
    restore(workspace, file, actor=person)
    assert groups_of(workspace).find("first").told == {"a": 1}
    engine = Engine(workspace, mode="headless", actor=person)
    engine.start()
    engine.stop(0)
