#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# msd-normalfiles reads what mkfs.fat, mformat and mtools made.
load helper

bats_require_minimum_version 1.5.0

setup()
{
  cd "$BATS_TEST_TMPDIR" || return
  export MTOOLS_SKIP_CHECK=1 LC_ALL=C.UTF-8 TZ=UTC
}

# A tree with short, long, lower-case and accented names; files around the size of a cluster.
make_tree()
{
  mkdir -p tree/'a long folder name'/deep tree/EMPTY
  printf 'hello\n' >tree/HELLO.TXT
  printf 'hello\n' >tree/lower.txt
  printf 'Ärger\n' >tree/'Ärger mit Ümläuten.text'
  : >tree/empty.file
  for n in 1 511 512 513 4095 4096 4097 70000; do
    head -c "$n" /dev/urandom >tree/'a long folder name'/"$n bytes.bin"
  done
  head -c 3000 /dev/urandom >tree/'a long folder name'/deep/x
  find tree -exec touch -d '2024-02-29 12:34:56 UTC' {} +
}

# make_image SIZE MKFS-OPTION…: image with the tree in it
make_image()
{
  rm -f image
  truncate -s "$1" image
  mkfs.fat "${@:2}" image >/dev/null
  mcopy -sm -i image tree/* ::
}

same_tree()
{
  rm -rf out
  msd-normalfiles unpack image out
  diff -r tree out
  [ "$(cd tree && find . -type f -printf '%p %s %T@\n' | sort)" = \
    "$(cd out && find . -type f -printf '%p %s %T@\n' | sort)" ]
}

@test "FAT12, FAT16 and FAT32 with every sector, cluster and FAT count come out equal" {
  make_tree
  while read -r size options; do
    # shellcheck disable=SC2086
    make_image "$size" $options
    same_tree || fail "mkfs.fat $size $options"
  done <<EOF
2M -F 12
4M -F 12 -S 4096
4M -F 12 -f 1 -s 4
16M -F 16
32M -F 16 -S 1024 -f 3
64M -F 16 -s 8 -r 1024
128M -F 16 -S 2048 -s 4
40M -F 32 -s 1
300M -F 32 -S 4096 -s 1
300M -F 32 -s 8 -R 64 -f 4
32M -a -F 16 -h 63
EOF
}

@test "mformat's images come out equal" {
  make_tree
  for options in '-f 1440' '-f 2880' '-t 64 -h 16 -n 63' '-F -t 200 -h 32 -n 63' '-t 64 -h 16 -n 63 -c 8 -L 32 -r 20'; do
    rm -f image
    # shellcheck disable=SC2086
    mformat -C -i image $options ::
    mcopy -sm -i image tree/* ::
    same_tree || fail "mformat $options"
  done
}

@test "fragmented files, deleted entries and a reused folder come out equal" {
  make_tree
  mkdir tree/frag
  truncate -s 8M image
  mkfs.fat -F 16 -s 1 image >/dev/null
  for i in $(seq 60); do head -c 2000 /dev/urandom >tree/frag/"file with a long name $i"; done
  touch -d '2024-02-29 12:34:56 UTC' tree/frag/*
  mcopy -sm -i image tree/frag ::
  for i in $(seq 1 2 60); do
    mdel -i image "::frag/file with a long name $i"
    rm tree/frag/"file with a long name $i"
  done
  head -c 50000 /dev/urandom >tree/frag/pieces
  touch -d '2024-02-29 12:34:56 UTC' tree/frag/*
  mcopy -m -i image tree/frag/pieces ::frag/pieces
  rm -rf tree/HELLO.TXT tree/lower.txt tree/EMPTY tree/a* tree/Ä* tree/empty.file
  same_tree
  run -0 msd-normalfiles info --json image
  [ "$(jq '.volumes[0].fragmented' <<<"$output")" -ge 1 ]
  run -0 fsck.fat -n image
}

@test "partitions: MBR primary and logical, GPT, sectors of 4096, several" {
  make_tree
  truncate -s 64M disk
  printf 'start=2048,size=32768,type=83\nstart=40960,type=5\nstart=43008,size=40960,type=6\n' |
    sfdisk -q --no-tell-kernel -X dos disk 2>/dev/null
  make_image 20M -F 16
  dd if=image of=disk bs=512 seek=43008 conv=notrunc status=none
  run -0 --separate-stderr msd-normalfiles list disk
  [[ $output == *HELLO.TXT* ]]
  [ "$(msd-normalfiles info -nPo PARTITION,TABLE disk)" = 'PARTITION="5" TABLE="mbr"' ]
  run -5 --separate-stderr msd-normalfiles list --partition=1 disk
  run -7 --separate-stderr msd-normalfiles list --partition=4 disk

  truncate -s 0 disk; truncate -s 64M disk
  printf 'size=20M,type=U\nsize=20M,type=L\n' | sfdisk -q --no-tell-kernel -X gpt disk
  dd if=image of=disk bs=1M seek=1 conv=notrunc status=none
  dd if=image of=disk bs=1M seek=21 conv=notrunc status=none
  # the EFI partition is left aside
  [ "$(msd-normalfiles info -nPo PARTITION,TABLE disk)" = 'PARTITION="2" TABLE="gpt"' ]
  # the second header does when the first is damaged
  dd if=/dev/zero of=disk bs=1 seek=520 count=8 conv=notrunc status=none
  run -5 --separate-stderr msd-normalfiles cat disk HELLO.TXT
  [ "$output" = hello ]
  [[ $stderr == *'GPT'*'(byte 512)'* ]]

  truncate -s 0 disk; truncate -s 64M disk
  printf 'size=20M,type=c\nsize=20M,type=c\n' | sfdisk -q --no-tell-kernel -X dos disk
  dd if=image of=disk bs=1M seek=1 conv=notrunc status=none
  dd if=image of=disk bs=1M seek=21 conv=notrunc status=none
  run -2 --separate-stderr msd-normalfiles list disk
  [[ $stderr == *'several partitions fit: 1, 2'*--partition=1* ]]
  run -0 msd-normalfiles cat --partition=2 disk hello.txt

  # an MBR that counts in sectors of 4096
  make_image 20M -F 16 -S 4096 -s 1
  truncate -s 0 disk; truncate -s 64M disk
  dd if=image of=disk bs=4096 seek=256 conv=notrunc status=none
  printf '\x80\0\0\0\x06\0\0\0\x00\x01\0\0\x00\x14\0\0' | dd of=disk bs=1 seek=446 conv=notrunc status=none
  printf '\x55\xaa' | dd of=disk bs=1 seek=510 conv=notrunc status=none
  [ "$(msd-normalfiles info -nPo OFFSET,TYPE disk)" = 'OFFSET="1048576" TYPE="fat16"' ]
}

@test "labels, serial, free room and dirty bit" {
  truncate -s 32M image
  mkfs.fat -F 16 -n 'BOOT ONLY' -i deadbeef image >/dev/null
  [ "$(msd-normalfiles info -nPo LABEL,SERIAL,DIRTY image)" = 'LABEL="BOOT ONLY" SERIAL="DEAD-BEEF" DIRTY="no"' ]
  mlabel -i image ::MTOOLS
  [ "$(msd-normalfiles info -nPo LABEL image)" = 'LABEL="MTOOLS"' ]
  free=$(msd-normalfiles info --json image | jq '.volumes[0].free')
  head -c 10000 /dev/zero >file; mcopy -i image file ::
  [ $((free - $(msd-normalfiles info --json image | jq '.volumes[0].free'))) = 10240 ]
  printf '\x01' | dd of=image bs=1 seek=37 conv=notrunc status=none
  [ "$(msd-normalfiles info -nPo DIRTY image)" = 'DIRTY="yes"' ]
  truncate -s 34M image; rm image; truncate -s 32M image
  mkfs.exfat -L Größe image >/dev/null
  [ "$(msd-normalfiles info -J image | jq -c '.volumes[0] | [.type, .label, .files]')" = '["exfat","Größe",0]' ]
}

@test "short names are in the code page, and their case bits count" {
  truncate -s 2M image
  mkfs.fat image >/dev/null
  printf x >x
  mcopy -i image x ::ABC.TXT
  at=$(grep -abo 'ABC     TXT' image | cut -d: -f1)
  printf '\x8e\x99' | dd of=image bs=1 seek="$at" conv=notrunc status=none
  [ "$(msd-normalfiles list -no NAME image)" = 'ÄÖC.TXT' ]
  [ "$(msd-normalfiles list -no NAME --codepage=866 image)" = 'ОЩC.TXT' ]
  printf '\x18' | dd of=image bs=1 seek=$((at + 12)) conv=notrunc status=none
  printf 'AB' | dd of=image bs=1 seek="$at" conv=notrunc status=none
  [ "$(msd-normalfiles list -no NAME image)" = abc.txt ]
  printf '\x05' | dd of=image bs=1 seek="$at" conv=notrunc status=none
  [ "$(msd-normalfiles list -no NAME image)" = 'σbc.txt' ]
  run -2 --separate-stderr msd-normalfiles list --codepage=nonsense image
}

@test "a damaged boot sector: FAT32 and exFAT are read from its copy" {
  make_tree
  make_image 40M -F 32 -s 1
  dd if=/dev/zero of=image bs=512 count=1 conv=notrunc status=none
  run -5 --separate-stderr msd-normalfiles cat image HELLO.TXT
  [ "$output" = hello ]
  [[ $stderr == *'boot sector damaged'* ]]
  rm image; truncate -s 32M image
  mkfs.exfat -L COPY image >/dev/null
  dd if=/dev/zero of=image bs=512 count=1 conv=notrunc status=none
  run -5 --separate-stderr msd-normalfiles info -nPo LABEL image
  [ "$output" = 'LABEL="COPY"' ]
}

@test "other file systems are named, with what reads them" {
  truncate -s 16M image
  run -5 --separate-stderr msd-normalfiles unpack image out
  [[ $stderr == *'neither FAT nor exFAT'* ]]
  [ ! -e out ]
  mkfs.ext4 -q image
  run -5 --separate-stderr msd-normalfiles list image
  [[ $stderr == *ext4*hint*'mount -t msd image'* ]]
  run -7 --separate-stderr msd-normalfiles list missing
  run -5 --separate-stderr msd-normalfiles list /dev/null
}

@test "list: table, JSON and pairs" {
  make_tree
  make_image 16M -F 16
  run -0 msd-normalfiles list -r image
  [[ ${lines[0]} =~ ^ATTRS\ +SIZE\ MTIME\ +NAME$ ]]
  [[ $output == *'----A            6 2024-02-29T12:34:56 HELLO.TXT'* ]]
  [ "$(msd-normalfiles list -rno NAME image | sort)" = "$(cd tree && find . -mindepth 1 -printf '%P\n' | sort)" ]
  msd-normalfiles list -rJ image | jq -e '.files | length == 16'
  [ "$(msd-normalfiles list -J image hello.txt | jq -c '.files[0] | [.name, .size, .mtime]')" = \
    '["hello.txt",6,"2024-02-29T12:34:56"]' ]
  [ "$(msd-normalfiles list -nPo size,name image lower.txt)" = 'SIZE="6" NAME="lower.txt"' ]
  for option in -o -no; do
    msd-normalfiles list $option name,size image >table
    python3 -c 'import sys; sys.exit(len({len(line) for line in open("table")}) != 1)' || fail "$(cat table)"
  done
  run -2 --separate-stderr msd-normalfiles list -o NONE image
  run -7 --separate-stderr msd-normalfiles list image nowhere
}

@test "options go with the commands that know them" {
  for line in 'list --delete' 'get --exclude=x' 'cat --label=x' 'mkdir --snapshot' 'rm -p' 'info -r' \
    'list --no-sync' 'unpack --mangle' 'mv --json' 'label --progress=never' 'pack --max-size=1M'; do
    # shellcheck disable=SC2086
    run -2 --separate-stderr msd-normalfiles $line image x
    [[ $stderr == *" is not for ${line%% *}"* ]] || fail "$line: $stderr"
  done
  run -2 --separate-stderr msd-normalfiles pack --partition=2 tree image
}

@test "get and cat" {
  make_tree
  make_image 16M -F 16
  [ "$(msd-normalfiles cat image HELLO.TXT lower.txt)" = $'hello\nhello' ]
  msd-normalfiles cat image 'a long folder name/70000 bytes.bin' | cmp - tree/a*/70000*
  msd-normalfiles get image 'a long folder name/deep/x' .
  cmp x tree/a*/deep/x
  msd-normalfiles get image HELLO.TXT renamed
  cmp renamed tree/HELLO.TXT
  run -1 --separate-stderr msd-normalfiles get image 'a long folder name' .
  [[ $stderr == *'get -r'* ]]
  mkdir to
  msd-normalfiles get -r image 'a long folder name' HELLO.TXT to
  diff -r tree/a* to/a*
  cmp to/HELLO.TXT tree/HELLO.TXT
  msd-normalfiles get -r image 'a long folder name' anew
  diff -r tree/a* anew
  run -1 --separate-stderr msd-normalfiles get -r image 'a long folder name' HELLO.TXT nowhere
  run -1 --separate-stderr msd-normalfiles cat image 'a long folder name'
  [ "${stderr_lines[0]}" = "msd-normalfiles: image: 'a long folder name' is a folder" ]
  [ "${stderr_lines[1]}" = "msd-normalfiles: hint: msd-normalfiles get -r image 'a long folder name' ." ]
  run -1 --separate-stderr msd-normalfiles cat image EMPTY
  run -7 --separate-stderr msd-normalfiles get image HELLO.TXT nowhere/x
  run -2 --separate-stderr msd-normalfiles get image HELLO.TXT
  run -2 --separate-stderr msd-normalfiles frobnicate image
}

