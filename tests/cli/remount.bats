#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-3.0-or-later
# otgmsd-remount in namespaces of its own: tmpfs as the storage, no root needed.
load helper

setup()
{
  unshare -Urm true 2>/dev/null || skip "no user namespaces here"
  export -f mode flags storage wait_mode
  export storage=$BATS_TEST_TMPDIR/storage
  mkdir "$storage"
}

# Runs the script in namespaces where /run and /etc/fstab are its own; sanitizers say nothing of
# processes that it kills.
inside()
{
  unshare -Urm --propagation private bash -eu -c '
    mount -t tmpfs -o mode=755 run /run
    : >/run/fstab
    mount --bind /run/fstab /etc/fstab
    '"$1"
}

# Mounts the storage with these options and writes its line: MOUNTOPTIONS [FSTABOPTIONS].
storage()
{
  mount -t tmpfs -o "$1" store "$storage"
  echo "store $storage tmpfs $1,${2-X-kvmd.otgmsd-root=$storage} 0 0" >/run/fstab
}

flags()
{
  awk -v at="${1-$storage}" '$5 == at { all = $6 } END { print all }' /proc/self/mountinfo
}

mode()
{
  flags "$@" | cut -d, -f1
}

# Until the storage has this mode, at most so many tenths of a second.
wait_mode()
{
  for ((tries = 0; tries < $2; tries++)); do
    [ "$(mode)" != "$1" ] || return 0
    sleep 0.1
  done
  echo "not $1 after $2 tenths of a second"
  return 1
}

@test "rw and ro with kvmd's messages, all other flags survive" {
  run -0 inside '
    storage ro,nosuid,nodev,noexec,noatime,nodiratime,sync
    otgmsd-remount rw && flags && otgmsd-remount ro && flags
    grep " $storage " /proc/self/mountinfo | grep -o "tmpfs store.*"'
  [ "${lines[0]}" = "otgmsd-remount: Remounting $storage to RW-mode ..." ]
  [ "${lines[1]}" = "otgmsd-remount: Storage in the RW-mode now" ]
  [ "${lines[2]}" = rw,nosuid,nodev,noexec,noatime,nodiratime ]
  [ "${lines[4]}" = "otgmsd-remount: Storage in the RO-mode now" ]
  [ "${lines[5]}" = ro,nosuid,nodev,noexec,noatime,nodiratime ]
  [[ ${lines[6]} == "tmpfs store ro,sync"* ]]
}

@test "a mode that is right already is no error, and -q is silent" {
  run -0 inside 'storage rw; otgmsd-remount -q rw; mode; otgmsd-remount -q ro; otgmsd-remount -q ro; mode'
  [ "$output" = "rw
ro" ]
}

@test "status: 0 when rw, 3 when ro, a table and JSON" {
  run -3 inside 'storage ro; otgmsd-remount status -n -o kind,mode,path'
  [ "$output" = "storage ro   $storage" ]
  run -0 inside 'storage rw; exec 5>"$storage/big"; otgmsd-remount status --json 5>&-; sleep 0'
  jq -e --arg s "$storage" '.storage[0] == {kind: "storage", mode: "rw", pid: null, name: null,
    path: $s, mountpoint: $s}' <<<"$output"
  jq -e --arg s "$storage" '.storage[1] | .kind == "process" and .name == "bash" and
    .path == $s + "/big" and (.pid | type) == "number"' <<<"$output"
}

@test "ro while a file is open for writing: 4, pid, name and path, and nothing is changed" {
  run -4 inside 'storage rw; exec 5>"$storage/a file"; echo $$; otgmsd-remount -q ro || exit $?'
  [ "${lines[1]}" = "otgmsd-remount: $storage: busy: bash (pid ${lines[0]}) writes $storage/a file" ]
  [ "${lines[2]}" = "otgmsd-remount: hint: kill ${lines[0]}; or wait with --wait=SECONDS" ]
  run -4 inside 'storage rw; exec 5>"$storage/f"; otgmsd-remount -q ro --json'
  [[ $output == *'"kind": "process"'* ]]
  run -0 inside 'storage rw; exec 5>"$storage/f"; otgmsd-remount -q ro 2>/dev/null || mode'
  [ "$output" = rw ]
}

