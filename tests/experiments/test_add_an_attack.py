"""docs/add-an-attack.md, followed to the letter: its two files and its two lines, in a run."""

import json
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from experiments import robustness
from experiments.attacks.suite import ATTACKS
from experiments.defences.defence import trial
from experiments.defences.table import DEFENCES
from experiments.robustness import main

PAGE = Path(__file__).parents[2] / "docs" / "add-an-attack.md"
FILES = re.findall(r"`(experiments/\w+/\w+\.py)`:\n\n```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
LINES = dict(re.findall(r'```python\n    "([\w-]+)": (.+),\n```', PAGE.read_text()))


@pytest.fixture
def followed(monkeypatch):
    """What the page's files define, with its lines in the tables."""
    defined = {"trial": trial}
    for path, code in FILES:
        module = ModuleType(path.removesuffix(".py").replace("/", "."))
        monkeypatch.setitem(sys.modules, module.__name__, module)
        exec(compile(code, path, "exec"), module.__dict__)  # noqa: S102 - the page is ours
        defined |= module.__dict__
    monkeypatch.setitem(ATTACKS, "mixed-up", eval(LINES["mixed-up"], defined))  # noqa: S307
    monkeypatch.setitem(DEFENCES, "geometric-median", eval(LINES["geometric-median"], defined))  # noqa: S307
    return defined


def test_the_page_has_a_file_and_a_line_for_each():
    assert [path for path, _ in FILES] == [
        "experiments/attacks/mixed_up.py",
        "experiments/defences/geometric_median.py",
    ]
    assert set(LINES) == {"mixed-up", "geometric-median"}


def test_the_attack_does_harm_and_the_defence_fuses(followed, tmp_path, monkeypatch):
    monkeypatch.setattr(robustness, "processes", lambda workers: ThreadPoolExecutor(1))
    small = ["--datasets", "ml-latest-small-2016", "--clients", "5", "--rounds", "3", "--factors", "8", "--seeds", "1"]
    played = ["--attacks", "mixed-up", "--defences", "none", "median", "geometric-median", "--betas", "0", "0.4"]
    main([*small, *played, "--out", str(tmp_path)])
    cells = json.loads((tmp_path / "robustness.json").read_text())["datasets"]["ml-latest-small-2016"]["cells"]
    ndcg = {(one["attack"], one["defence"]): one["final"]["ndcg_at_10"] for one in cells}
    assert ndcg["mixed-up", "none"] < ndcg["clean", "none"] - 0.01
    assert ndcg["mixed-up", "geometric-median"] > 0
    assert ndcg["mixed-up", "geometric-median"] != ndcg["mixed-up", "median"]
    page = (tmp_path / "robustness.md").read_text()
    assert "`--aggregation median --defence scores`, with the rule geometric_median in its place |" in page


def test_the_geometric_median_is_near_the_many_and_not_the_mean(followed):
    stacked = {"x": np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0], [100.0, 100.0]])}
    median = followed["geometric_median"](stacked, ["x"])["x"]
    assert np.abs(median - 0.5).max() < 0.6
    assert stacked["x"].mean(axis=0)[0] > 20
