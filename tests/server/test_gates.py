"""Each gate that looks at what updates say of items: what it closes on, and what it leaves alone."""

import numpy as np
import pytest

from common.models import Arrays
from common.models.row_claims import RowClaims
from server.gates import (
    AGAINST_AGGREGATE,
    CONTRADICTED,
    EXCESS_ALLOWED,
    EXCESS_REFUSED,
    FAINT,
    LAST_AGGREGATE,
    LATE_COPY,
    LEAST_OTHERS,
    LONGEST_ROW,
    NEAR_COPY,
    OVERLONG,
    REASONS,
    SAME_BYTES,
    ZERO_UPDATE,
    Lowered,
    claim_gates,
    closed_gates,
    copy_gates,
    faint_gates,
)
from server.reputation import WAD
from server.row_caps import RowCaps
from server.row_sketch import Sketch

CLIENTS = [f"0x{client}" for client in range(6)]
LENGTH = 200


def unit(vector: Sketch) -> Sketch:
    return vector / np.linalg.norm(vector)


def honest(seed: int = 1, common: float = 0.5) -> dict[str, Sketch]:
    """Six clients whose updates have a direction in common, the same in every round."""
    shared = np.random.default_rng(0).normal(size=LENGTH)
    rng = np.random.default_rng(seed)
    return {client: unit(common * shared + rng.normal(size=LENGTH)) for client in CLIENTS}


def aggregate(sketches: dict[str, Sketch]) -> Sketch:
    return unit(sum(sketches.values(), np.zeros(LENGTH)))


def test_reasons_are_those_of_the_gates() -> None:
    assert len(REASONS) == 9
    assert all(reason.isprintable() and "  " not in reason for reason in REASONS)


# Copies


@pytest.mark.parametrize("common", [0.0, 0.5, 1.0])
def test_honest_rounds_close_no_gate(common: float) -> None:
    before, now = honest(1, common), honest(2, common)
    assert copy_gates(now, {}, None) == {}
    assert copy_gates(now, before, aggregate(before)) == {}


def test_near_copies_are_closed_at_both() -> None:
    now = honest(2)
    now["0x4"] = unit(now["0x1"] + 0.01 * now["0x4"])
    assert copy_gates(now, {}, None) == dict.fromkeys(("0x1", "0x4"), Lowered(0, NEAR_COPY))


def test_a_copy_of_anothers_last_update_is_closed_at_the_copier_alone() -> None:
    before, now = honest(1), honest(2)
    now["0x4"] = unit(before["0x1"] + 0.01 * now["0x4"])
    assert copy_gates(now, before, aggregate(before)) == {"0x4": Lowered(0, LATE_COPY)}


def test_an_update_like_its_own_last_one_is_nobodys_copy() -> None:
    before, now = honest(1), honest(2)
    now["0x4"] = before["0x4"]
    assert copy_gates(now, before, aggregate(before)) == {}


def test_who_is_copied_late_and_repeats_itself_is_not_taken_for_the_copy() -> None:
    """Late in a run a client's updates are alike, so its copier's is near to its own of this round too."""
    before, now = honest(1), honest(2)
    now["0x1"] = unit(before["0x1"] + 0.01 * now["0x1"])
    now["0x4"] = before["0x1"]
    assert copy_gates(now, before, aggregate(before)) == {"0x4": Lowered(0, LATE_COPY)}


def test_the_last_aggregate_sent_again_is_closed_and_so_is_its_opposite() -> None:
    before, now = honest(1), honest(2)
    now["0x4"] = unit(aggregate(before) + 0.005 * now["0x4"])
    now["0x5"] = -now["0x5"]
    assert copy_gates(now, before, aggregate(before)) == {
        "0x4": Lowered(0, LAST_AGGREGATE),
        "0x5": Lowered(0, AGAINST_AGGREGATE),
    }


def test_rounds_that_have_little_in_common_tell_nothing_of_directions() -> None:
    before, now = honest(1, common=0.0), honest(2, common=0.0)
    now["0x5"] = -aggregate(before)
    assert copy_gates(now, before, aggregate(before)) == {}


