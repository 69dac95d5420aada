"""A coordinator that looks away, or closes whom it likes, and settles, fuses and records all else in order.

The public part of such a run verifies: what gates and budgets follow from is not public. With the updates they are
computed again, and the first that differs is named.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from common.models import Arrays
from server import inspection
from server.exposure_budget import Held
from server.gates import CONTRADICTED, FAINT, Lowered
from server.inspection import Inspection
from server.replay.mismatch import Mismatch
from server.reputation import WAD
from tests.server.hostile_acts import failing, filled, with_arrays
from tests.server.replay.conftest import BOASTING, FAILING, IDLE
from tests.server.replay.recorded_run import RecordedRun
from tests.small_federation import SmallFederation

ACTS = {
    IDLE: with_arrays(residual=filled(0.0), gram=filled(0.0)),
    FAILING: failing("disk full"),
    BOASTING: with_arrays(counts=filled(10)),
}
Lower = Callable[[dict[str, Lowered]], Mapping[str, Lowered]]


@pytest.fixture
def played(small: SmallFederation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., RecordedRun]:
    """Plays with an inspection, or a fusion, that somebody had a hand in; it verifies for who has not the updates."""

    def play(acts: dict[int, Any], **hands: Callable[..., Any]) -> RecordedRun:
        with monkeypatch.context() as patched:
            for name, hand in hands.items():
                patched.setattr(f"server.strategy.{name}", hand)
            run = RecordedRun.of(small, small.play(tmp_path / "run", acts=acts))
        assert run.verify(restricted=False).rounds == 2
        return run

    return play


def lowering(change: Lower) -> Callable[..., Inspection]:
    def inspect(*given: Any) -> Inspection:
        seen = inspection.inspect_updates(*given)
        return replace(seen, lowered=change(dict(seen.lowered)))

    return inspect


def address(small: SmallFederation, client: int) -> str:
    return small.accounts[client].address


@pytest.mark.parametrize(
    ("client", "lowered", "field"),
    [
        (IDLE, None, "judgements.gate_reason"),  # spared
        (IDLE, Lowered(0, FAINT), "judgements.gate_reason"),  # for another reason
        (0, Lowered(0, FAINT), "judgements.gate_reason"),  # closed for nothing
        (BOASTING, Lowered(WAD // 2, CONTRADICTED), "judgements.gate_wad"),  # by more than it was
        (0, Lowered(WAD // 2, CONTRADICTED), "judgements.gate_reason"),
    ],
)
def test_a_gate_that_does_not_follow_from_the_updates_is_named(
    small: SmallFederation,
    played: Callable[..., RecordedRun],
    client: int,
    lowered: Lowered | None,
    field: str,
) -> None:
    account = address(small, client)

    def change(seen: dict[str, Lowered]) -> Mapping[str, Lowered]:
        kept = {owner: one for owner, one in seen.items() if owner != account}
        return kept | ({} if lowered is None else {account: lowered})

    run = played(ACTS, inspect_updates=lowering(change))
    with pytest.raises(Mismatch) as found:
        run.verify(on_ledger=False)
    assert (found.value.server_round, found.value.account, found.value.field) == (1, account, field)


def test_items_that_were_not_capped_are_named(played: Callable[..., RecordedRun]) -> None:
    def inspect(*given: Any) -> Inspection:
        return replace(inspection.inspect_updates(*given), caps=None)

    run = played(ACTS, inspect_updates=inspect)
    with pytest.raises(Mismatch, match=r"^Round 1, capped_items: "):
        run.verify(on_ledger=False)


def holding(change: Callable[[Sequence[Held]], Sequence[Held]]) -> Callable[..., Any]:
    def fuse(*given: Any) -> tuple[Arrays, tuple[Held, ...]]:
        state, held = inspection.fused_state(*given)
        return state, tuple(change(held))

    return fuse


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (lambda held: (), "held_items"),
        (lambda held: [replace(one, exposure=one.exposure + 0.01) for one in held], "exposure_wad"),
        (lambda held: [replace(one, budget=one.budget - 0.01) for one in held], "budget_wad"),
        (lambda held: [replace(one, rolled_back=True) for one in held], "rolled_back"),
    ],
)
def test_an_item_held_or_not_against_its_budget_is_named(
    played: Callable[..., RecordedRun], change: Callable[..., Any], field: str
) -> None:
    acts = {IDLE: ACTS[IDLE], FAILING: ACTS[FAILING]}  # with so few left, an item is shown too often
    run = played(acts, fused_state=holding(change))
    with pytest.raises(Mismatch) as found:
        run.verify(on_ledger=False)
    assert (found.value.server_round, found.value.field.removeprefix("held_items.")) == (1, field)


def test_an_item_that_was_pushed_and_not_held_is_a_model_that_does_not_follow(
    played: Callable[..., RecordedRun],
) -> None:
    def push(*given: Any) -> tuple[Arrays, tuple[Held, ...]]:
        state, held = inspection.fused_state(*given)
        factors = state["item_factors"].copy()
        factors[7] = 3 * factors.mean(axis=0)
        return state | {"item_factors": factors}, held

    run = played({}, fused_state=push)
    with pytest.raises(Mismatch, match=r"^Round 1, next_model: its item_factors is "):
        run.verify(on_ledger=False)
