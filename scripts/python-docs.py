"""Runs every Python block of a page, each as a program of its own, with a server behind NAMESRV_ADDR.

Blocks marked `python test` are run by pytest."""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import ferromq

text = Path(sys.argv[1]).read_text("utf-8")
blocks = re.findall(r"^```python( test)?\n(.*?)^```$", text, re.M | re.S)
if not blocks:
    sys.exit(f"{sys.argv[1]} has no code to run")
failed = 0
with ferromq.Server() as server, tempfile.TemporaryDirectory() as folder:
    for number, (kind, code) in enumerate(blocks):
        file = Path(folder) / f"test_{number}.py"
        file.write_text(code, "utf-8")
        command = [sys.executable, *(["-m", "pytest", "-q"] if kind else []), str(file)]
        environment = {**os.environ, "NAMESRV_ADDR": server.address}
        run = subprocess.run(
            command, env=environment, cwd=folder, capture_output=True, text=True, timeout=60
        )
        lines = [line for line in code.splitlines() if line and not line.startswith("import")]
        print("ok    " if run.returncode == 0 else "FAILED", lines[0])
        if run.returncode != 0:
            failed += 1
            print(run.stdout, run.stderr)
sys.exit(1 if failed else 0)
