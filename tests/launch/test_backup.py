"""A backup taken at any moment of a run, restored elsewhere, goes on to the same bytes; and is what it says it is."""

import io
import json
import os
import shutil
import stat
import tarfile
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from client.app import build_app
from common.config import Settings
from common.errors import CheckFailed, EnvironmentFailure, WrongUse
from launch import cli
from launch.commands import backup as command
from launch.commands.backup import backup, restore
from launch.in_process_grid import InProcessGrid
from launch.prepared_run import PreparedRun, prepared_run
from launch.resumed_run import resumed_run
from launch.run_options import RunOptions
from server.coordinator import coordinate
from server.federation import load_federation, load_secrets, save_federation
from server.ledger import Ledger
from server.only_run import only_run
from server.run_folder import RunFolder
from tests.launch.small_data import COLUMNS, write_small_csv

TIMES = ("seconds", "train_seconds", "score_seconds", "settle_seconds")
Look = Callable[[str], None]


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    csv = write_small_csv(tmp_path_factory.mktemp("data") / "ratings.csv")
    return Settings(dataset=f"csv:{csv}", csv_columns=COLUMNS, clients=3, rounds=3, factors=4, probe_pairs=20, seed=5)


def options(out: Path, chain: str = "memory") -> RunOptions:
    return RunOptions(out, chain, None, None, None)


def play(ready: PreparedRun, settings: Settings, look: Look = lambda moment: None) -> None:
    """Play a run to its end with clients that keep their replies; `look` is called while clients work."""
    honest = build_app()
    calls: dict[str, int] = {}

    class Watched(InProcessGrid):
        def _answer(self, message: Any) -> Any:
            kind = message.metadata.message_type
            calls[kind] = calls.get(kind, 0) + 1
            look(f"{kind} {calls[kind]}")
            return super()._answer(message)

    _, secret = load_secrets(ready.federation.folder)
    grid = Watched(honest, ready.client_dirs, on_reply=lambda: None)
    with only_run(ready.federation.folder):
        coordinate(grid, settings, ready.federation, secret, ready.ledger, ready.folder)


def outcome(run: Path) -> dict[str, Any]:
    report = json.loads((run / "report.json").read_bytes())
    report["rounds"] = [{key: row[key] for key in row if key not in TIMES} for row in report["rounds"]]
    folder = RunFolder(run)
    return {
        "report": report,
        "evidence": [folder.get_evidence(number + 1) for number in range(len(report["rounds"]))],
        "objects": {path.name: path.read_bytes() for path in (run / "objects").rglob("*") if len(path.name) == 64},
        "received": {path.name: path.read_bytes() for path in (run / "objects").rglob("received-*")},
        "rewards": (run / "coordinator" / "deployment.rewards.json").read_bytes(),
    }


MOMENTS = ("train 1", "train 2", "evaluate.peer 1", "train 4", "train 6", "evaluate.peer 5", "train 8", "evaluate 2")


def test_a_backup_of_any_moment_goes_on_elsewhere_to_the_same_bytes(settings: Settings, tmp_path: Path) -> None:
    """Before the first answer, between two, while peers score, in each round, and while the last model is measured."""
    taken: dict[str, tuple[bool, Ledger]] = {}
    with prepared_run(settings, options(tmp_path / "run")) as ready:

        def look(moment: str) -> None:
            if moment in MOMENTS:
                done = backup(tmp_path / "run", tmp_path / f"{moment}.tar")
                taken[moment] = done["run_went_on"], deepcopy(ready.ledger)

        play(ready, settings, look)
    undisturbed = outcome(tmp_path / "run")
    assert undisturbed["report"]["ledger"]["verified"] is True
    assert tuple(taken) == MOMENTS
    settled = []
    for moment, (went_on, ledger) in taken.items():
        assert went_on
        elsewhere = tmp_path / "elsewhere" / moment
        restore(tmp_path / f"{moment}.tar", elsewhere)
        checkpoint = RunFolder(elsewhere).load_checkpoint()
        settled.append(checkpoint and checkpoint.settled_rounds)
        client_dirs = sorted((elsewhere / "participants").iterdir())
        federation = load_federation(elsewhere / "coordinator")
        play(replace(ready, folder=elsewhere, federation=federation, client_dirs=client_dirs, ledger=ledger), settings)
        assert outcome(elsewhere) == undisturbed, moment
    assert settled == [0, 0, 0, 1, 1, 1, 2, 3]


