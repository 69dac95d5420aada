"""The messages between coordinator and clients: the one place where the two sides meet.

Two messages make a round: ``train`` and ``evaluate.peer``; a last ``evaluate`` measures the final model. Record keys
are in kebab-case and appear in this file alone. Readers of replies trust nothing: whatever is missing, of a wrong type
or too long becomes a `Rejected` with its reason.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from eth_utils.address import is_checksum_address
from flwr.app import Array, ArrayRecord, ConfigRecord, MetricRecord, RecordDict

from common.commitment import Score, SigningDomain
from common.config import Settings
from common.errors import Rejected

PEER_EVALUATION = "evaluate.peer"
ROUND_RECORD, MODEL_RECORD = "round", "model"
_METRICS, _UPDATE, _SIGNED, _SUBJECTS, _SCORES = (
    "metrics",
    "update",
    "signed",
    "subjects",
    "scores",
)
_BYTES_KEY = "bytes"
_STYPE = "tfedrs.bytes"
_MAX_METRICS = 256
_MAX_METRIC_NAME = 80
_LARGEST_FIGURE = 1e9  # so that no sum over clients overflows
_MAX_SUBJECTS = 64  # the most that --committee-size allows: everybody scores as many updates as a committee has seats
_HASH_BYTES, _SIGNATURE_BYTES = 32, 65
_T = TypeVar("_T")


@dataclass(frozen=True)
class RoundTask:
    """What every message of a round carries.

    Attributes:
        run_id: 32 bytes.
        server_round: Counts from 1; row t of the report describes the model that round t made.
        domain: Where signatures of this run count.
        settings: The run's settings, the same for everybody.
        model_bytes: The global model that round `server_round` starts from.
    """

    run_id: bytes
    server_round: int
    domain: SigningDomain
    settings: Settings
    model_bytes: bytes


@dataclass(frozen=True)
class TrainReply:
    """A client's update with everything that makes it accountable, and how good the received model was for it."""

    account: str
    update_bytes: bytes
    commitment: bytes
    salt: bytes
    commitment_signature: bytes
    node_binding_signature: bytes
    metrics: Mapping[str, float]


@dataclass(frozen=True)
class Subject:
    """An update that a peer is asked to score, with what it needs to check the commitment."""

    account: str
    update_bytes: bytes
    commitment: bytes
    salt: bytes
    shard: bytes


@dataclass(frozen=True)
class PeerTask:
    """A peer's share of a round's scoring; `cohort_size` is the number of updates that the round received."""

    round_task: RoundTask
    cohort_size: int
    subjects: tuple[Subject, ...]


@dataclass(frozen=True)
class SignedScore:
    """A score with the evaluator's EIP-712 signature."""

    score: Score
    signature: bytes


def train_content(task: RoundTask) -> RecordDict:
    """Content of a ``train`` or ``evaluate`` message."""
    return RecordDict({ROUND_RECORD: round_config(task), MODEL_RECORD: bytes_record(task.model_bytes)})


def read_round_task(content: RecordDict) -> RoundTask:
    """Read what `train_content` wrote.

    Raises:
        Rejected: something is missing or malformed.
        WrongUse: a setting is outside its limits.
    """
    record = _config(content, ROUND_RECORD)
    if missing := sorted(set(Settings().to_run_config()) - set(record)):
        raise Rejected(f"the message lacks the setting '{missing[0]}'")
    settings = Settings.from_run_config(record)
    return RoundTask(
        run_id=_bytes(record, "run-id", _HASH_BYTES),
        server_round=_integer(record, "server-round"),
        domain=SigningDomain(_integer(record, "chain-id"), _address(record, "ledger")),
        settings=settings,
        model_bytes=record_bytes(content, MODEL_RECORD),
    )


def train_reply_content(reply: TrainReply) -> RecordDict:
    """Content of the reply to ``train``."""
    signed: dict[str, str | bytes] = {
        "account": reply.account,
        "commitment": reply.commitment,
        "salt": reply.salt,
        "commitment-signature": reply.commitment_signature,
        "node-binding-signature": reply.node_binding_signature,
    }
    return RecordDict(
        {
            _UPDATE: bytes_record(reply.update_bytes),
            _SIGNED: ConfigRecord(dict(signed)),
            _METRICS: _metric_record(reply.metrics),
        }
    )


