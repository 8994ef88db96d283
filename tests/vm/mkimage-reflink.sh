#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Where the file system can share blocks, an image shares those of its files, and files that are unpacked
# share the image's; a change of one is none of the other.
. "${0%/*}/lib.sh"
export TZ=UTC

# Blocks of 4 KiB of FILE that others have, too.
shared() # FILE
{
  filefrag -b4096 -v "$1" | awk -F: '/shared/ { sum += $4 } END { print sum + 0 }'
}

drop_caches()
{
  sync && echo 3 >/proc/sys/vm/drop_caches
}

check_image() # DESCRIPTION TYPE FOLDER
{
  local dev

  dev=$(losetup -f --show -r -o 1M a.img)
  if [ "$2" = exfat ]; then
    ok "$1: fsck" fsck.exfat -n "$dev"
  else
    ok "$1: fsck" fsck.fat -n "$dev"
  fi
  mount -o ro "$dev" mnt
  ok "$1: every file compares" diff -r "$3" mnt
  umount mnt
  losetup -d "$dev"
}

# 20 MiB; 5 MiB and 123 bytes; 8 MiB of data around a hole of 16
content_kib=$(((20 + 5 + 8) * 1024))

share() # FSTYPE TYPE OPTION…
{
  local name="$1, ${*:2}" before used wanted=0

  rm -f a.img
  drop_caches
  before=$(df --output=used -k . | tail -n 1)
  ok "$name: made" msd-mkimage -t "$2" -d files "${@:3}" a.img
  drop_caches
  used=$(($(df --output=used -k . | tail -n 1) - before))
  ok "$name: whole blocks are shared" test "$(shared a.img)" -ge $((content_kib / 4))
  [[ $* = *--sparse* ]] || wanted=$(($(stat -c %s a.img) / 1024 - content_kib))
  ok "$name: the room of the content is taken once: $used KiB, not $((wanted + content_kib))" \
    test $used -ge $((wanted - 64)) -a $used -lt $((wanted + 6144))
  check_image "$name" "$2" files
}

try() # FSTYPE
{
  local sum

  modprobe "$1" 2>/dev/null
  mkdir "/run/scratch/$1"
  if ! mkfs."$1" -q -f /dev/vdb >/dev/null || ! mount -t "$1" /dev/vdb "/run/scratch/$1"; then
    skip "$1" "no $1"
    return
  fi
  cd "/run/scratch/$1" || exit
  mkdir mnt files
  head -c 20M /dev/urandom >files/a
  head -c $((5 * 1024 * 1024 + 123)) /dev/urandom >files/b
  head -c 4M /dev/urandom >files/hole
  truncate -s 20M files/hole
  head -c 4M /dev/urandom >>files/hole
  echo small >files/small
  sync -f .
  # clusters of 4 KiB
  share "$1" fat32 -s 600M
  share "$1" fat32 -s 600M --sparse
  share "$1" exfat -s 100M --sparse
  share "$1" exfat --partition=gpt

  cp -r --reflink=never files kept
  sum=$(sha256 a.img)
  dd if=/dev/urandom of=files/a bs=64K count=40 seek=7 conv=notrunc status=none
  : >files/b
  echo more >>files/hole
  drop_caches
  is "$1: the files change, the image does not" "$(sha256 a.img)" "$sum"
  check_image "$1: after that" exfat kept

  ok "$1: unpack" msd-normalfiles unpack a.img out
  sync -f .
  ok "$1: unpacked files share the image's blocks" test "$(shared out/a)" -ge $((20 * 256 - 16))
  ok "$1: unpacked files compare" diff -r kept out
  mount -o loop,offset=1048576 a.img mnt
  dd if=/dev/zero of=mnt/a bs=64K count=320 conv=notrunc status=none
  umount mnt
  drop_caches
  ok "$1: the image changes, what was unpacked does not" diff -r kept out
  cd /run/scratch || exit
  umount "$1"
}

modprobe -a loop vfat exfat nls_utf8 nls_cp437 nls_iso8859-1 nls_ascii 2>/dev/null
try xfs
try btrfs
