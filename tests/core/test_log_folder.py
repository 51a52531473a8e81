"""The logs of a workspace: one log for each part, one place for each record, text or JSON, and the level in force."""

import json
import logging
import subprocess
import sys

import pytest

from core.engine.journal import open_log
from core.errors import ExitCode
from core.log_folder import N_FILES, LogFolder, write_logs
from core.log_level import UnknownLevelError, asked_level, level_in_force, verbose
from core.log_reading import LogFilter, LogReader
from core.settings import LoggingSettings, SettingsError, load_settings


def names(folder) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_record_goes_to_the_log_of_its_part(tmp_path):
    stop = write_logs(tmp_path, "engine", level=logging.INFO, of="core")
    for logger in ("core.training.trainer", "core.registry.trials", "core.serving.server", "core.rollout.worker"):
        logging.getLogger(logger).info("from %s", logger)
    logging.getLogger("core.monitoring.drift_check").warning("alarm")
    logging.getLogger("core.training.child").debug("too much")
    stop()
    found = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert found.keys() == {"training.log", "model_registry.log", "server.log", "engine.log", "drift_detection.log"}
    assert all(len(text.splitlines()) == 1 for text in found.values())
    assert "INFO    core.registry.trials[" in found["model_registry.log"]


def test_an_engine_inside_a_console_writes_a_record_once(workspace):
    for name in ("", "core", "core.view"):  # whatever other tests of this process have left
        logging.getLogger(name).setLevel(logging.NOTSET if name else logging.WARNING)
        logging.getLogger(name).disabled = False
    stop_console = write_logs(workspace.logs_dir, "console", level=logging.WARNING)
    stop_engine = open_log(workspace)
    logging.getLogger("core.engine").warning("of the engine")
    logging.getLogger("bondx.console").warning("of the console")
    stop_engine()
    logging.getLogger("core.view").warning("without an engine")
    stop_console()
    assert "of the engine" in (workspace.logs_dir / "engine.log").read_text()
    console = (workspace.logs_dir / "console.log").read_text()
    assert ["of the console" in console, "without an engine" in console, "of the engine" in console] == [
        True,
        True,
        False,
    ]


def test_the_log_of_a_server_has_no_address_that_it_called(tmp_path):
    before = logging.getLogger("httpx").level
    stop = write_logs(tmp_path, "server", level=logging.INFO, others=logging.INFO)
    logging.getLogger("httpx").info("HTTP Request: POST https://hooks.example/T0/a-key?key=another")
    logging.getLogger("uvicorn.error").info("started")
    stop()
    said = (tmp_path / "server.log").read_text()
    assert "started" in said
    assert "hooks.example" not in said
    assert logging.getLogger("httpx").level == before


def test_every_log_is_rotated_by_whichever_process_writes_it(tmp_path, monkeypatch):
    monkeypatch.setattr("core.log_folder.MAX_BYTES", 400)
    log = logging.Logger("core.training")
    writers = [LogFolder(tmp_path, rest) for rest in ("engine", "mlops_cli")]
    for number in range(90):
        writers[number % 2].handle(log.makeRecord(log.name, logging.INFO, "", 0, "line %d", (number,), None))
    for writer in writers:
        writer.close()
    assert names(tmp_path) == {"training.log", *(f"training.log.{n}" for n in range(1, N_FILES))}
    assert all(path.stat().st_size <= 400 for path in tmp_path.iterdir())


def test_json_lines_hold_the_whole_record_and_are_read_like_text(tmp_path):
    stop = write_logs(tmp_path, "engine", level=logging.DEBUG, as_json=True, of="core")
    log = logging.getLogger("core.engine")
    log.info("an epoch\x1b[2J of %s", "s-0001", extra={"epoch": 3})
    try:
        raise ValueError("wrong")
    except ValueError:
        log.exception("it failed")
    stop()
    first, second = map(json.loads, (tmp_path / "engine.log").read_text().splitlines())
    assert first.keys() == {"ts", "level", "logger", "process", "message", "extra"}
    assert (first["level"], first["logger"], first["extra"]) == ("INFO", "core.engine", {"epoch": 3})
    assert second["exc"].endswith("ValueError: wrong")
    with (tmp_path / "console.log").open("w") as file:
        file.write("2026-03-02 03:04:05,000 WARNING core.test[1]: earlier, as text\n")
    reader = LogReader(tmp_path)
    lines = reader.newest(99)
    assert "earlier, as text" in lines[0].text
    assert "INFO    core.engine[" in lines[1].text
    assert lines[1].text.endswith("of s-0001 epoch=3")
    assert lines[1].text.isprintable()
    assert lines[-1].text == "ValueError: wrong"
    assert {line.level for line in reader.newest(99, LogFilter(logging.ERROR))} == {logging.ERROR}
    assert len(reader.newest(2)) == 2
    with (tmp_path / "engine.log").open("a") as file:
        file.write('{"ts":"2026-03-02T03:04:05.000Z","level":"INFO","logger":"core.x","process":1,"message":"new"}\n')
        file.write('{"ts":"broken\n')
    assert [line.text for line in reader.poll()] == [
        "2026-03-02 03:04:05,000 INFO    core.x[1]: new",
        '{"ts":"broken',
    ]
    reader.close()


@pytest.mark.parametrize(
    ("variable", "is_verbose", "level"),
    [
        pytest.param(None, False, logging.ERROR, id="the setting"),
        pytest.param("WARN", False, logging.WARNING, id="the environment"),
        pytest.param("warning", True, logging.DEBUG, id="the flag"),
        pytest.param("", False, logging.ERROR, id="an empty variable"),
    ],
)
def test_the_flag_precedes_the_environment_and_that_the_setting(monkeypatch, variable, is_verbose, level):
    monkeypatch.delenv("LOG_LEVEL", raising=False)
    if variable is not None:
        monkeypatch.setenv("LOG_LEVEL", variable)
    if not is_verbose:
        assert level_in_force("error") == level
        return
    with verbose():
        assert level_in_force("error") == level
    assert asked_level() == variable


def test_an_unknown_level_is_one_error(monkeypatch, tmp_path):
    monkeypatch.setenv("LOG_LEVEL", "loud")
    with pytest.raises(UnknownLevelError, match=r"^LOG_LEVEL is 'loud', which is not a level: use debug, info, "):
        asked_level()
    done = subprocess.run(
        [sys.executable, "-m", "console.cli.main", "--workspace", str(tmp_path), "status"],
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (ExitCode.USAGE, "")
    assert len(done.stderr.splitlines()) == 1
    file = tmp_path / "bondx.yaml"
    file.write_text("logging:\n  level: DEBUG\n  format: json\n")
    assert load_settings(file).logging == LoggingSettings(level="debug", format="json")
    file.write_text("logging:\n  level: loud\n")
    with pytest.raises(SettingsError, match=r"line 2.*logging\.level.*loud"):
        load_settings(file)
