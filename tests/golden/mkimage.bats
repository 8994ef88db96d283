#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# Images byte for byte: a change of any byte is seen here, on machines of 32 bits and of the other byte order too.
# After a change that is meant, look at the difference and put the new digests into mkimage.sha256.
bats_require_minimum_version 1.5.0

epoch=1700000000

# The cases: name, then KIND SIZE CLUSTER SECTOR LABEL SERIAL as tests/golden/writer.c takes them.
cases()
{
  cat <<END
fat12 fat12 0 0 512 FLOPPY 12345678
fat12-fixed fat 1474560 0 512 - 12345678
fat16 fat16 0 0 512 - 00000001
fat16-4096 fat16 0 0 4096 BIG 00000001
fat32 fat32 0 0 512 DISK ABCDEF01
fat32-4k fat32 0 4096 512 DISK ABCDEF01
fat32-1k fat32 80000000 1024 512 - ABCDEF01
exfat exfat 0 0 512 Größe ABCDEF01
exfat-512 exfat 0 512 512 - ABCDEF01
exfat-fixed exfat 70000000 0 512 - ABCDEF01
exfat-4096 exfat 0 0 4096 - ABCDEF01
END
}

setup_file()
{
  cd "$BATS_FILE_TMPDIR" || return
  mkdir -p tree/folder/Über tree/empty tree/.hidden
  for n in 0 1 511 512 513 4095 4096 4097 40000; do
    head -c "$n" /dev/zero | tr '\0' "$((n % 10))" >"tree/size $n"
  done
  # large enough to go a way of its own
  head -c 300001 /dev/zero | tr '\0' x >tree/large
  truncate -s 1M tree/hole
  echo 1 >tree/folder/UPPER.TXT
  echo 2 >tree/folder/lower.txt
  echo 3 >tree/folder/Mixed.Txt
  echo 4 >"tree/folder/Über/Überraschung €.txt"
  echo 5 >"tree/folder/Über/😀.dat"
  echo 6 >"tree/$(printf 'n%.0s' {1..255})"
  for n in {1..30}; do
    echo "$n" >"tree/folder/a long beginning that all have $n.text"
  done
  find tree -type f -exec chmod 0644 {} +
  chmod 0444 'tree/size 513'
  TZ=UTC find tree -exec touch -d '2023-06-01 12:34:57.125' {} +
  TZ=UTC touch -d '2025-01-01' tree/large
}

setup()
{
  cd "$BATS_FILE_TMPDIR" || return
}

compare()
{
  if ! diff "$MSD_SOURCE/tests/golden/$1" got >&2; then
    cat got >&2
    return 1
  fi
}

# Builds the writer by compiler $@ and makes all cases; a digest that differs fails.
by_writer()
{
  local run=$1 name kind size cluster sector label serial

  shift
  cd "$MSD_SOURCE"
  "$@" -std=gnu11 -O1 -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -D_TIME_BITS=64 -static -w -Ilib -o "$BATS_TEST_TMPDIR/writer" \
    tests/golden/writer.c lib/base/{dir,error,io,log,parse,text}.c lib/fs/copy.c \
    lib/fs/exfat-plan.c lib/fs/exfat-write.c lib/fs/fat-plan.c lib/fs/fat-write.c lib/fs/format.c lib/fs/name.c \
    lib/fs/records.c lib/fs/scan.c lib/fs/short-name.c lib/fs/sink.c lib/fs/tree.c lib/fs/upcase.c
  cd "$BATS_FILE_TMPDIR"
  while read -r name kind size cluster sector label serial; do
    $run "$BATS_TEST_TMPDIR/writer" "$kind" "$size" "$cluster" "$sector" "${label#-}" "$serial" $epoch tree image </dev/null
    echo "$(sha256sum <image | cut -d ' ' -f 1) $name"
  done < <(cases) >got
  compare mkimage.sha256
}

@test "the images of msd-mkimage" {
  cases | while read -r name kind size cluster sector label serial; do
    set -- --no-sync --sparse --source-date-epoch=$epoch -t "$kind" -d tree --sector-size="$sector" --serial="$serial"
    [ "$size" = 0 ] || set -- "$@" --size="$size"
    [ "$cluster" = 0 ] || set -- "$@" --cluster-size="$cluster"
    [ "$label" = - ] || set -- "$@" --label="$label"
    msd-mkimage "$@" --partition=none image
    echo "$(sha256sum <image | cut -d ' ' -f 1) $name"
  done >got
  compare mkimage.sha256
}

@test "the images of msd-mkimage with partition tables" {
  for partition in mbr gpt; do
    for kind in fat16 exfat; do
      msd-mkimage --no-sync --sparse --source-date-epoch=$epoch -t $kind -d tree --partition=$partition image
      echo "$(sha256sum <image | cut -d ' ' -f 1) $partition-$kind"
    done
  done >got
  compare mkimage-partition.sha256
}

@test "the writer built for i386 gives the same bytes" {
  echo 'int main(void) { return 0; }' >try.c
  # the path is gcc-multilib's, which cannot be installed beside a compiler for another machine
  gcc -m32 -isystem /usr/include/x86_64-linux-gnu -static -o try try.c && ./try || skip "no compiler for i386"
  by_writer '' gcc -m32 -isystem /usr/include/x86_64-linux-gnu
}

@test "the writer built for s390x, big-endian, gives the same bytes" {
  command -v s390x-linux-gnu-gcc-12 qemu-s390x >/dev/null || skip "no compiler or no qemu for s390x"
  by_writer qemu-s390x s390x-linux-gnu-gcc-12
}
