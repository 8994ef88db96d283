# shellcheck shell=bash disable=SC2034
# SPDX-License-Identifier: GPL-3.0-or-later
# What scripts in the virtual machine share. A script is bash, begins with
#
#     . "${0%/*}/lib.sh"
#
# and runs as root in an empty folder, /run/scratch, on a root file system of its own: files,
# mounts and gadgets it leaves are cleared away. /dev/vda and /dev/vdb are empty 4 GB disks. The
# programs are first in PATH, their folder is $MSD_BUILD, the source $MSD_SOURCE. "# timeout: N" at
# the beginning of a line of the script gives it N seconds (240). Checks are not for subshells.
set -u

gadgets=/sys/kernel/config/usb_gadget
_tests=0 _failed=0
out='' err='' # of the command that ok, nok or status ran last
host_dev='' host_part='' host_size='' host_drives=() # see below

# --- results -------------------------------------------------------------------------------------

note()
{
  printf '%s\n' "$*" | sed 's/^/# /'
}

_result() # OK-OR-NOT DESCRIPTION
{
  _tests=$((_tests + 1))
  printf '%s %d - %s\n' "$1" $_tests "${2//#/ }"
  [ "$1" = ok ] || _failed=1
}

_run() # CMD…
{
  "$@" >/run/.out 2>/run/.err </dev/null
  _status=$?
  { out=$(</run/.out) err=$(</run/.err); } 2>/dev/null # without bash's word on NUL bytes
}

_show_command() # CMD…
{
  note "command: ${*@Q}"
  note "status: $_status"
  note "stdout: $out"
  note "stderr: $err"
}

status() # DESCRIPTION STATUS CMD…: the command ends with just this status
{
  _run "${@:3}"
  if [ $_status -eq "$2" ]; then
    _result ok "$1"
  else
    _result "not ok" "$1"
    note "status wanted: $2"
    _show_command "${@:3}"
    return 1
  fi
}

ok() # DESCRIPTION CMD…: the command succeeds
{
  status "$1" 0 "${@:2}"
}

nok() # DESCRIPTION CMD…: the command fails
{
  _run "${@:2}"
  if [ $_status -ne 0 ] && [ $_status -lt 126 ]; then
    _result ok "$1"
  else
    _result "not ok" "$1"
    _show_command "${@:2}"
    return 1
  fi
}

is() # DESCRIPTION GOT WANTED
{
  if [ "$2" = "$3" ]; then
    _result ok "$1"
  else
    _result "not ok" "$1"
    note "got:    $2"
    note "wanted: $3"
    return 1
  fi
}

like() # DESCRIPTION TEXT REGEX (extended)
{
  if [[ $2 =~ $3 ]]; then
    _result ok "$1"
  else
    _result "not ok" "$1"
    note "text: $2"
    note "does not match: $3"
    return 1
  fi
}

unlike() # DESCRIPTION TEXT REGEX (extended)
{
  if [[ $2 =~ $3 ]]; then
    _result "not ok" "$1"
    note "text: $2"
    note "matches: $3"
    return 1
  fi
  _result ok "$1"
}

skip() # DESCRIPTION REASON: one test that cannot be made here
{
  _tests=$((_tests + 1))
  echo "ok $_tests - $1 # SKIP $2"
}

skip_all() # REASON: ends the script
{
  trap - EXIT
  echo "1..0 # SKIP $1"
  exit 0
}

bail() # REASON: ends the script as failed, where going on makes no sense
{
  _result "not ok" "$1"
  note "stderr: $err"
  exit 1
}

_end()
{
  local status=$?

  # mounts of a dead server take minutes to go
  [[ $(</sys/class/net/lo/flags) == 0x9 ]] || resume_nfs
  # a script that broke off, as by an unset variable, has not passed
  echo "1..$_tests"
  [ $status = 0 ] || exit $status
  exit $_failed
}
trap _end EXIT

# Runs CMD… every 0.1 s until it succeeds, for SECONDS at most.
wait_for() # SECONDS CMD…
{
  local end=$((SECONDS + $1))

  until "${@:2}"; do
    [ $SECONDS -lt $end ] || return 1
    sleep 0.1
  done
}

