#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# The main job, shown command by command (tests/demo prints the comments): get files from the host.
. "${0%/*}/lib.sh"

show() # WHO CMD…: a step that everything after it needs
{
  local status

  note "$1# ${*:2}"
  "${@:2}" >/run/.show 2>&1 </dev/null
  status=$?
  sed 's/^/#     /' /run/.show
  [ $status = 0 ] || bail "$1# ${*:2}: status $status"
}

board()
{
  show board "$@"
}

host()
{
  show " host" "$@"
}

sees() # TEXT CMD…
{
  "${@:2}" || bail "the host does not see: $1"
  note "the host sees $1"
}

board otgmsd-gadget start --drives=2
sees "two drives" wait_drives 2
board fallocate -l 64M flash.img
board otgmsd -i 1 --set-rw=1 --set-cdrom=0 --set-image=flash.img
sees "a disk of 64 MiB in drive 1" wait_medium 1 $((64 << 20))
disk=$host_dev
host sh -c "echo 2048,,c | sfdisk -q $disk"
wait_for 5 test -b "${disk}1"
host mkfs.vfat -n FROMHOST "${disk}1"
mkdir -p /mnt/host mtools
host mount "${disk}1" /mnt/host
host sh -c 'dmesg >/mnt/host/report.txt'
host cp -r /etc/security /mnt/host/settings
host ls -R /mnt/host
host umount /mnt/host
board otgmsd -i 1
board otgmsd -i 1 --unlock --eject
sees "an empty drive 1" wait_medium 1 0

board mdir -/ -b -i flash.img@@1M
board mcopy -s -n -i flash.img@@1M ::settings mtools/
board msd-normalfiles unpack flash.img out
board otgmsd-gadget stop
sees "no drive" wait_drives 0
ok "what the host wrote is what the board reads" diff -r /etc/security out/settings
ok "… and mtools reads the same" diff -r out/settings mtools/settings
is "nothing is left in configfs" "$(ls "$gadgets")" ""
