import pytest
from flwr.common.config import parse_config_args
from hypothesis import given
from hypothesis import strategies as st

from common.errors import WrongUse
from launch.supernode import quoted


@given(st.text(alphabet=st.sampled_from("ab/ .=\\'\"#\n\tü$")))
def test_flower_reads_back_what_was_quoted_or_it_was_refused(text):
    try:
        value = quoted(text)
    except WrongUse:
        return
    assert parse_config_args([f"client-dir={value} other=1"]) == {"client-dir": text, "other": 1}


@pytest.mark.parametrize("text", ["/data/client 01", "/data/o'brien", 'C:\\data\\"x"'])
def test_usual_paths_are_not_refused(text):
    assert quoted(text)[1:-1] == text
