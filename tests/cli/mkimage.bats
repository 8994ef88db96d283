#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# msd-mkimage, judged by fsck.fat, fsck.exfat, sfdisk, blkid, mtools and 7z.
load helper

setup()
{
  cd "$BATS_TEST_TMPDIR" || return
  unset SOURCE_DATE_EPOCH
  PATH=$PATH:/usr/sbin:/sbin
}

mk()
{
  msd-mkimage --no-sync "$@"
}

# The volume of image $1, which starts at $2, has $3 bytes and uses the first $4, as a file.
volume()
{
  if [ "$2" = 0 ]; then
    ln -f "$1" volume
  else
    rm -f volume
    truncate -s "$3" volume
    dd if="$1" of=volume bs=1M iflag=skip_bytes,count_bytes skip="$2" count="$4" conv=sparse,notrunc status=none
  fi
}

# Makes image $1 by the options after it; every judge must find it right.
check()
{
  local image=$1 type partition size start volume used said

  shift
  mk --json "$@" "$image" >"$image.json" || fail "msd-mkimage $*"
  # the free clusters come last
  read -r type partition size start volume used < <(
    jq -r '.images[0] | "\(.type) \(.partition) \(.size) \(.start) \(.volume_size) \(.volume_size - .free)"' "$image.json"
  )
  [ "$(stat -c %s "$image")" = "$size" ] || fail "$*: size"
  volume "$image" "$start" "$volume" "$used"
  case $type in
  exfat)
    said=$(fsck.exfat -n volume) || fail "$*: $said"
    [[ $said == *"volume: clean. "* ]] || fail "$*: $said"
    [ "$(blkid -p -o value -s TYPE volume)" = exfat ] || fail "$*: blkid"
    ;;
  fat*)
    said=$(fsck.fat -n -v volume) || fail "$*: $said"
    none -i 'differ|wrong|invalid|bad|warning|orphan|free cluster summary (unset|wrong)|auto-' <<<"$said" || fail "$*: $said"
    [ "$(blkid -p -o value -s VERSION volume)" = "${type^^}" ] || fail "$*: blkid"
    ;;
  esac
  case $partition in
  mbr | gpt)
    said=$(sfdisk --no-tell-kernel --verify "$image" 2>&1) || fail "$*: $said"
    [[ $said == *"No errors detected"* ]] || fail "$*: $said"
    # the partition is the volume
    sfdisk --json "$image" | jq -e ".partitiontable | .sectorsize as \$sector | .partitions | length == 1 and
      .[0].start * \$sector == $start and .[0].size * \$sector == $volume" >/dev/null ||
      fail "$*: $(sfdisk -d "$image")"
    ;;
  esac
}

# A tree with all that is near an edge.
make_tree()
{
  local n

  mkdir -p "$1/folder/deeper/Über" "$1/empty" "$1/.hidden"
  for n in 0 1 511 512 513 2047 2048 2049 4095 4096 4097 32767 32768 32769 300001; do
    head -c "$n" /dev/zero | tr '\0' "$((n % 10))" >"$1/size $n"
  done
  echo short >"$1/folder/README.TXT"
  echo lower >"$1/folder/lower.txt"
  echo mixed >"$1/folder/Mixed.txt"
  echo text >"$1/folder/deeper/Überraschung €.txt"
  echo text >"$1/folder/deeper/Über/😀 emoji.dat"
  echo text >"$1/$(printf 'n%.0s' $(seq 255))"
  echo text >"$1/$(printf 'ä%.0s' $(seq 127))"
  for n in $(seq 40); do
    echo "$n" >"$1/folder/a long beginning that all have $n.text"
  done
  chmod 0444 "$1/size 512"
  touch -d '1980-01-01 00:00:00 UTC' "$1/size 1"
  touch -d '2024-02-29 23:59:58.25 UTC' "$1/size 511"
}

