"""What a spawned process runs to have the functions of the script that ``python -m rustnn`` runs."""

from __future__ import annotations

import os
import sys

from rustnn import compat

# The environment variable in which the script's path is handed on.
SCRIPT = "RUSTNN_SCRIPT"

if __name__ == "__mp_main__":
    compat.install()
    __file__ = sys.argv[0] = os.environ[SCRIPT]
    with open(__file__, "rb") as _file:
        exec(compile(_file.read(), __file__, "exec", dont_inherit=True), globals())
