#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# timeout: 300
# The host holds the medium: what fails, what works all the same, and what is said.
. "${0%/*}/lib.sh"
. "${0%/*}/drives.bash"

mkdir host
make_image other.img 1M
truncate -s 8M fs.img
mkfs.ext4 -q -b 4096 fs.img
pikvm_gadget 1
put "" "$gadgets"/kvmd/UDC
quietly --set-cdrom=1 --set-image=fs.img
put dummy_udc.0 "$gadgets"/kvmd/UDC
ok "host sees the CD" wait_medium 0 $((8 << 20))
ok "host mounts it" mount -o ro,noload "$host_dev" host
refused "another image" 4 "drive 0 of gadget kvmd: the target host has locked $PWD/fs.img"$'\n' --set-image=other.img
like "… and the way out" "$err" "hint: .*otgmsd -i 0 --unlock --eject"
refused "CD flag" 4 "has locked" --set-cdrom=0
refused "all flags" 4 "has locked" --set-cdrom=0 --set-rw=1 --set-image=other.img
ok "--eject works" otgmsd --eject
is_raw "… and it is out" 0 " cdrom=1 ro=1"
umount -l host

put "" "$gadgets"/kvmd/UDC
quietly --set-cdrom=0 --set-rw=1 --set-image=fs.img
put dummy_udc.0 "$gadgets"/kvmd/UDC
ok "host sees the flash drive" wait_medium 0 $((8 << 20))
ok "host mounts it" mount "$host_dev" host
sleep 5
refused "an idle medium" 4 "has locked $PWD/fs.img"$'\n' --set-image=other.img
while dd if=/dev/zero of=host/file bs=4K count=100 oflag=direct 2>/dev/null; do :; done &
writer=$!
wait_for 5 test -s host/file
# the emulated host pauses now and then for longer than the command looks
names_writer()
{
  otgmsd --set-image=other.img 2>&1 | grep -q "has locked $PWD/fs.img, and is writing to it now"
}
ok "one that the host writes to" wait_for 30 names_writer

# a kernel before 6.0 has no forced_eject, and the lock goes by a signal to its thread
ok "eject without forced_eject" strace -qq -o trace.txt -P forced_eject -e trace=openat,faccessat2,faccessat \
  -e inject=openat:error=ENOENT otgmsd -v --eject
like "… says that the host is writing" "$err" "warning: drive 0 of gadget kvmd: the host is writing to $PWD/fs.img now"
like "… by the signal" "$err" "SIGUSR1"
is_raw "… and it is out" 0 " cdrom=0 ro=0"
kill $writer
wait $writer 2>/dev/null
umount -l host
is "the kernel's thread is alive" "$(grep -l '^file-storage' /proc/[0-9]*/comm | wc -l)" 1
ok "… and takes a medium" otgmsd --set-image=other.img
ok "… that the host sees" wait_medium 0 1048576

# --- waiting for the host ------------------------------------------------------------------------
status "a wait that times out" 3 otgmsd --wait=ejected --timeout=300ms
like "… says what is missing" "$err" "drive 0 of gadget kvmd: the medium is still in after 0.3 s"
ok "a wait for what is there" otgmsd --wait=inserted --timeout=0
otgmsd --wait=ejected --timeout=20 >out.txt &
wait=$!
sleep 0.5
ok "the host ejects" host_eject "$host_dev"
wait $wait
is "the wait ends" $? 0
is "… with an empty drive" "$(head -1 out.txt)" "Image file:  <none>"
put "" "$gadgets"/kvmd/UDC
status "no host" 3 otgmsd --wait=configured --timeout=300ms
(sleep 1 && put dummy_udc.0 "$gadgets"/kvmd/UDC) &
ok "a host that comes" otgmsd --wait=configured --timeout=20
