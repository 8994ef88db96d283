#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Gadgets that other programs own get drives and lose them again, and are otherwise left alone.
. "${0%/*}/lib.sh"
# timeout: 300

storage=$gadgets/kvmd/functions

tree() # GADGET: every name below it, with modes and links
{
  (cd "$gadgets/$1" && find . -type l -printf '%p -> %l\n' -o -printf '%M %p\n' | sort)
}

links() # GADGET: what the host is shown, in order
{
  otgmsd-gadget status -n -o FUNCTIONS -g "$1"
}

interfaces() # classes of the interfaces that the host sees
{
  cat /sys/bus/usb/devices/*-1:*/bInterfaceClass | paste -sd ' '
}

has_interfaces() # CLASSES
{
  [ "$(interfaces 2>/dev/null)" = "$1" ]
}

# By hand, as the program that made it would: the kernel has four HID devices in all.
drop() # GADGET
{
  local g=$gadgets/$1

  put "" "$g/UDC" 2>/dev/null
  find "$g/configs" -type l -delete
  rmdir "$g"/configs/c.1/strings/* "$g"/configs/* "$g"/functions/* "$g"/strings/* "$g"
}

# --- several controllers, and a second gadget -----------------------------------------------------
modprobe usbip-vudc
status "several controllers and none chosen" 2 otgmsd-gadget start
like "… says which" "$err" "there are several controllers and none is chosen: .*usbip-vudc.0"
like "… and how" "$err" "hint: controller = \".*\" in .*/otgmsd.conf"
is "… nothing is made" "$(find "$gadgets" -mindepth 1)" ""
make_gadget other hid.other 2>/dev/null
put "" "$gadgets/other/UDC"
put usbip-vudc.0 "$gadgets/other/UDC"
other=$(tree other)
other_node=/dev/hidg0
ok "the other gadget has its device" test -c "$other_node"
inode=$(stat -c %i "$other_node")
echo 'controller = dummy_udc.0' >/etc/otgmsd.conf
ok "start on the configured controller" otgmsd-gadget start
ok "… a drive" wait_drives 1
ok "stop" otgmsd-gadget stop
: >empty.conf
ok "start on the controller of the option" otgmsd-gadget -C empty.conf start --controller=dummy_udc.0
ok "stop" otgmsd-gadget stop
status "the other's controller is taken" 4 otgmsd-gadget start --controller=usbip-vudc.0
like "… by whom" "$err" "usbip-vudc.0: the controller is taken by gadget 'other'"
is "… nothing is made" "$(ls "$gadgets")" other

# --- as on PiKVM: keyboard, mouse, a drive --------------------------------------------------------
pikvm_gadget 1
make_image flash.img 3M
put "$PWD/flash.img" "$storage/mass_storage.usb0/lun.0/file"
ok "a gadget of another program" wait_medium 0 3145728
before=$(tree kvmd)
order="hid.usb0 hid.usb1 mass_storage.usb0"
is "… its order" "$(links kvmd)" "$order"
ok "start adds a drive" otgmsd-gadget start --drives=2
like "… says that devices were made anew" "$err" "/dev/hidgN were removed and made anew"
ok "… two drives" wait_drives 2
ok "… with the medium" wait_medium 0 3145728
is "… behind the functions of the other" "$(links kvmd)" "$order mass_storage.usb1"
is "… as the host sees it" "$(interfaces)" "03 03 08 08"
is "ours is marked, the others are not" "$(find "$gadgets/kvmd" -perm -1000 -printf '%P\n')" \
  functions/mass_storage.usb1
added=$(tree kvmd)
ok "start again" otgmsd-gadget start --drives=2
is "… does nothing" "$err" ""
ok "nodes of keyboard and mouse" test -c /dev/hidg1 -a -c /dev/hidg2
ok "replug" otgmsd-gadget replug
ok "… the medium" wait_medium 0 3145728
is "… all as before, in order" "$(tree kvmd; links kvmd)" "$added
$order mass_storage.usb1"
ok "… nodes" test -c /dev/hidg1 -a -c /dev/hidg2
ok "replug --soft leaves no trace either" otgmsd-gadget replug --soft
is "…" "$(tree kvmd; links kvmd)" "$added
$order mass_storage.usb1"
ok "disable" otgmsd-gadget disable
ok "… no drive" wait_drives 0
ok "… keyboard and mouse" wait_for 10 has_interfaces "03 03"
ok "… nodes" test -c /dev/hidg1 -a -c /dev/hidg2
ok "enable" otgmsd-gadget enable
ok "… the medium" wait_medium 0 3145728
is "… all as before, in order" "$(tree kvmd; links kvmd)" "$added
$order mass_storage.usb1"
put "$PWD/flash.img" "$storage/mass_storage.usb1/lun.0/file"
ok "restart" otgmsd-gadget restart --drives=2
ok "… our medium" wait_medium 1 3145728
ok "stop" otgmsd-gadget stop
is "… leaves the other's gadget as it was" "$(tree kvmd; links kvmd)" "$before
$order"
ok "… with its medium" wait_medium 0 3145728
ok "… nodes" test -c /dev/hidg1 -a -c /dev/hidg2
ok "stop again" otgmsd-gadget stop
is "… does nothing" "$err" ""

# a function that the other program has not linked is not ours to link
put "" "$gadgets/kvmd/UDC"
rm "$gadgets/kvmd/configs/c.1/mass_storage.usb0"
put dummy_udc.0 "$gadgets/kvmd/UDC"
ok "start" otgmsd-gadget start --drives=2
is "… leaves what the other has switched off" "$(links kvmd)" "hid.usb0 hid.usb1 mass_storage.usb1"
ok "stop" otgmsd-gadget stop
put "" "$gadgets/kvmd/UDC"
ok "start in a gadget that is not bound" otgmsd-gadget start --drives=2
like "… says when the drives appear" "$err" "once the program that made this gadget binds it"
is "… and does not bind it" "$(cat "$gadgets/kvmd/UDC")" ""
ok "stop" otgmsd-gadget stop
is "… does not either" "$(cat "$gadgets/kvmd/UDC")" ""
is "the second gadget is as it was" "$(tree other; stat -c %i "$other_node")" "$other
$inode"

# --- as on One-KVM and NanoKVM --------------------------------------------------------------------
drop kvmd
onekvm_gadget 2
before=$(tree one-kvm)
ok "LUNs of another program are drives" otgmsd-gadget -g one-kvm start --drives=2
status "… to which none can be added" 6 otgmsd-gadget -g one-kvm start --drives=3
like "… and why" "$err" "another program made mass_storage.usb0"
is "… nothing is changed" "$(tree one-kvm)" "$before"
ok "replug finds it by itself" otgmsd-gadget replug
ok "… two drives" wait_drives 2
is "… nothing is changed" "$(tree one-kvm)" "$before"
rmdir "$gadgets"/one-kvm/functions/mass_storage.usb0/lun.1 2>/dev/null
drop one-kvm 2>/dev/null
nanokvm_gadget
before=$(tree g0)
ok "a drive beside NanoKVM's" otgmsd-gadget -g g0 start --drives=2
ok "… two drives" wait_drives 2
ok "… by number" otgmsd -g g0 -i 1
ok "stop" otgmsd-gadget -g g0 stop
is "… nothing is changed" "$(tree g0)" "$before"
drop g0

# --- a gadget of ours that another program uses too -----------------------------------------------
ok "a gadget of ours" otgmsd-gadget -g mine start
put "" "$gadgets/mine/UDC"
mkdir "$gadgets/mine/functions/hid.x"
put 8 "$gadgets/mine/functions/hid.x/report_length"
ln -s "$gadgets/mine/functions/hid.x" "$gadgets/mine/configs/c.1/"
put dummy_udc.0 "$gadgets/mine/UDC"
ok "stop" otgmsd-gadget -g mine stop
like "… says that it stays" "$err" "another program has put functions into this gadget, so it stays"
is "… with what the other put in, bound" "$(links mine) $(cat "$gadgets/mine/UDC")" "hid.x dummy_udc.0"
is "the second gadget is as it was" "$(tree other)" "$other"
