import json
import math
import stat
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from client.store import ParticipantFolder
from client.training import local_metrics, measure, train
from common.commitment import check_signature, commitment_message, commitment_of, node_binding_message
from common.data.user_items import NO_ITEM
from common.errors import Rejected, WrongUse
from common.evaluation import evaluate, pooled
from common.models import model_of
from common.update import Packed, decode_model, decode_update, encode_model, object_name
from common.wire import RoundTask, train_reply_content
from server.report import mean_metrics
from server.verification import verify_node_binding, verify_update
from tests.small_federation import ITEMS, SETTINGS, SmallFederation

MODEL = model_of(SETTINGS)
NODE = 9


def reply_folder(small: SmallFederation, task: RoundTask) -> Path:
    return small.client_dirs[0] / "replies" / task.run_id.hex()[:16] / f"round-{task.server_round:04d}"


def another_model(task: RoundTask) -> RoundTask:
    packed = decode_model(task.model_bytes)
    arrays = packed.arrays | {"momentum": packed.arrays["momentum"] + np.float32(1)}
    return replace(task, model_bytes=encode_model(Packed(packed.model, packed.rows, arrays)))


def test_a_reply_is_what_the_server_verifies(task: RoundTask, folder: ParticipantFolder) -> None:
    reply = train(task, NODE, folder)
    verify_node_binding(reply, NODE, task, [folder.account.address])
    verified = verify_update(reply, task, MODEL, ITEMS)
    update, _ = MODEL.local_step(decode_model(task.model_bytes).arrays, folder.part.train)
    for name, array in update.items():
        assert np.array_equal(verified.arrays[name], array)
    assert reply.commitment == commitment_of(
        task.run_id, task.server_round, folder.account.address, object_name(reply.update_bytes), reply.salt
    )


def test_asked_again_a_client_sends_the_same_bytes(
    task: RoundTask, folder: ParticipantFolder, small: SmallFederation
) -> None:
    first = train(task, NODE, folder)
    for again in (folder, ParticipantFolder(small.client_dirs[0])):  # the second is what another process would have
        reply = train(task, NODE, again)
        assert reply == first
        assert {name: record.deflate() for name, record in train_reply_content(reply).items()} == {
            name: record.deflate() for name, record in train_reply_content(first).items()
        }


def test_asked_again_the_saved_reply_is_sent_and_nothing_is_trained(
    task: RoundTask, folder: ParticipantFolder, small: SmallFederation, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = train(task, NODE, folder)
    (small.client_dirs[0] / "data.npz").unlink()
    assert train(task, NODE, ParticipantFolder(small.client_dirs[0])) == first


def test_asked_again_as_another_node_only_the_binding_changes(task: RoundTask, folder: ParticipantFolder) -> None:
    first, again = train(task, NODE, folder), train(task, NODE + 1, folder)
    assert replace(again, node_binding_signature=first.node_binding_signature) == first
    binding = node_binding_message(task.domain, task.run_id, first.account, NODE + 1)
    check_signature(binding, again.node_binding_signature, first.account)


def test_a_second_model_for_the_same_round_is_refused(task: RoundTask, folder: ParticipantFolder) -> None:
    train(task, NODE, folder)
    with pytest.raises(WrongUse, match="Round 1 was already answered for another model; start a new run"):
        train(another_model(task), NODE, folder)


def test_another_round_and_another_run_are_answered_for_another_model(
    task: RoundTask, folder: ParticipantFolder
) -> None:
    first = train(task, NODE, folder)
    second = train(replace(another_model(task), server_round=2), NODE, folder)
    third = train(replace(another_model(task), run_id=bytes(32)), NODE, folder)
    assert len({first.salt, second.salt, third.salt}) == len({first.commitment, second.commitment}) + 1 == 3
    for reply, server_round, run_id in ((second, 2, task.run_id), (third, 1, bytes(32))):
        message = commitment_message(task.domain, run_id, server_round, reply.commitment)
        check_signature(message, reply.commitment_signature, folder.account.address)


def test_a_reply_is_on_disk_for_its_owner_alone_and_for_two_rounds(
    task: RoundTask, folder: ParticipantFolder, small: SmallFederation
) -> None:
    for server_round in (1, 2, 3, 4):
        train(replace(task, server_round=server_round), NODE, folder)
    kept = sorted(path.name for path in reply_folder(small, task).parent.iterdir())
    assert kept == ["round-0003", "round-0004"]
    files = list(reply_folder(small, replace(task, server_round=4)).iterdir())
    assert sorted(path.name for path in files) == ["reply.json", "update.bin"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}


@pytest.mark.parametrize("name", ["reply.json", "update.bin"])
@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"null", b"\xff", b'{"model": 1'])
def test_a_damaged_reply_is_one_sentence(
    task: RoundTask, folder: ParticipantFolder, small: SmallFederation, name: str, content: bytes
) -> None:
    train(task, NODE, folder)
    (reply_folder(small, task) / name).write_bytes(content)
    with pytest.raises(
        WrongUse, match=r"The saved reply in .* is damaged .*; remove that folder and start a new run\.$"
    ):
        train(task, NODE, folder)


@pytest.mark.parametrize(
    "key",
    ["model", "update", "account", "commitment", "salt", "commitment_signature", "node_binding_signature", "metrics"],
)
@pytest.mark.parametrize("value", [None, 7, "not hex", [1]])
def test_a_reply_with_a_wrong_value_is_not_sent(
    task: RoundTask, folder: ParticipantFolder, small: SmallFederation, key: str, value: object
) -> None:
    train(task, NODE, folder)
    path = reply_folder(small, task) / "reply.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {key: value}))
    if key == "account":  # the only one that no byte contradicts; the server does
        with pytest.raises(Rejected):
            verify_node_binding(train(task, NODE, folder), NODE, task, [folder.account.address])
        return
    with pytest.raises(WrongUse, match=r"damaged|already answered for another model"):
        train(task, NODE, folder)


