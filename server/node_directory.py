"""Who is behind each node: asked once a node, and believed only with the account's signature."""

from collections.abc import Collection, Iterable
from datetime import datetime

from flwr.app import Message
from flwr.serverapp import Grid

from common.errors import Rejected
from common.introduction import INTRODUCTION, Introduction, introduction_request, read_introduction
from common.wire import RoundTask
from server.exchange import exchange
from server.participation import NOT_ONLINE
from server.verification import verify_node_binding

INTRODUCTION_SECONDS = 30.0
"""The longest that introductions are waited for; who is later is asked again in the next round."""


class NodeDirectory:
    """What a run knows of its nodes."""

    def __init__(self, cohort: Collection[str]) -> None:
        self._cohort = cohort
        self._introduced: dict[int, Introduction] = {}

    def unknown(self, online: Iterable[int]) -> list[int]:
        """Return the nodes that have not introduced themselves yet."""
        return sorted(set(online) - set(self._introduced))

    def introduce(self, grid: Grid, node_ids: Iterable[int], task: RoundTask) -> dict[int, str]:
        """Ask nodes who they are, all at once; return why some still are not known."""
        request = introduction_request(task)
        messages = [Message(request, dst_node_id=node_id, message_type=INTRODUCTION) for node_id in node_ids]
        replies = exchange(grid, messages, min(task.settings.phase_timeout, INTRODUCTION_SECONDS))
        refused = dict(replies.failures)
        for node_id, message in sorted(replies.contents.items()):
            try:
                introduction = read_introduction(message.content)
                verify_node_binding(introduction, node_id, task, self._cohort)
            except Rejected as reason:
                refused[node_id] = str(reason)
            else:
                self._introduced[node_id] = introduction
        return refused

    def nodes_of(self, online: Iterable[int]) -> dict[str, int]:
        """Return the node of each account that is online; of several, the one with the least number."""
        nodes: dict[str, int] = {}
        for node_id in sorted(online, reverse=True):
            if node_id in self._introduced:
                nodes[self._introduced[node_id].account] = node_id
        return nodes

    def absences(self, online: Collection[int], now: datetime, phase_timeout: float) -> dict[str, str]:
        """Return the accounts that cannot be asked now, with the reason.

        Args:
            online: The nodes that are.
            now: In UTC.
            phase_timeout: Seconds that the run waits for a phase's replies.
        """
        nodes = self.nodes_of(online)
        reasons = {account: NOT_ONLINE for account in self._cohort if account not in nodes}
        for account, node_id in nodes.items():
            if absence := self._introduced[node_id].declaration.absence(now, phase_timeout):
                reasons[account] = absence
        return reasons
