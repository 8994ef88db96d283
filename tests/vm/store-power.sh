#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Power cuts in the middle of put: the old image or none, never a half one that looks whole.
. "${0%/*}/lib.sh"

store=/var/lib/kvmd/msd

# Always the same bytes, so that they are known after the cut.
known() # SEED SIZE
{
  openssl enc -aes-128-ctr -nosalt -pass "pass:$1" -md sha256 </dev/zero 2>/dev/null | head -c "$2" >"$1.img"
}

half_way()
{
  [ "$(stat -c %s $store/.__big.img.part 2>/dev/null)" -gt 33554432 ] 2>/dev/null
}

known old 3M
known new 4M
known big 48M
case $STAGE in
1)
  ok "a storage" make_storage
  ok "an image" msd-store put old.img
  sync
  mkfifo pipe
  msd-store put - --name=big.img <pipe &
  exec 7>pipe
  head -c 40M big.img >&7
  ok "a put is half way" wait_for 20 half_way
  sync -f $store
  power_cut
  ;;
2)
  storage_line ext4
  ok "the storage is there" mount $store
  ok "list" msd-store list -J
  is "… shows the half image as such" "$(jq -c '.images[] | [.name, .complete]' <<<"$out" | paste -sd ' ')" \
    '["big.img",false] ["old.img",true]'
  ok "… and the other is as it was" cmp old.img $store/old.img
  status "the half one is not given out" 6 msd-store get big.img -
  ok "--resume completes it" msd-store put big.img --resume
  ok "… with the right bytes" cmp big.img $store/big.img
  # one image in the place of the other, over and over, and the cut wherever it falls
  (while :; do
    msd-store put new.img --name=old.img --force
    msd-store put old.img --force
  done) &
  sleep 2.$((RANDOM % 10))
  power_cut
  ;;
3)
  storage_line ext4
  ok "the storage is there again" mount $store
  note "$(ls -lA $store)"
  ok "the old image or the new one, whole" bash -c "cmp old.img $store/old.img || cmp new.img $store/old.img"
  ok "the other one" cmp big.img $store/big.img
  ok "put goes on" msd-store put new.img --name=old.img --force
  ok "… and cleans up" test ! -e $store/.__old.img.part -a ! -e $store/.__old.img.incomplete
  ok "verify" msd-store verify
  ;;
esac
