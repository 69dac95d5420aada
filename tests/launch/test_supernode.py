import pytest
from flwr.common.config import parse_config_args
from hypothesis import given
from hypothesis import strategies as st

from common.device import DEVICE_VARIABLE
from common.errors import WrongUse
from launch.supernode import quoted, start_supernode


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


def test_the_owners_choice_of_a_device_is_in_the_environment_of_the_client_app(tmp_path):
    started = []

    class Recorder:
        def start(self, *given, environment, **_):
            started.append(environment)

    start_supernode(Recorder(), "supernode-00", tmp_path, tmp_path, "localhost:1", 2, device="cpu")
    start_supernode(Recorder(), "supernode-00", tmp_path, tmp_path, "localhost:1", 2)
    assert [environment[DEVICE_VARIABLE] for environment in started] == ["cpu", "auto"]
