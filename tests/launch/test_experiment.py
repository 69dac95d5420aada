"""`tfedrs experiment`: every module with a table or figure has its name there."""

import sys

import pytest

from launch import cli
from launch.commands.experiment import experiments


def test_every_experiment_is_listed_with_its_first_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["experiment"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(experiments()) >= 9
    assert all(len(line.split("  ", 1)[1].strip()) > 20 for line in lines)
    assert any(line.startswith("participation ") for line in lines)


@pytest.mark.parametrize("name", experiments())
def test_each_has_a_help_of_its_own(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        cli.main(["experiment", name, "--help"])
    assert end.value.code == 0
    assert "usage:" in capsys.readouterr().out


def test_another_name_is_refused_in_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["experiment", "alchemy"]) == 2
    assert capsys.readouterr().err.startswith("tfedrs: There is no experiment 'alchemy'; choose one of accuracy, ")


def test_packages_of_the_extra_that_are_not_there_are_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.manifold", None)  # as if it were not installed
    monkeypatch.delitem(sys.modules, "experiments.embeddings", raising=False)
    monkeypatch.delitem(sys.modules, "experiments.embedding_picture", raising=False)
    assert cli.main(["experiment", "embeddings"]) == 2
    assert "This experiment needs sklearn.manifold, which a run does not: pip install" in capsys.readouterr().err
