"""What the tests share."""

from __future__ import annotations

import time
from typing import Any, Callable, Dict, Iterator

import ferromq
import pytest

FIRST: Dict[str, Any] = {"consume_from_where": "CONSUME_FROM_FIRST_OFFSET"}


@pytest.fixture(scope="session")
def server() -> Iterator[ferromq.Server]:
    with ferromq.Server() as server:
        yield server


def until(what: str, condition: Callable[[], object], patience: float = 60) -> None:
    end = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < end, f"{what} did not happen"
        time.sleep(0.005)
