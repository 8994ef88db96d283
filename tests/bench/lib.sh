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
