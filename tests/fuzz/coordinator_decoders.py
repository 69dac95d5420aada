"""Files of the coordinator's folder and of run folders."""

import json
import shutil
from pathlib import Path

import rfc8785

from common.account import KEYSTORE_FILE
from common.errors import CheckFailed
from launch.admitted_nodes import NODES_DIR, AdmittedNode, admitted_nodes
from launch.container.members import Member, load_members, save_members
from launch.federation_plan import load_plan
from launch.flower_cli import read_flower_home, write_flower_home
from launch.node_keys import load_or_create_node_key
from launch.resumed_run import settings_of
from launch.run_state import REPORT_FILE, read_run
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
from server.run_status import STATUS_FILE, read_status
from server.submitted_run import CONFIG_FILE, keep_settings, settings_of_run
from tests.fuzz.corpora import Corpora
from tests.fuzz.decoder import Decoder, file_decoder, same
from tests.fuzz.mutations import (
    mutated_bytes,
    mutated_json,
    mutated_toml,
    mutated_update,
)
from tests.small_federation import ITEMS, SETTINGS

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


def coordinators_files(corpora: Corpora, scratch: Path) -> list[Decoder]:
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
    config, flower_home = folder / CONFIG_FILE, scratch / "flower"
    write_flower_home(flower_home, "127.0.0.1:9093", folder / "ca.pem")
    node = folder / NODES_DIR / "alice.json"
    return [
        file_decoder(
            folder / FEDERATION_FILE,
            ("server.federation:load_federation",),
            [(folder / FEDERATION_FILE).read_bytes()],
            mutated_json,
            lambda: load_federation(folder),
        ),
        file_decoder(
            folder / SECRET_FILE,
            ("server.federation:load_secrets",),
            [(folder / SECRET_FILE).read_bytes()],
            mutated_bytes,
            lambda: load_secrets(folder),
        ),
        file_decoder(
            rewards,
            ("server.federation:read_rewards",),
            [rewards.read_bytes()],
            mutated_json,
            lambda: read_rewards(rewards),
        ),
        file_decoder(
            plan,
            ("launch.federation_plan:load_plan", "common.bounded_toml:read_toml"),
            [_PLAN.encode()],
            mutated_toml,
            lambda: load_plan(plan),
        ),
        file_decoder(
            flower_home / "config.toml",
            ("launch.flower_cli:read_flower_home",),
            [(flower_home / "config.toml").read_bytes()],
            mutated_toml,
            lambda: read_flower_home(flower_home),
            name="Flower's config.toml",
        ),
        file_decoder(
            members,
            ("launch.container.members:load_members",),
            [members.read_bytes()],
            mutated_toml,
            lambda: load_members(members),
        ),
        file_decoder(
            node,
            ("launch.admitted_nodes:admitted_nodes",),
            [node.read_bytes()],
            mutated_json,
            lambda: admitted_nodes(folder),
            name="admitted node",
        ),
        file_decoder(
            config,
            ("launch.resumed_run:settings_of",),
            [config.read_bytes()],
            mutated_toml,
            lambda: settings_of(folder),
        ),
        file_decoder(
            config,
            ("server.submitted_run:settings_of_run",),
            [config.read_bytes()],
            mutated_toml,
            lambda: settings_of_run(federation, folder, {}, ()),
            name="config.toml of a submitted run",
        ),
    ]


def _with_a_finding(evidence: bytes) -> bytes:
    record = json.loads(evidence)
    score = record["scores"][0]
    said = {f"said_{gain}_gain_wad": score[f"{gain}_gain_wad"] for gain in ("ndcg", "hit")}
    finding = {key: score[key] for key in ("evaluator", "subject", "shard")} | said
    record["false_scores"] = [finding | {"ndcg_gain_wad": "-1", "hit_gain_wad": str(10**18)}]
    return rfc8785.dumps(record)


def run_files(corpora: Corpora, scratch: Path) -> list[Decoder]:
    folder = scratch / "run"
    shutil.copytree(corpora.run.path, folder)
    run = RunFolder(folder)
    evidence = [run.get_evidence(1), run.get_evidence(2)]
    public = read_public_round(evidence[0], 1)
    received = folder / "objects" / "updates" / "received-0001.json"
    state = folder / "checkpoint" / "state.json"
    status, report = folder / STATUS_FILE, scratch / "reported" / REPORT_FILE

    def read_evidence(data: bytes) -> object:
        return same(read_public_round(data, 1).content, data)

    return [
        Decoder(
            "evidence",
            ("server.replay.public_round:read_public_round",),
            [evidence[0], _with_a_finding(evidence[0])],
            mutated_json,
            read_evidence,
            (Mismatch,),
        ),
        file_decoder(
            received,
            ("server.received_updates:kept_updates",),
            [received.read_bytes(), received.with_name("received-0002.json").read_bytes()],
            mutated_json,
            lambda: kept_updates(run, 1, SETTINGS.compression),
            (CheckFailed,),
        ),
        file_decoder(
            status,
            ("server.run_status:read_status",),
            [status.read_bytes()],
            mutated_json,
            lambda: read_status(folder),
            (CheckFailed,),
        ),
        file_decoder(
            report,
            ("launch.run_state:read_run",),
            [(folder / REPORT_FILE).read_bytes()],
            mutated_json,
            lambda: read_run(report.parent),
            (CheckFailed,),
        ),
        file_decoder(
            state,
            ("server.run_folder:RunFolder.load_checkpoint",),
            [state.read_bytes()],
            mutated_json,
            run.load_checkpoint,
            (CheckFailed,),
        ),
        file_decoder(
            folder / "objects" / public.model,
            ("server.replay.models:read_model",),
            [run.get_object(public.model)],
            mutated_update,
            lambda: read_model(public, run, "model", ITEMS),
            (Mismatch,),
            name="model of a run folder",
        ),
    ]
