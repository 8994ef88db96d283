#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Random changes of a tree, in one process: to start one takes long under emulation.

churn.py SEED COUNT FOLDER          changes FOLDER, a mounted file system, as its user would
churn.py SEED COUNT FOLDER IMAGE    changes FOLDER, and IMAGE alike with msd-normalfiles
"""
import os
import random
import shutil
import subprocess
import sys

seed, count, root = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
image = sys.argv[4] if len(sys.argv) > 4 else None
rng = random.Random(seed)
data = rng.randbytes(1 << 18)
words = ["a", "README.TXT", "lower.c", "Mixed Case", "ünïcode ß", "日本語", "😀", "x" * 40, "like names _", "v1.2.tar.gz"]
serial = 0


def new_name():
    global serial
    serial += 1
    name = rng.choice(words)
    return name if serial % 9 == 0 else "%s%d" % (name, serial) if rng.random() < 0.7 else "%d-%s" % (serial, name)


def tree(want_dirs):
    found = []
    for path, dirs, files in os.walk(root):
        dirs.sort()
        found += [os.path.join(path, n) for n in sorted(dirs if want_dirs else files)]
    return found


def folder():
    found = [d for d in tree(True) if d.count("/") - root.count("/") < 6]
    return rng.choice([root] + found)


def free_path():
    while True:
        path = os.path.join(folder(), new_name())
        if not any(n.casefold() == os.path.basename(path).casefold() for n in os.listdir(os.path.dirname(path))):
            return path


def some(size):
    at = rng.randrange(len(data) - size) if size < len(data) else 0
    return data[at:at + size]


def size():
    return rng.choice([0, 1, 511, 512, 513, 4096, rng.randrange(60000), rng.randrange(60000)])


def pick_file():
    files = tree(False)
    return rng.choice(files) if files else None


# --- by the system calls of a user -------------------------------------------------------------


def create():
    # two at a time, so that their clusters alternate
    one, two = free_path(), free_path() + "b"
    with open(one, "wb", 0) as f, open(two, "wb", 0) as g:
        for _ in range(rng.randrange(5)):
            f.write(some(size()))
            g.write(some(size()))


def append():
    path = pick_file()
    if path and os.access(path, os.W_OK):
        with open(path, "ab", 0) as f:
            f.write(some(size()))


def truncate():
    path = pick_file()
    if path:
        old = os.path.getsize(path)
        os.truncate(path, rng.choice([0, old // 2, old + rng.randrange(20000)]))


def overwrite():
    path = pick_file()
    if path:
        with open(path, "r+b", 0) as f:
            f.seek(rng.randrange(os.path.getsize(path) + 1))
            f.write(some(size()))


def remove():
    path = pick_file()
    if path:
        os.unlink(path)


def make_folder():
    os.mkdir(free_path())


def remove_folder():
    if len(tree(True)) > 4:
        shutil.rmtree(rng.choice(tree(True)))


def rename():
    path = pick_file()
    if path:
        os.rename(path, free_path() if rng.random() < 0.8 else pick_file())


def rename_folder():
    dirs = tree(True)
    if dirs:
        path, to = rng.choice(dirs), free_path()
        if not to.startswith(path + "/"):
            os.rename(path, to)


def set_time():
    path = rng.choice(tree(False) + tree(True) or [root])
    if path != root:
        ns = rng.randrange(400000000, 4000000000) * 10**9 + rng.randrange(100) * 10**7
        os.utime(path, ns=(ns, ns))


def read_only():
    path = pick_file()
    if path and rng.random() < 0.3:
        os.chmod(path, 0o444)


by_user = [create] * 6 + [append] * 4 + [truncate, overwrite, remove, remove, rename, rename, make_folder, make_folder,
                                        remove_folder, rename_folder, set_time, read_only]

# --- by msd-normalfiles, and alike in the folder -----------------------------------------------


def tool(*args):
    subprocess.run(["msd-normalfiles", "--no-sync", *args], check=True)


def inside(path):
    return os.path.relpath(path, root) if path != root else ""


def our_add():
    path = pick_file() if rng.random() < 0.3 else None
    if path:
        # another content in the same place
        os.chmod(path, 0o644)
        with open(path, "wb") as f:
            f.write(some(size()))
        tool("add", image, path, inside(os.path.dirname(path)) + "/")
        return
    path = free_path()
    os.mkdir(path)
    for _ in range(rng.randrange(12)):
        with open(os.path.join(path, new_name()), "wb") as f:
            f.write(some(size()))
    tool("add", image, path, inside(os.path.dirname(path)) + "/")


def our_remove():
    paths = [p for p in (pick_file(), pick_file()) if p]
    for path in set(paths):
        os.unlink(path)
    if paths:
        tool("rm", image, *sorted(set(map(inside, paths))))


def our_remove_folder():
    dirs = tree(True)
    if dirs:
        path = rng.choice(dirs)
        shutil.rmtree(path)
        tool("rm", "-r", image, inside(path))


def our_make_folder():
    path = os.path.join(free_path(), "deep", "deeper")
    os.makedirs(path)
    tool("mkdir", "-p", image, inside(path))


def our_move():
    path = rng.choice(tree(False) + tree(True) or [root])
    to = free_path()
    if path != root and not to.startswith(path + "/"):
        os.rename(path, to)
        tool("mv", image, inside(path), inside(to))


by_us = [our_add] * 4 + [our_remove, our_remove_folder, our_make_folder, our_move, our_move]

for _ in range(count):
    try:
        rng.choice(by_us if image else by_user)()
    except OSError as e:
        # a full volume is a state like any other
        if e.errno != 28:
            raise
