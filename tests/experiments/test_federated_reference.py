import re

import pytest

from experiments.federated_reference import main


def test_the_tool_prints_a_table_for_both_modes(capsys):
    main(["--clients", "5", "--rounds", "2", "--seeds", "1", "2", "--factors", "8", "--baselines"])
    printed = capsys.readouterr().out
    assert "5 clients, Ials(factors=8" in printed
    held_out, in_training = printed.split("validation items in training")
    assert len(re.findall(r"^  round", held_out, re.MULTILINE)) == 6
    assert "valid." in held_out
    assert not re.search(r"^  round .*valid\.", in_training, re.MULTILINE)
    for name in ("popular", "central", "alone"):
        assert printed.count(f"  {name}") == 4
    assert "nan" not in printed


def test_the_reference_reaches_published_accuracy_on_movielens_1m(data_root, capsys):
    options = "--dataset ml-1m-ncf --clients 10 --rounds 2 --factors 64 --seeds 1"
    main([*options.split(), "--data-root", str(data_root)])
    last = re.findall(r"^  test +ndcg_at_10 +mean (0\.\d+)", capsys.readouterr().out, re.MULTILINE)
    assert float(last[-1]) == pytest.approx(0.43, abs=0.02)
