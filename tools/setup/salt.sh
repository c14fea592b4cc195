#!/usr/bin/env bash
# Keeps `encryptionsalt` in the checkout's stack files and out of git.
#
# Pulumi wants the salt of a stack's passphrase in Pulumi.<stack>.yaml. Where it is missing the CLI
# writes the file anew: with the salt, and with its own quotes and indentation. But the salt belongs to
# one installation (AERIE_HOME), the file to all of them. So the line is put there from the stack's
# state, as text, before Pulumi looks; and git is told, in this clone's own configuration, to
# leave the line out of what it compares and commits.
#
#   salt.sh sync         put the line into each stack file here whose stack exists, and set git up
#   salt.sh strip NAME   take the line out of one stack file
#   salt.sh smudge FILE  git's filter on checking FILE out: standard input with the line
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
. "$root/tools/setup/common.sh"

# Prints the salt in the state of stack $1, or nothing. It stands ahead of the resources.
salt_of() {
	local state
	state=$(aerie_home)/state/.pulumi/stacks/$(project_name)/$1.json
	[ -f "$state" ] || return 0
	head -c 65536 "$state" | tr -d ' \n\t' |
		sed -n 's/.*"secrets_providers":{"type":"passphrase","state":{"salt":"\([^"]*\)".*/\1/p'
}

# Copies standard input with the salt $1 as its first line, or second behind a `---`. The rest
# stays byte for byte; an empty file stays empty.
with_salt() {
	local line="encryptionsalt: $1"
	sed '/^encryptionsalt:/d' | sed -e '1{' -e '/^---/!i\' -e "$line" -e '/^---/a\' -e "$line" -e '}'
}

stack_of() { local name=${1##*/Pulumi.}; name=${name#Pulumi.}; printf '%s' "${name%.yaml}"; }

sync_all() {
	local file salt new
	for file in "$root"/Pulumi.*.yaml; do
		[ -f "$file" ] || continue
		salt=$(salt_of "$(stack_of "$file")")
		[ -n "$salt" ] || continue
		grep -qxF "encryptionsalt: $salt" "$file" && continue
		file=$(readlink -f "$file")
		new=$(mktemp "${file%/*}/.salt.XXXXXX")
		cp -p "$file" "$new" # its mode and owner
		with_salt "$salt" <"$file" >"$new"
		mv "$new" "$file" # at once: a `pulumi` may be about to read it
	done
}

set_up_git() {
	local prefix attributes line='Pulumi.*.yaml filter=aerie-salt'
	git -C "$root" rev-parse --is-inside-work-tree >/dev/null 2>&1 || return 0
	prefix=$(git -C "$root" rev-parse --show-prefix)
	local script="${prefix}tools/setup/salt.sh"
	local smudge="if [ -x '$script' ]; then '$script' smudge %f; else cat; fi"
	if [ "$(git -C "$root" config --get filter.aerie-salt.smudge)" != "$smudge" ]; then
		git -C "$root" config filter.aerie-salt.clean "sed '/^encryptionsalt:/d'"
		git -C "$root" config filter.aerie-salt.smudge "$smudge"
	fi
	attributes=$(cd "$root" && git rev-parse --git-path info/attributes)
	case $attributes in /*) ;; *) attributes=$root/$attributes ;; esac
	if ! grep -qxF "/$prefix$line" "$attributes" 2>/dev/null; then
		mkdir -p "${attributes%/*}"
		printf '/%s%s\n' "$prefix" "$line" >>"$attributes"
	fi
}

# Git takes a file of another length for changed without a look at what the filter leaves of it.
# So the index is told the new length of each stack file that says the same as before.
refresh_git() {
	local name
	git -C "$root" rev-parse --is-inside-work-tree >/dev/null 2>&1 || return 0
	git -C "$root" diff-files --relative --name-only -z -- 'Pulumi.*.yaml' 2>/dev/null | while IFS= read -r -d '' name; do
		[ -f "$root/$name" ] || continue
		if [ "$(cd "$root" && git ls-files -s -- "$name" | cut -d ' ' -f 2)" = \
			"$(cd "$root" && git hash-object --path "$name" -- "$name")" ]; then
			git -C "$root" update-index -- "$name" 2>/dev/null || true # another git holds the index
		fi
	done
}

case ${1:-} in
sync)
	set_up_git || say "git could not be set up to leave out encryptionsalt; git status will show it" >&2
	sync_all
	refresh_git
	;;
strip)
	file=$root/Pulumi.${2:?}.yaml
	! grep -q '^encryptionsalt:' "$file" 2>/dev/null || sed -i --follow-symlinks '/^encryptionsalt:/d' "$file"
	refresh_git
	;;
smudge)
	salt=$(salt_of "$(stack_of "${2:?}")" || true)
	if [ -n "$salt" ]; then with_salt "$salt"; else cat; fi
	;;
*)
	sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2
	exit 2
	;;
esac
