# Set-up steps of a machine, run once at each start, before sshd and dockerd.  Sourced by `machine`.

say() { echo "machine: $*"; }

# Docker mounts the control groups read-only; dockerd in here has to make groups below its own.
setup_cgroups() {
    local mount
    for mount in $(awk '$3 == "cgroup" || $3 == "cgroup2" { print $2 }' /proc/mounts); do
        mount -o remount,bind,rw "$mount" || { say "cannot make $mount writable: --cap-add SYS_ADMIN is missing"; return 1; }
    done
    [ -e /sys/fs/cgroup/cgroup.controllers ] || return 0 # version 1

    # Version 2: a group that hands controllers down may not hold processes itself, so all move into one below.  Those
    # that come meanwhile (docker exec) make the write fail; hence again until it goes through.
    mkdir -p /sys/fs/cgroup/init
    local try pid
    for try in 1 2 3 4 5 6 7 8 9 10; do
        while read -r pid; do
            echo "$pid" > /sys/fs/cgroup/init/cgroup.procs 2>/dev/null || true # it may have ended
        done < /sys/fs/cgroup/cgroup.procs
        if sed -e 's/ / +/g' -e 's/^/+/' < /sys/fs/cgroup/cgroup.controllers > /sys/fs/cgroup/cgroup.subtree_control 2>/dev/null; then
            return 0
        fi
    done
    say "cannot hand the control group's controllers down: $(tr '\n' ' ' < /sys/fs/cgroup/cgroup.procs)"
    return 1
}

# set_kernel NAME VALUE: a network setting of this machine's own name space
set_kernel() {
    local file=/proc/sys/${1//.//}
    [ -e "$file" ] || return 0
    [ "$(cat "$file")" = "$2" ] && return 0
    echo "$2" > "$file" || { say "cannot set $1=$2: --security-opt systempaths=unconfined is missing"; return 1; }
}

setup_kernel() {
    set_kernel net.ipv4.ip_forward 1
    # Packets of one connection may come in over a VPN and leave over the LAN.
    set_kernel net.ipv4.conf.all.rp_filter 2
    set_kernel net.ipv4.conf.default.rp_filter 2
    # A machine that vanished closes no connection: what it does not acknowledge is given up after about 100 s, not 15 minutes.
    # Else Mesos' master goes on writing into the old connection of an agent that is back long since.
    set_kernel net.ipv4.tcp_retries2 8
    local interface
    for interface in /proc/sys/net/ipv4/conf/*/rp_filter; do
        [ "$(cat "$interface")" = 1 ] && echo 2 > "$interface"
    done
    # A machine routes for others: it must not tell them that there is a shorter way, nor believe such news.
    set_kernel net.ipv4.conf.all.send_redirects 0
    set_kernel net.ipv4.conf.default.send_redirects 0
    set_kernel net.ipv4.conf.all.accept_redirects 0
    if [ ! -e /proc/sys/net/netfilter/nf_conntrack_max ]; then
        modprobe nf_conntrack 2>/dev/null || say "the kernel has no connection tracking (module nf_conntrack)"
    fi
}

# json_list WORD...: "a", "b"
json_list() {
    local word separator=
    for word in "$@"; do
        printf '%s"%s"' "$separator" "$word"
        separator=', '
    done
}

# daemon.json from AERIE_REGISTRY, AERIE_MTU and AERIE_DNS (lists: with blanks or commas between the words)
setup_docker() {
    : "${AERIE_REGISTRY:=}" "${AERIE_DNS:=}" "${AERIE_MTU:=1500}"
    local words=$AERIE_REGISTRY,$AERIE_DNS,$AERIE_MTU
    if [[ $words =~ [^][0-9A-Za-z.,:_[:blank:]-] ]]; then
        say "AERIE_REGISTRY, AERIE_DNS or AERIE_MTU holds a character that none of them can have: $words"
        return 1
    fi
    mkdir -p /etc/docker
    cat > /etc/docker/daemon.json <<X
{
  "data-root": "/var/lib/docker",
  "exec-root": "/run/docker",
  "hosts": ["unix:///run/docker.sock"],
  "storage-driver": "overlay2",
  "insecure-registries": [$(json_list ${AERIE_REGISTRY//,/ })],
  "dns": [$(json_list ${AERIE_DNS//,/ })],
  "mtu": $AERIE_MTU,
  "live-restore": false,
  "shutdown-timeout": 15,
  "userland-proxy": false,
  "log-level": "warn",
  "log-driver": "json-file",
  "log-opts": { "max-size": "10m", "max-file": "3" }
}
X
    # What a killed machine left; /run should be a tmpfs, but need not be.
    rm -f /run/docker.pid /run/docker.sock /run/docker/containerd/containerd.pid /run/docker/containerd/*.sock* /run/sshd.pid
    mkdir -p /run/docker/plugins
    # Containers may ask for mounts that follow the machine's.
    mount --make-rshared /
}

setup_ssh() {
    local folder=/etc/aerie/machine file
    for file in ssh_host_ed25519_key authorized_keys; do
        [ -s "$folder/$file" ] || { say "$folder/$file is missing"; return 1; }
        # As they were handed over, they may belong to anyone; sshd is strict about that.  Mounted read-only they stay.
        chown root:root "$folder" "$folder/$file" 2>/dev/null || true
        chmod 0600 "$folder/$file" 2>/dev/null || true
    done
    chmod 0700 /etc/aerie "$folder" 2>/dev/null || true
    mkdir -p /run/sshd
    chmod 0755 /run/sshd
    /usr/sbin/sshd -t
}
