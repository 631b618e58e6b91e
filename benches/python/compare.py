"""Measure rustnn against PyTorch and print a table: what `make bench` runs.

Each library has a process of its own. They take turns, one short round each, many rounds, and the medians
are compared: whatever else the machine does hits both alike. Results are compared before anything is timed.

    python benches/python/compare.py [--wheel dist] [--rounds 15] [--threads 1,2] [--only REGEX] [--json FILE]

With --wheel the wheel found there is what is measured (unpacked aside), not the development build.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from cases import CASES, Case

HERE = Path(__file__).parent
ROUND = 0.02  # seconds that a round takes
PAUSE = 0.005  # between rounds: threads of the other library stop waiting for work


class Worker:
    """A process that has one library loaded."""

    def __init__(self, library: str, threads: int, environment: dict[str, str]) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(HERE / "worker.py"), library, str(threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**environment, "OMP_NUM_THREADS": str(threads)},
        )

    def ask(self, case: Case, calls: int) -> Any:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps({"case": asdict(case), "calls": calls}) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"the process that ran {case.name!r} died: {self.process.wait()}")
        return json.loads(line)

    def calls_a_round(self, case: Case) -> int:
        """How many calls fill a round; warms up on the way."""
        calls = 1
        while True:
            seconds = self.ask(case, calls) * calls
            if seconds > ROUND / 2 or calls > 1_000_000:
                return max(1, round(calls * ROUND / max(seconds, 1e-9)))
            calls *= 4

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()


def same(ours: list[float], theirs: list[float]) -> bool:
    return len(ours) == len(theirs) and all(
        math.isclose(a, b, rel_tol=1e-3, abs_tol=1e-3) for a, b in zip(ours, theirs, strict=True)
    )


def measure(case: Case, ours: Worker, theirs: Worker, rounds: int) -> tuple[float, float]:
    """The median seconds a call of both."""
    counts = [worker.calls_a_round(case) for worker in (ours, theirs)]
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        for worker, calls, found in zip((ours, theirs), counts, times, strict=True):
            time.sleep(PAUSE)
            found.append(worker.ask(case, calls))
    return statistics.median(times[0]), statistics.median(times[1])


def readable(seconds: float) -> str:
    for unit, scale in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= scale:
            return f"{seconds / scale:.2f} {unit}"
    return f"{seconds / 1e-9:.0f} ns"


def run_cases(arguments: argparse.Namespace, environment: dict[str, str]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    chosen = [case for case in CASES if re.search(arguments.only, case.name)]
    for threads in (int(n) for n in arguments.threads.split(",")):
        ours, theirs = (Worker(lib, threads, environment) for lib in (arguments.candidate, "torch"))
        print(f"\n{threads} thread{'s' * (threads > 1)}: median of {arguments.rounds} alternating rounds\n")
        print(f"| {'case':62} | {'rustnn':>9} | {'PyTorch':>9} | {'ratio':>6} | {'goal':>4} | result |")
        print(f"|{'-' * 64}|{'-' * 10}:|{'-' * 10}:|{'-' * 7}:|{'-' * 5}:|--------|")
        for case in chosen:
            agree = same(ours.ask(case, 0), theirs.ask(case, 0))
            a, b = measure(case, ours, theirs, arguments.rounds)
            row = {
                "case": case.name,
                "threads": threads,
                "ours": a,
                "torch": b,
                "goal": case.goal,
                "same": agree,
            }
            rows.append(row)
            print(
                f"| {case.name:62} | {readable(a):>9} | {readable(b):>9} | {b / a:6.2f} | {case.goal:4.3g} |"
                f" {'same  ' if agree else 'DIFFER'} |",
                flush=True,
            )
        ours.stop()
        theirs.stop()
    return rows


def import_times(candidate: str, rounds: int, environment: dict[str, str]) -> dict[str, float]:
    """Median milliseconds of a fresh interpreter that imports a module and ends."""
    statements = {
        "nothing": "pass",
        candidate: f"import {candidate}",
        "numpy": "import numpy",
        "torch": "import torch",
    }
    times: dict[str, list[float]] = {name: [] for name in statements}
    for n in range(rounds + 1):
        for name, statement in statements.items():
            if name == "torch" and n > 3:
                continue
            start = time.perf_counter()
            subprocess.run([sys.executable, "-c", statement], check=True, env=environment)
            if n:  # the first one reads the files from disk
                times[name].append(time.perf_counter() - start)
    return {name: 1000 * statistics.median(found) for name, found in times.items()}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--wheel", type=Path, help="folder with the wheel to measure")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--only", default="", help="cases whose name matches this")
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    parser.add_argument("--candidate", default="rustnn", help=argparse.SUPPRESS)
    arguments = parser.parse_args()

    environment = dict(os.environ)
    with tempfile.TemporaryDirectory() as unpacked:
        size = None
        if arguments.wheel:
            (wheel,) = arguments.wheel.glob("*.whl")
            size = wheel.stat().st_size
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(unpacked)
            environment["PYTHONPATH"] = unpacked
        rows = run_cases(arguments, environment)
        imports = {} if arguments.only else import_times(arguments.candidate, arguments.rounds, environment)

    if imports:
        print("\nstarting Python and importing " + ", ".join(f"{k}: {v:.0f} ms" for k, v in imports.items()))
    if size is not None:
        print(f"wheel: {size / 1e6:.2f} MB (goal: at most 10)")
    missed = [row for row in rows if row["torch"] / row["ours"] < row["goal"]]
    print(f"{len(rows) - len(missed)} of {len(rows)} cases reach their goal")
    if arguments.json:
        found = {"cases": rows, "import_ms": imports, "wheel_bytes": size}
        arguments.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    differ = [row["case"] for row in rows if not row["same"]]
    if differ:
        print("results differ: " + "; ".join(differ))
    return 1 if differ else 0


if __name__ == "__main__":
    sys.exit(main())
