"""Measure rustnn on a GPU, beside PyTorch if that can use it too, and print a table: what `make bench-cuda` runs.

Each library has a process of its own. They take turns, one short round each, and the medians are compared. Times are
those of events on the GPU; for the host's part of a launch, those of its clock. The share is of the machine's own
ceiling: what a copy on the GPU moves in a second, or what the fastest product of large matrices computes.

    python benches/python/compare_cuda.py [--rounds 15] [--only REGEX] [--json FILE] [--tiny] [--alone]

With --tiny the sizes are those for an emulated GPU, where times mean nothing.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import math
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from cuda_cases import CASES, Case

HERE = Path(__file__).parent
ROUND = 0.05  # seconds that a round takes
PAUSE = 0.005  # between rounds
FIRST_USE = "first use"


class Worker:
    """A process that has one library loaded."""

    def __init__(self, library: str, tiny: bool) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(HERE / "cuda_worker.py"), library, *(["tiny"] if tiny else [])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.available, self.first_use = self._answer("its start")

    def _answer(self, what: str) -> Any:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"a process died at {what}: {self.process.wait()}")
        return json.loads(line)

    def ask(self, case: Case, calls: int) -> Any:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"case": case.name, "calls": calls}) + "\n")
        self.process.stdin.flush()
        return self._answer(repr(case.name))

    def calls_a_round(self, case: Case) -> int:
        """How many calls fill a round; warms up on the way."""
        calls = 1
        while True:
            seconds = self.ask(case, calls) * calls
            if seconds > ROUND / 2 or calls > 100_000:
                return max(1, round(calls * ROUND / max(seconds, 1e-9)))
            calls *= 4

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()


def agree(ours: list[float], theirs: list[float]) -> bool:
    return len(ours) == len(theirs) and all(
        math.isclose(a, b, rel_tol=3e-2, abs_tol=3e-2) for a, b in zip(ours, theirs, strict=True)
    )


def measure(case: Case, workers: list[Worker], rounds: int) -> list[float]:
    """The median seconds a call of each."""
    counts = [worker.calls_a_round(case) for worker in workers]
    times: list[list[float]] = [[] for _ in workers]
    for _ in range(rounds):
        for worker, calls, found in zip(workers, counts, times, strict=True):
            time.sleep(PAUSE)
            found.append(worker.ask(case, calls))
    return [statistics.median(found) for found in times]


def first_uses(libraries: list[str], tiny: bool, rounds: int) -> list[float]:
    """The median seconds from an imported library to a first result, in fresh processes."""
    times: list[list[float]] = [[] for _ in libraries]
    for _ in range(rounds):
        for library, found in zip(libraries, times, strict=True):
            worker = Worker(library, tiny)
            found.append(worker.first_use)
            worker.stop()
    return [statistics.median(found) for found in times]


def readable(seconds: float) -> str:
    for unit, scale in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= scale:
            return f"{seconds / scale:.2f} {unit}"
    return f"{seconds / 1e-9:.0f} ns"


def ceilings(rows: list[dict[str, Any]]) -> dict[str, float]:
    """What a second can hold, by kind: the most of what any library reached in the rows that say so."""
    found: dict[str, float] = {}
    for row in rows:
        if row["case"].startswith(("copy", "matmul")):
            best = row["amount"] / min(row["seconds"])
            found[row["kind"]] = max(found.get(row["kind"], 0.0), best)
    return found


def print_table(rows: list[dict[str, Any]], libraries: list[str]) -> int:
    """Prints the rows; how many miss their goal."""
    tops, missed = ceilings(rows), 0
    names = " | ".join(f"{name:>10}" for name in libraries)
    print(
        f"| {'case':36} | {names} | {'ratio':>6} | {'goal':>4} | {'rate':>12} | {'share':>6} | {'goal':>5} | result |"
    )
    print(
        f"|{'-' * 38}|"
        + "-----------:|" * len(libraries)
        + "-------:|-----:|-------------:|-------:|------:|--------|"
    )
    for row in rows:
        ours = row["seconds"][0]
        ratio = row["seconds"][1] / ours if len(libraries) > 1 else None
        rate = row["amount"] / ours if row["amount"] else None
        share = rate / tops[row["kind"]] if rate and row["kind"] in tops else None
        fails = (ratio is not None and ratio < row["goal"]) or (
            share is not None and row["share"] is not None and share < row["share"]
        )
        missed += fails
        unit = "GB/s" if row["kind"] == "bandwidth" else "TFLOP/s"
        scale = 1e9 if row["kind"] == "bandwidth" else 1e12
        cells = [
            f"{row['case']:36}",
            *(f"{readable(s):>10}" for s in row["seconds"]),
            f"{ratio:6.2f}" if ratio is not None else f"{'-':>6}",
            f"{row['goal']:4.3g}" if ratio is not None else f"{'-':>4}",
            f"{rate / scale:.1f} {unit}".rjust(12) if rate else " " * 12,
            f"{share:6.0%}" if share is not None else " " * 6,
            f"{row['share']:5.0%}" if row["share"] is not None else " " * 5,
            {True: "same  ", False: "DIFFER", None: "      "}[row["same"]],
        ]
        print("| " + " | ".join(cells) + " |", flush=True)
    return missed


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--only", default="", help="cases whose name matches this")
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    parser.add_argument("--tiny", action="store_true", help="sizes for an emulated GPU")
    parser.add_argument("--alone", action="store_true", help="without PyTorch")
    arguments = parser.parse_args()

    libraries = ["rustnn"]
    workers = [Worker("rustnn", arguments.tiny)]
    if not workers[0].available:
        workers[0].stop()
        print("rustnn finds no GPU here")
        return 1
    if not arguments.alone and importlib.util.find_spec("torch") is not None:
        theirs = Worker("torch", arguments.tiny)
        if theirs.available:
            libraries.append("torch")
            workers.append(theirs)
        else:
            theirs.stop()
            print("PyTorch cannot use the GPU: rustnn alone\n")
    rows: list[dict[str, Any]] = []
    for case in CASES:
        if not re.search(arguments.only, case.name):
            continue
        results = [worker.ask(case, 0) for worker in workers]
        drawn = case.name == "dropout"
        rows.append(
            {
                "case": case.name,
                "kind": case.kind,
                "amount": results[0][1],
                "seconds": measure(case, workers, arguments.rounds),
                "goal": case.goal,
                "share": case.share,
                "same": None if drawn or len(results) == 1 else agree(results[0][0], results[1][0]),
                "result": results[0][0],
            }
        )
    for worker in workers:
        worker.stop()
    if re.search(arguments.only, FIRST_USE):
        seconds = first_uses(libraries, arguments.tiny, min(arguments.rounds, 5))
        rows.append(
            {"case": FIRST_USE, "kind": "host", "amount": 0.0, "seconds": seconds, "goal": 1.0, "share": None}
            | {"same": None, "result": []}
        )
    missed = print_table(rows, libraries)
    print(f"\n{len(rows) - missed} of {len(rows)} cases reach their goal")
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    differ = [row["case"] for row in rows if row["same"] is False]
    if differ:
        print("results differ: " + "; ".join(differ))
    return 1 if differ else 0


if __name__ == "__main__":
    sys.exit(main())