@test "a size too small for a partition table: without one only where that helps" {
  run -2 --separate-stderr msd-mkimage -s 1M a.img
  [[ $stderr == *"hint: --partition=none" ]]
  msd-mkimage -s 1M --partition=none a.img
  run -2 --separate-stderr msd-mkimage -s 1K a.img
  [[ $stderr != *--partition=none* ]]
  run -2 --separate-stderr msd-mkimage -t fat32 -s 1M a.img
  [[ $stderr != *--partition=none* ]]
}

@test "a size at the end of a range is told in bytes where it must be" {
  run -2 --separate-stderr msd-mkimage -t fat16 --partition=none -s 4G --sparse a.img
  [[ $stderr == *"cannot be 4 GiB: fat16 works from "*" to "*" bytes" ]]
}

@test "empty file systems of every kind, size, partition table and sector size" {
  for size in 64K 160K 1440K 4M 8000K 16M 32M; do
    check a.img -s "$size" --partition=none --sparse
  done
  for size in 2M 5M 33M 252M 260M 264M 265M 512M 2G 64G; do
    check a.img -s "$size" --sparse
  done
  for partition in none mbr gpt; do
    for size in 3M 34M 300M; do
      check a.img -s "$size" --partition="$partition" --sparse
      check a.img -t exfat -s "$size" --partition="$partition" --sparse -L ÄÖÜ
    done
  done
  for size in 1M 7M 64M 256M 257M 33G 300G 2T; do
    check a.img -t exfat -s "$size" --partition=none --sparse
  done
  for type in fat fat12 fat16 fat32 exfat; do
    check a.img -t "$type" -s 300M --partition=none --sector-size=4096 --sparse || [ "$type" = fat12 ]
  done
}

@test "kinds of FAT at their borders, and never FAT32 under 65,525 clusters" {
  local clusters

  for kib in $(seq 1990 5 2010) $(seq 3990 5 4010) $(seq 7990 5 8010); do
    check a.img --partition=none -s "${kib}K" --sparse
  done
  for mib in 15 16 17 125 126 127 251 252 253 263 264 265; do
    check a.img --partition=none -s "${mib}M" --sparse
  done
  for cluster in 512 1K 2K 4K 8K 16K 32K 64K; do
    check a.img -t fat32 --cluster-size=$cluster --partition=none -s 5G --sparse || [ $cluster = 64K ]
    clusters=$(jq '.images[0].clusters' a.img.json)
    [ "$clusters" -ge 65525 ]
  done
  for size in 30M 32M 33M; do
    run --separate-stderr mk -t fat32 --partition=none -s $size a.img
    if [ "$status" -eq 0 ]; then
      [ "$(mk --json --dry-run -t fat32 --partition=none -s $size a.img | jq '.images[0].clusters')" -ge 65525 ]
    else
      [ "$status" -eq 2 ]
      [[ $stderr == *"fat32 works from "* ]]
    fi
  done
}

@test "a tree goes in and comes out, on every kind" {
  make_tree tree
  for type in fat12 fat16 fat32; do
    for partition in mbr none; do
      check a.img -t $type -d tree --partition=$partition --free=100K -L 'My disk'
      rm -rf out
      7z x -y -oout volume >7z.log || fail "$(cat 7z.log)"
      diff -r tree out
    done
    [ "$(stat -c %Y "out/size 511")" = "$(date -d '2024-02-29 23:59:58 UTC' +%s)" ]
  done
  for cluster in 512 4K 32K; do
    check a.img -t exfat -d tree --cluster-size=$cluster
    check a.img -t fat32 -d tree --cluster-size=$cluster --partition=none
    mdir -i volume -b -/ :: >list
    [ "$(grep -c '[^/]$' list)" = "$(find tree -type f | wc -l)" ] || fail "$(cat list)"
  done
}

