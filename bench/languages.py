"""Reads the figures of bench/languages.sh and prints them beside each other, and beside the targets."""

import json
import sys
from typing import Dict

FIGURES: Dict[str, Dict[str, int]] = {}
for line in sys.stdin:
    figure = json.loads(line)
    FIGURES.setdefault(figure["what"], {})[figure["language"]] = figure["perSecond"]

LANGUAGES = ("rust", "python", "node")
print(f"\n{'messages/s of 128 bytes':24}", *(f"{language:>10}" for language in LANGUAGES))
for what, row in FIGURES.items():
    print(f"{what:24}", *(f"{row.get(language, ''):>10}" for language in LANGUAGES))

print()
for language in ("python", "node"):
    alone = FIGURES["one after the other"]
    many = max(FIGURES["512 at a time"][language], FIGURES["batches of 100"][language])
    for what, value, least in (
        ("one after the other, share of Rust's", alone[language] / alone["rust"], 0.5),
        ("many at once or in batches", many, 100_000),
        ("many at once, each awaited", FIGURES["512 at a time"][language], 100_000),
        ("received", FIGURES["received"][language], 150_000),
    ):
        said = "ok" if value >= least else "below"
        print(f"{said:6}{language:8}{what}: {value:,.2f} (target {least:,})")
