#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# The storage as on PiKVM: read-only at the start, images in drives, FAT, exFAT and XFS below it.
# timeout: 150
. "${0%/*}/lib.sh"

store=/var/lib/kvmd/msd

flags()
{
  findmnt -n -o OPTIONS "$store" | cut -d , -f 1
}

is_ro()
{
  [ "$(flags)" = ro ]
}

# A file system of its own below the storage.
stick() # NAME SIZE MKFS…
{
  truncate -s "$2" "$1.fs" && "${@:3}" "$1.fs" && mkdir -p "$store/$1" && mount -o loop "$1.fs" "$store/$1"
}

status "without a storage: exit 7" 7 msd-store list
ok "a read-only storage" make_storage
make_image flash.img 3M
sum=$(sha256 flash.img)
ok "put" msd-store put flash.img --sha256="$sum"
is "… and read-only again" "$(flags)" ro
is "… all that is there" "$(cd $store && find . -type f | sort | paste -sd ' ')" "./.__flash.img.sha256 ./flash.img"
ok "verify" msd-store verify flash.img

# --- rw just as long -----------------------------------------------------------------------------
mkfifo pipe
msd-store put - --name=slow.img <pipe &
exec 7>pipe
head -c 2M flash.img >&7
ok "a put that lasts" wait_for 10 test -s $store/.__slow.img.part
is "… has the storage rw" "$(flags)" rw
ok "… and kvmd's marker" test -e $store/.__slow.img.incomplete
status "… and holds it" 4 otgmsd-remount ro
ok "another put beside it" msd-store put flash.img --name=other.img
is "… leaves it rw" "$(flags)" rw
ok "list meanwhile" msd-store list -n -o NAME,COMPLETE
like "… shows it incomplete" "$out" "slow.img +no"
kill -9 $!
exec 7>&-
ok "killed: ro again" wait_for 5 is_ro
ok "--resume" msd-store put flash.img --name=slow.img --resume
is "… and whole" "$(sha256 $store/slow.img)" "$sum"

# --- drives --------------------------------------------------------------------------------------
pikvm_gadget 2
ok "an image in a drive, ro" otgmsd -i 1 --set-rw=0 --set-image=$store/flash.img
status "put --force is refused" 4 msd-store put flash.img --force
like "… and says who has it" "$err" "flash.img: .*drive 1"
status "rm is refused" 4 msd-store rm flash.img
status "mv is refused" 4 msd-store mv flash.img else.img
ok "list" msd-store list -J
is "… names the drive" "$(jq -r '.images[] | select(.name == "flash.img") | .drive' <<<"$out")" \
  "drive 1 of gadget kvmd"
ok "get of what is read-only there" msd-store get flash.img copy.img
ok "the same, rw" otgmsd -i 1 --set-rw=1
status "get is refused" 4 msd-store get flash.img copy.img
like "… and says how to get it" "$err" "hint: .*eject"
status "ext4 has no snapshots" 1 msd-store get flash.img copy.img --snapshot --force
is "the drive has it still" "$(sha256 $store/flash.img)" "$sum"
ok "ejected" otgmsd -i 1 --eject
ok "rm now" msd-store rm flash.img other.img slow.img
is "nothing is left" "$(find $store -type f)" ""

# --- what is mounted below -----------------------------------------------------------------------
otgmsd-remount rw 2>/dev/null
ok "an XFS" stick xfs 320M mkfs.xfs -q -m reflink=1
ok "an exFAT stick" stick exfat 64M mkfs.exfat
ok "a FAT stick of 6 GiB" stick fat 6G mkfs.vfat -F 32
otgmsd-remount ro 2>/dev/null
for at in xfs exfat fat; do
  ok "put to $at" msd-store put flash.img --name=$at/flash.img --sha256="$sum"
  is "… nothing else left" "$(cd $store/$at && find . -type f ! -name '*.sha256')" "./flash.img"
  umount $store/$at && mount -o loop $at.fs $store/$at
  ok "verify on $at, mounted anew" msd-store verify -n -o STATE $at/flash.img
  is "… knows its time" "$out" ok
done
is "the storage itself stays ro" "$(flags)" ro
truncate -s 4G big.img
status "4 GiB on FAT are refused" 1 msd-store put big.img --name=fat/big.img
like "… with why and what to do" "$err" "4 GiB.*FAT.*hint: .*exFAT"
is "… before anything is made" "$(cd $store/fat && find . -type f -printf "%f\n" | sort | paste -sd ' ')" ".__flash.img.sha256 flash.img"
status "room is looked at first" 1 msd-store put big.img --name=exfat/big.img
like "… with numbers" "$err" "needs 4 GiB, and the storage has [0-9.]+ MiB left"
ok "partitions" msd-store list --partitions -J
is "… are all there" "$(jq -r '.partitions | map(.name + "=" + .fstype) | join(" ")' <<<"$out")" \
  ".=ext4 exfat=exfat fat=vfat xfs=xfs"
ok "a drive can write what is on XFS" otgmsd -i 1 --set-rw=1 --set-image=$store/xfs/flash.img
status "get is refused there, too" 4 msd-store get xfs/flash.img copy2.img
ok "… but not a snapshot" msd-store get xfs/flash.img copy2.img --snapshot
is "… which is the image" "$(sha256 copy2.img)" "$sum"
is "… and leaves nothing" "$(cd $store/xfs && find . -type f -printf "%f\n" | sort | paste -sd ' ')" ".__flash.img.sha256 flash.img"
