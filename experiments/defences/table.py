"""The defences that attacks are played against, one line each, by the names of the flags."""

from experiments.defences.defence import Defence

UNDEFENDED, OURS, PROBE_ONLY = "none", "ours", "probe-only"

DEFENCES: dict[str, Defence] = {
    UNDEFENDED: Defence("fedavg"),
    "median": Defence("median"),
    "trimmed-mean": Defence("trimmed-mean"),
    "norm-clipping": Defence("norm-clipping"),
    "krum": Defence("krum"),
    "multi-krum": Defence("multi-krum"),
    PROBE_ONLY: Defence("reputation"),
    OURS: Defence("reputation", "full"),
}

_TITLES = {UNDEFENDED: "none (FedNCF)", PROBE_ONLY: "probe NDCG only (the paper)", OURS: "ours"}


def title(defence: str) -> str:
    """Return what a page calls a defence: its name, where that says enough."""
    return _TITLES.get(defence, defence)
