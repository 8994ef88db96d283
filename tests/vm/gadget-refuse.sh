#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# What otgmsd-gadget refuses and in which words, commands that are killed, and two at once.
. "${0%/*}/lib.sh"
# timeout: 400

left()
{
  find "$gadgets" -mindepth 1
}

# --- configuration --------------------------------------------------------------------------------
printf '# a comment\n\ndrives = 9\n' >bad.conf
status "a bad value" 2 otgmsd-gadget -C bad.conf start
is "… file, line, what was expected" "$err" \
  "otgmsd-gadget: bad.conf:3: drives: '9' is not a number from 1 to 8"
printf 'gadget = g1\nstorage {\n  paths = /srv\n}\n' >bad.conf
status "a bad key" 2 otgmsd-gadget -C bad.conf start
like "… file, line" "$err" "bad.conf:3: no such option 'paths'"
like "… and what there is" "$err" "hint: here may stand: path;"
echo 'gadget = g1' >/etc/otgmsd.conf
chmod 666 /etc/otgmsd.conf
status "a file that all can write" 2 otgmsd-gadget start
is "… why, and what to type" "$err" "otgmsd-gadget: /etc/otgmsd.conf: others than root can write it
otgmsd-gadget: hint: chmod go-w /etc/otgmsd.conf"
chmod 644 /etc/otgmsd.conf
chown 1000 /etc/otgmsd.conf
status "a file of another user" 2 otgmsd-gadget start
like "… why" "$err" "/etc/otgmsd.conf: belongs to user 1000"
rm /etc/otgmsd.conf
status "a file that is not there" 2 otgmsd-gadget -C /none.conf start
is "nothing was touched" "$(left)" ""
status "no verb" 2 otgmsd-gadget
status "a wrong verb" 2 otgmsd-gadget begin
status "an option of another verb" 2 otgmsd-gadget stop --drives=2
status "nine drives" 2 otgmsd-gadget start --drives=9
status "no such gadget" 7 otgmsd-gadget -g none replug
like "… what to type" "$err" "hint: otgmsd-gadget -g none start"
status "no such gadget" 7 otgmsd-gadget enable
status "status without a gadget" 3 otgmsd-gadget status

# --- what the kernel refuses ----------------------------------------------------------------------
make_gadget g9 hid.usb0
status "the controller is taken" 4 otgmsd-gadget start
like "… by whom" "$err" "dummy_udc.0: the controller is taken by gadget 'g9'"
like "… and what to type" "$err" "hint: otgmsd-gadget -g g9 start"
is "… nothing is made" "$(ls "$gadgets")" g9
put "" "$gadgets/g9/UDC"
rm "$gadgets/g9/configs/c.1/hid.usb0"
rmdir "$gadgets"/g9/{configs/c.1/strings/0x409,configs/c.1,functions/hid.usb0,strings/0x409,}

status "no such controller" 1 otgmsd-gadget start --controller=fe980000.usb
like "… which there are" "$err" "fe980000.usb: there is no such controller, only: dummy_udc.0"
modprobe -r dummy_hcd
status "no controller" 1 otgmsd-gadget start
like "… why" "$err" "this machine has no USB device controller, or its driver is not loaded"
is "… nothing is made" "$(left)" ""
(sleep 2; modprobe dummy_hcd) &
ok "a controller that comes up late" otgmsd-gadget start --timeout=20s
wait
ok "… a drive" wait_drives 1
ok "stop" otgmsd-gadget stop

autoload=$(cat /proc/sys/kernel/modprobe)
modprobe -r usb_f_mass_storage
echo /bin/false >/proc/sys/kernel/modprobe
status "no module of mass storage" 1 otgmsd-gadget start
like "… which" "$err" "the kernel's module usb_f_mass_storage is missing"
like "… what to type" "$err" "hint: modprobe usb_f_mass_storage"
is "… nothing is left" "$(left)" ""
echo "$autoload" >/proc/sys/kernel/modprobe
ok "with it" otgmsd-gadget start
ok "… a drive" wait_drives 1
ok "stop" otgmsd-gadget stop
umount /sys/kernel/config
status "configfs not mounted" 1 otgmsd-gadget start
is "… what to type" "$err" "otgmsd-gadget: /sys/kernel/config: configfs is not mounted
otgmsd-gadget: hint: mount -t configfs none /sys/kernel/config"
status "… status says so too" 1 otgmsd-gadget status
mount -t configfs none /sys/kernel/config

# Everything there is, and what the host made of it, which it does in several steps.
all_of_it()
{
  left | sort
  otgmsd-gadget status
}

is_as_before()
{
  [ "$(all_of_it)" = "$before" ]
}

# other functions leave too few endpoints for eight drives
make_gadget kvmd hid.usb{0,1,2,3} acm.usb{0,1} mass_storage.usb0
is "a gadget with much in it" "$(cat "$gadgets/kvmd/UDC")" dummy_udc.0
make_image flash.img 3M
put "$PWD/flash.img" "$gadgets/kvmd/functions/mass_storage.usb0/lun.0/file"
wait_for 30 grep -qx configured /sys/class/udc/dummy_udc.0/state
before=$(all_of_it)
status "not enough endpoints" 1 otgmsd-gadget start --drives=8
like "… the reason" "$err" "kvmd: controller dummy_udc.0 has not enough endpoints for 14 functions"
like "… what to do" "$err" "hint: fewer --drives, or --shape=luns"
wait_for 30 is_as_before
is "… all is as before, in order" "$(all_of_it)" "$before"
is "… bound" "$(cat "$gadgets/kvmd/UDC")" dummy_udc.0
is "… the medium is in" "$(cat "$gadgets/kvmd/functions/mass_storage.usb0/lun.0/file")" "$PWD/flash.img"
# the kernel drops the medium of the function that it could not bind
for n in 1 2 3 4 5 6 7; do
  mkdir "$gadgets/kvmd/functions/mass_storage.usb$n"
  put "$PWD/flash.img" "$gadgets/kvmd/functions/mass_storage.usb$n/lun.0/file"
