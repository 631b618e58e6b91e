"""Measure rustnn against PyTorch and print a table: what `make bench` runs.

Each library has a process of its own. They take turns, one short round each, many rounds, and the medians
are compared: whatever else the machine does hits both alike. Results are compared before anything is timed.

    python benches/python/compare.py [--wheel dist] [--rounds 9] [--threads 1,2] [--only REGEX] [--group REGEX]
                                     [--json FILE] [--page FILE]

With --wheel the wheel found there is what is measured (unpacked aside), not the development build. With
--page the tables are written as a page, with the machine's description.
"""

from __future__ import annotations

import argparse
import datetime
import json
import math
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cases import GROUPS, Case, Group

HERE = Path(__file__).parent
ROUND = 0.02  # seconds that a round takes, at the least one call
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


@dataclass(frozen=True)
class Peak:
    """What the machine itself does at most: floating-point operations and copied bytes, a second."""

    flops: float
    bytes: float

    @classmethod
    def measure(cls, folder: str, threads: int) -> Peak | None:
        """By peak.rs; None where no Rust is."""
        program = Path(folder) / "peak"
        build = ["rustc", "-O", "-C", "target-cpu=native", str(HERE / "peak.rs"), "-o", str(program)]
        try:
            if not program.exists():
                subprocess.run(build, check=True)
            found = subprocess.run([program, str(threads)], check=True, capture_output=True, text=True).stdout
        except (OSError, subprocess.CalledProcessError):
            return None
        return cls(*map(float, found.split()))

    def share(self, case: Case, seconds: float) -> float | None:
        """How much of it ``case`` takes in ``seconds``; None where its work is not counted."""
        return (
            case.work / seconds / (self.flops if case.unit == "FLOP" else self.bytes) if case.work else None
        )


@dataclass
class Row:
    case: Case
    group: str
    threads: int
    ours: float
    theirs: float
    agree: bool
    share: float | None

    @property
    def ratio(self) -> float:
        return self.theirs / self.ours

    def __str__(self) -> str:
        share = "" if self.share is None else f"{100 * self.share:.0f} %"
        agree = "same" if self.agree else "DIFFER"
        return (
            f"| {self.case.name:62} | {readable(self.ours):>9} | {readable(self.theirs):>9} | {self.ratio:6.2f} |"
            f" {self.case.goal:4.3g} | {share:>5} | {agree:6} |"
        )


HEADER = (
    f"| {'case':62} | {'rustnn':>9} | {'PyTorch':>9} | {'ratio':>6} | {'goal':>4} | {'peak':>5} | result |\n"
    f"|{'-' * 64}|{'-' * 10}:|{'-' * 10}:|{'-' * 7}:|{'-' * 5}:|{'-' * 6}:|--------|"
)


def mean(rows: list[Row]) -> float:
    return math.exp(statistics.fmean(math.log(row.ratio) for row in rows))


def summary(group: Group, rows: list[Row]) -> str:
    goal = f" (goal: {group.mean:g})" if group.mean else ""
    reached = sum(row.ratio >= row.case.goal for row in rows)
    return f"Geometric mean {mean(rows):.2f}{goal}; {reached} of {len(rows)} cases reach their goal."


def run_group(
    group: Group,
    cases: list[Case],
    threads: int,
    arguments: argparse.Namespace,
    environment: dict[str, str],
    peak: Peak | None,
) -> list[Row]:
    """Each case in turn, printed as it comes."""
    rows: list[Row] = []
    print(
        f"\n{group.name}, {threads} thread{'s' * (threads > 1)}: median of {arguments.rounds} rounds\n\n{HEADER}"
    )
    ours, theirs = (Worker(lib, threads, environment) for lib in (arguments.candidate, "torch"))
    for case in cases:
        agree = same(ours.ask(case, 0), theirs.ask(case, 0))
        a, b = measure(case, ours, theirs, arguments.rounds)
        share = peak.share(case, a) if peak else None
        rows.append(Row(case, group.name, threads, a, b, agree, share))
        print(rows[-1], flush=True)
    ours.stop()
    theirs.stop()
    print(f"\n{summary(group, rows)}")
    return rows


