#!/bin/sh
# Brings in what the interop tests drive and are driven by: Apache's servers and clients from Maven Central, and the
# drivers built on them, into interop/lib and interop/go/bin. Quick when nothing has changed.
# usage: interop/setup.sh [servers55] [servers49] [driver55] [driver49] [go]     (all of them by default)
set -eu
cd "$(dirname "$0")"
mkdir -p lib

# The content that a part is made from; its checksum says whether the part is up to date.
sources() {
    case $1 in
        servers55 | servers49) echo "java/$1/pom.xml" ;;
        driver55 | driver49) find java/driver/pom.xml java/driver/src -type f | sort ;;
        go) find go -maxdepth 1 -type f \( -name '*.go' -o -name 'go.*' \) | sort ;;
    esac
}

make_part() {
    case $1 in
        servers55 | servers49) rm -rf "lib/$1" && (cd "java/$1" && mvn -q -B package) ;;
        driver55) rm -rf lib/driver55 && (cd java/driver && mvn -q -B package) ;;
        driver49) rm -rf lib/driver49 && (cd java/driver && mvn -q -B -Dlegacy package) ;;
        go) mkdir -p go/bin && (cd go && go build -trimpath -o bin/driver .) ;;
        *) echo "setup.sh: no part named $1; servers55, servers49, driver55, driver49, go" >&2 && exit 2 ;;
    esac
}

[ $# -gt 0 ] || set -- servers55 servers49 driver55 driver49 go
for part in "$@"; do
    (
        # Two test programs may ask at the same time.
        flock 9
        stamp="lib/.$part.stamp"
        # shellcheck disable=SC2046
        now=$(cat $(sources "$part") | cksum)
        if [ ! -f "$stamp" ] || [ "$(cat "$stamp")" != "$now" ]; then
            echo "setup.sh: making $part" >&2
            rm -f "$stamp"
            make_part "$part"
            echo "$now" >"$stamp"
        fi
    ) 9>"lib/.$part.lock"
done
