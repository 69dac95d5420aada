"""A whole run through the in-process grid: the honest case, and every way in which a client can misbehave.

In each of the latter the round goes on, the reason is recorded in report and evidence, and the honest are paid.
"""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from flwr.app import ConfigRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

from common.account import SigningAccount
from common.commitment import commitment_message, commitment_of, node_binding_message, score_message, sign
from common.merkle import cohort_leaf, merkle_root
from common.models import model_of
from common.seeding import generator
from common.update import Packed, decode_model, decode_update, encode_update, object_name
from common.wire import (
    PEER_EVALUATION,
    SignedScore,
    TrainReply,
    peer_reply_content,
    read_peer_reply,
    read_peer_task,
    read_round_task,
    read_train_reply,
    train_reply_content,
)
from server.evidence import evidence_root
from server.ledger import Phase
from server.run_folder import RunFolder
from server.seed_chain import SeedChain
from server.settlement import reward_leaves
from tests.small_federation import WAD, Act, PlayedRun, SmallFederation, node_of, with_settings

BAD, OTHER = 2, 3  # the clients that misbehave and that are misused, by number


def in_phase(message_type: str, act: Act) -> Act:
    """Misbehave in one kind of message and be honest in the others."""

    def choose(message: Message, context: Context, honest: ClientApp) -> Message:
        return (
            act(message, context, honest) if message.metadata.message_type == message_type else honest(message, context)
        )

    return choose


def changing_the_reply(change: Callable[[TrainReply, Message, Context], TrainReply]) -> Act:
    def act(message: Message, context: Context, honest: ClientApp) -> Message:
        reply = read_train_reply(honest(message, context).content)
        return Message(train_reply_content(change(reply, message, context)), reply_to=message)

    return in_phase("train", act)


def changing_the_scores(change: Callable[[list[SignedScore], Message], list[SignedScore]]) -> Act:
    def act(message: Message, context: Context, honest: ClientApp) -> Message:
        account, scores = read_peer_reply(honest(message, context).content)
        return Message(peer_reply_content(account, change(list(scores), message)), reply_to=message)

    return in_phase(PEER_EVALUATION, act)


def answering(content: RecordDict) -> Act:
    return lambda message, context, honest: Message(content, reply_to=message)


def failing(message: Message, context: Context, honest: ClientApp) -> Message:
    raise OSError("no space left on device")


def signed_again(reply: TrainReply, message: Message, account: SigningAccount, update_bytes: bytes) -> TrainReply:
    """The reply with another update, as its own client would commit to it."""
    task = read_round_task(message.content)
    commitment = commitment_of(task.run_id, task.server_round, account.address, object_name(update_bytes), reply.salt)
    signed = commitment_message(task.domain, task.run_id, task.server_round, commitment)
    return replace(
        reply, update_bytes=update_bytes, commitment=commitment, commitment_signature=sign(signed, account.key)
    )


def with_arrays(account: SigningAccount, **changed: Callable[[np.ndarray], np.ndarray]) -> Act:
    """Send an update some of whose arrays are changed, with everything else in order."""

    def change(reply: TrainReply, message: Message, context: Context) -> TrainReply:
        packed = decode_update(reply.update_bytes)
        arrays = packed.arrays | {name: of(packed.arrays[name]) for name, of in changed.items()}
        return signed_again(reply, message, account, encode_update(Packed(packed.model, packed.rows, arrays)))

    return changing_the_reply(change)


def check_that_the_honest_are_paid(run: PlayedRun, small: SmallFederation, *dishonest: int) -> None:
    for server_round in (1, 2):
        rewards = {
            client: run.reward_wei(server_round, account.address) for client, account in enumerate(small.accounts)
        }
        assert all(rewards[client] > 0 for client in rewards if client not in dishonest), rewards
        assert sum(rewards.values()) == pytest.approx(1000 * WAD)
    assert run.report["ledger"]["verified"] is True
    assert run.report["ledger"]["settled_rounds"] == 2
    assert run.report["final"]["ndcg_at_10"] > 0.2


# A run in which nothing happens


@pytest.fixture(scope="module")
def honest_run(small: SmallFederation, tmp_path_factory: pytest.TempPathFactory) -> PlayedRun:
    return small.play(tmp_path_factory.mktemp("honest"))


