#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# msd-normalfiles and the kernel's own vfat and exfat drivers change the same images in turn; and what
# it does while a drive has the image.
# timeout: 500
. "${0%/*}/lib.sh"

seed=${MSD_SEED:-$RANDOM}
note "seed $seed (MSD_SEED=$seed does it again)"
export TZ=UTC
mkdir mnt

# All that must be the same of two trees but for their content: names, kinds, sizes, times and, of
# files, whether they may be written.
look() # FOLDER [FIND-PREDICATE…]
{
  (cd "$1" && find . -mindepth 1 \( -type d -printf '%P/ %T+\n' -o -perm /200 -printf '%P %s %T+\n' \
    -o -printf '%P %s %T+ read-only\n' \) | sort)
}

same() # DESCRIPTION FOLDER FOLDER
{
  local differs

  ok "$1: every file compares" diff -r "$2" "$3"
  differs=$(diff <(look "$2") <(look "$3"))
  is "$1: names, times and attributes" "$differs" ''
}

mount_image() # IMAGE ro|rw
{
  local options=$2

  [[ $fstype = exfat ]] || options+=,utf8=1,tz=UTC
  mount -t "$fstype" -o "loop,$options$offset" "$1" mnt
}

fsck_image() # DESCRIPTION IMAGE
{
  local part=$2

  if [ -n "$offset" ]; then
    part=part.img
    dd if="$2" of=$part bs=1M skip=1 conv=sparse status=none
  fi
  if [ "$fstype" = exfat ]; then
    ok "$1: fsck.exfat" fsck.exfat -n "$part"
    like "$1: … finds it clean" "$out" 'clean'
  else
    ok "$1: fsck.fat" fsck.fat -n "$part"
    is "$1: … has nothing to say" "$(wc -l <<<"$out")" 2
  fi
}

# --- what we make, as the kernel sees it -----------------------------------------------------------
make_tree()
{
  mkdir -p tree/{folder/Über,empty,many}
  head -c 300000 /dev/urandom >tree/large
  : >tree/none
  echo 1 >tree/folder/UPPER.TXT
  echo 2 >"tree/folder/Über/😀 and more.dat"
  echo 3 >"tree/$(printf 'ä%.0s' {1..100})"
  echo 4 >tree/read-only
  for ((n = 0; n < 150; n++)); do
    echo "$n" >"tree/many/a long beginning that all have $n.text"
  done
  find tree -exec touch -d '2024-02-29 23:59:58' {} +
  chmod 444 tree/read-only
}

packed() # TYPE
{
  local type=$1 nf=(msd-normalfiles --no-sync)

  fstype=vfat offset=,offset=1048576
  [ "$type" != exfat ] || fstype=exfat
  rm -rf changed a.img
  cp -a tree changed
  ok "$type: pack" "${nf[@]}" pack -t "$type" -s "$2" tree a.img
  fsck_image "$type: packed" a.img
  mount_image a.img ro
  same "$type: packed" tree mnt
  umount mnt

  # the same on both sides, without a clock's second between them
  mkdir -p changed/new/deep && cp -a tree/folder changed/new/deep/ && cp -a tree/large changed/new/
  rm -r changed/many && mv changed/large "changed/new/Large and moved" && mv changed/folder changed/new/f
  ok "$type: mkdir" "${nf[@]}" mkdir -p a.img new/deep
  ok "$type: add" "${nf[@]}" add a.img tree/folder new/deep/
  ok "$type: add a file" "${nf[@]}" add a.img tree/large new/
  ok "$type: rm" "${nf[@]}" rm -r a.img many
  ok "$type: mv" "${nf[@]}" mv a.img large "new/Large and moved"
  ok "$type: mv a folder" "${nf[@]}" mv a.img folder new/f
  fsck_image "$type: changed" a.img
  mount_image a.img rw
  ok "$type: changed: every file compares" diff -r changed mnt
  # of folders that were changed the time is that of the change
  is "$type: changed: times" "$(diff <(look changed | grep -v '/ ') <(look mnt | grep -v '/ '))" ''
  ok "$type: the kernel writes on" sh -c 'cp -r mnt/new mnt/again && rm -r mnt/new/f && sync'
  umount mnt
  fsck_image "$type: and it is still whole" a.img
}

# --- what the kernel makes, as we see it, and back -------------------------------------------------
unpacked() # DESCRIPTION
{
  rm -rf out
  ok "$1: unpack" msd-normalfiles unpack a.img out
  mount_image a.img ro
  same "$1" mnt out
  is "$1: list -r has as many" "$(msd-normalfiles list -r -n -o NAME a.img | wc -l)" "$(find mnt -mindepth 1 | wc -l)"
  umount mnt
}

in_turn() # DESCRIPTION ROUNDS FSTYPE OFFSET
{
  local round

  fstype=$3 offset=$4
  for ((round = 1; round <= $2; round++)); do
    mount_image a.img rw
    ok "$1: the kernel's changes, round $round" python3 "$MSD_SOURCE/tests/vm/churn.py" "$((seed + round))" 160 mnt
    ok "$1: umount" umount mnt
    fsck_image "$1: by the kernel" a.img
    unpacked "$1: by the kernel"
    ok "$1: our changes" python3 "$MSD_SOURCE/tests/vm/churn.py" "$((seed + round))" 15 out "$PWD/a.img"
    fsck_image "$1: by us" a.img
    mount_image a.img ro
    ok "$1: by us: every file compares" diff -r out mnt
    umount mnt
  done
}

fragmented()
{
  like "the kernel has fragmented some" "$(msd-normalfiles info -n -o FRAGMENTED a.img)" '[1-9]'
}

