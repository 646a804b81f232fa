"""Servers that obey lines; see core/testkit/scenarios/README.md."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

ROOT = Path(os.environ["FERROMQ_ROOT"])
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
# Apache's name server instead of our own servers.
APACHE = os.environ.get("FERROMQ_APACHE")
SCENARIOS = ROOT / "core" / "testkit" / "scenarios"


class Cluster:
    def __init__(self) -> None:
        program = [str(TARGET / "debug" / "scenario-cluster"), *([APACHE] if APACHE else [])]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(program, stdin=pipe, stdout=pipe, text=True)

    def obey(self, line: str) -> str:
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        word, _, rest = self._process.stdout.readline().strip().partition(" ")
        assert word == "ok", f"{line}: {rest}"
        return rest

    def close(self) -> None:
        assert self._process.stdin and self._process.stdout
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait(30)