@test "the smallest image that holds the tree is full, and the next smaller one is refused" {
  local size

  make_tree tree
  for type in fat12 fat16 fat32 exfat; do
    check a.img -t $type -d tree
    size=$(stat -c %s a.img)
    check b.img -t $type -d tree --free=2M
    [ "$(jq '.images[0].free' b.img.json)" -ge $((2 << 20)) ]
    cp a.img old.img
    check a.img -t $type -d tree -s "$size" --cluster-size="$(jq '.images[0].cluster_size' a.img.json)"
    [ "$(jq '.images[0].free' a.img.json)" -lt $((64 << 20)) ]
  done
  head -c 3000000 /dev/urandom >tree/large
  echo untouched >a.img
  run -1 --separate-stderr mk -d tree -s 2M a.img
  [[ $stderr == *"needs "[0-9]*" bytes"*"hint: --size="* ]] || fail "$stderr"
  [ "$(cat a.img)" = untouched ]
  check a.img -d tree -s "$(sed -n 's/.*hint: --size=\([0-9]*\).*/\1/p' <<<"$stderr")"
}

@test "--min-size is the size, or what the files need and a quarter of it" {
  mkdir tree
  head -c 3000000 /dev/urandom >tree/large
  check a.img -d tree --min-size=64M
  [ "$(jq '.images[0].size' a.img.json)" = $((64 << 20)) ]
  check a.img -d tree --min-size=2M
  [ "$(jq '.images[0].free' a.img.json)" -ge $((512 << 10)) ]
  [ "$(jq '.images[0].size' a.img.json)" -lt $((6 << 20)) ]
}

@test "labels, serial numbers, partition types and the active flag" {
  check a.img -s 40M -L 'bios disk' --serial=1234-abcd --active
  [ "$(blkid -p -o value -s LABEL volume)" = 'BIOS DISK' ]
  [ "$(blkid -p -o value -s UUID volume)" = 1234-ABCD ]
  sfdisk -d a.img | grep -q 'start= *2048.*type=6, bootable'
  check a.img -t fat32 -s 40M
  sfdisk -d a.img | grep -q 'type=c$'
  check a.img -t fat12 -s 4M
  sfdisk -d a.img | grep -q 'type=1$'
  check a.img -t exfat -s 40M -L 'Größe €' --serial=00000001
  [ "$(blkid -p -o value -s LABEL volume)" = 'Größe €' ]
  [ "$(blkid -p -o value -s UUID volume)" = 0000-0001 ]
  sfdisk -d a.img | grep -q 'type=7$'
  check a.img -s 40M --partition=gpt --active
  sfdisk -d a.img | grep -q 'type=EBD0A0A2-B9E5-4433-87C0-68B6B72699C7.*LegacyBIOSBootable'
  for label in 'twelve chars' 'a/b' 'ä' ' x'; do
    run -2 --separate-stderr mk -s 40M -L "$label" b.img
  done
  run -2 --separate-stderr mk -t exfat -s 40M -L 'twelve chars' b.img
  [ ! -e b.img ]
}

@test "all that cannot be in an image is reported at once, before writing" {
  mkdir -p tree/sub
  : >tree/CON
  : >tree/nul.txt
  : >tree/a:b
  : >"tree/sub/dot."
  : >"tree/sub/blank "
  : >tree/Twin
  : >tree/tWIN
  : >"tree/$(printf 'bad\xff')"
  : >"tree/$(printf 'new\nline')"
  ln -s CON tree/link
  mkfifo tree/fifo
  echo old >a.img
  for type in fat exfat; do
    run -1 --separate-stderr mk -t $type -d tree a.img
    for path in CON nul.txt a:b sub/dot. 'sub/blank ' 'tWIN: ' 'new\x0aline' link fifo; do
      [[ $stderr == *"tree/$path"* ]] || fail "$path: $stderr"
    done
    [[ $stderr == *" 10 of its files"* ]] || fail "$stderr"
    [ "${#stderr_lines[@]}" -eq 11 ] || fail "$stderr"
    [ "$(cat a.img)" = old ]
  done
}