@test "ro while a deleted file is open or one is mapped: names it" {
  run -4 inside 'storage rw; echo x >"$storage/f"; exec 5<"$storage/f"; rm "$storage/f"; otgmsd-remount -q ro'
  [[ $output == *"writes $storage/f (deleted)"* ]]
  run -4 inside '
    storage rw; head -c 4096 /dev/zero >"$storage/f"
    python3 -c "
import mmap, os, sys, time
fd = os.open(sys.argv[1], os.O_RDWR)
m = mmap.mmap(fd, 4096)
os.close(fd)
print(flush=True)
time.sleep(60)" "$storage/f" >/run/ready &
    for ((i = 0; i < 250; i++)); do [ ! -s /run/ready ] || break; sleep 0.02; done
    otgmsd-remount -q ro || { s=$?; kill $!; exit $s; }'
  [[ $output == *"busy: python3 (pid "*" writes $storage/f"* ]]
}

@test "ro --wait waits for the writer" {
  run -0 inside 'storage rw; sleep 0.5 5>"$storage/f" & until [ -e "$storage/f" ]; do sleep 0.02; done
    otgmsd-remount -q ro --wait=10 && mode'
  [ "$output" = ro ]
  run -4 inside 'storage rw; exec 5>"$storage/f"; otgmsd-remount -q ro --wait=300ms'
}

@test "a process of another mount namespace is named too" {
  run -4 inside '
    storage rw
    unshare -m sh -c "exec 5>\"$storage/f\"; touch /run/ready; exec sleep 60" &
    for ((i = 0; i < 250; i++)); do [ ! -e /run/ready ] || break; sleep 0.02; done
    otgmsd-remount -q ro || { s=$?; kill $!; exit $s; }'
  [[ $output == *"busy: sleep (pid "*" writes $storage/f"* ]]
}

@test "a storage below its mount point" {
  run -0 inside '
    storage ro,nosuid "X-kvmd.otgmsd-root=$storage/msd/images"
    mount -o remount,rw "$storage"; mkdir -p "$storage/msd/images"; mount -o remount,ro "$storage"
    otgmsd-remount -q rw && flags && otgmsd-remount -q ro && flags
    otgmsd-remount status --json || true'
  [[ ${lines[0]} == rw,nosuid* && ${lines[1]} == ro,nosuid* ]]
  [[ $output == *"\"path\": \"$storage/msd/images\""*"\"mountpoint\": \"$storage\""* ]]
}

@test "a bind mount: only its own flag changes" {
  run -0 inside '
    mkdir /run/disk; mount -t tmpfs -o nosuid disk /run/disk; mkdir /run/disk/msd
    mount --bind /run/disk/msd "$storage"
    mount -o remount,bind,ro,nosuid,noexec "$storage"
    echo "/run/disk/msd $storage none bind,ro,X-kvmd.otgmsd-root 0 0" >/run/fstab
    otgmsd-remount -q rw; flags; otgmsd-remount -q ro; flags; flags /run/disk
    exec 5>/run/disk/elsewhere; otgmsd-remount -q rw; otgmsd-remount -q ro; mode'
  [[ ${lines[0]} == rw,nosuid,noexec* && ${lines[1]} == ro,nosuid,noexec* && ${lines[2]} == rw,nosuid* ]]
  [ "${lines[3]}" = ro ]
}

@test "a bind mount of a read-only file system that would become writable elsewhere: 6" {
  run -6 inside '
    mkdir /run/disk; mount -t tmpfs disk /run/disk; mkdir /run/disk/msd
    mount --bind /run/disk/msd "$storage"
    mount -t tmpfs -o remount,ro disk /run/disk; mount -o remount,bind,rw /run/disk
    echo "/run/disk/msd $storage none bind,X-kvmd.otgmsd-root 0 0" >/run/fstab
    otgmsd-remount -q rw'
  [[ $output == *"would become writable at /run/disk as well"* ]]
}

@test "a storage that is no mount of its own: says so, 0" {
  for mode in rw ro; do
    run -0 inside 'mkdir /run/msd; mount -t tmpfs cfg /var/lib; mkdir -p /var/lib/kvmd/msd; otgmsd-remount '$mode
    [ "$output" = "otgmsd-remount: /var/lib/kvmd/msd: no mount of its own, so there is nothing to remount" ]
  done
}

