"""Every decoder that reads what others wrote: valid inputs, how they are changed, what it may raise, what it may cost.

`tests/fuzz/test_fuzz.py` makes sure that no reader of the code is missing here.
"""

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from eth_account import Account

from client.store import DATA_FILE, PROBE_FILE, ParticipantFolder
from client.training import received_state
from common.account import KEYSTORE_FILE, load_account
from common.bounded_json import MOST_MEMORY_PER_BYTE
from common.commitment import check_signature, commitment_message, sign
from common.config import Settings
from common.data.catalogue import Catalogue
from common.data.client_part import ClientPart
from common.data.filmtrust import load_filmtrust
from common.data.movielens_csv import load_movielens_csv
from common.data.named_csv import CsvColumns, load_named_csv
from common.data.probe import load_probe_pool
from common.errors import CheckFailed, EnvironmentFailure, Rejected, WrongUse
from common.models import Arrays, Model, model_of
from common.update import MAX_READING_BYTES, decode_model, decode_update, encode_model, encode_update
from common.update_check import check_update
from common.wire import (
    metrics_content,
    peer_content,
    peer_reply_content,
    read_metrics,
    read_peer_reply,
    read_peer_task,
    read_round_task,
    read_train_reply,
    train_content,
    train_reply_content,
)
from contracts.deployment import Deployment
from launch.admitted_nodes import NODES_DIR, AdmittedNode, admitted_nodes
from launch.chain_journal import BlockEntry, ChainJournal
from launch.container.members import Member, load_members, save_members
from launch.embedded_rpc import EmbeddedNode
from launch.evm_records import CHAIN_ID
from launch.federation_plan import load_plan
from launch.join_request import read_request, write_request
from launch.node_keys import NODE_KEY_FILE, load_node_key, load_or_create_node_key
from launch.participant_folder import PARTICIPANT_FILE, Participant
from launch.resumed_run import settings_of
from server.federation import (
    FEDERATION_FILE,
    SECRET_FILE,
    load_federation,
    load_secrets,
    read_rewards,
    save_federation,
    save_rewards,
)
from server.received_updates import kept_updates
from server.replay.mismatch import Mismatch
from server.replay.models import read_model
from server.replay.public_round import read_public_round
from server.run_folder import RunFolder
from server.submitted_run import CONFIG_FILE, keep_settings, settings_of_run
from tests.fuzz.corpora import RUN_ID, UPDATE_KINDS, Corpora
from tests.fuzz.mutations import (
    Mutation,
    mutated_arrays,
    mutated_bytes,
    mutated_csv,
    mutated_json,
    mutated_lines,
    mutated_toml,
    mutated_update,
)
from tests.fuzz.records import FlowerRefuses, content_from_json, content_to_json, loosely_parsed
from tests.small_federation import ITEMS, SETTINGS

Read = Callable[[bytes], object]
Refusals = tuple[type[Exception], ...]
_BASE_BYTES = 2 << 20
"""Beside what the input's length allows: parsers' tables, messages of errors."""
_GENESIS_TIME = 1_700_000_000
_PLAN = """\
name = "cinema"
address = "fed.example.org"
port = 9443
listen = "0.0.0.0"
chain = "http://127.0.0.1:8545"
participants = ["alice", "bob"]
own_keys = ["carol"]

[settings]
rounds = 3
dataset = "ml-latest-small-2016"
alpha0 = 0.5
train-on-validation = true
"""
_RATINGS = "userId,movieId,rating,timestamp\n" + "".join(
    f"{user},{item},{0.5 * (1 + item % 9)},{1_000_000 + item}\n" for user in range(1, 6) for item in range(user, 12)
)
_MOVIES = 'movieId,title,genres\n1,"One, The (1999)",Action|Drama\n' + "".join(
    f"{item},Title {item} (2000),(no genres listed)\n" for item in range(2, 12)
)


