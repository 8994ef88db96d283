#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# timeout: 400
# A change is whole or is none: errors and kill -9 at each write, two commands at once, many cycles.
. "${0%/*}/lib.sh"
. "${0%/*}/drives.bash"

pikvm_gadget 1
make_image old.img 1M
make_image new.img 2M
lun=$gadgets/kvmd/functions/mass_storage.usb0/lun.0
old="$PWD/old.img cdrom=0 ro=0"
new="$PWD/new.img cdrom=1 ro=1"

# otgmsd with its Nth write to an attribute of the drive replaced by WHAT.
inject() # N WHAT OPTION…
{
  strace -qq -o /dev/null -P "$lun/file" -P "$lun/cdrom" -P "$lun/ro" -P "$lun/forced_eject" \
    -e trace=write -e "inject=write:$2:when=$1" otgmsd "${@:3}"
}

# --- an error at each write ----------------------------------------------------------------------
ok "an old medium" otgmsd --set-rw=1 --set-image=old.img
for ((n = 1; ; n++)); do
  inject $n error=EIO --set-cdrom=1 --set-image=new.img >out.txt 2>err.txt && break
  is "write $n fails: all is as before" "$(raw 0)" "$old"
  like "… and the reason is said" "$(cat err.txt)" "Input/output error"
  unlike "… and no more" "$(cat err.txt)" "could not be put back"
  [ $n -lt 9 ] || bail "no end"
done
is "it has three writes" $n 4
is "… after which it is through" "$(raw 0)" "$new"

# --- a kill at each write ------------------------------------------------------------------------
for ((n = 1; ; n++)); do
  otgmsd --eject --set-cdrom=0 --set-rw=1 --set-image=old.img >/dev/null
  inject $n signal=KILL --set-cdrom=1 --set-image=new.img >out.txt 2>&1 && break
  killed=$(raw 0)
  ok "killed at write $n ($killed): the next command" otgmsd
  [ "$(raw 0)" = "$new" ] || is "… has the old state" "$(raw 0)" "$old"
  is "… and shows it" "$(head -1 <<<"$out")" "Image file:  $(cat "$lun"/file)"
  is "… and leaves nothing behind" "$(ls /run/otgmsd)" "gadgets.lock"
  [ $n -lt 9 ] || bail "no end"
done
is "it was killed three times" $n 4

otgmsd --eject --set-cdrom=0 --set-rw=1 --set-image=old.img >/dev/null
inject 2 signal=KILL --set-rw=0 >out.txt 2>&1
is "killed with the medium out" "$(raw 0)" " cdrom=0 ro=0"
ok "a change does it too" otgmsd --set-cdrom=1
is "… on what was put back" "$(raw 0)" "$PWD/old.img cdrom=1 ro=1"
inject 2 signal=KILL --set-cdrom=0 >out.txt 2>&1
put "$PWD/new.img" "$lun/file"
ok "what another program did meanwhile" otgmsd
like "… stays" "$out" "new.img"
otgmsd --eject --set-cdrom=0 --set-rw=1 --set-image=old.img >/dev/null
inject 2 signal=KILL --set-cdrom=1 >out.txt 2>&1
rm old.img
ok "what cannot be put back" otgmsd --eject --set-rw=1 --set-cdrom=0
like "… is said" "$err" "old.img: there is no such file"
is "… and stops nothing" "$(raw 0)" " cdrom=0 ro=0"

# --- two at once ---------------------------------------------------------------------------------
make_image old.img 1M
mixtures=0 statuses=
for ((n = 0; n < 12; n++)); do
  otgmsd --set-cdrom=0 --set-rw=1 --set-image=old.img >/dev/null 2>&1 &
  otgmsd --set-cdrom=1 --set-image=new.img >/dev/null 2>&1 &
  wait -n
  statuses+=$?
  wait -n
  statuses+=$?
  [ "$(raw 0)" = "$old" ] || [ "$(raw 0)" = "$new" ] || mixtures=$((mixtures + 1))
done
is "two at once never mix" $mixtures 0
like "… each is through or is told to wait" "$statuses" "^[04]+$"
flock /run/otgmsd/gadgets.lock sleep 12 &
sleep 0.3
status "a command that takes too long for others" 4 otgmsd --eject
like "… is why" "$err" "another command is at it"
wait

# --- 1,000 cycles --------------------------------------------------------------------------------
meminfo()
{
  awk -v key="$1:" '$1 == key { print $2 }' /proc/meminfo
}

cycle() # N
{
  otgmsd -q --eject --set-image=$((1 + $1 % 2)).img >/dev/null || failed=$((failed + 1))
}

make_image 1.img 1M
make_image 2.img 2M
otgmsd --eject --set-cdrom=0 --set-rw=0 >/dev/null
failed=0 times=()
for ((n = 0; n < 100; n++)); do
  cycle $n
done
slab=$(meminfo SUnreclaim) available=$(meminfo MemAvailable) files=$(cut -f 1 /proc/sys/fs/file-nr)
for ((n = 0; n < 1000; n++)); do
  start=${EPOCHREALTIME/./}
  cycle $n
  times+=($((${EPOCHREALTIME/./} - start)))
done
slab=$(($(meminfo SUnreclaim) - slab)) available=$((available - $(meminfo MemAvailable)))
files=$(($(cut -f 1 /proc/sys/fs/file-nr) - files))
mapfile -t sorted < <(printf '%s\n' "${times[@]}" | sort -n)
note "1,000 cycles: p50 ${sorted[499]} us, p99 ${sorted[989]} us, slab +$slab KiB, memory -$available KiB, files +$files"
is "1,000 cycles: none failed" $failed 0
ok "… no kernel memory was lost" test $slab -lt 1024
ok "… nor other" test $available -lt 16384
ok "… nor an open file" test $files -lt 64
ok "… and the host reads the last" wait_medium 0 $((2 << 20))
is "… byte for byte" "$(host_sha256 0)" "$(sha256 2.img)"
note "$SECONDS s"