def test_an_honest_run_learns_pays_everybody_and_rejects_nobody(honest_run: PlayedRun, small: SmallFederation) -> None:
    check_that_the_honest_are_paid(honest_run, small)
    rows = honest_run.report["rounds"]
    assert [row["round"] for row in rows] == [1, 2]
    assert [row["rejected"] for row in rows] == [[], []]
    assert [row["participants"] for row in rows] == [5, 5]
    assert rows[0]["ndcg_at_10"] < rows[1]["ndcg_at_10"] == honest_run.report["final"]["ndcg_at_10"]
    assert all(row["bytes_up"] > 0 and row["bytes_down"] > row["bytes_up"] and row["seconds"] > 0 for row in rows)


def test_the_ledger_and_the_run_folder_tell_the_same_story(honest_run: PlayedRun, small: SmallFederation) -> None:
    report, folder = honest_run.report, RunFolder(honest_run.folder)
    run_id = bytes.fromhex(report["ledger"]["run_id"])
    cohort = honest_run.ledger.participants()
    opened = honest_run.ledger.run_record(run_id)
    assert opened is not None
    assert opened.cohort_root == merkle_root([cohort_leaf(index, account) for index, account in enumerate(cohort)])
    model = object_name(folder.get_object(honest_run.evidence(1)["model"]))
    for row in report["rounds"]:
        record = honest_run.ledger.round_record(run_id, row["round"])
        evidence = honest_run.evidence(row["round"])
        assert record is not None
        assert record.settlement is not None
        assert record.phase is Phase.SETTLED
        assert record.model_hash.hex() == evidence["model"] == model
        assert record.settlement.next_model_hash.hex() == evidence["next_model"] == row["model"]
        assert record.settlement.evidence_root == evidence_root(folder.get_evidence(row["round"]))
        assert record.settlement.rewarded_wei == int(evidence["rewarded_wei"])
        totals = {one["account"]: int(one["cumulative_wei"]) for one in evidence["judgements"]}
        assert record.settlement.reward_root == merkle_root(reward_leaves(cohort, totals))
        assert record.commitment_root is not None
        assert record.commitment_root.hex() == evidence["commitment_root"]
        model = row["model"]
    links = [bytes.fromhex(honest_run.evidence(server_round)["seed_link"]) for server_round in (1, 2)]
    assert SeedChain(links[1], 2).anchor == opened.seed_anchor
    assert SeedChain(links[1], 2).link(1) == links[0]


def test_the_public_record_holds_no_update_and_no_salt(honest_run: PlayedRun) -> None:
    received = json.loads((honest_run.folder / "objects" / "updates" / "received-0001.json").read_text())
    salts = [one["salt"] for one in received["updates"]]
    assert len(salts) == 5
    public = (honest_run.folder / "evidence" / "round-0001.json").read_text()
    assert not any(salt in public for salt in salts)
    for path in (honest_run.folder / "objects" / "updates").iterdir():
        assert path.stat().st_mode & 0o077 == 0
    updates = [path for path in (honest_run.folder / "objects" / "updates").iterdir() if path.suffix != ".json"]
    assert len(updates) == 10
    assert all(object_name(path.read_bytes()) == path.name for path in updates)


def test_the_same_seed_gives_the_same_evidence(honest_run: PlayedRun, small: SmallFederation, tmp_path: Path) -> None:
    again = small.play(tmp_path)
    for server_round in (1, 2):
        assert RunFolder(again.folder).get_evidence(server_round) == RunFolder(honest_run.folder).get_evidence(
            server_round
        )


def test_fedavg_is_the_exact_central_step(small: SmallFederation, tmp_path: Path) -> None:
    settings = with_settings(small, aggregation="fedavg", rounds=3)
    run = small.play(tmp_path, settings=settings)
    model = model_of(settings)
    state = model.initial_state(small.data.train.item_count, generator(settings.seed, "initial-model"))
    for row in run.report["rounds"]:
        update, _ = model.local_step(state, small.data.train)
        state = model.apply(state, model.fuse([update], [1.0]))
        federated = decode_model(RunFolder(tmp_path).get_object(row["model"])).arrays
        for name, array in state.items():
            assert np.abs(federated[name] - array).max() < 1e-5 * max(1.0, np.abs(array).max())


def test_a_second_run_on_the_same_ledger_adds_to_the_rewards(small: SmallFederation, tmp_path: Path) -> None:
    ledger = small.ledger()
    first = small.play(tmp_path / "first", ledger)
    coordinator = tmp_path / "second" / "coordinator"
    coordinator.mkdir(parents=True)
    for path in (tmp_path / "first" / "coordinator").iterdir():
        (coordinator / path.name).write_bytes(path.read_bytes())
    second = small.play(tmp_path / "second", ledger)
    assert first.report["ledger"]["run_id"] != second.report["ledger"]["run_id"]
    for account in small.accounts:
        earned = sum(
            run.reward_wei(server_round, account.address) for run in (first, second) for server_round in (1, 2)
        )
        assert int(second.judgement(2, account.address)["cumulative_wei"]) == earned


