#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# A part of the storage on a real NFS server that falls silent in the middle.
# timeout: 400
. "${0%/*}/lib.sh"

store=/var/lib/kvmd/msd

ok "a storage" make_storage rw
mkdir -p $store/nfs /srv
ok "a disk for the server" mkfs.ext4 -q -F /dev/vdb 64M
mount /dev/vdb /srv
# nothing may be answered from what the client remembers
echo 0 >/proc/sys/fs/leases-enable
ok "an NFS server" start_nfs /srv
ok "… mounted in the storage" mount -t nfs -o vers=4.2,actimeo=0 127.0.0.1:/ $store/nfs
make_image image 1M
pikvm_gadget 4
ok "… and a drive of ours" otgmsd-gadget start --drives=5
# in time: a dead server holds whoever asks it, and not even TERM ends that
soon()
{
  timeout -s KILL 30 "$@"
}
ok "put to the server" msd-store put image --name=nfs/a.img --sha256="$(sha256 image)"
ok "put to the disk" msd-store put image --name=b.img
is "… no marker stays there" "$(cd /srv && find . -type f -printf "%f\n" | sort | paste -sd ' ')" ".__a.img.sha256 a.img"
ok "list" msd-store list -n -o NAME
is "… shows both" "${out//$'\n'/ }" "b.img nfs/a.img"
ok "verify" msd-store verify
ok "a drive has an image of the server" otgmsd -i 1 --set-rw=0 --set-cdrom=0 --set-image=$store/nfs/a.img
losetup -r /dev/loop7 $store/nfs/a.img
for drive in 0 3 4; do
  cp image $store/nfs/$drive.img
  ok "drive $drive has one, rw" otgmsd -i $drive --set-rw=1 --set-cdrom=0 --set-image=$store/nfs/$drive.img
done
ok "the host has the first" wait_drive 0 60
sleep 2
sync

stop_nfs
begin=$EPOCHREALTIME
ok "list while the server is silent" bash -c 'msd-store list -J | cat'
took=$((${EPOCHREALTIME/./} - ${begin/./}))
note "took $((took / 1000)) ms"
is "… takes one time-out" $((took < 6000000)) 1
like "… and warns" "$err" "$store/nfs: 127.0.0.1:/ did not answer in 3 s.*hint: .*umount -l"
is "… has the rest" "$(jq -r '.images[].name' <<<"$out")" b.img
is "… and names the server in a row of its own" \
  "$(jq -c '.partitions[] | select(.state == "timeout") | [.name, .source, .size]' <<<"$out")" \
  '["nfs","127.0.0.1:/",null]'
begin=$EPOCHREALTIME
ok "--timeout" msd-store list --timeout=200ms
took=$((${EPOCHREALTIME/./} - ${begin/./}))
is "… is kept" $((took < 3000000)) 1
like "… in the table, too" "$out" "nfs +nfs4 +timeout"
status "verify says that not all could be looked at" 1 msd-store verify --timeout=1
ok "put to the disk goes on" msd-store put image --name=c.img
ok "rm, too" msd-store rm c.img

# --- the medium of another drive, and a loop device, are on the dead server -----------------------
ok "show that drive" soon otgmsd -i 1
like "… as the kernel has it" "$out" "Image file: +$store/nfs/a.img"
ok "an image into another drive" soon otgmsd -i 2 --set-rw=1 --set-cdrom=0 --set-image=$store/b.img
ok "… and out" soon otgmsd -i 2 --eject
begin=$EPOCHREALTIME
ok "all drives" soon otgmsd --list --json
is "… in one time-out" $((${EPOCHREALTIME/./} - ${begin/./} < 8000000)) 1
is "… the size of what cannot be asked for is unknown" \
  "$(jq -c '.drives[1] | [.image, .size]' <<<"$out")" "[\"$store/nfs/a.img\",null]"
ok "put --force" soon msd-store put image --name=b.img --force
ok "get" soon msd-store get b.img copy.img
ok "otgmsd-remount ro" soon otgmsd-remount ro
status "… status" 3 soon otgmsd-remount status
ok "… rw" soon otgmsd-remount rw
ok "a folder into an image" soon msd-normalfiles pack -s 16M /etc/default $store/n.img
ok "… and list it" soon msd-normalfiles list $store/n.img
ok "… and remove it" soon msd-store rm n.img
printf 'storage { path = "%s" }\n' $store/nfs >nfs.conf
chmod 644 nfs.conf
cp /etc/fstab fstab.old
: >/etc/fstab
status "a storage on the dead server" 1 soon msd-store -C nfs.conf list
like "… is named, with a way out" "$err" "$store/nfs: its file server does not answer.*hint: umount -l $store/nfs"
cp fstab.old /etc/fstab

# --- the medium of the drive itself is on the dead server -------------------------------------------

# As soon, and within 10 s.
bounded() # DESCRIPTION STATUS CMD…
{
  local begin=$EPOCHREALTIME

  status "$1" "$2" soon "${@:3}"
  is "… in time" $((${EPOCHREALTIME/./} - ${begin/./} < 10000000)) 1
}
bounded "its flags are refused" 1 otgmsd -i 3 --set-rw=0
like "… naming the server" "$err" "$store/nfs/3.img: its file server does not answer.*hint: umount -l $store/nfs"
bounded "an image on it is refused" 1 otgmsd -i 2 --set-image=$store/nfs/a.img
bounded "eject of what was ro" 0 otgmsd -i 1 --eject
like "… with a warning" "$err" "$store/nfs/a.img: is out; its file server does not answer"
is "… the drive is empty" "$(<$gadgets/kvmd/functions/mass_storage.usb1/lun.0/file)" ""
bounded "another image instead of what was rw" 0 otgmsd -i 3 --set-rw=0 --set-image=$store/b.img
like "… it is in" "$out" "Image file:  $store/b.img"
wait_drive 0
dd if="$host_dev" of=/dev/null bs=64k skip=3 count=1 iflag=direct status=none 2>/dev/null &
waits()
{
  [[ $(cat /proc/[0-9]*/stat 2>/dev/null) =~ \(file-storage\)\ D\  ]]
}
ok "the host reads from the server" wait_for 5 waits
bounded "eject is refused then" 6 otgmsd -i 0 --eject
like "… with the way out" "$err" "hint: otgmsd -i 0 --eject --force: "
bounded "replug, too" 6 otgmsd-gadget replug
ok "… the drive is as it was" soon otgmsd -i 0
is "… with its image" "$(<$gadgets/kvmd/functions/mass_storage.usb0/lun.0/file)" "$store/nfs/0.img"
bounded "--force does it" 0 otgmsd -i 0 --eject --force
is "… the drive is empty" "$(<$gadgets/kvmd/functions/mass_storage.usb0/lun.0/file)" ""
ok "… the server's mount stays" grep -q " $store/nfs nfs4 " /proc/mounts
bounded "stop takes our drive away" 0 otgmsd-gadget stop
like "… and its medium out" "$err" "$store/nfs/4.img: is out; its file server does not answer"
is "… the others stay" "$(<$gadgets/kvmd/UDC)" dummy_udc.0
bounded "check" 3 otgmsd-gadget check

resume_nfs
listed()
{
  msd-store list -n -o NAME 2>/dev/null | grep -q nfs/a.img
}
ok "the server answers again" wait_for 120 listed
losetup -d /dev/loop7
ok "that drive, empty again" soon otgmsd -i 1 --eject
ok "nothing was lost" msd-store verify nfs/a.img
