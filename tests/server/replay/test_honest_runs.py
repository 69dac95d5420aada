"""Honest runs of every kind verify, and the outcome says what could not be checked."""

import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from common.account import development_account
from common.config import Settings
from common.data.probe import ProbeShard
from common.models import Arrays
from server.initial_model import initial_model
from server.replay.mismatch import Mismatch
from server.replay.run import Verified, replay_run
from server.run_folder import RunFolder
from tests.server.hostile_acts import BAD, OTHER, changing_the_scores, failing
from tests.server.replay.recorded_run import RecordedRun
from tests.server.test_resume import Fuse, Interrupted
from tests.small_federation import PlayedRun, SmallFederation, with_settings

GMF = {"model": "ncf", "variant": "gmf"}
NEUMF = {"model": "ncf", "variant": "neumf"}
NOISE = {"noise": "gaussian", "clipping_norm": 3.0, "noise_multiplier": 0.5}
WITHOUT_UPDATES = "whose updates, or those of the round before, are not in the run folder"
GONE = "the ledger, which was kept in memory and is gone"


def verified(small: SmallFederation, played: PlayedRun, **how: bool) -> Verified:
    """Verify twice: beside the ledger, and as a stranger would who has the folder alone."""
    run = RecordedRun.of(small, played)
    alone = run.verify(on_ledger=False, **how)
    beside = run.verify(**how)
    assert (alone.on_ledger, beside.on_ledger) == (0, run.rounds)
    assert alone.unchecked[0].startswith(GONE)
    assert alone.unchecked[1:] == beside.unchecked
    return beside


@pytest.mark.parametrize(
    ("changed", "unchecked"),
    [
        ({}, None),
        ({"consolidation": "trimmed-mean", "smoothing": 0.0}, None),
        ({"aggregation": "fedavg"}, "whether the example counts are true"),
        ({"aggregation": "median"}, None),
        ({"aggregation": "trimmed-mean"}, None),
        ({"aggregation": "norm-clipping"}, None),
        ({"aggregation": "krum"}, None),
        ({"aggregation": "multi-krum"}, None),
        ({**GMF, "warm_start_rounds": 1, "aggregation": "krum"}, None),
        ({"model": "ncf", "variant": "fused", "aggregation": "trimmed-mean"}, None),
        ({**GMF, "warm_start_rounds": 1}, None),
        ({**NEUMF, "warm_start": "gmf-mlp", "warm_start_rounds": 1}, None),
        ({"pretraining_rounds": 2}, None),
        ({**GMF, "warm_start_rounds": 1, "pretraining_rounds": 2}, None),
        ({**GMF, "warm_start_rounds": 0, "aggregation": "fedavg"}, "whether the example counts are true"),
        ({**NOISE, "withhold_metrics": True}, "whether clients drew their noise honestly"),
        ({**NOISE, **GMF, "warm_start_rounds": 1}, "whether clients drew their noise honestly"),
        ({"reward_per_round": 0}, None),
        ({"committee_size": 64}, None),
    ],
    ids=lambda value: (
        ", ".join(f"{name} {setting}" for name, setting in (value or {}).items()) if isinstance(value, dict) else ""
    ),
)
def test_a_run_of_any_settings_verifies(
    small: SmallFederation, tmp_path: Path, changed: dict[str, Any], unchecked: str | None
) -> None:
    done = verified(small, small.play(tmp_path, settings=with_settings(small, **changed)))
    seats = min(4, changed.get("committee_size", 3))
    assert (done.rounds, done.models, done.updates, done.scores) == (2, 2, 10, 10 * seats)
    assert done.signatures == done.updates + done.scores
    assert done.score_difference < 1e-12
    assert done.model_difference < 1e-6
    assert [sentence.split(",")[0] for sentence in done.unchecked] == ([] if unchecked is None else [unchecked])


def test_a_pretrained_first_model_needs_the_public_data_to_be_verified(small: SmallFederation, tmp_path: Path) -> None:
    settings = with_settings(small, pretraining_rounds=3)
    run = RecordedRun.of(small, small.play(tmp_path, settings=settings))
    assert run.verify().unchecked == []
    assert run.verify(probe=False).unchecked == [
        "the first model, which was trained on the probe pool (probe.npz): it is not at hand",
        "scores, gates and models, because the run folder holds no probe pool (probe.npz)",
    ]