# Clients that fail


@pytest.mark.parametrize(
    ("act", "reason"),
    [
        (failing, "its app failed: OSError: no space left on device"),
        (answering(RecordDict()), "the message has no record 'signed'"),
        (answering(RecordDict({"signed": ConfigRecord({"account": 7})})), "'account' is not an address"),
        (answering(RecordDict({"update": MetricRecord({"x": 1})})), "the message has no record 'signed'"),
    ],
)
def test_a_client_that_fails_or_answers_with_garbage_is_left_out(
    small: SmallFederation, tmp_path: Path, act: Act, reason: str
) -> None:
    run = small.play(tmp_path, acts={BAD: act})
    for server_round in (1, 2):
        (recorded,) = run.reasons(server_round, f"node {node_of(BAD)}")
        assert reason in recorded
        assert run.reward_wei(server_round, small.accounts[BAD].address) == 0
    assert [row["participants"] for row in run.report["rounds"]] == [4, 4]
    check_that_the_honest_are_paid(run, small, BAD)


def test_a_node_that_never_answers_is_waited_for_and_left_out(small: SmallFederation, tmp_path: Path) -> None:
    run = small.play(tmp_path, silent=[BAD])
    for server_round in (1, 2):
        assert run.reasons(server_round, f"node {node_of(BAD)}") == ["it did not answer within 0.3 s"]
    assert all(row["train_seconds"] >= 0.3 for row in run.report["rounds"])
    check_that_the_honest_are_paid(run, small, BAD)


@pytest.mark.parametrize("figure", [float("nan"), -1.0, 1e300])
def test_a_client_with_impossible_figures_is_left_out(small: SmallFederation, tmp_path: Path, figure: float) -> None:
    act = changing_the_reply(lambda reply, message, context: replace(reply, metrics={"test_users": figure}))
    run = small.play(tmp_path, acts={BAD: act})
    (reason,) = run.reasons(1, f"node {node_of(BAD)}")
    assert "metric 'test-users' is not in" in reason
    check_that_the_honest_are_paid(run, small, BAD)


# Clients that cheat with their update


def _of_nan(array: np.ndarray) -> np.ndarray:
    return np.full_like(array, np.nan)


def test_an_update_of_nan_is_rejected_under_the_clients_account(small: SmallFederation, tmp_path: Path) -> None:
    bad = small.accounts[BAD]
    run = small.play(tmp_path, acts={BAD: with_arrays(bad, residual=_of_nan)})
    for server_round in (1, 2):
        (reason,) = run.reasons(server_round, bad.address)
        assert "not finite" in reason
        assert run.reward_wei(server_round, bad.address) == 0
        assert run.judgement(server_round, bad.address)["consolidated_wad"] is None
    check_that_the_honest_are_paid(run, small, BAD)


def test_an_update_of_zeros_is_scored_but_gated(small: SmallFederation, tmp_path: Path) -> None:
    bad = small.accounts[BAD]
    run = small.play(tmp_path, acts={BAD: with_arrays(bad, residual=np.zeros_like, gram=np.zeros_like)})
    for server_round in (1, 2):
        assert run.reasons(server_round, bad.address) == ["the update is zero"]
        judged = run.judgement(server_round, bad.address)
        assert judged["consolidated_wad"] is not None
        assert (judged["gate_wad"], judged["weight_wad"], judged["reward_wei"]) == ("0", "0", "0")
    check_that_the_honest_are_paid(run, small, BAD)


def test_two_clients_with_the_same_update_are_both_gated(small: SmallFederation, tmp_path: Path) -> None:
    seen: dict[int, bytes] = {}

    def copy_first(client: int) -> Act:
        def change(reply: TrainReply, message: Message, context: Context) -> TrainReply:
            server_round = read_round_task(message.content).server_round
            update_bytes = seen.setdefault(server_round, reply.update_bytes)
            return signed_again(reply, message, small.accounts[client], update_bytes)

        return changing_the_reply(change)

    run = small.play(tmp_path, acts={client: copy_first(client) for client in (BAD, OTHER)})
    for server_round in (1, 2):
        for client in (BAD, OTHER):
            address = small.accounts[client].address
            assert run.reasons(server_round, address) == ["the same bytes as another client's update"]
            assert run.reward_wei(server_round, address) == 0
    check_that_the_honest_are_paid(run, small, BAD, OTHER)


