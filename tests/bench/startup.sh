#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# What a program costs before it does anything, and the system calls of showing and changing a drive.
. "${0%/*}/lib.sh"

title "Startup, 100 times"
mapfile -t programs < <(find "$MSD_BUILD/bin" -maxdepth 1 -type f -perm -1 | sort)
for program in "${programs[@]}"; do
  race 100 "" "${program##*/} --version" "$program --version"
done
race 100 "" "otgmsd --version" "otgmsd --version" "losetup --version (util-linux)" "losetup --version" \
  "python3 -c pass (kvmd-otgmsd before it imports)" "/usr/bin/python3 -c pass"

figures "Size"
total=0
for program in "${programs[@]}"; do
  strip -o stripped "$program"
  size=$(stat -c %s stripped)
  total=$((total + size))
  figure "${program##*/}, stripped" "$size" "bytes; needs $(readelf -d "$program" | sed -n 's/.*NEEDED.*\[\(.*\)\.so.*/\1/p' | paste -sd ' ')"
done
figure "all together" "$total" "bytes of 614400"

figures "System calls after the libraries are loaded, in the virtual machine"
"$MSD_SOURCE/tests/vm/run" -B "$MSD_BUILD" "$MSD_SOURCE/tests/bench/vm/calls.sh" | sed -n 's/^# figure //p; /^not ok/p'