@test "--mangle finds fit names, tells them, and clashes with none" {
  mkdir tree
  for name in CON a:b 'a?b' a_b Twin tWIN TWIN 'dots...' "$(printf 'bad\xff')"; do
    echo "$name" >"tree/$name"
  done
  (cd tree && seq 1000 1299 | tr 0-9 '?:<>|*"?:<' | sort -u | xargs -d '\n' touch --)
  run -0 --separate-stderr mk -t fat32 --partition=none -d tree --mangle a.img
  [[ $output == *"tree/CON -> CON_"* ]] || fail "$output"
  [[ $output == *"tree/dots... -> dots___"* ]] || fail "$output"
  [[ $output == *"tree/a:b -> a_b_"* ]] || fail "$output"
  ! [[ $output == *"tree/a_b ->"* ]]
  7z x -y -oout a.img >7z.log || fail "$(cat 7z.log)"
  [ "$(find out -type f | wc -l)" = "$(find tree -type f | wc -l)" ]
  [ "$(cat out/CON_)" = CON ]
  [ "$(cat out/a_b)" = a_b ]
  [ "$(find out -type f -printf '%f\n' | tr a-z A-Z | sort -u | wc -l)" = "$(find tree -type f | wc -l)" ]
}

@test "symbolic links are followed with --dereference, loops and dead ones are reported" {
  mkdir -p tree/real
  echo content >tree/real/file
  ln -s real/file tree/link
  ln -s real tree/folder
  run -1 --separate-stderr mk -d tree a.img
  [[ $stderr == *"tree/link: a symbolic link; --dereference"* ]] || fail "$stderr"
  check a.img -d tree --dereference -t fat32
  [ "$(mtype -i volume ::link)" = content ]
  [ "$(mtype -i volume ::folder/file)" = content ]
  ln -s .. tree/real/up
  ln -s nowhere tree/dead
  run -1 --separate-stderr mk -d tree --dereference a.img
  [[ $stderr == *"tree/real/up: "* ]] || fail "$stderr"
  [[ $stderr == *"tree/dead: "* ]] || fail "$stderr"
}

@test "several sources: folders of one name are one, files of one name are a problem" {
  mkdir -p one/both two/both two/only
  echo 1 >one/both/a
  echo 2 >two/both/b
  echo 3 >two/only/c
  echo file >file.iso
  ln one/both/a one/hard
  check a.img -t fat32 -d one -d two -d file.iso
  7z x -y -oout volume >7z.log || fail "$(cat 7z.log)"
  [ "$(cat out/both/a out/both/b out/only/c out/file.iso out/hard | paste -sd ' ')" = '1 2 3 file 1' ]
  echo 4 >two/both/A
  run -1 --separate-stderr mk -d one -d two a.img
  [[ $stderr == *"one/both/a: the same name"*"two/both/A"* ]] || fail "$stderr"
  run -7 --separate-stderr mk -d missing a.img
  [[ $stderr == *"missing: No such file"* ]] || fail "$stderr"
}

@test "files of 4 GiB and folders of 65,536 entries: the limits of FAT, named" {
  mkdir tree
  truncate -s 4294963200 tree/large
  check a.img -t fat32 -d tree --partition=none --sparse
  # fsck.fat counts the bytes of a chain in 32 bits: of the largest file it finds none
  rm tree/large
  truncate -s 4294967295 tree/largest
  mk -t fat32 -d tree --partition=none --sparse a.img
  fsck.fat -n a.img >said || true
  [ "$(grep -c 'cluster chain length is 0 bytes' said)" = 1 ] || fail "$(cat said)"
  7z l a.img | grep -q '4294967295 *4294967296 *largest' || fail "$(7z l a.img)"
  truncate -s 4294967296 tree/larger
  run -1 --separate-stderr mk -d tree a.img
  [[ $stderr == *"tree/larger: 4 GiB or larger"*"hint: --type=exfat"* ]] || fail "$stderr"
  check a.img -t exfat -d tree --partition=none --sparse
  [ "$(stat -c %b a.img)" -lt 100000 ]
  rm -r tree a.img volume
  mkdir -p tree/many
  (cd tree/many && seq -f 'F%05g.TXT' 65534 | xargs touch)
  check a.img -t fat32 -d tree --sparse
  : >tree/many/F99999.TXT
  run -1 --separate-stderr mk -d tree a.img
  [[ $stderr == *"tree/many: more than the 65,536 entries"*"hint: --type=exfat"* ]] || fail "$stderr"
}

