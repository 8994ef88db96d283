#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# Options, manual and completions of every program agree.
load helper

# Long options of a program from --help, from its page and from its completions, sorted.
from_help()
{
  "$1" --help | grep -oE '^ +(-[A-Za-z], )?--[a-z0-9-]+' | grep -oE -- '--[a-z0-9-]+' | sort -u
}

from_page()
{
  sed -n '/^# OPTIONS/,/^# [^O]/p' "$(page "$1")" | grep '^\*-' |
    grep -oE -- '--[a-z0-9-]+' | sort -u
}

from_shell()
{
  grep -v '^[[:blank:]]*#' "$MSD_SOURCE/completions/$1" | grep -oE -- '--[a-z0-9-]*[a-z0-9]' | sort -u
}

from_fish()
{
  grep '^complete' "$MSD_SOURCE/completions/fish/$1.fish" | grep -oE -- ' (-l|--long-option) [a-z0-9-]+' |
    sed 's/.* /--/' | sort -u
}

page()
{
  local file

  for file in "$MSD_SOURCE/man/$1".[18].scd; do
    [ -f "$file" ] && echo "$file" && return
  done
  fail "$1: no page in man/"
}

same()
{
  [ -n "$2" ] || fail "$1: no options found"
  [ "$2" = "$3" ] || { diff <(echo "$2") <(echo "$3") >&2; fail "$1 differs from --help"; }
}

@test "--help goes to stdout, status 0, in 80 columns" {
  for program in $(programs); do
    run -0 --separate-stderr "$program" --help
    [ -z "$stderr" ] || fail "$program: stderr: $stderr"
    [[ $output == Usage:* ]] || fail "$program: $output"
    none '^.{81}' <<<"$output" || fail "$program: wider than 80 columns"
  done
}

@test "-h is --help, --usage is shorter, --version names program and version" {
  for program in $(programs); do
    [ "$("$program" -h)" = "$("$program" --help)" ] || fail "$program -h"
    run -0 --separate-stderr "$program" --usage
    [[ $output == Usage:* ]] || fail "$program --usage: $output"
    run -0 --separate-stderr "$program" --version
    [[ $output =~ ^"$program (otgmsd) "[0-9]+\.[0-9]+ ]] || fail "$program --version: $output"
    [ "$("$program" -V)" = "$output" ] || fail "$program -V"
  done
}

@test "a wrong option ends with status 2, names itself and prints no help" {
  for program in $(programs); do
    run -2 --separate-stderr "$program" --no-such-option
    [ -z "$output" ] || fail "$program: stdout: $output"
    [[ $stderr == "$program: "*--no-such-option* ]] || fail "$program: $stderr"
    [ "${#stderr_lines[@]}" -le 2 ] || fail "$program: more than a line and a hint: $stderr"
  done
}

@test "stdout that cannot be written ends with status 1" {
  for program in $(programs); do
    run -1 --separate-stderr sh -c '"$1" --version >/dev/full' - "$program"
    [[ $stderr == "$program: "* ]] || fail "$program: $stderr"
  done
}

@test "the page of each program has the options of --help" {
  for program in $(programs); do
    same "man/$program" "$(from_help "$program")" "$(from_page "$program")"
  done
}

@test "the bash completion of each program has the options of --help" {
  for program in $(programs); do
    same "bash/$program" "$(from_help "$program")" "$(from_shell "bash/$program")"
    bash -n "$MSD_SOURCE/completions/bash/$program"
  done
}

@test "the zsh completion of each program has the options of --help" {
  for program in $(programs); do
    same "zsh/_$program" "$(from_help "$program")" "$(from_shell "zsh/_$program")"
    zsh -n "$MSD_SOURCE/completions/zsh/_$program"
    [[ $(head -n 1 "$MSD_SOURCE/completions/zsh/_$program") == "#compdef $program"* ]] || fail "$program: no #compdef"
  done
}

@test "the fish completion of each program has the options of --help" {
  for program in $(programs); do
    same "fish/$program.fish" "$(from_help "$program")" "$(from_fish "$program")"
    fish --no-execute "$MSD_SOURCE/completions/fish/$program.fish"
  done
}

@test "sections of each page are there and in order, all exit statuses are told" {
  local order='NAME SYNOPSIS DESCRIPTION OPTIONS EXIT STATUS ENVIRONMENT FILES EXAMPLES SEE ALSO'

  for program in $(programs); do
    sections=$(sed -n 's/^# //p' "$(page "$program")" | paste -sd ' ')
    [ "$sections" = "$order" ] || fail "man/$program: $sections"
    for status in 0 1 2; do
      sed -n '/^# EXIT STATUS/,/^# ENV/p' "$(page "$program")" | grep -qE "^\*$status\*" ||
        fail "man/$program: no exit status $status"
    done
  done
}

@test "pages pass mandoc's lint" {
  for file in "$MSD_BUILD"/man/*.[158]; do
    [ -f "$file" ] || continue
    mandoc -T lint -W error "$file"
  done
}
