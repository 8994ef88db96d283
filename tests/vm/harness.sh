#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# The ground itself: gadgets made by hand show the host their media, and each script starts clean.
. "${0%/*}/lib.sh"

if [ "$STAGE" = 2 ]; then
  storage_line ext4
  ok "after a power cut the disk is there" mount /var/lib/kvmd/msd
  is "… with what was synced" "$(cat /var/lib/kvmd/msd/synced)" yes
  is "… and without what was not" "$(cat /var/lib/kvmd/msd/lost 2>/dev/null)" ""
  exit
fi

is "no gadget at the start" "$(ls "$gadgets")" ""
ok "no drive at the start" wait_drives 0
ok "a gadget by hand" pikvm_gadget 2
ok "the host sees its two drives" wait_drives 2
make_image flash.img 3M
lun=$gadgets/kvmd/functions/mass_storage.usb1/lun.0
put "$PWD/flash.img" "$lun"/file
ok "the host sees the medium" wait_medium 1 3145728
ok "the other drive is empty" wait_medium 0 0
is "the host reads the image's bytes" "$(host_sha256 1)" "$(sha256 flash.img)"
ok "the host formats it" host_format 1
mkdir host
ok "the host mounts it" mount "$host_part" host
echo "from the host" >host/hello.txt
host_release 1
put 1 "$lun"/forced_eject
is "the board reads the host's file" "$(mtype -i flash.img@@1M ::hello.txt)" "from the host"
ok "the host sees the eject" wait_medium 1 0

put "" "$gadgets"/kvmd/UDC
ok "the drives go" wait_drives 0
ok "LUNs of one function" onekvm_gadget 2 2>/dev/null

ok "a storage as on the board" make_storage rw
echo yes >/var/lib/kvmd/msd/synced
sync
echo no >/var/lib/kvmd/msd/lost
power_cut
