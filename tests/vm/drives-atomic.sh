#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# timeout: 300
# A change is whole or is none: errors and kill -9 at each write, two commands at once.
. "${0%/*}/lib.sh"
. "${0%/*}/drives.bash"

pikvm_gadget 1
make_image old.img 1M
make_image new.img 2M
lun=$gadgets/kvmd/functions/mass_storage.usb0/lun.0
old="$PWD/old.img cdrom=0 ro=0"
new="$PWD/new.img cdrom=1 ro=1"

# otgmsd with its Nth write to an attribute of the drive replaced by WHAT. A host that looks at the medium
# just put back has it locked for a moment.
inject() # N WHAT OPTION…
{
  local tries status

  for tries in 1 2 3 4 5; do
    strace -qq -o /dev/null -P "$lun/file" -P "$lun/cdrom" -P "$lun/ro" -P "$lun/forced_eject" \
      -e trace=write -e "inject=write:$2:when=$1" otgmsd "${@:3}"
    status=$?
    [ $status = 4 ] || break
    sleep 0.$tries
  done
  return $status
}

# --- an error at each write ----------------------------------------------------------------------
ok "an old medium" otgmsd --set-rw=1 --set-image=old.img
for ((n = 1; ; n++)); do
  inject $n error=EIO --set-cdrom=1 --set-image=new.img >out.txt 2>err.txt && break
  is_raw "write $n fails: all is as before" 0 "$old"
  like "… and the reason is said" "$(<err.txt)" "Input/output error"
  unlike "… and no more" "$(<err.txt)" "could not be put back"
  [ $n -lt 9 ] || bail "no end"
done
is "it has three writes" $n 4
is_raw "… after which it is through" 0 "$new"

# --- a kill at each write ------------------------------------------------------------------------
for ((n = 1; ; n++)); do
  quietly --eject --set-cdrom=0 --set-rw=1 --set-image=old.img
  inject $n signal=KILL --set-cdrom=1 --set-image=new.img >out.txt 2>&1 && break
  read_raw 0
  ok "killed at write $n ($raw): the next command" otgmsd
  is_raw "… has the old state" 0 "$old"
  is "… and shows it" "${out%%$'\n'*}" "Image file:  $PWD/old.img"
  is "… and leaves nothing behind" "$(echo /run/otgmsd/*)" "/run/otgmsd/gadgets.lock"
  [ $n -lt 9 ] || bail "no end"
done
is "it was killed three times" $n 4

quietly --eject --set-cdrom=0 --set-rw=1 --set-image=old.img
inject 2 signal=KILL --set-rw=0 >out.txt 2>&1
is_raw "killed with the medium out" 0 " cdrom=0 ro=0"
ok "a change does it too" otgmsd --set-cdrom=1
is_raw "… on what was put back" 0 "$PWD/old.img cdrom=1 ro=1"
inject 2 signal=KILL --set-cdrom=0 >out.txt 2>&1
put "$PWD/new.img" "$lun/file"
ok "what another program did meanwhile" otgmsd
like "… stays" "$out" "new.img"
quietly --eject --set-cdrom=0 --set-rw=1 --set-image=old.img
inject 2 signal=KILL --set-cdrom=1 >out.txt 2>&1
rm old.img
ok "what cannot be put back" otgmsd --eject --set-rw=1 --set-cdrom=0
like "… is said" "$err" "old.img: there is no such file"
is_raw "… and stops nothing" 0 " cdrom=0 ro=0"

# --- two at once ---------------------------------------------------------------------------------
make_image old.img 1M
mixtures=0 statuses=
for ((n = 0; n < 8; n++)); do
  otgmsd --set-cdrom=0 --set-rw=1 --set-image=old.img >/dev/null 2>&1 &
  otgmsd --set-cdrom=1 --set-image=new.img >/dev/null 2>&1 &
  wait -n
  statuses+=$?
  wait -n
  statuses+=$?
  read_raw 0
  [ "$raw" = "$old" ] || [ "$raw" = "$new" ] || mixtures=$((mixtures + 1))
done
is "two at once never mix" $mixtures 0
like "… each is through or is told to wait" "$statuses" "^[04]+$"
exec 8</run/otgmsd/gadgets.lock
flock 8
status "a command that takes too long for others" 4 otgmsd --eject
like "… is why" "$err" "another command is at it"
exec 8<&-
ok "… which works when it has ended" otgmsd --eject
