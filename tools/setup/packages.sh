# Debian packages. Sourced by setup.sh.
# shellcheck shell=bash disable=SC2154

# The commands that the tools and the unit tests call, with the package that has each. dockerd needs iptables.
commands="node=nodejs ssh=openssh-client debootstrap=debootstrap git=git jq=jq ip=iproute2 curl=curl make=make flock=util-linux"

# Ends the script unless this user is root or may become it. $1 says what for.
need_root() {
	[ "$(id -u)" != 0 ] || return 0
	if command -v sudo >/dev/null && { sudo -n true 2>/dev/null || sudo -v; }; then
		return
	fi
	fail "root is needed $1, and sudo does not give it to $(id -un)" "Run tools/setup.sh as root once, then as yourself."
}

# Runs a command as root.
as_root() {
	if [ "$(id -u)" = 0 ]; then "$@"; else sudo -- "$@"; fi
}

# Debian keeps some commands where a user's PATH doesn't look.
has() { command -v "$1" >/dev/null || [ -x "/usr/sbin/$1" ]; }

# Prints the packages of the commands that are missing.
missing_packages() {
	local pair
	for pair in $commands; do
		has "${pair%=*}" || printf '%s ' "${pair#*=}"
	done
	[ -e /etc/ssl/certs/ca-certificates.crt ] || printf 'ca-certificates '
	python_with_venv >/dev/null || printf 'python3 python3-venv '
}

# Installs packages with apt.
install() {
	local log
	command -v apt-get >/dev/null || fail "these are missing and there is no apt to install them with: $*" \
		"Install them by this system's own means, then run tools/setup.sh again."
	need_root "to install packages ($*)"
	log=$(mktemp)
	if ! { as_root apt-get -o DPkg::Lock::Timeout=300 update &&
		as_root env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -y --no-install-recommends "$@"; } \
		>"$log" 2>&1; then
		tail -n 20 "$log" >&2
		rm -f "$log"
		fail "apt could not install: $*" "Its last words are above; mend that, then run tools/setup.sh again."
	fi
	rm -f "$log"
}

set_up_packages() {
	local missing
	missing=$(missing_packages)
	if [ -z "$missing" ]; then
		say "packages: all there"
		return
	fi
	say "packages: installing ${missing% }"
	# shellcheck disable=SC2086
	install $missing
}

# What only the live tests of the web page need: 130 MB that `make up` does without.
set_up_browser() {
	if { has chromium || has google-chrome || has google-chrome-stable; } && has chromedriver; then
		say "browser: there"
		return
	fi
	if grep -qs '^ID=ubuntu' /etc/os-release; then
		fail "Ubuntu has Chromium only as a snap, which the tests can't drive" "Install Google Chrome and the chromedriver of its version."
	fi
	say "browser: installing chromium and chromium-driver"
	install chromium chromium-driver
}

# What brings the jars of images/opensearch, which only a federation with `monitoring.history` needs.
set_up_maven() {
	if has mvn; then
		say "maven: there"
		return
	fi
	say "maven: installing"
	install maven
}
