import math
from collections.abc import Callable
from typing import Any

import pytest
from eth_utils.address import to_checksum_address
from flwr.app import Array, ArrayRecord, ConfigRecord, MetricRecord, RecordDict
from hypothesis import given
from hypothesis import strategies as st

from common.commitment import Score, SigningDomain
from common.config import Settings
from common.errors import Rejected
from common.record_fields import MOST_ENTRIES, bytes_record, record_bytes
from common.wire import (
    PeerTask,
    RoundTask,
    SignedScore,
    Subject,
    TrainReply,
    content_size,
    metrics_content,
    peer_content,
    peer_reply_content,
    read_metrics,
    read_peer_reply,
    read_peer_task,
    read_round_task,
    read_train_reply,
    train_content,
    train_reply_content,
)

HASH = st.binary(min_size=32, max_size=32)
SIGNATURE = st.binary(min_size=65, max_size=65)
ADDRESS = st.binary(min_size=20, max_size=20).map(to_checksum_address)
WAD_INTEGER = st.integers(-(10**18), 10**18)
FIGURES = st.dictionaries(
    st.text(alphabet="abc_1", min_size=1, max_size=8), st.floats(0, 1e6) | st.integers(0, 10**6), max_size=5
)
ROUND_TASK = st.builds(
    RoundTask,
    run_id=HASH,
    server_round=st.integers(0, 2**63 - 1),
    domain=st.builds(SigningDomain, st.integers(0, 2**63 - 1), ADDRESS),
    settings=st.builds(
        Settings, seed=st.integers(0, 2**53 - 1), alpha0=st.floats(0.01, 1.0), train_on_validation=st.booleans()
    ),
    model_bytes=st.binary(max_size=50),
)
TRAIN_REPLY = st.builds(TrainReply, ADDRESS, st.binary(max_size=50), HASH, HASH, SIGNATURE, SIGNATURE, FIGURES)
SUBJECTS = st.lists(
    st.builds(Subject, ADDRESS, st.binary(max_size=20), HASH, HASH, HASH), max_size=4, unique_by=lambda one: one.account
)
PEER_TASK = st.builds(PeerTask, ROUND_TASK, st.integers(0, 10**6), SUBJECTS.map(tuple))
SIGNED_SCORE = st.builds(SignedScore, st.builds(Score, ADDRESS, HASH, HASH, WAD_INTEGER, WAD_INTEGER), SIGNATURE)

SOME_ADDRESS = to_checksum_address(bytes(19) + b"\xab")
SOME_TASK = RoundTask(bytes(32), 1, SigningDomain(31337, SOME_ADDRESS), Settings(), b"model")
SOME_PEER_TASK = PeerTask(SOME_TASK, 3, (Subject(SOME_ADDRESS, b"update", bytes(32), bytes(32), bytes(32)),))
SOME_REPLY = TrainReply(SOME_ADDRESS, b"update", bytes(32), bytes(32), bytes(65), bytes(65), {"test_users": 3})
SOME_SCORE = SignedScore(Score(SOME_ADDRESS, bytes(32), bytes(32), 1, -1), bytes(65))

Reader = Callable[[RecordDict], object]
READERS: dict[str, tuple[Reader, Callable[[], RecordDict]]] = {
    "train": (read_round_task, lambda: train_content(SOME_TASK)),
    "train reply": (read_train_reply, lambda: train_reply_content(SOME_REPLY)),
    "evaluate.peer": (read_peer_task, lambda: peer_content(SOME_PEER_TASK)),
    "evaluate.peer reply": (read_peer_reply, lambda: peer_reply_content(SOME_ADDRESS, [SOME_SCORE])),
    "evaluate reply": (read_metrics, lambda: metrics_content({"test_users": 3})),
}


def over_the_network(content: RecordDict) -> RecordDict:
    """The records as Flower's bytes, and back."""

    def again(record: Any) -> Any:
        if not isinstance(record, ArrayRecord):
            return type(record).inflate(record.deflate())
        return ArrayRecord({name: Array(one.dtype, one.shape, one.stype, one.data) for name, one in record.items()})

    return RecordDict({name: again(record) for name, record in content.items()})


# Round trips


@given(ROUND_TASK)
def test_a_round_task_comes_back(task: RoundTask) -> None:
    assert read_round_task(over_the_network(train_content(task))) == task


@given(TRAIN_REPLY)
def test_a_train_reply_comes_back(reply: TrainReply) -> None:
    assert read_train_reply(over_the_network(train_reply_content(reply))) == reply


@given(PEER_TASK)
def test_a_peer_task_comes_back(task: PeerTask) -> None:
    assert read_peer_task(over_the_network(peer_content(task))) == task


@given(ADDRESS, st.lists(SIGNED_SCORE, max_size=4))
def test_scores_come_back(account: str, scores: list[SignedScore]) -> None:
    assert read_peer_reply(over_the_network(peer_reply_content(account, scores))) == (account, tuple(scores))


