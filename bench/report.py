"""docs/performance.md, made from the results that are kept: `python -m bench.report`."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from bench.budgets import BUDGETS, Budget
from bench.measure import Figure
from bench.results import Result, kept

PAGE = Path(__file__).parents[1] / "docs" / "performance.md"
NOTES = Path(__file__).parent / "notes.md"

RACE = "A5: "  # what figures of the same work are called, then by whom it is done
OWN = "from-file-10-million"

# part → heading, in the page's order
HEADINGS: Mapping[str, str] = {
    "peers": "Peers on the same work",
    "from-file-10-million": "From JSON lines, 10 million clicks",
    "core": "The window core alone",
    "sessionizer": "Sessionizer",
    "from-file": "From JSON lines",
    "scaling": "More users, more processes",
    "persister": "Persister",
    "ingest": "Ingest over HTTP",
    "all": "The whole way",
    "latency": "From the last click to the row",
    "live": "Live numbers",
    "recovery": "After a kill",
    "import": "Import",
    "import-10-million": "Import of 10 million clicks",
    "queries": "Questions over a million sessions",
    "queries-10-million": "Questions over 10 million sessions",
    "dashboard": "The dashboard in Chromium",
    "dashboard-hour": "The dashboard in Chromium, for an hour",
}


class Chart(NamedTuple):
    """Bars of the figures whose names begin so."""

    title: str
    begin: str


CHARTS: Mapping[str, Sequence[Chart]] = {
    "scaling": [
        Chart("clicks per CPU-second, by active users", "active users: "),
        Chart("clicks/s of wall time, by sessionizers and persisters", "processes: "),
    ],
}


def page(results: Mapping[str, Result], notes: str) -> str:
    parts = [part for part in HEADINGS if part in results]
    lines = [
        "# Performance",
        "",
        "Made by `make bench` out of `bench/results/`, which holds every run; edit `bench/notes.md`, not this page."
        " Figures are medians of repeated runs, with the least and the most beside them.",
        "",
        "## Budgets",
        "",
        *_table(
            ("what", "asked for", "measured", "least to most", "", "runs"),
            (row for budget in BUDGETS for row in _judged(budget, results)),
        ),
        "",
        notes.strip(),
    ]
    for part in parts:
        lines += ["", f"## {HEADINGS[part]}", "", *_part(results[part])]
        if part == "peers" and OWN in results:
            lines += ["", *_beside(results[part], results[OWN])]
    return "\n".join(lines) + "\n"


def _judged(budget: Budget, results: Mapping[str, Result]) -> Iterator[Sequence[str]]:
    figures = results[budget.part].figures if budget.part in results else []
    found = next((figure for figure in figures if figure.name == budget.figure), None)
    if found is None:
        yield budget.what, budget.asked, "not measured", "", "", ""
    else:
        met = "met" if budget.met(found.median) else "**not met**"
        yield budget.what, budget.asked, _number(found.median), _spread(found), met, str(len(found.values))


def _part(result: Result) -> Iterator[str]:
    machine = result.machine
    yield (
        f"{machine.processor}, {machine.cores} cores, {machine.memory_gib} GiB, {machine.system},"
        f" Python {machine.python}, PostgreSQL {machine.postgres}; {result.at:%Y-%m-%d} at {result.commit},"
        f" load before {result.load:.1f}, speed {result.median_speed:.0%}."
    )
    for chart in CHARTS.get(result.part, ()):
        yield from _bars(chart, [figure for figure in result.figures if figure.name.startswith(chart.begin)])
    yield ""
    yield from _table(
        ("figure", "median", "least to most", "runs", "unit"),
        ((one.name, _number(one.median), _spread(one), str(len(one.values)), one.unit) for one in result.figures),
    )


def _beside(peers: Result, own: Result) -> Iterator[str]:
    """What Clickloom does of the same file, as so many times what each of them does."""
    ours = [figure for figure in own.figures if figure.name.startswith(RACE)]
    theirs = [figure for figure in peers.figures if figure.name.startswith(RACE)]
    yield from _bars(Chart("events per CPU-second of the whole process tree", RACE), [*ours, *theirs])
    yield ""
    yield from _table(
        (
            "system",
            "events per CPU-second",
            *(f"{one.name.removeprefix(RACE)}, times" for one in ours),
            "what it holds",
        ),
        (
            (_system(one), _number(one.median), *_times(ours, one), one.unit.partition("; ")[2])
            for one in [*ours, *theirs]
        ),
    )


def _system(figure: Figure) -> str:
    return figure.name.removeprefix(RACE)


def _times(ours: Sequence[Figure], other: Figure) -> Iterator[str]:
    return (f"{one.median / other.median:.2f}" for one in ours)


def _bars(chart: Chart, figures: Sequence[Figure]) -> Iterator[str]:
    if not figures:
        return
    names = ", ".join(f'"{figure.name.removeprefix(chart.begin)}"' for figure in figures)
    values = ", ".join(f"{figure.median:.0f}" for figure in figures)
    yield ""
    yield "```mermaid"
    yield "xychart-beta horizontal" if len(figures) > 4 else "xychart-beta"
    yield f'  title "{chart.title}"'
    yield f"  x-axis [{names}]"
    yield f"  bar [{values}]"
    yield "```"


def _table(columns: Sequence[str], rows: Iterator[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(columns)} |"
    yield f"| {' | '.join('---' for _ in columns)} |"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:,.1f}"


def _spread(figure: Figure) -> str:
    return f"{_number(min(figure.values))} to {_number(max(figure.values))}"


if __name__ == "__main__":
    PAGE.write_text(page(kept(), NOTES.read_text()))
