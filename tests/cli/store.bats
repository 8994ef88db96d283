#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# msd-store in namespaces of its own, with a tmpfs as the storage: no root needed.
load helper

setup()
{
  unshare -Urm true 2>/dev/null || skip "no user namespaces here"
  cd "$BATS_TEST_TMPDIR" || return
  export storage=$BATS_TEST_TMPDIR/storage
  mkdir storage
  echo "storage { path = \"$storage\" }" >otgmsd.conf
  chmod 644 otgmsd.conf
  export -f fail leftovers
  head -c 3000000 /dev/urandom >image
}

# Shown when a test fails.
teardown()
{
  echo "${output-}"
}

# Runs the script where /run and fstab are its own and the storage is a tmpfs.
inside()
{
  unshare -Urm --propagation private bash -eu -o pipefail -c '
    mount -t tmpfs -o mode=755 run /run
    : >/run/fstab
    mount --bind /run/fstab /etc/fstab
    mount -t tmpfs -o size=${STORE_SIZE:-64m} store "$storage"
    store() { msd-store -C otgmsd.conf "$@"; }
    status() { local want=$1 got=0; shift; "$@" 2>err || got=$?; cat err >&2
      [ "$got" = "$want" ] || { echo "status $got, not $want: $*" >&2; return 1; }; }
    '"$1"
}

# Nothing hidden is left in the storage but checksums.
leftovers()
{
  local found

  found=$(find "$storage" -name '.*' ! -name '*.sha256')
  [ -z "$found" ] || fail "left: $found"
}

@test "put: a file, standard input, several; get gives them back" {
  run -0 inside '
    store put image
    store put - --name=piped <image
    cp image second; mkdir "$storage/sub"
    store put second --name=sub/third
    store put image second --force
    for name in image piped second sub/third; do store get $name - | cmp - image; done
    store get image copy; cmp copy image
    status 6 store get image copy; store get image copy --force
    (cd sub 2>/dev/null || mkdir sub); store get sub/third sub; cmp sub/third image
    leftovers
    [ "$(stat -c %a "$storage/image")" = 644 ]'
}

@test "put unpacks gzip, xz, zstd and bzip2, whatever their name, and get packs" {
  run -0 inside '
    for how in gzip xz zstd bzip2; do
      $how -c image >image.$how
      sum=$(sha256sum <image.$how)
      store put - --name=$how.img --sha256="${sum%% *}" <image.$how
      cmp "$storage/$how.img" image
      store get $how.img - --compress=$how | $how -dc | cmp - image
    done
    cp image.xz plain.img.xz; store put plain.img.xz; cmp "$storage/plain.img" image
    store put plain.img.xz --as-is; cmp "$storage/plain.img.xz" image.xz
    cat image.gzip image.gzip | store put - --name=members; cat image image | cmp - "$storage/members"
    { xz -c image; head -c 4096 /dev/zero; } >padded.xz; sum=$(sha256sum <padded.xz)
    store put padded.xz --sha256="${sum%% *}" --size=$(stat -c %s padded.xz)
    status 5 store put padded.xz --force --size=1000
    grep -q "should be 1000 bytes and is [0-9]*, the transfer was cut" err
    store get plain.img --compress=zstd; zstd -dc plain.img.zst | cmp - image
    leftovers'
}

@test "damaged or short packed data: status 5, nothing left" {
  run -0 inside '
    for how in gzip xz zstd bzip2; do
      $how -c image >packed
      head -c 2000000 packed >cut
      status 5 store put cut --name=a
      printf "\377\377\377\377" | dd of=packed bs=1 seek=1500000 conv=notrunc status=none
      status 5 store put packed --name=a
      grep -q "packed: its $how data is damaged" err
    done
    [ -z "$(ls -A "$storage")" ]'
}

