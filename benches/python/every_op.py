"""What one call costs on a few elements, for every operation that the engine lists: `make bench-ops`.

Each operation is called with its first sample (about ten elements) by both libraries, in processes that take
turns as in compare.py. Prints the operations whose ratio, PyTorch's time over ours, is below the goal, and the
spread of all.

    python benches/python/every_op.py [--rounds 5] [--goal 3] [--only REGEX] [--all]
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import sys
from pathlib import Path

from cases import Case
from compare import Worker, measure, readable

TESTS = Path(__file__).parents[2] / "tests"
sys.path.insert(0, str(TESTS))

from parity.ops import RANDOM, Call, listed  # noqa: E402
from parity.programs import REFERENCE  # noqa: E402

SETUP = """
import sys
sys.path.insert(0, {tests!r})
from parity.ops import calls
call = next(c for c in calls(deterministic=False) if c.variant == "function" and c.op.name == {name!r})
call = type(call)(call.op, call.variant, {sample!r})
from parity.ops import function
f = function(torch, {name!r})
a, k = call.arguments(torch, call.data(torch))
"""


def cases(pattern: str, goal: float) -> list[Case]:
    """One case an operation that PyTorch has as a function."""
    found: dict[str, Case] = {}
    for op in listed():
        if op.name in found or op.name in RANDOM or "function" not in op.variants or not op.samples:
            continue
        call = Call(op, "function", op.samples[0])
        if re.search(pattern, op.name) and call.known(REFERENCE):
            setup = SETUP.format(tests=str(TESTS), name=op.name, sample=call.sample)
            found[op.name] = Case(op.name, goal, setup, "f(*a, **k)", "")
    return list(found.values())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--goal", type=float, default=3.0)
    parser.add_argument("--only", default="", help="operations whose name matches this")
    parser.add_argument("--all", action="store_true", help="print every operation")
    arguments = parser.parse_args()

    ours, theirs = (Worker(library, 1, dict(os.environ)) for library in ("rustnn", "torch"))
    ratios = {}
    print(f"| {'operation':32} | {'rustnn':>9} | {'PyTorch':>9} | {'ratio':>6} |")
    print(f"|{'-' * 34}|{'-' * 10}:|{'-' * 10}:|{'-' * 7}:|")
    for case in cases(arguments.only, arguments.goal):
        a, b = measure(case, ours, theirs, arguments.rounds)
        ratios[case.name] = b / a
        if arguments.all or b / a < arguments.goal:
            print(f"| {case.name:32} | {readable(a):>9} | {readable(b):>9} | {b / a:6.2f} |", flush=True)
    ours.stop()
    theirs.stop()
    reached = sum(ratio >= arguments.goal for ratio in ratios.values())
    print(
        f"{reached} of {len(ratios)} operations reach {arguments.goal:g}; geometric mean "
        f"{statistics.geometric_mean(ratios.values()):.1f}, lowest {min(ratios.values()):.2f}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