def test_a_reply_whose_update_is_gone_is_one_sentence(
    task: RoundTask, folder: ParticipantFolder, small: SmallFederation
) -> None:
    train(task, NODE, folder)
    (reply_folder(small, task) / "update.bin").unlink()
    with pytest.raises(WrongUse, match="is damaged"):
        train(task, NODE, folder)


def test_a_reply_that_was_interrupted_is_made_again(
    task: RoundTask, folder: ParticipantFolder, small: SmallFederation
) -> None:
    first = train(task, NODE, folder)
    (reply_folder(small, task) / "reply.json").unlink()  # it makes the reply one, and state.json comes after it
    (small.client_dirs[0] / "state.json").unlink()
    assert train(task, NODE, folder) == first


@pytest.mark.parametrize(
    ("model", "rows", "reason"),
    [("svd", ITEMS, "holds model 'svd'"), ("ials", ITEMS + 1, f"of {ITEMS + 1} items, not {ITEMS}")],
)
def test_a_model_for_something_else_is_rejected(
    task: RoundTask, folder: ParticipantFolder, model: str, rows: int, reason: str
) -> None:
    arrays = decode_model(task.model_bytes).arrays
    with pytest.raises(Rejected, match=reason):
        train(replace(task, model_bytes=encode_model(Packed(model, rows, arrays))), NODE, folder)


def test_a_damaged_model_is_rejected(task: RoundTask, folder: ParticipantFolder) -> None:
    for model_bytes in (b"", task.model_bytes[:-1], b"TFRSUPD1" + task.model_bytes[8:]):
        with pytest.raises(Rejected):
            train(replace(task, model_bytes=model_bytes), NODE, folder)


def test_the_update_holds_only_items_of_the_clients_own_training(task: RoundTask, folder: ParticipantFolder) -> None:
    arrays = decode_update(train(task, NODE, folder).update_bytes).arrays
    assert arrays["row_ids"].tolist() == sorted(set(folder.part.train.items.tolist()))
    assert arrays["users"].tolist() == [len(folder.part.user_ids)]


# Local metrics


def test_local_metrics_are_of_the_model_that_came(task: RoundTask, folder: ParticipantFolder) -> None:
    """Before and after training: `train` reports the model it was sent, as `measure` does."""
    assert dict(train(task, NODE, folder).metrics) == measure(task, folder)


def test_local_metrics_count_users_and_rank_by_their_definition(task: RoundTask, folder: ParticipantFolder) -> None:
    part = folder.part
    figures = measure(task, folder)
    assert figures["test_users"] == np.count_nonzero(part.test != NO_ITEM)
    assert figures["validation_users"] == np.count_nonzero(part.validation != NO_ITEM)
    state = decode_model(task.model_bytes).arrays
    vectors = MODEL.fold_in(state, part.train)
    ranks = []
    for user, test in enumerate(part.test):
        scores = MODEL.scores(state, vectors[user : user + 1])[0]
        known = {*part.seen.items_of(user).tolist(), int(part.validation[user]), int(test)}
        ranks.append(1 + sum(not scores[item] < scores[test] for item in set(range(ITEMS)) - known))
    expected = np.mean([1 / math.log2(1 + rank) if rank <= 10 else 0.0 for rank in ranks])
    assert figures["test_full_ndcg_at_10"] == pytest.approx(expected)


def test_users_without_a_held_out_item_give_no_metrics(task: RoundTask, folder: ParticipantFolder) -> None:
    part = folder.part
    nobody = np.full_like(part.test, NO_ITEM)
    unknown = np.full(len(nobody), np.nan, dtype=np.float32)
    untested = replace(part, test=nobody, validation=nobody, test_ratings=unknown, validation_ratings=unknown)
    state = decode_model(task.model_bytes).arrays
    figures = local_metrics(MODEL, state, MODEL.fold_in(state, part.train), untested)
    assert figures == {"validation_users": 0, "test_users": 0}


def test_the_mean_of_all_clients_metrics_is_the_metric_of_all_users(task: RoundTask, small: SmallFederation) -> None:
    state = decode_model(task.model_bytes).arrays
    folders = [ParticipantFolder(path) for path in small.client_dirs]
    mean = mean_metrics(measure(task, one) for one in folders)
    expected = pooled(
        [
            evaluate(
                MODEL,
                state,
                MODEL.fold_in(state, one.part.train),
                one.part.seen,
                one.part.test,
                one.part.candidates,
                one.part.validation,
            )
            for one in folders
        ]
    )
    assert expected.users == 50
    assert {name: mean[f"test_{name}"] for name in expected.metrics} == pytest.approx(expected.metrics)


def test_another_local_step_is_committed_to_and_signed_like_the_honest_one(
    task: RoundTask, folder: ParticipantFolder
) -> None:
    honest, vectors = MODEL.local_step(decode_model(task.model_bytes).arrays, folder.part.train)
    doubled = honest | {"residual": 2 * honest["residual"]}
    reply = train(task, NODE, folder, local_step=lambda task, model, state, folder: (doubled, vectors))
    sent = verify_update(reply, task, MODEL, ITEMS).arrays
    assert np.array_equal(sent["residual"], 2 * honest["residual"])
