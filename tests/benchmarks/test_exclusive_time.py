from contextlib import suppress
from types import SimpleNamespace

from benchmarks.exclusive_time import ExclusiveTimes


def test_each_second_belongs_to_the_innermost_part() -> None:
    now = 0.0

    def spend(seconds: float) -> None:
        nonlocal now
        now += seconds

    def outer() -> None:
        spend(1)
        module.inner()
        spend(2)

    module = SimpleNamespace(outer=outer, inner=lambda: spend(10))
    times = ExclusiveTimes(lambda: now, "the rest")
    times.wrap("outside", module, "outer")
    times.wrap("inside", module, "inner")
    spend(100)
    module.outer()
    spend(100)
    assert times.stop() == {"the rest": 200, "outside": 3, "inside": 10}


def test_a_part_ends_with_an_error_too() -> None:
    def fail() -> None:
        raise ZeroDivisionError

    clock = iter([0.0, 1.0, 3.0, 6.0])
    times = ExclusiveTimes(lambda: next(clock), "the rest")
    module = SimpleNamespace(fail=fail)
    times.wrap("failing", module, "fail")
    with suppress(ZeroDivisionError):
        module.fail()
    assert times.stop() == {"the rest": 1 + 3, "failing": 2}
