#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# timeout: 240
# otgmsd-gadget check: each row of it, right and wrong.
. "${0%/*}/lib.sh"

store=/var/lib/kvmd/msd

# Runs the check; rows become lines "STATUS CHECK: MESSAGE | HINT" in $rows.
check()
{
  rows=$(otgmsd-gadget check --json | jq -r '.checks[] | "\(.status) \(.check): \(.message) | \(.hint)"')
}

# --- nothing is there ----------------------------------------------------------------------------
modprobe -r dummy_hcd
status "nothing is there: 3" 3 otgmsd-gadget check
like "FAIL storage, with a hint" "$out" "FAIL storage .*no such folder.*hint: mkdir .*X-kvmd.otgmsd-root="
like "FAIL gadget, with a hint" "$out" 'FAIL gadget .*hint: .*otgmsd-gadget'
like "FAIL controller" "$out" 'FAIL controller .*no USB device controller.*hint: '
like "OK modules" "$out" 'OK   modules +libcomposite'
modprobe dummy_hcd
umount /sys/kernel/config
check
like "FAIL configfs: not mounted" "$rows" 'FAIL configfs: [^|]*not mounted \| mount -t configfs none /sys/kernel/config'
mount -t configfs configfs /sys/kernel/config
mount -t tmpfs none /usr/lib/modules
rmmod usb_f_mass_storage 2>/dev/null
if [ -e /sys/module/usb_f_mass_storage ]; then
  skip "FAIL modules" "it cannot be unloaded here"
else
  check
  like "FAIL modules" "$rows" 'FAIL modules: usb_f_mass_storage is neither loaded nor in /lib/modules/.* \| install'
fi
umount /usr/lib/modules

# --- all is well ---------------------------------------------------------------------------------
make_storage ro
pikvm_gadget 2
wait_drives 2
ok "all is well: 0" otgmsd-gadget check
unlike "no FAIL" "$out" 'FAIL'
check
like "OK controller" "$rows" 'OK controller: dummy_udc.0: configured'
like "OK gadget" "$rows" 'OK gadget: kvmd: bound, 2 drives linked'
like "OK drive" "$rows" 'OK drive: drive 1 of gadget kvmd: empty'
like "WARN cdrom on this kernel" "$rows" 'WARN cdrom: this kernel cuts CD images after 2359293952 bytes'
like "OK forced_eject" "$rows" 'OK forced_eject'
like "OK storage" "$rows" "OK storage: $store: ext4 /dev/vda, ro"
like "room is told" "$rows" "room: $store: .* free"

# --- gadget and drives ---------------------------------------------------------------------------
otgmsd-remount -q rw
check
like "WARN storage: rw, and nobody writes it" "$rows" "WARN storage: $store: rw, and nobody writes it.*otgmsd-remount ro"
lun=$gadgets/kvmd/functions/mass_storage.usb0/lun.0
truncate -s 1M $store/a.img
put 0 $lun/ro && put $store/a.img $lun/file
check
like "OK drive with its medium" "$rows" "OK drive: drive 0 of gadget kvmd: $store/a.img"
like "rw for a drive is fine" "$rows" "OK storage: .*rw while it is needed"
rm $store/a.img
check
like "WARN drive: deleted" "$rows" "WARN drive: drive 0 of gadget kvmd: $store/a.img \(deleted\): .* \| otgmsd.*--eject"
put '' $lun/file
rm $gadgets/kvmd/configs/c.1/mass_storage.usb1
check
like "gadget not bound" "$rows" 'FAIL gadget: kvmd: not bound to a controller \| otgmsd-gadget -g kvmd start'
put dummy_udc.0 $gadgets/kvmd/UDC
check
like "WARN gadget: links" "$rows" 'WARN gadget: kvmd: the host is shown 1 of 2 drives \| otgmsd-gadget -g kvmd enable'

# --- storage -------------------------------------------------------------------------------------
: >$store/.__half.iso.incomplete
: >$store/half.iso
fallocate -l 150M $store/big
mount -o remount,bind,rw,dev,suid,exec $store
sed -i 's/X-kvmd.otgmsd-root=[^ ,]*/&,X-kvmd.otgmsd-user=nosuchuser/' /etc/fstab
check
like "WARN incomplete" "$rows" "WARN incomplete: $store/half.iso: .*msd-store rm half.iso"
like "WARN room" "$rows" "WARN room: $store: only .* \| msd-store"
like "WARN storage: flags" "$rows" "WARN storage: $store: mounted without nosuid,nodev,noexec"
like "FAIL owner: no such user" "$rows" "FAIL owner: nosuchuser: there is no such user"
sed -i 's/nosuchuser/nobody/' /etc/fstab
check
like "WARN owner: belongs to another" "$rows" "WARN owner: $store: belongs to 0:0, not to nobody as fstab says.*otgmsd-remount rw"
mkdir $store/{nfs,cifs,usb,gone}
cat >>/etc/fstab <<END
server:/images $store/nfs nfs4 noauto,ro 0 0
//server/images $store/cifs cifs soft 0 0
/dev/sdx1 $store/usb exfat nofail 0 0
/dev/sdx2 $store/gone exfat nofail,umask=0000 0 0
END
check
like "WARN mounts: NFS without soft" "$rows" "WARN mounts: $store/nfs: NFS without soft"
like "WARN mounts: CIFS without nofail" "$rows" "WARN mounts: $store/cifs: cifs without nofail"
like "WARN mounts: exFAT without umask" "$rows" "WARN mounts: $store/usb: exfat without umask"
like "OK mounts" "$rows" "OK mounts: $store/gone: exfat"
like "WARN mounts: not mounted" "$rows" "WARN mounts: $store/gone: not mounted, though fstab has it \| mount $store/gone"

# --- a server that is gone -----------------------------------------------------------------------
mkfs.ext4 -q -F /dev/vdb 64M
mkdir -p /srv
mount /dev/vdb /srv
truncate -s 1M /srv/n.img
ok "an NFS server" start_nfs /srv
ok "is mounted" mount -t nfs -o vers=4.2,hard,ro 127.0.0.1:/ $store/nfs
put 1 $lun/ro && put $store/nfs/n.img $lun/file
check
like "OK drive on NFS" "$rows" "OK drive: drive 0 of gadget kvmd: $store/nfs/n.img"
stop_nfs
SECONDS=0
check
ok "the server fell silent: no hang" test $SECONDS -le 15
like "FAIL mounts: says so" "$rows" "FAIL mounts: $store/nfs: the server does not answer \| umount -l $store/nfs"
like "FAIL drive: says so" "$rows" "FAIL drive: drive 0 of gadget kvmd: $store/nfs/n.img: the server does not answer"
resume_nfs
put '' $lun/file