@test "holes stay holes, and the image is preallocated or sparse as asked" {
  mkdir tree
  truncate -s 100M tree/holes
  echo end >>tree/holes
  printf x | dd of=tree/holes bs=1 seek=50000000 conv=notrunc status=none
  check a.img -d tree --sparse
  [ "$(stat -c %b a.img)" -lt 20000 ] || fail "$(stat -c %b a.img)"
  mcopy -i volume ::holes out
  cmp out tree/holes
  mk -s 20M b.img
  [ "$(stat -c %b b.img)" -ge 40960 ]
  mk -s 20M --sparse b.img
  [ "$(stat -c %b b.img)" -lt 8192 ]
}

@test "the same tree gives the same bytes with an epoch; times after it become it" {
  make_tree tree
  touch -d '2030-01-01' tree/empty
  for type in fat16 exfat; do
    mk -t $type -d tree --source-date-epoch=1700000000 a.img
    cp -a tree other
    TZ='' mk -t $type -d other --source-date-epoch=1700000000 b.img 2>/dev/null
    unset TZ
    SOURCE_DATE_EPOCH=1700000000 mk -t $type -d other b.img
    cmp a.img b.img
    rm -r other
    mk -t $type -d tree --source-date-epoch=1700000001 b.img
    ! cmp -s a.img b.img
  done
  mk -t fat16 --partition=gpt -d tree --source-date-epoch=1700000000 a.img
  mk -t fat16 --partition=gpt -d tree --source-date-epoch=1700000000 b.img
  cmp a.img b.img
  mk -t fat16 --partition=none -d tree --source-date-epoch=1700000000 a.img
  mdir -i a.img ::empty | grep -q '2023-11-14'
  run -2 mk -s 4M --source-date-epoch=soon a.img
}

@test "TZ decides the times on FAT, and none on exFAT" {
  mkdir tree
  touch -d '2024-07-01 12:00:00 UTC' tree/file
  TZ=Asia/Tokyo mk --partition=none -d tree a.img
  mdir -i a.img :: | grep -q 'file.*2024-07-01  21:00'
  TZ=America/New_York mk --partition=none -d tree a.img
  mdir -i a.img :: | grep -q 'file.*2024-07-01   8:00'
  TZ=Asia/Tokyo mk -t exfat --serial=00000001 --partition=none -d tree a.img
  TZ=UTC mk -t exfat --serial=00000001 --partition=none -d tree b.img
  cmp a.img b.img
}

@test "attributes: read-only for all, dot files hidden" {
  mkdir -p tree/.folder
  : >tree/.dot
  : >tree/plain
  : >tree/readonly
  chmod 0444 tree/readonly
  mk --partition=none -d tree a.img
  mattrib -i a.img ::.dot ::plain ::readonly ::.folder >list
  grep -q '^ *A *H *::/.dot' list
  grep -q '^ *A  *::/plain' list
  grep -q '^ *A *R *::/readonly' list
  grep -q '^ *H *::/.folder' list
}

@test "wrong usage ends with status 2 and touches nothing" {
  echo old >a.img
  mkdir tree
  for args in '' '-t ext4 -s 1G' '-s 1Q' '-s 100' '-s 4M --partition=apm' '-s 4M --serial=12' '-s 4M --serial=1234-56789' \
    '-s 4M --cluster-size=3000' '-s 4M --sector-size=100' '-s 4M --mode=9' '-s 4M --mode=' '-s 4M --owner=nobody-at-all' \
    '-t fat12 -s 1G' '-t fat16 -s 10G' '-t fat32 -s 10M' '-t exfat -s 1M' '-t fat32 -s 3T --partition=none' \
    '-s 3T --partition=mbr -t exfat' '-s 1M' '-t raw' '-t raw -s 1M -d tree' '-t raw -s 1M --partition=mbr' \
    '-s 4M --free=1M' '-s 4M --min-size=1M' '--free=1M --min-size=4M' '-t raw --min-size=1M' '-s 4M --partition=none --active' '-s 4M --progress=often' '-s 4M b.img' \
    '-t raw -s 1M -L x' '-t raw -s 1M --serial=12345678' '-t raw -s 1M --cluster-size=4K' '-s 4M --sparse --preallocate'; do
    # shellcheck disable=SC2086
    run -2 --separate-stderr mk $args a.img
    [[ $stderr == "msd-mkimage: "* ]] || fail "$args: $stderr"
    [ "$(cat a.img)" = old ] || fail "$args"
  done
  run -2 --separate-stderr mk -s 4M
  run -2 --separate-stderr mk -s 4M -
  [[ $stderr == *"standard output"*"./-"* && ! -e - ]] || fail "$stderr"
  mk -s 4M ./-
  run -2 --separate-stderr mk -t fat16 -s 10G a.img
  [[ $stderr == *"fat16 works from "*" to 4 GiB"* ]] || fail "$stderr"
  run -2 --separate-stderr mk -s 3T -t exfat a.img
  [[ $stderr == *"up to 2 TiB"*"hint: --partition=gpt"* ]] || fail "$stderr"
}