def test_a_client_that_signs_with_anothers_key_is_left_out(small: SmallFederation, tmp_path: Path) -> None:
    other = small.accounts[OTHER]

    def change(reply: TrainReply, message: Message, context: Context) -> TrainReply:
        task = read_round_task(message.content)
        binding = node_binding_message(task.domain, task.run_id, reply.account, context.node_id)
        return replace(reply, node_binding_signature=sign(binding, other.key))

    run = small.play(tmp_path, acts={BAD: changing_the_reply(change)})
    (reason,) = run.reasons(1, f"node {node_of(BAD)}")
    assert reason == f"the signature is that of {other.address}, not of {small.accounts[BAD].address}"
    check_that_the_honest_are_paid(run, small, BAD)


def test_a_client_cannot_speak_for_another_nor_have_it_rejected(small: SmallFederation, tmp_path: Path) -> None:
    other = small.accounts[OTHER]
    act = changing_the_reply(lambda reply, message, context: replace(reply, account=other.address))
    run = small.play(tmp_path, acts={BAD: act})
    assert len(run.reasons(1, f"node {node_of(BAD)}")) == 1
    assert run.reasons(1, other.address) == []
    check_that_the_honest_are_paid(run, small, BAD)


def test_two_nodes_of_one_account_count_once(small: SmallFederation, tmp_path: Path) -> None:
    folders = list(small.client_dirs)
    folders[OTHER] = folders[BAD]
    run = small.play(tmp_path, client_dirs=folders)
    assert run.reasons(1, small.accounts[BAD].address) == ["a second update from the same account"]
    assert run.reward_wei(1, small.accounts[OTHER].address) == 0
    check_that_the_honest_are_paid(run, small, OTHER)


def test_the_reply_of_an_earlier_round_cannot_be_sent_again(small: SmallFederation, tmp_path: Path) -> None:
    kept: list[TrainReply] = []

    def change(reply: TrainReply, message: Message, context: Context) -> TrainReply:
        kept.append(reply)
        return kept[0]

    run = small.play(tmp_path, acts={BAD: changing_the_reply(change)})
    address = small.accounts[BAD].address
    assert run.reasons(1, address) == []
    assert run.reasons(2, address) == ["the commitment is not that of the update, for this run and round"]
    assert run.reward_wei(2, address) == 0
    assert run.judgement(2, address)["smoothed_wad"] == run.judgement(1, address)["smoothed_wad"]


# Peers that cheat with their scores


def _resigned(scores: list[SignedScore], message: Message, key: bytes, **changed: object) -> list[SignedScore]:
    task = read_round_task(message.content)
    again = [replace(signed.score, **changed) for signed in scores]
    return [
        SignedScore(score, sign(score_message(task.domain, task.run_id, task.server_round, score), key))
        for score in again
    ]


def test_a_peer_that_scores_itself_is_not_heard(small: SmallFederation, tmp_path: Path) -> None:
    bad = small.accounts[BAD]

    def change(scores: list[SignedScore], message: Message) -> list[SignedScore]:
        own = _resigned(scores[:1], message, bad.key, subject=bad.address, ndcg_gain_wad=WAD, hit_gain_wad=WAD)
        return own + scores

    honest = small.play(tmp_path / "honest")
    run = small.play(tmp_path / "lying", acts={BAD: changing_the_scores(change)})
    for server_round in (1, 2):
        (reason,) = run.reasons(server_round, bad.address)
        assert reason == f"a score for {bad.address} that it was not asked for, or a second one"
        assert run.evidence(server_round)["scores"] == honest.evidence(server_round)["scores"]
        assert run.evidence(server_round)["judgements"] == honest.evidence(server_round)["judgements"]


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"ndcg_gain_wad": WAD + 1}, "outside [-1, 1]"),
        ({"hit_gain_wad": -(2**62)}, "outside [-1, 1]"),
        ({"commitment": bytes(32)}, "for another commitment"),
        ({"shard": bytes(32)}, "not asked for"),
    ],
)
def test_scores_that_break_a_rule_are_left_out_one_by_one(
    small: SmallFederation, tmp_path: Path, changed: dict[str, object], reason: str
) -> None:
    bad = small.accounts[BAD]

    def change(scores: list[SignedScore], message: Message) -> list[SignedScore]:
        return _resigned(scores[:1], message, bad.key, **changed) + scores[1:]

    run = small.play(tmp_path, acts={BAD: changing_the_scores(change)})
    (recorded,) = run.reasons(1, bad.address)
    assert reason in recorded
    kept = [score for score in run.evidence(1)["scores"] if score["evaluator"] == bad.address]
    assert len(kept) == small.settings.committee_size - 1
    check_that_the_honest_are_paid(run, small)