done
wait_for 30 grep -qx configured /sys/class/udc/dummy_udc.0/state
before=$(all_of_it)
status "enable with not enough endpoints" 1 otgmsd-gadget enable
wait_for 30 is_as_before
is "… all is as before, in order" "$(all_of_it)" "$before"
is "… with all media" "$(cat "$gadgets"/kvmd/functions/*/lun.0/file | sort | uniq -c | tr -s ' ')" " 8 $PWD/flash.img"
put "" "$gadgets/kvmd/UDC"
find "$gadgets/kvmd/configs" -type l -delete
rmdir "$gadgets"/kvmd/{configs/c.1/strings/0x409,configs/c.1,functions/*,strings/0x409,}

# --- a dry run ------------------------------------------------------------------------------------
ok "a dry run" otgmsd-gadget start --drives=3 --shape=luns --dry-run
is "… makes nothing" "$(left)" ""
sh -s <<<"$out" 2>/dev/null
made=$(left)
ok "… prints commands that make it" wait_drives 3
ok "stop" otgmsd-gadget stop
ok "the same by itself" otgmsd-gadget start --drives=3 --shape=luns
is "…" "$(left)" "$made"
ok "a dry run of stop" otgmsd-gadget stop --dry-run
is "… removes nothing" "$(left)" "$made"
sh -s <<<"$out"
is "… prints commands that do" "$(left)" ""

# --- killed at any step ---------------------------------------------------------------------------
killed() # SYSCALL N ARG…: the command ends by SIGKILL at the Nth such call
{
  # bash's word on the death of its child is no news
  { strace -o /dev/null -e trace="$1" -e inject="$1:signal=KILL:when=$2" otgmsd-gadget "${@:3}"; } 2>/dev/null
  [ $? = 137 ]
}

whole() # a gadget with two drives, as start makes it
{
  [ "$(otgmsd-gadget status -n -o CONTROLLER,DRIVES,ENABLED | tr -s ' ')" = "dummy_udc.0 2 2" ] &&
    [ -z "$(find "$gadgets/kvmd" -perm /6000)" ] &&
    [ "$(cat "$gadgets"/kvmd/functions/*/stall "$gadgets"/kvmd/functions/*/lun.0/ro | tr -d '\n')" = 0010 ]
}

for at in mkdirat:{1,5} fchmodat:{2,3} symlinkat:2 write:{12,22}; do
  ok "start killed at $at" killed "${at%:*}" "${at#*:}" start --drives=2
  ok "… start again" otgmsd-gadget start --drives=2
  ok "… makes it whole" whole || otgmsd-gadget status
  otgmsd-gadget stop
  [ -z "$(left)" ] || is "… stop leaves nothing" "$(left)" ""
done
for at in unlinkat:{2,6}; do
  otgmsd-gadget start --drives=2
  ok "stop killed at $at" killed "${at%:*}" "${at#*:}" stop
  ok "… stop again" otgmsd-gadget stop
  is "… leaves nothing" "$(left)" ""
done

# with functions of another program
make_gadget kvmd hid.usb0 mass_storage.usb0
for at in fchmodat:{1,2} symlinkat:1; do
  ok "start killed at $at" killed "${at%:*}" "${at#*:}" -q start --drives=2
  ok "… start again" otgmsd-gadget -q start --drives=2
  is "… makes it whole" "$(otgmsd-gadget status -n -o CONTROLLER,OWN,DRIVES,ENABLED | tr -s ' ')" "dummy_udc.0 no 2 2"
  otgmsd-gadget -q stop
done
otgmsd-gadget -q start --drives=2
order=$(otgmsd-gadget status -n -o CONTROLLER,FUNCTIONS)
for at in symlinkat:{1,3} fchmodat:3 write:2; do
  ok "replug killed at $at" killed "${at%:*}" "${at#*:}" -q replug
  ok "… replug again" otgmsd-gadget -q replug
  is "… all functions are there" "$(otgmsd-gadget status -n -o CONTROLLER,FUNCTIONS | xargs -n 1 | sort)" \
    "$(xargs -n 1 <<<"$order" | sort)"
  is "… and no mark" "$(find "$gadgets/kvmd" -perm /6000)" ""
done
ok "stop" otgmsd-gadget -q stop
is "… leaves the other's gadget bound" "$(cat "$gadgets/kvmd/UDC")" dummy_udc.0
put "" "$gadgets/kvmd/UDC"
find "$gadgets/kvmd/configs" -type l -delete
rmdir "$gadgets"/kvmd/{configs/c.1/strings/0x409,configs/c.1,functions/*,strings/0x409,}

# --- not root -------------------------------------------------------------------------------------
status "not root" 1 setpriv --reuid=65534 --regid=65534 --clear-groups otgmsd-gadget start
like "… what to type" "$err" "hint: type sudo in front of the command"

# --- two at once ----------------------------------------------------------------------------------
otgmsd-gadget start --drives=2 &
first=$!
ok "two starts at once" otgmsd-gadget start --drives=2
ok "… the other one too" wait $first
ok "… make one gadget" whole
otgmsd-gadget stop &
first=$!
otgmsd-gadget restart --drives=2
wait $first
otgmsd-gadget stop
is "stop and restart at once leave nothing half done" "$(left)" ""