@pytest.mark.parametrize("moment", ["evaluate.peer 2", "train 5"])
def test_a_chain_of_its_own_is_taken_at_the_same_moment(settings: Settings, tmp_path: Path, moment: str) -> None:
    """On a chain that is its own process, whose journal is part of the backup."""

    def look(now: str) -> None:
        if now == moment:
            backup(tmp_path / "run", tmp_path / "run.tar")

    with prepared_run(settings, options(tmp_path / "run", "embedded")) as ready:
        play(ready, settings, look)
    restore(tmp_path / "run.tar", tmp_path / "elsewhere")
    with resumed_run(tmp_path / "elsewhere", settings, "auto") as ready:
        play(ready, settings)
    assert outcome(tmp_path / "elsewhere") == outcome(tmp_path / "run")


def test_a_backup_at_rest_has_everything_but_what_every_start_makes_anew(settings: Settings, tmp_path: Path) -> None:
    run = tmp_path / "run"
    with prepared_run(settings, options(run, "embedded")) as ready:
        play(ready, settings)
    for left_out in ("superlink.db", "superlink.db-wal", "logs/x.log", "flower/x", "tls/server.key", ".status.json"):
        (run / left_out).parent.mkdir(exist_ok=True)
        (run / left_out).write_text("x")
    done = backup(run / "coordinator", tmp_path / "run.tar")
    assert (done["kind"], done["run_went_on"], done["tries"]) == ("federation", False, 1)
    restore(tmp_path / "run.tar", tmp_path / "again")
    kept = {str(path.relative_to(tmp_path / "again")) for path in (tmp_path / "again").rglob("*") if path.is_file()}
    there = {str(path.relative_to(run)) for path in run.rglob("*") if path.is_file()}
    missing = {name for name in there - kept if not name.startswith(("superlink.db", "logs/", "flower/", "tls/"))}
    assert missing == {".status.json", "status.json", "coordinator/run.lock", "chain/embedded.log"}
    assert not kept - there
    assert outcome(tmp_path / "again") == outcome(run)


def test_keys_and_the_archive_are_for_their_owner_alone(settings: Settings, tmp_path: Path) -> None:
    os.umask(0o022)
    with prepared_run(settings, options(tmp_path / "run")) as ready:
        play(ready, settings)
    backup(tmp_path / "run", tmp_path / "run.tar")
    restore(tmp_path / "run.tar", tmp_path / "again")
    for path in (
        tmp_path / "run.tar",
        *(tmp_path / "again").rglob("account.*"),
        *(tmp_path / "again").rglob("*.secret"),
    ):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    assert stat.S_IMODE((tmp_path / "again").stat().st_mode) == 0o700


def test_the_rewards_of_a_ledger_that_lies_elsewhere_are_in_it(settings: Settings, tmp_path: Path) -> None:
    with prepared_run(settings, options(tmp_path / "run")) as ready:
        given = tmp_path / "keys" / "ledger.json"
        given.parent.mkdir()
        given.write_text("{}")
        (tmp_path / "keys" / "ledger.rewards.json").write_text('{"sequence": 4}')
        save_federation(replace(ready.federation, given_deployment=given), bytes(32))
    backup(tmp_path / "run", tmp_path / "run.tar")
    done = restore(tmp_path / "run.tar", tmp_path / "again")
    assert done["given_ledger"] == str(tmp_path / "again" / "given-ledger")
    assert (tmp_path / "again" / "given-ledger" / "ledger.rewards.json").read_text() == '{"sequence": 4}'


def test_a_participant_is_backed_up_with_its_replies(settings: Settings, tmp_path: Path) -> None:
    with prepared_run(settings, options(tmp_path / "run")) as ready:
        play(ready, settings)
    folder = tmp_path / "run" / "participants" / "client-01"
    (folder / "participant.toml").write_text("name = 'x'")
    (folder / "work").mkdir()
    (folder / "work" / "x").write_text("x")
    assert backup(folder, tmp_path / "one.tar")["kind"] == "participant"
    restore(tmp_path / "one.tar", tmp_path / "again")
    before = {path.name for path in folder.rglob("*") if path.is_file()} - {"x"}
    assert {path.name for path in (tmp_path / "again").rglob("*") if path.is_file()} == before
    assert "update.bin" in before


