"""The settings of escalation and of rotations: what is refused, and how the refusal reads."""

import pytest

from core.settings import SettingsError, load_settings

STEP = "escalation: [{steps: [{after_minutes: 5, receivers: [desk]}]}]"
GOOD = """\
alerts:
  escalation: [{severity: critical, matchers: ['model=~"spread.*"'], steps: [{after_minutes: 5, oncall: desk}]}]
  oncall:
    desk:
      people: [ada]
      starts_on: "2026-03-02"
      overrides: [{from: "2026-12-24T09:00", to: "2026-12-26T09:00Z", receiver: dan}]
"""


def rotation(text):
    return f'oncall: {{desk: {{people: [ada], starts_on: "2026-03-02", {text}}}}}'


def test_a_whole_example_is_read(tmp_path):
    (file := tmp_path / "bondx.yaml").write_text(GOOD)
    alerts = load_settings(file).alerts
    assert alerts.escalation[0].steps[0].oncall == "desk"
    assert alerts.oncall["desk"].overrides[0].starts_at == "2026-12-24T09:00"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("escalation: [{steps: [{after_minutes: 5}]}]", "the step after 5 minutes tells nobody"),
        ("escalation: [{steps: []}]", "steps"),
        ("escalation: [{severity: page, steps: [{after_minutes: 1, receivers: [a]}]}]", "severity"),
        (STEP.replace("5", "-1"), "after_minutes"),
        (STEP.replace("receivers: [desk]", "oncall: dask"), "a step names the rotation 'dask'"),
        (STEP.replace("{steps", "{matchers: [spread], steps"), "expected a matcher such as model=spread"),
        (rotation("time_zone: Europe/Zurch"), "there is no time zone 'Europe/Zurch'"),
        (rotation("time_zone: ../../etc/passwd"), "there is no time zone"),
        (rotation('handover: "24:00"'), "expected a time of day"),
        (rotation("weekday: monday, days: 10"), "a turn of 10 days has no fixed weekday"),
        (rotation("days: 0"), "days"),
        (rotation("people: []").replace("people: [ada], ", ""), "people"),
        (rotation("days: 1").replace("03-02", "02-30"), "'2026-02-30' is not in the calendar"),
        (
            rotation('overrides: [{from: "2026-03-04T09:00", to: "2026-03-03T09:00", receiver: b}]'),
            "ends before it begins",
        ),
        (rotation('overrides: [{from: "2026-03-04", to: "2026-03-05T09:00", receiver: b}]'), "expected a time"),
    ],
)
def test_a_fault_is_named_with_its_cure(tmp_path, text, problem):
    (file := tmp_path / "bondx.yaml").write_text(f"alerts:\n  {text}\n")
    with pytest.raises(SettingsError) as caught:
        load_settings(file)
    assert problem in str(caught.value)
    assert "bondx.yaml" in str(caught.value)
