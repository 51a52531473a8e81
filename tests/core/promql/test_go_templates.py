"""Templates beside those of a real Prometheus: what promtool refuses, and what it writes."""

import ast
import json
import random
import re
import shutil
import subprocess

import pytest

from core.promql import PromqlError, expand
from core.promql.templates import check_template

pytestmark = pytest.mark.skipif(not shutil.which("promtool"), reason="needs promtool")
LABELS = {"__name__": "m", "model": "rates", "x": "<a b='c'>"}
TEMPLATES = [
    "{{ html $labels.x }}",
    "{{ js $labels.x }}",
    '{{ js "a\\\\b=&\\n\\u00e9\\u2028" }}',
    "{{ $labels.x | html | js }}",
    '{{ slice "abcdef" 1 3 }}',
    '{{ slice "abcdef" }}',
    '{{ slice "abc" 5 }}',
    '{{ slice "abc" 2 1 }}',
    '{{ slice "a" 0 1 2 }}',
    "{{ slice $labels.x 1.0 }}",
    '{{ urlquery "a b" "&" 1 }}',
    "{{ urlquery $labels.x }}",
    '{{ graphLink "up{a=\\"b\\"} == 0" }}',
    '{{ tableLink "up" }}',
    "{{ safeHtml $labels.x }}",
    '{{ parseDuration "1h30m" }}',
    '{{ parseDuration "1h 30m" }}',
    "{{ toTime 1.5 }}",
    '{{ toTime "5" }}',
    '{{ stripPort "a:80" }} {{ stripPort "[::1]:80" }} {{ stripPort "a" }} {{ stripPort "a:b:c" }}',
    '{{ args 1 "a" }}',
    '{{ (args 1 "a").arg1 }}',
    '{{ define "x" }}q{{ . }}{{ end }}{{ template "x" 5 }}',
    '{{ reReplaceAll "(" "x" "y" }}',
    '{{ reReplaceAll "a(.)" "${1}b" "axay" }}',
    '{{ reReplaceAll "(?P<n>a)" "<${n}>" "aa" }}',
    '{{ reReplaceAll "a*" "-" "baac" }}',
    '{{ reReplaceAll "(a*)" "<$1>" "baacaab" }}',
    '{{ reReplaceAll "" "-" "abc" }}',
    '{{ define "x" }}one{{ end }}{{ define "x" }} {{ end }}{{ template "x" }}',
    '{{ define "x" }} {{ end }}{{ define "x" }}two{{ end }}{{ template "x" }}',
    '{{ define "x" }}one{{ end }}{{ define "x" }}two{{ end }}{{ template "x" }}',
    '{{ humanize " 5" }}',
    "{{ lt true false }}",
    "{{ 0x1p4 }} {{ 0x_1.8p-1 }} {{ 0x1F }}",
    '{{ title "aB cd-ef g_h" }}',
    '{{ match "a.c" "xabcx" }}',
    '{{ match "(" "x" }}',
    '{{ humanize 1e30 }} {{ humanize -1234567 }} {{ humanize "1e3" }} {{ humanize 0.00012 }} {{ humanize 1e-30 }}',
    "{{ humanize1024 1e30 }} {{ humanize1024 -5000 }} {{ humanize1024 0.5 }}",
    '{{ humanizePercentage 0.5 }} {{ humanizePercentage "0.5" }}',
    '{{ humanizeTimestamp 1700000000.123456 }} {{ humanizeTimestamp "5" }} {{ humanizeTimestamp -5 }}',
    "{{ humanizeTimestamp 1e18 }}",
    "{{ humanizeTimestamp 253402300800 }}",
    "{{ humanize true }}",
    '{{ humanize "x" }}',
    "{{ humanize 5 }}",
    '{{ sortByLabel "a" 1 }}',
    "{{ first 1 }}",
    "{{ strvalue 1 }}",
    "{{ value 1 }}",
    '{{ len "é" }} {{ len $labels }} {{ index $labels "model" }}',
    '{{ index "abc" 1 }}',
    '{{ print 1 2 "a" 3 }} {{ println 1 "a" }}',
    '{{ printf "%5.2f|%-8s|%08.3f|%+d|%x|%X" 3.14159 "ab" 3.14159 5 255 255 }}',
    '{{ printf "%o|%b|%c|%U|%e|%E|%g|%G" 8 5 65 65 1234.5 1234.5 1e-7 1e21 }}',
    '{{ printf "%q|%#q|%x|% x|%X|%#x|%T|%v|%+v|%#v" "a\\"b" "ab" "hi" "hi" "hi" "hi" 1.5 "s" "s" "s" }}',
    '{{ printf "%d" 1.5 }}',
    '{{ printf "%s" 5 }}',
    '{{ printf "%s" 1.5 }}',
    '{{ printf "%t" 1 }}',
    '{{ printf "%z" 1 }}',
    '{{ printf "%" }}',
    '{{ printf "%d" }}',
    '{{ printf "a" 1 }}',
    '{{ printf "%[2]d %[1]d" 1 2 }}',
    '{{ printf "%*d" 5 3 }}',
    '{{ printf "%.*f" 2 3.14159 }}',
    '{{ printf "%-5d|" 3 }}',
    '{{ printf "% d" 5 }}',
    '{{ printf "%5t|%v|%v" true false nil }}',
    '{{ printf "%v %v %v" $labels $value 5 }}',
    '{{ printf "%s" $labels }}',
    '{{ printf "%6.2f%%" 12.345 }}',
    '{{ printf "%.3s|%5.1s|" "abcdef" "xyz" }}',
    '{{ printf "%f" "a" }}',
    '{{ printf "%v" 1e6 }} {{ printf "%v" 1000000 }} {{ printf "%.2v" 1.2345 }} {{ printf "%8v|" 1.5 }}',
    '{{ printf "%.0f %.1f %.10g" $value $value $value }}',
    '{{ printf "%x %X" 1.5 1.5 }}',
    '{{ printf "%#x %#o %#b" 255 8 5 }} {{ printf "%+.2e" 12345.678 }} {{ printf "%+q" "é" }}',
    '{{ printf "%c|%q|%U|%#U" 233 233 233 233 }}',
    '{{ printf "%010.2f|%+010.2f|% .2f|%-10.2f|" 3.14159 3.14159 3.14159 3.14159 }}',
    '{{ printf "%05d|%5d|%-5d|%05s|" -3 -3 -3 "a" }}',
    '{{ printf "%!" }}',
    '{{ printf "%é" 1 }}',
    "{{ printf 5 }}",
    '{{ 1 | printf "%d-%s" 2 }}',
    "{{ '\\'' }} {{ '\\x41' }} {{ 'é' }} {{ \"\\'\" }}",
    '{{ "\\x41\\u00e9\\101" }}',
    '{{ "\\z" }}',
    '{{ not 0 }} {{ and 1 0 "x" }} {{ or 0 "" "z" }} {{ eq 1 1.0 }}',
    '{{ eq "a" "b" "a" }} {{ lt 1 2 }} {{ eq $labels.model "rates" }} {{ ne 1 2 }}',
    '{{ eq 1 "a" }}',
    '{{ lt "a" 1 }}',
    "{{ if $labels.none }}a{{ else with $labels.model }}{{ . }}{{ end }}",
    "{{ range $i, $e := $labels }}{{ $i }}{{ end }}",
    '{{ range "abc" }}a{{ end }}',
    "{{ with $x := 5 }}{{ $x }}{{ end }}{{ $x }}",
    '{{ $x := 1 }}{{ $x = "a" }}{{ $x }}',
    '{{"a"}}{{.Labels.model}}',
    "{{ .Nope }}",
    "{{ $labels.model.x }}",
    "{{ .Value.x }}",
    "{{ ($labels).model }}",
    "{{ $.Labels.model }} {{ $ }}",
    "{{ .Labels }}",
    '{{ $value | printf "%.2f" | toUpper }}',
    "{{ toUpper 5 }}",
    '{{ $labels.model | len | printf "%d" }}',
    '{{ block "x" . }}a{{ end }}',
    "{{ break }}",
    '{{ ("a") }}',
    "{{ true }} {{ not true }} {{ eq true true }}",
    "{{ len nil }}",
    '{{ index $labels "model" "x" }}',
    "{{ print }}",
    "{{ $value | humanizeTimestamp }}",
    "{{ stripPort 5 }}",
    "{{ .Labels.model | title | js }}",
    '{{ html 5 "a" $labels }}',
    "{{ js 5 true }}",
    "{{ html }}",
    "{{ else }}",
    "{{ if }}a{{ end }}",
    "{{ if true }}a{{ else }}b{{ else }}c{{ end }}",
    "{{ if true }}a{{ else if }}c{{ end }}",
    "{{ $labels.model := 5 }}",
    "{{ $1 := 5 }}{{ $1 }}",
    "{{ range $labels }}{{ . }}{{ else }}none{{ end }}",
    '{{ define "x" }}{{ end }}',
    "{{ 'ab' }}",
    '{{ "a\\x41\\u00e9\\101" }}',
    "{{ `a\\d\nb` }}",
    '{{ define "x" }}{{ $ }}{{ . }}{{ end }}{{ range $i, $e := $labels }}{{ template "x" $i }}{{ end }}',
    '{{ define "x" }}{{ end }}{{ define "x" }}b{{ end }}{{ template "x" }}',
    '{{ define "x" }}a{{ end }}{{ define "x" }}b{{ end }}{{ template "x" }}',
    '{{ if true }}{{ define "x" }}a{{ end }}{{ end }}',
    '{{ define "x" }}{{ $labels.model }}{{ end }}{{ template "x" . }}',
    '{{ block "x" $labels }}{{ .model }}{{ else }}b{{ end }}',
    "{{ template x }}",
    "{{ println nil 1 }}{{ print nil }}",
    '{{ template "x" }}{{ define "x" }}{{ printf "%v" . }}{{ end }}',
]
VALUES = [
    "5", "-3", "0", "255", "65", "1234567", "3.14159", "-0.5", "0.0", "1e6", "1e-7", "1e21", "123456.789", '"ab"',
    "233", '"a\\"b\\n"', '"é☃"', '""', "true", "false", "$value", "$labels.x", "nil", "1e300", "-1e-300", "8232",
    "$labels",
]  # fmt: skip


