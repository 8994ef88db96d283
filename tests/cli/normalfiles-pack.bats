#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# msd-normalfiles pack --update, and streams in and out.
load helper

bats_require_minimum_version 1.5.0

setup()
{
  cd "$BATS_TEST_TMPDIR" || return
  export MTOOLS_SKIP_CHECK=1 LC_ALL=C.UTF-8 TZ=UTC
}

make_tree()
{
  mkdir -p tree/'a long name'/deep tree/VOID
  echo hello >tree/HELLO.TXT
  seq 1000 >tree/'a long name'/'other long name'
  echo y >tree/'a long name'/deep/file
  : >tree/empty
  find tree -exec touch -d '2024-02-29 12:34:57.87 UTC' {} +
}

# fsck, each for the volume in the only partition
in_order()
{
  dd if=image of=volume bs=1M skip=1 status=none
  if [ "$1" = exfat ]; then
    run -0 fsck.exfat -n volume
  else
    run -0 fsck.fat -n volume
    [ "${#lines[@]}" = 2 ] || fail "$output"
  fi
  run -0 msd-normalfiles check image
}

# What a file is in the image: its place does not change unless it is written anew.
places()
{
  msd-normalfiles list -rnPo NAME,SIZE,MTIME,CLUSTER image | sort
}

same()
{
  rm -rf out
  msd-normalfiles unpack image out
  diff -r "$1" out
}

@test "pack --update writes nothing where nothing changed, in any time zone of the same offset" {
  make_tree
  for type in fat12 fat16 fat32 exfat; do
    rm -f image
    msd-normalfiles pack --update -t $type -s "$([ $type = fat12 ] && echo 4 || echo 64)M" tree image
    before=$(stat -c '%y %z' image; sha256sum image)
    msd-normalfiles pack --update tree image
    [ "$(stat -c '%y %z' image; sha256sum image)" = "$before" ] || fail $type
    # the hour that comes twice
    touch -d '2024-10-27 01:30:00 UTC' tree/HELLO.TXT
    TZ=Europe/Berlin msd-normalfiles pack --update tree image
    before=$(stat -c '%y' image)
    TZ=Europe/Berlin msd-normalfiles pack --update tree image
    [ "$(stat -c '%y' image)" = "$before" ] || fail "$type: summer time"
    touch -d '2024-02-29 12:34:57.87 UTC' tree/HELLO.TXT
  done
}

@test "pack --update writes what changed and leaves alone what did not and what the target added" {
  make_tree
  for type in fat16 fat32 exfat; do
    rm -rf image now
    cp -a tree now
    msd-normalfiles pack -t $type -s 64M now image
    echo target >ADDED
    msd-normalfiles add -p image ADDED 'a long name'/
    places >before
    echo new >now/new.txt
    mkdir -p now/folder/sub
    echo z >now/folder/sub/z
    echo longer >now/'a long name'/deep/file
    touch -d '2024-03-01 UTC' now/HELLO.TXT
    rm now/empty
    msd-normalfiles pack --update now image
    in_order $type
    places >after
    # what is not named here is where it was
    diff <(grep -v 'HELLO\|deep/file' before) <(grep -v 'HELLO\|deep/file\|new.txt\|folder' after)
    [ "$(msd-normalfiles cat image 'a long name/ADDED' 'A LONG NAME/deep/file' folder/sub/z)" = "$(printf 'target\nlonger\nz')" ]
    [[ $(grep HELLO after) == *2024-03-01T00:00:00* ]]
    grep -q '"empty"' after
    # a mirror
    msd-normalfiles pack --update --delete now image
    in_order $type
    same now
  done
}

@test "pack --update: a name whose case changed is renamed, with what is in it" {
  for type in fat16 exfat; do
    rm -rf tree out image
    mkdir -p tree/Sub
    echo 1 >tree/Foo.txt; echo 2 >tree/Sub/Bar
    touch -d '2024-02-29 12:34:56 UTC' tree/Foo.txt tree/Sub/Bar
    msd-mkimage -s 20M -t "$type" --partition=none -d tree image
    mv tree/Foo.txt tree/FOO.TXT; mv tree/Sub/Bar tree/Sub/BAR; mv tree/Sub tree/SUB
    echo 3 >tree/SUB/new
    msd-normalfiles pack --update tree image
    run -0 "fsck.${type%16}" -n image
    msd-normalfiles unpack image out
    diff -r tree out
    cp image old
    msd-normalfiles pack --update tree image
    cmp image old
  done
}