# Cuts the power without a sync. The script starts again, with $STAGE (1 at first) one higher and
# the disks as they are; files elsewhere are gone. Run no test in a stage that has had its cut.
power_cut()
{
  trap - EXIT
  echo "1..$_tests"
  [ $_failed = 0 ] || note "failures before the power cut"
  echo "stage $SCRIPT $((STAGE + 1))" >>/.vm/out/events
  echo b >/proc/sysrq-trigger
  sleep 60
}

# --- the board's side ----------------------------------------------------------------------------

put() # VALUE FILE: one write to an attribute, as echo does it
{
  echo "$1" >"$2"
}

# A gadget made with mkdir and echo alone, and bound: each FUNCTION is linked in configs/c.1 in the
# order given. "mass_storage.usb0:8" has 8 LUNs, "hid.usb0" is a keyboard.
make_gadget() # NAME FUNCTION[:LUNS]…
{
  local g=$gadgets/$1 function lun path

  mkdir "$g" && mkdir "$g/strings/0x409" "$g/configs/c.1" "$g/configs/c.1/strings/0x409"
  put 0x1d6b "$g/idVendor"
  put 0x0104 "$g/idProduct"
  put "Test" "$g/strings/0x409/manufacturer"
  put "Composite of $1" "$g/strings/0x409/product"
  put CAFEBABE "$g/strings/0x409/serialnumber"
  put "Config 1" "$g/configs/c.1/strings/0x409/configuration"
  put 250 "$g/configs/c.1/MaxPower"
  for function in "${@:2}"; do
    path=$g/functions/${function%:*}
    mkdir "$path" || return
    case $function in
    hid.*)
      put 1 "$path/protocol"
      put 1 "$path/subclass"
      put 8 "$path/report_length"
      printf '\x05\x01\x09\x06\xa1\x01\x05\x07\x19\xe0\x29\xe7\x15\x00\x25\x01\x75\x01\x95\x08\x81\x02%b' \
        '\x95\x01\x75\x08\x81\x03\x95\x06\x75\x08\x15\x00\x25\x65\x05\x07\x19\x00\x29\x65\x81\x00\xc0' \
        >"$path/report_desc"
      ;;
    mass_storage.*:*)
      for ((lun = 1; lun < ${function#*:}; lun++)); do
        mkdir "$path/lun.$lun"
      done
      ;;&
    mass_storage.*)
      put 0 "$path/stall"
      for lun in "$path"/lun.*; do
        put 1 "$lun/removable"
      done
      ;;
    esac
    ln -s "$path" "$g/configs/c.1/${function%:*}"
  done
  put dummy_udc.0 "$g/UDC"
}

# As PiKVM makes it: keyboard, mouse and a function per drive.
pikvm_gadget() # DRIVES
{
  local functions=(hid.usb0 hid.usb1) n

  for ((n = 0; n < $1; n++)); do
    functions+=("mass_storage.usb$n")
  done
  make_gadget kvmd "${functions[@]}"
}

# As One-KVM makes it: one function with several LUNs.
onekvm_gadget() # DRIVES
{
  make_gadget one-kvm hid.usb0 hid.usb1 "mass_storage.usb0:$1"
}

# As NanoKVM makes it.
nanokvm_gadget()
{
  make_gadget g0 hid.GS0 hid.GS1 mass_storage.disk0
}

# The image storage as on PiKVM: ext4 on /dev/vda with its line in fstab, mounted ro (or as told).
make_storage() # [rw|ro]
{
  mkdir -p /var/lib/kvmd/msd
  mkfs.ext4 -q -F -L PIMSD /dev/vda 256M && storage_line ext4 && mount -o "${1:-ro}" /var/lib/kvmd/msd
}

# The line alone, for a storage made before a power cut or of another type.
storage_line() # FSTYPE
{
  mkdir -p /var/lib/kvmd/msd
  echo "/dev/vda /var/lib/kvmd/msd $1 nofail,nodev,nosuid,noexec,ro,X-kvmd.otgmsd-root=/var/lib/kvmd/msd 0 0" \
    >>/etc/fstab
}

# A server in this kernel for DIR, which no overlay can be: mount it with
# mount -t nfs -o vers=4.2 127.0.0.1:/ MOUNTPOINT.
start_nfs() # DIR
{
  modprobe nfsd
  mountpoint -q /proc/fs/nfsd || mount -t nfsd nfsd /proc/fs/nfsd
  mkdir -p /var/lib/nfs/v4recovery /run/rpc_pipefs
  echo "$1 127.0.0.1(rw,no_root_squash,fsid=0,no_subtree_check,insecure)" >/etc/exports
  rpc.nfsd -N 3 -V 4 2 && echo Y >/proc/fs/nfsd/v4_end_grace && exportfs -ra && rpc.mountd -N 3 -V 4
}

# The server answers no more, as if its cable were pulled.
stop_nfs()
{
  ip link set lo down
}

resume_nfs()
{
  ip link set lo up
}

# A file with bytes that do not repeat.
make_image() # PATH SIZE (as head -c takes it)
{
  head -c "$2" /dev/urandom >"$1"
}

# --- the target host's side: the same kernel, through dummy_hcd ----------------------------------

# Sets host_drives to the names (sdX, srX) of the drives that the host sees, by interface and LUN.
# (Nothing is forked here and below: a fork and exec takes 50 ms under emulation.)
find_host_drives()
{
  local path

  host_drives=()
  for path in /sys/devices/platform/dummy_hcd.*/usb*/*-*/*/host*/target*/*/block/*; do
    [ ! -d "$path" ] || host_drives+=("${path##*/}")
  done
}

