#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compares the verdicts of msd-normalfiles check and fsck over single damaged bytes of metadata.

usage: check-damage.py IMAGE FIRST-SEED LAST-SEED

For each seed one byte of IMAGE's boot sectors, FATs, bitmap or folders is changed, and both say
whether it is in order. They must agree, but for the differences in KNOWN, which each have a reason.
Prints a line for each difference that has none, and one with the counts; exit status 1 if there were any.
"""
import random
import re
import struct
import subprocess
import sys

# (file system, where, who finds damage, what it says there, why that is as it should be)
KNOWN = [
    ('fat', '.*', 'fsck', '[Ll]abel', 'a note: Windows changes the label of the root alone'),
    ('fat', 'folder|root', 'fsck', '8.3 name flag|Bad short file name',
     'a flag that patched Linux kernels of 2009 used; and names behind the end of a folder'),
    ('fat', 'folder|root', 'check', 'no file can have', 'control characters, which unpack alters'),
    ('fat', 'folder|root', 'check', 'long name before it is not of this entry',
     'fsck.fat tells it, too, without an exit status'),
    ('fat', 'boot', 'check', 'neither FAT nor exFAT|its copy used', 'a boot sector no driver takes'),
    ('exfat', 'bitmap', 'check', '(lost: in use, but no file|free in the bitmap)',
     'fsck.exfat 1.2.0 does not compare the bitmap, or tells nothing of it'),
    ('exfat', 'fat', 'check', '^(upcase table|allocation bitmap): ', 'fsck.exfat does not follow these'),
    ('exfat', 'folder', 'check', '^allocation bitmap|^upcase table', 'nor asks for their exact size'),
    ('exfat', 'folder', 'check', 'belongs to nothing', 'fsck.exfat tells it without an exit status'),
]


def read_regions(image):
    """Names and places of what is metadata in an image without a partition table."""
    if image[3:11] == b'EXFAT   ':
        sector = 1 << image[108]
        cluster = sector << image[109]
        fat, fat_len, heap, count, root = struct.unpack_from('<IIIII', image, 80)
        at = heap * sector
        tables = {'boot': (0, 12 * sector), 'backup': (12 * sector, 24 * sector),
                  'fat': (fat * sector, fat * sector + 4 * 64)}
        folders = [(root, cluster)]
        used = (b'\x81', b'\x82')
    else:
        sector, per, reserved, fats, entries = struct.unpack_from('<HBHBH', image, 11)
        small = struct.unpack_from('<H', image, 22)[0]
        fat_len = small or struct.unpack_from('<I', image, 36)[0]
        cluster = sector * per
        root_at = (reserved + fats * fat_len) * sector
        at = root_at + (entries * 32 + sector - 1) // sector * sector
        tables = {'boot': (0, 90), 'fat': (reserved * sector, reserved * sector + 200),
                  'fat2': ((reserved + fat_len) * sector, (reserved + fat_len) * sector + 200)}
        if not small:
            tables['fsinfo'] = (sector, sector + 512)
            tables['backup'] = (6 * sector, 6 * sector + 512)
            root = struct.unpack_from('<I', image, 44)[0]
            folders = [(root, cluster)]
        else:
            folders = []
            tables['root'] = (root_at, root_at + 512)
    for number, (first, size) in enumerate(folders):
        begin = at + (first - 2) * cluster
        tables['folder%d' % number] = (begin, begin + min(size, 640))
    for name in (b'DEEP       \x10', b'ALONGN~1   \x10'):
        found = image.find(name)
        if found > 0:
            first = struct.unpack_from('<H', image, found + 26)[0]
            first |= 0 if small else struct.unpack_from('<H', image, found + 20)[0] << 16
            begin = at + (first - 2) * cluster
            tables['folder' + str(first)] = (begin, begin + 256)
    if image[3:11] == b'EXFAT   ':
        # the set of a subfolder, and what is in it
        begin = at + (root - 2) * cluster
        for slot in range(begin, begin + cluster, 32):
            entry = image[slot:slot + 32]
            if entry[0] == 0x81:
                bitmap = at + (struct.unpack_from('<I', entry, 20)[0] - 2) * cluster
                tables['bitmap'] = (bitmap, bitmap + 8)
            if entry[0] == 0x85 and entry[4] & 0x10:
                first = struct.unpack_from('<I', image, slot + 32 + 20)[0]
                folder = at + (first - 2) * cluster
                tables['folder' + str(first)] = (folder, folder + 384)
    return tables


def run(command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
    return done.returncode, done.stdout.decode('utf-8', 'replace')


def is_known(kind, where, finder, text):
    return any(re.fullmatch(k, kind) and re.fullmatch(w, where) and f == finder and
               re.search(t, text) for k, w, f, t, _ in KNOWN)


def main():
    name = sys.argv[1]
    with open(name, 'rb') as file:
        image = bytearray(file.read())
    kind = 'exfat' if image[3:11] == b'EXFAT   ' else 'fat'
    regions = read_regions(image)
    agreed = known = unknown = 0
    for command in (['fsck.' + kind, '-n', name], ['msd-normalfiles', 'check', name]):
        status, said = run(command)
        if status != 0:
            sys.exit('%s is not in order to begin with: %s' % (name, said))
    for seed in range(int(sys.argv[2]), int(sys.argv[3]) + 1):
        rng = random.Random(seed)
        where = rng.choice(sorted(regions))
        at = rng.randrange(*regions[where])
        value = image[at] ^ rng.choice((1 << rng.randrange(8), rng.randrange(1, 256)))
        with open(name, 'r+b') as file:
            file.seek(at)
            file.write(bytes([value]))
        theirs, said = run(['fsck.' + kind, '-n', name])
        ours, told = run(['msd-normalfiles', 'check', name])
        if ours not in (0, 5):
            print('seed %d: check ended with %d: %s' % (seed, ours, told))
            unknown += 1
        elif (theirs == 0) == (ours == 0):
            agreed += 1
        elif is_known(kind, re.sub('[0-9]+$', '', where), 'fsck' if theirs else 'check', said if theirs else told):
            known += 1
        else:
            print('seed %d: %s at %d (%#x): %#x -> %#x: fsck %d, check %d\n%s%s' %
                  (seed, where, at, at - regions[where][0], image[at], value, theirs, ours, said, told))
            unknown += 1
        with open(name, 'r+b') as file:
            file.seek(at)
            file.write(bytes([image[at]]))
    print('%s: %d agree, %d known differences, %d others' % (name, agreed, known, unknown))
    return unknown != 0


if __name__ == '__main__':
    sys.exit(main())
