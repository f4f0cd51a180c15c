#!/bin/sh
# Checks that what the build needs is there, and says what is missing and how to get it.
set -u

missing=
need() { missing="$missing
  $1: $2"; }

CC=${CC:-gcc}
PKG_CONFIG=${PKG_CONFIG:-pkg-config}

command -v "${CC%% *}" >/dev/null 2>&1 || need "$CC" "C compiler (package gcc or clang)"
if command -v "$PKG_CONFIG" >/dev/null 2>&1; then
    "$PKG_CONFIG" --exists 'liburing >= 2.3' ||
        need liburing "io_uring library, 2.3 or later (package liburing-dev)"
    "$PKG_CONFIG" --exists jansson || need jansson "JSON library (Debian libjansson-dev, Alpine jansson-dev)"
    "$PKG_CONFIG" --exists libcares ||
        need c-ares "DNS library (Debian libc-ares-dev, Alpine c-ares-dev)"
else
    need "$PKG_CONFIG" "finds the libraries (Debian pkg-config, Alpine pkgconf)"
fi

[ -z "$missing" ] && exit 0
printf 'nextproxy cannot be built yet, missing:%s\nInstall them with: make deps\n' "$missing" >&2
exit 1
