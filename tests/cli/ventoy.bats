#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# Ventoy disks: ours against those that the steps of its own installer make.
load helper

bats_require_minimum_version 1.5.0

setup_file()
{
  export MTOOLSRC=/dev/null MTOOLS_SKIP_CHECK=1 PATH=$PATH:/usr/sbin:/sbin
  cd "$BATS_FILE_TMPDIR" || return
  "$MSD_SOURCE"/tests/ventoy/make-payload --tar ventoy-1.1.07 1.1.07
  "$MSD_SOURCE"/tests/ventoy/make-payload ventoy-1.1.08 1.1.08
}

setup()
{
  cd "$BATS_FILE_TMPDIR" || return
}

# bytes OFFSET COUNT FILE: in hexadecimal
bytes()
{
  od -An -v -tx1 -j "$1" -N "$2" "$3" | tr -d ' \n'
}

# put OFFSET TEXT FILE: with printf's escapes
put()
{
  # shellcheck disable=SC2059
  printf "$2" | dd of="$3" bs=1 seek="$1" conv=notrunc status=none
}

# install mbr|gpt RELEASE IMAGE: the installer's steps on a file of 96 MiB
install()
{
  local start=$((196608 - 65536)) core=1 count=2047 basic=EBD0A0A2-B9E5-4433-87C0-68B6B72699C7

  [ "$1" = mbr ] || start=$(((196608 - 33 - 65536) / 8 * 8)) core=34 count=2014
  rm -f "$3"
  truncate -s 96M "$3"
  if [ "$1" = mbr ]; then
    printf '2048,%s,7,*\n%s,65536,ef\n' $((start - 2048)) $start | sfdisk -q "$3"
  else
    printf 'label: gpt\nfirst-lba: 34\nstart=2048, size=%s, type=%s, name=Ventoy
start=%s, size=65536, type=%s, name=VTOYEFI, attrs="GUID:63"\n' \
      "$((start - 2048))" $basic $start $basic | sfdisk -q "$3"
  fi
  rm -f data; truncate -s $(((start - 2048) * 512)) data
  mkfs.exfat -L Ventoy data >/dev/null
  dd if=data of="$3" bs=1M seek=1 conv=notrunc,sparse status=none
  dd if="$2/boot/boot.img" of="$3" bs=1 count=440 conv=notrunc status=none
  xz -dc "$2/boot/core.img.xz" | dd of="$3" bs=512 seek=$core count=$count conv=notrunc status=none \
    iflag=fullblock
  [ "$1" = mbr ] || put 92 '\x22' "$3"
  [ "$1" = mbr ] || put 17908 '\x23' "$3"
  xz -dc "$2/ventoy/ventoy.disk.img.xz" | dd of="$3" bs=1M oflag=seek_bytes seek=$((start * 512)) \
    conv=notrunc status=none iflag=fullblock
  put 384 0123456789abcdef "$3"
  put 440 SIGN "$3"
}

mk()
{
  msd-mkimage -t ventoy --no-sync "$@"
}

# part N IMAGE FILE: a partition as a file of its own
part()
{
  local start size

  read -r start size < <(sfdisk -J "$2" | jq -r ".partitiontable.partitions[$(($1 - 1))] | \"\(.start) \(.size)\"")
  dd if="$2" of="$3" bs=1M iflag=skip_bytes,count_bytes,fullblock skip=$((start * 512)) \
    count=$((size * 512)) conv=sparse status=none
}

# judges IMAGE: the table and both file systems are in order
judges()
{
  sfdisk --verify "$1" | grep -q 'No errors detected' || fail "$1: sfdisk"
  part 1 "$1" p1
  part 2 "$1" p2
  case $(blkid -p -o value -s TYPE p1) in
  exfat) fsck.exfat -n p1 | grep -q 'clean' || fail "$1: fsck.exfat" ;;
  vfat) fsck.fat -n p1 >out || { cat out; fail "$1: fsck.fat of the data"; } ;;
  *) fail "$1: partition 1 is $(blkid -p p1)" ;;
  esac
  fsck.fat -n p2 >out || { cat out; fail "$1: fsck.fat"; }
}

