#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# timeout: 300
# A medium goes in and out, and the host reads and writes it: flash, CD, rw, ro.
. "${0%/*}/lib.sh"

show() # [OPTION…]: the three lines, with a blank for each newline
{
  otgmsd "$@" | paste -sd ' '
}

status "without any gadget: exit 7" 7 otgmsd
like "… and what to type" "$err" "otgmsd: hint: otgmsd-gadget start"
ok "--list without any gadget is empty" otgmsd --list
pikvm_gadget 2
ok "host has both drives" wait_drives 2

# --- the recipe ----------------------------------------------------------------------------------
fallocate -l 64M flash.img
ok "the recipe's first change" otgmsd -i 1 --set-rw=1 --set-cdrom=0 --set-image=flash.img
is "it prints kvmd-otgmsd's three lines" "$out" "Image file:  $PWD/flash.img
CD/DVD flag: no
RW flag:     yes"
like "an image without boot sector gets a warning" "$err" "warning: $PWD/flash.img: has no boot sector"
ok "shown again" otgmsd -i 1
is "… the same" "$out" "Image file:  $PWD/flash.img
CD/DVD flag: no
RW flag:     yes"
is "… and no other drive" "$(show)" "Image file:  <none> CD/DVD flag: no RW flag:     yes"
ok "host sees 64 MiB" wait_medium 1 $((64 << 20))
ok "host formats it" host_format 1
mkdir host
ok "host mounts it" mount "$host_part" host
echo "from the host" >host/hello.txt
umount host
host_release 1
ok "the recipe's eject" otgmsd -i 1 --unlock --eject
is "… prints an empty drive" "$out" "Image file:  <none>
CD/DVD flag: no
RW flag:     yes"
is "the board reads the host's file" "$(mtype -i flash.img@@1M ::hello.txt)" "from the host"
ok "host sees no medium" wait_medium 1 0
ok "eject of an empty drive is fine" otgmsd -i 1 --eject

# --- read-only -----------------------------------------------------------------------------------
make_image data.img 3M
before=$(sha256 data.img)
ok "ro flash" otgmsd -i 1 --set-rw=0 --set-image=data.img
ok "host sees it" wait_medium 1 3145728
is "host reads the image's bytes" "$(host_sha256 1)" "$before"
nok "host is refused to write" dd if=/dev/zero of="$host_dev" bs=512 count=1 conv=fsync oflag=direct
is "nothing was written" "$(sha256 data.img)" "$before"

# --- what kvmd-otgmsd gets EBUSY for: changes with a medium in -----------------------------------
ok "rw alone, medium in" otgmsd -i 1 --set-rw=yes
like "… it is rw" "$out" "RW flag:     yes"
like "… and still in" "$out" "data.img"
# the host learns of it when it looks at the new medium
ok "host sees it again" wait_medium 1 3145728
ok "host may write" dd if=/dev/zero of="$host_dev" bs=512 count=1 conv=fsync oflag=direct
ok "image alone, medium in" otgmsd -i 1 --set-image=flash.img
ok "host sees the other" wait_medium 1 $((64 << 20))
ok "CD flag alone, medium in" otgmsd -i 1 --set-cdrom=on
is "… a CD is not rw" "$(show -i 1)" "Image file:  $PWD/flash.img CD/DVD flag: yes RW flag:     no"
like "… the host must enumerate to see it" "$err" "takes it for a flash drive until it is plugged in anew"
like "… and how" "$err" "hint: otgmsd -i 1 --replug"
make_image cd.iso 2M
ok "all three, medium in" otgmsd -i 1 --set-cdrom=false --set-rw=true --set-image=cd.iso
is "… as asked" "$out" "Image file:  $PWD/cd.iso
CD/DVD flag: no
RW flag:     yes"
ok "again the same" otgmsd -v -i 1 --set-cdrom=false --set-rw=true --set-image=cd.iso
unlike "… writes nothing" "$err" "echo"
ok "with --eject it is put in anew" otgmsd -v -i 1 --eject --set-image=cd.iso
like "… out" "$err" "echo '1' > mass_storage.usb1/lun.0/forced_eject"
like "… and in" "$err" "echo '$PWD/cd.iso' > mass_storage.usb1/lun.0/file"
ok "out" otgmsd -i 1 --eject

