"""Fixtures for pytest; installed with the package.

`ferromq_server` is a server of its own for the test that asks for it, which takes milliseconds;
`ferromq_shared_server` is one for the whole run.
"""

from __future__ import annotations

from typing import Iterator

import pytest

from .server import Server


@pytest.fixture
def ferromq_server() -> Iterator[Server]:
    """A name server and a broker for one test."""
    with Server() as server:
        yield server


@pytest.fixture(scope="session")
def ferromq_shared_server() -> Iterator[Server]:
    """A name server and a broker for all tests."""
    with Server() as server:
        yield server
