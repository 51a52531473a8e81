"""Reading an Alertmanager configuration: what it means, each fault with its place, and agreement with amtool."""

import itertools
import re
import shutil
import subprocess
import time
from datetime import UTC, datetime, timedelta

import pytest

from core.alerts.routing.reading import RoutingFaultsError, load_routing
from core.alerts.routing.shown import route_tree, tree_lines
from core.settings import SettingsError

GOOD = """\
global:
  resolve_timeout: 5m
  smtp_from: bondx@example.org
route:
  receiver: default
  group_by: [model, alertname]
  group_wait: 10s
  routes:
    - matchers: [severity="critical"]
      receiver: pager
      continue: true
      group_by: ['...']
      routes:
        - match_re: {model: "spread.*"}
          receiver: desk
          mute_time_intervals: [night]
    - matchers: ['model=~"etrm|spread"', "severity!=info"]
      receiver: slack
      repeat_interval: 1d12h
    - match: {team: quants}
      receiver: desk
      active_time_intervals: [night, month_end]
receivers:
  - name: default
  - name: pager
    webhook_configs: [{url: "http://127.0.0.1:9/"}]
  - name: desk
  - name: slack
time_intervals:
  - name: night
    time_intervals:
      - times: [{start_time: 17:00, end_time: '24:00'}]
        weekdays: ['monday:friday']
        location: Europe/Zurich
  - name: month_end
    time_intervals:
      - days_of_month: ['-3:-1']
        months: ['january:march', '12']
        years: ['2026:2028']
inhibit_rules:
  - source_matchers: [severity=critical]
    target_matchers: [severity=warning]
    equal: [model]
"""


@pytest.fixture
def written(tmp_path):
    def written(text: str = GOOD):
        file = tmp_path / "alertmanager.yaml"
        file.write_text(text)
        return file

    return written


def test_a_route_takes_over_what_it_does_not_say(written):
    config = load_routing(written())
    pager, slack, _ = config.route.routes
    assert pager.group_wait == timedelta(seconds=10)
    assert pager.routes[0].group_by == ("...",)
    assert slack.group_by == ("model", "alertname")
    assert slack.repeat_interval == timedelta(hours=36)
    assert slack.group_interval == timedelta(minutes=5)
    assert config.receivers["pager"].blocks[0].place.endswith(":26:23")
    assert config.global_fields["smtp_from"] == "bondx@example.org"


LABEL_SETS = [
    {name: value for name, value in zip(("severity", "model", "alertname", "team"), values, strict=True) if value}
    for values in itertools.product(
        ("critical", "warning", "info", ""), ("spread", "spread2", "etrm", ""), ("A",), ("quants", "")
    )
] + [{"model": name, "severity": "warning"} for name in ("xetrm", "etrmx", "SPREAD", "spread|etrm", "a b", "ä")] * 3


@pytest.mark.skipif(shutil.which("amtool") is None, reason="Alertmanager's amtool is not installed")
def test_the_real_tool_names_the_same_receivers_for_fifty_label_sets(written):
    file = written()
    config = load_routing(file)
    assert len(LABEL_SETS) >= 50
    for labels in LABEL_SETS:
        given = [f"{name}={value}" for name, value in labels.items()]
        command = ["amtool", "config", "routes", "test", f"--config.file={file}", *given]
        theirs = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
        assert ",".join(node.receiver for node in config.route.match(labels)) == theirs, labels


