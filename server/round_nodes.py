"""The nodes that a round asks: waits until enough of them are there, and draws where the run draws."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from logging import INFO

from flwr.common.logger import log
from flwr.serverapp import Grid

from common.config import Settings
from common.wire import RoundTask
from server.node_directory import NodeDirectory
from server.participation import Invitation, asks_some, clients_asked, draw_order, invite, updates_needed
from server.seed_chain import SeedChain
from server.status_writer import StatusWriter

LOOK_SECONDS = 0.5
"""Between two looks at who is online, while too few are."""
SECONDS_A_LINE = 15.0
"""Between two lines of the log about it."""


@dataclass(frozen=True)
class Chosen:
    """Whom a round asks.

    Attributes:
        invitation: What the evidence says of it.
        node_ids: The nodes to ask.
        refused: Node -> why it has not introduced itself.
    """

    invitation: Invitation
    node_ids: list[int]
    refused: Mapping[int, str]


class RoundNodes:
    """Chooses the nodes of each round of one run."""

    def __init__(
        self, settings: Settings, cohort: tuple[str, ...], seed_chain: SeedChain, status: StatusWriter
    ) -> None:
        self._settings = settings
        self._cohort = cohort
        self._seed_chain = seed_chain
        self._status = status
        self._directory = NodeDirectory(cohort)

    def choose(self, grid: Grid, task: RoundTask, kept: Invitation | None) -> Chosen:
        """Return whom the round asks; come back only once a round can have enough updates.

        Args:
            grid: Flower's grid, or the in-process one.
            task: The round.
            kept: Whom an interrupted round had asked; those of them who are there are asked again, and nobody else. Its
                updates are kept, so that it waits for nodes that can score, not for the same ones.
        """
        needed, said = updates_needed(self._settings), -SECONDS_A_LINE
        while True:
            chosen, there = self._look(grid, task, kept)
            if there >= needed:
                return chosen
            if time.monotonic() - said > SECONDS_A_LINE:
                said = time.monotonic()
                log(INFO, "round %s waits: %s of the %s nodes it needs are there", task.server_round, there, needed)
            time.sleep(LOOK_SECONDS)

    def _look(self, grid: Grid, task: RoundTask, kept: Invitation | None) -> tuple[Chosen, int]:
        """Return whom the round would ask now, and how many of the nodes that it needs are there."""
        online = list(grid.get_node_ids())
        if not asks_some(self._settings):
            return Chosen(Invitation(), online, {}), len(online)
        refused: dict[int, str] = {}
        if unknown := self._directory.unknown(online):
            refused = self._directory.introduce(grid, unknown, task)
            self._status.wait_for_nodes(task.server_round, updates_needed(self._settings))
        nodes = self._directory.nodes_of(online)
        self._status.know(nodes)
        invitation = kept or invite(
            draw_order(self._seed_chain.link(task.server_round - 1), self._cohort),
            clients_asked(self._settings),
            self._directory.absences(online, datetime.now(UTC), task.settings.phase_timeout),
        )
        node_ids = [nodes[account] for account in invitation.asked if account in nodes]
        return Chosen(invitation, node_ids, refused), len(node_ids) if kept is None else len(nodes)
