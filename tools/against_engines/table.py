"""Counts by operator and engine, and the Markdown table of them."""

from dataclasses import dataclass, field


@dataclass
class Count:
    """One operator of one engine: what was compared, and what came of it."""

    cases: int = 0
    codes: int = 0
    differing: int = 0
    warned: int = 0
    warned_differing: int = 0
    refused: int = 0

    def __str__(self) -> str:
        parts = [f"{self.differing:,} of {self.codes:,}"] if self.codes else []
        if self.warned:
            parts.append(f"warned: {self.warned_differing:,} of {self.warned:,}")
        if self.refused:
            parts.append(f"{self.refused:,} refused")
        return "; ".join(parts)


@dataclass
class Counts:
    """Those of one library, by operator and engine."""

    rows: dict[tuple[str, str], Count] = field(default_factory=dict)

    def row(self, operator: str, engine: str) -> Count:
        return self.rows.setdefault((operator, engine), Count())

    def total(self, engine: str | None = None) -> Count:
        total = Count()
        for (_, of), row in self.rows.items():
            for name in vars(total) if engine in (None, of) else ():
                setattr(total, name, getattr(total, name) + getattr(row, name))
        return total

    def markdown(self) -> str:
        """A row per operator, a column per engine: how many codes differ of how many; apart, those of cases warned of."""
        operators = sorted({operator for operator, _ in self.rows})
        engines = sorted({engine for _, engine in self.rows})
        lines = ["| operator | " + " | ".join(engines) + " |", "|---|" + "--:|" * len(engines)]
        for operator in operators:
            cells = (str(self.rows.get((operator, engine), "")) for engine in engines)
            lines.append(f"| {operator} | " + " | ".join(cells) + " |")
        lines.append("| all | " + " | ".join(str(self.total(engine)) for engine in engines) + " |")
        return "\n".join(lines)
