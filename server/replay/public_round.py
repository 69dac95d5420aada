"""A round's evidence, read by somebody to whom it may say anything: the counterpart of `server/evidence.py`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import rfc8785

from common.bounded_json import parse_json
from common.commitment import Score, SigningDomain
from common.config import Settings
from common.errors import WrongUse
from common.wire import SignedScore
from server.exposure_budget import Held
from server.fields import Fields, Malformed, as_account
from server.participation import Invitation
from server.replay.mismatch import Mismatch
from server.reputation import WAD
from server.score_audit import FalseScore
from server.selection import Assignment
from server.settlement import Judgement

MOST_EVIDENCE_BYTES = 256 << 20
"""Of one round: some 700 bytes a score, so seven scores for each of 50,000 clients. Reading it takes at most
`common.bounded_json.MOST_MEMORY_PER_BYTE` times as much memory."""

_HASH, _SIGNATURE = 32, 65
_KEYS = frozenset(
    {
        "run_id",
        "round",
        "domain",
        "settings",
        "model",
        "next_model",
        "cohort",
        "asked",
        "passed_over",
        "commitments",
        "commitment_root",
        "seed_link",
        "committees",
        "scores",
        "false_scores",
        "judgements",
        "capped_items",
        "held_items",
        "example_counts",
        "scale_wad",
        "pool_wei",
        "rewarded_wei",
        "reputation_root",
        "reward_root",
        "rejected",
    }
)
_FALSE_SCORE_KEYS = frozenset(
    {
        "evaluator",
        "subject",
        "shard",
        "said_ndcg_gain_wad",
        "said_hit_gain_wad",
        "ndcg_gain_wad",
        "hit_gain_wad",
    }
)
_JUDGEMENT_KEYS = frozenset(
    {
        "account",
        "consolidated_wad",
        "calibrated_wad",
        "gate_wad",
        "gate_reason",
        "smoothed_wad",
        "weight_wad",
        "reward_wei",
        "cumulative_wei",
    }
)


@dataclass(frozen=True)
class PublicRound:
    """What a round's evidence says, in the types of the code that made it; nothing is believed yet.

    Attributes:
        content: The file's bytes.
        commitments: Account -> commitment and signature, in the order of the file.
        assignments: Who was to score whom on which shard.
        scores: Evaluator and score, in the order of the file.
        judgements: By account, in the order of the file.
        gate_reasons: Account -> why its gate is not open.
        cumulative_wei: Account -> all that it has earned on the ledger.
        example_counts: Declared examples by account; empty unless the run weighs by them.

    The other attributes are named as in `server.evidence.RoundEvidence`.
    """

    content: bytes
    run_id: bytes
    server_round: int
    domain: SigningDomain
    settings: Settings
    model: str
    next_model: str
    cohort: tuple[str, ...]
    invitation: Invitation
    commitments: Mapping[str, tuple[bytes, bytes]]
    commitment_root: bytes
    seed_link: bytes
    assignments: tuple[Assignment, ...]
    scores: tuple[tuple[str, SignedScore], ...]
    false_scores: tuple[FalseScore, ...]
    judgements: Mapping[str, Judgement]
    gate_reasons: Mapping[str, str]
    capped_items: tuple[int, ...]
    held_items: tuple[Held, ...]
    cumulative_wei: Mapping[str, int]
    example_counts: Mapping[str, int]
    scale_wad: int
    pool_wei: int
    rewarded_wei: int
    reputation_root: bytes
    reward_root: bytes
    rejected: tuple[tuple[str, str], ...]


def read_public_round(content: bytes, server_round: int) -> PublicRound:
    """Read the evidence of round `server_round`.

    Raises:
        Mismatch: the bytes are no such record, or not its canonical form.
    """
    if len(content) > MOST_EVIDENCE_BYTES:
        raise Mismatch(server_round, None, "evidence", f"it has more than {MOST_EVIDENCE_BYTES} bytes")
    try:
        record = parse_json(content)
        read = _read(Fields(record, ""), content)
        canonical = rfc8785.dumps(record)
    except Malformed as error:
        raise Mismatch(server_round, error.account, error.field, error.reason) from error
    except ValueError as error:  # of both libraries
        raise Mismatch(server_round, None, "evidence", f"it is not JSON ({error})") from error
    if read.server_round != server_round:
        raise Mismatch(server_round, None, "round", f"the file says that it is round {read.server_round}")
    if canonical != content:
        raise Mismatch(server_round, None, "evidence", "it is not the canonical JSON of what it says")
    return read


def _read(record: Fields, content: bytes) -> PublicRound:
    record.only(_KEYS)
    domain = record.inner("domain")
    domain.only(frozenset({"chain_id", "verifying_contract"}))
    commitments = _commitments(record)
    judged = list(_by_account(record, "judgements", _JUDGEMENT_KEYS))
    return PublicRound(
        content=content,
        run_id=record.hexadecimal("run_id", _HASH),
        server_round=record.number("round"),
        domain=SigningDomain(domain.number("chain_id"), domain.account("verifying_contract")),
        settings=_settings(record),
        model=record.hexadecimal("model", _HASH).hex(),
        next_model=record.hexadecimal("next_model", _HASH).hex(),
        cohort=_accounts(record, "cohort"),
        invitation=Invitation(
            _accounts(record, "asked"),
            tuple(
                (account, one.text("reason"))
                for account, one in _by_account(record, "passed_over", frozenset({"account", "reason"}))
            ),
        ),
        commitments=commitments,
        commitment_root=record.hexadecimal("commitment_root", _HASH),
        seed_link=record.hexadecimal("seed_link", _HASH),
        assignments=tuple(
            Assignment(one.account("subject"), one.account("evaluator"), one.hexadecimal("shard", _HASH))
            for one in record.objects("committees")
        ),
        scores=_scores(record, commitments),
        false_scores=_false_scores(record),
        judgements={account: _judgement(one) for account, one in judged},
        gate_reasons={
            account: one.text("gate_reason") for account, one in judged if one.raw("gate_reason") is not None
        },
        capped_items=_items(record, "capped_items"),
        held_items=_held_items(record),
        cumulative_wei={account: one.decimal("cumulative_wei") for account, one in judged},
        example_counts={
            account: one.decimal("examples")
            for account, one in _by_account(record, "example_counts", frozenset({"account", "examples"}))
        },
        scale_wad=record.decimal("scale_wad"),
        pool_wei=record.decimal("pool_wei"),
        rewarded_wei=record.decimal("rewarded_wei"),
        reputation_root=record.hexadecimal("reputation_root", _HASH),
        reward_root=record.hexadecimal("reward_root", _HASH),
        rejected=tuple((one.text("account"), one.text("reason")) for one in record.objects("rejected")),
    )


def _accounts(record: Fields, key: str) -> tuple[str, ...]:
    return tuple(as_account(entry, f"{key}[{index}]") for index, entry in enumerate(record.entries(key)))


def _items(record: Fields, key: str) -> tuple[int, ...]:
    """Read items, which must ascend."""
    items = record.entries(key)
    if not all(type(item) is int and item >= 0 for item in items) or items != sorted(set(items)):
        raise Malformed(key, "these are not ascending numbers of items")
    return tuple(items)


def _held_items(record: Fields) -> tuple[Held, ...]:
    keys = frozenset({"item", "exposure_wad", "budget_wad", "rolled_back"})
    held = []
    for one in record.objects("held_items"):
        one.only(keys)
        rolled_back = one.raw("rolled_back")
        if type(rolled_back) is not bool:
            raise one.malformed("rolled_back", "it is neither true nor false")
        exposure, budget = (one.decimal(key) / WAD for key in ("exposure_wad", "budget_wad"))
        held.append(Held(one.number("item"), exposure, budget, rolled_back))
    return tuple(held)


def _settings(record: Fields) -> Settings:
    given = record.raw("settings")
    if not isinstance(given, dict) or set(given) != set(Settings().to_run_config()):
        raise Malformed("settings", "these are not the settings of this version of T-FedRS")
    try:
        return Settings.from_run_config(given)
    except WrongUse as error:
        raise Malformed("settings", str(error).rstrip(".")) from error


def _commitments(record: Fields) -> dict[str, tuple[bytes, bytes]]:
    keys = frozenset({"account", "commitment", "signature"})
    return {
        account: (one.hexadecimal("commitment", _HASH), one.hexadecimal("signature", _SIGNATURE))
        for account, one in _by_account(record, "commitments", keys)
    }


def _scores(record: Fields, commitments: Mapping[str, tuple[bytes, bytes]]) -> tuple[tuple[str, SignedScore], ...]:
    keys = frozenset({"evaluator", "subject", "shard", "ndcg_gain_wad", "hit_gain_wad", "signature"})
    scores = []
    for one in record.objects("scores"):
        one.only(keys)
        subject = one.account("subject")
        if subject not in commitments:
            raise one.malformed("subject", "it scores an update that nobody committed to")
        score = Score(
            subject,
            commitments[subject][0],
            one.hexadecimal("shard", _HASH),
            one.decimal("ndcg_gain_wad"),
            one.decimal("hit_gain_wad"),
        )
        scores.append((one.account("evaluator"), SignedScore(score, one.hexadecimal("signature", _SIGNATURE))))
    return tuple(scores)


def _false_scores(record: Fields) -> tuple[FalseScore, ...]:
    found = []
    for one in record.objects("false_scores"):
        one.only(_FALSE_SCORE_KEYS)
        said, recomputed = (
            (one.decimal(f"{which}ndcg_gain_wad"), one.decimal(f"{which}hit_gain_wad")) for which in ("said_", "")
        )
        shard = one.hexadecimal("shard", _HASH)
        found.append(FalseScore(one.account("evaluator"), one.account("subject"), shard, said, recomputed))
    return tuple(found)


def _judgement(one: Fields) -> Judgement:
    consolidated = None if one.raw("consolidated_wad") is None else one.decimal("consolidated_wad")
    return Judgement(
        consolidated,
        *(one.decimal(key) for key in ("calibrated_wad", "gate_wad", "smoothed_wad", "weight_wad", "reward_wei")),
    )


def _by_account(record: Fields, key: str, keys: frozenset[str]) -> Any:
    """Yield account and object of each entry; no account stands twice."""
    seen: set[str] = set()
    for one in record.objects(key):
        one.only(keys)
        account = one.account("account")
        if account in seen:
            raise one.malformed("account", "it stands there twice")
        seen.add(account)
        yield account, one
