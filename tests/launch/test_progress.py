import io
import json
import re
from types import SimpleNamespace

import pytest
from rich.console import Console

from common.data.partition import ClientSummary
from launch.progress import RunProgress, ending_line, partition_table, say_what_came_out, say_what_starts, short_account

ACCOUNTS = [f"0x{digit * 40}" for digit in "abc"]
COLOURS = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]|\r")


def console(*, terminal=False):
    return Console(file=io.StringIO(), width=80, force_terminal=terminal, color_system=None)


def text_of(console):
    return COLOURS.sub("", console.file.getvalue())


def report(rounds=2, **ledger):
    rows = [
        {
            "round": number,
            "participants": 3,
            "hit_ratio_at_10": 0.6348,
            "ndcg_at_10": 0.4012,
            "full_ndcg_at_10": None,
            "seconds": 123.4,
            "train_seconds": 60.0,
            "score_seconds": 60.0,
            "settle_seconds": 3.4,
            "gas": 1_195_415,
            "gain": {ACCOUNTS[0]: 0.0671, ACCOUNTS[1]: -0.0209},
            "reputation": dict.fromkeys(ACCOUNTS, 0.75),
            "weight": dict.fromkeys(ACCOUNTS, 1 / 3),
            "reward": dict.fromkeys(ACCOUNTS, str(10**26)),
        }
        for number in range(1, rounds + 1)
    ]
    return {
        "rounds": rows,
        "chosen_round": rounds,
        "chosen_as": "the last",
        "stopped_early": None,
        "ledger": {"kind": "anvil", "chain_id": 31337, "settled_rounds": rounds, "verified": True, **ledger},
        "privacy": {"reason": "no noise is added", "unit": None},
        "folder": "/srv/federation/runs/20260101-120000",
        "accounts": ACCOUNTS,
        "start_seconds": 10.0,
        "total_seconds": 3600.0,
    }


def outcome(report):
    screen = console()
    say_what_came_out(screen, report)
    return text_of(screen)


def test_the_outcome_fits_80_columns_and_nothing_is_cut_off():
    text = outcome(report())
    assert max(map(len, text.splitlines())) <= 80
    for whole in (
        "full NDCG@10",
        "1,195,415",
        "0.6348",
        "0.4012",
        "\N{EN DASH}",
        "+0.0671",
        "-0.0209",
        "200,000,000.00",
    ):
        assert whole in text
    assert text.count("…") == len(ACCOUNTS)


def test_a_model_of_ratings_is_shown_by_its_errors():
    rated = report()
    for row, errors in zip(rated["rounds"], ({"rmse": 0.9453, "mae": 0.7246}, {}), strict=True):
        row.update(errors)
    text = outcome(rated)
    assert max(map(len, text.splitlines())) <= 80
    for shown in ("RMSE", "MAE", "0.9453", "0.7246", "NDCG@10", "\N{EN DASH}"):
        assert shown in text
    assert "HR@10" not in text
    assert "RMSE" not in outcome(report())


def test_every_client_has_its_number_and_a_short_account():
    lines = [line.split() for line in outcome(report()).splitlines()]
    assert [line[1] for line in lines if line[:1] in (["1"], ["2"], ["3"]) and "…" in line[1]] == [
        "0xaaaa…aaaa",
        "0xbbbb…bbbb",
        "0xcccc…cccc",
    ]
    assert short_account(ACCOUNTS[0]) == "0xaaaa…aaaa"


def test_the_last_lines_say_where_time_record_and_report_are():
    time_line, ledger_line, privacy_line, report_line = outcome(report()).splitlines()[-4:]
    assert time_line == "Time    3600.0 s: start 10.0, train 120.0, score 120.0, settle 6.8, rest 3343.2"
    assert ledger_line == "Ledger  Anvil; chain id 31337; 2 rounds settled; evidence agrees"
    assert privacy_line == "Privacy no epsilon: no noise is added"
    assert report_line == "Report  /srv/federation/runs/20260101-120000/report.html"


def test_an_epsilon_comes_with_unit_adjacency_delta_and_observer():
    stated = {"reason": None, "unit": "client", "adjacency": "zero-out", "epsilon_committee": 11.493, "delta": 1e-5}
    said = " ".join(outcome(report() | {"privacy": stated}).split())
    assert "epsilon 11.5 for one client (zero-out, delta 1e-05), against the coordinator and the committee" in said