@test "pack --update --delete removes more than there is memory for at a time" {
  mkdir -p many/folder few/folder
  (cd many/folder && seq 9000 | xargs touch)
  touch many/one few/one
  msd-normalfiles pack -t exfat many image
  msd-normalfiles pack --update --delete few image
  in_order exfat
  same few
}

@test "pack --update: a file in place of a folder, and the other way round" {
  make_tree
  msd-normalfiles pack tree image
  rm -r tree/'a long name' tree/HELLO.TXT
  mkdir tree/HELLO.TXT
  before=$(sha256sum image)
  run -1 --separate-stderr msd-normalfiles pack --update tree image
  [ "$stderr" = "msd-normalfiles: image: '/HELLO.TXT' is a file in it, and a folder to pack
msd-normalfiles: hint: msd-normalfiles rm image /HELLO.TXT" ]
  rmdir tree/HELLO.TXT
  echo x >tree/'a long name'
  run -1 --separate-stderr msd-normalfiles pack --update tree image
  [[ $stderr == *"msd-normalfiles rm -r image '/a long name'" ]]
  [ "$(sha256sum image)" = "$before" ]
  msd-normalfiles pack --update --delete tree image
  same tree
}

@test "pack --update: what has no room is known before anything is written" {
  make_tree
  msd-normalfiles pack -t fat32 -s 64M tree image
  before=$(sha256sum image)
  echo small >tree/HELLO.TXT
  head -c 70M /dev/zero >tree/big
  run -1 --separate-stderr msd-normalfiles pack --update tree image
  [[ $stderr == 'msd-normalfiles: image: needs room for '*' and has it for '* ]]
  truncate -s 4G tree/big
  run -1 --separate-stderr msd-normalfiles pack --update tree image
  [[ $stderr == *'big: 4 GiB or more'* ]]
  [ "$(sha256sum image)" = "$before" ]
  # unless what is removed makes it
  rm tree/big
  head -c 40M /dev/zero >tree/one
  msd-normalfiles pack --update tree image
  mv tree/one tree/two
  run -1 msd-normalfiles pack --update tree image
  msd-normalfiles pack --update --delete tree image
  same tree
}

@test "pack --update: usage, and an image that another command changes" {
  make_tree
  run -2 --separate-stderr msd-normalfiles pack --delete tree image
  [[ $stderr == *'for pack --update'* ]]
  msd-normalfiles pack tree image
  echo x >tree/new
  run -4 --separate-stderr flock image msd-normalfiles pack --update tree image
  : >nothing
  run -5 --separate-stderr msd-normalfiles pack --update tree nothing
  [ ! -s nothing ]
}

@test "pack - takes tar, compressed tar and zip; with --update too" {
  make_tree
  tar -C tree -cf tree.tar .
  (cd tree && 7z a -tzip ../tree.zip . >/dev/null)
  for source in 'cat tree.tar' 'gzip -c tree.tar' 'xz -c tree.tar' 'cat tree.zip'; do
    rm -f image
    $source | msd-normalfiles pack - image
    same tree
    [ "$(stat -c %Y out/HELLO.TXT)" = "$(stat -c %Y tree/HELLO.TXT)" ] ||
      [ "$(($(stat -c %Y tree/HELLO.TXT) - $(stat -c %Y out/HELLO.TXT)))" -le 2 ]
  done
  echo new >tree/new
  tar -C tree -c . | msd-normalfiles pack --update - image
  same tree
}

@test "unpack - gives a tar that tar and pack read" {
  make_tree
  msd-normalfiles pack -t exfat tree image
  mkdir out
  msd-normalfiles unpack image - | tar -x -C out
  diff -r tree out
  [ "$(stat -c %Y out/HELLO.TXT)" = "$(stat -c %Y tree/HELLO.TXT)" ]
  msd-normalfiles unpack image - | msd-normalfiles pack - again
  mv again image
  same tree
  run -0 --separate-stderr msd-normalfiles unpack --include='*.TXT' image -
  tar -tf <(msd-normalfiles unpack --include='*.TXT' image -) | grep -qx 'HELLO.TXT'
  [ "$(tar -tf <(msd-normalfiles unpack --include='*.TXT' image -) | grep -vc '/$')" = 1 ]
  run -1 --separate-stderr sh -c 'msd-normalfiles unpack image - >/dev/full'
  [[ $stderr == 'msd-normalfiles: '* ]]
}

@test "pack: msd-mkimage, which makes the image, speaks in the name of who was called" {
  make_tree
  touch tree/'a:b'
  run -1 --separate-stderr msd-normalfiles pack tree image
  none '^msd-mkimage' <<<"$stderr"
  run -0 --separate-stderr msd-normalfiles pack --mangle -L 'my disk' -t exfat -s 5M tree image
  [[ $output == 'tree/a:b -> '* ]] || fail "$output"
  [ "$(msd-normalfiles label image)$(stat -c %s image)" = "my disk$((5 << 20))" ]
  # serial and ids are not those that the environment fixes
  SOURCE_DATE_EPOCH=1 msd-normalfiles pack --mangle tree image
  SOURCE_DATE_EPOCH=1 msd-normalfiles pack --mangle tree image2
  run ! cmp -s image image2
  device=$(find /dev -type b -print -quit 2>/dev/null)
  if [ "$device" ]; then
    run -6 --separate-stderr msd-normalfiles pack --mangle tree "$device"
    [[ $stderr == *"hint: msd-mkimage --force --source=tree $device" ]] || fail "$stderr"
  fi
  # it is looked for beside the program, and then as any command
  mkdir other
  cp "$(command -v msd-normalfiles)" other
  other/msd-normalfiles pack --mangle tree image
  run -1 --separate-stderr env PATH=/nowhere other/msd-normalfiles pack tree image
  [[ $stderr == 'msd-normalfiles: msd-mkimage, which makes the image: No such file'* ]] || fail "$stderr"
}

# A tar with one member that no image may have, and a good one.
hostile()
{
  python3 - "$@" <<'END'
import io, sys, tarfile
with tarfile.open('bad.tar', 'w') as tar:
    good = tarfile.TarInfo('good')
    good.size = 3
    tar.addfile(good, io.BytesIO(b'abc'))
    bad = tarfile.TarInfo(sys.argv[1])
    bad.type = {'file': tarfile.REGTYPE, 'hard': tarfile.LNKTYPE, 'sym': tarfile.SYMTYPE,
                'char': tarfile.CHRTYPE, 'block': tarfile.BLKTYPE, 'fifo': tarfile.FIFOTYPE}[sys.argv[2]]
    bad.linkname = sys.argv[3] if len(sys.argv) > 3 else ''
    if sys.argv[2] == 'file':
        bad.size = 3
        tar.addfile(bad, io.BytesIO(b'bad'))
    else:
        tar.addfile(bad)
END
}

@test "pack -: hostile names, links and devices" {
  while read -r name type link; do
    hostile "$name" "$type" "$link"
    rm -f image
    run --separate-stderr msd-normalfiles pack - image <bad.tar
    if [ "$status" != 0 ]; then
      [ "$status" = 1 ] || fail "$name $type: $status $stderr"
      [[ $stderr == *"$(basename "$name")"* || $stderr == *..* ]] || fail "$name $type: $stderr"
      [ ! -e image ] || fail "$name $type: an image was left"
    fi
    [ ! -e ../escape ] && [ ! -e /escape-otgmsd ] || fail "$name: outside"
    echo "$name $type: $status ${stderr_lines[0]-}" >>said
  done <<EOF
../escape file
a/../../escape file
/escape-otgmsd file
device char
disk block
pipe fifo
link sym /etc/passwd
EOF
  cat said
  # what is refused and what is not
  [ "$(sed -n 's/^\([^ ]*\) [a-z]*: \([0-9]\) .*/\1 \2/p' said)" = '../escape 1
a/../../escape 1
/escape-otgmsd 0
device 1
disk 1
pipe 1
link 1' ]
  # a hard link is the file that it leads to
  hostile twin hard good
  msd-normalfiles pack - image <bad.tar
  [ "$(msd-normalfiles cat image good twin)" = abcabc ]
  # to nothing that was there before: refused
  hostile twin hard /etc/passwd
  run ! msd-normalfiles pack - image2 <bad.tar
  [ ! -e image2 ]
}

@test "pack -: a stream that ends early, and one that is none" {
  make_tree
  head -c 300000 /dev/urandom >tree/large
  tar -C tree -c . >tree.tar
  gzip -k tree.tar
  msd-normalfiles pack tree image
  before=$(sha256sum image)
  for file in tree.tar tree.tar.gz; do
    head -c 200000 $file >cut
    run -5 --separate-stderr msd-normalfiles pack - image <cut
    [[ $stderr == 'msd-normalfiles: standard input: '* ]]
    run -5 --separate-stderr msd-normalfiles pack --update - image <cut
  done
  run -5 --separate-stderr msd-normalfiles pack - image <tree/large
  [ "$(sha256sum image)" = "$before" ]
  [ -z "$(find . -name '*.part*' -o -name '.*tmp*')" ]
}

@test "pack: the size without --size fits every type; an image is no stream" {
  make_tree
  for type in fat12 fat16 fat32 exfat; do
    msd-normalfiles pack -t $type tree image
    in_order $type
  done
  head -c 70000000 /dev/zero >tree/large
  msd-normalfiles pack -t fat12 tree image
  in_order fat12
  run -2 --separate-stderr msd-normalfiles pack tree -
  [[ $stderr == *"standard output"*./-* ]] || fail "$stderr"
}

@test "an image that lies in the folder is not put into itself" {
  make_tree
  for _ in 1 2; do
    run -0 --separate-stderr msd-mkimage --no-sync -d tree -s 40M tree/self.img
  done
  [ "$stderr" = 'msd-mkimage: tree/self.img: is the image; not put into it' ] || fail "$stderr"
  run -0 --separate-stderr msd-normalfiles pack --update tree tree/self.img
  [[ $stderr == *'is the image'* ]] || fail "$stderr"
  run -0 --separate-stderr msd-normalfiles add tree/self.img tree
  [[ $stderr == *'is the image'* ]] || fail "$stderr"
  run -0 --separate-stderr msd-normalfiles pack tree tree/self.img
  [[ $stderr == *'is the image'* ]] || fail "$stderr"
  [ -z "$(msd-normalfiles list -rno NAME tree/self.img | grep self)" ]
  before=$(sha256sum tree/self.img)
  run -2 --separate-stderr msd-mkimage -d tree/self.img tree/self.img
  run -2 --separate-stderr msd-normalfiles add tree/self.img tree/self.img
  [ "$(sha256sum tree/self.img)" = "$before" ]
}

@test "--verbose names what is written, put in, moved, unpacked and removed" {
  mkdir -p tree/sub out
  echo 1 >tree/sub/one
  : >tree/empty
  touch out/old
  run -0 --separate-stderr msd-mkimage -v --no-sync -d tree -s 4M image
  [ "$stderr" = "$(printf 'msd-mkimage: %s\n' sub sub/one empty)" ] ||
    [ "$stderr" = "$(printf 'msd-mkimage: %s\n' empty sub sub/one)" ] || fail "$stderr"
  run -0 --separate-stderr msd-normalfiles -v add -p image tree/empty new/
  [ "$stderr" = "$(printf 'msd-normalfiles: %s\n' new new/empty)" ] || fail "$stderr"
  run -0 --separate-stderr msd-normalfiles -v mv image sub/one two
  [ "$stderr" = 'msd-normalfiles: sub/one: moved' ] || fail "$stderr"
  run -0 --separate-stderr msd-normalfiles -v rm -r image new empty
  [ "$stderr" = "$(printf 'msd-normalfiles: %s: removed\n' new empty)" ] || fail "$stderr"
  run -0 --separate-stderr msd-normalfiles -v unpack --delete image out
  [ "$stderr" = "$(printf 'msd-normalfiles: %s\n' two 'old: removed')" ] || fail "$stderr"
  run -0 --separate-stderr msd-normalfiles -v pack --update tree image
  [ "$stderr" = "$(printf 'msd-normalfiles: %s\n' sub/one empty)" ] ||
    [ "$stderr" = "$(printf 'msd-normalfiles: %s\n' empty sub/one)" ] || fail "$stderr"
}

@test "a change that cannot be made names the one that can" {
  msd-mkimage --no-sync -t fat -s 8M image
  before=$(sha256sum image)
  echo x >file
  head -c 9M /dev/zero >large
  while IFS='|' read -r status command hint; do
    # shellcheck disable=SC2086
    run "-$status" --separate-stderr msd-normalfiles $command
    [[ $stderr == *"hint: $hint"* ]] || fail "$command: $stderr"
  done <<'EOF'
7|mkdir image a/b/c|msd-normalfiles mkdir -p image a/b/c
7|mv image file a/b|msd-normalfiles mkdir -p image a
7|add image file new|a folder of the image ends with a slash: new/
7|add image file new/|msd-normalfiles mkdir -p image new/
1|add image large|to make it larger: msd-normalfiles unpack image FOLDER && msd-normalfiles pack --size=17M FOLDER image
EOF
  [ "$(sha256sum image)" = "$before" ]
}
