# SPDX-License-Identifier: GPL-3.0-or-later
# What the bats files share: `load helper` comes first in each.
bats_require_minimum_version 1.5.0

# Names of all built programs.
programs()
{
  local file

  for file in "$MSD_BUILD"/bin/*; do
    [ -f "$file" ] && [ -x "$file" ] && basename "$file"
  done
}

# Sanitizers change sizes and libraries.
sanitized()
{
  nm -D "$1" 2>/dev/null | grep -q __asan
}

# Fails with a message.
fail()
{
  printf '%s\n' "$@" >&2
  return 1
}

# Fails when grep finds something, and shows it. ("! grep" would not end a bats test.)
none()
{
  if grep -nE "$@"; then
    return 1
  fi
}
