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