@test "status of a storage that is no mount of its own: who writes below it, and nobody else" {
  run -0 inside 'mount -t tmpfs cfg /var/lib; mkdir -p /var/lib/kvmd/msd
    exec 5>/var/lib/elsewhere; otgmsd-remount status -n -o kind,path
    exec 6>/var/lib/kvmd/msd/f; otgmsd-remount status -n -o kind,path; otgmsd-remount status -J'
  [ "${lines[0]}" = "storage /var/lib/kvmd/msd" ]
  [ "${lines[1]}" = "storage /var/lib/kvmd/msd" ]
  [ "${lines[2]}" = "process /var/lib/kvmd/msd/f" ]
}

@test "missing folder, missing mount, several marked lines, a root elsewhere: 7 and what to do" {
  run -7 inside 'mount -t tmpfs cfg /var/lib; otgmsd-remount -q rw'
  [[ $output == *"/var/lib/kvmd/msd: there is no such folder"*"hint: mkdir "*"X-kvmd.otgmsd-root="* ]]
  run -7 inside 'echo "/dev/sda1 $storage ext4 ro,X-kvmd.otgmsd-user=kvmd 0 0" >/run/fstab; otgmsd-remount -q rw'
  [[ $output == *"$storage: the image storage is not mounted"*"hint: mount $storage "* ]]
  run -7 inside 'mount -t tmpfs cfg /var/lib; mkdir -p /var/lib/kvmd/msd
    echo "/dev/sda1 /var/lib/kvmd/msd ext4 ro 0 0" >/run/fstab; otgmsd-remount -q rw'
  [[ $output == *"/var/lib/kvmd/msd: the image storage is not mounted"* ]]
  run -7 inside 'storage ro; sed p -i /run/fstab; otgmsd-remount -q rw' || run -7 inside '
    storage ro; cat /run/fstab /run/fstab >/run/f; cat /run/f >/run/fstab; otgmsd-remount -q rw'
  [[ $output == *"are marked as the storage"*"hint: take the options"* ]]
  run -7 inside 'storage ro X-kvmd.otgmsd-root=/etc; otgmsd-remount -q rw'
  [[ $output == *"/etc does not lie on its mount point $storage"* ]]
  run -7 inside 'storage ro "X-kvmd.otgmsd-root=$storage/../.."; otgmsd-remount -q rw'
  run -7 inside 'storage ro "X-kvmd.otgmsd-root=$storage/gone"; otgmsd-remount -q rw'
  [[ $output == *"$storage/gone: there is no such folder"*"mkdir -p $storage/gone"* ]]
}

@test "a user that does not exist: 2, before anything is changed" {
  run -0 inside 'storage ro X-kvmd.otgmsd-user=nosuchuser; otgmsd-remount -q rw || echo $?; mode'
  [[ ${lines[0]} == *"nosuchuser: there is no such user"* ]]
  [ "${lines[2]}" = 2 ]
  [ "${lines[3]}" = ro ]
}

@test "wrong usage: 2" {
  for args in '' 'up' 'rw ro' 'ro -- true' 'rw --' 'rw --wait=x' 'rw -J -P'; do
    run -2 inside "storage ro; otgmsd-remount $args"
  done
}

@test "without the right to remount: 1 and a hint" {
  run -1 unshare -Urm bash -c 'mount -t tmpfs run /run; mkdir /run/msd
    mount -t tmpfs -o ro store /run/msd
    echo "store /run/msd tmpfs X-kvmd.otgmsd-root 0 0" >/run/fstab; mount --bind /run/fstab /etc/fstab
    PATH=$PATH unshare -U otgmsd-remount -q rw'
  [[ $output == *"only root can"*"hint: type sudo"* ]]
}