# sector0 IMAGE: without what tells two disks apart
sector0()
{
  printf '%s %s' "$(bytes 0 384 "$1")" "$(bytes 400 40 "$1") $(bytes 444 68 "$1")"
}

# info_line IMAGE
info_line()
{
  msd-normalfiles info "$1" | sed -n 's/^Ventoy: *//p'
}

@test "info tells a Ventoy disk's version, table and secure boot" {
  install mbr ventoy-1.1.07 disk
  [ "$(info_line disk)" = '1.1.07, MBR, secure boot on' ]
  [ "$(msd-normalfiles info -J disk | jq -c '.volumes[0] | [.label, .ventoy, .secure_boot, .update_cut]')" = \
    '["Ventoy","1.1.07",true,false]' ]
  install gpt ventoy-1.1.08 disk
  [ "$(info_line disk)" = '1.1.08, GPT, secure boot on' ]
  [ "$(msd-normalfiles info -J disk | jq -c '.volumes[0] | [.table, .partition, .ventoy]')" = \
    '["gpt",1,"1.1.08"]' ]
  mdel -i disk@@$(((196608 - 40 - 65536) * 512)) ::/EFI/BOOT/grubx64_real.efi
  [ "$(info_line disk)" = '1.1.08, GPT, secure boot off' ]
}

@test "info does not take other disks for Ventoy's" {
  install mbr ventoy-1.1.07 disk
  put 400 XX disk
  [ -z "$(info_line disk)" ]
  [ "$(msd-normalfiles info -J disk | jq -c '.volumes[0] | [.ventoy, .secure_boot]')" = '[null,null]' ]
}

@test "new images are what the installer makes, but for the ids" {
  for kind in mbr gpt; do
    install $kind ventoy-1.1.07 reference
    mk --ventoy=ventoy-1.1.07 --partition=$kind -s 96M new
    judges new
    cmp p2 <(xz -dc ventoy-1.1.07/ventoy/ventoy.disk.img.xz)
    [ "$(sector0 new)" = "$(sector0 reference)" ]
    [ "$(bytes 384 16 new)" != "$(bytes 384 16 reference)" ]
    [ "$(bytes 440 4 new)" != 00000000 ]
    # all of core.img, byte 500 included
    from=1; [ $kind = mbr ] || from=34
    cmp -i $((from * 512)) -n $(((2048 - from) * 512)) new reference
    [ "$(sfdisk -d new | grep -vE 'id:|device' | sed 's/uuid=[^,]*//; s/^[^:]*://')" = \
      "$(sfdisk -d reference | grep -vE 'id:|device' | sed 's/uuid=[^,]*//; s/^[^:]*://')" ]
    [ "$(blkid -p -o value -s LABEL p1) $(blkid -p -o value -s LABEL p2)" = 'Ventoy VTOYEFI' ]
    [ "$(info_line new)" = "1.1.07, ${kind^^}, secure boot on" ]
  done
}

@test "the exFAT knows where it begins; clusters are 32 KiB, and 128 KiB above 32 GiB" {
  mk --ventoy=ventoy-1.1.07 -s 32G --sparse new
  [ "$(bytes $((1048576 + 64)) 8 new)" = 0008000000000000 ]
  [ "$(msd-normalfiles info -J new | jq '.volumes[0].cluster_size')" = 32768 ]
  mk --ventoy=ventoy-1.1.07 -s 33G --sparse new
  [ "$(msd-normalfiles info -J new | jq '.volumes[0].cluster_size')" = 131072 ]
  mk --ventoy=ventoy-1.1.07 -s 2T --sparse new
  [ "$(sfdisk -J new | jq -c '[.partitiontable.partitions[] | .start, .size]')" = \
    '[2048,4294899712,4294901760,65536]' ]
  mk --ventoy=ventoy-1.1.07 -s 3T --partition=gpt --sparse new
  sfdisk --verify new | grep -q 'No errors'
  [ "$(info_line new)" = '1.1.07, GPT, secure boot on' ]
  rm new
}

