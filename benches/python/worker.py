"""One library in a process of its own, which times what it is asked to.

Started as `worker.py LIBRARY THREADS`. Reads one JSON request a line, {"case": fields, "calls": n}, and
answers with one JSON line: seconds a call; with n = 0, the numbers of the case's result instead.
"""

from __future__ import annotations

import importlib
import json
import sys
import timeit
from typing import Any

from cases import Case, namespace


def main() -> None:
    lib = importlib.import_module(sys.argv[1])
    lib.set_num_threads(int(sys.argv[2]))
    ready: dict[Case, timeit.Timer] = {}
    for line in sys.stdin:
        request = json.loads(line)
        case, calls = Case(**request["case"]), request["calls"]
        answer: Any
        if calls == 0:
            result = eval(case.result, namespace(lib, case))
            answer = result.flatten().tolist()[:64] if result.dim() else [result.item()]
        else:
            if case not in ready:
                ready.clear()
                ready[case] = timeit.Timer(case.statement, globals=namespace(lib, case))
            answer = ready[case].timeit(calls) / calls
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
