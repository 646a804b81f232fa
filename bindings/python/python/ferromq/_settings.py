"""Settings: keyword arguments here, names of the one table in the core."""

from __future__ import annotations

import difflib
import json
from typing import Dict, List, Optional, Tuple, Union

from ._errors import invalid
from ._native import settings as _native_settings

Setting = Union[str, int, bool]


# The core's keys by their names here, by kind.
KEYS: Dict[str, Dict[str, str]] = json.loads(_native_settings())


def pairs(
    kinds: Tuple[str, ...], settings: Dict[str, Setting], address: Optional[str] = None
) -> List[Tuple[str, str]]:
    """Names and values as the core takes them."""
    keys: Dict[str, str] = {}
    for kind in kinds:
        keys.update(KEYS[kind])
    out: List[Tuple[str, str]] = []
    if address is not None:
        out.append(("namesrvAddr", address))
    for name, value in settings.items():
        key = keys.get(name)
        if key is None:
            nearest = difflib.get_close_matches(name, keys, 1, 0.5)
            hint = f"; did you mean `{nearest[0]}`?" if nearest else ""
            raise invalid(f"there is no setting `{name}`{hint}")
        out.append((key, str(value).lower() if isinstance(value, bool) else str(value)))
    return out
