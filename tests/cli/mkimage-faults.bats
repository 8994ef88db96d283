#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# msd-mkimage when the Nth call of a kind fails, for every N: the old image, and nothing beside it.
load helper

setup()
{
  ! sanitized "$(command -v msd-mkimage)" || skip "a build with sanitizers"
  cd "$BATS_TEST_TMPDIR" || return
  mkdir tree images
  for i in $(seq 40); do
    head -c 200000 /dev/zero >tree/small$i
  done
  for i in 1 2 3; do
    head -c $((i * 300000)) /dev/zero >tree/large$i
  done
  echo old >images/a.img
}

# Runs msd-mkimage with the fault $2 at the $3rd call of $1.
faulty()
{
  rm -f done
  FAULT_CALL=$1 FAULT_ERRNO=$2 FAULT_AT=$3 FAULT_DONE=$PWD/done LD_PRELOAD=$MSD_BUILD/tests/cli/libfault.so \
    msd-mkimage -t exfat -d tree $MORE images/a.img
}

# Every N of one kind of call, with errno $2 of the text $3; at least $4 of them.
every()
{
  local n=1

  while run --separate-stderr faulty "$1" "$2" $n; [ -e done ]; do
    [ "$status" -eq 1 ] || fail "$1 $n: status $status: $stderr"
    [[ $stderr == *"a.img: "*"$3"* ]] || fail "$1 $n: $stderr"
    [ "$(cat images/a.img)" = old ] || fail "$1 $n: the old image is gone"
    [ "$(ls -A images)" = a.img ] || fail "$1 $n: $(ls -A images)"
    n=$((n + 1))
  done
  [ "$status" -eq 0 ] || fail "$1: $stderr"
  [ "$n" -gt "$4" ] || fail "$1: only $((n - 1)) calls"
  echo old >images/a.img
}

@test "write: ENOSPC, EIO, EDQUOT" {
  every write 28 "No space left" 4
  every write 5 "Input/output error" 4
  every write 122 "quota exceeded" 4
}

@test "copy_file_range: EIO" {
  every range 5 "Input/output error" 3 || skip "files are shared here"
}

@test "fallocate: ENOSPC says how much room there is; EOPNOTSUPP is a warning" {
  every allocate 28 "No space left" 0
  run -1 --separate-stderr faulty allocate 28 1
  [[ $stderr == *"hint: "*" bytes are free there; --sparse "* ]] || fail "$stderr"
  run -0 --separate-stderr faulty allocate 95 1
  [[ $stderr == *"cannot preallocate"* ]] || fail "$stderr"
}

@test "more than is free: said before anything is taken; --sparse when that helps" {
  unshare -Urm true 2>/dev/null || skip "no user namespaces here"
  head -c 6M /dev/urandom >six
  # shellcheck disable=SC2016
  run -0 unshare -Urm bash -eu -c '
    mkdir -p room; mount -t tmpfs -o size=4m room room
    ! msd-mkimage -s 64M room/i.img 2>err; grep -q "hint: 4194304 bytes are free there; --sparse" err
    ! msd-mkimage -t fat16 -d six room/i.img 2>err; grep -q "hint: 4194304 bytes are free there$" err
    ! msd-normalfiles pack six room/i.img 2>err; grep -q "hint: 4194304 bytes are free there$" err
    msd-mkimage -q -s 64M --sparse room/i.img'
}

@test "link and rename fail: the old image stays" {
  every link 28 "No space left" 0
  every rename 5 "Input/output error" 0
  export FAULT_NAMED=1
  every rename 5 "Input/output error" 0
  every write 28 "No space left" 4
}

@test "fsync of the image fails: the old image stays; of the folder: the message says so" {
  # libfdisk syncs too, what is only in memory
  MORE=--partition=none
  run -1 --separate-stderr faulty fsync 5 1
  [ "$(cat images/a.img)" = old ]
  [ "$(ls -A images)" = a.img ]
  run -1 --separate-stderr faulty fsync 5 2
  [[ $stderr == *"may be lost in a power cut"* ]] || fail "$stderr"
  [ "$(ls -A images)" = a.img ]
}

@test "SIGKILL at every write leaves nothing, and at the rename the old image" {
  export FAULT_KILL=1
  for n in 1 2 3 4 5 6; do
    run -137 faulty write 0 $n
    [ "$(cat images/a.img)" = old ]
    [ "$(ls -A images)" = a.img ] || fail "$n: $(ls -A images)"
  done
  run -137 faulty rename 0 1
  [ "$(cat images/a.img)" = old ]
}
