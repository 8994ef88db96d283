# SPDX-License-Identifier: GPL-3.0-or-later
# mount.msd(8)

_mount_msd()
{
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}

	COMPREPLY=()
	case $prev in
	-o | --options)
		mapfile -t COMPREPLY < <(compgen -W "ro rw msd.partition=" -- "$cur")
		return
		;;
	-t | --types)
		mapfile -t COMPREPLY < <(compgen -W "msd" -- "$cur")
		return
		;;
	esac
	if [[ $cur == -* ]]; then
		mapfile -t COMPREPLY < <(compgen -W "--options= --fake --no-mtab --sloppy --namespace=
			--types= --config= --quiet --verbose --help --usage --version" -- "$cur")
		if [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *= ]]; then
			compopt -o nospace
		fi
		return
	fi
	mapfile -t COMPREPLY < <(compgen -f -- "$cur")
}
complete -o filenames -F _mount_msd mount.msd
