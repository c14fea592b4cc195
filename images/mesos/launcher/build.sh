#!/bin/sh
# build.sh EGG PREFIX: builds the launcher and the library it runs on into PREFIX, on Debian trixie with gcc and g++
# (no -dev packages: the few declarations needed are in mesos_abi.hpp).  Binding stays lazy: the library
# has references that nothing here provides and nothing calls, so never set LD_BIND_NOW.
set -eu
egg=$1 prefix=$2
mkdir -p "$prefix/lib" "$prefix/sbin" egg
python3 -m zipfile -e "$egg" egg
python3 retarget.py "$(find egg -name '_scheduler*.so' | head -n 1)" "$prefix/lib/libmesos.so"
gcc -O1 -Wall -c compat.c tls.c
# -O1: the mirrored classes of mesos_abi.hpp are not whole, and the optimizer must not reason about them across calls.
g++ -std=c++17 -O1 -Wall -fvisibility-inlines-hidden -rdynamic -o "$prefix/sbin/mesos-master" \
    main.cpp startup.cpp repairs.cpp compat.o tls.o -L"$prefix/lib" -l:libmesos.so -l:libssl.so.3 -l:libcrypto.so.3 \
    -Wl,-z,lazy -Wl,--allow-shlib-undefined -Wl,-rpath,/opt/mesos/lib
strip --strip-all "$prefix/lib/libmesos.so"
strip --strip-unneeded "$prefix/sbin/mesos-master"
ln -s mesos-master "$prefix/sbin/mesos-agent"