@dataclass(frozen=True)
class Decoder:
    """A reader and what it promises.

    Attributes:
        name: On the command line and in the table that is printed.
        covers: The functions behind it, as "module:Class.function".
        inputs: Valid ones.
        mutation: How they are changed.
        read: The reader, from bytes.
        refusals: All that it may raise.
        most_seconds: Of processor time for one input.
        bytes_each: What it may allocate for each byte of input, beside `_BASE_BYTES`.
        share: Of an equal part of all inputs; less than 1 for what takes milliseconds by itself.
    """

    name: str
    covers: tuple[str, ...]
    inputs: Sequence[bytes]
    mutation: Mutation
    read: Read
    refusals: Refusals
    most_seconds: float = 1.0
    bytes_each: int = MOST_MEMORY_PER_BYTE
    share: float = 1.0
    base_bytes: int = _BASE_BYTES

    def most_bytes(self, data: bytes) -> int:
        """What reading this input may allocate."""
        return self.base_bytes + self.bytes_each * len(data)


def decoders(folder: Path) -> tuple[Decoder, ...]:
    """Make all decoders; valid inputs and scratch files lie below `folder`."""
    corpora = Corpora(folder / "valid")
    scratch = folder / "scratch"
    scratch.mkdir()
    return (
        *_messages(corpora),
        *_updates_and_models(corpora),
        *_signatures(corpora),
        *_participants_files(corpora, scratch),
        *_data_files(scratch),
        *_coordinators_files(corpora, scratch),
        *_run_files(corpora, scratch),
        *_chain(scratch),
    )


def _messages(corpora: Corpora) -> list[Decoder]:
    def message(name: str, function: Callable[..., object], *contents: object) -> Decoder:
        refusals: Refusals = (Rejected, FlowerRefuses)
        if function in (read_round_task, read_peer_task):
            refusals = (*refusals, WrongUse)  # nonsense settings
        return Decoder(
            name,
            (f"common.wire:{function.__name__}",),
            [content_to_json(content) for content in contents],  # type: ignore[arg-type]
            mutated_json,
            lambda data: function(content_from_json(data)),
            refusals,
        )

    account = corpora.federation.accounts[0].address
    return [
        message("train task", read_round_task, train_content(corpora.round_task)),
        message("train reply", read_train_reply, train_reply_content(corpora.train_reply)),
        message("peer task", read_peer_task, peer_content(corpora.peer_task(3)), peer_content(corpora.peer_task(1))),
        message(
            "peer reply",
            read_peer_reply,
            peer_reply_content(account, corpora.scores(3)),
            peer_reply_content(account, corpora.scores(0)),
        ),
        message("metrics", read_metrics, metrics_content({"test_users": 3, "test_ndcg_at_10": 0.25})),
        Decoder(
            "run settings",
            ("common.config:Settings.from_run_config",),
            [json.dumps(settings.to_run_config()).encode() for settings in (SETTINGS, corpora.settings("mf"))],
            mutated_json,
            _read_settings,
            (WrongUse,),
        ),
    ]


def _read_settings(data: bytes) -> object:
    try:
        told = loosely_parsed(data)
    except ValueError:
        return None  # no mapping, which is what the function is given
    if not isinstance(told, dict):
        return None
    read = Settings.from_run_config(told)
    return _same(Settings.from_run_config(json.loads(read.canonical())), read)


def _updates_and_models(corpora: Corpora) -> list[Decoder]:
    made = []
    for kind in UPDATE_KINDS:
        model, state = corpora.model(kind)
        read = _update_reader(corpora.settings(kind), model, state)
        made.append(
            Decoder(
                f"update: {kind}",
                (
                    "common.update:decode_update",
                    "common.update_check:check_update",
                    f"common.models.{_MODULES[type(model).__name__]}:{type(model).__name__}.check_update",
                    *(("common.models.warm_start:WarmStart.check_update",) if kind == "warm start" else ()),
                ),
                corpora.updates(kind),
                mutated_update,
                read,
                (Rejected,),
                base_bytes=MAX_READING_BYTES,
            )
        )

    def read_any_model(data: bytes) -> object:
        packed = decode_model(data)
        return _same(encode_model(packed), data)

    folder = ParticipantFolder(corpora.participant)

    def received(data: bytes) -> object:
        task = corpora.round_task
        return received_state(
            type(task)(task.run_id, 1, task.domain, task.settings, data), model_of(task.settings), folder
        )

    made.append(
        Decoder(
            "model",
            ("common.update:decode_model",),
            corpora.models("neumf"),
            mutated_update,
            read_any_model,
            (Rejected,),
        )
    )
    made.append(
        Decoder(
            "received model",
            ("client.training:received_state",),
            corpora.models(),
            mutated_update,
            received,
            (Rejected,),
        )
    )
    return made


