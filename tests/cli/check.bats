#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# msd-normalfiles check beside fsck.fat and fsck.exfat.
load helper

bats_require_minimum_version 1.5.0

setup()
{
  cd "$BATS_TEST_TMPDIR" || return
  export MTOOLS_SKIP_CHECK=1 LC_ALL=C.UTF-8 TZ=UTC
}

make_tree()
{
  mkdir -p tree/'a long name'/deep
  echo x >tree/HELLO.TXT
  seq 1000 >tree/'a long name'/'other long name'
  echo y >tree/'a long name'/deep/file
  seq 2000 >tree/'third one.txt'
}

# Both find it in order.
both_clean()
{
  run -0 "fsck.$1" -n image
  run -0 msd-normalfiles check image
  # mkfs.exfat says that nothing is in use
  [[ $output != *note:* || $1:${lines[0]} == exfat:'note: 0 percent are said'* ]] || fail "$2: $output"
  [[ ${lines[-1]} == 'image: '*', in order' ]] || fail "$2: $output"
}

# poke FILE OFFSET ESCAPES
poke()
{
  printf '%b' "$3" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}

# le BYTES FILE OFFSET: a number of an image
le()
{
  od -An -tu"$1" -j"$3" -N"$1" "$2" | tr -d ' '
}

# cluster PATH: the first one of a file in the image good
cluster()
{
  msd-normalfiles list -r --json -o NAME,CLUSTER good | jq ".files[] | select(.name == \"$1\").cluster"
}

# Where a string is in the image good, for the N-th time.
place()
{
  LC_ALL=C grep -abo -P -- "$1" good | sed -n "${2:-1}s/:.*//p"
}

# A FAT32 with clusters of one sector: A.BIN of 3, B.BIN of 2, SUB with a long name.
make_fat()
{
  rm -f good
  truncate -s 36M good
  mkfs.fat -F 32 -s 1 good >/dev/null
  head -c 1500 /dev/zero >A.BIN
  head -c 1000 /dev/zero >B.BIN
  mcopy -i good A.BIN B.BIN ::
  mmd -i good ::SUB
  mcopy -i good B.BIN '::SUB/a long name'
  fat=$((32 * 512))
  fat_bytes=$((512 * $(le 4 good 36)))
  heap=$((fat + 2 * fat_bytes))
}

# entry CLUSTER VALUE…: into both FATs of bad
entry()
{
  local at=$((fat + 4 * $1)) bytes
  bytes=$(printf '\\x%02x\\x%02x\\x%02x\\x%02x' $(($2 & 255)) $(($2 >> 8 & 255)) $(($2 >> 16 & 255)) $(($2 >> 24 & 255)))
  poke bad "$at" "$bytes"
  poke bad $((at + fat_bytes)) "$bytes"
}

# found TEXT…: check has it and ends with 5, and so does fsck with an error
found()
{
  run -5 msd-normalfiles check bad
  for text; do
    [[ $output == *"$text"* ]] || fail "no '$text': $output"
  done
  run "fsck.$type" -n bad
  [ "$status" != 0 ] || fail "fsck finds nothing: $output"
  cp good bad
}

@test "images in order are so to both: mkfs.fat" {
  make_tree
  while read -r size options; do
    rm -f image
    truncate -s "$size" image
    # shellcheck disable=SC2086
    mkfs.fat $options image >/dev/null
    both_clean fat "$options"
    mcopy -s -i image tree/* ::
    both_clean fat "$options"
  done <<EOF
2M -F 12
4M -F 12 -S 4096
4M -F 12 -f 1 -s 4
16M -F 16
32M -F 16 -S 1024
64M -F 16 -s 8 -r 1024
128M -F 16 -S 2048 -s 4
40M -F 32 -s 1 -n LABEL
300M -F 32 -S 4096 -s 1
300M -F 32 -s 8 -R 64
32M -a -F 16 -h 63
EOF
}

@test "images in order are so to both: mkfs.exfat, and ours" {
  make_tree
  for options in '-c 4K' '-c 512' '-L label' '-b 4M' '-c 1M'; do
    rm -f image
    truncate -s 100M image
    # shellcheck disable=SC2086
    mkfs.exfat $options image >/dev/null
    both_clean exfat "$options"
    msd-normalfiles add image tree/.
    both_clean exfat "$options"
  done
  for type in fat12 fat16 fat32 exfat; do
    rm -f image
    msd-mkimage -t $type --partition=none -d tree --free=40M image ||
      msd-mkimage -t $type --partition=none -d tree image
    both_clean ${type/fat[123]*/fat} $type
  done
}

