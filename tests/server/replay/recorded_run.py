"""A run that was played, and its verification: of the record as it is, or of an altered copy."""

import shutil
from dataclasses import dataclass, replace
from pathlib import Path

from common.data.probe import ProbeShard
from server.federation import Federation
from server.ledger import Ledger
from server.replay.run import Verified, replay_run
from server.run_folder import RunFolder
from tests.small_federation import PlayedRun, SmallFederation


@dataclass(frozen=True)
class RecordedRun:
    """What a verifier is given.

    Attributes:
        folder: The run folder.
        federation: As federation.json has it.
        ledger: That of the run, which a real run in memory would not leave behind.
        shards: The probe pool by digest.
        rounds: How many have evidence.
    """

    folder: Path
    federation: Federation
    ledger: Ledger
    shards: dict[bytes, ProbeShard]
    rounds: int

    @classmethod
    def of(cls, small: SmallFederation, played: PlayedRun) -> "RecordedRun":
        federation = small.federation(played.folder / "coordinator")
        shards = {shard.digest(): shard for shard in small.data.probe}
        return cls(played.folder, federation, played.ledger, shards, len(played.report["rounds"]))

    def copied_to(self, folder: Path) -> "RecordedRun":
        """The same run in a folder that can be altered."""
        shutil.copytree(self.folder, folder)
        return replace(self, folder=folder)

    def evidence(self, server_round: int) -> Path:
        return self.folder / "evidence" / f"round-{server_round:04d}.json"

    def verify(self, *, on_ledger: bool = True, restricted: bool = True, probe: bool = True) -> Verified:
        return replay_run(
            RunFolder(self.folder),
            self.federation,
            self.rounds,
            self.ledger if on_ledger else None,
            self.shards if restricted and probe else {},
            restricted=restricted,
            on_round=lambda server_round: None,
        )