@test "no two images have the same ids, and the same ones only when asked for" {
  mk --ventoy=ventoy-1.1.07 -s 64M a
  mk --ventoy=ventoy-1.1.07 -s 64M b
  [ "$(bytes 384 16 a)" != "$(bytes 384 16 b)" ]
  [ "$(bytes 440 4 a)" != "$(bytes 440 4 b)" ]
  for how in --serial=1234-ABCD --source-date-epoch=1700000000; do
    mk --ventoy=ventoy-1.1.07 --partition=gpt "$how" -s 70M a
    mk --ventoy=ventoy-1.1.07.tar.gz --partition=gpt "$how" -s 70M b
    cmp a b
  done
}

@test "secure boot off, reserve, label, FAT32" {
  mk --ventoy=ventoy-1.1.07 -s 200M --secure-boot=no --reserve=50M -L MULTI new
  judges new
  [ "$(info_line new)" = '1.1.07, MBR, secure boot off' ]
  mdir -b -i p2 ::/EFI/BOOT >out
  none -i 'grub|mok|mmx|mmia' out
  mtype -i p2 ::/EFI/BOOT/BOOTX64.EFI | grep -aq grubx64_real.efi
  [ "$(blkid -p -o value -s LABEL p1)" = MULTI ]
  [ "$(sfdisk -J new | jq '.partitiontable.partitions[1].start')" = $((409600 - 102400 - 65536)) ]
  mk --ventoy=ventoy-1.1.07 -s 200M --data-type=fat32 --partition=gpt --reserve=512 new
  judges new
  [ "$(blkid -p -o value -s TYPE p1) $(blkid -p -o value -s VERSION p1)" = 'vfat FAT32' ]
  [ "$(sfdisk -J new | jq '.partitiontable.partitions[1].start')" = $(((409600 - 1 - 33 - 65536) / 8 * 8)) ]
}

@test "files go into the data partition, and the image is as large as they need" {
  rm -rf isos && mkdir -p isos/linux
  head -c 70000000 /dev/urandom >isos/linux/a.iso
  head -c 3000000 /dev/urandom >isos/b.iso
  mk --ventoy=ventoy-1.1.07 -d isos --free=10M new
  judges new
  rm -rf out && msd-normalfiles unpack new out && diff -r isos out && rm -r out
  [ "$(stat -c %s new)" -lt $((73000000 + (10 + 32 + 4 + 3) * 1048576)) ]
  [ "$(msd-normalfiles info -J new | jq '.volumes[0].free')" -ge 10485760 ]
  run -1 mk --ventoy=ventoy-1.1.07 -d isos -s 80M new2
  [ ! -e new2 ]
  rm -r isos
}

@test "sizes and options that do not go together are wrong usage, and nothing is written" {
  while read -r word options; do
    # shellcheck disable=SC2086
    run -2 --separate-stderr msd-mkimage --no-sync $options new.img
    [[ $stderr == *$word* ]] || fail "$options: $stderr"
    [ ! -e new.img ]
  done <<EOF
64 -t ventoy --ventoy=ventoy-1.1.07 -s 63M
reserved -t ventoy --ventoy=ventoy-1.1.07 -s 1G --reserve=1000M
512 -t ventoy --ventoy=ventoy-1.1.07 -s 1G --reserve=1000
TiB -t ventoy --ventoy=ventoy-1.1.07 -s 3T
512 -t ventoy --ventoy=ventoy-1.1.07 -s 1G --sector-size=4096
partition -t ventoy --ventoy=ventoy-1.1.07 -s 1G --partition=none
data-type -t ventoy --ventoy=ventoy-1.1.07 -s 1G --data-type=ntfs
ventoy -t fat32 --ventoy=ventoy-1.1.07 -s 1G
ventoy -s 1G --secure-boot=no
secure-boot -t ventoy -s 1G --secure-boot=no
maybe -t ventoy --ventoy=ventoy-1.1.07 -s 1G --secure-boot=maybe
ventoy --update
--update --update --ventoy=ventoy-1.1.07 -s 1G
EOF
}

