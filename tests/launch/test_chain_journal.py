import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.account import development_account
from common.errors import EnvironmentFailure
from launch.chain_journal import BlockEntry, ChainJournal
from launch.embedded_rpc import EmbeddedNode
from launch.evm_records import CHAIN_ID

ACCOUNT = development_account(1, 0).address


def replayed(path: Path) -> EmbeddedNode:
    journal = ChainJournal.open(path, CHAIN_ID, 0)
    try:
        return EmbeddedNode(journal)
    finally:
        journal.close()


def result(node: EmbeddedNode, method: str, *parameters: object) -> object:
    return node.answer({"id": 1, "method": method, "params": list(parameters)})["result"]


def journal_with_three_blocks(path: Path) -> str:
    """Write it; return the newest block's hash."""
    journal = ChainJournal.open(path, CHAIN_ID, 1_700_000_000)
    node = EmbeddedNode(journal)
    for wei in ("0x1", "0x2"):
        result(node, "anvil_setBalance", ACCOUNT, wei)
    result(node, "evm_mine")
    journal.close()
    return newest_hash(node)


def newest_hash(node: EmbeddedNode) -> str:
    block = result(node, "eth_getBlockByNumber", "latest", False)
    assert isinstance(block, dict)
    return str(block["hash"])


def test_a_replayed_journal_gives_the_same_blocks(tmp_path: Path) -> None:
    written = journal_with_three_blocks(tmp_path / "j")
    node = replayed(tmp_path / "j")
    assert newest_hash(node) == written
    assert result(node, "eth_blockNumber") == "0x3"
    assert result(node, "eth_getBalance", ACCOUNT) == "0x2"
    assert result(node, "eth_getBalance", ACCOUNT, "0x1") == "0x1"


def test_a_line_cut_off_by_a_crash_is_dropped_and_the_chain_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "j"
    journal_with_three_blocks(path)
    path.write_bytes(path.read_bytes()[:-7])
    journal = ChainJournal.open(path, CHAIN_ID, 0)
    node = EmbeddedNode(journal)
    assert result(node, "eth_blockNumber") == "0x2"
    result(node, "evm_mine")
    journal.close()
    assert result(replayed(path), "eth_blockNumber") == "0x3"


@pytest.mark.parametrize(("field", "value"), [("wei", "3"), ("time", 1_900_000_000), ("block", "00" * 32)])
def test_a_changed_journal_is_found(tmp_path: Path, field: str, value: object) -> None:
    path = tmp_path / "j"
    journal_with_three_blocks(path)
    lines = path.read_text().splitlines()
    lines[1] = json.dumps({**json.loads(lines[1]), field: value})
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(EnvironmentFailure, match=r"Block 1 of .* does not replay"):
        replayed(path)


@pytest.mark.parametrize(
    "content", [b"{}\n", b"nonsense\n", b"[]\n", b'{"format": 1, "chain_id": 5, "genesis_time": 1}\n', b"\xff\n"]
)
def test_a_file_that_is_no_journal_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "j"
    path.write_bytes(content)
    with pytest.raises(EnvironmentFailure, match="cannot be read"):
        ChainJournal.open(path, CHAIN_ID, 0)
    assert path.read_bytes() == content


def test_an_open_journal_cannot_be_opened_again(tmp_path: Path) -> None:
    journal = ChainJournal.open(tmp_path / "j", CHAIN_ID, 0)
    with pytest.raises(EnvironmentFailure, match="in use"):
        ChainJournal.open(tmp_path / "j", CHAIN_ID, 0)
    journal.close()
    ChainJournal.open(tmp_path / "j", CHAIN_ID, 0).close()


@given(
    st.builds(
        BlockEntry,
        time=st.integers(0, 2**40),
        block_hash=st.binary(min_size=32, max_size=32),
        raw_transaction=st.none() | st.binary(max_size=200),
        funded_account=st.none(),
    )
    | st.builds(
        BlockEntry,
        time=st.integers(0, 2**40),
        block_hash=st.binary(min_size=32, max_size=32),
        funded_account=st.binary(min_size=20, max_size=20),
        balance_wei=st.integers(0, 2**256 - 1),
    )
)
def test_entries_read_back_as_written(entry: BlockEntry) -> None:
    assert BlockEntry.from_line(entry.to_line()) == entry
    assert entry.to_line().count(b"\n") == 1