@pytest.mark.parametrize("true_rounds", [0, 2, 4])
def test_a_first_model_of_other_public_rounds_does_not_verify(
    small: SmallFederation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, true_rounds: int
) -> None:
    def otherwise(settings: Settings, item_count: int, shards: Sequence[ProbeShard]) -> Arrays:
        return initial_model(replace(settings, pretraining_rounds=true_rounds), item_count, shards)

    monkeypatch.setattr("server.coordinator.initial_model", otherwise)
    played = small.play(tmp_path, settings=with_settings(small, pretraining_rounds=3))
    with pytest.raises(Mismatch, match=r"^Round 1, model: its item_factors is .* from what follows"):
        RecordedRun.of(small, played).verify()


def test_every_round_is_reported_when_it_is_verified(honest: RecordedRun) -> None:
    reported: list[int] = []
    folder = RunFolder(honest.folder)
    replay_run(folder, honest.federation, 2, honest.ledger, {}, restricted=False, on_round=reported.append)
    assert reported == [1, 2]


def test_rounds_with_failures_closed_gates_and_silent_peers_verify(
    small: SmallFederation, eventful: RecordedRun, tmp_path: Path
) -> None:
    assert eventful.verify().updates == 8
    silent = changing_the_scores(lambda scores, message: [])
    assert verified(small, small.play(tmp_path, acts={BAD: silent, OTHER: silent})).updates == 10


def test_a_round_below_the_quorum_verifies(small: SmallFederation, tmp_path: Path) -> None:
    settings = with_settings(small, quorum=1.0)
    done = verified(small, small.play(tmp_path, settings=settings, acts={BAD: failing("disk full")}))
    assert (done.rounds, done.updates, done.signatures, done.models) == (2, 0, 0, 2)