@test "a release that is incomplete or damaged is named, and the old image stays" {
  while read -r file change; do
    rm -rf bad && cp -r ventoy-1.1.08 bad
    (cd bad && eval "$change")
    echo old >new
    run -1 --separate-stderr mk --ventoy=bad -s 64M new
    [[ $stderr == *$file* ]] || fail "$change: $stderr"
    [ "$(cat new)" = old ]
    [ -z "$(find . -name '.*' -type f)" ]
    mk --ventoy=ventoy-1.1.07 -s 64M good && cp good before
    run -1 --separate-stderr msd-mkimage --update --ventoy=bad good
    [[ $stderr == *$file* ]] || fail "$change: $stderr"
    cmp good before
  done <<'EOF'
boot/boot.img rm boot/boot.img
boot/core.img.xz rm boot/core.img.xz
ventoy/ventoy.disk.img.xz rm ventoy/ventoy.disk.img.xz
ventoy/version rm ventoy/version
ventoy/version : >ventoy/version
ventoy/ventoy.disk.img.xz truncate -s -9 ventoy/ventoy.disk.img.xz
ventoy/ventoy.disk.img.xz xz -dc ventoy/ventoy.disk.img.xz | head -c 33554431 >d; xz -0 <d >ventoy/ventoy.disk.img.xz
ventoy/ventoy.disk.img.xz xz -dc ventoy/ventoy.disk.img.xz >d; mdel -i d ::/grub/grub.cfg; xz -0 <d >ventoy/ventoy.disk.img.xz
boot/core.img.xz head -c 1048065 /dev/zero | xz >boot/core.img.xz
EOF
}

@test "an update renews the boot parts and keeps ids, settings and data" {
  for kind in mbr gpt; do
    install $kind ventoy-1.1.07 disk
    part 1 disk data
    put $((2040 * 512)) SETTINGS disk
    if [ $kind = mbr ]; then
      put 446 '\0' disk
      put 462 '\x80' disk
    fi
    sfdisk -d disk | sed 's/, bootable//' >table
    msd-mkimage --update --ventoy=ventoy-1.1.08 --dry-run disk | grep -q '1.1.07 -> 1.1.08'
    [ "$(info_line disk)" = "1.1.07, ${kind^^}, secure boot on" ]
    [ "$(msd-mkimage --update --ventoy=ventoy-1.1.08 --json disk |
      jq -c '.images[0] | [.type, .partition, .ventoy, .ventoy_before, .secure_boot]')" = \
      "[\"ventoy\",\"$kind\",\"1.1.08\",\"1.1.07\",true]" ]
    judges disk
    cmp p1 data
    cmp p2 <(xz -dc ventoy-1.1.08/ventoy/ventoy.disk.img.xz)
    [ "$(sfdisk -d disk | sed 's/, bootable//')" = "$(cat table)" ]
    [ $kind = gpt ] || sfdisk -d disk | grep 'disk1 :' | grep -q bootable
    install $kind ventoy-1.1.08 reference
    [ "$(sector0 disk)" = "$(sector0 reference)" ]
    [ "$(bytes 384 16 disk)$(bytes 440 4 disk)" = "$(bytes 384 16 reference)$(bytes 440 4 reference)" ]
    from=1; [ $kind = mbr ] || from=34
    cmp -i $((from * 512)) -n $(((2040 - from) * 512)) disk reference
    [ "$(dd if=disk bs=1 skip=$((2040 * 512)) count=8 status=none)" = SETTINGS ]
    msd-mkimage --update --ventoy=ventoy-1.1.07 --secure-boot=no disk
    [ "$(info_line disk)" = "1.1.07, ${kind^^}, secure boot off" ]
    msd-mkimage --update --ventoy=ventoy-1.1.08 disk
    [ "$(info_line disk)" = "1.1.08, ${kind^^}, secure boot off" ]
    judges disk
  done
}

@test "an update that is killed at any moment is completed by the same command" {
  mk --ventoy=ventoy-1.1.07 --secure-boot=no --partition=gpt -s 64M before
  cp before want
  msd-mkimage --update --ventoy=ventoy-1.1.08 want
  cut=0
  for n in 5 10 15 20 25 30 35 40 50 60 70 80 100 120 150 180 220 260 300 350; do
    cp before disk
    timeout -s KILL "$(printf '0.%03d' $n)" msd-mkimage --update --ventoy=ventoy-1.1.08 disk || true
    # timeout dies of its own signal, perhaps before the command has let go of the disk
    flock disk true
    [[ $(info_line disk) != *'cut short'* ]] || cut=$((cut + 1))
    msd-mkimage --update --ventoy=ventoy-1.1.08 disk
    cmp disk want
  done
  echo "# killed in the middle: $cut of 20" >&3
}

