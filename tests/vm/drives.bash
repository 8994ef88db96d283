# shellcheck shell=bash
# SPDX-License-Identifier: GPL-3.0-or-later
# What the scripts on drives share; comes after lib.sh.

# The attributes of drive N of PiKVM's gadget, as the kernel has them: "FILE cdrom=C ro=R".
raw() # N
{
  local lun=$gadgets/kvmd/functions/mass_storage.usb$1/lun.0

  echo "$(cat "$lun/file") cdrom=$(cat "$lun/cdrom") ro=$(cat "$lun/ro")"
}

# A change of drive 0 ends with STATUS and a message that matches REGEX, and changes nothing.
refused() # DESCRIPTION STATUS REGEX OPTION…
{
  local before

  before=$(raw 0)
  status "$1" "$2" otgmsd "${@:4}" && like "… why" "$err" "$3"
  is "… and all is as before" "$(raw 0)" "$before"
}

# The host ejects the medium, as a click on a desktop does it: unlocks the door, then START STOP UNIT.
host_eject() # DEVICE
{
  python3 -c 'import fcntl, os, sys
fd = os.open(sys.argv[1], os.O_RDONLY | os.O_NONBLOCK)
fcntl.ioctl(fd, 0x5381)
fcntl.ioctl(fd, 0x5309)' "$1"
}
