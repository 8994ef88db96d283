# shellcheck shell=bash disable=SC2034
# SPDX-License-Identifier: GPL-3.0-or-later
# What benchmarks share. A benchmark is bash, begins with `. "${0%/*}/lib.sh"` and runs in an empty
# folder on tmpfs, $PWD, with the programs first in PATH ($MSD_BUILD, $MSD_SOURCE).
set -eu

# The headline of a table of races, or of figures.
title()
{
  printf '\n%-58s %10s %9s %8s\n' "$*" ms "peak KiB" "ours is"
}

figures()
{
  printf '\n%s\n' "$*"
}

# Measures our command beside others that do the same job, repeated in turn, and prints a row each.
race() # REPETITIONS PREPARE NAME COMMAND [PEER-NAME PEER-COMMAND]…
{
  local repetitions=$1 prepare=$2 names=() commands=() i=0 us peak ours=

  shift 2
  while [ $# -gt 0 ]; do
    names+=("$1")
    commands+=("$2")
    shift 2
  done
  while read -r us peak; do
    awk -v name="${names[i]}" -v us="$us" -v peak="$peak" -v ours="$ours" 'BEGIN {
      ratio = ours == "" ? "" : sprintf("%.2f x", us / ours)
      printf "%-58s %10.2f %9d %8s\n", name, us / 1000, peak, ratio }'
    ours=${ours:-$us}
    i=$((i + 1))
  done < <("$MSD_BUILD/tests/bench/measure" "$repetitions" "$prepare" "${commands[@]}")
  [ $i = ${#names[@]} ] || echo "  (a command failed: no figures)"
}

# A figure that is no time: what it is, what we have, and what it is compared with.
figure() # NAME VALUE COMPARED-WITH
{
  printf '%-58s %10s   %s\n' "$1" "$2" "$3"
}

# --- what file system benchmarks are made of ------------------------------------------------------
# bench_small=1 makes all of it smaller; bench_on="tmpfs ext4 xfs btrfs" says on which file systems.

scale=${bench_small:+10}
scale=${scale:-1}

# Files of random content, sizes from $3 to $4, $2 of them in folder $1, $5 in each folder of its tree.
files()
{
  python3 - "$@" <<'END'
import os, random, sys
root, n, low, high, each = sys.argv[1], *map(int, sys.argv[2:6])
random.seed(1)
data = os.urandom(1 << 20)
for i in range(n):
    k = i // each
    folder = os.path.join(root, *("level%d" % (k // 7**d % 7) for d in range(3, -1, -1)), "folder%d" % k)
    if i % each == 0:
        os.makedirs(folder, exist_ok=True)
    size, at = random.randint(low, high), random.randint(0, 1 << 19)
    with open("%s/file number %05d.dat" % (folder, i), "wb") as f:
        f.write(data[at:at + size])
END
}

# $2 empty files in folder $1, with a long common beginning.
like_names()
{
  mkdir -p "$1"
  (cd "$1" && seq -f 'a long common beginning %05g.txt' "$2" | xargs -d '\n' touch)
}

on() # FSTYPE
{
  [[ " ${bench_on:-tmpfs ext4 xfs btrfs} " = *" $1 "* ]]
}

# A fresh file system of type $1 and size $2 in a loop file, mounted on $1; fails where that cannot be.
fresh()
{
  # the file is in memory, and so is what is read of it
  if [ "$(awk '/^MemAvailable/ { print int($2 / 1048576) }' /proc/meminfo)" -lt 14 ]; then
    echo "no fresh $1: that takes 14 GiB of memory"
    return 1
  fi
  mkdir "$1"
  truncate -s "$2" "$1.fs"
  # shellcheck disable=SC2064
  if [ "$(id -u)" = 0 ] && "mkfs.$1" -q "$1.fs" >/dev/null 2>&1 && mount -o loop,discard "$1.fs" "$1" 2>/dev/null; then
    trap "umount '$PWD/$1' 2>/dev/null" EXIT
  else
    echo "no fresh $1: not root, no loop device or no mkfs.$1"
    return 1
  fi
}

# One is enough for the memory.
remove() # FSTYPE
{
  umount "$1"
  rm "$1.fs"
}

# Three large files in folder $1.
large_files()
{
  mkdir -p "$1"
  for i in 1 2 3; do
    head -c $((700 / scale))M /dev/urandom >"$1/$i"
  done
}
