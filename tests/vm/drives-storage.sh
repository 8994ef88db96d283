#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# The image storage is rw exactly as long as a drive has an image of it with rw.
. "${0%/*}/lib.sh"
. "${0%/*}/drives.bash"

msd=/var/lib/kvmd/msd
mode() # sets mode: ro or rw
{
  local line

  mode=none
  while read -r -a line; do
    [ "${line[4]}" != "$msd" ] || mode=${line[5]%%,*}
  done </proc/self/mountinfo
}
is_mode() # DESCRIPTION WANTED
{
  mode
  is "$1" "$mode" "$2"
}

make_storage rw
fallocate -l 8M $msd/flash.img
fallocate -l 8M $msd/other.img
make_image cd.img 2M
cp cd.img $msd
mount -o remount,ro $msd
pikvm_gadget 2

ok "ro: a bare name is found in the storage" otgmsd --set-rw=0 --set-image=flash.img
is_raw "… and is in" 0 "$msd/flash.img cdrom=0 ro=1"
is_mode "… which stays ro" ro
status "a bare name that is nowhere" 7 otgmsd --set-image=none.img
like "… says where it was looked for" "$err" "neither here nor in $msd"
: >other.img
status "a file here comes first" 6 otgmsd --set-image=other.img
rm other.img
ok "dry run" otgmsd --dry-run --set-rw=1
like "… tells of the remount" "$out" "^mount -o remount,rw $msd"
is_mode "… and does not do it" ro

ok "rw" otgmsd --set-rw=1
is_raw "… is rw" 0 "$msd/flash.img cdrom=0 ro=0"
is_mode "… with a storage that is rw" rw
ok "host sees it" wait_medium 0 $((8 << 20))
ok "host writes" dd if=cd.img of="$host_dev" bs=64K oflag=direct conv=fsync
ok "another drive rw too" otgmsd -i 1 --set-rw=1 --set-image=other.img
ok "the first goes out" otgmsd --eject
is_mode "… and the storage stays rw for the other" rw
ok "host sees the other" wait_medium 1 $((8 << 20))
exec 9<"$host_dev"
status "the host holds it" 4 otgmsd -i 1 --set-rw=0
is_mode "… so the storage stays rw" rw
exec 9<&-
ok "rw is taken from the other" otgmsd -i 1 --set-rw=0
is_mode "… and the storage is ro again" ro
cmp -n $((2 << 20)) cd.img $msd/flash.img
is "what the host wrote is there" $? 0
ok "… on the disk too" mount -o ro,noload /dev/vda /mnt
cmp -n $((2 << 20)) cd.img /mnt/flash.img
is "… byte for byte" $? 0
umount /mnt

ok "a swap of rw for a CD" otgmsd --set-image=flash.img
is_mode "… first rw" rw
ok "… then not" otgmsd -q --set-cdrom=1 --set-image=cd.img
is_mode "… so ro" ro
otgmsd -q --eject --set-cdrom=0 --set-rw=1 --set-image=flash.img >/dev/null
ok "the host sees it" wait_medium 0 $((8 << 20))
otgmsd --wait=ejected --timeout=20 >/dev/null &
sleep 0.5
host_eject "$host_dev"
wait $!
is "the wait for the host's eject ends" $? 0
is_mode "… with the storage ro" ro

# --- failures leave it as it was -----------------------------------------------------------------
exec 9<"/dev/${host_drives[1]}"
status "a locked door" 4 otgmsd -i 1 --set-rw=1
is_mode "… storage ro" ro
exec 9<&-
lun=$gadgets/kvmd/functions/mass_storage.usb0/lun.0
strace -qq -o /dev/null -P "$lun/file" -e trace=write -e inject=write:error=EIO otgmsd --set-image=flash.img >out.txt 2>&1
is "a write that fails" $? 1
is_raw "… drive empty" 0 " cdrom=0 ro=0"
is_mode "… storage ro" ro
strace -qq -o /dev/null -P "$lun/file" -e trace=write -e inject=write:signal=KILL otgmsd --set-image=flash.img >out.txt 2>&1
wait_for 10 eval 'mode; [ $mode = ro ]'
is_mode "a kill: storage ro" ro
ok "… and the next command works" otgmsd --set-image=flash.img
is_raw "… drive rw" 0 "$msd/flash.img cdrom=0 ro=0"
is_mode "… storage rw" rw
ok "eject" otgmsd --eject
is_mode "… and ro" ro
