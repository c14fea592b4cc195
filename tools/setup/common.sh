# What setup.sh, env and stack-init share. Sourced by bash; needs `root`, the clone's folder.
# shellcheck shell=bash disable=SC2154
. "$root/tools/toolchain/versions.sh"

# Where everything built or fetched is kept, outside the clone.
cache=${AERIE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/aerie}

say() { printf '%s\n' "$*"; }

# Ends the script: what went wrong, then what to do about it.
fail() {
	printf 'aerie: %s\n' "$1" >&2
	shift
	[ $# = 0 ] || printf '  %s\n' "$@" >&2
	exit 1
}

# Prints the federation's name, from federation.yaml.
federation_name() {
	local name
	name=$(sed -n 's/^name:[[:space:]]*["'\'']\{0,1\}\([A-Za-z0-9._-]*\).*/\1/p' "$root/federation.yaml" 2>/dev/null | head -n 1)
	[[ $name =~ ^[A-Za-z0-9] ]] || fail "federation.yaml has no name" "Write a line such as: name: aerie"
	printf '%s' "$name"
}

# Prints the folder of one federation's state.
aerie_home() {
	if [ -n "${AERIE_HOME:-}" ]; then
		printf '%s' "$AERIE_HOME"
	else
		local name
		name=$(federation_name) || exit 1
		printf '%s/.aerie/%s' "$HOME" "$name"
	fi
}

# Prints the project's name, from Pulumi.yaml.
project_name() { sed -n 's/^name:[[:space:]]*\([A-Za-z0-9._-]*\).*/\1/p' "$root/Pulumi.yaml" | head -n 1; }

# Prints 12 hex digits that name the content of standard input.
digest() { sha256sum | cut -c 1-12; }

# Prints the name of the substitute toolchain's folder: it follows what it is built from.
toolchain_name() {
	printf 'toolchain-'
	(cd "$root/tools/toolchain" && find . -type f ! -name '*_test.go' ! -name '*.md' -print0 | LC_ALL=C sort -z | xargs -0 sha256sum) | digest
}

# True if version $1 is $2 or later.
at_least() { [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]; }

# True if the folder $1 holds every plugin.
has_plugins() {
	local plugin
	for plugin in $PULUMI_PLUGINS; do
		[ -x "$1/resource-${plugin%=*}-v${plugin#*=}/pulumi-resource-${plugin%=*}" ] || return 1
	done
}

# Prints the path of the first `pulumi` on PATH that isn't from the cache.
pulumi_on_path() {
	local dir
	local IFS=:
	for dir in $PATH; do
		case $dir in "$cache"/*) continue ;; esac
		[ -x "$dir/pulumi" ] && [ ! -d "$dir/pulumi" ] && printf '%s/pulumi' "$dir" && return
	done
	return 1
}

# True if the CLI $1 is new enough and has its Python host beside it or on PATH.
pulumi_suits() {
	local version
	version=$(PULUMI_SKIP_UPDATE_CHECK=true timeout 10 "$1" version 2>/dev/null) || return 1
	version=${version#v}
	at_least "${version%%[-+]*}" "$PULUMI_OLDEST" || return 1
	[ -x "$(dirname "$1")/pulumi-language-python" ] || command -v pulumi-language-python >/dev/null
}

# Sets pulumi_kind and pulumi_dir to what is to be used, without fetching anything:
#   path       DIR/pulumi, the user's own with its plugins in PULUMI_HOME
#   official   DIR/bin and DIR/plugins, put there by Pulumi's installer
#   substitute the same, built from tools/toolchain
find_pulumi() {
	local own
	pulumi_kind='' pulumi_dir=''
	if [ "${AERIE_PULUMI:-}" != substitute ] && own=$(pulumi_on_path) && has_plugins "$HOME/.pulumi/plugins" && pulumi_suits "$own"; then
		pulumi_kind=path pulumi_dir=$(dirname "$own")
	elif [ "${AERIE_PULUMI:-}" != substitute ] && [ -x "$cache/pulumi-$PULUMI_VERSION/bin/pulumi" ]; then
		pulumi_kind=official pulumi_dir=$cache/pulumi-$PULUMI_VERSION
	elif pulumi_dir=$cache/$(toolchain_name) && [ -x "$pulumi_dir/bin/pulumi" ]; then
		pulumi_kind=substitute
	else
		pulumi_dir=''
		return 1
	fi
}
