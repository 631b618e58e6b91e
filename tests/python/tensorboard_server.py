"""TensorBoard itself, on what examples/looking.py writes."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

EXAMPLE = Path(__file__).parents[2] / "examples" / "looking.py"


class Server:
    """A server that is up; ``fetch`` asks it directly, whatever proxy there is."""

    def __init__(self, port: int) -> None:
        self.address = f"http://127.0.0.1:{port}/"
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def fetch(self, path: str, **query: object) -> bytes:
        """What it answers to a request for ``data/path``."""
        url = f"{self.address}data/{path}"
        if query:
            url += f"?{urllib.parse.urlencode(query)}"
        with self._opener.open(url, timeout=60) as answer:
            data: bytes = answer.read()
        return data

    def is_ready(self) -> bool:
        """Whether it has read what the example wrote last."""
        try:
            runs = json.loads(self.fetch("runs"))
            projector = self.fetch("plugin/projector/info", run="looking")
        except OSError:
            return False
        return "looking/hparams" in runs and b"middle" in projector


@contextmanager
def tensorboard_server(folder: Path) -> Iterator[Server]:
    """The example runs in ``folder``, and a server shows it as long as the block lasts."""
    subprocess.run(
        [sys.executable, str(EXAMPLE)], cwd=folder, check=True, timeout=300, stdout=subprocess.DEVNULL
    )
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = ["-m", "tensorboard.main", "--logdir", "runs", "--host", "127.0.0.1", "--port", str(port)]
    log = folder / "log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-W", "ignore", *command, "--load_fast=false"],
            cwd=folder,
            stdout=output,
            stderr=output,
        )
    server = Server(port)
    try:
        until = time.monotonic() + 120
        while not server.is_ready():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < until, log.read_text()
            time.sleep(0.3)
        yield server
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)
