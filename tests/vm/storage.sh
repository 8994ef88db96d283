#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# timeout: 240
# otgmsd-remount on real file systems: ext4 that begins read-only as on PiKVM, exFAT, NFS.
. "${0%/*}/lib.sh"

store=/var/lib/kvmd/msd

mode() { findmnt -nfo OPTIONS "${1-$store}" | cut -d, -f1; }
fs_mode() { findmnt -nfo FS-OPTIONS $store | cut -d, -f1; }
is_ro() { [ "$(mode)" = ro ]; }

make_storage ro
flags=$(findmnt -nfo OPTIONS $store)

# --- kvmd's own way ------------------------------------------------------------------------------
echo "kvmd:x:4711:4711::/:/bin/sh" >>/etc/passwd
echo "kvmd:x:4711:" >>/etc/group
sed -i "s/X-kvmd.otgmsd-root=[^ ,]*/&,X-kvmd.otgmsd-user=kvmd,X-kvmd.otgmsd-group=kvmd/" /etc/fstab
echo "kvmd:*:20000::::::" >>/etc/shadow
echo "127.0.0.1 board" >>/etc/hosts
ln -s "$(command -v otgmsd-remount)" /usr/bin/kvmd-helper-otgmsd-remount
echo "kvmd ALL=(root) NOPASSWD: /usr/bin/kvmd-helper-otgmsd-remount" >/etc/sudoers.d/kvmd
as_kvmd() { setpriv --reuid=4711 --regid=4711 --clear-groups "$@"; }
if command -v sudo >/dev/null; then
  sudo="sudo --non-interactive"
  ok "kvmd makes it rw through sudo" as_kvmd $sudo /usr/bin/kvmd-helper-otgmsd-remount rw
  is "with its messages on stderr" "$err" "Remounting $store to RW-mode ...
Storage in the RW-mode now"
  is "and nothing on stdout" "$out" ""
  is "it belongs to kvmd" "$(stat -c %U:%G $store)" kvmd:kvmd
  ok "and ro again" as_kvmd $sudo /usr/bin/kvmd-helper-otgmsd-remount ro
  is "it is ro" "$(mode)" ro
  nok "kvmd gets no command as root" as_kvmd $sudo /usr/bin/kvmd-helper-otgmsd-remount rw -- id
  echo "storage { path = \"/etc\" }" >/run/scratch/evil.conf
  nok "and no configuration" as_kvmd $sudo /usr/bin/kvmd-helper-otgmsd-remount rw -C /run/scratch/evil.conf
  is "it is ro still" "$(mode)" ro
else
  skip "kvmd's way" "no sudo here"
fi

# --- ext4 ----------------------------------------------------------------------------------------
ok rw otgmsd-remount rw
is "the other flags are as they were" "$(findmnt -nfo OPTIONS $store)" "rw,${flags#ro,}"
ok ro otgmsd-remount ro
is "and again" "$(findmnt -nfo OPTIONS $store)" "$flags"
is "the file system itself is ro" "$(fs_mode)" ro
status "status says ro" 3 otgmsd-remount status
mount --bind $store /mnt
ok "bound elsewhere, ro there too: rw" otgmsd-remount rw
mount -o remount,bind,rw /mnt
exec 5>/mnt/elsewhere
ok "a writer elsewhere does not keep the storage's own mount from ro" otgmsd-remount ro
exec 5>&-
is "the other mount point stays rw" "$(mode /mnt)" rw
umount /mnt
otgmsd-remount -q rw
otgmsd-remount -q ro
is "alone again, the whole file system becomes ro" "$(fs_mode)" ro

# --- who keeps it busy ---------------------------------------------------------------------------
pikvm_gadget 2
otgmsd-remount -q rw
truncate -s 8M $store/flash.img
cp $store/flash.img $store/looped.img
lun=$gadgets/kvmd/functions/mass_storage.usb1/lun.0
put 0 $lun/ro && put $store/flash.img $lun/file
exec 5>"$store/a file"
loop=$(losetup -f --show $store/looped.img)
status "drive, loop device and process: 4" 4 otgmsd-remount ro
like "names the drive" "$err" 'drive 1 of gadget kvmd has /var/lib/kvmd/msd/flash.img with rw'
like "names the loop device" "$err" "$loop has /var/lib/kvmd/msd/looped.img"
like "names the process" "$err" "bash \(pid $$\) writes /var/lib/kvmd/msd/a file"
like "says what to type" "$err" 'hint: otgmsd.* -i 1 --eject'
is "it is rw as before" "$(mode)" rw
ok "status has them all" otgmsd-remount status --json
is "in JSON" "$(jq -r '[.storage[].kind] | join(" ")' <<<"$out")" "storage drive loop process"
exec 5>&-
losetup -d "$loop"
put '' $lun/file
ok "ejected and closed: ro" otgmsd-remount ro --wait=5