FAULTS = {
    "unknown key": ("continue: true", "continues: true", "line 11, column 7", "did you mean continue?"),
    "unknown receiver": ("receiver: slack", "receiver: slak", "line 18, column 7", "did you mean slack?"),
    "bad matcher": ('severity="critical"', 'severity~~"critical"', "line 9, column 18", "is not a matcher"),
    "endless pattern": ('"etrm|spread"', '"(a+)+"', "line 17, column 18", "repeats a repeat"),
    "bad duration": ("1d12h", "1.5d", "line 19, column 7", "is no duration"),
    "no interval": ("[night, month_end]", "[nigt]", "line 22, column 31", "there is no time interval"),
    "backwards": ("monday:friday", "friday:monday", "line 33, column 20", "runs backwards"),
    "midnight": ("17:00, end_time: '24:00'", "17:00, end_time: '01:00'", "line 32, column 17", "must be after"),
    "zone": ("Europe/Zurich", "Europe/Zurich2", "line 34, column 9", "there is no such time zone"),
    "no route": ("route:\n", "routee:\n", "line 4, column 1", "did you mean route?"),
    "no name": ("  - name: desk\n", "  - names: desk\n", "line 27, column 5", "did you mean name?"),
    "twice": ("  - name: slack", "  - name: desk", "line 28, column 5", "two receivers"),
    "zero interval": ("group_wait: 10s", "group_interval: 0s", "line 7, column 3", "longer than nothing"),
    "alias": ("[model, alertname]", "*PDSECRET", "line 6, column 13", "names no anchor above it"),
    "merge": ("continue: true", "<<: [1]", "line 11, column 12", "takes over a block of keys"),
    "name of two lines": ("  - name: slack", '  - name: "sl\\nack"', "line 28, column 5", "must be one line"),
    "flag": ("continue: true", "continue: maybe", "line 11, column 7", "true or false"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_names_its_place_and_the_cure(written, name):
    good, bad, place, told = FAULTS[name]
    assert good in GOOD
    with pytest.raises(SettingsError) as raised:
        load_routing(written(GOOD.replace(good, bad, 1)))
    assert place in str(raised.value)
    assert told in str(raised.value)


FAULTY = """\
global: {resolve_timeut: 5m}
time_intervals:
- name: night
  time_intervals: [{times: [{start_time: "25:00", end_time: "03:00"}]}]
receivers:
- name: desk
  slak_configs: [{channel: x}]
route:
  receiver: nobody
  routes:
  - receiver: desk
    mute_time_intervals: [night, nigth]
    routes:
    - matchers: ['a=~(']
    - {receiver: desk, group_wait: soon}
inhibit_rules:
- equal: [3, []]
"""


def test_all_faults_are_found_at_once_and_none_that_only_follows_from_another(written):
    with pytest.raises(RoutingFaultsError) as raised:
        load_routing(written(FAULTY))
    told = [str(fault) for fault in raised.value.faults]
    assert [re.search(r"line (\d+)", each)[1] for each in told] == ["1", "4", "7", "9", "12", "14", "15", "17"]
    assert "no time interval 'nigth'; the intervals are night." in told[4]
    assert str(raised.value) == f"{told[0]} (7 more faults: bondx alerts routes lists all.)"


@pytest.mark.skipif(shutil.which("amtool") is None, reason="Alertmanager's amtool is not installed")
@pytest.mark.parametrize("name", sorted(FAULTS.keys() - {"endless pattern"}))
def test_the_real_tool_refuses_what_we_refuse(written, name):
    good, bad, _, _ = FAULTS[name]
    for text, is_good in ((GOOD, True), (GOOD.replace(good, bad, 1), False)):
        checked = subprocess.run(["amtool", "check-config", written(text)], capture_output=True, text=True, check=False)
        assert (checked.returncode == 0) is is_good, checked.stdout + checked.stderr


UNQUOTED = """\
route:
  receiver: a
  routes:
  - {receiver: a, matchers: ["team=rates desk"]}
  - {receiver: a, matchers: ["{team = rates desk, site =~ z.*|new york }"]}
  - {receiver: a, matchers: ['host=~x\\\\.y', 'path=c:\\d', 'text=b\\nc']}
  - {receiver: a, matchers: ["job:name=b=c"]}
receivers: [{name: a}]
"""


def test_matchers_without_quotes_mean_what_they_mean_to_alertmanager(written):
    first, both, escaped, colon = load_routing(file := written(UNQUOTED)).route.routes
    assert [(each.name, each.op, each.value) for each in (*first.matchers, *both.matchers, *colon.matchers)] == [
        ("team", "=", "rates desk"),
        ("site", "=~", "z.*|new york"),
        ("team", "=", "rates desk"),
        ("job:name", "=", "b=c"),
    ]
    assert [each.value for each in escaped.matchers] == [r"x\.y", r"c:\d", "b\nc"]
    if shutil.which("amtool"):
        assert drawn_by_amtool(file) == list(tree_lines(route_tree(load_routing(file))))


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        pytest.param("global: []", "global must be", id="a global block that is a list"),
        pytest.param("global: {resolve_timeout: 5}", "no duration", id="a time without a unit"),
        pytest.param("global: {slack_api_url: 'http://x/', slack_api_url_file: f}", "keep one", id="two addresses"),
        pytest.param("templates: '*.tmpl'", "must be a list", id="templates that are no list"),
        pytest.param("{matchers: 'a=b'}", "must be a list", id="matchers that are no list"),
        pytest.param("{match: {a: [b]}}", "must be text", id="a list as value"),
        pytest.param("{match: []}", "must be", id="a list as match"),
        pytest.param("{match_re: {a: null}}", "must be text", id="no pattern"),
    ],
)
def test_what_the_real_tool_refuses_is_refused(written, bad, told):
    top, route = (bad, "") if not bad.startswith("{") else ("templates: []", f", routes: [{bad}]")
    file = written(f"{top}\nroute: {{receiver: a{route}}}\nreceivers: [{{name: a}}]\n")
    with pytest.raises(SettingsError, match=told):
        load_routing(file)
    if shutil.which("amtool"):
        checked = subprocess.run(["amtool", "check-config", file], capture_output=True, text=True, check=False)
        assert checked.returncode == 1, checked.stdout


