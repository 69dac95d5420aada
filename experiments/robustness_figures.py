"""What the cells of one data set say together: means over seeds, beside the clean, undefended federation."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from statistics import fmean
from typing import Any

from experiments.defences.table import DEFENCES, UNDEFENDED
from experiments.robustness_cells import CLEAN, Key, key_of

Cell = Mapping[str, Any]
Figure = Callable[[Cell], float | None]


class Figures:
    """The cells of one data set.

    Attributes:
        dataset: Its name.
        attacks: Those that were played, in the order of the record; without `CLEAN`.
        defences: Those that were played, in the order of `DEFENCES`.
        betas: The shares that were played, ascending, 0 among them where clean runs were.
        seeds: Ascending.
    """

    def __init__(self, dataset: str, cells: Iterable[Cell]) -> None:
        self._cells = {key_of(dict(cell)): cell for cell in cells}
        keys = list(self._cells)
        self.dataset = dataset
        self.attacks = [*dict.fromkeys(key.attack for key in keys if key.attack != CLEAN)]
        self.defences = [name for name in DEFENCES if any(key.defence == name for key in keys)]
        self.betas = sorted({key.beta for key in keys})
        self.seeds = sorted({key.seed for key in keys})

    @property
    def most(self) -> float | None:
        """The greatest share of malicious clients; None where nobody attacked."""
        return max((beta for beta in self.betas if beta > 0), default=None)

    def cells(self, attack: str, defence: str, beta: float) -> list[Cell]:
        """Return the cells of all seeds; at 0 every attack's are the clean ones."""
        keys = [Key(self.dataset, attack if beta else CLEAN, defence, beta, seed) for seed in self.seeds]
        return [self._cells[key] for key in keys if key in self._cells]

    def values(self, attack: str, defence: str, beta: float, figure: Figure) -> list[float]:
        """Return a figure for each seed that has it."""
        found = [figure(cell) for cell in self.cells(attack, defence, beta)]
        return [value for value in found if value is not None]

    def mean(self, attack: str, defence: str, beta: float, figure: Figure) -> float | None:
        """Return the mean over the seeds, None without any."""
        found = self.values(attack, defence, beta, figure)
        return fmean(found) if found else None

    def targeted(self, attack: str) -> bool:
        """Tell whether an attack pushes items."""
        return any(cell["targeted"] for key, cell in self._cells.items() if key.attack == attack)

    def reference(self, cell: Cell) -> Cell | None:
        """Return the clean, undefended cell of the same seed: plain FedAvg."""
        return self._cells.get(Key(self.dataset, CLEAN, UNDEFENDED, 0.0, cell["seed"]))

    def kept(self, cell: Cell) -> float | None:
        """Return the NDCG@10 over that of plain FedAvg without attackers."""
        clean = self.reference(cell)
        return cell["final"]["ndcg_at_10"] / clean["final"]["ndcg_at_10"] if clean else None

    def exposure_rise(self, cell: Cell, k: int = 10) -> float | None:
        """Return how far the targets' mean ER@K is above that of plain FedAvg without attackers."""
        clean = self.reference(cell)
        if clean is None or clean["targets"] != cell["targets"]:
            return None
        pair = exposure(cell, k), exposure(clean, k)
        return None if pair[0] is None or pair[1] is None else pair[0] - pair[1]

    def reputation_moved(self, cell: Cell, rounds: int | None = None) -> float | None:
        """Return the furthest that any honest client's reputation was from that in the clean federation.

        After the first round only what attackers sent and scored differs; later the models do, too.

        Args:
            cell: With attackers.
            rounds: So many from the first on are looked at; None: all.
        """
        clean = self._cells.get(Key(self.dataset, CLEAN, cell["defence"], 0.0, cell["seed"]))
        if clean is None:
            return None
        honest = set(cell["reputation"]) & set(clean["reputation"]) - set(cell["malicious_accounts"])
        moved = [
            abs(after - before)
            for account in honest
            for after, before in zip(
                cell["reputation"][account][:rounds], clean["reputation"][account][:rounds], strict=True
            )
            if after is not None and before is not None
        ]
        return max(moved, default=None)


def exposure(cell: Cell, k: int = 10) -> float | None:
    """Return the mean ER@K of the targets that anybody can still be shown."""
    return _mean(cell["exposure"][str(k)])


def most_exposed(cell: Cell, k: int = 10) -> float | None:
    """Return the greatest ER@K of a target."""
    return max((value for value in cell["exposure"][str(k)] if value is not None), default=None)


def final_auc(cell: Cell) -> float | None:
    """Return the reputation AUC after the last round that has one."""
    return next((value for value in reversed(cell["auc"]) if value is not None), None)


def reward_ratio(cell: Cell) -> float | None:
    """Return the attackers' share of the rewards over their share of the clients."""
    share = cell["reward_share"]
    return None if share is None else float(share) * cell["clients"] / cell["malicious"]


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known else None