# --- drives hold it ------------------------------------------------------------------------------
ok "a drive with rw makes it rw" otgmsd -i 1 --set-rw=1 --set-image=$store/flash.img
is "it is rw" "$(mode)" rw
ok "a holder comes and goes" otgmsd-remount rw -- true
is "the drive still has it rw" "$(mode)" rw
ok "eject" otgmsd -i 1 --eject
is "then it is ro" "$(mode)" ro
otgmsd-remount -q rw
otgmsd -i 1 --set-rw=1 --set-image=$store/flash.img >/dev/null
otgmsd -i 1 --eject >/dev/null
is "what a plain rw made stays" "$(mode)" rw
otgmsd-remount -q ro
put 1 $lun/ro

# --- holders -------------------------------------------------------------------------------------
mkfifo never
watch()
{
  # every holder writes a file of its own again and again: never ro while one lives
  exec 9<>/run/scratch/never
  for ((i = 0; i < $2; i++)); do
    : >"$store/$1" || { echo "ro under $1" >>/run/scratch/failed; return; }
    read -rt 0.1 -u 9
  done
}
export -f watch
export store
pids=()
for ((n = 0; n < 20; n++)); do
  otgmsd-remount rw -- bash -c "watch holder$n $((n < 10 ? 100 : 40))" &
  pids+=($!)
done
wait_for 30 test -e $store/holder19
is "20 holders, and it is rw" "$(mode)" rw
status "ro is refused: 4" 4 otgmsd-remount ro
like "and names them" "$err" "held rw by 'otgmsd-remount rw -- bash -c watch holder"
kill -9 "${pids[@]:0:10}"
wait "${pids[@]:10}" 2>/dev/null
for ((i = 0; i < 8; i++)); do
  is_ro && break
  read -rt 0.1 <>never
done
ok "ro a second after the last, half of them killed" is_ro
nok "never while one lived" test -e failed
[ ! -e failed ] || note "$(<failed)"
wait

otgmsd-remount rw -- sleep 100 &
last=$!
is_rw() { [ "$(mode)" = rw ]; }
wait_for 10 is_rw
kill -9 $last
SECONDS=0
wait_for 3 is_ro
ok "the only one, killed: ro within a second" test $SECONDS -le 1
umount $store

# --- exFAT ---------------------------------------------------------------------------------------
mkfs.exfat /dev/vda >/dev/null
sed -i "s/ext4/exfat/" /etc/fstab
mount $store
ok "exFAT: rw, with a warning that it knows no owners" otgmsd-remount rw
like "and what to do" "$err" 'warning: .*kvmd.*hint: .*uid=4711,gid=4711'
ok "exFAT: a command" otgmsd-remount rw -- touch $store/file
otgmsd-remount -q ro
is "exFAT: ro" "$(mode)" ro
nok "nothing can be written" touch $store/other
umount $store

# --- NFS -----------------------------------------------------------------------------------------
mkfs.ext4 -q -F /dev/vdb 64M
mkdir -p /srv
mount /dev/vdb /srv
ok "an NFS server" start_nfs /srv
sed -i "s,^/dev/vda,127.0.0.1:/,; s/ exfat [^ ]*/ nfs vers=4.2,ro,noexec,soft,timeo=50,X-kvmd.otgmsd-root/" /etc/fstab
ok "is the storage" mount $store
flags=$(findmnt -nfo VFS-OPTIONS $store)
ok "NFS: rw" otgmsd-remount rw
is "the other flags are as they were" "$(findmnt -nfo VFS-OPTIONS $store)" "rw,${flags#ro,}"
like "soft is" "$(findmnt -nfo FS-OPTIONS $store)" 'soft'
ok "NFS: a command" otgmsd-remount rw -- touch $store/file
exec 5>$store/busy
status "NFS: busy: 4" 4 otgmsd-remount ro
like "names the process" "$err" "bash \(pid $$\) writes $store/busy"
stop_nfs
ok "the server fell silent: status does not hang" timeout 5 otgmsd-remount status
like "and still knows who writes" "$out" "$store/busy"
resume_nfs
exec 5>&-
ok "the server is back: ro" otgmsd-remount ro --wait=20
is "it is ro" "$(mode)" ro
