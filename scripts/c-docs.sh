#!/usr/bin/env bash
# Makes one program of all the blocks of docs/c.md in C or C++ and prints it: c-docs.sh c|cpp. Blocks that
# begin with #include or static stand outside of main. Errors of the compiler name lines of the page.
set -euo pipefail
cd "$(dirname "$0")/.."
awk -v kind="$1" '
    $0 == "```" kind { inside = 1; first = 1; next }
    /^```/ { inside = 0; next }
    !inside { next }
    first {
        first = 0
        outside = /^(#include|static|using)/
        place = "#line " NR " \"docs/c.md\"\n"
        if (outside) before = before place; else body = body place
        blocks++
    }
    outside { before = before $0 "\n"; next }
    { body = body $0 "\n" }
    END {
        if (!blocks) exit 1
        print before "int main(void) {\n" body "return 0;\n}"
    }
' docs/c.md