def test_files_that_change_meanwhile_are_read_again(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What would be half of one moment and half of the next is never kept."""
    monkeypatch.setattr(command, "PAUSE_SECONDS", 0.0)
    run = tmp_path / "run"
    with prepared_run(settings, options(run)) as ready:
        play(ready, settings)
    real, changes = command.ArchiveWriter.add, [3]

    def add(self: Any, path: Path, name: str) -> None:
        real(self, path, name)
        if changes[0] and name == "checkpoint/state.json":
            changes[0] -= 1
            (run / "evidence" / "round-0001.json").write_text(f"change {changes[0]}")

    monkeypatch.setattr(command.ArchiveWriter, "add", add)
    assert backup(run, tmp_path / "run.tar")["tries"] == 4
    restore(tmp_path / "run.tar", tmp_path / "again")
    assert (tmp_path / "again" / "evidence" / "round-0001.json").read_text() == "change 0"
    changes[0] = 10**6
    monkeypatch.setattr(command, "TRIES", 3)
    with pytest.raises(EnvironmentFailure, match="change faster than they are read"):
        backup(run, tmp_path / "never.tar")
    assert not list(tmp_path.glob("*never*"))


def test_anvils_state_is_taken_when_it_has_caught_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is written every second: a younger checkpoint may speak of what is not in it yet."""
    (tmp_path / "chain").mkdir()
    (tmp_path / "chain" / "anvil-state.json").write_text("{}")
    checkpoint = tmp_path / "state.json"
    checkpoint.write_text("{}")
    marks = command._marks(tmp_path)
    assert set(marks) == {"state.json"}
    assert not command._settled_down(tmp_path, marks)
    earlier = checkpoint.stat().st_mtime - 2 * command.QUIET_SECONDS
    os.utime(checkpoint, (earlier, earlier))
    assert command._settled_down(tmp_path, command._marks(tmp_path))
    assert command._anvil_state_is_whole(tmp_path)
    (tmp_path / "chain" / "anvil-state.json").write_text('{"half')
    assert not command._anvil_state_is_whole(tmp_path)


def test_anvils_state_that_a_kill_has_torn_is_taken_with_the_copy_that_mends_it(tmp_path: Path) -> None:
    state, copy = (tmp_path / "chain" / name for name in ("anvil-state.json", "anvil-state.whole.json"))
    state.parent.mkdir()
    state.write_text('{"half')
    copy.write_text("{}")
    assert not command._anvil_state_is_whole(tmp_path)  # it may be written just now
    earlier = state.stat().st_mtime - 2 * command.QUIET_SECONDS
    os.utime(state, (earlier, earlier))
    assert command._anvil_state_is_whole(tmp_path)
    assert "chain/anvil-state.whole.json" in dict(command._selected(tmp_path))
    assert command._marks(tmp_path) == {}
    copy.unlink()
    assert not command._anvil_state_is_whole(tmp_path)


def test_the_archive_and_its_name_are_on_the_disk_when_it_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder is removed after its backup: the only copy must outlive a power cut then."""
    (tmp_path / "participant").mkdir()
    (tmp_path / "participant" / "participant.toml").write_text("name = 'x'")
    flushed: list[tuple[bool, bool]] = []

    def fsync(descriptor: int) -> None:
        is_folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
        flushed.append((is_folder, (tmp_path / "small.tar").exists()))

    monkeypatch.setattr(os, "fsync", fsync)
    backup(tmp_path / "participant", tmp_path / "small.tar")
    assert flushed == [(False, False), (True, True)]


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    folder = tmp_path / "participant"
    folder.mkdir()
    (folder / "participant.toml").write_text("name = 'x'")
    (folder / "account.pass").write_text("secret")
    backup(folder, tmp_path / "small.tar")
    return tmp_path / "small.tar"


def rewritten(archive: Path, change: Callable[[tarfile.TarInfo, bytes], tuple[tarfile.TarInfo, bytes] | None]) -> Path:
    other = archive.with_name("other.tar")
    with tarfile.open(archive) as old, tarfile.open(other, "w") as new:
        for entry in old:
            content = old.extractfile(entry)
            assert content is not None
            changed = change(entry, content.read())
            if changed is not None:
                changed[0].size = len(changed[1])
                new.addfile(changed[0], io.BytesIO(changed[1]))
    return other


def renamed(name: str) -> Callable[[tarfile.TarInfo, bytes], tuple[tarfile.TarInfo, bytes]]:
    def change(entry: tarfile.TarInfo, content: bytes) -> tuple[tarfile.TarInfo, bytes]:
        if entry.name == "account.pass":
            entry.name = name
        return entry, content

    return change


def linked(kind: bytes) -> Callable[[tarfile.TarInfo, bytes], tuple[tarfile.TarInfo, bytes]]:
    def change(entry: tarfile.TarInfo, content: bytes) -> tuple[tarfile.TarInfo, bytes]:
        if entry.name == "account.pass":
            entry.type, entry.linkname = kind, "/etc/passwd"
            return entry, b""
        return entry, content

    return change


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (renamed("../outside"), "was not made by `tfedrs backup`"),
        (renamed("/../outside"), "was not made by|is missing"),
        (renamed("other"), "account.pass is missing"),
        (linked(tarfile.SYMTYPE), "is no plain file"),
        (linked(tarfile.LNKTYPE), "is no plain file"),
        (linked(tarfile.CHRTYPE), "is no plain file"),
        (lambda entry, content: (entry, content.replace(b"secret", b"Secret")), "account.pass was altered"),
        (lambda entry, content: None if entry.name == "backup.json" else (entry, content), "is no whole backup"),
        (lambda entry, content: None if entry.name == "account.pass" else (entry, content), "account.pass is missing"),
    ],
)
def test_an_archive_that_was_altered_leaves_nothing(
    archive: Path, change: Callable[[tarfile.TarInfo, bytes], Any], sentence: str
) -> None:
    before = set(archive.parent.iterdir()) | {archive.with_name("other.tar")}
    with pytest.raises(CheckFailed, match=sentence):
        restore(rewritten(archive, change), archive.parent / "into")
    assert set(archive.parent.iterdir()) == before


def test_an_archive_that_was_cut_off_or_is_none_leaves_nothing(archive: Path) -> None:
    archive.write_bytes(archive.read_bytes()[:1500])
    with pytest.raises(CheckFailed, match=r"is damaged|is no whole backup"):
        restore(archive, archive.parent / "into")
    archive.write_bytes(b"no tar at all")
    with pytest.raises(CheckFailed, match="is damaged"):
        restore(archive, archive.parent / "into")
    with pytest.raises(WrongUse, match="cannot be read"):
        restore(archive.with_name("missing.tar"), archive.parent / "into")
    assert not (archive.parent / "into").exists()


def test_nothing_is_overwritten(archive: Path, tmp_path: Path) -> None:
    content = archive.read_bytes()
    with pytest.raises(WrongUse, match="exists already"):
        backup(tmp_path / "participant", archive)
    assert archive.read_bytes() == content
    (tmp_path / "into").mkdir()
    (tmp_path / "into" / "x").write_text("x")
    with pytest.raises(WrongUse, match="is there already"):
        restore(archive, tmp_path / "into")
    assert [path.name for path in (tmp_path / "into").iterdir()] == ["x"]
    (tmp_path / "into" / "x").unlink()
    assert restore(archive, tmp_path / "into")["kind"] == "participant"


def test_what_cannot_be_backed_up_is_wrong_use(tmp_path: Path, archive: Path) -> None:
    shutil.rmtree(tmp_path / "participant" / "none", ignore_errors=True)
    with pytest.raises(WrongUse, match="nothing to back up"):
        backup(tmp_path, tmp_path / "x.tar")
    with pytest.raises(WrongUse, match="would lie in the folder"):
        backup(tmp_path / "participant", tmp_path / "participant" / "x.tar")
    with pytest.raises(WrongUse, match="is no folder; make it"):
        backup(tmp_path / "participant", tmp_path / "missing" / "x.tar")


def test_the_commands_say_what_they_did(archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["backup", str(tmp_path / "participant"), "--out", str(tmp_path / "again.tar")]) == 0
    assert capsys.readouterr().out.startswith(f"{tmp_path / 'again.tar'} holds 2 files, ")
    assert cli.main(["restore", str(tmp_path / "again.tar"), "--into", str(tmp_path / "into")]) == 0
    assert f"{tmp_path / 'into'} is a participant again" in capsys.readouterr().out
