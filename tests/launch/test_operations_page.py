"""The page of operations names what is there: every metric, every kind of reason, every command's flags."""

import re
from pathlib import Path

import pytest

from launch.arguments import parser
from launch.metrics import RunCollector
from launch.workspace import PROJECT_ROOT
from server.reason_class import REASON_CLASSES
from server.run_status import STATUS_FILE, read_status
from tests.small_federation import prepare

PAGE = (PROJECT_ROOT / "docs" / "operations.md").read_text()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The names of all samples of a run that goes on."""
    folder = tmp_path_factory.mktemp("page")
    prepare(folder / "participants").play(folder / "run")
    said = read_status(folder / "run")
    assert said is not None
    waiting = (
        said.to_bytes()
        .replace(b'"phase": "done"', b'"phase": "train"')
        .replace(b'"deadline": null', b'"deadline": 1.0')
    )
    (folder / "run" / STATUS_FILE).write_bytes(waiting)
    collector = RunCollector(folder / "run", lambda: 3)
    return {sample.name for metric in collector.collect() for sample in metric.samples}


def test_every_metric_on_the_page_is_served_and_every_served_one_is_on_the_page(served: set[str]) -> None:
    written = set(re.findall(r"\btfedrs_[a-z0-9_]+", PAGE))
    assert written - served == {"tfedrs_rmse_stars"}  # only of a model that predicts ratings
    assert {name for name in served - written if "_process_" not in name} == set()


def test_every_kind_of_reason_is_on_the_page() -> None:
    (kinds,) = re.findall(r"reason, one of twelve: ([a-z_, ]+)", PAGE)
    assert tuple(kinds.strip().split(", ")) == REASON_CLASSES
    assert len(REASON_CLASSES) == 12


def test_every_command_line_on_the_page_is_understood() -> None:
    lines = re.findall(r"tfedrs ((?:status|doctor|backup|restore) [^`\n|]+?)(?:`|$)", PAGE, re.MULTILINE)
    assert len(lines) >= 8
    for line in lines:
        words = [word.strip("[]").replace("DIR", "x").replace("FILE", "y") for word in line.split()]
        parsed = parser().parse_args(words)
        assert parsed.command == words[0]
        assert isinstance(parsed.folder if words[0] != "restore" else parsed.into, Path)
