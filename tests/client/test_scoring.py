from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from client.scoring import PeerWork, score
from client.store import ParticipantFolder
from client.training import train
from common.commitment import check_signature, commitment_of, score_message
from common.errors import Rejected
from common.models import Arrays, model_of
from common.probe_scoring import MeasuredShard, ShardMetrics, shard_metrics, state_with_update_alone
from common.update import Packed, decode_model, decode_update, encode_update, object_name
from common.wire import PeerTask, RoundTask, SignedScore, Subject
from tests.small_federation import ITEMS, SETTINGS, WAD, SmallFederation

MODEL = model_of(SETTINGS)
COHORT = 5


@pytest.fixture
def subjects(task: RoundTask, small: SmallFederation) -> list[Subject]:
    """Everybody's honest update, all on the first shard."""
    shard = small.data.probe[0].digest()
    replies = [train(task, 1, ParticipantFolder(path)) for path in small.client_dirs]
    return [Subject(one.account, one.update_bytes, one.commitment, one.salt, shard) for one in replies]


def scores_of(task: RoundTask, folder: ParticipantFolder, *subjects: Subject) -> list[SignedScore]:
    return score(PeerTask(task, COHORT, subjects), folder, PeerWork())


def with_update(task: RoundTask, subject: Subject, update_bytes: bytes) -> Subject:
    """The subject with another update, as its own client would have committed to it."""
    commitment = commitment_of(task.run_id, task.server_round, subject.account, object_name(update_bytes), subject.salt)
    return replace(subject, update_bytes=update_bytes, commitment=commitment)


def with_arrays(task: RoundTask, subject: Subject, change: Callable[[Arrays], Arrays]) -> Subject:
    packed = decode_update(subject.update_bytes)
    return with_update(
        task, subject, encode_update(Packed(packed.model, packed.rows, packed.arrays | change(packed.arrays)))
    )


def test_a_score_is_the_gain_of_the_update_alone_rounded_down_and_signed(
    task: RoundTask, folder: ParticipantFolder, subjects: list[Subject], small: SmallFederation
) -> None:
    state = decode_model(task.model_bytes).arrays
    shard = small.data.probe[0]
    base = shard_metrics(MODEL, state, shard)
    signed = scores_of(task, folder, *subjects[1:])
    assert [one.score.subject for one in signed] == [subject.account for subject in subjects[1:]]
    for one, subject in zip(signed, subjects[1:], strict=True):
        applied = state_with_update_alone(MODEL, state, decode_update(subject.update_bytes).arrays, COHORT)
        metrics = shard_metrics(MODEL, applied, shard)
        ndcg, hit = metrics.first - base.first, metrics.second - base.second
        assert one.score.ndcg_gain_wad == pytest.approx(ndcg * WAD, abs=1)
        assert one.score.hit_gain_wad == pytest.approx(hit * WAD, abs=1)
        assert one.score.hit_gain_wad <= hit * WAD
        assert (one.score.commitment, one.score.shard) == (subject.commitment, subject.shard)
        message = score_message(task.domain, task.run_id, task.server_round, one.score)
        check_signature(message, one.signature, folder.account.address)


def test_scores_are_the_same_bytes_again(task: RoundTask, small: SmallFederation, subjects: list[Subject]) -> None:
    first, again = (scores_of(task, ParticipantFolder(small.client_dirs[0]), *subjects) for _ in range(2))
    assert first == again


def test_ones_own_update_gets_no_score(task: RoundTask, folder: ParticipantFolder, subjects: list[Subject]) -> None:
    assert subjects[0].account == folder.account.address
    assert [one.score.subject for one in scores_of(task, folder, *subjects[:2])] == [subjects[1].account]


@pytest.mark.parametrize(
    "changed",
    [
        {"commitment": bytes(32)},
        {"salt": bytes(32)},
        {"update_bytes": b""},
        {"shard": bytes(32)},
        {"account": "0x" + "11" * 20},
    ],
)
def test_an_update_that_is_not_the_one_committed_to_or_on_an_unknown_shard_gets_no_score(
    task: RoundTask, folder: ParticipantFolder, subjects: list[Subject], changed: dict[str, object]
) -> None:
    scored = scores_of(task, folder, replace(subjects[1], **changed), subjects[2])
    assert [one.score.subject for one in scored] == [subjects[2].account]