@test "unpack adds and replaces, --delete mirrors" {
  make_tree
  make_image 16M -F 16
  mkdir -p out/mine
  printf old >out/HELLO.TXT; printf mine >out/mine/file
  exec 9<out/HELLO.TXT
  msd-normalfiles unpack image out
  [ "$(cat <&9)" = old ]	# replaced, not written into
  [ "$(cat out/HELLO.TXT)" = hello ]
  [ -e out/mine/file ]
  msd-normalfiles unpack --delete --exclude='*.keep' image out
  [ ! -e out/mine ]
  diff -r tree out
  touch out/a.keep; mkdir -p out/x/y; ln -s /etc out/link
  msd-normalfiles unpack --delete --exclude='*.keep' image out
  [ -e out/a.keep ] && [ ! -e out/x ] && [ ! -L out/link ] && [ -d /etc ]
  # as deep as descriptors reach, on a small stack
  (cd out && for _ in $(seq 800); do mkdir deep && cd deep || exit; done)
  (ulimit -s 256; msd-normalfiles unpack --delete --exclude='*.keep' image out)
  [ ! -e out/deep ]
}

@test "unpack: globs, limits, read-only bit, holes" {
  make_tree
  head -c 1M /dev/zero >tree/zeros
  make_image 16M -F 16
  mattrib -i image +r ::HELLO.TXT
  msd-normalfiles unpack --include='*.txt' image out
  [ "$(cd out && find . -mindepth 1 | sort | paste -sd ' ')" = './HELLO.TXT ./lower.txt' ]
  [ "$(stat -c %a out/HELLO.TXT)" = 444 ]
  rm -rf out
  msd-normalfiles unpack --exclude='a long*' image out
  [ ! -e out/a* ] && [ -e out/EMPTY ]
  [ "$(stat -c '%s %b' out/zeros)" = '1048576 0' ]
  rm -rf out
  run -6 --separate-stderr msd-normalfiles unpack --max-files=3 image out
  [[ $stderr == *--max-files* ]]
  run -6 --separate-stderr msd-normalfiles unpack --max-size=64K image out
  [[ $stderr == *"hint: --max-size=655360" ]]
}