def promtool(folder, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run it in a folder."""
    return subprocess.run(
        ["promtool", *arguments], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )


def written_by_promtool(folder, templates: list[str]) -> dict[int, str]:
    """Return what promtool writes for each template; an error is what a Prometheus puts in its place."""
    rules = [{"alert": f"A{i}", "expr": "m", "annotations": {"a": f"<{each}>"}} for i, each in enumerate(templates)]
    tests = [{"eval_time": "1m", "alertname": f"A{i}", "exp_alerts": []} for i in range(len(templates))]
    series = [{"series": f'm{{model="rates",x="{LABELS["x"]}"}}', "values": "1234.5+0x5"}]
    (folder / "r.yml").write_text(json.dumps({"groups": [{"name": "g", "rules": rules}]}))
    case = {"interval": "1m", "input_series": series, "alert_rule_test": tests}
    (folder / "t.yml").write_text(json.dumps({"rule_files": ["r.yml"], "tests": [case]}))
    told = promtool(folder, "test", "rules", "t.yml")
    form = re.compile(r'alertname: A(\d+), time.*?Annotations:\{a=("(?:[^"\\]|\\.)*")\}', re.DOTALL)
    return {int(found[1]): ast.literal_eval(found[2]) for found in form.finditer(told.stdout)}


def ours(template: str) -> str:
    """Expand it ourselves, as the text of an alert."""
    try:
        return f"<{expand(template, labels=LABELS, value=1234.5)}>"
    except PromqlError as error:
        return f"<error expanding template: {error}>"


def test_a_template_is_refused_and_filled_in_as_by_promtool(tmp_path):
    for number, template in enumerate(TEMPLATES):
        rule = {"alert": "A", "expr": "m", "annotations": {"a": template}}
        (tmp_path / f"{number}.yml").write_text(json.dumps({"groups": [{"name": "g", "rules": [rule]}]}))
    names = [f"{number}.yml" for number in range(len(TEMPLATES))]
    told = re.split(r"Checking \d+\.yml\n", promtool(tmp_path, "check", "rules", *names).stdout)[1:]
    good = [template for template, answer in zip(TEMPLATES, told, strict=True) if "SUCCESS" in answer]
    assert [template for template in TEMPLATES if is_read(template)] == good
    assert len(good) > 80
    theirs = written_by_promtool(tmp_path, good)
    assert len(theirs) == len(good)
    for number, template in enumerate(good):
        expected, found = theirs[number], ours(template)
        assert found == expected or found.startswith("<error") is expected.startswith("<error") is True, template


def is_read(template: str) -> bool:
    """Whether the check takes it."""
    try:
        check_template(template)
    except PromqlError:
        return False
    return True


def test_printf_writes_what_promtool_writes(tmp_path):
    chance = random.Random(11)

    def form() -> str:
        directives = ""
        for _ in range(chance.randint(1, 3)):
            flags = "".join(chance.sample("+-# 0", chance.choice([0, 0, 0, 1, 1, 2])))
            width = chance.choice(["", "", "", "5", "8", "12", "*", "[1]*"])
            precision = chance.choice(["", "", "", ".2", ".0", ".", ".5", ".*"])
            index = chance.choice(["", "", "", "", "", "[1]", "[2]", "[9]"])
            directives += (
                f"{chance.choice(' a|')}%{flags}{width}{precision}{index}{chance.choice('vdsqxXfeEgGtcUboOTz%')}"
            )
        values = " ".join(chance.choice(VALUES) for _ in range(chance.randint(0, 4)))
        return f"{{{{ printf `{directives}` {values} }}}}"

    templates = [form() for _ in range(500)]
    theirs = written_by_promtool(tmp_path, templates)
    assert len(theirs) == len(templates)
    for number, template in enumerate(templates):
        assert ours(template) == theirs[number], template
