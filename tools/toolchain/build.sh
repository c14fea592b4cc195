#!/usr/bin/env bash
# Builds the substitute Pulumi from Go modules.  usage: build.sh DIR
# DIR/bin gets the CLI and its Python host, DIR/plugins the resource plugins. One line a step on
# stdout, with a count of the packages compiled while a step takes long. GO names the go command.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
. ./versions.sh
: "${1:?usage: build.sh DIR}"
mkdir -p "$1"
out=$(cd "$1" && pwd)
GO=${GO:-go}
# Not what the user has set for other work. The commit is left out, so that the result
# depends on nothing but this folder.
export GOFLAGS=-buildvcs=false GOWORK=off
steps=$(($(wc -w <<<"$PULUMI_PLUGINS") + 2))
step=0
log=$(mktemp)
trap 'rm -f "$log"' EXIT

build() { # MODULE PACKAGE VARIABLE=VERSION FOLDER
	local began=$SECONDS child
	step=$((step + 1))
	echo "  $step/$steps ${2##*/}"
	mkdir -p "$4"
	(cd "$1" && exec nice "$GO" build -v -p "${AERIE_BUILD_JOBS:-$(nproc)}" -trimpath -ldflags "-s -w -X $3" -o "$4/" "$2") 2>"$log" &
	child=$!
	trap 'kill "$child" 2>/dev/null; exit 130' INT TERM
	# `tail --pid` ends as soon as the build does, and at the latest after 15 s.
	while kill -0 "$child" 2>/dev/null; do
		timeout 15 tail -s 0.2 --pid="$child" -f /dev/null || true
		if ((SECONDS - began >= 15)) && kill -0 "$child" 2>/dev/null; then
			echo "      $((SECONDS - began)) s, $(grep -vc '^go: ' "$log") packages compiled, $(grep -c '^go: downloading' "$log") modules fetched"
		fi
	done
	trap - INT TERM
	if ! wait "$child"; then
		grep -v '^go: downloading' "$log" | tail -n 30 >&2
		return 1
	fi
}

version=$PULUMI_VERSION
have=$(cd cli && "$GO" list -m -f '{{.Version}}' github.com/pulumi/pulumi/sdk/v3)
if [ "$have" != "v$version" ]; then
	echo "versions.sh says Pulumi $version, cli/go.mod $have" >&2
	exit 1
fi
stamp="github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=v$version"
build cli github.com/pulumi/pulumi/pkg/v3/cmd/pulumi "$stamp" "$out/bin"
build cli ./pulumi-language-python "$stamp" "$out/bin"
# The host's scripts are in the SDK's module. A module's zip loses the x bit.
sdk=$(cd cli && "$GO" list -m -f '{{.Dir}}' github.com/pulumi/pulumi/sdk/v3)
install -m 755 "$sdk/python/cmd/pulumi-language-python-exec" "$sdk/python/dist/pulumi-resource-pulumi-python" "$out/bin/"
for plugin in $PULUMI_PLUGINS; do
	name=${plugin%=*} module=bridge
	[ "$name" != command ] || module=cli
	build "$module" "./pulumi-resource-$name" "main.version=${plugin#*=}" "$out/plugins/resource-$name-v${plugin#*=}"
done
