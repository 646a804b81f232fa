"""Settings: keyword arguments here, names of the one table in the core."""

from __future__ import annotations

import difflib
import json
import os
import re
from typing import Dict, List, Optional, Tuple, Union

from ._errors import invalid
from ._native import settings as _native_settings

Setting = Union[str, int, bool]


def snake_case(key: str) -> str:
    """`sendMsgTimeout` is `send_msg_timeout`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", key).lower()


_KINDS: Dict[str, List[str]] = json.loads(_native_settings())
_KEYS: Dict[str, Dict[str, str]] = {
    kind: {snake_case(key): key for key in keys} for kind, keys in _KINDS.items()
}


def pairs(
    kinds: Tuple[str, ...], settings: Dict[str, Setting], address: Optional[str] = None
) -> List[Tuple[str, str]]:
    """Names and values as the core takes them."""
    keys: Dict[str, str] = {}
    for kind in kinds:
        keys.update(_KEYS[kind])
    out: List[Tuple[str, str]] = []
    if address is None and "namesrv_addr" in keys and "namesrv_addr" not in settings:
        address = os.environ.get("NAMESRV_ADDR")
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
