#!/usr/bin/env bash
# Shows messages going from a Python producer through one server to consumers in C, Node and Rust, each line
# naming who got what. A language that this machine lacks is left out, which is said; with
# FERROMQ_REQUIRE_ALL=1 that is a failure.
set -euo pipefail
cd "$(dirname "$0")/.."
target=${CARGO_TARGET_DIR:-$PWD/target}
built=$target/debug
work=$(mktemp -d)
server=
finish() {
    # Only processes that were started here are ended.
    for process in $(jobs -p); do
        kill -TERM "$process" 2> /dev/null || true
    done
    wait
    rm -rf "$work"
}
trap finish EXIT

left_out=()
leave_out() {
    left_out+=("$1")
    echo "Left out: $1, because $2."
}

# Which languages this machine has.
python=
if python3 -c 'import sys; sys.exit(sys.version_info < (3, 9))' 2> /dev/null; then
    python=python3
else
    leave_out Python "there is no Python 3.9 or later"
fi
compiler=$(command -v cc || command -v gcc || command -v clang || true)
[ -n "$compiler" ] || leave_out C "there is no C compiler"
node=
if ! command -v npm > /dev/null || [ "$(node -p 'process.versions.node.split(".")[0]' 2> /dev/null || echo 0)" -lt 18 ]; then
    leave_out Node "there is no Node 18 or later with npm"
elif [ -d bindings/node/node_modules ] || (cd bindings/node && npm ci --silent --no-audit --no-fund --ignore-scripts > "$work/npm" 2>&1); then
    node=node
else
    leave_out Node "npm could not fetch the TypeScript compiler: $(tail -n 1 "$work/npm")"
fi

echo "Building (the first time takes a few minutes)..."
packages=(--package ferromq-server)
[ -z "$python" ] || packages+=(--package ferromq-python)
[ -z "$compiler" ] || packages+=(--package ferromq-ffi)
[ -z "$node" ] || packages+=(--package ferromq-node)
cargo build --quiet "${packages[@]}"
if [ -n "$python" ]; then
    cp -r bindings/python/python/ferromq "$work/ferromq"
    for library in "$built"/lib_native.{so,dylib}; do
        [ ! -e "$library" ] || cp "$library" "$work/ferromq/_native.abi3.so"
    done
fi
if [ -n "$compiler" ]; then
    # With the static library: nothing has to be found when it starts.
    "$compiler" -Iinclude examples/c/consumer.c -o "$work/c-consumer" "$built/libferromq.a" -lpthread -ldl -lm
fi
if [ -n "$node" ]; then
    bindings/node/build.sh debug
    mkdir -p "$work/node/node_modules"
    ln -s "$PWD/bindings/node" "$work/node/node_modules/ferromq"
    cp examples/demo/consumer.mjs "$work/node"
fi

"$built/ferromq" standalone --data "$work/data" --namesrv-port 0 --broker-port 0 > "$work/ready" 2> "$work/log" &
server=$!
until grep -q ready "$work/ready"; do
    if ! kill -0 "$server" 2> /dev/null; then
        cat "$work/log" >&2
        exit 1
    fi
    sleep 0.02
done
echo
cat "$work/ready"
NAMESRV_ADDR=$(sed -n 's/.*namesrv=\([^ ]*\).*/\1/p' "$work/ready")
export NAMESRV_ADDR

orders=("order 1: a book" "order 2: two pens" "order 3: a lamp")
echo
echo "A producer sends three orders to topic Orders. Each group of consumers gets all of them:"
consumers=()
if [ -n "$compiler" ]; then
    timeout 120 "$work/c-consumer" "$NAMESRV_ADDR" billing 3 &
    consumers+=($!)
fi
if [ -n "$node" ]; then
    timeout 120 node "$work/node/consumer.mjs" "$NAMESRV_ADDR" shipping 3 &
    consumers+=($!)
fi
if [ -n "$python" ]; then
    PYTHONPATH=$work PYTHONDONTWRITEBYTECODE=1 timeout 120 "$python" examples/demo/producer.py "$NAMESRV_ADDR" "${orders[@]}"
else
    printf '%s\n' "${orders[@]}" | "$built/ferromq" send --topic Orders --tags created | sed 's/^/ferromq send: /'
fi
for consumer in "${consumers[@]}"; do
    wait "$consumer"
done
"$built/ferromq" receive --topic Orders --group archive --from first --count 3 --timeout 60 |
    sed 's/^/ferromq receive, group archive, got: /'

echo
echo "The topic and the progress of a group, as the broker sees them:"
"$built/ferromq" topic describe Orders
"$built/ferromq" group describe archive
echo
[ ${#left_out[@]} -eq 0 ] || echo "Left out on this machine: ${left_out[*]}."
echo "Done. The same program serves Apache's Java and Go clients: see README.md."
[ "${FERROMQ_REQUIRE_ALL:-}" != 1 ] || [ ${#left_out[@]} -eq 0 ]
