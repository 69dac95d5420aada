"""Replies to ``evaluate.peer`` that break a rule of scoring."""

from dataclasses import replace

from flwr.app import RecordDict

from common.wire import PEER_EVALUATION, RoundTask, SignedScore
from tests.server.hostile_acts import (
    ACCOUNTS,
    BAD,
    OTHER,
    answering,
    changing_the_first_score,
    changing_the_scores,
    failing,
    in_phase,
    signed_again,
    staying_silent,
    with_score_records,
)
from tests.server.hostile_client import EVERYWHERE, IALS, HostileClient, Verdict
from tests.small_federation import WAD, Act

_KEY = ACCOUNTS[BAD].key
_FALSE = r"^as a peer it gave a false score of 0x[0-9a-fA-F]{40}: said -?1\.0+, is -?0\.\d+$"


def _also_itself(scores: list[SignedScore], task: RoundTask) -> list[SignedScore]:
    praise = {"ndcg_gain_wad": WAD, "hit_gain_wad": WAD}
    return [*signed_again(scores[:1], task, _KEY, subject=ACCOUNTS[BAD].address, **praise), *scores]


def _also_one_it_was_not_given(scores: list[SignedScore], task: RoundTask) -> list[SignedScore]:
    given = {signed.score.subject for signed in scores} | {ACCOUNTS[BAD].address}
    (left,) = [account.address for account in ACCOUNTS if account.address not in given]
    return [*scores, *signed_again(scores[:1], task, _KEY, subject=left, ndcg_gain_wad=-WAD)]


def _of_the_round_before(scores: list[SignedScore], task: RoundTask) -> list[SignedScore]:
    return [*signed_again(scores[:1], replace(task, server_round=task.server_round - 1), _KEY), *scores[1:]]


def _twice(scores: list[SignedScore], task: RoundTask) -> list[SignedScore]:
    return [*scores, *signed_again(scores[:1], task, _KEY, ndcg_gain_wad=WAD)]


def _damns_all(scores: list[SignedScore], task: RoundTask) -> list[SignedScore]:
    return signed_again(scores, task, _KEY, ndcg_gain_wad=-WAD, hit_gain_wad=-WAD)


def _unheard(does: str, act: Act, reason: str, kinds: tuple[str, ...] = IALS) -> HostileClient:
    return HostileClient(does=f"as a peer: {does}", act=act, reason=reason, verdict=Verdict.UNHEARD, kinds=kinds)


SCORES = (
    _unheard("does not answer", in_phase(PEER_EVALUATION, staying_silent), "^no scores: it did not answer within "),
    _unheard(
        "fails", in_phase(PEER_EVALUATION, failing("out of memory")), "^no scores: its app failed: OSError: out of"
    ),
    _unheard(
        "answers with nothing",
        in_phase(PEER_EVALUATION, answering(RecordDict())),
        "^no scores: the message has no record 'scores'$",
        EVERYWHERE,
    ),
    _unheard("leaves one score out", changing_the_scores(lambda scores, task: scores[1:]), "^no score of 0x"),
    _unheard("scores itself", changing_the_scores(_also_itself), "^a score of itself$", EVERYWHERE),
    _unheard(
        "scores an update that it was not given",
        changing_the_scores(_also_one_it_was_not_given),
        "^a score of 0x[0-9a-fA-F]{40}, whose update it was not given$",
    ),
    _unheard("scores an update twice", changing_the_scores(_twice), "^a second score of 0x"),
    HostileClient(
        does="as a peer: praises an update that earns less",
        act=changing_the_first_score(ndcg_gain_wad=WAD),
        reason=_FALSE,
        verdict=Verdict.LIAR,
        kinds=EVERYWHERE,
    ),
    HostileClient(
        does="as a peer: damns every update",
        act=changing_the_scores(_damns_all),
        reason=_FALSE,
        verdict=Verdict.LIAR,
    ),
    _unheard("scores above 1", changing_the_first_score(ndcg_gain_wad=WAD + 1), r"^a score of 0x.* outside \[-1, 1\]$"),
    _unheard(
        "scores far below -1", changing_the_first_score(hit_gain_wad=-(2**62)), r"^a score of 0x.* outside \[-1, 1\]$"
    ),
    _unheard(
        "scores another commitment",
        changing_the_first_score(commitment=bytes(32)),
        "^a score of 0x[0-9a-fA-F]{40} for another commitment$",
    ),
    _unheard(
        "scores on a shard of its own",
        changing_the_first_score(shard=bytes(32)),
        "^a score of 0x.* on another shard of the probe set than it was asked for$",
    ),
    _unheard(
        "has a score signed by another client",
        changing_the_first_score(key=ACCOUNTS[OTHER].key),
        "^the score of 0x.* is not signed by its sender: the signature is that of 0x",
        EVERYWHERE,
    ),
    _unheard(
        "signs for another round",
        changing_the_scores(_of_the_round_before),
        "^the score of 0x.* is not signed by its sender: the signature is that of 0x",
    ),
    _unheard(
        "sends lists of different lengths",
        with_score_records(signatures=[bytes(65)]),
        "^no scores: the lists of scores have different lengths$",
    ),
    _unheard(
        "sends a hundred thousand scores",
        with_score_records(ndcg_gains_wad=[1] * 100_000),
        "^no scores: 'ndcg-gains-wad' is not a list of at most 512 entries, each int$",
    ),
    _unheard(
        "sends NaN for scores",
        with_score_records(hit_gains_wad=[float("nan")] * 3),
        "^no scores: 'hit-gains-wad' is not a list of at most 512 entries, each int$",
    ),
)
