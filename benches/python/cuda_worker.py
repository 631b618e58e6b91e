"""One library in a process of its own, which times work on a GPU as it is asked to.

Started as `cuda_worker.py LIBRARY [tiny]`; the first line it prints is whether the library has a GPU, and the seconds
that its first use took. Reads one JSON request a line, {"case": name, "calls": n}, and answers with one JSON line:
seconds a call, by events of the GPU, or by the host's clock for cases of the kind "host"; with n = 0 instead the
numbers of the result, and what the work moves or computes.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from typing import Any

from cuda_cases import CASES

LAUNCHES_AHEAD = 200  # of the host, at most: it must not come to wait for the GPU


def seconds_by_events(lib: Any, work: Any, calls: int) -> float:
    start, end = (lib.cuda.Event(enable_timing=True) for _ in range(2))
    start.record()
    for _ in range(calls):
        work()
    end.record()
    end.synchronize()
    return float(start.elapsed_time(end)) / 1000 / calls


def seconds_of_the_host(lib: Any, work: Any, calls: int) -> float:
    total = 0.0
    for begin in range(0, calls, LAUNCHES_AHEAD):
        some = min(LAUNCHES_AHEAD, calls - begin)
        lib.cuda.synchronize()
        start = time.perf_counter()
        for _ in range(some):
            work()
        total += time.perf_counter() - start
    lib.cuda.synchronize()
    return total / calls


def main() -> None:
    tiny = "tiny" in sys.argv[2:]
    lib = importlib.import_module(sys.argv[1])
    start = time.perf_counter()
    there = bool(lib.cuda.is_available())
    if there:
        lib.ones(4, device="cuda").sum().item()
    print(json.dumps([there, time.perf_counter() - start]), flush=True)
    ready: dict[str, Any] = {}
    for line in sys.stdin:
        request = json.loads(line)
        case = next(case for case in CASES if case.name == request["case"])
        if case.name not in ready:
            ready.clear()
            lib.cuda.empty_cache()
            ready[case.name] = case.make(lib, tiny)
        work, amount = ready[case.name]
        answer: Any
        if request["calls"] == 0:
            answer = [work().detach().float().flatten()[:64].tolist(), amount]
        else:
            seconds = seconds_of_the_host if case.kind == "host" else seconds_by_events
            answer = seconds(lib, work, request["calls"])
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
