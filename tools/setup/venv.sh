# The Python environment. Sourced by setup.sh.
# shellcheck shell=bash disable=SC2154

# Prints the path of a Python from 3.11 on that can make environments.
python_with_venv() {
	local name path
	for name in python3 python3.13 python3.12 python3.11; do
		path=$(command -v "$name") || continue
		"$path" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && printf '%s' "$path" && return
	done
	return 1
}

set_up_venv() {
	local python version key dir
	python=$(python_with_venv) || fail "there is no Python 3.11 or later with venv" "Install python3 and python3-venv."
	version=$("$python" -c 'import platform, sys; print(platform.python_version(), platform.machine(), sys.base_prefix)')
	key=$(cd "$root" && { cat requirements.txt requirements-dev.txt && printf '%s' "$version"; } | digest)
	dir=$cache/venv-$key
	# Scripts in an environment hold its path, so it is made in place, and counts once it has its mark.
	if [ ! -e "$dir/.complete" ]; then
		exec 9>"$cache/venv.lock"
		flock -n 9 || { say "venv: waiting for another setup.sh" && flock 9; }
	fi
	if [ ! -e "$dir/.complete" ]; then
		say "venv: installing Python packages for ${version%% *}"
		rm -rf "$dir"
		"$python" -m venv "$dir"
		"$dir/bin/python" -m pip install --quiet --disable-pip-version-check --no-input \
			-r "$root/requirements.txt" -r "$root/requirements-dev.txt" 9>&- ||
			fail "pip could not install the Python packages" "Its last words are above. pip needs its package index, or a mirror of it (PIP_INDEX_URL)."
		touch "$dir/.complete"
	else
		say "venv: ${dir##*/} is there"
	fi
	exec 9>&-
	# The operator's command; by way of a name of its own, as another clone may be about to start it.
	if ! cmp -s "$root/tools/setup/aerie" "$dir/bin/aerie"; then
		cp "$root/tools/setup/aerie" "$dir/bin/.aerie.$$"
		chmod 755 "$dir/bin/.aerie.$$"
		mv "$dir/bin/.aerie.$$" "$dir/bin/aerie"
	fi
	if [ -e "$root/.venv" ] && [ ! -L "$root/.venv" ]; then
		fail "$root/.venv is a folder, not the link that setup.sh makes" "Move it away."
	fi
	[ "$(readlink "$root/.venv" || true)" = "$dir" ] || ln -sfn "$dir" "$root/.venv"
}