@test "a command: rw while it runs, its exit status, ro after it" {
  run -7 inside 'storage ro; otgmsd-remount rw -- bash -c "mode; touch \"$storage/f\"; exit 7" || { s=$?; mode; exit $s; }'
  [ "$output" = "rw
ro" ]
  run -0 inside 'storage ro; otgmsd-remount rw -- sh -c "kill -TERM \$\$" || echo $?; otgmsd-remount rw -- /nosuch || echo $?
    otgmsd-remount rw -- /etc/passwd || echo $?; mode'
  [ "${lines[0]}" = 143 ]
  [ "${lines[2]}" = 127 ]
  [ "${lines[4]}" = 126 ]
  [ "${lines[5]}" = ro ]
}

@test "the command has its environment, options and standard input" {
  run -0 inside 'storage ro; echo text | FOO=bar otgmsd-remount rw -- sh -c "echo \$FOO; cat; printf %s \"\$1\"" sh -x'
  [ "$output" = "bar
text
-x" ]
}

@test "a signal to otgmsd-remount reaches the command" {
  run -143 inside 'storage ro; otgmsd-remount rw -- sleep 60 & sleep 0.4; kill $!; wait $! || { s=$?; mode; exit $s; }'
  [[ $output == *ro ]]
}

@test "holders nest; a plain rw stays until a plain ro; ro under a holder names it: 4" {
  run -0 inside 'storage ro; otgmsd-remount rw -- otgmsd-remount rw -- true; mode
    otgmsd-remount rw -- bash -c "otgmsd-remount rw -- true; mode"; mode
    otgmsd-remount -q rw; otgmsd-remount rw -- true; mode
    otgmsd-remount -q ro; otgmsd-remount rw -- otgmsd-remount -q rw; mode; otgmsd-remount -q ro; mode'
  [ "$output" = "ro
rw
ro
rw
rw
ro" ]
  run -0 inside 'storage ro; otgmsd-remount rw -- sh -c "otgmsd-remount -q ro; echo \$?; exit 0" what; mode'
  [[ ${lines[0]} == "otgmsd-remount: $storage: held rw by 'otgmsd-remount rw -- sh -c "*"' (pid "*")" ]]
  [ "${lines[2]}" = 4 ]
  [ "${lines[3]}" = ro ]
}

@test "killed with SIGKILL: command gone and ro within a second" {
  run -0 inside '
    storage ro
    otgmsd-remount rw -- sleep 61 & p=$!
    wait_mode rw 50
    kill -9 $p; wait_mode ro 10; mode
    pgrep -x sleep -P $p || pgrep -x sleep -P 1 -a | grep " 61$" || echo gone'
  [[ $output == *ro* && $output == *gone ]]
}

@test "a writer that the command left behind: rw until it ends, then ro by itself" {
  run -0 inside '
    storage ro
    # it has the file before the command ends, and keeps it until the mode was looked at
    otgmsd-remount rw -- bash -c "(until [ -e /run/go ]; do sleep 0.05; done) >\"$storage/f\" & disown
      until [ -e \"$storage/f\" ]; do sleep 0.02; done"
    mode; touch /run/go; wait_mode ro 40; mode'
  [[ ${lines[0]} == "otgmsd-remount: warning: $storage: busy: bash (pid "*" writes $storage/f" ]]
  [ "${lines[2]}" = rw ]
  [ "${lines[3]}" = ro ]
}

@test "holder and guardian killed: the next holder tidies up" {
  run -0 inside '
    storage ro
    otgmsd-remount rw -- sleep 61 & p=$!
    wait_mode rw 50
    pkill -9 -P $p otgmsd-guard; kill -9 $p; sleep 0.3; mode
    otgmsd-remount rw -- true; mode'
  [[ $output == *"rw
ro" ]]
}

@test "20 holders, some killed: never ro while one lives, ro a second after the last" {
  run -0 inside '
    storage ro
    # the first holder goes on until it is told, whatever becomes of this script
    trap "touch /run/end" EXIT
    hold() { exec otgmsd-remount rw -- bash -c "for ((i = 0; i < $2; i++)); do
      touch \"$storage/$1\" || { echo ro under $1; exit 1; }; sleep 0.0$((RANDOM % 9 + 1)); done"; }
    otgmsd-remount rw -- bash -c "until [ -e /run/end ]; do [ \$(mode) = rw ] || echo ro under the first; sleep 0.05; done" 2>&1 &
    wait_mode rw 50
    # those that are killed would not end for long, however slow the others are
    for ((n = 1; n < 20; n++)); do hold $n $((n % 3 == 1 ? 10000 : 20)) & pids[n]=$!; sleep 0.02; done 2>/dev/null
    for ((n = 1; n < 20; n += 3)); do kill -9 ${pids[n]}; done
    for ((n = 2; n < 20; n += 3)); do wait ${pids[n]} || echo status $? of $n; done
    for ((n = 3; n < 20; n += 3)); do wait ${pids[n]} || echo status $? of $n; done
    mode; touch /run/end; wait_mode ro 10; echo "then $(mode)"'
  echo "$output"
  none 'ro under|status' <<<"$output"
  [[ $output == *"rw
then ro" ]]
}

@test "the old layout of kvmd is migrated, half images stay half, links are not followed" {
  run -0 inside '
    storage rw,mode=755; cd "$storage"; mkdir images meta outside
    echo 1 >images/a.iso; echo 2 >images/b.iso; touch meta/a.iso.complete ".__c.iso.complete" taken
    echo 3 >images/taken; touch meta/taken.complete
    otgmsd-remount rw; ls -A; cat a.iso b.iso; rm images/taken
    otgmsd-remount -q rw; ls -A | tr "\n" " "; echo
    rmdir outside; mkdir /run/outside meta; echo 4 >/run/outside/x; ln -s /run/outside images
    otgmsd-remount -q rw; ls /run/outside'
  [[ $output == *"warning: $storage/images/taken: cannot be moved to $storage: File exists"* ]]
  [[ $output == *"
.__b.iso.incomplete
a.iso
b.iso
images
meta
outside
taken
1
2
.__b.iso.incomplete a.iso b.iso outside taken 
x" ]]
}

@test "the root of the storage is given to the user and group of fstab" {
  run -0 inside 'storage ro,uid=0 X-kvmd.otgmsd-user=0,X-kvmd.otgmsd-group=root; otgmsd-remount -q rw; stat -c %u:%g "$storage"'
  [ "$output" = 0:0 ]
  # an id that this namespace does not have cannot be set: a warning, and rw all the same
  run -0 inside 'storage ro X-kvmd.otgmsd-user=12345; otgmsd-remount rw; mode'
  [[ $output == *"warning: $storage: cannot be given to 12345: "*"
rw" ]]
}

@test "no environment variable, and no --config under sudo, leads elsewhere" {
  run -0 inside '
    storage ro; mkdir /run/other; mount -t tmpfs -o ro other /run/other
    echo "other /run/other tmpfs X-kvmd.otgmsd-root 0 0" >/run/evil
    export LIBMOUNT_FSTAB=/run/evil LIBMOUNT_MTAB=/run/evil HOME=/run PATH=/run:$PATH
    otgmsd-remount -q rw; mode; mode /run/other'
  [ "$output" = "rw
ro" ]
  for variable in SUDO_UID=1000 DOAS_USER=kvmd PKEXEC_UID=1000; do
    run -2 env $variable otgmsd-remount -C /dev/null status
    [[ $output == *"--config is not for who runs this through sudo"* ]]
  done
}

@test "as kvmd-helper-otgmsd-remount: kvmd's messages as they were, no command, no --config" {
  ln -s "$(command -v otgmsd-remount)" "$BATS_TEST_TMPDIR/kvmd-helper-otgmsd-remount"
  PATH=$BATS_TEST_TMPDIR:$PATH
  run -0 inside 'storage ro; kvmd-helper-otgmsd-remount rw; mode; kvmd-helper-otgmsd-remount ro'
  [ "$output" = "Remounting $storage to RW-mode ...
Storage in the RW-mode now
rw
Remounting $storage to RO-mode ...
Storage in the RO-mode now" ]
  run -2 kvmd-helper-otgmsd-remount rw -- true
  [[ $output == "kvmd-helper-otgmsd-remount: runs no command"* ]]
  run -2 kvmd-helper-otgmsd-remount rw --config=/dev/null
  run -4 inside 'storage rw; exec 5>"$storage/f"; kvmd-helper-otgmsd-remount ro || exit $?'
  [[ $output == *"kvmd-helper-otgmsd-remount: $storage: busy: bash (pid "* ]]
}