def test_hours_of_a_zone_follow_its_clock(written):
    night = load_routing(written()).time_intervals["night"][0]
    friday = datetime(2026, 3, 27, tzinfo=UTC)  # the last Friday of winter time there
    assert [night.contains(friday + timedelta(hours=hours)) for hours in (15.9, 16, 22.9, 23)] == [
        False, True, True, False,
    ]  # fmt: skip
    monday = friday + timedelta(days=3)  # summer time
    assert [night.contains(monday + timedelta(hours=hours)) for hours in (14.9, 15)] == [False, True]


def test_local_hours_are_those_of_the_machine(written, monkeypatch):
    text = GOOD.replace("location: Europe/Zurich", "location: Local")
    for zone, hours in (("Europe/Zurich", 16), ("America/New_York", 21)):
        monkeypatch.setenv("TZ", zone)
        time.tzset()
        night = load_routing(written(text)).time_intervals["night"][0]
        friday = datetime(2026, 3, 27, tzinfo=UTC)
        assert [night.contains(friday + timedelta(hours=hours + off)) for off in (-0.1, 0)] == [False, True]
    monkeypatch.undo()
    time.tzset()


def test_days_of_the_month_count_from_its_end(written):
    month_end = load_routing(written()).time_intervals["month_end"][0]
    days = [day for day in range(1, 32) if month_end.contains(datetime(2026, 1, day, tzinfo=UTC))]
    assert days == [29, 30, 31]
    february = [day for day in range(1, 29) if month_end.contains(datetime(2026, 2, day, tzinfo=UTC))]
    assert february == [26, 27, 28]
    assert not month_end.contains(datetime(2026, 4, 30, tzinfo=UTC))
    assert not month_end.contains(datetime(2029, 1, 31, tzinfo=UTC))


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        pytest.param("receiver: slack", "receiver: https://hooks.example/PDSECRET", id="an address as receiver"),
        pytest.param("continue: true", "continue: PDSECRET", id="a flag"),
        pytest.param("smtp_from: bondx@example.org", "smtp_auth_password: *PDSECRET", id="a password that is an alias"),
        pytest.param("Europe/Zurich", "PDSECRET", id="a time zone"),
        pytest.param("continue: true", "https://hooks.example/PDSECRET: true", id="an address as key"),
    ],
)
def test_a_fault_repeats_no_text_that_may_be_a_secret(written, good, bad):
    assert good in GOOD
    with pytest.raises(SettingsError, match=r"line \d+") as raised:
        load_routing(written(GOOD.replace(good, bad, 1)))
    assert "PDSECRET" not in str(raised.value)


WRITTEN = """\
route:
  receiver: 007
  group_by: [true]
  routes:
  - {receiver: 1e3, match: {b: null, c: ~, d: 1.10, f: 010, h: true, i: }, mute_time_intervals: [08]}
global: {smtp_auth_password: 0123, smtp_smarthost: 'localhost:25', smtp_from: a@b.example}
receivers:
- {name: 007, email_configs: [{to: a@b.example, auth_password: 1e3, headers: {Tier: 1.10}, require_tls: true}]}
- {name: 1e3}
time_intervals: [{name: 08, time_intervals: [{years: ['2026']}]}]
"""


