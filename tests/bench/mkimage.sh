#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# msd-mkimage beside mtools, dosfstools, exfatprogs, genimage, tar and cp: on tmpfs, and as root on a fresh
# ext4 in a loop file; without a sync at the end, and with it. See lib.sh for what makes it shorter.
. "${0%/*}/lib.sh"
export MTOOLS_SKIP_CHECK=1 LC_ALL=C.UTF-8 PATH=$PATH:/usr/sbin:/sbin

genimage_config()
{
  echo "image all.img { vfat { } size = $2 }" >"$1"
}

# All races in folder $1; $2 is put behind every peer, $3 are options of ours.
races()
{
  local after=$2 options=$3

  cd "$1"
  title "$4: empty"
  race 20 "rm -f a.img b.img" "FAT32 512 MiB, sparse" "msd-mkimage --sparse $options -s 512M a.img" \
    "truncate + mkfs.fat" "truncate -s 512M b.img && mkfs.fat -F 32 b.img >/dev/null $after"
  race 20 "rm -f a.img b.img" "FAT32 512 MiB, preallocated" "msd-mkimage $options -s 512M a.img" \
    "fallocate + sfdisk + mkfs.fat --offset" \
    "fallocate -l 512M b.img && echo 2048,,c | sfdisk -q --no-tell-kernel b.img && mkfs.fat -F 32 --offset 2048 b.img >/dev/null $after"
  race 20 "rm -f a.img b.img" "FAT32 64 GiB, sparse" "msd-mkimage --sparse $options -s 64G a.img" \
    "truncate + mkfs.fat" "truncate -s 64G b.img && mkfs.fat -F 32 b.img >/dev/null $after"
  race 20 "rm -f a.img b.img" "exFAT 64 GiB, sparse" "msd-mkimage --sparse $options -t exfat -s 64G a.img" \
    "truncate + mkfs.exfat" "truncate -s 64G b.img && mkfs.exfat b.img >/dev/null $after"
  rm -f a.img b.img

  title "$4: files of 0 to 16 KiB"
  files small $((10000 / scale)) 0 16384 50
  genimage_config small.cfg 200M
  race 5 "rm -rf a.img b.img tmp out" "msd-mkimage" "msd-mkimage $options -t fat32 -d small a.img" \
    "tar cf" "tar cf b.img small $after" \
    "mkfs.fat + mcopy" "truncate -s 200M b.img && mkfs.fat -F 32 b.img >/dev/null && mcopy -s -Q -i b.img small/* :: $after" \
    "genimage" "genimage --loglevel 0 --config small.cfg --rootpath small --tmppath tmp --outputpath out ${after/b.img/out\/all.img}"
  rm -rf small a.img b.img tmp out

  title "$4: 3 large files"
  large_files large
  race 3 "rm -rf a.img b.img copy" "msd-mkimage" "msd-mkimage $options -t fat32 -d large a.img" \
    "cp -r" "cp -r large copy ${after/b.img/copy\/*}" "tar cf" "tar cf b.img large $after"
  rm -rf large a.img b.img copy

  title "$4: files of 1 to 4 KiB in a deep tree"
  files deep $((60000 / scale)) 1024 4096 30
  race 3 "rm -f a.img b.img" "msd-mkimage" "msd-mkimage $options -t fat32 -d deep a.img" \
    "tar cf" "tar cf b.img deep $after"
  rm -rf deep a.img b.img
  title "$4: like names in one folder"
  for n in 1000 10000; do
    like_names "like$n" $n
    race 5 "rm -f a.img b.img" "msd-mkimage, $n" "msd-mkimage $options -d like$n a.img" \
      "tar cf, $n" "tar cf b.img like$n $after"
    race 5 "rm -f a.img b.img" "msd-mkimage, $n, FAT32, of 33 MiB at least" \
      "msd-mkimage $options -t fat32 -d like$n a.img" "tar cf, $n" "tar cf b.img like$n $after"
  done
  like_names like300 300
  race 1 "rm -f b.img" "msd-mkimage, 300" "msd-mkimage $options -t fat32 -d like300 a.img" \
    "mkfs.fat + mcopy, 300" "truncate -s 40M b.img && mkfs.fat -F 32 b.img >/dev/null && mcopy -s -Q -i b.img like300 :: $after"
  rm -rf like* a.img b.img
  cd - >/dev/null
}

mkdir tmpfs
! on tmpfs || races "$PWD/tmpfs" '' --no-sync 'tmpfs, no sync'
if on ext4 && fresh ext4 8G; then
  races "$PWD/ext4" '' --no-sync 'ext4 in a loop file, no sync'
  races "$PWD/ext4" '&& sync b.img' '' 'ext4 in a loop file, with sync'
  remove ext4
fi
for kind in xfs btrfs; do
  if ! on $kind || ! fresh $kind 8G; then
    continue
  fi
  cd $kind
  large_files large
  sync -f .
  title "$kind in a loop file, no sync: 3 large files, blocks shared"
  race 5 "rm -rf a.img copy; sync -f ." "msd-mkimage" "msd-mkimage --no-sync -t fat32 -d large a.img" \
    "cp -r --reflink=never" "cp -r --reflink=never large copy" "cp -r --reflink=always" "cp -r --reflink=always large copy"
  cd ..
  remove $kind
done
