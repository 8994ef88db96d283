#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Gadgets that other programs made are found without configuration: One-KVM, NanoKVM, any other.
. "${0%/*}/lib.sh"

make_image 1.img 1M
make_image 2.img 2M

onekvm_gadget 8
ok "One-KVM: the last of 8 LUNs" otgmsd -i 7 --set-rw=0 --set-image=2.img
ok "… and one between" otgmsd -i 3 --set-rw=0 --set-image=1.img
read -r file <"$gadgets/one-kvm/functions/mass_storage.usb0/lun.7/file"
is "… is lun.7" "$file" "$PWD/2.img"
ok "host sees both" wait_medium 7 2097152
ok "… and" wait_medium 3 1048576
is "… with the right bytes" "$(host_sha256 3)" "$(sha256 1.img)"
status "there is no drive 8" 7 otgmsd -i 8
like "… and which there are" "$err" "gadget one-kvm has no drive 8, only drives 0, 1, 2, 3, 4, 5, 6, 7"
ok "the same by -l" otgmsd -l 7
like "… is shown" "$out" "2.img"
ok "list" otgmsd --list -n -o DRIVE,LUN,IMAGE
is "… has 8 lines" "$(wc -l <<<"$out")" 8
ok "CD flag of one of them, medium in" otgmsd -q -i 3 --set-cdrom=1
ok "… with a replug" otgmsd -i 3 --replug
ok "host sees a CD in it" wait_medium 3 1048576
is "… of the type" "${host_dev%?}" /dev/sr
is "… and the other medium is still in" "$(cat "$gadgets/one-kvm/functions/mass_storage.usb0/lun.7/file")" "$PWD/2.img"

put "" "$gadgets"/one-kvm/UDC
nanokvm_gadget
ok "one-kvm comes before g0" otgmsd -i 7
like "… is it" "$out" "2.img"
ok "NanoKVM: its drive" otgmsd -g g0 --set-rw=0 --set-image=1.img
is "… is disk0" "$(cat "$gadgets"/g0/functions/mass_storage.disk0/lun.0/file)" "$PWD/1.img"
ok "host sees it" wait_medium 0 1048576
otgmsd -g one-kvm -i 3 --eject >/dev/null
otgmsd -g one-kvm -i 7 --eject >/dev/null
rm "$gadgets"/one-kvm/configs/c.1/*.usb?
rmdir "$gadgets"/one-kvm/functions/mass_storage.usb0/lun.[1-7] "$gadgets"/one-kvm/functions/mass_storage.usb0
ok "with One-KVM's drives gone, NanoKVM's is found" otgmsd
like "… is it" "$out" "1.img"
ok "… and goes out" otgmsd --eject
ok "… for the host" wait_medium 0 0

put "" "$gadgets"/g0/UDC
rm "$gadgets"/g0/configs/c.1/mass_storage.disk0
rmdir "$gadgets"/g0/functions/mass_storage.disk0
make_gadget phone acm.usb0 mass_storage.0
ok "any other, as it is the only one with drives" otgmsd --set-rw=0 --set-image=2.img
ok "host sees it" wait_medium 0 2097152
mkdir "$gadgets"/tablet "$gadgets"/tablet/functions/mass_storage.0
status "two of them" 7 otgmsd
like "… which" "$err" "several gadgets have drives: phone, tablet"
ok "-g chooses" otgmsd -g phone
like "… it" "$out" "2.img"
echo 'gadget = tablet' >otgmsd.conf
chmod 644 otgmsd.conf
ok "so does the configuration" otgmsd -C "$PWD"/otgmsd.conf
like "… the other" "$out" "Image file:  <none>"