def test_scalars_are_the_texts_that_stand_in_the_file(tmp_path):
    file = tmp_path / "a.yaml"
    file.write_text(WRITTEN)
    config = load_routing(file)
    (child,) = config.route.routes
    assert (config.route.receiver, child.receiver, list(config.receivers)) == ("007", "1e3", ["007", "1e3"])
    assert config.route.group_by == ("true",)
    assert config.global_fields["smtp_auth_password"] == "0123"
    (block,) = config.receivers["007"].blocks
    assert (block.fields["auth_password"], block.fields["headers"], block.fields["require_tls"]) == (
        "1e3",
        {"Tier": "1.10"},
        True,
    )
    assert child.mute_time_intervals == ("08",)
    values = {"b": "", "c": "", "d": "1.10", "f": "010", "h": "true", "i": ""}
    assert {each.name: each.value for each in child.matchers} == values
    if shutil.which("amtool"):
        told = subprocess.run(
            ["amtool", "config", "routes", "show", f"--config.file={file}"], capture_output=True, text=True, check=True
        ).stdout
        assert "{" + ",".join(f'{name}="{text}"' for name, text in values.items()) + "}  receiver: 1e3" in told


ALIASED = """\
receivers: [{name: a}, {name: b}, {name: c}]
route:
  receiver: a
  routes:
  - &base
    receiver: b
    match: &m {x: "1"}
    matchers: &mm [y="2"]
    continue: yes
    group_by: [q]
  - receiver: c
    <<: *base
  - <<: *base
    receiver: c
    match: {z: "3"}
    matchers: [w="4"]
  - matchers: *mm
    receiver: b
    match: *m
  - <<: [{receiver: c, continue: on}, *base]
    match: {z: "9"}
"""


@pytest.mark.skipif(shutil.which("amtool") is None, reason="Alertmanager's amtool is not installed")
def test_aliases_and_merge_keys_mean_what_they_mean_to_the_real_tool(written):
    assert drawn_by_amtool(file := written(ALIASED)) == list(tree_lines(route_tree(load_routing(file))))


def drawn_by_amtool(file) -> list[str]:
    """Return the tree of routes as the real tool draws it."""
    command = ["amtool", "config", "routes", "show", f"--config.file={file}"]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout.replace("\xa0", " ")
    told = re.sub(r'"\^\(\?:(.*?)\)\$"', r'"\1"', told)  # a pattern of match_re is written with its anchors
    return [line.rstrip() for line in told.splitlines() if line.strip() and not line.startswith("Routing tree")]


@pytest.mark.skipif(shutil.which("amtool") is None, reason="Alertmanager's amtool is not installed")
def test_the_tree_is_drawn_as_the_real_tool_draws_it(written):
    assert drawn_by_amtool(file := written()) == list(tree_lines(route_tree(load_routing(file))))


def test_the_tree_holds_the_way_to_the_routes_that_would_tell(written):
    config = load_routing(written())
    tree = route_tree(config, {"severity": "critical", "model": "spread"})
    assert list(tree_lines(tree)) == [
        ".",
        "└── default-route  receiver: default",
        '    ├── {severity="critical"}  continue: true  receiver: pager',
        '    │   └── {model=~"spread.*"}  receiver: desk',
        '    └── {model=~"etrm|spread",severity!="info"}  receiver: slack',
    ]
    assert (tree.routes[0].goes_on, tree.routes[0].group_by) == (True, ["..."])
    assert tree.routes[0].routes[0].mute_time_intervals == ["night"]
    assert route_tree(config, {"team": "none"}).routes == []


def test_a_merged_block_of_which_alertmanager_joins_some_is_refused_with_its_place(written):
    text = """\
route: {receiver: a}
receivers:
- name: a
  webhook_configs:
  - &w {url: "http://a/", http_config: {follow_redirects: false}}
  - <<: *w
    http_config: {proxy_url: "http://p/"}
"""
    with pytest.raises(SettingsError, match=r"line 7, column 5.*http_config is given here and taken over"):
        load_routing(written(text))


def test_flags_are_read_as_the_words_of_yaml(written):
    text = """\
route: {receiver: a}
receivers:
- name: a
  webhook_configs:
  - url: "http://a/"
    send_resolved: no
    http_config: {follow_redirects: FALSE, tls_config: {insecure_skip_verify: off}}
"""
    (block,) = load_routing(written(text)).receivers["a"].blocks
    assert block.fields["send_resolved"] is False
    assert block.fields["http_config"] == {"follow_redirects": False, "tls_config": {"insecure_skip_verify": False}}
    with pytest.raises(SettingsError, match=r"line 6.*send_resolved must be true or false"):
        load_routing(written(text.replace(": no", ": never")))
