"""Which runs are killed, and what must be the same afterwards."""

import importlib
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from client.state import ClientState
from common.wire import PEER_EVALUATION
from server.run_folder import RunFolder
from server.tensorboard_events import _scalars_in
from tests.killed_runs import Scene, ledger_of, play
from tests.server.test_resume import failing, outcome
from tests.small_federation import SETTINGS, PlayedRun, prepare, rated_dataset

SCENES = ("ials", "replies kept", "ncf", "mf")


def without_scores(message: Any, context: Any, honest: Any) -> Any:
    if message.metadata.message_type == PEER_EVALUATION:
        raise OSError("no scores today")
    return honest(message, context)


def scene_of(name: str, folder: Path) -> Scene:
    """Make a scene below `folder`.

    ials: client 1 always fails, client 4 sends no scores. replies kept: every client keeps its replies, its state,
    what compression has left unsent and what it learnt for its users, one sends no scores, and there are TensorBoard
    events. ncf: the second round is the first after the warm start.
    """
    participants = folder / "participants"
    if name == "ials":
        return Scene(prepare(participants), {1: failing, 4: without_scores})
    if name == "replies kept":
        settings = replace(SETTINGS, compression="top-rows", personalisation="gate")
        return Scene(prepare(participants, settings), {2: without_scores}, keeps_replies=True, tensorboard=True)
    if name == "ncf":
        importlib.import_module("common.models.ncf_network")  # brings torch, once for all children
        settings = replace(SETTINGS, model="ncf", variant="neumf", warm_start_rounds=1)
        return Scene(prepare(participants, settings), {1: failing})
    return Scene(prepare(participants, replace(SETTINGS, model="mf"), rated_dataset()), {3: without_scores})


def expect_the_same_after_every_kill(scene: Scene, folder: Path, at_most: int | None = None) -> int:
    """Kill before each step, or before about `at_most` of them, and resume; return how many kills there were."""
    undisturbed = place(scene, folder / "undisturbed")
    steps = play(scene, undisturbed, lines=True)
    assert steps is not None
    expected = left_behind(scene, undisturbed)
    numbers = _worth_a_kill(steps)
    if at_most is not None:  # spread evenly, from half a distance on
        numbers = numbers[len(numbers) // (2 * at_most) :: len(numbers) // at_most]
    for number in numbers:
        at = place(scene, folder / "killed")
        assert play(scene, at, number, lines=True) is None
        assert play(scene, at) is not None
        assert left_behind(scene, at) == expected, f"killed before step {number}, {steps[number - 1]}"
        shutil.rmtree(at)
    return len(numbers)


def _worth_a_kill(steps: Sequence[str]) -> list[int]:
    """Return the numbers of all steps, but of a line that is met many times only the first and the last time.

    Lines change nothing that outlives the process: between two effects one is as good as another.
    """
    first, last = {}, {}
    for number, step in enumerate(steps, start=1):
        first.setdefault(step, number)
        last[step] = number
    return [
        number
        for number, step in enumerate(steps, start=1)
        if ".py:" not in step or number in (first[step], last[step])
    ]


def left_behind(scene: Scene, folder: Path) -> dict[str, Any]:
    """Everything that must not depend on kills: all but times, and the order of events."""
    run = PlayedRun(folder / "run", ledger_of(scene, folder))
    found = outcome(run)
    events = run.folder / "tensorboard"
    found["files"] = {name: data for name, data in found["files"].items() if not name.startswith("tensorboard/")}
    found["scalars"] = {(tag, step) for tag, step in _scalars_in(events)} if scene.tensorboard else None
    found["checkpoint"] = RunFolder(run.folder).load_checkpoint().settlement  # type: ignore[union-attr]
    if scene.keeps_replies:
        clients = sorted((folder / "participants").iterdir())
        found["states"] = [ClientState.load(client) for client in clients]
        found["client files"] = {
            str(path.relative_to(folder)): path.read_bytes()
            for client in clients
            for path in sorted(client.rglob("*"))
            if path.is_file()
        }
    return found


def place(scene: Scene, folder: Path) -> Path:
    """Make a folder to play in, with client folders of its own where clients keep something."""
    folder.mkdir()
    if scene.keeps_replies:
        for client_dir in scene.federation.client_dirs:
            shutil.copytree(client_dir, folder / "participants" / client_dir.name)
    return folder
