#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# timeout: 240
# mount.msd: what it mounts, how it goes, and who must not have the image meanwhile.
. "${0%/*}/lib.sh"

image=/var/lib/kvmd/msd/flash.img

make_storage rw
mkdir mnt two
mnt=$PWD/mnt
# a FAT partition at 1 MiB with a file in it
truncate -s 64M $image
echo 'start=2048, type=c' | sfdisk -q $image
mkfs.vfat --offset 2048 $image 64512 >/dev/null
echo hello >hello
mcopy -i $image@@1M hello ::

no_loop() { ! losetup -n -O BACK-FILE | grep -q flash.img; }

# --- plain ---------------------------------------------------------------------------------------
ok "the only partition is mounted" mount -t msd $image mnt
is "what is in it is read" "$(<mnt/hello)" hello
like "read-only, since nobody asked for rw" "$(findmnt -no FSTYPE,OPTIONS mnt)" '^vfat +ro,'
nok "nothing can be written" touch mnt/new
ok "umount just works" umount mnt
ok "the loop device is gone" wait_for 5 no_loop

ok "rw when asked" mount -t msd -o rw,noexec $image mnt
like "with the other options" "$(findmnt -no OPTIONS mnt)" '^rw,noexec'
echo new >mnt/new
status "rw a second time: 32" 32 mount -t msd -o rw $image two
status "ro beside rw: 32" 32 mount -t msd $image two
like "and says who has it" "$err" "flash.img.*$mnt"
umount mnt
is "what was written is in the image" "$(mtype -i $image@@1M ::new)" new
ok "called by itself, with all that mount(8) hands over" mount.msd $image mnt -s -v -n -o rw -t msd.vfat
like "-v says what is done" "$err" 'partition 1, vfat, by /dev/loop'
umount mnt
ok "fake: checks" mount -f -t msd $image mnt
nok "fake: mounts nothing" mountpoint -q mnt
status "fake: a mount point that is not there" 32 mount.msd -f $image nowhere
like "is named" "$err" "^mount.msd: nowhere: No such file or directory"
unshare -m --propagation private sh -c 'touch ready; exec sleep 60' &
ns=$!
wait_for 5 test -e ready
# a namespace begins at its own root, which is not this script's
ok "into another mount namespace" mount.msd $image /.vm/root$mnt -N /proc/$ns/ns/mnt
like "it is there" "$(</proc/$ns/mountinfo)" "$mnt .* vfat "
nok "and not here" mountpoint -q mnt
kill $ns
wait_for 5 no_loop

# --- which part of the image ---------------------------------------------------------------------
truncate -s 48M parts.img
sfdisk -q parts.img <<END
start=2048, size=16M, type=83
start=34816, size=8M, type=83
start=51200, size=16M, type=7
END
mke2fs -q -t ext4 -O ^has_journal -E offset=$((1 << 20)) parts.img 16M
truncate -s 16M exfat.img && mkfs.exfat exfat.img >/dev/null && dd if=exfat.img of=parts.img bs=1M seek=25 conv=notrunc status=none
status "several partitions: 32" 32 mount -t msd parts.img mnt
like "with which ones there are" "$err" '1 \(ext4\), 2 \(none\), 3 \(exfat\).*msd.partition='
ok "the third" mount -t msd -o msd.partition=3 parts.img mnt
is "is exFAT" "$(findmnt -no FSTYPE mnt)" exfat
umount mnt
ok "the first" mount -t msd -o msd.partition=1 parts.img mnt
is "is ext4" "$(findmnt -no FSTYPE mnt)" ext4
umount mnt
status "one without a file system: 32" 32 mount -t msd -o msd.partition=2 parts.img mnt
like "says so" "$err" 'no file system is on partition 2'
status "one that is not there: 32" 32 mount -t msd -o msd.partition=7 parts.img mnt
like "names those that are" "$err" 'no partition 7, only 1 \(ext4\)'
status "a bad number: 2" 2 mount -t msd -o msd.partition=x parts.img mnt
mkdir iso && echo disc >iso/disc
genisoimage -quiet -R -o disc.iso iso
ok "an ISO image" mount -t msd disc.iso mnt
is "is read" "$(<mnt/disc)" disc
umount mnt
make_image noise.img 1M
status "no file system at all: 32" 32 mount -t msd noise.img mnt
like "says so" "$err" 'no file system'
status "no such image: 32" 32 mount -t msd nothing.img mnt
status "no image at all: 2" 2 mount.msd mnt
mount -o remount,ro /var/lib/kvmd/msd
status "rw on a read-only storage: 32" 32 mount -t msd -o rw $image mnt
like "and what to type" "$err" 'hint: otgmsd-remount rw'
mount -o remount,rw /var/lib/kvmd/msd