@test "raw images, mode and owner, and what is no file" {
  mk -t raw -s 10MB --mode=0666 a.img
  [ "$(stat -c '%s %a' a.img)" = '9999872 666' ]
  [ "$(tr -d '\0' <a.img | wc -c)" = 0 ]
  mk -s 4M a.img
  [ "$(stat -c %a a.img)" = 666 ]
  ln -s a.img link.img
  mk -s 5M link.img
  [ -L link.img ]
  [ "$(stat -c %s a.img)" = $((5 << 20)) ]
  mk -s 4M --owner="$(id -u):$(id -g)" a.img
  run -6 --separate-stderr mk -s 4M /dev/null
  run -6 --separate-stderr mk -s 4M .
  run -7 --separate-stderr mk -s 4M missing/a.img
  run -1 --separate-stderr mk -t raw -s 4E a.img
  [[ $stderr == *a.img:* ]]
  [ "$(find . -type f -links +0 ! -name 'separate-stderr*')" = ./a.img ] || fail "$(ls -A)"
}

@test "--dry-run writes nothing; --json is numbers" {
  make_tree tree
  run -0 --separate-stderr mk -d tree --dry-run --free=1M a.img
  [[ $output == *"File system: fat"*"Free: "* ]] || fail "$output"
  [ ! -e a.img ]
  mk -d tree --dry-run --json -L X a.img >plan
  jq -e '.images[0] | (.size | type == "number") and .label == "X" and .active == false and .free >= 0
    and .files == 62 and .folders == 5' plan || fail "$(cat plan)"
}

@test "a bar with --progress=always, nothing on a pipe" {
  head -c 3000000 /dev/zero >file
  run -0 --separate-stderr mk -d file a.img
  [ -z "$stderr" ]
  [ -z "$output" ]
  run -0 --separate-stderr mk -d file --progress=always a.img
  run -0 --separate-stderr mk -d file --progress=never a.img
  [ -z "$stderr" ]
}

@test "thousands of short names in one folder, each once" {
  mkdir tree
  (cd tree && seq -f 'a common beginning of all %05g.text' 3000 | xargs -d '\n' touch)
  check a.img -t fat32 -d tree
  MTOOLS_NAME_NUMERIC_TAIL=1 mdir -i volume -a :: | awk 'NF > 4 && $1 !~ /^\./ { print substr($0, 1, 12) }' | sort | uniq -d >twice
  [ ! -s twice ] || fail "$(head twice)"
}

