#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# The image storage: listing 1,000 images, remounting it, and putting 1 GiB on a disk beside cp and tee.
. "${0%/*}/lib.sh"

storage()
{
  mkdir "$1"
  echo "storage { path = \"$1\" }" >"$2"
  chmod 644 "$2"
}

title "List 1,000 images: 500 without anything, 500 with a FAT file system (goal: 50 ms)"
storage "$PWD/many" many.conf
truncate -s 4M fat.img
mkfs.fat -n LABEL fat.img >/dev/null
for ((i = 0; i < 500; i++)); do
  truncate -s 4M "many/a$i.img"
  cp --sparse=always fat.img "many/b$i.img"
done
race 10 "" "msd-store list" "msd-store -C many.conf list" \
  "blkid -p of each" 'find many -name "*.img" -exec blkid -p {} ";"; true'
rm -r many

title "The storage rw, and ro again (goal: 5 ms each)"
remounts()
{
  mount -t tmpfs run /run
  mkdir /run/msd
  echo "msd /run/msd tmpfs ro,nosuid,nodev,noexec,X-kvmd.otgmsd-root=/run/msd 0 0" >/run/fstab
  mount --bind /run/fstab /etc/fstab
  mount -t tmpfs -o ro,nosuid,nodev,noexec msd /run/msd
  race 20 "otgmsd-remount -q ro" "otgmsd-remount rw" "otgmsd-remount -q rw" "python3, mount" "$peer rw"
  race 20 "otgmsd-remount -q rw" "otgmsd-remount ro" "otgmsd-remount -q ro" "python3, mount" "$peer ro"
}
# shellcheck disable=SC2016,SC2089,SC2090
export peer='python3 -c "import subprocess, sys; subprocess.check_call([\"mount\", \"-o\", \"remount,\" + sys.argv[1], \"/run/msd\"])"'
export -f race remounts
unshare -Urm --propagation private bash -euc remounts || echo "  (no user namespaces: no figures)"

# on the disk that the build lies on: a tmpfs has nothing to be synced
disk=$(mktemp -d "$MSD_BUILD/bench.XXXXXX")
trap 'rm -rf "$disk"' EXIT
storage "$disk/storage" disk.conf
head -c 1G /dev/urandom >big.img
sum=$(sha256sum big.img)
sum=${sum%% *}
clean="rm -rf $disk/storage/* $disk/storage/.__*; sync"

title "Put 1 GiB (goal: not slower than cp && sync)"
race 5 "$clean" "msd-store put" "msd-store -C disk.conf put big.img" \
  "cp && sync" "cp big.img $disk/storage/ && sync"

title "Put 1 GiB with its checksum (goal: not slower than tee)"
race 5 "$clean" "msd-store put --sha256" "msd-store -C disk.conf put big.img --sha256=$sum" \
  "tee >(sha256sum), sync" "bash -c 'tee >(sha256sum >$disk/sum) <big.img >$disk/storage/big.img; wait \$!; sync'"