# --- drives --------------------------------------------------------------------------------------
pikvm_gadget 1
wait_drive 0
lun=$gadgets/kvmd/functions/mass_storage.usb0/lun.0
put 0 $lun/ro && put $image $lun/file
status "a drive has it rw: ro is 32" 32 mount -t msd $image mnt
like "says which drive" "$err" 'drive 0'
like "and how to get it free" "$err" 'hint: otgmsd.*--eject'
put '' $lun/file && put 1 $lun/ro && put $image $lun/file
ok "a drive has it ro: ro is fine" mount -t msd $image mnt
umount mnt
status "a drive has it ro: rw is 32" 32 mount -t msd -o rw $image mnt
put '' $lun/file
wait_for 5 no_loop

mount -t msd $image mnt
ok "otgmsd gives out ro what is mounted ro" otgmsd --set-rw=0 --set-image=$image
otgmsd --eject >/dev/null
status "otgmsd does not give out rw what is mounted: 6" 6 otgmsd --set-rw=1 --set-image=$image
like "and says where it is mounted" "$err" "$mnt"
is "the drive stays empty" "$(<$lun/file)" ""
umount mnt
wait_for 5 no_loop
ok "after umount it does" otgmsd --set-rw=1 --set-image=$image
otgmsd --eject >/dev/null

# --- fstab and users -----------------------------------------------------------------------------
install -m 4755 "$MSD_BUILD/bin/mount.msd" /run/mount.msd
mount --bind /run/mount.msd "$(realpath /usr/sbin/mount.msd)"
chmod 755 . mnt
as() { setpriv --reuid=1000 --regid=1000 --clear-groups "$@"; }
echo "tester:x:1000:1000::/:/bin/sh" >>/etc/passwd
chmod u+s /usr/bin/mount /usr/bin/umount
echo "$image $mnt msd noauto,user,ro 0 0" >>/etc/fstab
ok "root, from fstab" mount mnt
umount mnt
wait_for 5 no_loop
ok "a user, from fstab" as mount mnt
like "with nosuid, nodev, noexec and ro" "$(findmnt -no OPTIONS mnt)" '^ro,nosuid,nodev,noexec'
is "what is in it is read" "$(as cat mnt/hello)" hello
ok "who mounted it unmounts it" as umount mnt
ok "the loop device is gone" wait_for 5 no_loop
status "a user, called by itself, rw, elsewhere: 32" 32 as mount.msd $image "$PWD/two" -o rw
like "is told the line to add" "$err" 'only root can mount it.*add to /etc/fstab'
ok "a user's own options change nothing" as mount.msd $image "$mnt" -o rw,suid,dev
like "it is ro as fstab says" "$(findmnt -no OPTIONS mnt)" '^ro,nosuid,nodev,noexec'
umount mnt
wait_for 5 no_loop
mv $image $image.real && ln -s /dev/vdb $image
status "a user, a link in the place of the image: 32" 32 as mount mnt
rm $image && mv $image.real $image
chmod u-s /run/mount.msd
status "without setuid a user gets 32" 32 as mount mnt
like "and is told" "$err" 'chmod u\+s'
sed -i 's/noauto,user,ro/noauto,rw/' /etc/fstab
ok "rw in fstab is rw asked" mount mnt
like "and it is rw" "$(findmnt -no OPTIONS mnt)" '^rw'
umount mnt