@test "an update refuses what is no Ventoy disk, with status 5" {
  msd-mkimage --no-sync -s 128M plain
  cp plain before
  run -5 --separate-stderr msd-mkimage --update --ventoy=ventoy-1.1.08 plain
  [[ $stderr == *'no Ventoy disk'* ]]
  cmp plain before
  echo text >text
  run -5 msd-mkimage --update --ventoy=ventoy-1.1.08 text
  mk -s 64M laid-out
  run -5 msd-mkimage --update --ventoy=ventoy-1.1.08 laid-out
  run -7 msd-mkimage --update --ventoy=ventoy-1.1.08 missing
  mk --ventoy=ventoy-1.1.07 -s 64M good
  truncate -s -1M good
  run -5 msd-mkimage --update --ventoy=ventoy-1.1.08 good
}

@test "an update waits for no other command at the image" {
  mk --ventoy=ventoy-1.1.07 -s 64M disk
  exec {fd}<disk
  flock -n $fd
  run -4 msd-mkimage --update --ventoy=ventoy-1.1.08 disk
  exec {fd}<&-
  msd-mkimage --update --ventoy=ventoy-1.1.08 disk
}

@test "without a release the image is laid out for the installer on the target" {
  for kind in mbr gpt; do
    mk --partition=$kind -s 128M new
    judges new
    [ -z "$(info_line new)" ]
    [ "$(blkid -p -o value -s LABEL p1) $(blkid -p -o value -s LABEL p2)" = 'Ventoy VTOYEFI' ]
    install $kind ventoy-1.1.07 reference
    [ "$(sfdisk -J new | jq -c '.partitiontable.partitions[] | [.type, .name, .attrs, .bootable]')" = \
      "$(sfdisk -J reference | jq -c '.partitiontable.partitions[] | [.type, .name, .attrs, .bootable]')" ]
    # what the installer does next works on it
    start=$(sfdisk -J new | jq '.partitiontable.partitions[1].start')
    xz -dc ventoy-1.1.07/ventoy/ventoy.disk.img.xz |
      dd of=new bs=1M oflag=seek_bytes seek=$((start * 512)) conv=notrunc status=none iflag=fullblock
    dd if=ventoy-1.1.07/boot/boot.img of=new bs=1 count=440 conv=notrunc status=none
    [ "$(info_line new)" = "1.1.07, ${kind^^}, secure boot on" ]
  done
}

@test "memory is 24 MiB or less, xz's dictionary aside" {
  ! sanitized "$MSD_BUILD/bin/msd-mkimage" || skip "sanitizers take memory"
  rm -rf light && cp -r ventoy-1.1.08 light
  for f in boot/core.img ventoy/ventoy.disk.img; do
    xz -dc light/$f.xz | xz -0 >t && mv t light/$f.xz
  done
  (ulimit -d $((24 * 1024)) && mk --ventoy=light --secure-boot=no -s 16G --sparse new)
  (ulimit -d $((24 * 1024)) && msd-mkimage --update --ventoy=light new)
  tar -czf light.tar.gz light
  (ulimit -d $((24 * 1024)) && mk --ventoy=light.tar.gz -s 16G --sparse new)
  rm new
}

@test "SeaBIOS starts new and updated disks from usb-storage" {
  command -v qemu-system-x86_64 >/dev/null || skip "no qemu"
  for kind in mbr gpt; do
    mk --ventoy=ventoy-1.1.07 --partition=$kind -s 64M disk
    [[ $("$MSD_SOURCE"/tests/ventoy/boot disk) == *'core.img 1.1.07 entered'* ]]
    msd-mkimage --update --ventoy=ventoy-1.1.08 disk
    [[ $("$MSD_SOURCE"/tests/ventoy/boot disk) == *'boot.img 1.1.08'*'core.img 1.1.08 entered'* ]]
  done
}