@test "three FATs, which fsck.fat does not know, are compared" {
  truncate -s 32M image
  mkfs.fat -F 16 -f 3 image >/dev/null
  run -0 msd-normalfiles check image
  poke image $((4 * 512 + 2 * 512 * $(le 2 image 22) + 9)) '\x55'
  run -5 msd-normalfiles check image
  [[ $output == *'FAT 3 is not the same'* ]]
}

@test "FAT: each damage is found, by fsck.fat too" {
  local type=fat a b sub
  make_fat
  cp good bad
  a=$(cluster A.BIN) b=$(cluster B.BIN) sub=$(cluster SUB)

  poke bad 65 '\x01'
  found 'marked as not unmounted'
  poke bad 488 '\x05'; cp good bad
  poke bad 512 'X'
  found 'FSINFO sector without its signatures (byte 512)'
  poke bad $((512 + 488)) '\x01\x00\x00\x00'
  found 'FSINFO counts 1 free clusters, there are'
  poke bad $((fat + fat_bytes + 4 * 100)) '\xff\xff\xff\x0f'
  found 'FAT 2 is not the same as the one in use'
  poke bad $fat '\0\0\0\0'
  found 'FAT does not begin as one'

  entry $((a + 1)) "$a"
  found 'A.BIN: chain of clusters is a loop' "cluster $a"
  entry $((a + 1)) 0
  found 'A.BIN: a cluster of its chain is free' "(byte $((fat + 4 * (a + 1)))"
  entry $((a + 1)) $((0x0ffffff7))
  found 'A.BIN: a cluster of its chain is marked as bad'
  entry $((a + 1)) $((0x0ffffff0))
  found 'A.BIN: chain of clusters leads to none that there is'
  entry $((b + 1)) $((a + 2))
  found "B.BIN: shares cluster $((a + 2)) with 'A.BIN'"
  entry $((b + 1)) 0x0fffffff
  entry "$b" 0x0fffffff
  found 'B.BIN: has 1000 bytes, and clusters for 512' '1 cluster: lost'
  entry "$a" 0x0fffffff
  entry $((a + 2)) "$b"
  found '2 clusters: lost'
  entry 1000 0x0fffffff
  found '1 cluster: lost: in use, but no file leads there' "cluster 1000)"

  poke bad $((heap + (sub - 2) * 512 + 26)) '\x77'
  found "SUB: '.' leads to cluster"
  poke bad $((heap + (sub - 2) * 512 + 32 + 26)) '\x77'
  found "SUB: '..' leads to cluster 119, not to 0"
  poke bad "$(place 'B       BIN')" 'A'
  found "'A.BIN' is there twice"
  poke bad "$(place 'B       BIN')" 'B*'
  found 'name with characters that it cannot have'
  poke bad "$(place 'ALONGN~1')" '\xe5'
  found 'SUB: long name before this entry belongs to nothing'
  poke bad $(($(place 'SUB        \x10') + 28)) '\x01'
  found "folder 'SUB' has a size"
  poke bad $(($(place 'A       BIN') + 28)) '\x01\0\0\0'
  found 'A.BIN: has 1 bytes, and clusters for 1536'
}

@test "FAT: what fsck.fat tells but does not mind" {
  make_fat
  # the copy of the boot sector
  cp good bad
  poke bad 3 'X'
  run -0 msd-normalfiles check bad
  [[ ${lines[0]} == 'note: copy of the boot sector is not the same (byte 3075)' ]]
  run fsck.fat -n bad
  [[ $output == *'differences between boot sector and its backup'* ]]
  # a checksum of a long name, which is damage to us
  cp good bad
  poke bad "$(place 'ALONGN~1')" 'B'
  run -5 msd-normalfiles check bad
  [[ $output == *'SUB: long name before it is not of this entry'* ]]
  run fsck.fat -n bad
  [[ $output == *'Wrong checksum for long file name'* ]]
  # the media byte
  cp good bad
  poke bad $fat '\xf0'; poke bad $((fat + fat_bytes)) '\xf0'
  run -0 msd-normalfiles check bad
  [[ $output == 'note: media byte of the FAT is not that of the boot sector'* ]]
}

