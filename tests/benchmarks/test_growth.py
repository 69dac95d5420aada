import pytest

from benchmarks.growth import Allowance, gain, growths, slope

ALLOWED = {"disk": Allowance(10, "by design"), "memory": Allowance(0, "nothing stays")}


def test_a_steady_gain_is_found_to_the_byte() -> None:
    assert slope([100 + 7 * number for number in range(20)]) == 7


def test_a_spike_or_a_single_step_is_no_gain() -> None:
    assert slope([5] * 9 + [900] + [5] * 9) == 0
    assert slope([5] * 15 + [8] * 5) == 0


def test_a_gain_that_comes_every_second_round_is_one() -> None:
    assert slope([number // 2 * 2 for number in range(20)]) == pytest.approx(1, abs=0.2)


def test_what_grows_faster_than_it_may_is_named() -> None:
    samples = [
        {"disk:evidence": 11.0 * number, "disk:models": 10.0 * number, "memory:chain": 50.0} for number in range(9)
    ]
    found = growths(samples, ALLOWED, warm_up=2)
    assert [growth.name for growth in found if growth.too_fast] == ["disk:evidence"]
    assert found[0].first == 22


def test_an_allowance_for_one_figure_goes_before_that_for_its_kind() -> None:
    samples = [{"disk:evidence": 11.0 * number} for number in range(9)]
    allowed = ALLOWED | {"disk:evidence": Allowance(11, "by design")}
    assert not growths(samples, allowed, warm_up=2)[0].too_fast


def test_the_warm_up_is_not_looked_at() -> None:
    samples = [{"memory:chain": 1000.0 * number} for number in range(5)] + [{"memory:chain": 5000.0}] * 5
    assert not growths(samples, ALLOWED, warm_up=5)[0].too_fast


def test_a_figure_without_an_allowance_is_refused() -> None:
    with pytest.raises(KeyError):
        growths([{"threads:chain": 1.0}] * 5, ALLOWED, warm_up=0)


def test_a_process_that_is_not_always_there_is_refused() -> None:
    with pytest.raises(ValueError, match="memory:chain is not there after every round"):
        growths([{"memory:chain": 1.0}, {}], ALLOWED, warm_up=0)


def test_what_rises_and_is_collected_again_gains_nothing_and_a_leak_has_both() -> None:
    sawtooth = [100.0 + 10 * at for at in range(12)] + [90.0] * 8
    leak = [100.0 + 10 * at for at in range(20)]
    assert slope(sawtooth[:14]) > 5
    assert gain(sawtooth) < 0
    assert gain(leak) == slope(leak) == 10
