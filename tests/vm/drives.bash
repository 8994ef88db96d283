# shellcheck shell=bash disable=SC2154
# SPDX-License-Identifier: GPL-3.0-or-later
# What the scripts on drives share; comes after lib.sh.

# Sets raw to the attributes of drive N of PiKVM's gadget as the kernel has them, without a fork:
# "FILE cdrom=C ro=R".
read_raw() # N
{
  local lun=$gadgets/kvmd/functions/mass_storage.usb$1/lun.0 file cdrom ro

  IFS= read -r -d '' file <"$lun/file"
  read -r cdrom <"$lun/cdrom"
  read -r ro <"$lun/ro"
  raw="${file%$'\n'} cdrom=$cdrom ro=$ro"
}

is_raw() # DESCRIPTION N WANTED
{
  read_raw "$2"
  is "$1" "$raw" "$3"
}

# A change of drive 0 ends with STATUS and a message that matches REGEX, and changes nothing.
refused() # DESCRIPTION STATUS REGEX OPTION…
{
  local before

  read_raw 0
  before=$raw
  status "$1" "$2" otgmsd "${@:4}" && like "… why" "$err" "$3"
  is_raw "… and all is as before" 0 "$before"
}

# A change that is no test of its own.
quietly() # OPTION…
{
  otgmsd -q "$@" >/dev/null
}

# The host ejects the medium, as a click on a desktop does it: unlocks the door, then START STOP UNIT.
host_eject() # DEVICE
{
  python3 -c 'import fcntl, os, sys
fd = os.open(sys.argv[1], os.O_RDONLY | os.O_NONBLOCK)
fcntl.ioctl(fd, 0x5381)
fcntl.ioctl(fd, 0x5309)' "$1"
}
