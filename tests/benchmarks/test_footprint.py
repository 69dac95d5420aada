import sys
from pathlib import Path

from benchmarks.footprint import folder_footprint, processes_footprint
from launch.processes import Supervisor


def test_every_byte_of_a_run_folder_is_in_one_part(tmp_path: Path) -> None:
    for name, size in {
        "objects/model": 7,
        "objects/updates/one": 11,
        "objects/updates/two": 13,
        "superlink.db": 17,
        "superlink.db-wal": 19,
        "report.json": 23,
        "config.toml": 29,
        "participants/client-01/replies/reply.json": 31,
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(bytes(size))
    (tmp_path / "latest").symlink_to(tmp_path / "config.toml")
    assert folder_footprint(tmp_path) == {
        "disk:models": 7,
        "disk:updates": 24,
        "disk:superlink.db": 36,
        "disk:report.json": 23,
        "disk:other": 29,
        "disk:participants": 31,
    }


def test_processes_that_stay_are_found_by_their_program(tmp_path: Path) -> None:
    program = "import threading, time; threading.Thread(target=time.sleep, args=(60,)).start(); print(1, flush=True)"
    log = tmp_path / "log"
    with Supervisor() as supervisor:
        supervisor.start(
            "node", [sys.executable, "-c", program, "flower-supernode"], environment={}, folder=tmp_path, log=log
        )
        while not log.exists() or not log.read_text():
            supervisor.raise_if_any_ended("while starting")
        figures = processes_footprint()
    assert figures["threads:SuperNode 0"] == 2
    assert figures["memory:SuperNode 0"] > 5_000_000
    assert figures["files:SuperNode 0"] >= 3
    assert "memory:SuperNode 1" not in figures
