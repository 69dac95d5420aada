"""Every value of every round's evidence, altered by one character: verification finds it and names it.

The values are found by walking the JSON, so one that is added later is altered here too.
"""

import copy
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import rfc8785

from server.replay.mismatch import Mismatch
from server.reputation import WAD
from tests.server.replay.evidence_leaves import alter, field_of, leaves, owner_of
from tests.server.replay.recorded_run import RecordedRun

FOUND_AS = {
    # what is altered: where it is first found, because ...
    "commitments.commitment": {"commitments.signature"},  # the signature is over the commitment
    "scores.ndcg_gain_wad": {"scores.signature"},  # the same
    "scores.hit_gain_wad": {"scores.signature"},
    "scores.evaluator": {"scores.subject", "scores.shard"},  # who scores whom on which shard is one task
    "scores.subject": {"scores.shard"},
    "commitments.account": {"scores.subject"},  # where order and cohort allow it: scores of somebody who is gone
    "judgements.gate_reason": {"judgements.gate_wad"},  # a reason closes the gate, and the gate is open
    "judgements.reward_wei": {"judgements.cumulative_wei"},  # in round 1: their difference was earned before
    "example_counts.examples": {"judgements.weight_wad"},  # weights follow from all counts
    "false_scores": {"false_scores.subject"},  # none: one that is about no score of the round
    "false_scores.evaluator": {"false_scores.subject", "false_scores.shard"},  # that is one task too
    "false_scores.subject": {"false_scores.shard"},
    "false_scores.ndcg_gain_wad": {"judgements.consolidated_wad"},  # it counts in place of what was said
    "false_scores.hit_gain_wad": {"judgements.consolidated_wad"},
}
ONLY_THE_LEDGER_TELLS = {"rejected", "rejected.account", "rejected.reason"}
ONLY_UPDATES_TELL = {
    "judgements.gate_reason",
    "capped_items",
    "held_items",
    "held_items.item",
    "held_items.exposure_wad",
    "held_items.budget_wad",
    "held_items.rolled_back",
}
SHARES = {"judgements.smoothed_wad", "judgements.weight_wad", "judgements.reward_wei"}
"""What follows from a gate that is neither open nor closed, for its client and for all."""
WITH_LEDGER = {field: {"evidence_root on the ledger"} for field in ONLY_THE_LEDGER_TELLS | ONLY_UPDATES_TELL}
WITHOUT_LEDGER = {
    "run_id": {"settings"},  # it is their hash, and which of the two was altered nobody can tell
    "cohort": {"judgements.cumulative_wei", "commitments.account", "judgements"},  # nobody recorded the cohort
    "seed_link": {"committees.evaluator", "committees.shard"},  # of round 1: nobody recorded the anchor
}
NEITHER_IS_AN_ENTRYS_OWN = {"commitments.account", "scores.evaluator", "judgements.account", "example_counts.account"}


def alterations(run: RecordedRun, under: str) -> Iterator[tuple[int, tuple[str | int, ...], dict[str, Any], bytes]]:
    """Yield round, place, evidence before and bytes after, for every value of every round (below one key)."""
    for server_round in range(1, run.rounds + 1):
        before = json.loads(run.evidence(server_round).read_bytes())
        for place in leaves(before):
            if under not in ("", place[0]):
                continue
            after = copy.deepcopy(before)
            alter(after, place, before["cohort"])
            assert after != before, place
            yield server_round, place, before, rfc8785.dumps(after)


def check_every_value(
    run: RecordedRun, also_found_as: dict[str, set[str]], unpinned: set[str], under: str = "", **how: bool
) -> None:
    for server_round, place, before, after in alterations(run, under):
        path = run.evidence(server_round)
        original = path.read_bytes()
        path.write_bytes(after)
        field, owner = field_of(place), owner_of(before, place)
        try:
            run.verify(**how)
        except Mismatch as mismatch:
            found = re.sub(r"\[\d+\]", "", mismatch.field)
            assert mismatch.server_round == server_round, (place, str(mismatch))
            assert found == field or found in FOUND_AS.get(field, set()) | also_found_as.get(field, set()), (
                place,
                str(mismatch),
            )
            if found == field and field not in NEITHER_IS_AN_ENTRYS_OWN:
                assert mismatch.account == owner, (place, str(mismatch))
            if mismatch.account is not None:
                assert mismatch.account in str(mismatch)
        else:
            assert field in unpinned, f"{place} of round {server_round} was altered, and nobody noticed"
        path.write_bytes(original)


@pytest.fixture
def run(eventful: RecordedRun, tmp_path: Path) -> RecordedRun:
    return eventful.copied_to(tmp_path / "run")


def test_every_altered_value_is_found_and_named(run: RecordedRun) -> None:
    check_every_value(run, WITH_LEDGER, set(), restricted=False)


def test_every_altered_example_count_is_found_and_named(weighed: RecordedRun, tmp_path: Path) -> None:
    check_every_value(weighed.copied_to(tmp_path / "run"), WITH_LEDGER, set(), under="example_counts")


