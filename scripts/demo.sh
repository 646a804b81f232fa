#!/usr/bin/env bash
# Starts a name server and a broker in one process, sends lines as messages, and shows who got what.
set -euo pipefail
cd "$(dirname "$0")/.."

echo "Building (the first time takes a minute or two)..."
cargo build --quiet --package ferromq-server
ferromq=target/debug/ferromq

work=$(mktemp -d)
server=
finish() {
    # Only the process that was started here is ended.
    if [ -n "$server" ] && kill -TERM "$server" 2>/dev/null; then
        wait "$server" || true
    fi
    rm -rf "$work"
}
trap finish EXIT

"$ferromq" standalone --data "$work/data" --namesrv-port 0 --broker-port 0 > "$work/ready" 2> "$work/log" &
server=$!
until grep -q ready "$work/ready"; do
    if ! kill -0 "$server" 2>/dev/null; then
        cat "$work/log" >&2
        exit 1
    fi
    sleep 0.02
done
cat "$work/ready"
export NAMESRV_ADDR
NAMESRV_ADDR=$(sed -n 's/.*namesrv=\([^ ]*\).*/\1/p' "$work/ready")

echo
echo "A producer sends three orders to topic Orders:"
printf '%s\n' "order 1: a book" "order 2: two pens" "order 3: a lamp" |
    "$ferromq" send --topic Orders --tags created

echo
echo "A consumer of group billing receives them:"
"$ferromq" receive --topic Orders --group billing --from first --count 3 --timeout 30

echo
echo "The topic and the group's progress, as the broker sees them:"
"$ferromq" topic describe Orders
"$ferromq" group describe billing
echo
echo "Done. The same program serves Apache's Java and Go clients: see README.md."