@test "checksums: given, from SHA256SUMS in both forms, wrong ones leave nothing" {
  run -0 inside '
    sum=$(sha256sum <image); sum=${sum%% *}
    store put image --sha256="${sum^^}"
    { echo "-----BEGIN PGP SIGNED MESSAGE-----"; sha256sum image err 2>/dev/null || true; } >SHA256SUMS
    store put image --force --sha256sums=SHA256SUMS
    echo "SHA256 (./dir/image) = $sum" >BSD
    store put - --name=image --force --sha256sums=BSD <image
    status 7 store put - --name=other --sha256sums=BSD <image
    grep -q "BSD: has no SHA-256 checksum of other" err
    wrong=${sum/[0-9]/x}; wrong=${wrong//x/e}; [ "$wrong" != "$sum" ] || wrong=${sum//0/1}
    status 5 store put image --name=b --sha256="$wrong"
    grep -q "image: SHA-256 should be $wrong and is $sum" err
    status 2 store put image --sha256=12
    [ "$(ls -A "$storage" | paste -sd " ")" = ".__image.sha256 image" ]
    cd "$storage"; sha256sum -c .__image.sha256'
}

@test "a taken name needs --force, and the old image stays until the new one is whole" {
  run -0 inside '
    store put image -v; grep -q "image: 3000000 bytes, SHA-256 " <(store put image --force -v 2>&1)
    head -c 3000 /dev/urandom >other
    status 6 store put other --name=image
    grep -q "image: an image of that name is there already" err
    grep -q "hint: --force replaces it" err
    cmp image "$storage/image"
    status 5 store put - --name=image --force --size=4000 <other
    cmp image "$storage/image"; leftovers
    chmod 640 "$storage/image"
    store put other --name=image --force
    cmp other "$storage/image"; leftovers
    [ "$(stat -c %a "$storage/image")" = 640 ]'
}

@test "kill -9: listed as incomplete, never whole; --resume goes on; rm removes it" {
  run -0 inside '
    start() {
      mkfifo pipe; msd-store -C otgmsd.conf put - --name=part.img "$@" <pipe & pid=$!
      exec 7>pipe; head -c 2000000 image >&7
      while [ "$(stat -c %s "$storage/.__part.img.part" 2>/dev/null || echo 0)" -lt 1048576 ]; do sleep 0.01; done
      [ -e "$storage/.__part.img.incomplete" ]
    }
    start
    store verify -P -o state,why >out
    grep -q "STATE=\"writing\" WHY=\"is being written by msd-store (pid $pid)\"" out
    status 4 store put image --name=part.img
    grep -q "another msd-store put is writing it" err
    status 4 store rm part.img
    kill -9 $pid; wait $pid || true; exec 7>&-; rm pipe
    [ ! -e "$storage/part.img" ]
    store list -J | jq -e ".images[0] | .name == \"part.img\" and .complete == false and .kind == null"
    status 6 store get part.img -; grep -q "put FILE --name=part.img --resume" err
    store get part.img - --force | cmp - <(head -c 2000000 image | head -c "$(stat -c %s "$storage/.__part.img.part")")
    status 5 store verify part.img
    store put image --name=part.img --resume
    cmp image "$storage/part.img"; leftovers
    store rm part.img
    start; kill -9 $pid; wait $pid || true; exec 7>&-
    store rm part.img; [ -z "$(ls -A "$storage")" ]'
}

@test "SIGTERM leaves nothing, with --resume what has arrived" {
  run -0 inside '
    mkfifo pipe
    for option in --progress=never --resume; do
      msd-store -C otgmsd.conf put - --name=a $option <pipe & pid=$!
      exec 7>pipe; head -c 2000000 image >&7
      while [ "$(stat -c %s "$storage/.__a.part" 2>/dev/null || echo 0)" -lt 1048576 ]; do sleep 0.01; done
      kill -TERM $pid; got=0; wait $pid || got=$?; [ "$got" = 143 ]; exec 7>&-
      if [ $option != --resume ]; then [ -z "$(ls -A "$storage")" ]; fi
    done
    [ -e "$storage/.__a.part" ]; [ -e "$storage/.__a.incomplete" ]
    xz -c image | store put - --name=a --resume
    cmp image "$storage/a"; leftovers'
}

@test "--resume believes nothing: other content and zeros where data was are written anew" {
  run -0 inside '
    head -c 2500000 image >"$storage/.__a.part"; : >"$storage/.__a.incomplete"
    head -c 1000 /dev/zero | dd of="$storage/.__a.part" bs=1000 seek=500 conv=notrunc status=none
    store put image --name=a --resume; cmp image "$storage/a"; leftovers
    head -c 5000000 /dev/urandom >"$storage/b"; : >"$storage/.__b.incomplete"
    status 6 store put image --name=b
    grep -q "hint: msd-store -C otgmsd.conf put image --name=b --resume completes it" err
    store put image --name=b --resume; cmp image "$storage/b"; leftovers
    cp image "$storage/c"; : >"$storage/.__c.incomplete"
    exec 8>>"$storage/c"; status 4 store put image --name=c --resume; exec 8>&-
    store put image --name=c --force; cmp image "$storage/c"; leftovers'
}

@test "room is checked before, and a full storage keeps what it had" {
  STORE_SIZE=8m run -0 inside '
    store put image
    truncate -s 20M big
    status 1 store put big
    grep -q "big: needs 20 MiB, and the storage has 5.1 MiB left" err; grep -q "hint: msd-store -C otgmsd.conf list" err
    status 1 store put - --name=big2 < <(cat big)
    grep -q "big2: the storage is full" err
    status 1 store put - --name=big3 --size=20M < <(cat big)
    grep -q "big3: needs 20 MiB" err
    leftovers; cmp image "$storage/image"
    store list -J | jq -e ".partitions[0].free > 5000000"'
}

@test "an image that ends before its volume is not taken, and verify tells" {
  command -v xorriso >/dev/null || skip "no xorriso"
  run -0 inside '
    mkdir tree; cp image tree/; xorriso -as mkisofs -quiet -V TESTDISC -o whole.iso tree 2>/dev/null
    head -c 1000000 whole.iso >cut.iso
    status 5 store put cut.iso
    grep -q "cut.iso: ends after 976.6 KiB, but its ISO volume goes on to" err; leftovers
    store put cut.iso --force; store put whole.iso
    store list -J | jq -e ".images[] | select(.name == \"whole.iso\") | .label == \"TESTDISC\" and .kind == \"cd\" and .fstype == \"iso9660\" and .complete"
    truncate -s 64M disk; echo "start=2048" | sfdisk -q --no-tell-kernel disk; truncate -s 32M disk
    cp disk "$storage/mbr"
    truncate -s 64M gpt; printf "label: gpt\nstart=2048\n" | sfdisk -q --no-tell-kernel gpt; truncate -s 32M gpt
    cp gpt "$storage/gpt"
    status 5 store verify -J >json
    jq -r ".images[] | .name + \" \" + .state + \" \" + (.why // \"\")" json
    [ "$(jq -r ".images[] | .state" json | paste -sd " ")" = "damaged damaged damaged ok" ]'
  [[ $output == *"gpt damaged ends after 32 MiB, but its GPT goes on to 64 MiB"* ]]
  [[ $output == *"mbr damaged ends after 32 MiB, but its MBR goes on to 64 MiB"* ]]
}

@test "verify: recorded, changed behind its back, written since, never recorded" {
  run -0 inside '
    for name in same rotten written; do store put image --name=$name; done
    cp image "$storage/copied"
    store put image --name=old; store mv old new
    time=$(stat -c %y "$storage/rotten")
    printf X | dd of="$storage/rotten" bs=1 seek=1500000 conv=notrunc status=none
    touch -d "$time" "$storage/rotten"
    printf X | dd of="$storage/written" bs=1 seek=1500000 conv=notrunc status=none
    touch -d "$time + 1 hour" "$storage/written"
    store verify same new
    status 5 store verify -J >json
    [ "$(jq -r ".images[] | .name + \"=\" + .state" json | paste -sd " ")" = "copied=unchecked new=ok rotten=damaged same=ok written=unchecked" ]
    status 7 store verify nothing'
}

@test "rm and mv take all that belongs to an image, and refuse what is in the way" {
  run -0 inside '
    store put image; cp image b; store put b; mkdir "$storage/sub"
    status 6 store mv image b; store mv image c; store mv c sub; store mv sub/c .
    store mv b c --force
    [ "$(cd "$storage"; find . -type f | sort | paste -sd " ")" = "./.__c.sha256 ./c" ]
    status 7 store rm nothing; grep -q "nothing: no such image in the storage" err
    status 7 store mv nothing d
    status 5 store rm sub
    mkdir "$storage/other"; mount -t tmpfs other "$storage/other"
    status 1 store mv c other; grep -q "hint: msd-store -C otgmsd.conf put" err
    store rm c; leftovers; [ -z "$(find "$storage" -type f)" ]'
}

@test "no name leaves the storage" {
  run -0 inside '
    ln -s / "$storage/root"; ln -s /etc/passwd "$storage/passwd"; mkdir "$storage/.hidden" outside
    for name in ../x /tmp/x .x sub/../x a//b .hidden/x lost+found lost+found/x "" . .. "a
b" "$(printf "%0242d" 0)"; do
      status 1 store put image --name="$name"
      status 1 store get "$name" -
      status 1 store rm "$name"
    done
    status 7 store put image --name=root/tmp/x
    status 7 store get root/etc/passwd -
    status 7 store get passwd -
    store put image --name="$(printf "%0241d" 0)"
    status 6 store put image --name=passwd --force || status 6 store put image --name=passwd --force
    [ -L "$storage/passwd" ]
    store list -J | jq -e ".images | length == 1"'
}

@test "list: sub-mounts, hidden ones, folders; table, JSON and pairs" {
  run -0 inside '
    cd "$storage"; mkdir -p sub/deep lost+found .hidden nfs .mnt
    for at in sub/deep lost+found .hidden .; do cp ../image $at/a.img; done
    ln -s a.img link.img; mkfifo fifo
    mount -t tmpfs -o ro,size=1m stick nfs; mount -t tmpfs other .mnt; touch .mnt/no
    cd ..; store list; store list -J >json; cat json
    [ "$(jq -r ".images[].name" json | paste -sd " ")" = "a.img sub/deep/a.img" ]
    [ "$(jq -c "[.partitions[] | [.name, .fstype, .size, .writable, .state, .source]]" json)" = \
      "[[\".\",\"tmpfs\",67108864,true,\"ok\",\"store\"],[\"nfs\",\"tmpfs\",1048576,false,\"ok\",\"stick\"]]" ]
    jq -e ".images[0] | .size == 3000000 and .used == 3002368 and .complete and .writable and .drive == null and .label == null and .bios == false" json
    [ "$(store list -n -o name)" = "a.img
sub/deep/a.img" ]
    [ "$(store list --partitions -P -o name,size)" = "NAME=\".\" SIZE=\"67108864\"
NAME=\"nfs\" SIZE=\"1048576\"" ]
    status 1 store put image --name=nfs/x; grep -q "hint: mount -o remount,rw" err
    umount "$storage/nfs"; mount -t tmpfs stick "$storage/nfs"
    store put image --name=nfs/x; store get nfs/x - | cmp - image'
}

@test "list: what boots where" {
  command -v xorriso >/dev/null || skip "no xorriso"
  run -0 inside '
    mkdir t; cp image t/f; head -c 2048 /dev/urandom >t/bios.img; truncate -s 1440K t/efi.img
    iso() { xorriso -as mkisofs -quiet -V "$1" -o "$storage/$1.iso" "${@:2}" t 2>/dev/null; }
    iso NONE
    iso BIOS -b bios.img -no-emul-boot -boot-load-size 4
    iso UEFI -e efi.img -no-emul-boot
    iso BOTH -b bios.img -no-emul-boot -boot-load-size 4 -eltorito-alt-boot -e efi.img -no-emul-boot -isohybrid-gpt-basdat
    disk() { truncate -s 64M "$storage/$1"; printf "$2" | sfdisk -q --no-tell-kernel "$storage/$1"; }
    disk mbr.img "2048,,c\n"
    disk active.img "2048,,c,*\n"
    disk code.img "2048,,c,*\n"; printf "\372\061" | dd of="$storage/code.img" conv=notrunc status=none
    disk esp.img "2048,,ef\n"
    disk gpt.img "label: gpt\n2048,20480,U\n"
    disk loader.img "2048,,c\n"; mkfs.fat -n LOADER --offset 2048 "$storage/loader.img" >/dev/null
    mmd -i "$storage/loader.img@@1M" ::efi ::efi/Boot; mcopy -i "$storage/loader.img@@1M" image ::efi/Boot/bootx64.efi
    mkfs.fat -n LABEL --offset 2048 "$storage/mbr.img" >/dev/null
    truncate -s 8M "$storage/floppy.img"; mkfs.fat -n FLOPPY "$storage/floppy.img" >/dev/null
    store list -J | jq -r ".images[] | [.name, .kind, .fstype // \"-\", .label // \"-\", .bios, .uefi] | map(tostring) | join(\" \")"'
  diff <(echo "$output") - <<'END'
BIOS.iso cd iso9660 BIOS true false
BOTH.iso cd iso9660 BOTH true true
NONE.iso cd iso9660 NONE false false
UEFI.iso cd iso9660 UEFI false true
active.img flash - - false false
code.img flash - - true false
esp.img flash - - false true
floppy.img flash vfat FLOPPY false false
gpt.img flash - - false true
loader.img flash vfat LOADER false true
mbr.img flash vfat LABEL false false
END
}

@test "hints are commands as they are to be typed, and sizes tell apart what differs" {
  run -0 inside '
    cp image "it'"'"'s one"; store put "it'"'"'s one"
    status 6 store put "it'"'"'s one"; hint=$(sed -n "s/.*replaces it; \(.*\) keeps both/\1/p" err)
    eval "$hint"; cmp "$storage/OTHER" image
    mkdir "$storage/sub"; mount -t tmpfs sub "$storage/sub"
    status 1 store mv OTHER sub/x; grep -qF "msd-store -C otgmsd.conf put $storage/OTHER --name=sub/x && msd-store -C otgmsd.conf rm OTHER" err
    status 7 store put image --name=new/x; eval "$(sed -n "s/.*hint: //p" err)"; store put image --name=new/x
    status 5 store get sub -; status 5 store verify sub; status 5 store rm sub
    room=$(stat -f -c "%a" "$storage"); truncate -s $((room * 4096 + 1)) big
    status 1 store put big; grep -q "needs $((room * 4096 + 1)) bytes, and the storage has $((room * 4096)) bytes left" err
    status 1 store get OTHER - --snapshot; grep -q "hint: .* without --snapshot" err'
}

@test "get to a reader that leaves early ends as cat does" {
  run -0 inside '
    store put image; { set +e; store get image - 2>err; echo $? >status; set -e; } | head -c 1 >/dev/null
    [ ! -s err ]; [ "$(cat status)" = 141 ]'
}

@test "written within the second in which it was put: unchecked, not damaged" {
  run -0 inside '
    store put image; printf x | dd of="$storage/image" conv=notrunc status=none
    store verify | tee out; grep -q "unchecked.*written since" out'
}

@test "without the rights to the folder: sudo is the hint" {
  run -0 inside '
    chmod 555 "$storage"; chown 0:0 "$storage"
    status 1 unshare -U msd-store -C otgmsd.conf put image; grep -q "hint: type sudo in front of the command" err'
}

@test "a name that is no UTF-8 makes good JSON" {
  run -0 inside '
    cp image "$storage/$(printf "b\377d")"; store list -J | jq -r ".images[0].name"'
  [ "$output" = 'b\xffd' ]
}

@test "wrong usage: status 2 and what is wrong" {
  printf 'storage { path = "/nonexistent" }\n' >none.conf; chmod 644 none.conf
  run -0 inside '
    status 2 store; status 2 store frob; status 2 store put; status 2 store get; status 2 store rm; status 2 store mv a
    status 2 store put -; grep -q "needs --name" err
    status 2 store list --snapshot; grep -q -- "--snapshot is not for list" err
    status 2 store put a b --name=c; status 2 store get a --compress=rar; status 2 store list x
    status 2 store list -o FOO; status 2 store list --timeout=x
    status 7 store put missing; grep -q "missing: no such file" err
    status 7 msd-store -C none.conf list
    status 5 store put storage --name=x; grep -q "hint: msd-mkimage -d" err
    status 5 store put /dev/null; grep -q "is empty" err; leftovers'
}
