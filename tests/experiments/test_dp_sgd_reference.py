from experiments.dp_sgd_reference import main


def test_the_table_has_a_row_for_every_noise_multiplier_with_its_epsilon(capsys):
    main(["--seeds", "1", "--rounds", "1", "--steps", "2", "--negatives", "2", "--no-baselines"])
    rows = [line.split(" | ") for line in capsys.readouterr().out.splitlines() if line.startswith("| federated")]
    assert [row[1] for row in rows] == ["3.3", "6", "11"]
    epsilons = [float(row[2]) for row in rows]
    assert epsilons == sorted(epsilons, reverse=True)
    assert 0 < epsilons[-1] < epsilons[0] < 4.4
