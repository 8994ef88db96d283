#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Ventoy disks: the time is that of unpacking 32 MiB.
. "${0%/*}/lib.sh"

# as much that does not pack as a release has
"$MSD_SOURCE"/tests/ventoy/make-payload --fill=14000000 --tar ventoy 1.1.07
"$MSD_SOURCE"/tests/ventoy/make-payload --fill=14000000 ventoy-next 1.1.08

title "Empty 16 GiB, --no-sync; reach 1.3 times of xz -d"
for kind in mbr gpt; do
  race 5 "" "msd-mkimage -t ventoy --partition=$kind" \
    "msd-mkimage -t ventoy --ventoy=ventoy --partition=$kind -s 16G --sparse --no-sync v.img" \
    "xz -d of the payload" "xz -dc ventoy/ventoy/ventoy.disk.img.xz ventoy/boot/core.img.xz >/dev/null"
done
race 5 "" "… --secure-boot=no" \
  "msd-mkimage -t ventoy --ventoy=ventoy --secure-boot=no -s 16G --sparse --no-sync v.img" \
  "xz -d of the payload" "xz -dc ventoy/ventoy/ventoy.disk.img.xz ventoy/boot/core.img.xz >/dev/null"
race 5 "" "… from the .tar.gz" \
  "msd-mkimage -t ventoy --ventoy=ventoy.tar.gz -s 16G --sparse --no-sync v.img" \
  "tar xz and xz -d of the payload" \
  "tar -xzf ventoy.tar.gz --to-stdout ventoy/ventoy/ventoy.disk.img.xz | xz -d >/dev/null"

title "Update, which unpacks twice: to check all before it writes"
race 5 "" "msd-mkimage --update" "msd-mkimage --update --ventoy=ventoy-next v.img" \
  "xz -d of the payload" "xz -dc ventoy-next/ventoy/ventoy.disk.img.xz >/dev/null"

title "700 MiB more; reach the time of cp"
head -c 734003200 /dev/urandom >big.iso
msd-mkimage -t ventoy --ventoy=ventoy -s 2G --sparse --no-sync empty.img
mkdir isos && ln big.iso isos/
race 3 "rm -f v.img out.iso; cp --sparse=always empty.img v.img" \
  "msd-mkimage -t ventoy -d isos (whole disk)" \
  "msd-mkimage -t ventoy --ventoy=ventoy -d isos --sparse --no-sync v.img" \
  "cp big.iso, and xz -d of the payload" \
  "cp big.iso out.iso && xz -dc ventoy/ventoy/ventoy.disk.img.xz >/dev/null"
if msd-normalfiles --help | grep -q 'add'; then
  race 3 "rm -f v.img out.iso; cp --sparse=always empty.img v.img" \
    "msd-normalfiles add" "msd-normalfiles add v.img big.iso" "cp big.iso" "cp big.iso out.iso"
fi
