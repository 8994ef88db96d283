#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# Arguments of otgmsd; what it does to drives is shown in the virtual machine.
load helper

# otgmsd with the folder tree in place of configfs and its own /run, as root of a user namespace.
in_tree()
{
  unshare -Urm sh -ec 'mount --bind "$1" /sys/kernel; mount -t tmpfs run /run; shift; exec "$@"' - \
    "$BATS_TEST_TMPDIR/kernel" "$@"
}

# A drive as plain files; ro and cdrom are 0, no medium.
make_lun() # GADGET/FUNCTION LUN
{
  local lun=$BATS_TEST_TMPDIR/kernel/config/usb_gadget/${1%/*}/functions/${1#*/}/lun.$2

  mkdir -p "$lun"
  : >"$lun/file"
  for attr in ro cdrom nofua; do
    echo 0 >"$lun/$attr"
  done
  echo 1 >"$lun/removable"
}

@test "wrong usage ends with status 2 and names what is wrong" {
  for wrong in --set-rw=maybe --set-cdrom= --set-image= --instance=-1 --instance=1x --lun=x --wait=soon \
    "--wait=ejected --timeout=long" --timeout=1 surplus -J "--list --eject" "--list --replug" \
    "--list --json --pairs" "--list -o none" "--dry-run --wait=ejected"; do
    # shellcheck disable=SC2086
    run -2 --separate-stderr otgmsd $wrong
    [ -z "$output" ] || fail "$wrong: $output"
    [[ $stderr == "otgmsd: "* ]] || fail "$wrong: $stderr"
    [[ ${stderr_lines[1]} == "otgmsd: hint: "* ]] || fail "$wrong: $stderr"
  done
}

@test "a wrong configuration ends with status 2 and its line" {
  printf 'gadget = kvmd\nspeed = 3\n' >"$BATS_TEST_TMPDIR/otgmsd.conf"
  run -2 --separate-stderr otgmsd -C "$BATS_TEST_TMPDIR/otgmsd.conf"
  [[ $stderr == "otgmsd: $BATS_TEST_TMPDIR/otgmsd.conf:2: "* ]] || fail "$stderr"
}

@test "no gadget, no drive: status 7" {
  mkdir -p "$BATS_TEST_TMPDIR/kernel/config/usb_gadget"
  run -7 --separate-stderr in_tree otgmsd
  [ "$stderr" = "otgmsd: no USB gadget with mass storage: none has been built
otgmsd: hint: otgmsd-gadget start" ] || fail "$stderr"
  make_lun kvmd/mass_storage.usb0 0
  run -7 --separate-stderr in_tree otgmsd -i 1
  [[ $stderr == "otgmsd: gadget kvmd has no drive 1, only drive 0"* ]] || fail "$stderr"
}

@test "an empty drive is shown in kvmd-otgmsd's lines" {
  make_lun kvmd/mass_storage.usb0 0
  run -0 --separate-stderr in_tree otgmsd
  [ "$output" = "Image file:  <none>
CD/DVD flag: no
RW flag:     yes" ] || fail "$output"
  [ -z "$stderr" ] || fail "$stderr"
}

@test "a list is JSON that jq reads, also with a name that is no UTF-8" {
  make_lun one-kvm/mass_storage.usb0 0
  make_lun one-kvm/mass_storage.usb0 1
  printf '/a "b"\xff.img\n' >"$BATS_TEST_TMPDIR/kernel/config/usb_gadget/one-kvm/functions/mass_storage.usb0/lun.1/file"
  run -0 --separate-stderr in_tree otgmsd --list --json
  [ "$(jq -c '.drives[] | [.drive, .lun, .cdrom, .rw, .size, .image]' <<<"$output")" = \
    '[0,0,false,true,null,null]
[1,1,false,true,null,"/a \"b\"\\xff.img"]' ] || fail "$output"
}

@test "commands in hints can be typed, whatever the name of the image" {
  make_lun kvmd/mass_storage.usb0 0
  cd "$BATS_TEST_TMPDIR"
  truncate -s 1000 "it's \$HOME.img"
  run -6 --separate-stderr in_tree otgmsd --set-image="it's \$HOME.img"
  [[ ${stderr_lines[1]} == "otgmsd: hint: to do it all the same: otgmsd -i 0 --set-image='it'\\''s \$HOME.img' --force" ]] ||
    fail "$stderr"
}

@test "--list without any drive: an empty list, 0, and a word about it" {
  mkdir -p "$BATS_TEST_TMPDIR/kernel/config/usb_gadget"
  run -0 --separate-stderr in_tree otgmsd --list
  [ -z "$output" ]
  [ "${stderr_lines[1]}" = "otgmsd: hint: otgmsd-gadget start" ]
  run -0 --separate-stderr in_tree otgmsd --list --json
  [ "$(jq -c . <<<"$output")" = '{"drives":[]}' ]
  [ -z "$stderr" ]
}
