# shellcheck shell=bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Images of msd-mkimage in the kernel's own vfat and exfat drivers: every file, name, time and attribute.
# timeout: 400
. "${0%/*}/lib.sh"
mkdir -p mnt
export TZ=UTC LC_ALL=C.UTF-8

make_tree()
{
  local n path=tree/deep

  mkdir -p tree/folder/Über tree/empty tree/.hidden
  for n in 0 1 511 512 513 4095 4096 4097 32767 32768 32769; do
    head -c "$n" /dev/urandom >"tree/size $n"
  done
  head -c 5000001 /dev/urandom >tree/large
  truncate -s 12M tree/holes
  echo end >>tree/holes
  echo 1 >tree/folder/UPPER.TXT
  echo 2 >tree/folder/lower.txt
  echo 3 >tree/folder/Mixed.Txt
  echo 4 >"tree/folder/Über/Überraschung €.txt"
  echo 5 >"tree/folder/Über/😀 beyond the BMP 🎉.dat"
  echo 6 >"tree/$(printf 'n%.0s' {1..255})"
  echo 7 >"tree/$(printf 'ä%.0s' {1..127})"
  echo 8 >"tree/ leading blank"
  echo 9 >"tree/one.two.three"
  for n in {1..300}; do
    echo "$n" >"tree/folder/a long beginning that all have $n.text"
  done
  for n in {1..60}; do
    path=$path/d$n
  done
  mkdir -p "$path"
  echo bottom >"$path/file"
  find tree -exec touch -d '2024-02-29 23:59:58' {} +
  touch -d '1980-01-02 00:00:00' 'tree/size 1'
  touch -d '2107-12-31 23:59:58' 'tree/size 511'
  touch -d '2023-06-01 12:34:57.129' 'tree/size 512'
  chmod 0444 'tree/size 513'
}

# Names and times of a tree, times to $2 digits of the second.
times()
{
  (cd "$1" && find . -mindepth 1 -printf '%P %T+\n' | sed -E "s/(\.[0-9]{$2})[0-9]*$/\1/" | sort)
}

# The image made with the options after $1, a kind, is the tree.
check()
{
  local kind=$1 dev options

  shift
  rm -f a.img
  ok "$kind $*: made" msd-mkimage --no-sync --sparse -t "$kind" -d tree --free=1M "$@" a.img
  dev=$(losetup -f --show -P a.img)
  udevadm settle 2>/dev/null
  [ ! -b "${dev}p1" ] || dev=${dev}p1
  case $kind in
  exfat) options=ro ;;
  *) options=ro,utf8=1,tz=UTC ;;
  esac
  ok "$kind $*: mounted" mount -t "$([ "$kind" = exfat ] && echo exfat || echo vfat)" -o "$options" "$dev" mnt
  ok "$kind $*: every file compares" diff -r tree mnt
  if [ "$kind" = exfat ]; then
    is "$kind $*: times to 10 ms" "$(diff <(times tree 2) <(times mnt 2))" ''
  else
    # two seconds on FAT
    touch -d '2023-06-01 12:34:56' 'tree/size 512'
    is "$kind $*: times to 2 s" "$(diff <(times tree 0) <(times mnt 0))" ''
    touch -d '2023-06-01 12:34:57.129' 'tree/size 512'
  fi
  is "$kind $*: the read-only file" "$(stat -c %a 'mnt/size 513')" 555
  ok "$kind $*: the free room is there" test "$(df --output=avail -B1 mnt | tail -n 1)" -ge 1048576
  umount mnt
  mount -t "$([ "$kind" = exfat ] && echo exfat || echo vfat)" "$dev" mnt
  ok "$kind $*: the kernel writes to it" sh -c 'echo new >mnt/new && rm mnt/large && sync'
  umount mnt
  case $kind in
  exfat) ok "$kind $*: fsck.exfat after that" fsck.exfat -n "$dev" ;;
  *) ok "$kind $*: fsck.fat after that" fsck.fat -n "$dev" ;;
  esac
  losetup -d "${dev%p1}"
}

make_tree
modprobe -a loop vfat exfat nls_utf8 nls_cp437 nls_iso8859-1 nls_ascii 2>/dev/null
check fat16
check fat32 --cluster-size=512
check exfat
check exfat --cluster-size=32K --partition=gpt
check fat32 --partition=none
head -c 1000 /dev/urandom >after

# no partition of 4 KiB sectors can be had of a file, but a whole device
for kind in fat32 exfat; do
  rm -f a.img
  ok "$kind, sectors of 4096 bytes" msd-mkimage --no-sync --sparse -t $kind -s 400M --sector-size=4096 --partition=none -d after a.img
  dev=$(losetup -f --show -b 4096 a.img)
  ok "$kind, sectors of 4096 bytes: mounted" mount -o ro "$dev" mnt
  ok "$kind, sectors of 4096 bytes: the file compares" cmp after mnt/after
  umount mnt
  losetup -d "$dev"
done

# the largest file of FAT, in the driver's eyes
mkdir big
truncate -s 4294967295 big/largest
ok "4 GiB - 1 on FAT32" msd-mkimage --no-sync --sparse -t fat32 -d big --partition=none a.img
mount -o loop,ro a.img mnt
is "4 GiB - 1 on FAT32: its size" "$(stat -c %s mnt/largest)" 4294967295
is "4 GiB - 1 on FAT32: its last byte" "$(tail -c 1 mnt/largest | od -An -tx1)" ' 00'
umount mnt

# names of FAT's driver: short names are unique and found
ok "attributes: source on FAT" msd-mkimage --no-sync -t fat32 -s 40M --partition=none fat.img
mount -o loop,utf8=1 fat.img mnt
echo text >mnt/hidden
fatattr +hs mnt/hidden 2>/dev/null || skip "attributes of a FAT are taken as they are" "no fatattr"
if lsattr=$(fatattr mnt/hidden 2>/dev/null); then
  like "attributes set" "$lsattr" 'h'
  msd-mkimage --no-sync -d mnt --partition=none b.img
  mkdir other
  mount -o loop,ro b.img other
  like "attributes of a FAT are taken as they are" "$(fatattr other/hidden)" 'h.*s|sh'
  umount other
fi
umount mnt

# block devices
dd if=/dev/urandom of=/dev/vda bs=1M count=16 status=none
status "a block device without --force" 6 msd-mkimage -t fat32 /dev/vda
like "a block device: the hint" "$err" 'hint: --force'
ok "a block device with --force" msd-mkimage -t fat32 -d tree --force /dev/vda
partprobe /dev/vda 2>/dev/null || blockdev --rereadpt /dev/vda
sleep 1
ok "the partition on it" mount -o ro,utf8=1,tz=UTC /dev/vda1 mnt
ok "files on it" diff -r tree mnt
status "a block device in use" 4 msd-mkimage -t fat32 --force /dev/vda
umount mnt
ok "its file system" fsck.fat -n /dev/vda1
ok "exFAT over old bytes" msd-mkimage -t exfat -d tree --force --partition=none /dev/vda
ok "exFAT over old bytes: fsck" fsck.exfat -n /dev/vda
mount -o ro /dev/vda mnt
ok "exFAT over old bytes: files" diff -r tree mnt
umount mnt

# an image that is a loop device is in use
msd-mkimage --no-sync -s 40M a.img
dev=$(losetup -f --show a.img)
status "an image attached to a loop device" 4 msd-mkimage --no-sync -s 40M a.img
losetup -d "$dev"