def test_too_few_updates_have_no_usual_distance() -> None:
    few = dict(list(honest(2).items())[: LEAST_OTHERS - 1])
    few["0x0"] = few["0x1"]
    assert copy_gates(few, {}, None) == {}


def test_a_round_of_another_model_before_is_not_compared() -> None:
    before, now = honest(1), honest(2)
    shorter = {client: sketch[: LENGTH // 2] for client, sketch in before.items()}
    assert copy_gates(now, shorter, aggregate(before)[: LENGTH // 2]) == {}


# What a row says


def claims(counts: float, length: float, rows: int = 50) -> RowClaims:
    sums = np.full((rows, 4), length / np.sqrt(4 * rows), np.float32)
    return RowClaims(10, np.arange(rows), np.full(rows, counts / rows), np.zeros(rows), sums)


def test_an_update_short_for_its_interactions_is_faint() -> None:
    said = {client: (claims(100.0 * size, 10.0 * size),) for size, client in enumerate(CLIENTS, 1)}
    assert faint_gates(said) == {}
    assert faint_gates(said | {"0x3": (claims(400.0, 40.0 * 0.19),)}) == {"0x3": Lowered(0, FAINT)}
    assert faint_gates(said | {"0x3": (claims(400.0, 40.0 * 0.21),)}) == {}
    few = dict(list(said.items())[: LEAST_OTHERS - 1])
    assert faint_gates(few | {"0x0": (claims(400.0, 0.01),)}) == {}


def test_one_faint_branch_of_two_is_enough() -> None:
    said = {client: (claims(100.0, 10.0), claims(100.0, 10.0)) for client in CLIENTS}
    assert faint_gates(said | {"0x3": (claims(100.0, 10.0), claims(100.0, 0.1))}) == {"0x3": Lowered(0, FAINT)}


def caps(excess: float = 0.0, overlong: float = 0.5) -> RowCaps:
    return RowCaps({"0x0": ()}, {"0x0": excess}, {"0x0": overlong}, ())


def test_a_row_beyond_its_bound_closes_the_gate() -> None:
    assert claim_gates(caps(overlong=LONGEST_ROW), rows_are_carried=False) == {}
    assert claim_gates(caps(overlong=LONGEST_ROW * 1.001), rows_are_carried=False) == {"0x0": Lowered(0, OVERLONG)}
    assert claim_gates(caps(excess=0.3, overlong=LONGEST_ROW * 1.001), rows_are_carried=False) == {
        "0x0": Lowered(0, OVERLONG)
    }


@pytest.mark.parametrize(("part", "left"), [(0.001, 0.999), (0.25, 0.75), (0.5, 0.5), (1.0, 0.0), (2.0, 0.0)])
def test_contradicted_claims_lower_the_gate_in_proportion(part: float, left: float) -> None:
    excess = EXCESS_ALLOWED + part * (EXCESS_REFUSED - EXCESS_ALLOWED)
    lowered = claim_gates(caps(excess), rows_are_carried=False)["0x0"]
    assert lowered.reason == CONTRADICTED
    assert lowered.gate_wad / WAD == pytest.approx(left, abs=1e-9)
    assert claim_gates(caps(EXCESS_ALLOWED), rows_are_carried=False) == {}


def test_zeros_are_closed_whatever_else_is_in_the_update() -> None:
    def update(value: float) -> Arrays:
        return {"row_ids": np.arange(3, dtype=np.uint32), "residual": np.full((3, 2), value, np.float32)}

    contents = {"0x0": b"a", "0x1": b"b", "0x2": b"b"}
    updates = {"0x0": update(-0.0), "0x1": update(1e-45), "0x2": update(1e-45)}
    assert closed_gates(updates, contents) == {
        "0x0": Lowered(0, ZERO_UPDATE),
        "0x1": Lowered(0, SAME_BYTES),
        "0x2": Lowered(0, SAME_BYTES),
    }


def test_a_long_row_that_several_rounds_left_unsent_proves_nothing() -> None:
    assert claim_gates(caps(overlong=LONGEST_ROW * 1.001), rows_are_carried=True) == {}
