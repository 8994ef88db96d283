#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# Promises about the source tree and the built programs as a whole.
load helper

setup()
{
  cd "$MSD_SOURCE" || return
}

# Fails when folder $1 includes a header of a folder after it.
independent()
{
  local from=lib/$1 to

  shift
  [ -d "$from" ] || return 0
  for to; do
    none "^#include \"$to/" "$from"/*.h "$from"/*.c
  done
}

@test "programs include API headers only" {
  none '^#include ".*-(disk|priv)\.h"' bin/*.[ch]
}

@test "a private header is included in its own folder only" {
  local dir

  for dir in lib/*/; do
    dir=$(basename "$dir")
    if grep -nP "^#include \"(?!$dir/)[^\"]*/[^\"]*-priv\.h\"" "lib/$dir"/*; then
      fail "lib/$dir: the private header of another folder"
    fi
  done
}

@test "folders of the library use each other downwards only" {
  independent base gadget fs disk storage config
  independent gadget fs disk storage config
  independent fs gadget disk storage config
  independent disk gadget storage config
  independent storage disk config
  independent config fs disk storage
}

@test "the library neither prints nor exits, and leaves locale and working directory alone" {
  none '\b(v?printf|puts|putchar|perror|exit|abort|setlocale|chdir|fchdir)\(' lib/*/*.c
  # but a child that it forked ends so
  none '\b_exit\(' $(grep -L '\bfork()' lib/*/*.c)
  none '(\(|, )(stdout|stderr)[,)]' lib/*/*.c
}

@test "every file begins with its licence" {
  for file in $(find bin lib tests completions -name '*.[ch]' -o -name '*.sh' -o -name '*.ba[ts][sh]' -o -name meson.build -o -path 'completions/*/*'); do
    head -n 3 "$file" | grep -q 'SPDX-License-Identifier: GPL-3.0-or-later' || fail "$file"
  done
}

@test "shellcheck finds nothing in scripts and completions" {
  for file in $(grep -rlE '^#!/bin/(busybox |ba)?sh' bin tests .ci) completions/bash/*; do
    [ -f "$file" ] || continue
    case $file in
    *.bats) ;;
    tests/vm/*.sh) shellcheck -S warning "$file" ;;
    completions/*) shellcheck -s bash "$file" ;;
    *) shellcheck "$file" ;;
    esac
  done
  shellcheck -s bash tests/*/lib.sh tests/*/*.bash
}

@test "all programs together, stripped, take 600 KiB or less" {
  local sum=0

  for program in $(programs); do
    ! sanitized "$(command -v "$program")" || skip "a build with sanitizers"
    strip -o "$BATS_TEST_TMPDIR/$program" "$MSD_BUILD/bin/$program"
    sum=$((sum + $(stat -c %s "$BATS_TEST_TMPDIR/$program")))
  done
  echo "$sum bytes"
  [ "$sum" -le 614400 ]
}

@test "no program links a library that it does not use" {
  for program in $(programs); do
    ! sanitized "$(command -v "$program")" || skip "a build with sanitizers"
    run -0 ldd -u "$MSD_BUILD/bin/$program"
    [ -z "$output" ] || fail "$program: $output"
  done
}
