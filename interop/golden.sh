#!/bin/sh
# Records the golden bytes of core/protocol/tests/golden again, from Apache's own classes.
# usage: interop/golden.sh [FOLDER]
set -eu
here=$(cd "$(dirname "$0")" && pwd)
folder=${1:-$here/../core/protocol/tests/golden}
flags="--add-opens=java.base/sun.nio.ch=ALL-UNNAMED --add-opens=java.base/java.nio=ALL-UNNAMED
 --add-opens=java.base/jdk.internal.misc=ALL-UNNAMED --add-opens=java.base/java.lang=ALL-UNNAMED
 --add-opens=java.base/jdk.internal.ref=ALL-UNNAMED --add-exports=java.base/sun.nio.ch=ALL-UNNAMED"
cd "$here/java/golden"
mvn -q -B package
mvn -q -B -Dlegacy package
# shellcheck disable=SC2086
java $flags -cp "target/55/classes:$here/lib/golden55/*" org.ferromq.interop.golden.Golden "$folder" 5.5.0
# shellcheck disable=SC2086
java $flags -cp "target/49/classes:$here/lib/golden49/*" org.ferromq.interop.golden.Golden "$folder" 4.9.8