_MODULES = {"Ials": "ials", "Mf": "mf", "Ncf": "ncf", "AveragedNcf": "ncf_averaged"}


def _update_reader(settings: Settings, model: Model, state: Arrays) -> Read:
    def read(data: bytes) -> object:
        packed = decode_update(data)
        _same(encode_update(packed), data)
        if packed.model != model.name or packed.rows != ITEMS:
            raise Rejected("for another model or catalogue")  # as server/verification.py says, which reads these two
        check_update(settings, model, packed.arrays, ITEMS)
        # What was accepted can be fused and leaves a model of numbers.
        after = model.apply(state, model.fuse([packed.arrays], [1.0]))
        if not all(np.isfinite(array).all() for array in after.values()):
            raise ArithmeticError("an accepted update leaves a model that is not finite")
        return packed

    return read


def _signatures(corpora: Corpora) -> list[Decoder]:
    account = corpora.federation.accounts[0]
    message = commitment_message(corpora.round_task.domain, RUN_ID, 1, RUN_ID)
    valid = sign(message, account.key)

    def read(data: bytes) -> object:
        check_signature(message, data, account.address)
        return _same(valid, data)  # nobody can write another one that holds

    return [
        Decoder(
            "signature",
            ("common.commitment:check_signature",),
            [valid],
            mutated_bytes,
            read,
            (Rejected,),
        )
    ]


def _file(
    path: Path,
    covers: Sequence[str],
    inputs: Sequence[bytes],
    mutation: Mutation,
    load: Callable[[], object],
    refusals: Refusals = (WrongUse,),
    name: str = "",
    **bounds: float | int,
) -> Decoder:
    """A reader of a file: each input is written to `path` first."""
    path.parent.mkdir(parents=True, exist_ok=True)

    def read(data: bytes) -> object:
        path.write_bytes(data)
        return load()

    return Decoder(name or path.name, tuple(covers), inputs, mutation, read, refusals, **bounds)  # type: ignore[arg-type]