def machine() -> str:
    """The processor's name and how many there are; the instructions that kernels look for."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return f"{platform.processor() or platform.machine()}, {os.cpu_count()} processors"
    names = re.findall(r"^model name\s*: (.*)$", text, re.MULTILINE)
    flags = [flag for flag in ("avx512f", "avx2", "asimd") if re.search(rf"\b{flag}\b", text)]
    name = names[0] if names else platform.machine()
    return f"{name}, {os.cpu_count()} processors, {flags[0] if flags else 'no vector instructions known'}"


def versions(candidate: str, environment: dict[str, str]) -> str:
    script = f"import {candidate}, torch; print('{candidate}', {candidate}.__version__, 'PyTorch', torch.__version__)"
    found = subprocess.run(
        [sys.executable, "-c", script], check=True, env=environment, capture_output=True, text=True
    )
    return found.stdout.strip()


def page(rows: list[Row], peaks: dict[int, Peak | None], about: str, rounds: int) -> str:
    """All tables, for docs/benchmarks.md."""
    lines = [
        "# Speed against PyTorch",
        "",
        "Made by `make bench`: each library in a process of its own, taking turns, the same number of threads, medians",
        f"of {rounds} rounds, results compared. Ratio: PyTorch's time over rustnn's. Peak: the share of what the machine",
        "itself can do, floating-point operations in registers or bytes of a copy from memory to memory (what fits into",
        "a cache may exceed it).",
        "",
        f"Machine: {about}, on {datetime.date.today():%Y-%m-%d}.",
    ]
    for threads, peak in peaks.items():
        if peak:
            many = f"{threads} thread{'s' * (threads > 1)}"
            lines.append(f"With {many}: {peak.flops / 1e9:.0f} GFLOP/s, {peak.bytes / 1e9:.0f} GB/s.")
    header = " | ".join(f"{n} thread{'s' * (n > 1)}" for n in peaks)
    lines += ["", f"| geometric mean | {header} | goal |", f"|---|{'--:|' * len(peaks)}--:|"]
    for group in GROUPS:
        means = [
            mean(found)
            for n in peaks
            if (found := [r for r in rows if (r.group, r.threads) == (group.name, n)])
        ]
        if means:
            lines.append(f"| {group.name} | {' | '.join(f'{m:.2f}' for m in means)} | {group.mean or ''} |")
    for group in GROUPS:
        for threads in peaks:
            found = [row for row in rows if (row.group, row.threads) == (group.name, threads)]
            if found:
                title = f"## {group.name}, {threads} thread{'s' * (threads > 1)}"
                lines += ["", title, "", summary(group, found), "", HEADER, *map(str, found)]
    return "\n".join(lines) + "\n"


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
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--only", default="", help="cases whose name matches this")
    parser.add_argument("--group", default="", help="groups whose name matches this")
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    parser.add_argument("--page", type=Path, help="write the tables here as well")
    parser.add_argument("--candidate", default="rustnn", help=argparse.SUPPRESS)
    arguments = parser.parse_args()

    environment = dict(os.environ)
    rows: list[Row] = []
    peaks: dict[int, Peak | None] = {}
    with tempfile.TemporaryDirectory() as folder:
        size = None
        if arguments.wheel:
            (wheel,) = arguments.wheel.glob("*.whl")
            size = wheel.stat().st_size
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(folder)
            environment["PYTHONPATH"] = folder
        about = f"{machine()}; {versions(arguments.candidate, environment)}"
        print(about)
        for threads in map(int, arguments.threads.split(",")):
            peaks[threads] = Peak.measure(folder, threads)
            for group in GROUPS:
                cases = [case for case in group.cases if re.search(arguments.only, case.name)]
                if cases and re.search(arguments.group, group.name):
                    rows += run_group(group, cases, threads, arguments, environment, peaks[threads])
        everything = not (arguments.only or arguments.group)
        imports = import_times(arguments.candidate, arguments.rounds, environment) if everything else {}

    if imports:
        print("\nstarting Python and importing " + ", ".join(f"{k}: {v:.0f} ms" for k, v in imports.items()))
    if size is not None:
        print(f"wheel: {size / 1e6:.2f} MB (goal: at most 10)")
    print(f"{sum(row.ratio >= row.case.goal for row in rows)} of {len(rows)} cases reach their goal")
    if arguments.json:
        found = {
            "cases": [{**asdict(row), "ratio": row.ratio} for row in rows],
            "import_ms": imports,
            "wheel_bytes": size,
        }
        arguments.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    if arguments.page:
        arguments.page.write_text(page(rows, peaks, about, arguments.rounds), encoding="utf-8")
    differ = [row.case.name for row in rows if not row.agree]
    if differ:
        print("results differ: " + "; ".join(differ))
    return 1 if differ else 0


if __name__ == "__main__":
    sys.exit(main())