@test "exFAT: each damage is found, by fsck.exfat too" {
  local type=exfat heap fat root set
  truncate -s 4M good
  mkfs.exfat -c 1K good >/dev/null
  head -c 3000 /dev/zero >A.BIN
  mkdir sub
  echo x >sub/'a long name'
  msd-normalfiles add good A.BIN sub
  cp good bad
  fat=$((512 * $(le 4 good 80))) heap=$((512 * $(le 4 good 88))) root=$(le 4 good 96)
  set=$(place 'A\0.\0B\0I\0N\0')

  poke bad 300 'X'
  found 'checksum of the boot sectors is wrong'
  poke bad $((set - 2 - 64 + 1)) '\x01'
  found 'file entry without the entries that belong to it'
  poke bad $((set - 2 - 64 + 2)) 'XX'
  found "checksum of the entries of 'A.BIN' is wrong"
  poke bad $((fat + 4 * root)) "\\x$(printf %02x "$root")\\0\\0\\0"
  found 'root folder: chain of clusters is a loop'
  poke bad $((fat + 4 * root)) '\x01'
  found 'root folder: chain of clusters leads to none'
  poke bad $((heap + 1024 + 20)) 'X'
  found 'checksum of the upcase table is wrong'
}

@test "exFAT: damage that only check finds" {
  local heap
  truncate -s 4M good
  mkfs.exfat -c 1K good >/dev/null
  heap=$((512 * $(le 4 good 88)))
  cp good bad
  poke bad $((heap + 20)) '\x03'
  run -5 msd-normalfiles check bad
  [[ ${lines[0]} == '2 clusters: lost: in use, but no file leads there (byte '*', cluster 162)' ]]
  cp good bad
  poke bad "$heap" '\xfe'
  run -5 msd-normalfiles check bad
  [[ ${lines[0]} == '1 cluster: in use, but free in the bitmap (byte '*', cluster 2)' ]]
  # and what is only noted
  cp good bad
  poke bad 106 '\x02'
  poke bad 112 '\x50'
  poke bad $((13 * 512)) 'X'
  run -0 msd-normalfiles check bad
  [[ $output == *'note: marked as not unmounted'*'note: 80 percent are said to be in use'* ]]
  [[ $output == *'note: checksum of the copy of the boot sectors is wrong'* ]]
}

@test "cross-linked folders, and a folder within itself, end and have names" {
  make_fat
  mmd -i good ::SUB/ONE ::TWO
  local sub at
  sub=$(cluster SUB)
  cp good bad
  at=$(place 'TWO        \x10')
  poke bad $((at + 26)) "\\x$(printf %02x "$sub")"
  run -5 msd-normalfiles check bad
  [[ $output == *"TWO: shares cluster $sub with 'SUB'"* ]]
  cp good bad
  at=$(place 'ONE        \x10')
  poke bad $((at + 26)) "\\x$(printf %02x "$sub")"
  run -5 msd-normalfiles check bad
  [[ $output == *"SUB/ONE: shares cluster $sub with 'SUB'"* ]]
}

@test "--json, --pairs, and the offset in a partitioned image" {
  mkdir tree
  echo x >tree/file
  msd-mkimage -t fat16 -s 64M -d tree disk
  run -0 msd-normalfiles check --json disk
  jq -e '.damages == []' <<<"$output"
  run -0 msd-normalfiles check disk
  [ "$output" = 'disk: 1 file, 0 folders, in order' ]
  at=$(LC_ALL=C grep -abo 'FILE       ' disk | head -n 1)
  poke disk $((${at%%:*} + 28)) '\0\0\0\x10'
  run -5 msd-normalfiles check --json disk
  jq -e --argjson at "${at%%:*}" '.damages | length == 1 and (.[0] | .offset == $at and .note == false and
    .path == "file" and (.what | test("^has 268435456 bytes")) and has("cluster"))' <<<"$output"
  run -5 msd-normalfiles check -nPo PATH,NOTE disk
  [ "$output" = 'PATH="file" NOTE="false"' ]
  run -2 --separate-stderr msd-normalfiles check -o NOPE disk
}

