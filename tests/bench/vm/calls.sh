#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Counts the system calls of showing and changing a drive, in the virtual machine.
. "${0%/*}/../../vm/lib.sh"

# What the loader does ends with its unmapping of ld.so.cache; then come the constructors of
# libraries (libselinux, which libmount pulls in, ends with a look for its configuration).
calls() # LIMIT NAME CMD…
{
  local n

  strace -f -o trace "${@:3}" >/dev/null 2>&1 || bail "${*:3}"
  n=$(sed '1,/ munmap(/d' trace | sed '1,/"\/etc\/selinux\/config"/d' | grep -vc ' +++ exited')
  note "figure $(printf '%-58s %10s   %s' "$2" "$n" "at most $1 wanted; forks: $(grep -cE ' (v?fork|clone3?)\(' trace)")"
}

pikvm_gadget 2
make_image a.img 3M
make_image b.img 3M
# what was written within the last four seconds is watched for a second before it goes out
touch -d "1 minute ago" a.img b.img
export LC_ALL=C
calls 40 "showing an empty drive" otgmsd -i 1
calls 80 "inserting an image" otgmsd -i 1 --set-image=a.img
calls 40 "showing a drive" otgmsd -i 1
calls 80 "changing the image" otgmsd -i 1 --set-image=b.img
calls 80 "eject" otgmsd -i 1 --eject
export LC_ALL=C.UTF-8
calls 40 "showing a drive, with the locale C.UTF-8 to load" otgmsd -i 1
ok "figures are there" true
