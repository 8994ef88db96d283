#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# otgmsd-gadget builds gadgets that a host sees, and takes them down without a trace.
. "${0%/*}/lib.sh"
# timeout: 300

storage=$gadgets/kvmd/functions

left() # everything in configfs, as names
{
  find "$gadgets" -mindepth 1
}

medium() # N [LUN]
{
  cat "$storage/mass_storage.usb$1/lun.${2:-0}/file"
}

# --- start and stop -------------------------------------------------------------------------------
ok "start" otgmsd-gadget start --drives=2
is "… says nothing" "$out$err" ""
ok "the host sees two drives" wait_drives 2
is "drive 0 is a CD, drive 1 is not" "${host_drives[*]//[0-9]/}" "sr sda"
is "… of ours" "$(cat /sys/class/block/sda/device/{vendor,model} | tr -s ' \n' ' ')" "otgmsd Flash Drive "
device=$(echo /sys/bus/usb/devices/*-1)
is "… ids" "$(cat "$device"/{idVendor,idProduct,bcdDevice,bMaxPower} | paste -sd ' ')" "1d6b 0104 0100 250mA"
serial=$(cat "$device/serial")
like "… a serial of 16 digits" "$serial" '^[0-9A-F]{16}$'
is "drive 1 is writable, drive 0 is not" "$(cat "$storage"/*/lun.0/ro | paste -sd ' ')" "1 0"
is "stall is off" "$(cat "$storage"/*/stall | tr -d '\n')" "00"
before=$(left; cat /sys/bus/usb/devices/*-1/devnum)
ok "start again" otgmsd-gadget start --drives=2
is "… changes nothing, not even the device's number" "$(left; cat /sys/bus/usb/devices/*-1/devnum)" "$before"
ok "status" otgmsd-gadget status
like "… tells all" "$out" "kvmd +yes +dummy_udc.0 configured high-speed +2 +2 mass_storage.usb0 mass_storage.usb1"
ok "status --json" otgmsd-gadget status --json
is "… typed" "$(jq -r '.gadgets[0] | [.gadget, .own, .controller, .state, .drives, .enabled] | @tsv' <<<"$out")" \
  $'kvmd\ttrue\tdummy_udc.0\tconfigured\t2\t2'
make_image flash.img 3M
put "$PWD/flash.img" "$storage/mass_storage.usb1/lun.0/file"
ok "a third drive" otgmsd-gadget start --drives=3
ok "… the host sees it" wait_drives 3
is "… and the medium is still in" "$(medium 1)" "$PWD/flash.img"
ok "fewer are no reason to remove one" otgmsd-gadget start --drives=1
ok "… all three are there" wait_drives 3

# --- restart and replug keep media ----------------------------------------------------------------
ok "the host sees the medium" wait_medium 1 3145728
ok "restart" otgmsd-gadget restart --drives=2
ok "… with two drives" wait_drives 2
ok "… and the medium" wait_medium 1 3145728
is "… byte for byte" "$(host_sha256 1)" "$(sha256 flash.img)"
is "the serial is stable" "$(cat /sys/bus/usb/devices/*-1/serial)" "$serial"
number=$(cat /sys/bus/usb/devices/*-1/devnum)
ok "replug waits for the host" otgmsd-gadget replug
is "… which has configured it" "$(cat /sys/class/udc/dummy_udc.0/state)" configured
nok "… anew" test "$number" = "$(cat /sys/bus/usb/devices/*-1/devnum)"
ok "… and sees the medium" wait_medium 1 3145728
put "" "$storage/mass_storage.usb1/lun.0/file"
put 1 "$storage/mass_storage.usb1/lun.0/cdrom"
put "$PWD/flash.img" "$storage/mass_storage.usb1/lun.0/file"
ok "drive 1 made a CD is still a disk for the host" wait_drive 1
like "…" "$host_dev" /dev/sd
ok "replug" otgmsd-gadget replug
ok "… shows it the new type" wait_medium 1 3145728
like "…" "$host_dev" /dev/sr
ok "replug --soft" otgmsd-gadget -v replug --soft --timeout=20s
note "$err"
ok "… brings the host back, one way or the other" wait_medium 1 3145728
is "… the medium too" "$(host_sha256 1)" "$(sha256 flash.img)"

# --- disable, enable, stop ------------------------------------------------------------------------
ok "disable" otgmsd-gadget disable
ok "… the host sees nothing" wait_drives 0
is "… the medium stays" "$(medium 1)" "$PWD/flash.img"
status "status of what is not bound is no" 3 otgmsd-gadget status
status "replug of what is disabled" 3 otgmsd-gadget replug
like "… says what to type" "$err" "hint: otgmsd-gadget -g kvmd enable"
ok "disable again" otgmsd-gadget disable
ok "enable" otgmsd-gadget enable
ok "… the host sees them again" wait_medium 1 3145728
ok "enable again" otgmsd-gadget enable
ok "stop" otgmsd-gadget stop
is "… leaves nothing in configfs" "$(left)" ""
ok "… nor on the host" wait_drives 0
is "… nor a block device" "$(echo /sys/class/block/s[dr]*)" "/sys/class/block/s[dr]*"
ok "stop again" otgmsd-gadget stop

# --- LUNs of one function -------------------------------------------------------------------------
ok "eight LUNs" otgmsd-gadget start --drives=8 --shape=luns
ok "… the host sees eight drives" wait_drives 8
is "… one function" "$(ls "$storage")" mass_storage.usb0
put "$PWD/flash.img" "$storage/mass_storage.usb0/lun.7/file"
ok "… the last one works" wait_medium 7 3145728
is "… byte for byte" "$(host_sha256 7)" "$(sha256 flash.img)"
ok "restart as functions" otgmsd-gadget restart --drives=2 --shape=functions
like "… tells that a medium has no drive any more" "$err" "flash.img: its drive mass_storage.usb0/lun.7 is no more"
ok "… two drives" wait_drives 2
ok "stop" otgmsd-gadget stop
is "… leaves nothing" "$(left)" ""
ok "start with two LUNs" otgmsd-gadget start --drives=2 --shape=luns
put "$PWD/flash.img" "$storage/mass_storage.usb0/lun.1/file"
ok "a third one" otgmsd-gadget start --drives=3 --shape=luns
ok "… is there" wait_drives 3
is "… and the medium is still in" "$(medium 0 1)" "$PWD/flash.img"
status "functions beside LUNs" 6 otgmsd-gadget start --drives=4
like "… what to type" "$err" "hint: otgmsd-gadget -g kvmd restart --drives=4 --shape=functions"
ok "stop" otgmsd-gadget stop

# --- one drive works while the other is in use ----------------------------------------------------
ok "two drives" otgmsd-gadget start --drives=2
make_image cd.img 8M
put "$PWD/cd.img" "$storage/mass_storage.usb0/lun.0/file"
put "$PWD/flash.img" "$storage/mass_storage.usb1/lun.0/file"
ok "both media" wait_medium 0 8388608
exec 5<"$host_dev"
wait_medium 1 3145728
dd if="$host_dev" of=/dev/null bs=64k iflag=direct status=none &
is "the other is read meanwhile" "$(host_sha256 1)" "$(sha256 flash.img)"
exec 5<&-
wait
ok "stop with the host at work" otgmsd-gadget stop
is "… leaves nothing" "$(left)" ""

# --- configuration --------------------------------------------------------------------------------
useradd -M kvmtest 2>/dev/null
cat >/etc/otgmsd.conf <<'END'
gadget = "board"	# not kvmd
drives = 2
max_power = 100
ids { vendor = 0x0525  product = 0xa4a5 }
strings { serial = "0123456789ABCDEF" product = "Board" }
defaults { user = kvmtest vendor = "ACME" }
drive 1 { cdrom = no rw = no removable = no fua = no product = "Stick" }
END
ok "start as the configuration says" otgmsd-gadget start
ok "… two drives" wait_drives 2
f=$gadgets/board/functions/mass_storage.usb1/lun.0
is "… attributes" "$(cat "$f"/{cdrom,ro,removable,nofua} | paste -sd ' ')" "0 1 0 1"
is "… inquiry" "$(cat "$f/inquiry_string" | tr -s ' ')" "ACME Stick 1.00"
is "… owner of what changes media" "$(stat -c %U "$f"/{cdrom,ro,file,forced_eject} | sort -u)" kvmtest
is "… ids and strings" "$(cat /sys/bus/usb/devices/*-1/{idVendor,idProduct,serial,product} | paste -sd ' ')" \
  "0525 a4a5 0123456789ABCDEF Board"
ok "stop" otgmsd-gadget stop
is "… leaves nothing" "$(left)" ""
