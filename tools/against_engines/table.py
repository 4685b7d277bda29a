"""Counts by operator and engine, and the Markdown table of them."""

from dataclasses import dataclass, field


@dataclass
class Count:
    """One row: what was compared, and what came of it."""

    cases: int = 0
    codes: int = 0
    differing: int = 0
    warned: int = 0
    warned_differing: int = 0
    refused: int = 0


@dataclass
class Counts:
    """All rows, by operator and engine."""

    rows: dict[tuple[str, str], Count] = field(default_factory=dict)

    def row(self, operator: str, engine: str) -> Count:
        return self.rows.setdefault((operator, engine), Count())

    def total(self) -> Count:
        total = Count()
        for row in self.rows.values():
            for name in vars(total):
                setattr(total, name, getattr(total, name) + getattr(row, name))
        return total

    def markdown(self) -> str:
        """`codes` and `differing` are of cases without a warning; the two columns after them of those that are warned of."""
        lines = [
            "| operator | engine | codes | differing | codes, warned of | differing | refused |",
            "|---|---|--:|--:|--:|--:|--:|",
        ]
        for (operator, engine), row in sorted(self.rows.items()):
            lines.append(line(operator, engine, row))
        lines.append(line("all", "", self.total()))
        return "\n".join(lines)


def line(operator: str, engine: str, row: Count) -> str:
    numbers = [row.codes, row.differing, row.warned, row.warned_differing, row.refused]
    return f"| {operator} | {engine} | " + " | ".join(f"{number:,}" if number else "0" for number in numbers) + " |"
