#!/usr/bin/env python3
"""Compares gen_params with the engines themselves, on random operators and small networks, and prints a table.

    python tools/against_engines --engine torch --codes 10000000 --seed 7 --save failing

Engines are modules beside this file, NAME_cases.py, each with ENGINE (its name), LIBRARY (with its version), OPERATORS (rows of the table)
and cases(operators, rng), an endless iterator of `case.Case`. One that cannot be imported is left out, and said so.
The same seed and versions give the same cases. Exit code 1: a code differs that no warning announces, or a case is refused.

    python tools/against_engines --tables docs/fidelity/*.json --page docs/fidelity.md

puts together the counts that runs kept with --results, and prints their tables or writes them into a page.
"""

import argparse
import concurrent.futures
import datetime
import importlib
import pathlib
import platform
import secrets
import signal
import sys
import time
import traceback

sys.path.insert(0, str(pathlib.Path(__file__).parent))

import numpy as np

from failure import save, size, smaller
from subject import differing, run
from table import Counts, into, merged, write

MODULES = {"torch": "torch_cases", "onnxruntime": "onnxruntime_cases", "litert": "litert_cases"}
REPOSITORY = pathlib.Path(__file__).resolve().parents[2]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="against_engines", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--engine", nargs="+", choices=MODULES, default=list(MODULES), help="what to compare with [all]")
    parser.add_argument("--ops", nargs="+", metavar="OPERATOR", help="rows of the table to try [all]")
    parser.add_argument("--codes", type=int, default=1_000_000, metavar="N", help="codes to compare with each engine [1000000]")
    parser.add_argument("--seed", type=int, metavar="S", help="repeats a run [drawn, and printed]")
    parser.add_argument("--save", type=pathlib.Path, metavar="DIR", help="keep the smallest failing case of each row here")
    parser.add_argument("--gen-params", type=pathlib.Path, metavar="PATH", help="the command [target/release or target/debug]")
    parser.add_argument("--results", type=pathlib.Path, metavar="FILE", help="keep the counts here, as JSON, from minute to minute")
    parser.add_argument("--list", action="store_true", help="print the rows and end")
    parser.add_argument("--tables", type=pathlib.Path, nargs="+", metavar="FILE", help="compare nothing: the tables of kept counts")
    parser.add_argument("--page", type=pathlib.Path, metavar="FILE", help="with --tables: write them between the marks of this page")
    return parser.parse_args()


def command(given: pathlib.Path | None) -> pathlib.Path:
    """The gen_params to test: the one given, or the newest that was built here."""
    built = [REPOSITORY / "target" / profile / "gen_params" for profile in ("release", "debug")]
    found = [given] if given else sorted((p for p in built if p.exists()), key=lambda p: -p.stat().st_mtime)
    if not found or not found[0].exists():
        sys.exit(f"no gen_params at {given or ' or '.join(map(str, built))}\n  hint: cargo build --release, or --gen-params PATH")
    return found[0].resolve()


def modules(names: list[str]) -> list:
    found = []
    for name in names:
        try:
            found.append(importlib.import_module(MODULES[name]))
        except ImportError as error:
            print(f"{name}: left out: {error}", file=sys.stderr)
    return found


