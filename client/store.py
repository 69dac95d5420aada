"""A participant's folder, the only place a client process reads from.

account.json  account.pass    its on-chain account
node.key  ca.pem              its Flower identity, read by the SuperNode alone
data.npz                      its users' interactions
catalogue.json  probe.npz     public: the items, and the volunteers' histories for scoring
availability.toml             when it takes part, written by its people; without it always
replies/                      what it signed in the last rounds
"""

import json
import shutil
from functools import cached_property
from pathlib import Path

from common.account import SigningAccount, load_account
from common.atomic_file import write_atomically
from common.bounded_json import parse_json
from common.data.client_part import ClientPart
from common.data.probe import ProbeShard, load_probe_pool
from common.declaration import Declaration, load_declaration
from common.errors import WrongUse
from common.update import object_name
from common.wire import TrainReply

DATA_FILE, CATALOGUE_FILE, PROBE_FILE = "data.npz", "catalogue.json", "probe.npz"
AVAILABILITY_FILE = "availability.toml"
_ROUNDS_KEPT = 2


class ParticipantFolder:
    """Reads each file once and only when it is needed, because every message starts a process."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @cached_property
    def account(self) -> SigningAccount:
        """The participant's signing account."""
        return load_account(self._path)

    @cached_property
    def part(self) -> ClientPart:
        """The participant's own users and their interactions."""
        return ClientPart.load(self._path / DATA_FILE)

    @cached_property
    def probe_shards(self) -> dict[bytes, ProbeShard]:
        """The public probe pool, by the digests of its shards."""
        return {shard.digest(): shard for shard in load_probe_pool(self._path / PROBE_FILE)}

    @property
    def declaration(self) -> Declaration:
        """When the client takes part; read anew each time, because people change it while a federation is up."""
        return load_declaration(self._path / AVAILABILITY_FILE)

    def saved_reply(self, run_id: bytes, server_round: int, model_bytes: bytes) -> TrainReply | None:
        """Return the reply already signed for this round, if any.

        Args:
            run_id: The run.
            server_round: The round.
            model_bytes: The model that the round starts from.

        Raises:
            WrongUse: the saved reply is damaged, or the round was answered for another model. Two answers to one round
                would show which part of the first came from the model and which from the data, so there is never a
                second.
        """
        folder = self._reply_folder(run_id, server_round)
        if not (folder / "reply.json").exists():
            return None
        try:
            answered, reply = _read_reply(folder)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise WrongUse(
                f"The saved reply in {folder} is damaged ({error}); remove that folder and start a new run."
            ) from error
        if answered != object_name(model_bytes):
            raise WrongUse(f"Round {server_round} was already answered for another model; start a new run.")
        return reply

    def save_reply(self, run_id: bytes, server_round: int, model_bytes: bytes, reply: TrainReply) -> None:
        """Keep a reply before it is sent; `reply.json` comes last, so that a reply is there whole or not at all."""
        folder = self._reply_folder(run_id, server_round)
        write_atomically(folder / "update.bin", reply.update_bytes, private=True)
        record = {
            "model": object_name(model_bytes),
            "update": object_name(reply.update_bytes),
            "account": reply.account,
            "commitment": reply.commitment.hex(),
            "salt": reply.salt.hex(),
            "commitment_signature": reply.commitment_signature.hex(),
            "node_binding_signature": reply.node_binding_signature.hex(),
            "metrics": dict(reply.metrics),
        }
        write_atomically(folder / "reply.json", json.dumps(record).encode(), private=True)
        outdated = self._reply_folder(run_id, server_round - _ROUNDS_KEPT)
        shutil.rmtree(outdated, ignore_errors=True)

    def _reply_folder(self, run_id: bytes, server_round: int) -> Path:
        return self._path / "replies" / run_id.hex()[:16] / f"round-{server_round:04d}"


def _read_reply(folder: Path) -> tuple[str, TrainReply]:
    """Return the name of the model that was answered, and the answer."""
    record = parse_json((folder / "reply.json").read_bytes())
    update_bytes = (folder / "update.bin").read_bytes()
    if object_name(update_bytes) != record["update"]:
        raise ValueError("update.bin is not the file it was")
    return str(record["model"]), TrainReply(
        account=str(record["account"]),
        update_bytes=update_bytes,
        commitment=bytes.fromhex(record["commitment"]),
        salt=bytes.fromhex(record["salt"]),
        commitment_signature=bytes.fromhex(record["commitment_signature"]),
        node_binding_signature=bytes.fromhex(record["node_binding_signature"]),
        metrics=dict(record["metrics"]),
    )
