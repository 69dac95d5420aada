"""The figures of `benchmarks.round_overhead` as Markdown, ready for docs/measurements.md."""

from collections.abc import Mapping, Sequence
from statistics import mean, median, quantiles
from typing import Any

from benchmarks.round_blocks import EMPTY, OURS, SAME_BYTES, Round

_MEGABYTE = 1e6


def summary(rounds: Sequence[Round]) -> dict[str, Any]:
    """Return medians and quartiles by app, and the ratios of ours to the others.

    Round by round, the n-th of ours is compared with the n-th of the other app, minutes apart, so that other work on
    the machine cancels out as far as it can.
    """
    kinds = list(dict.fromkeys(played.kind for played in rounds))
    by_kind = {kind: [played for played in rounds if played.kind == kind] for kind in kinds}
    return {
        "kinds": {kind: _figures(played) for kind, played in by_kind.items()},
        "ratios": {
            kind: _spread([ours / other for ours, other in _pairs(by_kind[OURS], by_kind[kind])])
            for kind in (EMPTY, SAME_BYTES)
        },
        "ratios_of_medians": {
            kind: median(one.seconds for one in by_kind[OURS]) / median(one.seconds for one in by_kind[kind])
            for kind in (EMPTY, SAME_BYTES)
        },
        "cpu_ratios": {kind: _cpu(by_kind[OURS], "all") / _cpu(by_kind[kind], "all") for kind in (EMPTY, SAME_BYTES)},
    }


def _pairs(ours: Sequence[Round], others: Sequence[Round]) -> list[tuple[float, float]]:
    return [(one.seconds, other.seconds) for one, other in zip(ours, others, strict=True)]


def _cpu(rounds: Sequence[Round], program: str) -> float:
    return median(played.cpu_seconds.get(program, 0.0) for played in rounds)


def _figures(rounds: Sequence[Round]) -> dict[str, Any]:
    clients = [process for played in rounds for process in played.clients]
    phases = list(rounds[0].phases)
    lives = [process.last_seen - process.first_seen for process in clients]
    return {
        "rounds": len(rounds),
        "seconds": _spread([played.seconds for played in rounds]),
        "cpu_seconds": {program: _cpu(rounds, program) for program in rounds[0].cpu_seconds},
        "phases": {name: median(played.phases[name] for played in rounds) for name in phases},
        "rest": median(played.seconds - sum(played.phases.values()) for played in rounds),
        "client_processes": len(clients),
        "client_life_seconds": mean(lives),
        "client_cpu_seconds": mean(process.cpu_seconds for process in clients),
        "client_peak_rss": max(process.peak_rss for process in clients),
        "client_peak_pss": max(process.peak_pss for process in clients),
    }


def _spread(values: Sequence[float]) -> dict[str, float]:
    low, middle, high = quantiles(values, n=4, method="inclusive") if len(values) > 1 else [values[0]] * 3
    return {"median": middle, "lower_quartile": low, "upper_quartile": high}


def tables(figures: Mapping[str, Any]) -> str:
    """Return all tables."""
    machine, summed = figures["machine"], figures["summary"]
    lines = [
        "",
        f"{machine['cores']} cores, Python {machine['python']}, {machine['date']}, commit {machine['commit']}, "
        f"load {machine['load']}:",
        "",
        "| app | rounds | s a round, median (quartiles) | CPU-s a round | a client process: lives | its CPU-s "
        "| its peak RSS | its peak PSS |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for kind, row in summed["kinds"].items():
        lines.append(
            f"| {kind} | {row['rounds']} | {_shown(row['seconds'], 1)} | {row['cpu_seconds']['all']:.1f} "
            f"| {row['client_life_seconds']:.1f} s | {row['client_cpu_seconds']:.2f} "
            f"| {row['client_peak_rss'] / _MEGABYTE:.0f} MB | {row['client_peak_pss'] / _MEGABYTE:.0f} MB |"
        )
    aim = figures["aim"]
    lines += ["", f"| ours to | ratio of medians (aim {aim['ratio']}) | round by round (quartiles) | of CPU-s |"]
    lines.append("|---|---|---|---|")
    for kind, spread in summed["ratios"].items():
        lines.append(
            f"| {kind} | **{summed['ratios_of_medians'][kind]:.2f}** | {_shown(spread, 2)} "
            f"| {summed['cpu_ratios'][kind]:.2f} |"
        )
    lines += ["", "Wall seconds of a round, medians:", "", "| app | train | peers | settle | before and after |"]
    lines.append("|---|---|---|---|---|")
    for kind, row in summed["kinds"].items():
        phases = row["phases"]
        settle = f"{phases['settle']:.2f}" if "settle" in phases else "–"  # noqa: RUF001 - for "not measured"
        lines.append(f"| {kind} | {phases['train']:.1f} | {phases['score']:.1f} | {settle} | {row['rest']:.2f} |")
    lines += [
        "",
        "CPU milliseconds of a client process, alone on a core:",
        "",
        "| part | train | peers |",
        "|---|---|---|",
    ]
    parts = figures["client_parts"]
    names = dict.fromkeys(name for kind in ("train", "peer") for name in parts[kind]["cpu_seconds"])
    for name in names:
        lines.append(f"| {name} | {_milliseconds(parts['train'], name)} | {_milliseconds(parts['peer'], name)} |")
    total = [sum(parts[kind]["cpu_seconds"].values()) * 1000 for kind in ("train", "peer")]
    lines.append(f"| together | {total[0]:.0f} | {total[1]:.0f} |")
    lines += [
        "",
        "Wall milliseconds of the coordinator in a round, clients left out:",
        "",
        "| part | ms |",
        "|---|---|",
    ]
    for name, seconds in sorted(figures["coordinator_parts"].items(), key=lambda entry: -entry[1]):
        lines.append(f"| {name} | {seconds * 1000:.0f} |")
    return "\n".join(lines)


def _shown(spread: Mapping[str, float], digits: int) -> str:
    low, high = spread["lower_quartile"], spread["upper_quartile"]
    return f"{spread['median']:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def _milliseconds(part: Mapping[str, Any], name: str) -> str:
    seconds = part["cpu_seconds"].get(name)
    return "" if seconds is None else f"{seconds * 1000:.0f}"