def _participants_files(corpora: Corpora, scratch: Path) -> list[Decoder]:
    participant = corpora.participant
    folder = scratch / "participant"
    shutil.copytree(participant, folder)
    data, pool, catalogue = folder / DATA_FILE, folder / PROBE_FILE, folder / "catalogue.json"
    load_or_create_node_key(folder)
    Participant("carol", "cinema", "fed.example.org:9443", ("ab" * 32,)).save(folder)
    request, deployment = folder / "request.json", folder / "deployment.json"
    requests = []
    for name in ("carol", "dave"):
        write_request(request, "cinema", name, corpora.federation.accounts[0], load_node_key(folder))
        requests.append(request.read_bytes())
    addresses = [account.address for account in corpora.federation.accounts[:3]]
    Deployment(31337, *addresses, 5).save(deployment)
    reply_folder = _saved_reply(corpora, folder)
    keystore = folder / KEYSTORE_FILE
    return [
        _file(
            data,
            (
                "common.data.client_part:ClientPart.load",
                "common.data.array_file:load_arrays",
                "common.data.user_items:UserItems.from_arrays",
            ),
            [(one / DATA_FILE).read_bytes() for one in corpora.federation.client_dirs[:2]],
            mutated_arrays,
            lambda: ClientPart.load(data),
        ),
        _file(
            pool,
            ("common.data.probe:load_probe_pool",),
            [pool.read_bytes()],
            mutated_arrays,
            lambda: [shard.digest() for shard in load_probe_pool(pool)],
        ),
        _file(
            catalogue,
            ("common.data.catalogue:Catalogue.load", "common.bounded_json:parse_json"),
            [catalogue.read_bytes(), b'{"item_ids":["a","b"],"titles":["A","B"]}'],
            mutated_json,
            lambda: Catalogue.load(catalogue).digest(),
        ),
        _file(
            keystore,
            ("common.account:load_account",),
            [keystore.read_bytes()],
            mutated_json,
            lambda: load_account(folder),
            # what common/account.py allows: 512 MiB of scrypt
            most_seconds=30.0,
            base_bytes=600 << 20,
            share=0.2,
        ),
        _file(
            folder / NODE_KEY_FILE,
            ("launch.node_keys:load_node_key", "launch.node_keys:load_or_create_node_key"),
            [(folder / NODE_KEY_FILE).read_bytes()],
            mutated_bytes,
            lambda: (load_node_key(folder), load_or_create_node_key(folder)),
        ),
        _file(
            folder / PARTICIPANT_FILE,
            ("launch.participant_folder:Participant.load",),
            [(folder / PARTICIPANT_FILE).read_bytes()],
            mutated_toml,
            lambda: Participant.load(folder),
        ),
        _file(
            request,
            ("launch.join_request:read_request",),
            requests,
            mutated_json,
            lambda: read_request(request),
            base_bytes=8 << 20,
        ),
        _file(
            deployment,
            ("contracts.deployment:Deployment.load",),
            [deployment.read_bytes()],
            mutated_json,
            lambda: Deployment.load(deployment),
        ),
        _file(
            reply_folder / "reply.json",
            ("client.store:ParticipantFolder.saved_reply",),
            [(reply_folder / "reply.json").read_bytes()],
            mutated_json,
            lambda: ParticipantFolder(folder).saved_reply(RUN_ID, 1, corpora.round_task.model_bytes),
        ),
    ]


def _saved_reply(corpora: Corpora, folder: Path) -> Path:
    ParticipantFolder(folder).save_reply(RUN_ID, 1, corpora.round_task.model_bytes, corpora.train_reply)
    (path,) = (folder / "replies").glob("*/round-0001")
    return path


def _data_files(scratch: Path) -> list[Decoder]:
    folder = scratch / "data"
    columns = CsvColumns.parse("user=userId,item=movieId,rating=rating,timestamp=timestamp")
    lines = "".join(f"{user} {item} {item % 4 + 0.5}\n" for user in range(1, 4) for item in range(1, 9)).encode()
    (folder / "movielens").mkdir(parents=True)
    (folder / "movielens" / "ratings.csv").write_text(_RATINGS)
    sources = tuple(
        f"common.data.{name}"
        for name in (
            "source_file:read_source",
            "source_file:read_optional_source",
            "source_file:read_exact_source",
            "named_csv:read_csv_ratings",
            "named_csv:read_csv_records",
        )
    )
    return [
        _file(
            folder / "own.csv",
            ("common.data.named_csv:load_named_csv", *sources),
            [_RATINGS.encode()],
            mutated_csv,
            lambda: load_named_csv("own", folder / "own.csv", columns),
            bytes_each=512,
        ),
        _file(
            folder / "movielens" / "movies.csv",
            ("common.data.movielens_csv:load_movielens_csv",),
            [_MOVIES.encode()],
            mutated_csv,
            lambda: load_movielens_csv("movielens", folder / "movielens"),
            bytes_each=512,
        ),
        _file(
            folder / "filmtrust" / "ratings.txt",
            ("common.data.filmtrust:load_filmtrust", "common.data.rating_lines:read_rating_lines"),
            [lines],
            mutated_bytes,
            lambda: load_filmtrust(folder / "filmtrust"),
            bytes_each=512,
        ),
    ]


