#!/usr/bin/env bash
# Packs target/dist/ferromq-VERSION-SYSTEM.tar.gz: program, headers, shared and static library, and what
# pkg-config and CMake want to know; where there is dpkg-deb, the same as a Debian package. Then unpacks the
# one elsewhere and installs the other into an empty root, and builds and runs examples with each, by the
# commands of docs/c.md. PROFILE=dev is quicker.
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
get_filename_component(_ferromq_libraries "${CMAKE_CURRENT_LIST_DIR}/../.." ABSOLUTE)
get_filename_component(_ferromq_include "${_ferromq_libraries}/../include" ABSOLUTE)
if(NOT TARGET ferromq::ferromq)
  add_library(ferromq::ferromq SHARED IMPORTED)
  set_target_properties(ferromq::ferromq PROPERTIES
    IMPORTED_LOCATION "${_ferromq_libraries}/libferromq.so.1"
    IMPORTED_SONAME "libferromq.so.1"
    INTERFACE_INCLUDE_DIRECTORIES "${_ferromq_include}")
  add_library(ferromq::static STATIC IMPORTED)
  set_target_properties(ferromq::static PROPERTIES
    IMPORTED_LOCATION "${_ferromq_libraries}/libferromq.a"
    INTERFACE_INCLUDE_DIRECTORIES "${_ferromq_include}"
    INTERFACE_LINK_LIBRARIES "pthread;dl;m")
endif()
CMAKE
cat > "$tree/lib/cmake/ferromq/ferromqConfigVersion.cmake" <<CMAKE
set(PACKAGE_VERSION "$version")
if(NOT PACKAGE_VERSION VERSION_LESS PACKAGE_FIND_VERSION)
  set(PACKAGE_VERSION_COMPATIBLE TRUE)
endif()
CMAKE
echo "== what the shared library shows"
# Its name has the number of the interface, and nothing but the interface can be linked with.
abi=$(sed -n 's/^#define FERROMQ_ABI_VERSION //p' include/ferromq.h)
objdump -p "$tree/lib/libferromq.so.1" | grep -E "SONAME +libferromq\.so\.$abi\$"
nm --dynamic --defined-only --format=posix "$tree/lib/libferromq.so.1" | cut -d' ' -f1 | LC_ALL=C sort | diff -u ffi/symbols.txt -

tar --create --gzip --owner=0 --group=0 --file "$out/$name.tar.gz" --directory "$work" "$name"

if command -v dpkg-deb > /dev/null; then
    architecture=$(dpkg --print-architecture)
    libraries=usr/lib/$(cc -print-multiarch)
    package=$work/package
    mkdir -p "$package/DEBIAN" "$package/usr/share/doc/ferromq" "$package/$libraries/pkgconfig"
    cp -r "$tree/lib/cmake" "$package/$libraries"
    # One folder deeper than in the archive.
    sed -i 's|/../include"|/../../include"|' "$package/$libraries/cmake/ferromq/ferromqConfig.cmake"
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
cp examples/c/embedded.c "$elsewhere/program.c"
cp examples/cpp/embedded.cpp "$elsewhere/program.cpp"
# The commands of the page.
block() { awk -v kind="$1" '$0 == "```" kind { inside = 1; next } /^```/ { inside = 0 } inside' "$root/docs/c.md"; }
cd "$elsewhere"
"$prefix/bin/ferromq" --version
if command -v pkg-config > /dev/null; then
    echo "== with pkg-config"
    block sh
    PKG_CONFIG_PATH=$prefix/lib/pkgconfig bash -euc "$(block sh)"
    LD_LIBRARY_PATH=$prefix/lib ./program
    rm program
fi
if command -v cmake > /dev/null; then
    echo "== with CMake"
    cat > CMakeLists.txt <<CMAKE
cmake_minimum_required(VERSION 3.13)
project(example C CXX)
add_executable(program program.c)
$(block cmake)
add_executable(static program.c)
target_link_libraries(static ferromq::static)
add_executable(cpp program.cpp)
target_link_libraries(cpp ferromq::ferromq)
target_compile_features(cpp PRIVATE cxx_std_17)
CMAKE
    cmake -S . -B build -DCMAKE_PREFIX_PATH="$prefix" > cmake.log || { cat cmake.log; exit 1; }
    cmake --build build >> cmake.log || { cat cmake.log; exit 1; }
    ./build/program
    ./build/static
    ./build/cpp
fi
if command -v dpkg-deb > /dev/null; then
    echo "== from the Debian package"
    installed=$elsewhere/root
    deb=$out/ferromq_${version}_$architecture.deb
    dpkg-deb --info "$deb" | grep -E '^ (Package|Version|Architecture|Depends):'
    mkdir -p "$installed/var/lib/dpkg"/{info,updates} "$installed/var/lib/dpkg/triggers"
    touch "$installed/var/lib/dpkg/"{status,available}
    # What it depends on is not in this root, and only root may make one with owners of its own.
    if [ "$(id -u)" = 0 ]; then
        dpkg --root="$installed" --force-depends --force-not-root --install "$deb" > dpkg.log 2>&1 || { cat dpkg.log; exit 1; }
        dpkg --root="$installed" --status ferromq | grep '^Status: install ok installed$'
    else
        dpkg-deb --extract "$deb" "$installed"
    fi
    "$installed/usr/bin/ferromq" --version
    if command -v pkg-config > /dev/null; then
        rm -f program
        # The root is somewhere else, and the paths in the package's file follow it.
        PKG_CONFIG_PATH=$installed/$libraries/pkgconfig PKG_CONFIG_SYSTEM_INCLUDE_PATH=/none bash -euc "$(block sh)"
        LD_LIBRARY_PATH=$installed/$libraries ./program
    fi
    cmake_files=$installed/$libraries/cmake/ferromq
    if command -v cmake > /dev/null; then
        cmake -S . -B build-deb -Dferromq_DIR="$cmake_files" > cmake.log || { cat cmake.log; exit 1; }
        cmake --build build-deb --target program static >> cmake.log || { cat cmake.log; exit 1; }
        ./build-deb/program
        ./build-deb/static
    fi
    if [ "$(id -u)" = 0 ]; then
        dpkg --root="$installed" --force-not-root --remove ferromq > dpkg.log 2>&1 || { cat dpkg.log; exit 1; }
        [ ! -e "$installed/usr/bin/ferromq" ]
    fi
fi
ls -l "$out"