@test "a depth of 60 folders" {
  local path=tree i

  for i in $(seq 60); do
    path=$path/d$i
  done
  mkdir -p "$path"
  echo deep >"$path/file"
  check a.img -t fat32 -d tree
  [ "$(mtype -i volume "::${path#tree}/file")" = deep ]
  check a.img -t exfat -d tree
}

# Packs the tree as an archive with the command given and makes image a.img of it.
from_archive()
{
  "$@" | msd-mkimage --no-sync -t fat32 --partition=none -d - a.img
  fsck.fat -n a.img >said || fail "$*: $(cat said)"
  rm -rf out
  7z x -y -oout a.img >7z.log || fail "$(cat 7z.log)"
  diff -r tree out || fail "$*"
}

@test "tar, cpio and zip streams are sources; hard links in them are files" {
  make_tree tree
  ln tree/folder/README.TXT tree/hard
  ln tree/folder/README.TXT tree/hard2
  from_archive tar -c -C tree .
  from_archive tar -c -z -C tree .
  from_archive sh -c 'cd tree && find . | cpio -o -H newc --quiet'
  (cd tree && 7z a -tzip ../tree.zip . >/dev/null)
  from_archive cat tree.zip
  rm tree.zip
  [ "$(find . -maxdepth 1 -name '.*' -type f)" = '' ]
  mkdir base
  echo other >base/other
  tar -c -C tree . | mk -d base -d - --partition=none a.img
  [ "$(mtype -i a.img ::other)" = other ]
}

@test "an archive that is damaged or none leaves the old image" {
  make_tree tree
  echo old >a.img
  tar -c -z -C tree . >tree.tgz
  run -5 --separate-stderr sh -c 'echo nothing of the kind | msd-mkimage -d - a.img'
  run -5 --separate-stderr sh -c 'msd-mkimage -d - a.img </dev/null'
  run -5 --separate-stderr sh -c 'head -c 300 tree.tgz | msd-mkimage -d - a.img'
  ln -s x tree/link
  run -1 --separate-stderr sh -c 'tar -c tree ../etc 2>/dev/null | msd-mkimage -d - a.img'
  [[ $stderr == *"tree/link: a symbolic link"* ]] || fail "$stderr"
  mkdir sub
  run -1 --separate-stderr sh -c 'cd sub && tar -cP ../tree/empty | msd-mkimage -d - ../a.img'
  [[ $stderr == *"leads out of the archive"* ]] || fail "$stderr"
  [ "$(cat a.img)" = old ]
}

@test "a source that changes while it is copied is an error, the same every time" {
  mkdir tree
  head -c 1000 /dev/zero >tree/small
  head -c 1000000 /dev/zero >tree/large
  echo old >a.img
  for change in 'truncate -s 10 tree/small' 'truncate -s 1001 tree/small' 'truncate -s 10 tree/large' \
    'truncate -s 1000001 tree/large' 'rm tree/small'; do
    cp -r tree saved
    # the plan is complete when the archive is; until then the source is as it was scanned
    mkfifo pipe
    msd-mkimage -d tree -d - a.img <pipe 2>err &
    pid=$!
    tar -c -C saved --transform='s/^/x/' small >tar
    { head -c 512 tar; sleep 0.3; $change; tail -c +513 tar; } >pipe
    wait $pid && status=0 || status=$?
    [ $status -eq $([ "$change" = 'rm tree/small' ] && echo 7 || echo 1) ]
    grep -qE "tree/(small|large): (became (shorter|longer)|changed|No such file)" err || fail "$change: $(cat err)"
    [ "$(cat a.img)" = old ]
    rm -r tree pipe
    mv saved tree
  done
}

@test "SIGINT, SIGTERM and SIGKILL leave the old image and no other file" {
  echo old >a.img
  for signal in INT TERM KILL; do
    mkfifo pipe
    env --default-signal=INT msd-mkimage -d - a.img <pipe 2>err &
    pid=$!
    exec 9>pipe
    head -c 512 /dev/zero >&9
    sleep 0.3
    kill -$signal $pid
    wait $pid && status=0 || status=$?
    [ $status -eq $((128 + $(kill -l $signal))) ] || fail "$signal: $status: $(cat err)"
    exec 9>&-
    rm pipe err
    [ "$(cat a.img)" = old ]
    [ "$(ls -A)" = a.img ] || fail "$signal: $(ls -A)"
  done
}

@test "an exFAT without a partition has no partitions" {
  mk -t exfat --partition=none -s 8M a.img
  none '^a.img[0-9]' <<<"$(sfdisk -l a.img 2>&1)"
  [ "$(od -An -tx1 -j 446 -N 64 -v a.img | tr -d ' \n0')" = '' ]
  [ "$(blkid -p -o value -s TYPE a.img)" = exfat ]
  run fsck.exfat -n a.img
  [ "$status" = 0 ] || fail "$output"
}
