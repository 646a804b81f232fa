#!/usr/bin/env bash
# Runs every shell block of README.md that is marked `sh`, in order, in one shell, with the program
# on the path and a fresh directory. `make` commands are left out: they are steps of their own.
set -euo pipefail
cd "$(dirname "$0")/.."

cargo build --quiet --package ferromq-server
root=$PWD
work=$(mktemp -d)
servers=
finish() {
    for server in $servers; do
        kill -TERM "$server" 2>/dev/null || true
    done
    wait
    rm -rf "$work"
}
trap finish EXIT

awk '/^```sh$/ { inside = 1; next } /^```/ { inside = 0 } inside' README.md |
    grep -v -E '^(make|git|cd) ' > "$work/commands"
if ! [ -s "$work/commands" ]; then
    echo "README.md has no commands to run" >&2
    exit 1
fi
export PATH="$root/target/debug:$PATH"
cd "$work"
while IFS= read -r line; do
    [ -n "$line" ] || continue
    echo "\$ $line"
    case $line in
    *"&")
        # A server: it goes on in the background until the end.
        eval "exec ${line%&}" > ready 2> log &
        servers="$servers $!"
        for _ in $(seq 500); do
            grep -q ready ready && break
            sleep 0.02
        done
        grep ready ready
        ;;
    *) eval "$line" ;;
    esac
done < commands
