"""`python -m ferromq standalone`: the program `ferromq`, which wheels bring along."""

from __future__ import annotations

import os
import sys
import sysconfig
from pathlib import Path

from ._errors import Error


def program() -> str:
    """Where the program is."""
    beside = Path(__file__).parent / "bin" / "ferromq"
    installed = Path(sysconfig.get_path("scripts")) / "ferromq"
    for path in (beside, installed):
        if path.is_file():
            return str(path)
    raise Error("this package was built without the program `ferromq`; see `make wheel`")


def main() -> None:
    """Becomes the program."""
    try:
        path = program()
    except Error as error:
        sys.exit(f"ferromq: {error}")
    os.execv(path, [path, *sys.argv[1:]])


if __name__ == "__main__":
    main()
