"""A participant's folder, the only place a client process reads from.

account.json  account.pass    its on-chain account
node.key  ca.pem              its Flower identity, read by the SuperNode alone
data.npz                      its users' interactions
catalogue.json  probe.npz     public: the items, and the volunteers' histories for scoring
availability.toml             when it takes part, written by its people; without it always
state.json  replies/          which rounds it answered, what it signed in the last ones, and what they left unsent
user-vectors.npz              the users' vectors for the last model that came
personal.npz                  what was learnt beside that model for them alone, where the run asks for it
"""

import fcntl
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

from client.carried_rows import load_carried, save_carried
from client.personalisation import Personal, load_personal, save_personal
from client.state import REPLIES, STATE_FILE, ClientState, run_name
from client.user_vectors import UserVectors
from common.account import SigningAccount, load_account
from common.atomic_file import refusals_of_the_disk, remove_leftovers, write_atomically
from common.bounded_json import parse_json
from common.data.client_part import ClientPart
from common.data.probe import PROBE_FILE, ProbeShard, load_probe_pool
from common.declaration import Declaration, load_declaration
from common.errors import WrongUse
from common.models import Arrays, FloatArray
from common.update import object_name
from common.wire import TrainReply

DATA_FILE, CATALOGUE_FILE = "data.npz", "catalogue.json"
AVAILABILITY_FILE = "availability.toml"
USER_VECTORS_FILE, PERSONAL_FILE, LOCK_FILE = "user-vectors.npz", "personal.npz", "answering.lock"
_ROUNDS_KEPT, _RUNS_KEPT = 2, 4


class ParticipantFolder:
    """Reads each file once and only when it is needed, because every message starts a process."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @cached_property
    def account(self) -> SigningAccount:
        """The participant's signing account."""
        return load_account(self.path)

    @cached_property
    def part(self) -> ClientPart:
        """The participant's own users and their interactions."""
        return ClientPart.load(self.path / DATA_FILE)

    @cached_property
    def probe_shards(self) -> dict[bytes, ProbeShard]:
        """The public probe pool, by the digests of its shards."""
        return {shard.digest(): shard for shard in load_probe_pool(self.path / PROBE_FILE)}

    @contextmanager
    def answering(self) -> Iterator[None]:
        """Let one process at a time answer; the end of a process lets the next one in, whatever ended it.

        A message that is delivered twice may meet the answer to its first delivery under way. It waits, and then finds
        the reply: two answers with two noises would have less noise together.

        Raises:
            EnvironmentFailure: the disk refuses.
        """
        path = self.path / LOCK_FILE
        with refusals_of_the_disk(path), path.open("ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    @property
    def declaration(self) -> Declaration:
        """When the client takes part; read anew each time, because people change it while a federation is up."""
        return load_declaration(self.path / AVAILABILITY_FILE)

    def saved_reply(self, run_id: bytes, server_round: int, model_bytes: bytes) -> TrainReply | None:
        """Return the reply already signed for this round, if any.

        Args:
            run_id: The run.
            server_round: The round.
            model_bytes: The model that the round starts from.

        Raises:
            WrongUse: the saved reply or `state.json` is damaged, or the round was answered for another model, or so
                long ago that the reply is no longer kept. Two answers to one round would show which part of the first
                came from the model and which from the data, so there is never a second.
        """
        folder = self._reply_folder(run_id, server_round)
        if not (folder / "reply.json").exists():
            if server_round <= ClientState.load(self.path).answered.get(run_name(run_id), 0):
                raise WrongUse(
                    f"Round {server_round} was already answered, and that reply is no longer kept; start a new run."
                )
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

    def carried_rows(self, run_id: bytes, server_round: int, update: Arrays) -> dict[str, FloatArray]:
        """Return what the last answer before this round left unsent, where this update has the same rows.

        Raises:
            WrongUse: the file is damaged.
        """
        earlier = [
            folder
            for folder in self._reply_folder(run_id, server_round).parent.glob("round-*")
            if int(folder.name.removeprefix("round-")) < server_round
        ]
        return load_carried(max(earlier), update) if earlier else {}

    def save_reply(
        self, run_id: bytes, server_round: int, model_bytes: bytes, reply: TrainReply, update: Arrays, unsent: Arrays
    ) -> None:
        """Keep a reply before it is sent; `reply.json` comes last, so that a reply is there whole or not at all.

        Args:
            run_id: The run.
            server_round: The round.
            model_bytes: The model that the round starts from.
            reply: What is about to be sent.
            update: What the reply holds in compressed form.
            unsent: What compression has left of it.

        Raises:
            EnvironmentFailure: the disk refuses; then the round is not answered.
        """
        state = ClientState.load(self.path)
        folder = self._reply_folder(run_id, server_round)
        write_atomically(folder / "update.bin", reply.update_bytes, private=True)
        self.save_unsent(run_id, server_round, update, unsent)
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
        state.answered[run_name(run_id)] = max(server_round, state.answered.get(run_name(run_id), 0))
        state.save(self.path)
        self._forget(folder)

    def save_unsent(self, run_id: bytes, server_round: int, update: Arrays, unsent: Arrays) -> None:
        """Keep what compression has left of a round's update."""
        save_carried(self._reply_folder(run_id, server_round), unsent, update)

    def fitted_users(self, model_bytes: bytes) -> FloatArray | None:
        """Return the users' vectors for this model if they need not be fitted here; None, except in a simulation."""
        del model_bytes
        return None

    def user_vectors(self) -> UserVectors | None:
        """Return the users' vectors for the last model that came; None before the first.

        Raises:
            WrongUse: the file is damaged.
        """
        path = self.path / USER_VECTORS_FILE
        return UserVectors.load(path, len(self.part.user_ids)) if path.exists() else None

    def save_user_vectors(self, model_bytes: bytes, vectors: FloatArray) -> None:
        """Keep the users' vectors in place of those for an earlier model."""
        UserVectors(object_name(model_bytes), vectors).save(self.path / USER_VECTORS_FILE)

    def personal(self) -> tuple[str, Personal] | None:
        """Return the name of a global model, and what was learnt beside it; None before the first.

        It goes with `user_vectors` only where both name one model: a later run may not personalise.

        Raises:
            WrongUse: the file is damaged.
        """
        path = self.path / PERSONAL_FILE
        return load_personal(path, len(self.part.user_ids)) if path.exists() else None

    def save_personal(self, model_bytes: bytes, personal: Personal) -> None:
        """Keep what was learnt beside a model in place of that for an earlier one."""
        save_personal(self.path / PERSONAL_FILE, object_name(model_bytes), personal)

    def _forget(self, current: Path) -> None:
        """Remove what kills have left, the replies of earlier rounds, and those of runs that ended long ago."""
        remove_leftovers(self.path, (STATE_FILE, USER_VECTORS_FILE, PERSONAL_FILE))
        remove_leftovers(current)
        rounds = sorted(current.parent.glob("round-*"))
        runs = sorted((self.path / REPLIES).iterdir(), key=lambda run: run.stat().st_mtime_ns)
        for outdated in (*rounds[:-_ROUNDS_KEPT], *runs[:-_RUNS_KEPT]):
            if current not in (outdated, *outdated.glob("*")):
                shutil.rmtree(outdated, ignore_errors=True)

    def _reply_folder(self, run_id: bytes, server_round: int) -> Path:
        return self.path / REPLIES / run_name(run_id) / f"round-{server_round:04d}"


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
