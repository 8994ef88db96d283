#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# msd-normalfiles beside tar, mtools and 7z: on tmpfs, and as root on a fresh ext4 in a loop file.
# See lib.sh for what makes it shorter.
. "${0%/*}/lib.sh"
export MTOOLS_SKIP_CHECK=1 LC_ALL=C.UTF-8 PATH=$PATH:/usr/sbin:/sbin

# An image a.img without partitions, which is what the peers read, and a.tar of folder $1.
wrap()
{
  msd-mkimage --no-sync -t fat32 --partition=none -d "$1" a.img
  tar cf a.tar -C "$1" .
  sync -f .
}

unpack() # REPETITIONS
{
  race "$1" "$clear" "msd-normalfiles unpack" "msd-normalfiles unpack a.img out" \
    "tar xf" "mkdir out && tar xf a.tar -C out" \
    "mcopy -s" "mkdir out && mcopy -s -Q -m -i a.img :: out" \
    "7z x" "7z x -oout a.img >/dev/null"
}

list()
{
  race 10 "" "msd-normalfiles list -r, $1 files" "msd-normalfiles list -r a.img" \
    "mdir -/" "mdir -/ -i a.img ::" "7z l" "7z l a.img"
}

# Folder $1 into an image that is there, and into a new one.
add()
{
  local kind

  for kind in fat32 exfat; do
    rm -f empty.img
    msd-mkimage --no-sync --sparse -t $kind -s 512M --partition=none empty.img
    race 5 "$clear; cp --sparse=always empty.img b.img" \
      "add, $kind" "msd-normalfiles add --no-sync b.img $1" \
      "pack, $kind" "msd-normalfiles pack --no-sync -t $kind -s 512M $1 c.img" \
      "msd-mkimage --sparse, $kind" "msd-mkimage --no-sync --sparse -t $kind -s 512M -d $1 c.img" \
      "add with sync, $kind" "msd-normalfiles add b.img $1"
  done
}

# All races in folder $1, $2.
races()
{
  local clear="rm -rf out b.img c.img; sync -f ."

  cd "$1"
  files small $((10000 / scale)) 0 16384 50
  wrap small
  title "$2: 10,000 files of 0 to 16 KiB"
  unpack 5
  title "$2: list"
  list 10,000
  title "$2: add 10,000 files of 0 to 16 KiB; reach 2 times of pack"
  add small
  rm -rf small
  title "$2: add 10,000 files with like names into one folder"
  like_names like $((10000 / scale))
  add like
  rm -rf b.img c.img empty.img

  mkdir tree && mv like tree/
  files tree/deep $((60000 / scale)) 1024 4096 30
  wrap tree
  title "$2: list"
  list 70,000
  rm -rf tree/like && wrap tree
  title "$2: 60,000 files of 1 to 4 KiB in a deep tree"
  unpack 3
  rm -rf tree out
  large_files large
  wrap large
  rm -rf large
  title "$2: 3 large files"
  unpack 3
  rm -rf out a.img a.tar
  cd - >/dev/null
}

mkdir tmpfs
! on tmpfs || races "$PWD/tmpfs" tmpfs
if on ext4 && fresh ext4 8G; then
  races "$PWD/ext4" 'ext4 in a loop file'
  remove ext4
fi