@test "unpack: nothing outside of the folder, no symlink followed" {
  make_tree
  make_image 16M -F 16
  mkdir out victim
  printf precious >victim/HELLO.TXT
  ln -s ../victim/HELLO.TXT out/HELLO.TXT
  ln -s ../victim out/EMPTY
  ln -s ../victim out/'a long folder name'
  run -1 --separate-stderr msd-normalfiles unpack image out
  [[ $stderr == *'symbolic link'* ]]
  [ "$(cat victim/*)" = precious ]
  [ "$(cat out/HELLO.TXT)" = hello ] && [ ! -L out/HELLO.TXT ]
}

@test "unpack -: a tar stream" {
  make_tree
  make_image 16M -F 16
  mkdir out
  msd-normalfiles unpack image - | tar -x -C out
  diff -r tree out
  [ "$(stat -c %Y out/HELLO.TXT)" = "$(stat -c %Y tree/HELLO.TXT)" ]
  [ "$(msd-normalfiles unpack --include='lower*' image - | tar -t)" = lower.txt ]
}

@test "damage is told with path and place, and what can be read is saved" {
  make_tree
  make_image 2M -F 12 -s 1
  # a chain that leads back to itself, a folder that is its own parent, names with slashes
  at=$(grep -abo 'X          ' image | tail -n 1 | cut -d: -f1)
  printf '\xff\xff' | dd of=image bs=1 seek=$((at + 26)) conv=notrunc status=none
  printf 'HE/LO   TXT' >name
  at=$(grep -abo 'HELLO   TXT' image | cut -d: -f1)
  dd if=name of=image bs=1 seek="$at" conv=notrunc status=none
  run -5 --separate-stderr msd-normalfiles unpack image out
  [[ $stderr == *"image: a long folder name/deep/x: chain of clusters leads to"*'(byte '* ]]
  [[ $stderr == *"read as 'HE_LO.TXT' (byte $at)"* ]]
  [ "$(cat out/HE_LO.TXT)" = hello ]
  cmp out/a*/70000* tree/a*/70000*
}

