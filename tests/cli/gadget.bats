#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# otgmsd-gadget: arguments and configuration, which need no kernel. The rest is tests/vm/gadget*.sh.
load helper

setup()
{
  cd "$BATS_TEST_TMPDIR" || return
  : >empty.conf
}

gadget()
{
  run --separate-stderr otgmsd-gadget -C empty.conf "$@"
}

@test "verbs: one of them, and nothing behind it" {
  gadget
  [ "$status" = 2 ]
  [ "${stderr_lines[0]}" = "otgmsd-gadget: what to do is missing: start, stop, restart, status, replug, enable, disable, check" ]
  gadget begin
  [ "$status" = 2 ]
  [[ ${stderr_lines[0]} == "otgmsd-gadget: begin: not one of start, stop, "* ]]
  gadget start now
  [ "$status" = 2 ]
  [ "${stderr_lines[1]}" = "otgmsd-gadget: hint: otgmsd-gadget --help" ]
}

@test "options go with the verbs that know them" {
  for line in 'stop --drives=1' 'replug --shape=luns' 'start --soft' 'start --json' 'stop -o GADGET' \
    'status --timeout=1' 'status --dry-run' 'stop --controller=udc.0'; do
    # shellcheck disable=SC2086
    gadget $line
    [ "$status" = 2 ] || fail "$line: $status"
    [ -z "$output" ]
    [[ $stderr == *" is not for ${line%% *}"* ]] || fail "$stderr"
  done
}

@test "values of options are quoted when they are wrong" {
  for option in --drives=0 --drives=9 --drives=two --drives=08x --shape=both --timeout=soon; do
    gadget start "$option"
    [ "$status" = 2 ] || fail "$option: $status"
    [[ ${stderr_lines[0]} == "otgmsd-gadget: ${option%=*}: "* ]] || fail "$stderr"
  done
}

@test "a wrong configuration: file, line, what was expected, status 2" {
  printf '\n# one\nshape = both\n' >bad.conf
  run -2 --separate-stderr otgmsd-gadget -C bad.conf start
  [ "$stderr" = "otgmsd-gadget: bad.conf:3: shape: 'both' is not 'functions' or 'luns'" ]
  printf 'drives = 1\nids { vendor = 0x1 }\ndrives = 2\n' >bad.conf
  run -2 --separate-stderr otgmsd-gadget -C bad.conf start
  [ "$stderr" = "otgmsd-gadget: bad.conf:3: drives: is there twice" ]
  printf 'drive 0 {\nrw = no\nrw = yes }\n' >bad.conf
  run -2 --separate-stderr otgmsd-gadget -C bad.conf start
  [ "$stderr" = "otgmsd-gadget: bad.conf:3: rw: is there twice" ]
  run -2 --separate-stderr otgmsd-gadget -C missing.conf status
  [ "$stderr" = "otgmsd-gadget: missing.conf: there is no such file" ]
}

@test "root takes no configuration that others can write" {
  [ "$(id -u)" = 0 ] || skip "not root"
  chmod 666 empty.conf
  gadget start
  [ "$status" = 2 ]
  [ "$stderr" = "otgmsd-gadget: empty.conf: others than root can write it
otgmsd-gadget: hint: chmod go-w empty.conf" ]
  chmod 644 empty.conf
  chmod 777 .
  gadget start
  [ "$status" = 2 ]
  [ "${stderr_lines[1]}" = "otgmsd-gadget: hint: chmod go-w ." ]
}

@test "without configfs: the reason and what to type" {
  [ ! -e /sys/kernel/config/usb_gadget ] || skip "this machine has configfs"
  gadget status
  [ "$status" = 1 ]
  [[ ${stderr_lines[0]} == "otgmsd-gadget: /sys/kernel/config: "* ]]
  [[ ${stderr_lines[1]} == "otgmsd-gadget: hint: "@("modprobe libcomposite"|"install the modules")* ]]
  first=$stderr
  for verb in start restart enable disable replug; do
    gadget $verb
    [ "$status" = 1 ] || fail "$verb: $status"
    [ "$stderr" = "$first" ] || fail "$verb: $stderr"
  done
  run -7 --separate-stderr otgmsd -C empty.conf
  [ "${stderr_lines[1]}" = "otgmsd: hint: otgmsd-gadget -C empty.conf check" ] || fail "$stderr"
}

@test "without configfs: stop has nothing to do, check and start give the same reason and hint" {
  [ ! -d /sys/kernel/config/usb_gadget ] || skip "this kernel has gadgets"
  gadget stop
  [ "$status" = 0 ] || fail "$stderr"
  [ -z "$output$stderr" ]
  gadget start
  [ "$status" = 1 ]
  why=${stderr_lines[0]#otgmsd-gadget: } hint=${stderr_lines[1]#otgmsd-gadget: hint: }
  gadget check -n -P -o MESSAGE,HINT
  [[ $output == *"MESSAGE=\"$why\" HINT=\"$hint\""* ]] || fail "$output"
}