def read_train_reply(content: RecordDict) -> TrainReply:
    """Read a client's reply to ``train``; lengths and types are checked here, meaning in `server/verification.py`."""
    signed = _config(content, _SIGNED)
    return TrainReply(
        account=_address(signed, "account"),
        update_bytes=record_bytes(content, _UPDATE),
        commitment=_bytes(signed, "commitment", _HASH_BYTES),
        salt=_bytes(signed, "salt", _HASH_BYTES),
        commitment_signature=_bytes(signed, "commitment-signature", _SIGNATURE_BYTES),
        node_binding_signature=_bytes(signed, "node-binding-signature", _SIGNATURE_BYTES),
        metrics=read_metrics(content),
    )


def peer_content(task: PeerTask) -> RecordDict:
    """Content of an ``evaluate.peer`` message: the model, and several updates to score."""
    content = train_content(task.round_task)
    content[_SUBJECTS] = ConfigRecord(
        {
            "cohort-size": task.cohort_size,
            "accounts": [subject.account for subject in task.subjects],
            "commitments": [subject.commitment for subject in task.subjects],
            "salts": [subject.salt for subject in task.subjects],
            "shards": [subject.shard for subject in task.subjects],
        }
    )
    for subject in task.subjects:
        content[f"{_UPDATE}.{subject.account}"] = bytes_record(subject.update_bytes)
    return content


def read_peer_task(content: RecordDict) -> PeerTask:
    """Read what `peer_content` wrote."""
    record = _config(content, _SUBJECTS)
    accounts = _addresses(record, "accounts")
    columns = [_bytes_list(record, key, _HASH_BYTES) for key in ("commitments", "salts", "shards")]
    if any(len(column) != len(accounts) for column in columns):
        raise Rejected("the lists of subjects have different lengths")
    return PeerTask(
        round_task=read_round_task(content),
        cohort_size=_integer(record, "cohort-size"),
        subjects=tuple(
            Subject(account, record_bytes(content, f"{_UPDATE}.{account}"), commitment, salt, shard)
            for account, commitment, salt, shard in zip(accounts, *columns, strict=True)
        ),
    )


def peer_reply_content(account: str, scores: Sequence[SignedScore]) -> RecordDict:
    """Content of the reply to ``evaluate.peer``."""
    record: dict[str, str | list[str] | list[bytes] | list[int]] = {
        "account": account,
        "subjects": [signed.score.subject for signed in scores],
        "commitments": [signed.score.commitment for signed in scores],
        "shards": [signed.score.shard for signed in scores],
        "ndcg-gains-wad": [signed.score.ndcg_gain_wad for signed in scores],
        "hit-gains-wad": [signed.score.hit_gain_wad for signed in scores],
        "signatures": [signed.signature for signed in scores],
    }
    return RecordDict({_SCORES: ConfigRecord(dict(record))})


def read_peer_reply(content: RecordDict) -> tuple[str, tuple[SignedScore, ...]]:
    """Read a peer's account and its scores."""
    record = _config(content, _SCORES)
    subjects = _addresses(record, "subjects")
    commitments, shards = (_bytes_list(record, key, _HASH_BYTES) for key in ("commitments", "shards"))
    signatures = _bytes_list(record, "signatures", _SIGNATURE_BYTES)
    ndcg_gains, hit_gains = (_list(record, key, int) for key in ("ndcg-gains-wad", "hit-gains-wad"))
    if len({len(c) for c in (subjects, commitments, shards, signatures, ndcg_gains, hit_gains)}) != 1:
        raise Rejected("the lists of scores have different lengths")
    scores = tuple(
        SignedScore(Score(subject, commitment, shard, ndcg, hit), signature)
        for subject, commitment, shard, ndcg, hit, signature in zip(
            subjects, commitments, shards, ndcg_gains, hit_gains, signatures, strict=True
        )
    )
    return _address(record, "account"), scores