def test_an_update_of_another_round_gets_no_score(
    task: RoundTask, folder: ParticipantFolder, subjects: list[Subject]
) -> None:
    assert scores_of(replace(task, server_round=2), folder, subjects[1]) == []


@pytest.mark.parametrize(
    "change",
    [
        lambda arrays: {"residual": np.full_like(arrays["residual"], np.nan)},
        lambda arrays: {"gram": -arrays["gram"]},
        lambda arrays: {"users": np.zeros(1, dtype=np.uint32)},
        lambda arrays: {"row_ids": arrays["row_ids"][::-1].copy()},
        lambda arrays: {"more": np.zeros(1)},
        lambda arrays: {"counts": arrays["counts"].astype(np.float64)},
    ],
)
def test_a_malformed_update_gets_no_score_though_it_was_committed_to(
    task: RoundTask, folder: ParticipantFolder, subjects: list[Subject], change: Callable[[Arrays], Arrays]
) -> None:
    scored = scores_of(task, folder, with_arrays(task, subjects[1], change), subjects[2])
    assert [one.score.subject for one in scored] == [subjects[2].account]


@pytest.mark.parametrize(("model", "rows"), [("svd", ITEMS), ("ials", ITEMS - 1)])
def test_an_update_for_another_model_or_catalogue_gets_no_score(
    task: RoundTask, folder: ParticipantFolder, subjects: list[Subject], model: str, rows: int
) -> None:
    arrays = decode_update(subjects[1].update_bytes).arrays
    other = with_update(task, subjects[1], encode_update(Packed(model, rows, arrays)))
    assert scores_of(task, folder, other) == []


@pytest.mark.parametrize("update_bytes", [b"", b"TFRSUPD1", b"\x00" * 100])
def test_bytes_that_are_no_update_get_no_score(
    task: RoundTask, folder: ParticipantFolder, subjects: list[Subject], update_bytes: bytes
) -> None:
    assert scores_of(task, folder, with_update(task, subjects[1], update_bytes)) == []


def test_an_update_of_nobody_gains_nothing(task: RoundTask, small: SmallFederation) -> None:
    state = decode_model(task.model_bytes).arrays
    nothing, _ = MODEL.local_step(state, small.data.train.take(np.arange(0)))
    applied = state_with_update_alone(MODEL, state, nothing, COHORT)
    for shard in small.data.probe:
        assert shard_metrics(MODEL, applied, shard) == shard_metrics(MODEL, state, shard)


def test_an_update_of_zeros_loses_what_the_model_has_learnt(task: RoundTask, small: SmallFederation) -> None:
    """To users who like nothing every item should score zero, so the step shrinks them all: idling does not pay."""
    state = decode_model(task.model_bytes).arrays
    for _ in range(3):
        state = MODEL.apply(state, MODEL.local_step(state, small.data.train)[0])
    honest, _ = MODEL.local_step(state, small.data.train)
    zeros = honest | {name: np.zeros_like(honest[name]) for name in ("residual", "gram")}
    applied = state_with_update_alone(MODEL, state, zeros, COHORT)
    for shard in small.data.probe:
        lost = MeasuredShard(MODEL, state, shard).gain(applied)
        assert lost.first < -0.05
        assert lost.second < -0.05


class LyingWork(PeerWork):
    """Praises one subject, and says nothing of another."""

    def __init__(self, praised: str, hushed: str) -> None:
        self.praised, self.hushed = praised, hushed

    def gain(self, task: PeerTask, subject: Subject, measured: MeasuredShard, applied: Arrays) -> ShardMetrics:
        if subject.account == self.hushed:
            raise Rejected("no score from me")
        return (
            ShardMetrics(1.0, 1.0)
            if subject.account == self.praised
            else super().gain(task, subject, measured, applied)
        )


def test_what_a_peer_signs_is_what_its_work_gives(
    task: RoundTask, folder: ParticipantFolder, subjects: list[Subject]
) -> None:
    honest = {one.score.subject: one.score for one in scores_of(task, folder, *subjects[1:])}
    praised, hushed, other = (subject.account for subject in subjects[1:4])
    signed = score(PeerTask(task, COHORT, tuple(subjects[1:4])), folder, LyingWork(praised, hushed))
    lied = {one.score.subject: one.score for one in signed}
    assert lied.keys() == {praised, other}
    assert (lied[praised].ndcg_gain_wad, lied[praised].hit_gain_wad) == (WAD, WAD)
    assert lied[other] == honest[other]
