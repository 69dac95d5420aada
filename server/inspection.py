"""What a round's updates show when they are laid beside each other, the round before and what is public."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from common.config import Settings
from common.models import Arrays, Model, model_of
from server.aggregation import next_state
from server.exposure_budget import Held, hold_to_budget
from server.gates import Lowered, claim_gates, closed_gates, copy_gates, faint_gates
from server.public_reference import PublicReference
from server.row_caps import RowCaps, row_caps
from server.row_sketch import Sketch, row_sketches


@dataclass(frozen=True, eq=False)
class LastRound:
    """What the round before left.

    Attributes:
        updates: The decoded arrays by account.
        weights_wad: What each weighed.
    """

    updates: Mapping[str, Arrays]
    weights_wad: Mapping[str, int]


@dataclass(frozen=True, eq=False)
class Inspection:
    """What the gates leave, and what is left of the updates.

    Attributes:
        lowered: Account -> gate and reason, for those whose gate is not wide open.
        caps: None where nothing is cut.
    """

    lowered: Mapping[str, Lowered]
    caps: RowCaps | None

    @property
    def capped_items(self) -> tuple[int, ...]:
        """Items of which clients claimed more than is believed, ascending."""
        return () if self.caps is None else self.caps.items


def inspect_updates(
    settings: Settings,
    state: Arrays,
    updates: Mapping[str, Arrays],
    contents: Mapping[str, bytes],
    reference: PublicReference,
    last: LastRound | None,
    seed: bytes,
) -> Inspection:
    """Look at all updates of a round.

    With noise nothing but zeros and equal bytes is looked for: noise hides what the rest looks at, on purpose.

    Args:
        settings: Of the run.
        state: The model that was sent.
        updates: The decoded arrays by account.
        contents: Their bytes.
        reference: The public sample.
        last: None in the first round.
        seed: The round's link of the seed chain.
    """
    lowered = closed_gates(updates, contents) if settings.defence == "full" else {}
    if settings.defence != "full" or settings.noise != "none" or not updates:
        return Inspection(lowered, None)
    root = model_of(settings)
    claims = {account: root.claims(update) for account, update in updates.items()}
    if not all(claims.values()):
        return Inspection(lowered, None)
    caps = row_caps(root.at(state), claims, state, reference)
    item_count = len(reference.counts)
    carried = settings.compression == "top-rows"
    if carried:
        last = None  # rounds send different rows, so that one says nothing of the next
    before = {} if last is None else {account: root.claims(update) for account, update in last.updates.items()}
    sketches, last_sketches = (row_sketches(each, item_count, seed) for each in (claims, before))
    copies = copy_gates(sketches, last_sketches, _aggregate(last_sketches, last))
    contradicted = claim_gates(caps, rows_are_carried=carried)
    return Inspection(copies | faint_gates(claims) | contradicted | lowered, caps)


def fused_state(
    settings: Settings,
    model: Model,
    state: Arrays,
    updates: Mapping[str, Arrays],
    weights_wad: Mapping[str, int],
    caps: RowCaps | None,
    reference: PublicReference,
) -> tuple[Arrays, tuple[Held, ...]]:
    """Return the next model, of what the row caps leave of the updates, and the items held to their budget."""
    limited = updates if caps is None else caps.limited(model.at(state), updates)
    after = next_state(model, state, limited, weights_wad, settings.aggregation)
    if settings.defence != "full" or settings.noise != "none":
        return after, ()
    return hold_to_budget(model, state, after, reference)


def _aggregate(sketches: Mapping[str, Sketch], last: LastRound | None) -> Sketch | None:
    """Return the direction of the last round's weighted sum, None where nothing weighed anything."""
    if last is None:
        return None
    weighed = [
        sketch * (last.weights_wad.get(account, 0) / 10**18) for account, sketch in sketches.items() if sketch.size
    ]
    if not weighed or len({len(sketch) for sketch in weighed}) != 1:
        return None
    total = np.sum(weighed, axis=0)
    length = float(np.sqrt(np.dot(total, total)))
    return total / length if length > 0 else None