_has_drive() # N
{
  find_host_drives
  host_dev=/dev/${host_drives[$1]-}
  [ -b "$host_dev" ]
}

_has_drives() # COUNT
{
  find_host_drives
  [ ${#host_drives[@]} -eq "$1" ]
}

# Waits until the host has drive N, with or without a medium, and sets host_dev to its device.
wait_drive() # N [SECONDS]
{
  wait_for "${2:-15}" _has_drive "$1" || {
    note "the host sees no drive $1, only: ${host_drives[*]}"
    return 1
  }
}

# Waits until the host has COUNT drives, no more and no less.
wait_drives() # COUNT [SECONDS]
{
  wait_for "${2:-15}" _has_drives "$1" || {
    note "the host sees not $1 drives but: ${host_drives[*]}"
    return 1
  }
}

# Sets host_size to the bytes of the medium that the host sees in drive N; 0 without one.
find_host_size() # N
{
  host_size=
  _has_drive "$1" || return
  # opening makes the host look again, and fails without a medium
  { : <"$host_dev"; } 2>/dev/null
  read -r host_size <"/sys/class/block/${host_dev##*/}/size" && host_size=$((host_size * 512))
}

_has_medium() # N SIZE
{
  find_host_size "$1" && [ "$host_size" = "$2" ]
}

# Waits until the host sees a medium of SIZE bytes in drive N (0: none), and sets host_dev.
wait_medium() # N SIZE [SECONDS]
{
  wait_for "${3:-15}" _has_medium "$1" "$2" || {
    note "the host sees '$host_size' bytes in drive $1, not $2; drives: ${host_drives[*]}"
    return 1
  }
}

# SHA-256 of what the host reads from drive N, past its cache.
host_sha256() # N
{
  _has_drive "$1" || return
  blockdev --flushbufs "$host_dev"
  dd "if=$host_dev" bs=64K iflag=direct status=none | sha256sum | cut -d ' ' -f 1
}

sha256() # FILE
{
  sha256sum <"$1" | cut -d ' ' -f 1
}

# The host makes a partition and a FAT file system on drive N; sets host_part.
host_format() # N [MKFS, default: mkfs.vfat]
{
  _has_drive "$1" || return
  host_part=${host_dev}1
  echo 'start=2048, type=c' | sfdisk -q --no-reread "$host_dev" && blockdev --rereadpt "$host_dev" &&
    wait_for 5 test -b "$host_part" && "${2:-mkfs.vfat}" "$host_part" >/dev/null
}

# Ends everything on the host that uses drive N.
host_release() # N
{
  _has_drive "$1" || return
  umount -q "$host_dev"* 2>/dev/null
  blockdev --flushbufs "$host_dev"
}
