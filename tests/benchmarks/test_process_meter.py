import subprocess
import sys
import time

from benchmarks.process_meter import CLIENT, ProcessMeter

# Touches 150 MB, gives them back, works for a while, and bears the name that Flower's client processes have.
WORK = """
import time
memory = bytearray(150_000_000)
del memory
while time.process_time() < 0.5: pass
print("worked", flush=True)
time.sleep(1)
"""


def test_time_and_greatest_memory_of_processes_that_have_ended_are_known() -> None:
    with ProcessMeter(0.02) as meter:
        began = time.time()
        for _ in range(2):  # one after the other
            subprocess.run([sys.executable, "-c", WORK, "flwr-clientapp"], check=True)
    processes = meter.client_processes(began, time.time())
    cpu_seconds = meter.cpu_between(began, processes[-1].last_seen)
    assert 0.8 < cpu_seconds[CLIENT] <= cpu_seconds["all"] + 0.1
    assert len(processes) == 2
    for process in processes:
        assert 150_000_000 < process.peak_rss < 250_000_000
        assert 0.4 < process.cpu_seconds < 2
        assert began < process.first_seen < process.last_seen


def test_processor_time_of_a_grandchild_counts_while_it_runs_and_when_it_is_collected() -> None:
    child = (
        f"import subprocess, sys; subprocess.run([sys.executable, '-c', {WORK!r}]); "
        "print('collected', flush=True); input()"
    )
    with ProcessMeter(0.02) as meter:
        began = time.time()
        with subprocess.Popen(
            [sys.executable, "-c", child], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            times = {process.stdout.readline().strip(): time.time() for _ in range(2)}
            at_work = meter.cpu_between(began, times["worked"])["all"]
            collected = meter.cpu_between(began, times["collected"])["all"]
            process.communicate("\n")
    assert 0.4 < at_work < collected + 0.1
    assert 0.45 < collected < 3  # the kernel counts in hundredths, and a time between two looks is interpolated
