"""The metrics say what the run's files say, under names and labels that stay, whatever the clients sent."""

import json
import re
import shutil
import time
import urllib.request
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from common.errors import EnvironmentFailure, WrongUse
from launch.control_api import NoAnswer
from launch.metrics import MOST_ACCOUNTS, RunCollector
from launch.metrics_server import serve_metrics
from launch.processes import free_ports
from launch.workspace import PROJECT_ROOT
from server.reason_class import REASON_CLASSES, reason_class
from server.run_status import STATUS_FILE, read_status
from tests.small_federation import SmallFederation, prepare

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> tuple[SmallFederation, Path]:
    folder = tmp_path_factory.mktemp("played")
    federation = prepare(folder / "participants")

    def failing(message: Any, context: Any, honest: Any) -> Any:
        raise OSError('no disk" } evil 1\nevil 2')

    federation.play(folder / "run", acts={1: failing})
    return federation, folder / "run"


@pytest.fixture
def run(played: tuple[SmallFederation, Path], tmp_path: Path) -> Path:
    return Path(shutil.copytree(played[1], tmp_path / "run"))


def scraped(folder: Path, online: Callable[[], int] | None = None) -> Samples:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(RunCollector(folder, online))
    return parsed(generate_latest(registry).decode())


def parsed(text: str) -> Samples:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(samples: Samples, name: str, **labels: str) -> float:
    return samples[f"tfedrs_{name}", tuple(sorted(labels.items()))]


def test_the_numbers_are_those_of_the_report(run: Path, played: tuple[SmallFederation, Path]) -> None:
    samples = scraped(run)
    report = json.loads((run / "report.json").read_bytes())
    rows = report["rounds"]
    assert value(samples, "rounds_settled_total") == value(samples, "round") == value(samples, "rounds_planned") == 2
    assert value(samples, "participants") == 4
    assert value(samples, "left_out_total", reason="app_failed") == 2
    assert value(samples, "transferred_bytes_total", direction="up") == sum(row["bytes_up"] for row in rows)
    assert value(samples, "gas_used_total") == sum(row["gas"] for row in rows)
    assert value(samples, "ndcg_at_10_ratio") == rows[-1]["ndcg_at_10"]
    assert value(samples, "phase_seconds_total", phase="train") == sum(row["train_seconds"] for row in rows)
    assert value(samples, "last_round_seconds", phase="settle") == rows[-1]["settle_seconds"]
    account = played[0].accounts[0].address
    assert value(samples, "reputation_ratio", account=account) == rows[-1]["reputation"][account]
    assert value(samples, "phase", phase="done") == 1
    assert value(samples, "run_alive") == 0
    assert time.time() - value(samples, "last_settlement_timestamp_seconds") < 600
    assert value(samples, "run_readable") == 1
    run_id = report["ledger"]["run_id"][:16]
    assert value(samples, "run_info", run=run_id, folder="run", dataset="small", model="ials") == 1


def test_a_run_that_goes_on_shows_whom_it_waits_for_and_its_process(run: Path) -> None:
    said = read_status(run)
    assert said is not None
    said = replace(said, phase="score", online=4, asked=(2, 3, 4), waiting_for=(3,), deadline=time.time() + 9)
    (run / STATUS_FILE).write_bytes(said.to_bytes())
    samples = scraped(run)
    assert (value(samples, "nodes_asked"), value(samples, "nodes_waited_for"), value(samples, "nodes_online")) == (
        3,
        1,
        4,
    )
    assert value(samples, "run_alive") == 1
    assert value(samples, "coordinator_process_resident_memory_bytes") > 1e6
    assert value(samples, "coordinator_process_open_fds") > 0


def test_nodes_online_come_from_the_superlink_where_one_can_be_asked(run: Path) -> None:
    def gone() -> int:
        raise NoAnswer("the superlink does not answer")

    assert value(scraped(run, lambda: 5), "nodes_online") == 5
    assert ("tfedrs_nodes_online", ()) not in scraped(run, gone)
    assert ("tfedrs_nodes_online", ()) not in scraped(run)  # the run has ended, and what it saw last is old


def test_before_the_first_run_there_are_only_the_nodes(tmp_path: Path) -> None:
    assert scraped(tmp_path, lambda: 2) == {("tfedrs_run_readable", ()): 1, ("tfedrs_nodes_online", ()): 2}


@pytest.mark.parametrize("content", [b"{", b"[]", b'{"rounds": [{}]}', b'{"rounds": [[]]}'])
def test_damaged_files_are_told_and_do_not_end_the_scrape(run: Path, content: bytes) -> None:
    (run / "report.json").write_bytes(content)
    assert scraped(run) == {("tfedrs_run_readable", ()): 0}


def test_labels_take_few_values_whatever_clients_send(run: Path) -> None:
    report = json.loads((run / "report.json").read_bytes())
    last = report["rounds"][-1]
    last["rejected"] += [{"account": f"node {number}", "reason": f"x{number}\n{{evil}}"} for number in range(1000)]
    last["reputation"] = {f"0x{number:040x}": 0.5 for number in range(MOST_ACCOUNTS + 1)}
    (run / "report.json").write_text(json.dumps(report))
    samples = scraped(run)
    reasons = {dict(labels)["reason"] for name, labels in samples if name == "tfedrs_left_out_total"}
    assert reasons == set(REASON_CLASSES)
    assert value(samples, "left_out_total", reason="update") == 1000
    assert not [name for name, _ in samples if name == "tfedrs_reputation_ratio"]
    assert not [name for name, _ in samples if "evil" in name]


def test_every_documented_reason_has_a_class_of_its_kind() -> None:
    """The page of hostile clients has every recorded reason; its sections say of what kind they are."""
    page = (PROJECT_ROOT / "docs" / "hostile-clients.md").read_text()
    kinds = {
        "Who sent it, when, for which run": {"commitment", "identity", "copy"},
        "The bytes of an update": {"update"},
        "Its arrays": {"update"},
        "Its arrays, with `--model ncf`": {"update"},
        "Its arrays, with `--noise gaussian`": {"update"},
        "Updates that are worth nothing": {"zero_update", "gate"},
        "Scores": {"scores"},
    }
    checked = 0
    for section in page.split("\n## ")[1:]:
        title, _, body = section.partition("\n")
        reasons = re.findall(r"^\| .+? \| (.+?)(?: \*\(under its node\)\*)? \| \w+ \|$", body, re.MULTILINE)
        for reason in reasons:
            if reason in ("(nothing)", "recorded reason"):
                continue
            found = reason_class(reason.replace("\\", ""))
            wanted = kinds.get(title, {"no_answer", "app_failed", "unreadable"})
            assert found in wanted, (title, reason, found)
            checked += 1
    assert checked > 70


def test_metrics_are_served_while_the_block_runs_and_to_this_machine_alone(run: Path) -> None:
    (port,) = free_ports(1)
    with serve_metrics(run, port):
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as reply:
            assert value(parsed(reply.read().decode()), "rounds_settled_total") == 2
        with (
            pytest.raises(EnvironmentFailure, match=f"Port {port} for metrics cannot be used"),
            serve_metrics(run, port),
        ):
            pass
        listening = Path("/proc/net/tcp").read_text()
        assert f"0100007F:{port:04X}" in listening
        assert f"00000000:{port:04X}" not in listening
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10)


def test_a_port_that_is_none_is_wrong_use(run: Path) -> None:
    with pytest.raises(WrongUse, match="must be from 1 to 65535, not 70000"), serve_metrics(run, 70_000):
        pass
    with serve_metrics(run, None):
        pass
