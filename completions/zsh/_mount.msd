#compdef mount.msd
# SPDX-License-Identifier: GPL-3.0-or-later

_arguments -S \
	'(-o --options)'{-o+,--options=}'[mount options]:options:(ro rw msd.partition=)' \
	'(-f --fake)'{-f,--fake}'[check all and mount nothing]' \
	'(-n --no-mtab)'{-n,--no-mtab}'[do not write utab]' \
	'(-s --sloppy)'{-s,--sloppy}'[take unknown options]' \
	'(-N --namespace)'{-N+,--namespace=}'[mount in this mount namespace]:namespace:_files' \
	'(-t --types)'{-t+,--types=}'[msd or msd.TYPE]:type:(msd)' \
	'(-C --config)'{-C+,--config=}'[read this file]:file:_files' \
	'(-q --quiet)'{-q,--quiet}'[print no warnings]' \
	'*'{-v,--verbose}'[say what is done]' \
	'(- *)'{-h,--help}'[print the options]' \
	'(- *)--usage[print the options in short]' \
	'(- *)'{-V,--version}'[print the version]' \
	'1:image:_files' \
	'2:folder:_files -/'
