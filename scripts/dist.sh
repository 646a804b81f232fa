#!/usr/bin/env bash
# Packs target/dist/ferromq-VERSION-SYSTEM.tar.gz: program, headers, shared and static library, and what
# pkg-config and CMake want to know; where there is dpkg-deb, the same as a Debian package. Then unpacks them
# elsewhere and builds and runs an example each way. PROFILE=dev is quicker.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
profile=${PROFILE:-release}
built=$root/target/${profile/#dev/debug}
out=$root/target/dist
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cargo build --quiet --profile "$profile" --package ferromq-ffi --package ferromq-server --lib --bins
version=$("$built/ferromq" --version | cut -d' ' -f2)
name=ferromq-$version-$(uname -s | tr '[:upper:]' '[:lower:]')-$(uname -m)
tree=$work/$name
mkdir -p "$tree"/{bin,include,lib/pkgconfig,lib/cmake/ferromq} "$out"
cp LICENSE docs/c.md "$tree"
cp "$built/ferromq" "$tree/bin"
cp include/ferromq.h include/ferromq.hpp "$tree/include"
cp "$built/libferromq.a" "$tree/lib"
cp "$built/libferromq.so" "$tree/lib/libferromq.so.1"
ln -s libferromq.so.1 "$tree/lib/libferromq.so"
strip --strip-debug "$tree/bin/ferromq" "$tree/lib/libferromq.so.1" "$tree/lib/libferromq.a"
cat > "$tree/lib/pkgconfig/ferromq.pc" <<PC
prefix=\${pcfiledir}/../..
Name: ferromq
Description: Clients for RocketMQ, and an embedded server
Version: $version
Cflags: -I\${prefix}/include
Libs: -L\${prefix}/lib -lferromq
Libs.private: -lpthread -ldl -lm
PC
cat > "$tree/lib/cmake/ferromq/ferromqConfig.cmake" <<'CMAKE'
# ferromq::ferromq is the shared library, ferromq::static the other.
get_filename_component(_ferromq_prefix "${CMAKE_CURRENT_LIST_DIR}/../../.." ABSOLUTE)
if(NOT TARGET ferromq::ferromq)
  add_library(ferromq::ferromq SHARED IMPORTED)
  set_target_properties(ferromq::ferromq PROPERTIES
    IMPORTED_LOCATION "${_ferromq_prefix}/lib/libferromq.so.1"
    IMPORTED_SONAME "libferromq.so.1"
    INTERFACE_INCLUDE_DIRECTORIES "${_ferromq_prefix}/include")
  add_library(ferromq::static STATIC IMPORTED)
  set_target_properties(ferromq::static PROPERTIES
    IMPORTED_LOCATION "${_ferromq_prefix}/lib/libferromq.a"
    INTERFACE_INCLUDE_DIRECTORIES "${_ferromq_prefix}/include"
    INTERFACE_LINK_LIBRARIES "pthread;dl;m")
endif()
CMAKE
cat > "$tree/lib/cmake/ferromq/ferromqConfigVersion.cmake" <<CMAKE
set(PACKAGE_VERSION "$version")
if(NOT PACKAGE_VERSION VERSION_LESS PACKAGE_FIND_VERSION)
  set(PACKAGE_VERSION_COMPATIBLE TRUE)
endif()
CMAKE
tar --create --gzip --owner=0 --group=0 --file "$out/$name.tar.gz" --directory "$work" "$name"

if command -v dpkg-deb > /dev/null; then
    architecture=$(dpkg --print-architecture)
    libraries=usr/lib/$(cc -print-multiarch)
    package=$work/package
    mkdir -p "$package/DEBIAN" "$package/usr/share/doc/ferromq" "$package/$libraries/pkgconfig"
    cp -r "$tree/bin" "$tree/include" "$package/usr"
    cp -P "$tree"/lib/libferromq* "$package/$libraries"
    cp LICENSE "$package/usr/share/doc/ferromq/copyright"
    sed "s|^prefix=.*|prefix=\${pcfiledir}/../../../..\nlibdir=\${prefix}/$libraries|; s|-L\${prefix}/lib|-L\${libdir}|; s|-I\${prefix}/include|-I\${prefix}/usr/include|" \
        "$tree/lib/pkgconfig/ferromq.pc" > "$package/$libraries/pkgconfig/ferromq.pc"
    cat > "$package/DEBIAN/control" <<CONTROL
Package: ferromq
Version: $version
Architecture: $architecture
Maintainer: The FerroMQ project <ferromq@example.invalid>
Section: net
Priority: optional
Depends: libc6 (>= $(ldd --version | awk 'NR == 1 {print $NF}')), libgcc-s1
Description: Message broker and clients that speak RocketMQ's protocol
 The program ferromq (name server, broker and tools), and the C library
 libferromq with its headers.
CONTROL
    dpkg-deb --root-owner-group --build "$package" "$out/ferromq_${version}_$architecture.deb" > /dev/null
fi

elsewhere=$work/elsewhere
mkdir "$elsewhere"
tar --extract --file "$out/$name.tar.gz" --directory "$elsewhere"
prefix=$elsewhere/$name
cp examples/c/embedded.c examples/cpp/embedded.cpp "$elsewhere"
cd "$elsewhere"
"$prefix/bin/ferromq" --version
if command -v pkg-config > /dev/null; then
    echo "== with pkg-config"
    export PKG_CONFIG_PATH=$prefix/lib/pkgconfig
    # Its words are arguments.
    # shellcheck disable=SC2046
    cc embedded.c -o with-pkg-config $(pkg-config --cflags --libs ferromq) "-Wl,-rpath,$prefix/lib"
    ./with-pkg-config
fi
if command -v cmake > /dev/null; then
    echo "== with CMake"
    cat > CMakeLists.txt <<'CMAKE'
cmake_minimum_required(VERSION 3.13)
project(example C CXX)
find_package(ferromq REQUIRED)
add_executable(shared embedded.c)
target_link_libraries(shared ferromq::ferromq)
add_executable(static embedded.c)
target_link_libraries(static ferromq::static)
add_executable(cpp embedded.cpp)
target_link_libraries(cpp ferromq::ferromq)
target_compile_features(cpp PRIVATE cxx_std_17)
CMAKE
    cmake -S . -B build -DCMAKE_PREFIX_PATH="$prefix" > cmake.log || { cat cmake.log; exit 1; }
    cmake --build build >> cmake.log || { cat cmake.log; exit 1; }
    ./build/shared
    ./build/static
    ./build/cpp
fi
if command -v dpkg-deb > /dev/null; then
    echo "== from the Debian package"
    dpkg-deb --extract "$out"/ferromq_*.deb "$elsewhere/root"
    "$elsewhere/root/usr/bin/ferromq" --version
    export PKG_CONFIG_PATH=$elsewhere/root/$libraries/pkgconfig PKG_CONFIG_SYSTEM_INCLUDE_PATH=/none
    # shellcheck disable=SC2046
    cc embedded.c -o from-debian $(pkg-config --cflags --libs ferromq) "-Wl,-rpath,$elsewhere/root/$libraries"
    ./from-debian
fi
ls -l "$out"
