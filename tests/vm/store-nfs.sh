#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# A part of the storage on a real NFS server that falls silent in the middle.
. "${0%/*}/lib.sh"

store=/var/lib/kvmd/msd

ok "a storage" make_storage rw
mkdir -p $store/nfs /srv
ok "a disk for the server" mkfs.ext4 -q -F /dev/vdb 64M
mount /dev/vdb /srv
ok "an NFS server" start_nfs /srv
ok "… mounted in the storage" mount -t nfs -o vers=4.2 127.0.0.1:/ $store/nfs
make_image image 1M
ok "put to the server" msd-store put image --name=nfs/a.img --sha256="$(sha256 image)"
ok "put to the disk" msd-store put image --name=b.img
is "… no marker stays there" "$(cd /srv && find . -type f -printf "%f\n" | sort | paste -sd ' ')" ".__a.img.sha256 a.img"
ok "list" msd-store list -n -o NAME
is "… shows both" "${out//$'\n'/ }" "b.img nfs/a.img"
ok "verify" msd-store verify

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

resume_nfs
listed()
{
  msd-store list -n -o NAME 2>/dev/null | grep -q nfs/a.img
}
ok "the server answers again" wait_for 30 listed
ok "nothing was lost" msd-store verify nfs/a.img