# The image is in order, and its files are those of the tree.
in_order()
{
  if [ "$1" = exfat ]; then
    run -0 fsck.exfat -n image
    [[ $output == *clean* ]]
  else
    run -0 fsck.fat -n image
    [ "${#lines[@]}" = 2 ] || fail "$output"
  fi
  same_tree
}

@test "mkdir, rm, mv and label: FAT" {
  make_tree
  make_image 40M -F 32 -s 1
  msd-normalfiles mkdir image new 'new/Ümläut folder'
  mkdir -p tree/new/'Ümläut folder'
  msd-normalfiles mkdir -p image a/b/c new
  mkdir -p tree/a/b/c
  run -7 --separate-stderr msd-normalfiles mkdir image x/y
  run -1 --separate-stderr msd-normalfiles mkdir image new
  msd-normalfiles mv image 'a long folder name' a/b/moved
  mv tree/'a long folder name' tree/a/b/moved
  msd-normalfiles mv image hello.txt new
  mv tree/HELLO.TXT tree/new
  msd-normalfiles mv image lower.txt 'Lower case no more'
  mv tree/lower.txt tree/'Lower case no more'
  run -1 --separate-stderr msd-normalfiles mv image a a/b/c
  run -1 --separate-stderr msd-normalfiles mv image 'Lower case no more' empty.file
  [[ $stderr == *hint*rm* ]]
  run -1 --separate-stderr msd-normalfiles mv image EMPTY 'a:b'
  [[ $stderr == *'control character'* ]]
  in_order
  run -1 --separate-stderr msd-normalfiles rm image a
  [[ $stderr == *'rm -r'* ]]
  msd-normalfiles rm -r image a 'lower CASE no more' EMPTY
  rm -r tree/a tree/Lower* tree/EMPTY
  in_order
  run -7 --separate-stderr msd-normalfiles rm image nowhere
  run -2 --separate-stderr msd-normalfiles rm -r image /
  msd-normalfiles label image 'New label'
  [ "$(msd-normalfiles label image)" = 'NEW LABEL' ]
  [ "$(blkid -p -o value -s LABEL image)" = 'NEW LABEL' ]
  msd-normalfiles label image ''
  [ -z "$(msd-normalfiles label image)" ]
  run -2 --separate-stderr msd-normalfiles label image 'a:b'
  in_order
}

