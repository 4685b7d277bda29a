"""Counts by operator and engine: kept in files, put together, and the Markdown table of them."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path


@dataclass
class Count:
    """One operator of one engine: what was compared, and what came of it."""

    cases: int = 0
    codes: int = 0
    differing: int = 0
    warned: int = 0
    warned_differing: int = 0
    refused: int = 0

    def add(self, other: "Count"):
        for name in vars(self):
            setattr(self, name, getattr(self, name) + getattr(other, name))

    def __str__(self) -> str:
        parts = [share(self.differing, self.codes)] if self.codes else []
        if self.warned:
            parts.append(f"warned: {share(self.warned_differing, self.warned)}")
        if self.refused:
            parts.append(f"{self.refused:,} refused")
        return "; ".join(parts)


def share(differing: int, codes: int) -> str:
    """How many of how many, and the rate where there are any."""
    text = f"{differing:,} of {codes:,}"
    return text if not differing else f"{text} ({1e6 * differing / codes:,.3g} ppm)"


@dataclass
class Counts:
    """Those of one library on one processor, by operator and engine."""

    library: str
    processor: str
    dates: set[str]
    seeds: set[int]
    rows: dict[tuple[str, str], Count] = field(default_factory=dict)

    def row(self, operator: str, engine: str) -> Count:
        return self.rows.setdefault((operator, engine), Count())

    def total(self, engine: str | None = None) -> Count:
        total = Count()
        for (_, of), row in self.rows.items():
            if engine in (None, of):
                total.add(row)
        return total

    def add(self, other: "Counts"):
        self.dates |= other.dates
        self.seeds |= other.seeds
        for (operator, engine), row in other.rows.items():
            self.row(operator, engine).add(row)

    def markdown(self) -> str:
        """What was compared, then a row per operator and a column per engine: how many codes differ of how many; apart,
        those of cases warned of."""
        total = self.total()
        seeds = ("seed " if len(self.seeds) == 1 else "seeds ") + ", ".join(map(str, sorted(self.seeds)))
        heading = [
            f"{self.library}, {' and '.join(sorted(self.dates))}: {total.codes + total.warned:,} codes of {total.cases:,} cases,",
            f"{total.differing:,} differ that nothing warns of; {seeds}, one thread, {self.processor}.",
        ]
        operators = sorted({operator for operator, _ in self.rows})
        engines = sorted({engine for _, engine in self.rows})
        lines = ["| operator | " + " | ".join(engines) + " |", "|---|" + "--:|" * len(engines)]
        for operator in operators:
            cells = (str(self.rows.get((operator, engine), "")) for engine in engines)
            lines.append(f"| {operator} | " + " | ".join(cells) + " |")
        lines.append("| all | " + " | ".join(str(self.total(engine)) for engine in engines) + " |")
        return "\n".join([*heading, "", *lines])


def write(path: Path, results: Iterable[Counts]):
    """Keeps counts in a file, which is complete at any time."""
    content = [
        {
            "library": counts.library,
            "processor": counts.processor,
            "dates": sorted(counts.dates),
            "seeds": sorted(counts.seeds),
            "rows": [
                {"operator": operator, "engine": engine, **asdict(row)}
                for (operator, engine), row in sorted(counts.rows.items())
            ],
        }
        for counts in results
    ]
    partial = path.with_name(path.name + ".partial")
    partial.write_text(json.dumps(content, indent=1) + "\n")
    partial.replace(path)


def merged(paths: Iterable[Path]) -> list[Counts]:
    """The counts of all these files, those of one library and processor added up."""
    found: dict[tuple[str, str], Counts] = {}
    for path in paths:
        for entry in json.loads(path.read_text()):
            library, processor = entry["library"], entry["processor"]
            counts = Counts(library, processor, set(entry["dates"]), set(entry["seeds"]))
            for row in entry["rows"]:
                operator, engine = row.pop("operator"), row.pop("engine")
                counts.row(operator, engine).add(Count(**row))
            found.setdefault((library, processor), Counts(library, processor, set(), set())).add(counts)
    return list(found.values())


BEGIN, END = "<!-- tables: begin -->", "<!-- tables: end -->"


def into(page: Path, tables: str):
    """Replaces what stands between the two marks of a page."""
    text = page.read_text()
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"{page}: found no {BEGIN} and {END}, expected both")
    page.write_text(f"{before}{BEGIN}\n\n{tables}\n\n{END}{after}")
