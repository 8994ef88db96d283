#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# timeout: 300
# Each check before a change and each failure during one: exit status, reason, and the drive as it was.
. "${0%/*}/lib.sh"
. "${0%/*}/drives.bash"

pikvm_gadget 2
make_image old.img 1M
ok "an old medium" otgmsd --set-rw=0 --set-image=old.img
ok "… that the host sees" wait_medium 0 1048576

# --- what it is ----------------------------------------------------------------------------------
refused "missing" 7 "none.img: there is no such file" --set-image=none.img
refused "missing in a folder" 7 "none/none.img: there is no such file" --set-image=none/none.img
mkdir dir
refused "a directory" 6 "is a directory" --set-image=dir --force
mkfifo fifo
refused "a FIFO" 6 "fifo: neither a regular file nor a block device" --set-image=fifo --force
refused "a character device" 6 "neither a regular file nor a block device" --set-image=/dev/null
: >empty.img
refused "empty" 6 "empty.img: is empty" --set-image=empty.img --force
truncate -s 1M $'line.img\n'
refused "a newline at the end" 6 "ends in a newline" --set-image=$'line.img\n' --force
ln -s $'line.img\n' to-line
refused "… behind a link" 6 "ends in a newline" --set-image=to-line --force
ln -s nowhere dangling
refused "a link to nothing" 7 "there is no such file" --set-image=dangling
ln -s loop loop
refused "a link to itself" 1 "loop: Too many levels of symbolic links" --set-image=loop

# --- its size ------------------------------------------------------------------------------------
truncate -s 1000 odd.img
refused "no multiple of 512" 6 "1000 bytes are no multiple of 512" --set-image=odd.img
like "… and the command that does it" "$err" "hint: to do it all the same: otgmsd -i 0 --set-image=odd.img --force"
ok "… which works" otgmsd -i 0 --set-image=odd.img --force
quietly --set-image=old.img
truncate -s $((2048 * 400 + 512)) odd.iso
refused "no multiple of 2048" 6 "no multiple of 2048" --set-cdrom=1 --set-image=odd.iso
truncate -s $((2048 * 299)) short.iso
refused "a CD that is too small" 6 "smaller than the 600 KiB that a CD needs" --set-cdrom=1 --set-image=short.iso --force
truncate -s 100 tiny.img
refused "too small for the kernel" 1 "tiny.img: image is smaller than the 512 bytes that a flash drive needs" \
  --set-image=tiny.img --force
ok "… which the host does not lose its medium by" wait_medium 0 1048576

# --- CD with rw ----------------------------------------------------------------------------------
refused "a CD with rw" 6 "a CD cannot be writable" --set-cdrom=1 --set-rw=1 --set-image=old.img --force
quietly -i 1 --set-cdrom=1
status "rw of a CD drive" 6 otgmsd -i 1 --set-rw=1
quietly -i 1 --set-cdrom=0

# --- an upload that is not complete --------------------------------------------------------------
truncate -s 1M new.img
: >.__new.img.incomplete
refused "incomplete" 6 "not complete: .__new.img.incomplete is beside it" --set-image=new.img
ok "… with --force" otgmsd --set-image=new.img --force
quietly --set-image=old.img
rm .__new.img.incomplete

# --- in another drive ----------------------------------------------------------------------------
ok "drive 1 has it rw" otgmsd -i 1 --set-rw=1 --set-image=new.img
refused "in a drive that is rw" 6 "new.img: is in drive 1 of gadget kvmd already" --set-image=new.img --force
like "… and how it gets free" "$err" "hint: otgmsd -g kvmd -i 1 --eject"
ln new.img other-name.img
refused "… under another name" 6 "is in drive 1 of gadget kvmd already" --set-image=other-name.img
ok "drive 1 has it ro" otgmsd -i 1 --set-rw=0
refused "rw of what a drive has ro" 6 "both be read-only" --set-rw=1 --set-image=new.img
ok "ro in two drives" otgmsd --set-image=new.img
quietly -i 1 --eject
quietly --set-image=old.img

# --- in use on this machine ----------------------------------------------------------------------
truncate -s 8M fs.img
mkfs.ext4 -q fs.img
mkdir mnt
mount -o loop fs.img mnt
refused "mounted, rw" 6 "fs.img: is mounted on $PWD/mnt on this machine" --set-rw=1 --set-image=fs.img
like "… and how it gets free" "$err" "hint: umount $PWD/mnt"
ok "mounted, ro" otgmsd --set-image=fs.img
ok "mounted, rw, with --force" otgmsd --set-rw=1 --set-image=fs.img --force
quietly --set-rw=0 --set-image=old.img
umount mnt
loop=$(losetup -f --show fs.img)
refused "a loop device, rw" 6 "is attached to $loop on this machine" --set-rw=1 --set-image=fs.img
like "… and how it gets free" "$err" "hint: losetup -d $loop"
losetup -d "$loop"
truncate -s 8M disk.img
echo 'start=2048, type=c' | sfdisk -q disk.img
loop=$(losetup -P -f --show disk.img)
mkfs.vfat "${loop}p1" >/dev/null
mount "${loop}p1" mnt
refused "a partition of it is mounted, rw" 6 "disk.img: is mounted on $PWD/mnt" --set-rw=1 --set-image=disk.img
umount mnt
losetup -d "$loop"