def test_a_resumed_run_verifies(small: SmallFederation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = small.ledger()
    with monkeypatch.context() as patched, pytest.raises(Interrupted):
        small.play(tmp_path, Fuse(patched, "commit_updates").wrap(ledger))
    assert verified(small, small.play(tmp_path, ledger, acts={BAD: failing("disk full")})).updates == 5 + 4


def test_an_interrupted_run_says_which_rounds_are_missing(
    small: SmallFederation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = small.ledger()
    settings = with_settings(small, rounds=4)
    with monkeypatch.context() as patched, pytest.raises(Interrupted):
        small.play(tmp_path, Fuse(patched, "received-0002.json").wrap(ledger), settings=settings)
    run = replace(RecordedRun.of(small, PlayedRun(tmp_path, ledger)), rounds=1)
    missing = "rounds 2 to 4 of the settings, of which there is no evidence"
    assert run.verify().unchecked == [f"{missing}: they are not settled"]
    assert run.verify(on_ledger=False).unchecked[1] == f"{missing}: no ledger shows whether they were settled"


def test_evidence_that_the_ledger_was_not_told_of_does_not_verify(
    small: SmallFederation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = small.ledger()
    with monkeypatch.context() as patched, pytest.raises(Interrupted):
        small.play(tmp_path, Fuse(patched, "round-0001.json").wrap(ledger))
    run = replace(RecordedRun.of(small, PlayedRun(tmp_path, ledger)), rounds=1)
    with pytest.raises(Mismatch, match="Round 1, ledger: the ledger does not show it settled"):
        run.verify()


def test_evidence_taken_from_the_end_is_missed(honest: RecordedRun) -> None:
    shortened = replace(honest, rounds=1)
    with pytest.raises(Mismatch, match="Round 2, evidence: the ledger shows the round settled, and its evidence is mi"):
        shortened.verify()
    assert shortened.verify(on_ledger=False).unchecked[1].startswith("round 2 of the settings, of which there is no")


def test_evidence_taken_from_the_middle_is_missed(honest: RecordedRun, tmp_path: Path) -> None:
    run = honest.copied_to(tmp_path / "run")
    run.evidence(1).unlink()
    with pytest.raises(Mismatch, match=r"^Round 1, evidence: .* is missing; restore it from a backup"):
        run.verify()


def test_more_rounds_than_the_settings_have_do_not_verify(honest: RecordedRun, tmp_path: Path) -> None:
    run = replace(honest.copied_to(tmp_path / "run"), rounds=3)
    run.evidence(3).write_bytes(run.evidence(2).read_bytes().replace(b'"round":2', b'"round":3'))
    with pytest.raises(Mismatch, match=r"^Round 3, round: the run was to have 2 rounds"):
        run.verify()


# Copies of a run that lack something


def test_a_public_copy_verifies_but_for_scores_and_models(honest: RecordedRun, tmp_path: Path) -> None:
    run = honest.copied_to(tmp_path / "run")
    shutil.rmtree(run.folder / "objects" / "updates")
    done = run.verify()
    assert (done.rounds, done.on_ledger, done.updates, done.scores, done.models) == (2, 2, 0, 0, 0)
    assert done.unchecked == [f"scores, gates and models of rounds 1 to 2, {WITHOUT_UPDATES}"]


@pytest.mark.parametrize(("missing", "recomputed", "named"), [(1, 0, "rounds 1 to 2"), (2, 1, "round 2")])
def test_a_round_without_its_updates_is_named_and_so_is_the_next(
    honest: RecordedRun, tmp_path: Path, missing: int, recomputed: int, named: str
) -> None:
    """What a round's updates are compared with are those of the round before."""
    run = honest.copied_to(tmp_path / "run")
    (run.folder / "objects" / "updates" / f"received-{missing:04d}.json").unlink()
    done = run.verify()
    assert (done.updates, done.models) == (5 * recomputed, recomputed)
    assert done.unchecked == [f"scores, gates and models of {named}, {WITHOUT_UPDATES}"]


def test_without_a_probe_pool_updates_are_looked_at_and_nothing_is_recomputed(honest: RecordedRun) -> None:
    done = honest.verify(probe=False)
    assert (done.updates, done.scores, done.models) == (10, 0, 0)
    assert done.unchecked == ["scores, gates and models, because the run folder holds no probe pool (probe.npz)"]


def test_the_public_part_alone_says_so(honest: RecordedRun) -> None:
    done = honest.verify(restricted=False)
    assert (done.signatures, done.updates, done.models) == (40, 0, 0)
    assert done.unchecked == ["scores, gates and models, because only the public part was asked for"]


# Several runs on one ledger


@pytest.fixture
def second(small: SmallFederation, tmp_path: Path) -> Iterator[RecordedRun]:
    """The second run of two on one ledger; what the first paid counts on."""
    ledger = small.ledger()
    first = small.play(tmp_path / "first", ledger)
    shutil.copytree(first.folder / "coordinator", tmp_path / "second" / "coordinator")
    yield RecordedRun.of(small, small.play(tmp_path / "second", ledger))


def test_what_earlier_runs_paid_is_compared_with_their_last_settlement(second: RecordedRun) -> None:
    assert second.verify().unchecked == []


def test_what_another_cohort_was_paid_is_not_checked(small: SmallFederation, tmp_path: Path) -> None:
    ledger = small.ledger()
    first = small.play(tmp_path / "first", ledger)
    shutil.copytree(first.folder / "coordinator", tmp_path / "second" / "coordinator")
    ledger.register_for([development_account(99, 1).address], 0)
    second = RecordedRun.of(small, small.play(tmp_path / "second", ledger))
    assert second.verify().unchecked == [
        "what accounts had earned before, which the ledger's settlement before this run does not show"
    ]


def test_earlier_rewards_of_a_ledger_that_had_none_do_not_verify(second: RecordedRun) -> None:
    with pytest.raises(Mismatch, match=r"^Round 1, .*: "):
        second.verify(on_ledger=False)


def test_a_run_of_a_chain_cannot_be_passed_off_as_one_without(honest: RecordedRun, tmp_path: Path) -> None:
    run = honest.copied_to(tmp_path / "run")
    evidence = json.loads(run.evidence(1).read_bytes())
    contract = evidence["domain"]["verifying_contract"].encode()
    for server_round in (1, 2):
        path = run.evidence(server_round)
        path.write_bytes(path.read_bytes().replace(contract, b"0x" + b"11" * 20))
    with pytest.raises(Mismatch, match=r"^Round 1, domain\.verifying_contract: "):
        run.verify(on_ledger=False)


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"catalogue_hash": bytes(32)}, "catalogue"),
        ({"data_hashes": {"ratings.csv": "00"}}, "settings"),
        ({"probe_shards": (bytes(32),)}, "settings"),
        ({"item_count": 151}, "model"),
    ],
)
def test_another_federation_json_does_not_verify(honest: RecordedRun, changed: dict[str, Any], field: str) -> None:
    run = replace(honest, federation=replace(honest.federation, **changed))
    with pytest.raises(Mismatch) as beside:
        run.verify()
    assert beside.value.field == field
    with pytest.raises(Mismatch) as alone:
        run.verify(on_ledger=False)
    assert alone.value.field == field.replace("catalogue", "settings")