# --- a drive ---------------------------------------------------------------------------------------
attributes()
{
  fstype=vfat offset=
  rm -f a.img
  truncate -s 16M a.img && mkfs.fat a.img >/dev/null
  mount_image a.img rw
  mkdir mnt/folder
  echo 1 >mnt/hidden && echo 2 >mnt/system && echo 3 >mnt/both && echo 4 >mnt/plain
  fatattr +h mnt/hidden mnt/folder && fatattr +s -a mnt/system && fatattr +hs mnt/both
  umount mnt
  is "attributes that the kernel has set" "$(msd-normalfiles list -n -o ATTRS,NAME a.img | sed 's/  */ /' | sort -k 2)" \
    "$(printf '%s\n' '--HSA both' 'D-H-- folder' '--H-A hidden' '----A plain' '---S- system')"
  ok "attributes: mv" msd-normalfiles mv a.img both folder/moved
  ok "attributes: rm" msd-normalfiles rm a.img plain
  mount_image a.img ro
  like "attributes are moved with the file" "$(fatattr mnt/folder/moved)" 'hs'
  like "attributes of the folder stay" "$(fatattr mnt/folder)" h
  umount mnt
}

drive()
{
  local image=/var/lib/kvmd/msd/flash.img command

  make_storage rw
  pikvm_gadget 1
  wait_drive 0
  msd-normalfiles pack -s 24M tree $image
  cp $image before.img
  ok "drive: in with rw" otgmsd --set-rw=1 --set-image=$image
  wait_medium 0 "$(stat -c %s $image)"
  for command in "pack tree $image" "unpack $image out" "add $image tree/none" "rm $image none" \
    "mkdir $image new" "mv $image none nothing" "label $image NEW"; do
    # shellcheck disable=SC2086
    status "drive: ${command%% *} is refused" 4 msd-normalfiles $command
    like "drive: … naming the drive" "$err" 'drive 0'
    like "drive: … and what to type" "$err" 'hint: otgmsd .*--eject'
  done
  ok "drive: nothing of that has changed the image" cmp before.img $image
  ok "drive: list" msd-normalfiles list $image
  like "drive: … warns" "$err" 'drive 0'
  rm -rf got && mkdir got
  ok "drive: get" msd-normalfiles get $image large got/
  like "drive: … warns" "$err" 'drive 0'
  ok "drive: … and gets it" cmp tree/large got/large
  ok "drive: cat" msd-normalfiles cat $image folder/UPPER.TXT
  like "drive: … warns" "$err" 'drive 0'
  is "drive: … and prints it" "$out" 1
  status "drive: --snapshot on ext4" 1 msd-normalfiles unpack --snapshot $image out
  like "drive: … says what it takes" "$err" 'shares blocks, btrfs or xfs'

  ok "drive: the host mounts it" mount -t vfat -o utf8=1,tz=UTC "${host_dev}1" mnt
  ok "drive: the host's changes" python3 "$MSD_SOURCE/tests/vm/churn.py" "$seed" 120 mnt
  umount mnt
  mount -t vfat -o ro,utf8=1,tz=UTC "${host_dev}1" mnt
  rm -rf host out
  cp -a mnt host
  host_release 0
  ok "drive: eject" otgmsd --eject
  ok "drive: unpack" msd-normalfiles unpack $image out
  same "drive: what the host wrote" host out
  ok "drive: add" msd-normalfiles add $image tree
  ok "drive: rm" msd-normalfiles rm -r $image tree
}

snapshot() # FSTYPE DEVICE
{
  local image=/var/lib/shared/flash.img

  modprobe -a "$1" 2>/dev/null
  mkdir -p /var/lib/shared
  if ! "mkfs.$1" -q -f "$2" >/dev/null || ! mount -t "$1" "$2" /var/lib/shared; then
    skip "snapshot on $1" "no $1"
    return
  fi
  rm -rf out
  msd-normalfiles pack -s 24M tree $image
  ok "snapshot on $1: the drive has it" otgmsd --set-rw=1 --set-image=$image
  status "snapshot on $1: unpack without it" 4 msd-normalfiles unpack $image out
  ok "snapshot on $1: unpack with it" msd-normalfiles unpack --snapshot $image out
  is "snapshot on $1: … without a warning" "$err" ''
  same "snapshot on $1" tree out
  is "snapshot on $1: … leaves nothing behind" "$(ls -A /var/lib/shared)" flash.img
  otgmsd --eject >/dev/null
  umount /var/lib/shared
}

modprobe -a loop vfat exfat nls_utf8 nls_cp437 nls_iso8859-1 nls_ascii 2>/dev/null
make_tree
packed fat12 8M
packed fat32 40M
packed exfat 16M

truncate -s 24M a.img && mkfs.fat -F 16 -s 1 -r 512 a.img >/dev/null
in_turn "mkfs.fat -F 16" 1 vfat ''
rm a.img && truncate -s 48M a.img && mkfs.fat -F 32 -s 1 -f 1 -S 512 a.img >/dev/null
in_turn "mkfs.fat -F 32" 2 vfat ''
fragmented
rm a.img && truncate -s 24M a.img && mkfs.exfat -c 512 a.img >/dev/null
in_turn "mkfs.exfat" 2 exfat ''
fragmented
rm a.img && msd-mkimage --no-sync --sparse -t exfat -d tree --free=16M --cluster-size=4K a.img
in_turn "msd-mkimage exfat" 1 exfat ,offset=1048576
rm a.img && msd-mkimage --no-sync --sparse -t fat12 -d tree -s 12M a.img
in_turn "msd-mkimage fat12" 1 vfat ,offset=1048576
attributes
drive
snapshot btrfs /dev/vdb
snapshot xfs /dev/vdb
