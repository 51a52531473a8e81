"""Addresses to listen on: one host and one port, refused where they are read."""

import re

import pytest

from core.serving import ListenError, parse_address
from core.settings.schema import settings_schema

GOOD = ("8501", ":80", "0", "localhost:65535", "0.0.0.0:8501", "[::1]:80", "[fe80::1%eth0]:80", "a-b.example.:1")
BAD = ("", "nowhere", "65536", "99999", "localhost:70000", "8501-8510", "h:8501-8510", "8501:8510", "h:1:2", "h:-1")
ALSO_BAD = ("::1:80", "999.1.1.1:80", "1.2.3:80", "a b:80", "[h]:80", "h:８５", "h:80\n", "http://h:80")


@pytest.mark.parametrize("text", GOOD + BAD + ALSO_BAD)
def test_the_schema_and_the_server_agree_on_an_address(text):
    pattern = settings_schema()["$defs"]["ServingSettings"]["properties"]["listen"]["pattern"]
    is_address = text in GOOD
    assert bool(re.search(pattern, text)) is is_address
    if is_address:
        assert parse_address(text)[1] <= 65_535
    else:
        with pytest.raises(ListenError, match="one port from 0 to 65535"):
            parse_address(text)
