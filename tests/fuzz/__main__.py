"""Changed inputs for every decoder, until the number is reached.

    python -m tests.fuzz [--inputs 100000] [--seed 1] [--decoder NAME]
    python -m tests.fuzz --decoder NAME --replay FILE

An input that a decoder does not stand is written to `fuzz-failures/`, with the command that gives it to the decoder
again. The same seed gives the same inputs.
"""

import argparse
import hashlib
import mmap
import os
import random
import re
import struct
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from tests.fuzz.bounds import Broken, limit_address_space, tried
from tests.fuzz.decoder import Decoder
from tests.fuzz.decoders import decoders

MEASURED_EVERY = 16
"""Memory is measured at one input in so many: it takes several times as long."""
FAILURES = Path("fuzz-failures")


@dataclass
class Tally:
    """What became of a decoder's inputs."""

    inputs: int = 0
    accepted: int = 0
    slowest: float = 0.0
    failures: int = 0


_FORM = struct.Struct("<qqqdq")
"""The number of the input that is being read, and the tally so far: shared with the process that reads."""


def fuzz(decoder: Decoder, inputs: int, seed: int, failures: Path = FAILURES) -> Tally:
    """Give a decoder its valid inputs and so many changed ones; say on stderr what it does not stand.

    It is read in a process of its own: an input that takes the process with it is a failure like any other.
    """
    with mmap.mmap(-1, _FORM.size) as shared:
        shared[:] = _FORM.pack(-len(decoder.inputs), 0, 0, 0.0, 0)
        while (number := _FORM.unpack(shared)[0]) < inputs:
            child = os.fork()
            if child == 0:
                _read_inputs(decoder, number, inputs, seed, failures, shared)
            _, status = os.waitpid(child, 0)
            if status != 0:
                number, *tally = _FORM.unpack(shared)
                broken = Broken(f"the process that read it ended with status {os.waitstatus_to_exitcode(status)}")
                tally[-1] += 1
                _say(decoder, broken, made_input(decoder, number, seed), failures, tally[-1])
                shared[:] = _FORM.pack(number + 1, *tally)
        _, done, accepted, slowest, failed = _FORM.unpack(shared)
        return Tally(done, accepted, slowest, failed)


def _read_inputs(decoder: Decoder, first: int, inputs: int, seed: int, failures: Path, shared: "mmap.mmap") -> NoReturn:
    """Read the inputs from `first` on, and end this process."""
    code = 1
    try:
        limit_address_space()
        tally = Tally(*_FORM.unpack(shared)[1:])
        for number in range(first, inputs):
            shared[:] = _FORM.pack(number, tally.inputs, tally.accepted, tally.slowest, tally.failures)
            data = made_input(decoder, number, seed)
            try:
                _read_one(decoder, data, number, tally)
            except Broken as broken:
                tally.failures += 1
                _say(decoder, broken, data, failures, tally.failures)
        shared[:] = _FORM.pack(inputs, tally.inputs, tally.accepted, tally.slowest, tally.failures)
        code = 0
    finally:
        sys.stderr.flush()
        os._exit(code)


def _read_one(decoder: Decoder, data: bytes, number: int, tally: Tally) -> None:
    measured = number % MEASURED_EVERY == 0 or number < 0 or len(data) > 3 * len(decoder.inputs[0]) + 10_000
    most_bytes = decoder.most_bytes(data) if measured else None
    outcome = tried(decoder.read, data, decoder.refusals, decoder.most_seconds, most_bytes)
    if number < 0 and not outcome.accepted:
        raise Broken("it refuses an input that nobody has changed")
    if number >= 0:
        tally.inputs += 1
        tally.accepted += outcome.accepted
        tally.slowest = max(tally.slowest, 0.0 if measured else outcome.seconds)


def made_input(decoder: Decoder, number: int, seed: int) -> bytes:
    """Input number 0, 1, ... of a seed; -1, -2, ... are the valid ones."""
    if number < 0:
        return decoder.inputs[number]
    rng = random.Random(f"{seed}/{decoder.name}/{number}")
    corpus = list(decoder.inputs)
    rng.shuffle(corpus)
    return decoder.mutation(rng, corpus)


def _say(decoder: Decoder, broken: Broken, data: bytes, folder: Path, count: int) -> None:
    if count <= 5:
        sys.stderr.write(f"{decoder.name}: {broken}\n  {_kept(decoder, data, folder)}\n")


def shares(all_decoders: Sequence[Decoder], inputs: int) -> list[int]:
    """How many inputs each decoder gets, by its share; together at least `inputs`."""
    whole = sum(decoder.share for decoder in all_decoders)
    return [-int(-inputs * decoder.share // whole) for decoder in all_decoders]


def _kept(decoder: Decoder, data: bytes, folder: Path) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    short = re.sub(r"[^a-z0-9]+", "-", decoder.name.lower())
    path = folder / f"{short}-{hashlib.sha256(data).hexdigest()[:12]}"
    path.write_bytes(data)
    return f"python -m tests.fuzz --decoder {decoder.name!r} --replay {path}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Fuzz, print a line for each decoder, and return 1 where one did not stand an input."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--inputs", type=int, default=100_000, help="of all decoders together (100000)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--decoder", help="this one alone")
    parser.add_argument("--replay", type=Path, help="give this file to the decoder")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="tfedrs-fuzz-") as folder:
        chosen = [one for one in decoders(Path(folder)) if options.decoder in (None, one.name)]
        if not chosen:
            parser.error(f"there is no decoder {options.decoder!r}")
        if options.replay:
            return _replayed(chosen[0], options.replay.read_bytes())
        return _all(chosen, options.inputs, options.seed)


def _all(chosen: Sequence[Decoder], inputs: int, seed: int) -> int:
    print(f"{'decoder':32} {'inputs':>8} {'accepted':>9} {'refused':>8} {'slowest ms':>11} {'seconds':>8}")
    failures = total = 0
    for decoder, count in zip(chosen, shares(chosen, inputs), strict=True):
        began = time.monotonic()
        tally = fuzz(decoder, count, seed)
        failures, total = failures + tally.failures, total + tally.inputs
        refused = tally.inputs - tally.accepted
        print(
            f"{decoder.name:32} {tally.inputs:8} {tally.accepted:9} {refused:8} {1000 * tally.slowest:11.1f} "
            f"{time.monotonic() - began:8.1f}" + (f"  {tally.failures} FAILURES" if tally.failures else ""),
            flush=True,
        )
    print(f"{total} inputs at {len(chosen)} decoders with seed {seed}: {failures} failures.")
    return 1 if failures else 0


def _replayed(decoder: Decoder, data: bytes) -> int:
    try:
        outcome = tried(decoder.read, data, decoder.refusals, decoder.most_seconds, decoder.most_bytes(data))
    except Broken as broken:
        print(f"{decoder.name}: {broken}")
        raise
    print(f"{decoder.name}: {'accepted' if outcome.accepted else 'refused'} in {1000 * outcome.seconds:.1f} ms")
    return 0


if __name__ == "__main__":
    sys.exit(main())