def _coordinators_files(corpora: Corpora, scratch: Path) -> list[Decoder]:
    folder = scratch / "coordinator"
    federation = corpora.federation.federation(folder)
    save_federation(federation, bytes(range(32)))
    shutil.copy(corpora.participant / KEYSTORE_FILE, folder)
    shutil.copy(corpora.participant / "account.pass", folder)
    plan, members, rewards = folder / "federation.toml", folder / "members.toml", folder / "ledger.rewards.json"
    key = load_or_create_node_key(scratch / "participant").decode()
    account = corpora.federation.accounts[0].address
    AdmittedNode("alice", account, key).save(folder)
    save_members(members, [Member("client-01", account, key), Member("client-02", account, key)])
    save_rewards(rewards, 3, {account: 10**30, "0xB": 0})
    keep_settings(federation, folder, SETTINGS)
    config = folder / CONFIG_FILE
    node = folder / NODES_DIR / "alice.json"
    return [
        _file(
            folder / FEDERATION_FILE,
            ("server.federation:load_federation",),
            [(folder / FEDERATION_FILE).read_bytes()],
            mutated_json,
            lambda: load_federation(folder),
        ),
        _file(
            folder / SECRET_FILE,
            ("server.federation:load_secrets",),
            [(folder / SECRET_FILE).read_bytes()],
            mutated_bytes,
            lambda: load_secrets(folder),
        ),
        _file(
            rewards,
            ("server.federation:read_rewards",),
            [rewards.read_bytes()],
            mutated_json,
            lambda: read_rewards(rewards),
        ),
        _file(
            plan,
            ("launch.federation_plan:load_plan", "common.bounded_toml:read_toml"),
            [_PLAN.encode()],
            mutated_toml,
            lambda: load_plan(plan),
        ),
        _file(
            members,
            ("launch.container.members:load_members",),
            [members.read_bytes()],
            mutated_toml,
            lambda: load_members(members),
        ),
        _file(
            node,
            ("launch.admitted_nodes:admitted_nodes",),
            [node.read_bytes()],
            mutated_json,
            lambda: admitted_nodes(folder),
            name="admitted node",
        ),
        _file(
            config,
            ("launch.resumed_run:settings_of",),
            [config.read_bytes()],
            mutated_toml,
            lambda: settings_of(folder),
        ),
        _file(
            config,
            ("server.submitted_run:settings_of_run",),
            [config.read_bytes()],
            mutated_toml,
            lambda: settings_of_run(federation, folder, {}, ()),
            name="config.toml of a submitted run",
        ),
    ]


def _run_files(corpora: Corpora, scratch: Path) -> list[Decoder]:
    folder = scratch / "run"
    shutil.copytree(corpora.run.path, folder)
    run = RunFolder(folder)
    evidence = [run.get_evidence(1), run.get_evidence(2)]
    public = read_public_round(evidence[0], 1)
    received = folder / "objects" / "updates" / "received-0001.json"
    state = folder / "checkpoint" / "state.json"

    def read_evidence(data: bytes) -> object:
        return _same(read_public_round(data, 1).content, data)

    return [
        Decoder(
            "evidence",
            ("server.replay.public_round:read_public_round",),
            evidence[:1],
            mutated_json,
            read_evidence,
            (Mismatch,),
        ),
        _file(
            received,
            ("server.received_updates:kept_updates",),
            [received.read_bytes(), received.with_name("received-0002.json").read_bytes()],
            mutated_json,
            lambda: kept_updates(run, 1),
            (CheckFailed,),
        ),
        _file(
            state,
            ("server.run_folder:RunFolder.load_checkpoint",),
            [state.read_bytes()],
            mutated_json,
            run.load_checkpoint,
            (CheckFailed,),
        ),
        _file(
            folder / "objects" / public.model,
            ("server.replay.models:read_model",),
            [run.get_object(public.model)],
            mutated_update,
            lambda: read_model(public, run, "model", ITEMS),
            (Mismatch,),
            name="model of a run folder",
        ),
    ]


