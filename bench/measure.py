"""A figure over repeated runs: the median, and how far the runs were apart."""

import gc
from collections.abc import Callable
from statistics import median
from time import process_time

import msgspec
from rich.console import Console
from rich.table import Table


class Figure(msgspec.Struct, frozen=True):
    """`values` are of the repeated runs, in `unit`."""

    name: str
    unit: str
    values: list[float]

    @property
    def median(self) -> float:
        return median(self.values)


def rates(work: Callable[[], int], *, runs: int) -> list[float]:
    """How many a second of one core's time: `work` does its work once and says how many that were."""
    found = []
    for _ in range(runs):
        gc.collect()
        began = process_time()
        count = work()
        found.append(count / (process_time() - began))
    return found


def show(figures: list[Figure]) -> None:
    table = Table("figure", "median", "least", "most", "spread", "unit")
    for column in table.columns[1:5]:
        column.justify = "right"
    for figure in figures:
        spread = (max(figure.values) - min(figure.values)) / figure.median
        shown = (f"{value:,.0f}" for value in (figure.median, min(figure.values), max(figure.values)))
        table.add_row(figure.name, *shown, f"{spread:.0%}", figure.unit)
    Console(width=120).print(table)
