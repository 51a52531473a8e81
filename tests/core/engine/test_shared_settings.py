"""The settings that all workers of an engine read together."""

from core.engine.monitoring_rules import monitoring_rules
from core.engine.workers.backup import BackupSchedule
from core.engine.workers.metrics_port import MetricsPort
from core.engine.workers.notifier import Notifier


def test_a_broken_edit_of_the_settings_is_logged_once_and_not_by_each_worker(workspace, context, caplog):
    rules = monitoring_rules(context)
    workers = [BackupSchedule(context), MetricsPort(context), Notifier(context)]
    workspace.settings_file.write_text("backup: {keep: many}\n")
    for worker in workers:
        worker.step()
    assert rules() == context.settings.monitoring
    assert sum("the settings cannot be read" in message for message in caplog.messages) == 1