@test "mkdir, rm and label: exFAT" {
  mkdir -p tree/'Ümläut 😀'/x/y
  truncate -s 32M image
  mkfs.exfat image >/dev/null
  msd-normalfiles mkdir -p image 'Ümläut 😀/x/y'
  msd-normalfiles label image 'Größe'
  [ "$(msd-normalfiles label image)" = Größe ]
  in_order exfat
  msd-normalfiles rm -r image 'ümläut 😀'
  rm -r tree/*
  in_order exfat
}

@test "an image that another command changes is busy" {
  truncate -s 2M image
  mkfs.fat image >/dev/null
  exec 9<image
  flock 9
  run -4 --separate-stderr msd-normalfiles mkdir image x
}

# The volume of a packed image, for fsck.
volume_in_order()
{
  dd if=image of=volume bs=1M skip=1 status=none
  run -0 "fsck.$1" -n volume
  rm volume
}

@test "pack, unpack: the same tree, on FAT and exFAT" {
  make_tree
  head -c 100 /dev/urandom >tree/'emoji 😀 and 漢字.bin'
  touch -d '2024-02-29 12:34:56 UTC' tree/*
  chmod 444 tree/HELLO.TXT
  for type in fat fat16 exfat; do
    msd-normalfiles pack --no-sync -t "$type" -L LABEL tree image
    [ "$(stat -c %s image)" = $((256 << 20)) ]
    same_tree
    [ "$(stat -c %a out/HELLO.TXT)" = 444 ]
    volume_in_order "${type%16}"
  done
  head -c 20M /dev/urandom >tree/big
  touch -d '2024-02-29 12:34:56 UTC' tree/big
  msd-normalfiles pack --no-sync -s 4M tree image
  [ "$(msd-normalfiles info -J image | jq '.volumes[0].free')" -ge 1048576 ]
  same_tree
}

@test "pack: what cannot go in is told, and the old image stays" {
  make_tree
  msd-normalfiles pack --no-sync tree image
  cp --sparse=always image old
  touch tree/'a:b' tree/'hello.TXT'
  run -1 --separate-stderr msd-normalfiles pack tree image
  [[ $stderr == *a:b* ]] && [[ $stderr == *hello.TXT* ]]
  ln -s x tree/link
  for names in . '*'; do
    # shellcheck disable=SC2086
    run -1 --separate-stderr sh -c "cd tree && tar -c $names | msd-normalfiles pack - ../image"
    grep -q '^msd-normalfiles: a:b: ' <<<"$stderr" && grep -q '^msd-normalfiles: link: ' <<<"$stderr"
  done
  cmp image old
  run -2 --separate-stderr msd-normalfiles pack -t ntfs tree image
}

@test "add: files, folders, stdin, over what is there" {
  make_tree
  for type in fat32 exfat; do
    rm -f image
    msd-mkimage --no-sync -t "$type" -s 64M image
    msd-normalfiles add image tree/.
    same_tree
    volume_in_order "${type%32}"
    mkdir -p more/in/to
    seq 10000 >more/in/numbers; printf new >more/in/to/x; printf 'longer than before\n' >more/HELLO.TXT
    touch -d '2024-02-29 12:34:56 UTC' more/in/numbers more/in/to/x more/HELLO.TXT
    msd-normalfiles add -p image more/in more/HELLO.TXT deeply/nested/
    mkdir -p tree/deeply/nested
    cp -rp more/in more/HELLO.TXT tree/deeply/nested
    same_tree
    msd-normalfiles add image more/HELLO.TXT
    cp -p more/HELLO.TXT tree
    same_tree
    seq 300000 | msd-normalfiles add image - piped
    msd-normalfiles cat image piped | cmp - <(seq 300000)
    msd-normalfiles rm image piped
    volume_in_order "${type%32}"
    rm -r tree/deeply; make_tree
  done
}

@test "add: what does not fit is known before anything is written" {
  truncate -s 2M image
  mkfs.fat image >/dev/null
  cp image old
  head -c 3M /dev/zero >big
  run -1 --separate-stderr msd-normalfiles add image big
  [[ $stderr == *'needs room for 3145728 bytes'* ]]
  cmp image old
  truncate -s 4G 4G
  run -1 --separate-stderr msd-normalfiles add image 4G
  [[ $stderr == *hint*exfat* ]]
  cmp image old
  # of a pipe it is not: then the volume is as before, but for bytes in free clusters
  run -1 --separate-stderr msd-normalfiles add image - name <big
  run -0 fsck.fat -n image
  [ "${#lines[@]}" = 2 ]
  [ -z "$(msd-normalfiles list -n image)" ]
  run -7 --separate-stderr msd-normalfiles add image old nowhere/
}

@test "add: room for entries is counted too, and what is there already needs none" {
  truncate -s 8M image
  mkfs.fat -F 16 -s 1 -r 112 image >/dev/null
  mkdir many
  for i in $(seq 40); do echo "$i" >many/"a common beginning, number $i"; done
  cp image old
  run -1 --separate-stderr msd-normalfiles add image many/*
  [[ $stderr == *'root folder has room for 112 more entries, and 160 are needed'*hint*folder* ]]
  cmp image old
  msd-normalfiles add image many
  # all the rest of the room but a cluster is in use: the same files still fit, one by one
  free=$(msd-normalfiles info -J image | jq '.volumes[0].free')
  head -c $((free - 512)) /dev/zero >rest
  msd-normalfiles add image rest
  echo other >many/"a common beginning, number 7"
  msd-normalfiles add image "many/a common beginning, number 7" many/
  msd-normalfiles cat image "many/a common beginning, number 7" | cmp - "many/a common beginning, number 7"
  # one more name needs a cluster for itself and, the last one being full, another for its entries
  for i in 41 42 43 44; do echo "$i" >more$i; done
  cp image old
  run -1 --separate-stderr msd-normalfiles add image more41 more42 many/
  [[ $stderr == *'needs room for'* ]]
  cmp image old
}

@test "a folder grows and shrinks with its files, one hole is used again" {
  truncate -s 8M image
  mkfs.fat -F 16 -s 1 image >/dev/null
  mkdir -p tree/many
  for i in $(seq 300); do echo "$i" >tree/many/"a common beginning, number $i"; done
  touch -d '2024-02-29 12:34:56 UTC' tree/many/*
  msd-normalfiles add --no-sync image tree/many
  in_order
  full=$(msd-normalfiles info -J image | jq '.volumes[0].free')
  msd-normalfiles mv --no-sync image many all
  mv tree/many tree/all
  in_order
  # shellcheck disable=SC2046
  (cd tree && find all -name '*[1-9]*' -printf '%p\0') | xargs -0 msd-normalfiles rm --no-sync image
  rm -r tree/all/*
  in_order
  [ "$(msd-normalfiles info -J image | jq '.volumes[0].free')" -gt $((full + 300 * 512)) ]
}

@test "add -p makes the folders for standard input; without it they must be there" {
  truncate -s 8M image
  mkfs.fat image >/dev/null
  run -7 --separate-stderr msd-normalfiles add image - q/w/e.txt <<<hello
  [[ $stderr == *"hint: msd-normalfiles mkdir -p image q/w"* ]] || fail "$stderr"
  msd-normalfiles add -p image - q/w/e.txt <<<hello
  msd-normalfiles add -p image - top.txt <<<top
  msd-normalfiles add image - /q/f.txt <<<more
  run -0 fsck.fat -n image
  [ "$(for f in q/w/e.txt q/f.txt top.txt; do mtype -i image ::$f; done)" = $'hello\nmore\ntop' ]
}

@test "get to - is cat" {
  make_tree
  make_image 8M
  msd-normalfiles get image HELLO.TXT lower.txt - | cmp - <(cat tree/HELLO.TXT tree/lower.txt)
  [ ! -e - ]
  run -1 --separate-stderr msd-normalfiles get image EMPTY -
  [[ $stderr == *"is a folder"* ]] || fail "$stderr"
}

@test "list prints paths as they are in the image; . is its root" {
  make_tree
  make_image 8M
  [ "$(msd-normalfiles list -no NAME image '/a long folder name//./deep/')" = 'a long folder name/deep/x' ]
  [ "$(msd-normalfiles list -no NAME image './/HELLO.TXT')" = HELLO.TXT ]
  diff <(msd-normalfiles list -r image) <(msd-normalfiles list -r image .)
  msd-normalfiles add image tree/lower.txt ./
  msd-normalfiles mkdir image ./new
  msd-normalfiles get -r image . out
  [ -d out/new ]
}

@test "partitions are counted from 1" {
  mkdir tree
  msd-normalfiles pack tree image
  run -2 --separate-stderr msd-normalfiles list --partition=0 image
  [[ $stderr == *--partition* ]] || fail "$stderr"
}
