#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# timeout: 300
# A Ventoy disk as the target host sees it, and updates while somebody has it.
. "${0%/*}/lib.sh"

"$MSD_SOURCE"/tests/ventoy/make-payload --fill=65536 old 1.1.07 || bail "payload"
"$MSD_SOURCE"/tests/ventoy/make-payload --fill=65536 new 1.1.08 || bail "payload"
mkdir isos boot data
make_image isos/a.iso 3M
make_image isos/b.iso 100k

pikvm_gadget 1
for kind in mbr gpt; do
  ok "$kind: made" msd-mkimage -t ventoy --ventoy=old --partition=$kind -d isos --free=8M $kind.img
  ok "… in the drive" otgmsd -i 0 --set-rw=1 --set-image=$kind.img
  status "… an update is refused" 4 msd-mkimage --update --ventoy=new $kind.img
  ok "host sees it" wait_medium 0 "$(stat -c %s $kind.img)"
  ok "host has both partitions" wait_for 5 test -b "${host_dev}2"
  ok "host mounts the data as exFAT" mount -t exfat "${host_dev}1" data
  ok "… every file is there" cmp isos/a.iso data/a.iso
  ok "… and of this size" cmp isos/b.iso data/b.iso
  echo written >data/c.txt
  umount data
  ok "host mounts Ventoy's part as FAT" mount -t vfat -o ro "${host_dev}2" boot
  ok "… with what its boot code asks for" test -f boot/ventoy/ventoy.cpio -a -f boot/grub/localboot.cfg
  umount boot
  host_release 0
  ok "… ejected" otgmsd -i 0 --eject
  loop=$(losetup -f --show $kind.img)
  status "… an update is refused while a loop device has it" 4 msd-mkimage --update --ventoy=new $kind.img
  losetup -d "$loop"
  ok "… updated" msd-mkimage --update --ventoy=new $kind.img
  like "… it is the new version" "$(msd-normalfiles info $kind.img)" "Ventoy: +1.1.08, ${kind^^}, secure boot on"
  is "… the host's file is kept" "$(msd-normalfiles cat $kind.img c.txt)" "written"
done