# --- CD ------------------------------------------------------------------------------------------
put "" "$gadgets"/kvmd/UDC
ok "a CD before the host sees the drive" otgmsd -i 1 --set-cdrom=1 --set-image=cd.iso
unlike "… needs no replug" "$err" "replug"
put dummy_udc.0 "$gadgets"/kvmd/UDC
ok "host sees 2 MiB" wait_medium 1 $((2 << 20))
is "… in a CD drive" "$host_dev" /dev/sr0
is "… of 2048-byte blocks" "$(cat /sys/class/block/sr0/queue/logical_block_size)" 2048
is "… with the image's bytes" "$(host_sha256 1)" "$(sha256 cd.iso)"

truncate -s 3G big.iso
status "a CD of over 2.3 GB is refused" 6 otgmsd -i 1 --set-image=big.iso
like "… why" "$err" "big.iso: this kernel cuts a CD after 2,359,293,952 bytes"
like "… and what to do" "$err" "hint: .*--set-cdrom=0"
is "… and the old one is back" "$(show -i 1)" "Image file:  $PWD/cd.iso CD/DVD flag: yes RW flag:     no"
ok "… for the host too" wait_medium 1 $((2 << 20))
otgmsd -i 1 --eject >out.txt
status "… into an empty drive" 6 otgmsd -i 1 --set-image=big.iso
is "… is empty again" "$(show -i 1)" "Image file:  <none> CD/DVD flag: yes RW flag:     no"
truncate -s 2359293952 big.iso
ok "the longest CD fits" otgmsd -i 1 --set-image=big.iso
ok "… and the host has all of it" wait_medium 1 2359293952

# --- the second works while the first boots ------------------------------------------------------
ok "drive 0 at the same time" otgmsd --set-rw=0 --set-image=data.img
ok "host has both" wait_medium 0 3145728
ok "list" otgmsd --list -J
is "… as JSON" "$(jq -c '.drives[] | [.drive, .gadget, .lun, .cdrom, .rw, .size, .image]' <<<"$out")" \
  "[0,\"kvmd\",0,false,false,3145728,\"$PWD/data.img\"]
[1,\"kvmd\",0,true,false,2359293952,\"$PWD/big.iso\"]"
ok "list of some columns" otgmsd --list -n -o drive,function,removable,fua,deleted
is "… as a table" "$(tr -s ' ' <<<"$out" | sed 's/^ //')" "0 mass_storage.usb0 yes yes no
1 mass_storage.usb1 yes yes no"
ok "pairs" otgmsd --list -P -o DRIVE,RW
is "… in order" "$out" 'DRIVE="0" RW="no"
DRIVE="1" RW="no"'
rm data.img
like "a removed image shows as the kernel has it" "$(show)" "data.img \(deleted\)"
status "… and cannot be put in again" 7 otgmsd --set-rw=1
like "… which is said" "$err" "was removed, and once out it cannot be put in again"
ok "… but goes out" otgmsd --eject

# --- arguments -----------------------------------------------------------------------------------
status "no such drive" 7 otgmsd -i 2
like "… which there are" "$err" "gadget kvmd has no drive 2, only drives 0, 1"
status "no such gadget" 7 otgmsd -g none
status "no such LUN" 7 otgmsd -i 1 -l 1
ok "a function named in full" otgmsd -g kvmd/mass_storage.usb1
like "… is that drive" "$out" "big.iso"
otgmsd -i 1 --eject >out.txt
chmod 755 .
status "others than root may look" 0 setpriv --reuid=65534 --clear-groups "$(command -v otgmsd)"
status "… and not change" 1 setpriv --reuid=65534 --clear-groups "$(command -v otgmsd)" --set-rw=0
like "… which says why" "$err" "hint: type sudo in front of the command"