# --- block devices -------------------------------------------------------------------------------
mkfs.ext4 -q -F /dev/vda 64M
mount /dev/vda mnt
refused "a mounted disk" 6 "/dev/vda: is mounted on $PWD/mnt" --set-image=/dev/vda
umount mnt
printf 'start=2048, size=65536\nstart=67584, size=65536\n' | sfdisk -q --wipe always /dev/vdb
wait_for 5 test -b /dev/vdb2
mkfs.ext4 -q -F /dev/vdb2
mount -o ro /dev/vdb2 mnt
refused "a disk of which a partition is mounted" 6 "/dev/vdb: is mounted on $PWD/mnt" --set-image=/dev/vdb
umount mnt
mkswap /dev/vdb1 >/dev/null 2>&1
swapon /dev/vdb1
refused "a disk of which a partition is swap" 6 "/dev/vdb: is used as swap" --set-image=/dev/vdb
like "… and how it gets free" "$err" "hint: swapoff /dev/vdb1"
swapoff /dev/vdb1
modprobe dm_mod
echo "0 65536 linear /dev/vdb1 0" | dmsetup create --noudevrules --noudevsync test
refused "a disk under device mapper" 6 "/dev/vdb: is used by /dev/dm-" --set-image=/dev/vdb
ok "… with --force" otgmsd --set-image=/dev/vdb --force
ok "… the host sees the disk" wait_medium 0 $((4 << 30))
ok "eject" otgmsd --eject
is_raw "no block device is left in" 0 " cdrom=0 ro=1"
ok "… and the host sees none" wait_medium 0 0
dmsetup remove --noudevrules --noudevsync test
ok "a disk that nobody uses" otgmsd --set-image=/dev/vdb
quietly --set-image=old.img

# --- rw that cannot be had -----------------------------------------------------------------------
mkdir ro
mount -t tmpfs ro ro
truncate -s 1M ro/x.img
mount -o remount,ro ro
refused "rw on a read-only file system" 1 "ro/x.img: cannot be writable for the host, since its file system is read-only" \
  --set-rw=1 --set-image=ro/x.img
like "… and what works" "$err" "hint: otgmsd -i 0 --set-rw=0 --set-image=ro/x.img"
ok "… does" otgmsd -i 0 --set-rw=0 --set-image=ro/x.img
refused "rw of what is in on one" 1 "since its file system is read-only" --set-rw=1
quietly --set-image=old.img
mount /dev/vdb2 mnt
truncate -s 1M mnt/x.img
chattr +i mnt/x.img
refused "rw that the kernel does not open" 1 "mnt/x.img: .*(not permitted|read-only)" --set-rw=1 --set-image=mnt/x.img
chattr -i mnt/x.img

# --- what changes between the check and the write ------------------------------------------------
truncate -s 1M vanishing.img
strace -qq -o /dev/null -P cdrom -P "$gadgets/kvmd/functions/mass_storage.usb0/lun.0/file" \
  -e trace=write -e inject=write:delay_enter=2000000:when=2 \
  otgmsd --set-rw=1 --set-image=vanishing.img >out.txt 2>err.txt &
read_raw 0
before=$raw
sleep 1.5
rm vanishing.img
wait $!
is "a file that vanishes: exit 7" $? 7
like "… why" "$(<err.txt)" "vanishing.img: there is no such file"
is_raw "… and all is as before" 0 "$before"

# --- names ---------------------------------------------------------------------------------------
name_works() # DESCRIPTION NAME [AS-GIVEN [SHOWN]]
{
  truncate -s 1M -- "$2" || return
  ok "$1" otgmsd "--set-image=${3-$2}"
  is "… and shown" "${out%$'\n'CD*}" "Image file:  ${4-$PWD/$2}"
  quietly --eject
}
name_works "blanks" "a name  with blanks .img"
name_works "UTF-8" "ключ – 鍵 é.img"
name_works "no UTF-8" $'\xff\xfe.img'
name_works "parentheses and quotes" "x (1) 'y' \"z\" \$HOME.img"
name_works "a leading dash" -i.img
name_works "a newline inside" $'two\nlines.img'
name_works "what looks deleted" "x.img (deleted)"
mkdir -p a/b
ln -s "$PWD/a" link
name_works "relative and through links" a/real.img link/b/../real.img
long=$PWD
part=$(printf '%0200d' 0)
while [ ${#long} -lt 3790 ]; do
  long+=/$part
  mkdir "$long"
done
long+=/$(printf "%0$((4000 - ${#long} - 1))d" 0)
is "4,000 characters" ${#long} 4000
name_works "… are taken" "$long" "$long" "$long"

# --- dry run -------------------------------------------------------------------------------------
quietly --set-rw=0 --set-image=old.img
read_raw 0
before=$raw
ok "a dry run" otgmsd --dry-run --eject --set-cdrom=1 --set-image="x (1) 'y' \"z\" \$HOME.img"
is_raw "… changes nothing" 0 "$before"
bash -e <<<"$out"
is_raw "… and its commands do what it would" 0 "$PWD/x (1) 'y' \"z\" \$HOME.img cdrom=1 ro=1"
status "a dry run checks too" 6 otgmsd --dry-run --set-image=dir
