# The Docker engine. Sourced by setup.sh.
# shellcheck shell=bash disable=SC2154

dockerd_log=/var/log/dockerd.log
dockerd_pid=/run/docker-aerie.pid
dockerd_wait=60 # seconds

# Prints the engine's version; fails if it can't be talked to.
engine() { timeout 20 docker version --format '{{.Server.Version}}' 2>/dev/null; }

socket=/var/run/docker.sock

# True if root can talk to the engine.
root_engine() { as_root timeout 20 docker version >/dev/null 2>&1; }

start_engine() {
	if [ -d /run/systemd/system ]; then
		as_root systemctl enable --now docker >/dev/null 2>&1 ||
			fail "the Docker engine does not start" "See: journalctl -u docker"
	else
		# No service manager, as in a container: the engine runs by itself and outlives this shell.
		as_root sh -c "setsid dockerd --pidfile $dockerd_pid >>$dockerd_log 2>&1 </dev/null &"
	fi
}

# Waits until the engine answers.
await_engine() {
	local end=$((SECONDS + dockerd_wait))
	until root_engine; do
		if ((SECONDS >= end)); then
			[ -d /run/systemd/system ] || as_root tail -n 5 "$dockerd_log" >&2 || true
			fail "the Docker engine does not answer after $dockerd_wait s" \
				"See $([ -d /run/systemd/system ] && echo 'journalctl -u docker' || echo "$dockerd_log")"
		fi
		sleep 0.2 # nothing tells when a socket gets its listener
	done
}

# Lets this user use the engine: now by the socket's ACL, later by the group.
allow_user() {
	say "docker: letting $(id -un) use the engine"
	as_root usermod -aG docker "$(id -un)" || true
	has setfacl || install acl
	as_root setfacl -m "u:$(id -un):rw" "$socket"
}

set_up_docker() {
	local version
	if version=$(engine); then
		say "docker: using the running engine $version"
		return
	fi
	if [ -n "${DOCKER_HOST:-}" ]; then
		fail "no Docker engine answers at DOCKER_HOST=$DOCKER_HOST" "Unset DOCKER_HOST to use one on this machine."
	fi
	need_root "to set up the Docker engine"
	if ! has dockerd; then
		say "docker: installing docker.io"
		install docker.io iptables
		command -v docker >/dev/null || install docker-cli # a package of its own since Debian 13
	fi
	if ! root_engine; then # it may run already: a package's script starts it, or only the permission is missing
		say "docker: starting the engine"
		start_engine
		await_engine
	fi
	if ! version=$(engine); then
		allow_user
		version=$(engine) || fail "the Docker engine can't be used by $(id -un)" "Log in again, so that the group docker counts."
	fi
	say "docker: engine $version runs"
}