@pytest.mark.parametrize("kind", ["memory", "embedded", "anvil", "external"])
def test_every_kind_of_ledger_is_named_and_a_false_one_is_told(kind):
    text = outcome(report(rounds=1, kind=kind, verified=False))
    assert "1 round settled; evidence DIFFERS" in text
    assert max(map(len, text.splitlines())) <= 80


def test_a_run_that_ended_early_says_why_and_with_which_model():
    played = report(rounds=4)
    assert ending_line(played) is None
    played |= {"chosen_round": 2, "chosen_as": "the best on validation"}
    played |= {"stopped_early": "no model of 2 rounds was better than that of round 2"}
    assert ending_line(played) == (
        "Ended   early: no model of 2 rounds was better than that of round 2; with the model of round 2, the best on "
        "validation"
    )


def test_a_report_below_the_working_folder_is_shown_as_one_would_type_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shown = outcome(report() | {"folder": str(tmp_path / "runs" / "[bold]")}).splitlines()[-1]
    assert shown == "Report  runs/[bold]/report.html"


def summaries(count):
    return [ClientSummary(client, 1_000, 1_000_000, 10_000, 141.3, "Documentary") for client in range(count)]


def test_many_clients_are_shown_in_part():
    screen = console()
    screen.print(partition_table(summaries(1_234)))
    text = text_of(screen)
    assert "and 1,224 more" in text
    assert max(map(len, text.splitlines())) <= 80
    many = report() | {"accounts": ACCOUNTS * 5}
    assert "and 5 more" in outcome(many)


def test_the_start_names_chain_and_contract_in_full():
    ready = SimpleNamespace(
        summary=summaries(2),
        chain_url="http://127.0.0.1:52665",
        federation=SimpleNamespace(chain_kind="anvil"),
        ledger=SimpleNamespace(verifying_contract=ACCOUNTS[0]),
    )
    screen = console()
    say_what_starts(screen, ready)
    assert "Chain   anvil at http://127.0.0.1:52665\n" in text_of(screen)
    assert f"Ledger  contract {ACCOUNTS[0]}\n" in text_of(screen)
    ready.chain_url = ""
    screen = console()
    say_what_starts(screen, ready)
    assert "Chain" not in text_of(screen)


def write_rows(path, *ndcgs):
    path.write_text(json.dumps({"rounds": [{"ndcg_at_10": ndcg} for ndcg in ndcgs]}))


def test_without_a_terminal_each_settled_round_is_one_line(tmp_path):
    screen, path = console(), tmp_path / "report.json"
    with RunProgress(screen, 3) as progress:
        progress.say("preparing")
        progress.look_at(path)  # nothing there yet
        for rows in ([], [None], [None], [0.3941, None]):
            write_rows(path, *rows)
            progress.look_at(path)
    assert text_of(screen) == "Round 1 of 3 is settled.\nRound 2 of 3 is settled · NDCG@10 0.394.\n"


def test_progress_tells_the_error_of_a_model_of_ratings(tmp_path):
    screen, path = console(), tmp_path / "report.json"
    with RunProgress(screen, 2) as progress:
        rows = [{"ndcg_at_10": 0.2, "rmse": 0.9453}, {"ndcg_at_10": None}]
        path.write_text(json.dumps({"rounds": rows}))
        progress.look_at(path)
    assert text_of(screen) == "Round 2 of 2 is settled · RMSE 0.945.\n"


def test_on_a_terminal_a_bar_shows_the_round(tmp_path):
    screen, path = console(terminal=True), tmp_path / "report.json"
    with RunProgress(screen, 2) as progress:
        for rows, words in (([], "round 1"), ([None], "round 2"), ([0.3941, None], "measuring the last model")):
            write_rows(path, *rows)
            progress.look_at(path)
            progress._bar.refresh()
            assert words in text_of(screen)
    text = text_of(screen)
    assert "NDCG@10 0.394" in text
    assert "2/2" in text.splitlines()[-1]
    assert "done" in text.splitlines()[-1]
    assert "settled" not in text


def test_a_failed_run_leaves_its_sentence_alone():
    screen = console()
    with pytest.raises(ZeroDivisionError), RunProgress(screen, 3) as progress:
        progress.say("preparing")
        raise ZeroDivisionError
    assert screen.file.getvalue() == ""
    screen = console(terminal=True)
    with pytest.raises(ZeroDivisionError), RunProgress(screen, 3):
        raise ZeroDivisionError
    # the bar's line is erased: the last thing a terminal is told is to clear it
    assert screen.file.getvalue().rstrip().endswith(("\x1b[2K", "\x1b[?25h"))
    assert "\x1b[1A\x1b[2K" in screen.file.getvalue()