@given(FIGURES)
def test_metrics_come_back(metrics: dict[str, float]) -> None:
    assert read_metrics(over_the_network(metrics_content(metrics))) == metrics


@given(st.binary(max_size=200))
def test_bytes_come_back_and_are_counted(data: bytes) -> None:
    content = RecordDict({"model": bytes_record(data), "other": ConfigRecord({"a": b"not counted"})})
    assert record_bytes(content, "model") == data
    assert content_size(content) == len(data)


def test_keys_are_in_kebab_case() -> None:
    for _, honest in READERS.values():
        for name, record in honest().items():
            for key in (name.removesuffix(f".{SOME_ADDRESS}"), *record):
                assert key == key.lower().replace("_", "-")


# Hostile contents: `Rejected`, and nothing else; at random: `tests/fuzz`


@pytest.mark.parametrize("kind", READERS)
def test_a_message_without_any_one_record_is_rejected(kind: str) -> None:
    reader, honest = READERS[kind]
    reader(honest())
    for name in honest():
        content = honest()
        del content[name]
        with pytest.raises(Rejected):
            reader(content)


@pytest.mark.parametrize("kind", READERS)
def test_a_message_without_any_one_value_is_rejected(kind: str) -> None:
    reader, honest = READERS[kind]
    for name, record in honest().config_records.items():
        for key in record:
            content = honest()
            del content.config_records[name][key]
            with pytest.raises(Rejected):
                reader(content)


@pytest.mark.parametrize(
    ("kind", "record", "key", "value"),
    [
        ("train reply", "signed", "account", SOME_ADDRESS.lower()),
        ("train reply", "signed", "account", "0x" + "1" * 10_000),
        ("train reply", "signed", "account", bytes(42)),
        ("train reply", "signed", "commitment", bytes(31)),
        ("train reply", "signed", "commitment", "0" * 32),
        ("train reply", "signed", "salt", bytes(33)),
        ("train reply", "signed", "commitment-signature", bytes(64)),
        ("train reply", "signed", "node-binding-signature", [bytes(65)]),
        ("evaluate.peer reply", "scores", "account", ""),
        ("evaluate.peer reply", "scores", "subjects", [SOME_ADDRESS] * 2),
        ("evaluate.peer reply", "scores", "subjects", ["nobody"]),
        ("evaluate.peer reply", "scores", "subjects", [SOME_ADDRESS] * 100_000),
        ("evaluate.peer reply", "scores", "commitments", [bytes(31)]),
        ("evaluate.peer reply", "scores", "shards", [b""]),
        ("evaluate.peer reply", "scores", "signatures", [bytes(66)]),
        ("evaluate.peer reply", "scores", "ndcg-gains-wad", [True]),
        ("evaluate.peer reply", "scores", "hit-gains-wad", [0.5]),
        ("evaluate.peer reply", "scores", "hit-gains-wad", 1),
        ("evaluate.peer", "subjects", "cohort-size", True),
        ("evaluate.peer", "subjects", "cohort-size", -1),
        ("evaluate.peer", "subjects", "accounts", [SOME_ADDRESS.lower()]),
        ("evaluate.peer", "subjects", "accounts", []),
        ("evaluate.peer", "subjects", "salts", [bytes(64)]),
        ("train", "round", "run-id", bytes(16)),
        ("train", "round", "server-round", True),
        ("train", "round", "server-round", 1.0),
        ("train", "round", "server-round", 2**64),
        ("train", "round", "ledger", "0x" + "0" * 39),
        ("train", "round", "ledger", "the ledger"),
    ],
)
def test_a_wrong_value_is_rejected_by_its_key(kind: str, record: str, key: str, value: Any) -> None:
    reader, honest = READERS[kind]
    content = honest()
    content.config_records[record][key] = value
    with pytest.raises(Rejected) as caught:
        reader(content)
    assert key in str(caught.value) or "different lengths" in str(caught.value)


def test_no_more_scores_than_a_peer_can_be_asked_for_are_read() -> None:
    assert len(read_peer_reply(peer_reply_content(SOME_ADDRESS, [SOME_SCORE] * MOST_ENTRIES))[1]) == MOST_ENTRIES
    with pytest.raises(Rejected, match="at most 512"):
        read_peer_reply(peer_reply_content(SOME_ADDRESS, [SOME_SCORE] * (MOST_ENTRIES + 1)))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, -0.001, 1.1e9, 10**400, [1.0], []])
def test_a_metric_that_is_no_plain_figure_is_rejected(value: Any) -> None:
    with pytest.raises(Rejected, match="metric"):
        read_metrics(RecordDict({"metrics": MetricRecord({"test-users": value})}))


def test_too_many_metrics_and_too_long_names_are_rejected() -> None:
    with pytest.raises(Rejected, match="too long"):
        read_metrics(RecordDict({"metrics": MetricRecord({f"m{n}": 1.0 for n in range(257)})}))
    with pytest.raises(Rejected, match="short name"):
        read_metrics(RecordDict({"metrics": MetricRecord({"m" * 81: 1.0})}))