def _chain(scratch: Path) -> list[Decoder]:
    folder = scratch / "chain"
    path = folder / "journal.jsonl"
    account = Account.from_key(RUN_ID)
    transfer = _transfer(account, 0)
    journal = ChainJournal.open(path, CHAIN_ID, _GENESIS_TIME)
    node = EmbeddedNode(journal)
    for method, parameters in (
        ("anvil_setBalance", [account.address, hex(10**20)]),
        ("eth_sendRawTransaction", [transfer]),
    ):
        node.answer({"jsonrpc": "2.0", "id": 1, "method": method, "params": parameters})
    journal.close()
    valid = path.read_bytes()
    line = valid.splitlines()[2]

    def replay() -> object:
        opened = ChainJournal.open(path, CHAIN_ID, _GENESIS_TIME)
        try:
            return EmbeddedNode(opened)
        finally:
            opened.close()

    @cache
    def serving() -> EmbeddedNode:
        """One that lives as long as the process that reads."""
        return EmbeddedNode(ChainJournal.open(scratch / "served" / "journal.jsonl", CHAIN_ID, _GENESIS_TIME))

    def answered(data: bytes) -> object:
        return json.dumps(serving().answer_body(data)).encode()

    return [
        Decoder(
            "journal line",
            ("launch.chain_journal:BlockEntry.from_line",),
            [line],
            mutated_json,
            BlockEntry.from_line,
            (ValueError, KeyError, TypeError, OverflowError, UnicodeDecodeError, json.JSONDecodeError),
        ),
        _file(
            path,
            ("launch.chain_journal:ChainJournal.open",),
            [valid],
            mutated_lines,
            replay,
            (EnvironmentFailure,),
            most_seconds=3.0,
            share=0.2,
            base_bytes=32 << 20,
        ),
        Decoder(
            "chain request",
            ("launch.embedded_rpc:EmbeddedNode.answer", "launch.embedded_rpc:EmbeddedNode.answer_body"),
            [json.dumps(request).encode() for request in _requests(account, transfer)],
            mutated_json,
            answered,
            (),
            # A call may use a whole block's gas; py-evm takes its time for it.
            most_seconds=60.0,
            base_bytes=64 << 20,
            share=0.5,
        ),
    ]


def _transfer(account: object, nonce: int) -> str:
    fields = {
        "chainId": CHAIN_ID,
        "nonce": nonce,
        "to": "0x" + "11" * 20,
        "value": 1,
        "gas": 21_000,
        "maxFeePerGas": 10**10,
        "maxPriorityFeePerGas": 10**9,
    }
    return "0x" + bytes(account.sign_transaction(fields).raw_transaction).hex()  # type: ignore[attr-defined]


def _requests(account: object, transfer: str) -> list[object]:
    address = account.address  # type: ignore[attr-defined]
    call = {"from": address, "to": "0x" + "22" * 20, "data": "0x1234", "value": "0x0", "gas": "0x5208"}
    calls: list[tuple[str, list[object]]] = [
        ("anvil_setBalance", [address, hex(10**20)]),
        ("eth_sendRawTransaction", [transfer]),
        ("eth_call", [call, "latest"]),
        ("eth_estimateGas", [call]),
        ("eth_feeHistory", ["0x5", "latest", [10.0, 50.0]]),
        ("eth_getBalance", [address, "latest"]),
        ("eth_getBlockByHash", ["0x" + "00" * 32, False]),
        ("eth_getBlockByNumber", ["0x1", True]),
        ("eth_getCode", [address, "latest"]),
        ("eth_getLogs", [{"fromBlock": "0x0", "toBlock": "latest", "address": [address], "topics": [None, ["0x00"]]}]),
        ("eth_getStorageAt", [address, "0x0", "latest"]),
        ("eth_getTransactionByHash", ["0x" + "00" * 32]),
        ("eth_getTransactionReceipt", ["0x" + "00" * 32]),
        ("eth_getTransactionCount", [address, "pending"]),
        ("evm_increaseTime", [60]),
        ("evm_mine", []),
        ("eth_chainId", []),
    ]
    made: list[object] = [{"jsonrpc": "2.0", "id": 1, "method": name, "params": given} for name, given in calls]
    return [*made, made[-3:]]


def _same(found: object, expected: object) -> object:
    if found != expected:
        raise AssertionError("what was read is not what was written")
    return found