def test_every_altered_finding_is_found_and_named(lied: RecordedRun, tmp_path: Path) -> None:
    run = lied.copied_to(tmp_path / "run")
    recomputed = {"false_scores.ndcg_gain_wad", "false_scores.hit_gain_wad"}  # where a median passes over them
    with_ledger = {field: {"evidence_root on the ledger"} for field in recomputed}
    check_every_value(run, with_ledger, set(), under="false_scores", restricted=False)
    check_every_value(run, WITHOUT_LEDGER, recomputed, under="false_scores", on_ledger=False)


def test_without_a_ledger_all_but_reasons_and_items_are_found(run: RecordedRun) -> None:
    unpinned = ONLY_THE_LEDGER_TELLS | ONLY_UPDATES_TELL
    check_every_value(run, WITHOUT_LEDGER, unpinned, on_ledger=False, restricted=False)


@pytest.mark.parametrize("kind", ["eventful", "boasted"])
def test_with_the_updates_reasons_and_items_are_found_without_a_ledger(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    run: RecordedRun = request.getfixturevalue(kind).copied_to(tmp_path / "run")
    found_as = WITHOUT_LEDGER | {field: {"updates.rejected"} for field in ONLY_THE_LEDGER_TELLS}
    if kind == "eventful":
        assert json.loads(run.evidence(1).read_bytes())["held_items"]
    else:
        first = json.loads(run.evidence(1).read_bytes())
        assert first["capped_items"]
        assert any(0 < int(one["gate_wad"]) < WAD for one in first["judgements"])
    found_as |= {"held_items.item": {"held_items"}, "judgements.gate_wad": SHARES}
    for under in ("judgements", "rejected", "capped_items", "held_items"):
        check_every_value(run, found_as, set(), under=under, on_ledger=False, restricted=True)


def _without(key: str) -> Callable[[dict[str, Any]], None]:
    return lambda evidence: evidence.pop(key)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (_without("seed_link"), "seed_link"),
        (lambda evidence: evidence["scores"][1].pop("signature"), "scores[].signature"),
        (lambda evidence: evidence.update(comment=""), "comment"),
        (lambda evidence: evidence["judgements"][0].update(bonus="1"), "judgements[].bonus"),
        (lambda evidence: evidence["commitments"].pop(), "scores[].subject"),
        (lambda evidence: evidence["commitments"].reverse(), "commitments"),
        (lambda evidence: evidence["committees"].pop(), "committees"),
        (lambda evidence: evidence["scores"].append(evidence["scores"][0]), "scores.shard"),
        (lambda evidence: evidence["judgements"].pop(), "judgements"),
        (lambda evidence: evidence["settings"].pop("seed"), "settings"),
        (lambda evidence: evidence["settings"].update(rounds="two"), "settings"),
        (lambda evidence: evidence.update(cohort="everybody"), "cohort"),
        (lambda evidence: evidence.update(scale_wad=5), "scale_wad"),
        (lambda evidence: evidence.update(scale_wad="05"), "scale_wad"),
        (lambda evidence: evidence.update(scores={}), "scores"),
        (lambda evidence: evidence["scores"].__setitem__(0, 7), "scores[]"),
        (lambda evidence: evidence["scores"][0].update(ndcg_gain_wad="9" * 77), "scores.ndcg_gain_wad"),
        (lambda evidence: evidence.update(round=1), "round"),
    ],
)
def test_a_record_of_another_shape_is_found_and_named(
    honest: RecordedRun, tmp_path: Path, change: Callable[[dict[str, Any]], None], field: str
) -> None:
    run = honest.copied_to(tmp_path / "run")
    evidence = json.loads(run.evidence(2).read_bytes())
    change(evidence)
    run.evidence(2).write_bytes(rfc8785.dumps(evidence))
    with pytest.raises(Mismatch) as found:
        run.verify()
    # which of the scores it is first, follows from the draw of the committees
    assert (found.value.server_round, re.sub(r"\d+(?=\])", "", found.value.field)) == (2, field)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe\x00",
        b"null",
        b"[" * 100_000,
        b'{"round": NaN}',
        b'{"round": ' + b"9" * 10_000 + b"}",
        b'"\\ud800"',
        b'{"run_id":"\\ud800"}',
    ],
)
def test_bytes_that_are_no_evidence_are_a_mismatch(honest: RecordedRun, tmp_path: Path, content: bytes) -> None:
    run = honest.copied_to(tmp_path / "run")
    run.evidence(2).write_bytes(content)
    with pytest.raises(Mismatch, match=r"^Round 2, "):
        run.verify()


def test_the_same_json_written_otherwise_is_a_mismatch(honest: RecordedRun, tmp_path: Path) -> None:
    run = honest.copied_to(tmp_path / "run")
    run.evidence(1).write_bytes(json.dumps(json.loads(run.evidence(1).read_bytes())).encode())
    with pytest.raises(Mismatch, match="it is not the canonical JSON of what it says"):
        run.verify(on_ledger=False)