class Tester:
    """Compares case by case and keeps the counts and the smallest failure of each row."""

    def __init__(self, gen_params: pathlib.Path, directory: pathlib.Path | None, results: pathlib.Path | None, seed: int):
        self.gen_params, self.directory, self.results, self.seed = gen_params, directory, results, seed
        self.counts: dict[str, Counts] = {}
        self.smallest: dict[tuple[str, str], int] = {}
        self.kept = time.monotonic()

    def compare(self, module, operators: list[str], codes: int):
        today = str(datetime.date.today())
        self.counts[module.ENGINE] = Counts(module.LIBRARY, cpu(), {today}, {self.seed})
        rng = np.random.default_rng([self.seed, *module.ENGINE.encode()])
        cases = module.cases(operators, rng)
        compared = 0
        # The engine makes the next case while gen_params computes the one before it: two processes, one order.
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            pending = None
            while compared < codes or pending:
                case = next(cases) if compared < codes else None
                if pending:
                    self.count(module, pending[0], pending[1].result())
                    self.keep(60)
                pending = (case, pool.submit(run, self.gen_params, case, case.input)) if case else None
                compared += case.expected.size if case else 0

    def keep(self, seconds: float = 0):
        """Writes the counts, unless that was done less than so long ago."""
        if self.results and time.monotonic() - self.kept >= seconds:
            write(self.results, self.counts.values())
            self.kept = time.monotonic()

    def count(self, module, case, answer):
        row = self.counts[module.ENGINE].row(case.operator, case.engine)
        wrong = differing(answer, case.expected)
        row.cases += 1
        if answer.codes is None:
            row.refused += 1
        elif answer.warns:
            row.warned += wrong.size
            row.warned_differing += int(wrong.sum())
        else:
            row.codes += wrong.size
            row.differing += int(wrong.sum())
        if not wrong.any() or answer.warns:
            return
        key = (case.operator, case.engine)
        if key not in self.smallest:
            what = answer.refusal if answer.codes is None else f"{int(wrong.sum())} of {wrong.size} codes differ"
            print(f"{case.engine} {case.operator}: {what}: {case.description}", file=sys.stderr)
        if self.directory:
            case, answer = smaller(self.gen_params, case, wrong) or (case, answer)
            if size(case) < self.smallest.get(key, sys.maxsize):
                save(self.directory, case, answer, module.LIBRARY, str(self.seed))
        self.smallest[key] = min(size(case), self.smallest.get(key, sys.maxsize))


def main() -> int:
    options = arguments()
    if options.tables:
        tables = "\n\n".join(counts.markdown() for counts in merged(options.tables))
        into(options.page, tables) if options.page else print(tables)
        return 0
    found = modules(options.engine)
    if options.list:
        for module in found:
            print(f"{module.ENGINE}: {' '.join(module.OPERATORS)}")
        return 0
    unknown = set(options.ops or []) - {operator for module in found for operator in module.OPERATORS}
    if unknown or not found:
        sys.exit(f"--ops: no engine here has {', '.join(sorted(unknown))}\n  hint: --list" if unknown else "no engine is installed")
    seed = options.seed if options.seed is not None else secrets.randbits(32)
    # Stopped from outside, a run still prints what it has counted.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    tester = Tester(command(options.gen_params), options.save, options.results, seed)
    print(f"seed {seed}", file=sys.stderr, flush=True)
    for module in found:
        operators = [operator for operator in module.OPERATORS if not options.ops or operator in options.ops]
        if operators:
            try:
                tester.compare(module, operators, options.codes)
            except KeyboardInterrupt:
                print(f"{module.ENGINE}: stopped", file=sys.stderr)
            except Exception:  # What was counted so far is worth printing; the run is not complete and says so.
                traceback.print_exc()
                report(tester)
                return 2
    report(tester)
    totals = [counts.total() for counts in tester.counts.values()]
    return 1 if any(total.differing or total.refused for total in totals) else 0


def report(tester: Tester):
    """A table for each library, with all that it depends on."""
    tester.keep()
    print("\n\n".join(counts.markdown() for counts in tester.counts.values() if counts.rows))


def cpu() -> str:
    """What of the processor decides which kernels an engine takes."""
    try:
        flags = pathlib.Path("/proc/cpuinfo").read_text().split("flags", 1)[1].split("\n", 1)[0].split()
    except (OSError, IndexError):
        return platform.machine()
    names = {"avx2": "AVX2", "avx512_vnni": "AVX512-VNNI", "amx_int8": "AMX"}
    return " ".join([platform.machine(), *(name for flag, name in names.items() if flag in flags)])


if __name__ == "__main__":
    sys.exit(main())