def test_scores_signed_with_anothers_key_are_left_out(small: SmallFederation, tmp_path: Path) -> None:
    act = changing_the_scores(lambda scores, message: _resigned(scores, message, small.accounts[OTHER].key))
    run = small.play(tmp_path, acts={BAD: act})
    bad, other = small.accounts[BAD].address, small.accounts[OTHER].address
    assert run.reasons(1, bad) == [f"the signature is that of {other}, not of {bad}"] * small.settings.committee_size
    check_that_the_honest_are_paid(run, small)


@pytest.mark.parametrize(
    ("act", "reason"),
    [
        (failing, "no scores: its app failed: OSError"),
        (answering(RecordDict()), "no scores: the message has no record 'scores'"),
    ],
)
def test_a_peer_that_does_not_score_is_recorded_and_the_others_suffice(
    small: SmallFederation, tmp_path: Path, act: Act, reason: str
) -> None:
    run = small.play(tmp_path, acts={BAD: in_phase(PEER_EVALUATION, act)})
    (recorded,) = run.reasons(1, small.accounts[BAD].address)
    assert reason in recorded
    check_that_the_honest_are_paid(run, small)


def test_one_peer_that_praises_and_one_that_damns_everybody_change_little(
    small: SmallFederation, tmp_path: Path
) -> None:
    """Each alone is a minority of every committee of three, so the median stays within what the honest say."""
    bad = small.accounts[BAD]

    def praise(scores: list[SignedScore], message: Message) -> list[SignedScore]:
        return _resigned(scores, message, bad.key, ndcg_gain_wad=WAD, hit_gain_wad=WAD)

    run = small.play(tmp_path, acts={BAD: changing_the_scores(praise)})
    evidence = run.evidence(1)
    for judged in evidence["judgements"]:
        honest = [
            (int(score["ndcg_gain_wad"]) + int(score["hit_gain_wad"])) // 2
            for score in evidence["scores"]
            if score["subject"] == judged["account"] and score["evaluator"] != bad.address
        ]
        assert min(honest) <= int(judged["consolidated_wad"]) <= max(honest)
    check_that_the_honest_are_paid(run, small)


def test_an_update_without_enough_scores_is_left_out_and_its_reputation_stays(
    small: SmallFederation, tmp_path: Path
) -> None:
    def silent_in_round_2(scores: list[SignedScore], message: Message) -> list[SignedScore]:
        task = read_peer_task(message.content).round_task
        target = small.accounts[OTHER].address
        return [signed for signed in scores if task.server_round == 1 or signed.score.subject != target]

    acts = {client: changing_the_scores(silent_in_round_2) for client in range(5)}
    run = small.play(tmp_path, acts=acts)
    before, after = (run.judgement(server_round, small.accounts[OTHER].address) for server_round in (1, 2))
    assert after["consolidated_wad"] is None
    assert (after["weight_wad"], after["reward_wei"]) == ("0", "0")
    assert after["smoothed_wad"] == before["smoothed_wad"] != "0"


# Too few updates


def test_below_the_quorum_the_model_stays_and_the_pool_is_carried_over(small: SmallFederation, tmp_path: Path) -> None:
    def failing_in_round_1(message: Message, context: Context, honest: ClientApp) -> Message:
        if read_round_task(message.content).server_round == 1:
            raise OSError("not yet")
        return honest(message, context)

    settings = with_settings(small, quorum=0.8)
    run = small.play(tmp_path, settings=settings, acts=dict.fromkeys((BAD, OTHER), failing_in_round_1))
    first, second = run.report["rounds"]
    assert first["model"] == run.evidence(1)["model"]
    assert first["participants"] == 0
    assert set(first["reward"].values()) == {"0"}
    for client, account in enumerate(small.accounts):
        if client not in (BAD, OTHER):
            assert run.reasons(1, account.address) == ["fewer than the 4 updates that a round needs"]
    assert run.evidence(1)["rewarded_wei"] == "0"
    assert run.evidence(2)["pool_wei"] == str(2000 * WAD)
    assert sum(map(int, second["reward"].values())) == pytest.approx(2000 * WAD)
    assert second["model"] != first["model"]
    assert run.report["ledger"]["verified"] is True


def test_a_run_in_which_nobody_ever_answers_ends_with_its_first_model(small: SmallFederation, tmp_path: Path) -> None:
    run = small.play(tmp_path, acts=dict.fromkeys(range(5), failing))
    assert {row["model"] for row in run.report["rounds"]} == {run.evidence(1)["model"]}
    assert run.report["final"] == {}
    assert run.ledger.unclaimed_wei() == 0
