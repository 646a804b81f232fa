#!/usr/bin/env bash
# Prints docs/configuration.md from the program's own tables.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo build --quiet --package ferromq-server
cat <<'TEXT'
# Settings

Written by `make docs` from the tables that the program itself uses; do not edit. Times are in milliseconds and sizes in
bytes unless a line says otherwise. `port` means 0 to 65535, 0 being a free one.

- Servers read them from files in Java's properties format, as Apache's: `key=value` lines, given with `-c`.
- C takes them by `ferromq_config_set(config, "key", "value")`, C++ by `config.set("key", "value")`, Node as options, Python
  as keyword arguments, and Rust as fields of the structs `BrokerConfig`, `StoreConfig`, `ClientConfig`, `ProducerConfig` and
  `ConsumerConfig`; each table has the names. Clients take those of `client` and of their own kind, embedded servers those of
  `broker` and `store`.

TEXT
for part in namesrv broker store client producer consumer; do
    echo "## $part"
    echo
    # Defaults that depend on the machine are shown for nobody's in particular.
    env -u NAMESRV_ADDR -u ROCKETMQ_HOME HOME='~' target/debug/ferromq settings "$part"
    echo
done