def metrics_content(metrics: Mapping[str, float]) -> RecordDict:
    """Content of the reply to ``evaluate``."""
    return RecordDict({_METRICS: _metric_record(metrics)})


def read_metrics(content: RecordDict) -> dict[str, float]:
    """Read a client's own figures: numbers in [0, 1e9]."""
    record = content.metric_records.get(_METRICS)
    if record is None or len(record) > _MAX_METRICS:
        raise Rejected("the reply has no record of metrics, or too long a one")
    metrics = {}
    for name, value in record.items():
        if len(name) > _MAX_METRIC_NAME or not isinstance(value, int | float):
            raise Rejected("a metric is not one number with a short name")
        if not 0 <= value <= _LARGEST_FIGURE:  # false for NaN too
            raise Rejected(f"metric '{name}' is not in [0, {_LARGEST_FIGURE:g}]")
        metrics[name.replace("-", "_")] = float(value)
    return metrics


def content_size(content: RecordDict) -> int:
    """Return the bytes of models and updates in a message, which is nearly all that travels."""
    return sum(len(array.data) for record in content.array_records.values() for array in record.values())


def round_config(task: RoundTask) -> ConfigRecord:
    """The settings of the run and where its signatures count, as a record."""
    values: dict[str, bool | int | float | str | bytes] = {
        **task.settings.to_run_config(),
        "run-id": task.run_id,
        "server-round": task.server_round,
        "chain-id": task.domain.chain_id,
        "ledger": task.domain.verifying_contract,
    }
    return ConfigRecord(dict(values))


def _metric_record(metrics: Mapping[str, float]) -> MetricRecord:
    return MetricRecord({name.replace("_", "-"): value for name, value in metrics.items()})


def bytes_record(data: bytes) -> ArrayRecord:
    """Bytes as a Flower record of one array; Flower stores equal records once, however many messages hold them."""
    return ArrayRecord({_BYTES_KEY: Array(dtype="uint8", shape=(len(data),), stype=_STYPE, data=data)})


def record_bytes(content: RecordDict, name: str) -> bytes:
    """Return what `bytes_record` holds under `name`."""
    record = content.array_records.get(name)
    if record is None or list(record) != [_BYTES_KEY]:
        raise Rejected(f"the message has no '{name}'")
    return record[_BYTES_KEY].data


def _config(content: RecordDict, name: str) -> ConfigRecord:
    record = content.config_records.get(name)
    if record is None:
        raise Rejected(f"the message has no record '{name}'")
    return record


def _address(record: ConfigRecord, key: str) -> str:
    value = record.get(key)
    if not isinstance(value, str) or not is_checksum_address(value):
        raise Rejected(f"'{key}' is not an address with its checksum")
    return value


def _bytes(record: ConfigRecord, key: str, length: int) -> bytes:
    value = record.get(key)
    if not isinstance(value, bytes) or len(value) != length:
        raise Rejected(f"'{key}' is not {length} bytes")
    return value


def _integer(record: ConfigRecord, key: str) -> int:
    value = record.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**64:
        raise Rejected(f"'{key}' is not a whole number in [0, 2^64)")
    return value


def _addresses(record: ConfigRecord, key: str) -> list[str]:
    values = _list(record, key, str)
    if not all(is_checksum_address(value) for value in values):
        raise Rejected(f"'{key}' has an entry that is not an address with its checksum")
    return values


def _bytes_list(record: ConfigRecord, key: str, length: int) -> list[bytes]:
    values = _list(record, key, bytes)
    if not all(len(value) == length for value in values):
        raise Rejected(f"'{key}' has an entry that is not {length} bytes")
    return values


def _list(record: ConfigRecord, key: str, kind: type[_T]) -> list[_T]:
    value = record.get(key)
    if not isinstance(value, list) or len(value) > _MAX_SUBJECTS or not all(type(entry) is kind for entry in value):
        raise Rejected(f"'{key}' is not a list of at most {_MAX_SUBJECTS} entries, each {kind.__name__}")
    return [entry for entry in value if isinstance(entry, kind)]
