# SPDX-License-Identifier: GPL-3.0-or-later
# Completion of otgmsd(8) for fish.
function __otgmsd_column
    otgmsd --list -n -o $argv[1] 2>/dev/null | string trim | sort -u
end

complete -c otgmsd -f
complete -c otgmsd -s g -l gadget -x -a '(__otgmsd_column GADGET)' -d 'USB gadget, or GADGET/FUNCTION'
complete -c otgmsd -s i -l instance -x -a '(__otgmsd_column DRIVE)' -d 'Drive number'
complete -c otgmsd -s l -l lun -x -a '(__otgmsd_column LUN)' -d 'LUN of the function'
complete -c otgmsd -l list -d 'List all drives'
complete -c otgmsd -l set-rw -x -a 'yes no' -d 'Let the host write'
complete -c otgmsd -l set-cdrom -x -a 'yes no' -d 'Be a CD/DVD, not a flash drive'
complete -c otgmsd -l set-image -r -F -a '(msd-store list -n -o NAME 2>/dev/null | string trim)' -d 'Put the image in'
complete -c otgmsd -l eject -d 'Take the image out, first of all'
complete -c otgmsd -l unlock -d 'Take the lock of the host on it away'
complete -c otgmsd -l force -d 'Do what is refused as unsafe'
complete -c otgmsd -l replug -d 'Plug the gadget in anew'
complete -c otgmsd -l wait -x -a 'configured ejected inserted' -d 'Wait for a state'
complete -c otgmsd -l timeout -x -d 'Wait no longer'
complete -c otgmsd -l dry-run -d 'Print what would be written where'
complete -c otgmsd -s J -l json -d 'Print JSON'
complete -c otgmsd -s P -l pairs -d 'Print KEY="value" pairs'
complete -c otgmsd -s n -l noheadings -d 'Print no heading line'
complete -c otgmsd -s o -l output -x -a 'DRIVE GADGET FUNCTION LUN CDROM RW SIZE IMAGE DELETED REMOVABLE FUA INQUIRY' -d 'Columns'
complete -c otgmsd -s C -l config -r -F -d 'Configuration'
complete -c otgmsd -s q -l quiet -d 'Print no warnings'
complete -c otgmsd -s v -l verbose -d 'Say what is done'
complete -c otgmsd -s h -l help -d 'Print the options'
complete -c otgmsd -l usage -d 'Print the options in short'
complete -c otgmsd -s V -l version -d 'Print the version'