@test "what is no file system is exit 5, a missing image 7" {
  truncate -s 1M image
  run -5 --separate-stderr msd-normalfiles check image
  [ -z "$output" ]
  run -7 --separate-stderr msd-normalfiles check no-such-image
}

# bats test_tags=memory
@test "a volume of more clusters than fit into memory is looked at in passes" {
  if sanitized "$MSD_BUILD/bin/msd-normalfiles"; then
    skip 'sanitizers take memory'
  fi
  truncate -s 72G image
  mkfs.exfat -c 512 image >/dev/null
  echo x >file
  msd-normalfiles add image file
  heap=$((512 * $(le 4 image 88)))
  # a cluster of the second pass
  poke image $((heap + 15000000)) '\x01'
  run -5 python3 - <<'END'
import resource, subprocess, sys
done = subprocess.run(['msd-normalfiles', 'check', 'image'])
print('KiB', resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(done.returncode)
END
  [[ $output == *'1 cluster: lost: '*'cluster 120000002)'* ]]
  [[ $output == *'image: 1 file, 0 folders, damaged in 1 place'* ]]
  [[ $output =~ KiB\ ([0-9]+) ]]
  [ "${BASH_REMATCH[1]}" -le 24576 ]
}

@test "damage of single bytes: check and fsck agree, but for the known differences" {
  make_tree
  for bits in 12 16 32; do
    truncate -s $((bits == 32 ? 36 : 5))M fat$bits
    mkfs.fat -F $bits -s $((bits == 12 ? 4 : 1)) -n LABEL fat$bits >/dev/null
    mcopy -s -i fat$bits tree/* ::
    "$MSD_SOURCE"/tests/cli/check-damage.py fat$bits 1 150
  done
  truncate -s 4M exfat
  mkfs.exfat -c 1K exfat >/dev/null
  msd-normalfiles add exfat tree/.
  "$MSD_SOURCE"/tests/cli/check-damage.py exfat 1 150
}

@test "a root folder larger than the data area is in order" {
  mkdir many
  (cd many && seq 1 2000 | xargs touch)
  msd-mkimage -d many --partition=none image
  run -0 fsck.fat -n image
  run -0 msd-normalfiles check image
  [ "$(msd-normalfiles info -J image | jq '.volumes[0].files')" = 2000 ]
  # each of several walks counts for itself
  run -0 msd-normalfiles list -n image / / / /
  [ "${#lines[@]}" = 8000 ]
}

@test "an image that was not unmounted is changed when its files are in order, else left alone" {
  truncate -s 40M image
  mkfs.fat -F 32 -s 1 image >/dev/null
  seq 100 >a; seq 200 >b
  msd-normalfiles add image a b
  # the mark, then a lost cluster: neither is a file's
  printf '\x01' | dd of=image bs=1 seek=65 conv=notrunc status=none
  fat=$((32 * 512)) size=$(($(od -An -tu4 -j 36 -N 4 image) * 512))
  for at in $fat $((fat + size)); do
    printf '\xff\xff\xff\x0f' | dd of=image bs=1 seek=$((at + 4 * 2000)) conv=notrunc status=none
  done
  run -0 --separate-stderr msd-normalfiles add image a
  [[ $stderr == *'not unmounted'* ]]
  # b in the cluster of a
  first=$(od -An -tu2 -j $(($(grep -abo 'A          ' image | head -n 1 | cut -d : -f 1) + 26)) -N 2 image)
  at=$(($(grep -abo 'B          ' image | head -n 1 | cut -d : -f 1) + 26))
  printf "\\x$(printf %02x $((first % 256)))\\x$(printf %02x $((first / 256)))" |
    dd of=image bs=1 seek=$at conv=notrunc status=none
  run -5 msd-normalfiles check image
  cp image old
  for change in 'rm image b' 'add image b' 'mv image a c' 'mkdir image d'; do
    # shellcheck disable=SC2086
    run -5 --separate-stderr msd-normalfiles $change
    [[ $stderr == *'nothing is changed'*'hint: msd-normalfiles check image'* ]]
    cmp image old
  done
}
