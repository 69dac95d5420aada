"""Anvil's state survives what tears its file."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from common.errors import EnvironmentFailure
from launch import json_rpc
from launch.anvil import find_anvil
from launch.anvil_state import COPY_FILE, LOOK_SECONDS, STATE_FILE, mend_state, whole_copy_kept
from launch.chain_choice import open_chain

WHOLE, LATER = b'{"block": 1}', b'{"block": 2, "accounts": {}}'
needs_anvil = pytest.mark.skipif(find_anvil() is None, reason="Anvil is not installed (npm ci, or TFEDRS_ANVIL)")


def wait_for(ready: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not ready():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def copy_is(folder: Path, content: bytes) -> Callable[[], bool]:
    return lambda: (folder / COPY_FILE).exists() and (folder / COPY_FILE).read_bytes() == content


def test_the_copy_follows_whole_states_and_no_others(tmp_path: Path) -> None:
    state = tmp_path / STATE_FILE
    with whole_copy_kept(tmp_path):
        state.write_bytes(WHOLE)
        wait_for(copy_is(tmp_path, WHOLE))
        for torn in (b"", LATER[:-1], LATER[:12]):
            state.write_bytes(torn)
            time.sleep(3 * LOOK_SECONDS)
            assert copy_is(tmp_path, WHOLE)()
        state.write_bytes(LATER)
        wait_for(copy_is(tmp_path, LATER))
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([STATE_FILE, COPY_FILE])


def test_a_state_that_is_written_all_the_time_is_not_copied(tmp_path: Path) -> None:
    """What is read while somebody writes could be the beginning of one state and the end of another."""
    state, until = tmp_path / STATE_FILE, time.monotonic() + 4 * LOOK_SECONDS
    state.write_bytes(WHOLE)
    with whole_copy_kept(tmp_path):
        while time.monotonic() < until:
            state.write_bytes(WHOLE)
            time.sleep(0.01)
        assert not (tmp_path / COPY_FILE).exists()
        wait_for(copy_is(tmp_path, WHOLE))


@pytest.mark.parametrize("torn", [b"", WHOLE[:-1]])
def test_a_torn_state_is_replaced_by_the_copy_with_one_sentence(torn: bytes, tmp_path: Path) -> None:
    (tmp_path / STATE_FILE).write_bytes(torn)
    (tmp_path / COPY_FILE).write_bytes(WHOLE)
    assert mend_state(tmp_path) == (
        f"Anvil was cut off while it wrote {tmp_path / STATE_FILE}; the copy beside it, some seconds older, takes its "
        "place."
    )
    assert (tmp_path / STATE_FILE).read_bytes() == WHOLE
    assert mend_state(tmp_path) == ""


def test_a_whole_state_stays_though_the_copy_is_another(tmp_path: Path) -> None:
    assert mend_state(tmp_path) == ""
    (tmp_path / STATE_FILE).write_bytes(LATER)
    (tmp_path / COPY_FILE).write_bytes(WHOLE)
    assert mend_state(tmp_path) == ""
    assert (tmp_path / STATE_FILE).read_bytes() == LATER


@pytest.mark.parametrize("copy", [None, WHOLE[:-1]])
def test_a_torn_state_without_a_whole_copy_is_one_sentence(copy: bytes | None, tmp_path: Path) -> None:
    (tmp_path / STATE_FILE).write_bytes(WHOLE[:3])
    if copy is not None:
        (tmp_path / COPY_FILE).write_bytes(copy)
    with pytest.raises(EnvironmentFailure, match="there is no whole copy beside it: start a new run, or restore"):
        mend_state(tmp_path)
    assert (tmp_path / STATE_FILE).read_bytes() == WHOLE[:3]


@needs_anvil
def test_anvil_goes_on_from_its_copy_after_a_kill_in_the_middle_of_a_write(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with open_chain("anvil", tmp_path) as endpoint:
        json_rpc.request(endpoint.url, "anvil_mine", "0x7")
        wait_for(lambda: (tmp_path / COPY_FILE).exists() and b'"number":"0x7"' in (tmp_path / COPY_FILE).read_bytes())
        os.kill(endpoint.processes[0].pid, signal.SIGKILL)
        endpoint.processes[0].process.wait()
    os.truncate(tmp_path / STATE_FILE, (tmp_path / STATE_FILE).stat().st_size - 1)
    with open_chain("auto", tmp_path) as endpoint:
        assert endpoint.kind == "anvil"
        assert json_rpc.request(endpoint.url, "eth_blockNumber") == "0x7"
    assert "takes its place." in capsys.readouterr().err
    with open_chain("auto", tmp_path) as endpoint:
        assert json_rpc.request(endpoint.url, "eth_blockNumber") == "0x7"
    assert capsys.readouterr().err == ""
