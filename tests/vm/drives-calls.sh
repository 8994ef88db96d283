#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# What showing and changing a drive costs: system calls after the libraries are loaded.
. "${0%/*}/lib.sh"

# At most N calls, none of them a fork.
calls() # DESCRIPTION N OPTION…
{
  local n

  ok "$1" strace -f -qq -o calls.txt otgmsd -q "${@:3}"
  # the loader's last call but one, or libselinux's last, which loads its state as it is loaded
  n=$(awk '/RLIMIT_STACK|selinux\/config/ { loaded = NR } END { print NR - loaded }' calls.txt)
  note "$1: $n system calls"
  ok "… in $2 system calls" test "$n" -le "$2" || sed 's/^/# /' calls.txt
  unlike "… without a fork" "$(<calls.txt)" "(clone|fork|vfork)[0-9]*\("
}

pikvm_gadget 2
make_image boots.img 1M
printf '\x55\xaa' | dd of=boots.img bs=1 seek=510 conv=notrunc status=none
make_image cd.iso 2M
make_image flash.img 1M
# what was written within the last four seconds is watched for a second before it goes out
touch -d '1 minute ago' cd.iso flash.img
calls "show" 40
LC_ALL=C.UTF-8 calls "show with a locale" 40 -i 1
calls "insert, rw" 80 -i 1 --set-rw=1 --set-cdrom=0 --set-image=cd.iso
calls "swap, rw before and after" 80 -i 1 --set-image=flash.img
calls "insert, ro" 80 --set-rw=0 --set-image=boots.img
calls "swap, with both flags" 80 --set-cdrom=1 --set-image=boots.img
calls "eject" 80 --eject
calls "eject of what was rw" 80 -i 1 --eject

# each further drive that has a medium costs five; a bare name and what was rw ask for the storage
ok "drives of ours beside them" otgmsd-gadget start --drives=4
ok "a storage" make_storage rw
cp boots.img cd.iso /var/lib/kvmd/msd
rm boots.img cd.iso
for drive in 0 2 3; do
  make_image $drive.img 1M
  ok "drive $drive has a medium" otgmsd -q -i $drive --set-rw=1 --set-cdrom=0 --set-image=$drive.img
done
calls "among four drives: insert, a bare name" 85 -i 1 --set-rw=1 --set-cdrom=0 --set-image=boots.img
calls "… swap, rw before and after" 95 -i 1 --set-image=cd.iso
calls "… swap for a CD" 95 -i 1 --set-cdrom=1 --set-image=cd.iso
calls "… eject" 45 -i 1 --eject
