#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# timeout: 800
# 1,000 times out and in: no failure, no leak, no wedge, and how long each took.
. "${0%/*}/lib.sh"

pikvm_gadget 1
meminfo()
{
  awk -v key="$1:" '$1 == key { print $2 }' /proc/meminfo
}

cycle() # N
{
  otgmsd -q --eject --set-image=$((1 + $1 % 2)).img >/dev/null || failed=$((failed + 1))
}

make_image 1.img 1M
make_image 2.img 2M
otgmsd -q --eject --set-cdrom=0 --set-rw=0 >/dev/null
failed=0 times=()
for ((n = 0; n < 50; n++)); do
  cycle $n
done
slab=$(meminfo SUnreclaim) available=$(meminfo MemAvailable) files=$(cut -f 1 /proc/sys/fs/file-nr)
for ((n = 0; n < 1000; n++)); do
  start=${EPOCHREALTIME/./}
  cycle $n
  times+=($((${EPOCHREALTIME/./} - start)))
done
slab=$(($(meminfo SUnreclaim) - slab)) available=$((available - $(meminfo MemAvailable)))
files=$(($(cut -f 1 /proc/sys/fs/file-nr) - files))
mapfile -t sorted < <(printf '%s\n' "${times[@]}" | sort -n)
note "1,000 cycles: p50 ${sorted[499]} us, p99 ${sorted[989]} us, slab +$slab KiB, memory -$available KiB, files +$files"
is "1,000 cycles: none failed" $failed 0
ok "… no kernel memory was lost" test $slab -lt 1024
ok "… nor other" test $available -lt 16384
ok "… nor an open file" test $files -lt 64
ok "… and the host reads the last" wait_medium 0 $((2 << 20))
is "… byte for byte" "$(host_sha256 0)" "$(sha256 2.img)"
