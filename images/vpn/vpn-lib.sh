# Interfaces and their settings.  Sourced by `vpn`.

CONFIG=/etc/aerie/vpn
STATE=/run/vpn
# Marks the routes that are ours in the kernel's tables ("static" would do, but others use that too).
PROTOCOL=157
# The metric of routes that are only for when BIRD sets none: its own have 32.
FALLBACK=2000
# Of IPv6 routes that go before: `ip` makes 1024 of a metric that is not given.
METRIC6=1024
# The table of routes that are for when the table main has none but its default route.
LAST_RESORT=157

say() { echo "vpn: $*"; }

# The interfaces that this container made or took over.
our_interfaces() {
    local file
    for file in "$STATE"/wg-*.made; do
        [ -e "$file" ] && basename "$file" .made
    done
    return 0
}

# comment FILE KEY: the value of "# KEY = value"
comment() { sed -n "s/^#[[:blank:]]*$2[[:blank:]]*=[[:blank:]]*//Ip" "$1" | head -n 1; }

# The file as wg takes it, with the private key.  Read through a pipe only: the key is written nowhere else.
with_key() {
    awk -v key="$(cat "$CONFIG/private.key")" '
        /^[[:blank:]]*#/ { next }
        { print }
        /^\[Interface\]/ { print "PrivateKey = " key }' "$1"
}

# create INTERFACE: makes it if it is not there
create() {
    [ -e "/sys/class/net/$1" ] && wg show "$1" > /dev/null 2>&1 && { touch "$STATE/$1.made"; return 0; }
    ip link delete "$1" 2>/dev/null
    if ip link add "$1" type wireguard 2>/dev/null; then
        touch "$STATE/$1.made"
        say "$1: made by the kernel"
        return 0
    fi
    [ -c /dev/net/tun ] || { echo "$1: the kernel has no WireGuard, and /dev/net/tun is missing"; return 1; }
    # `-f`, and never the variable WG_PROCESS_FOREGROUND: with it set wireguard-go starts itself over and over.
    # Its output goes to the log of the container (5, see `run`); `create` runs in the supervisor itself, so that it is its child.
    env -u WG_PROCESS_FOREGROUND LOG_LEVEL=error wireguard-go -f "$1" >&5 2>&5 5>&- 9>&- &
    daemon[$!]=$1
    local pid=$! deadline=$((SECONDS + 10))
    until wg show "$1" > /dev/null 2>&1; do
        kill -0 $pid 2>/dev/null || { echo "$1: wireguard-go ended at once"; return 1; }
        [ $SECONDS -lt $deadline ] || { echo "$1: wireguard-go is not ready after 10 s"; kill $pid; return 1; }
        sleep 0.02
    done
    touch "$STATE/$1.made"
    say "$1: made by wireguard-go"
}

remove() {
    local pid
    for pid in "${!daemon[@]}"; do
        if [ "${daemon[$pid]}" = "$1" ]; then
            unset "daemon[$pid]"
            kill "$pid" 2>/dev/null && wait "$pid" 2>/dev/null
        fi
    done
    ip link delete "$1" 2>/dev/null
    rm -f "$STATE/$1".*
    say "$1: removed"
}

# ipv6_on INTERFACE: the machine's setting for new interfaces may be off; to change it takes --security-opt systempaths=unconfined
ipv6_on() {
    local file=/proc/sys/net/ipv6/conf/$1/disable_ipv6
    [ -e "$file" ] || return 1
    [ "$(cat "$file")" = 0 ] || { echo 0 > "$file"; } 2>/dev/null
}

# set_address6 INTERFACE ADDRESS: the only IPv6 address beside the link-local one, or none.  It is not asked for in the tunnel
# (nodad): nobody else can have it.  Where IPv6 cannot be, IPv4 goes on all the same: so it is for a moment when it is taken away,
# since the container is made anew before the files are.
set_address6() {
    local have
    rm -f "$STATE/$1.no-ipv6"
    if [ -n "$2" ] && ! ipv6_on "$1"; then
        say "$1: IPv6 cannot be turned on here, so it has IPv4 only"
        touch "$STATE/$1.no-ipv6"
        return 0
    fi
    for have in $(ip -o -6 addr show dev "$1" scope global | awk '{ print $4 }'); do
        [ "$have" = "$2" ] || ip addr del "$have" dev "$1" || return 1
    done
    [ -z "$2" ] || ip addr replace "$2" dev "$1" nodad
}

# apply INTERFACE FILE: keys, peers, addresses and routes.  Sessions of peers that stay are kept.
apply() {
    local interface=$1 file=$2 address mtu have
    address=$(comment "$file" Address) mtu=$(comment "$file" Mtu)
    [ -n "$address" ] || { echo "$file: '# Address = ...' is missing"; return 1; }
    wg syncconf "$interface" <(with_key "$file") || return 1
    for have in $(ip -o -4 addr show dev "$interface" | awk '{ print $4 }'); do
        [ "$have" = "$address" ] || [ "$have/32" = "$address" ] || ip addr del "$have" dev "$interface" || return 1
    done
    ip addr replace "$address" dev "$interface" || return 1
    ip link set "$interface" mtu "${mtu:-1420}" up || return 1
    set_address6 "$interface" "$(comment "$file" Address6)" || return 1
    set_routes "$interface" "$file"
}

# wanted_routes INTERFACE FILE: the routes that are to be there now, as "TABLE PREFIX METRIC" lines
#
# While the link is not down: the peer front-end's own route, and those of Routes, which BGP's go before in the kernel's eyes.
# When it is down they go: BIRD, which learns them, then uses what it was told of a way through a third site.
wanted_routes() {
    local peer route state= watched=
    peer=$(comment "$2" Peer)
    [ -e "$STATE/$1.link" ] && read -r state watched < "$STATE/$1.link"
    for route in $(comment "$2" Routes | tr ',' ' '); do
        if [ -z "$peer" ]; then
            echo "main $route 0" # nothing else may know the way
            continue
        fi
        echo "$LAST_RESORT $route 0"
        [ "$state $watched" = "down $peer" ] || echo "main $route $FALLBACK"
    done
    [ -z "$peer" ] || [ "$state $watched" = "down $peer" ] || echo "main $peer/32 0"
    [ ! -e "$STATE/$1.no-ipv6" ] || return 0
    # IPv6 goes the same ways: it is the same tunnel, which the watch probes by IPv4.  The kernel knows no IPv6 metric 0.
    for route in $(comment "$2" Routes6 | tr ',' ' '); do
        echo "$LAST_RESORT $route $METRIC6"
        [ "$state $watched" = "down $peer" ] || echo "main $route $FALLBACK"
    done
    route=$(comment "$2" Peer6)
    [ -z "$route" ] || [ "$state $watched" = "down $peer" ] || echo "main $route/128 $METRIC6"
}

# have_routes INTERFACE: those that are there and ours, in the same form.  `ip` shows the route to a single address without /32,
# and a metric of 0 not at all.
have_routes() {
    local table family
    for table in main $LAST_RESORT; do
        for family in -4 -6; do
            ip -o $family route show table $table dev "$1" proto $PROTOCOL 2>/dev/null | awk -v table=$table '{
                metric = 0
                for (i = 2; i < NF; i++) if ($i == "metric") metric = $(i + 1)
                print table, ($1 ~ /\// ? $1 : $1 ($1 ~ /:/ ? "/128" : "/32")), metric
            }'
        done
    done
}

# set_routes INTERFACE FILE: brings the interface's routes to what is wanted.  `vpn sync` and the watch may both be at it.
set_routes() (
    interface=$1 address=$(comment "$2" Address) address6=$(comment "$2" Address6)
    exec 8> "$STATE/$interface.lock"
    flock 8
    wanted=$(wanted_routes "$interface" "$2")
    have=$(have_routes "$interface")
    while read -r table route metric; do
        [ -n "$route" ] || continue
        [[ $route == *:* ]] && source=$address6 || source=$address
        ip route replace table "$table" "$route" dev "$interface" src "${source%/*}" proto $PROTOCOL metric "$metric" || return 1
    done <<< "$wanted"
    while read -r table route metric; do
        [[ -z $route || $'\n'$wanted$'\n' == *$'\n'"$table $route $metric"$'\n'* ]] \
            || ip route del table "$table" "$route" dev "$interface" proto $PROTOCOL metric "$metric" || return 1
    done <<< "$have"
)

# The table LAST_RESORT is asked after the table main, but before main's default route: what is for a peer's LAN and has no
# other way goes into the tunnel, be it dead, and not in the clear to whoever the default route leads to.  It also keeps the
# reverse path filter from taking the peer's probes for forged, which would leave a link dead for good.
set_rules() {
    local family rules
    for family in $(families); do
        rules=$(ip $family rule show)
        [[ $rules == *32764:* ]] \
            || ip $family rule add pref 32764 lookup main suppress_prefixlength 0 || return 1
        [[ $rules == *32765:* ]] || ip $family rule add pref 32765 lookup $LAST_RESORT || return 1
    done
}

# families: -4, and -6 if a file has an IPv6 address
families() {
    echo -4
    ! grep -qi '^#[[:blank:]]*Address6[[:blank:]]*=' "$CONFIG"/*.conf 2>/dev/null || echo -6
}

remove_rules() {
    local family
    for family in -4 -6; do
        ip $family rule del pref 32764 2>/dev/null
        ip $family rule del pref 32765 2>/dev/null
    done
    return 0
}

# one INTERFACE FILE: brings one interface to what its file says, unless it is so already
one() {
    local interface=$1 file=$2 digest
    digest=$(cat "$file" "$CONFIG/private.key" | sha256sum)
    [ "$(cat "$STATE/$interface.applied" 2>/dev/null)" = "$digest" ] && [ -e "/sys/class/net/$interface" ] && return 0
    create "$interface" && apply "$interface" "$file" || return 1
    echo "$digest" > "$STATE/$interface.applied"
    say "$interface: as $file says"
}

sync_all() {
    local file interface failed=
    declare -A named=()
    set_rules || failed=yes
    for file in "$CONFIG"/*.conf; do
        [ -e "$file" ] || continue
        interface=wg-$(basename "$file" .conf)
        if [[ ! $interface =~ ^wg-[a-z0-9][a-z0-9-]{0,11}$ ]]; then
            say "$file: a peer's name has at most 12 small letters, digits and -" | tee "$STATE/names.error"
            failed=yes
            continue
        fi
        named[$interface]=yes
        # In this very shell, not in a pipe or $(...): wireguard-go has to be its child.
        if one "$interface" "$file" > "$STATE/$interface.said" 2> "$STATE/$interface.error"; then
            rm -f "$STATE/$interface.error"
        else
            cat "$STATE/$interface.said" >> "$STATE/$interface.error"
            failed=yes
        fi
        cat "$STATE/$interface.said"
        [ -e "$STATE/$interface.error" ] && cat "$STATE/$interface.error" >&2
        rm -f "$STATE/$interface.said"
    done
    for interface in $(our_interfaces); do
        [ -n "${named[$interface]-}" ] || remove "$interface"
    done
    [ -z "$failed" ]
}

# What `link-watch` is to probe: INTERFACE PEER-ADDRESS OWN-ADDRESS, a line for each file that names its peer's address
write_watched() {
    local file address peer
    for file in "$CONFIG"/*.conf; do
        [ -e "$file" ] || continue
        address=$(comment "$file" Address) peer=$(comment "$file" Peer)
        [ -z "$peer" ] || [ -z "$address" ] || [ ! -e "$STATE/wg-$(basename "$file" .conf).applied" ] \
            || echo "wg-$(basename "$file" .conf) $peer ${address%/*}"
    done > "$STATE/watched.new"
    cmp -s "$STATE/watched.new" "$STATE/watched" || mv "$STATE/watched.new" "$STATE/watched"
}

# JSON, one object for each peer's file.  Seconds since the last handshake are null before the first.
status() {
    local file peer interface kind state rtt since lost first=yes now
    declare -A link=()
    while read -r interface state rtt since lost; do
        link[$interface]="\"link\": \"$state\", \"rtt_ms\": $rtt, \"since_s\": $since, \"lost\": $lost"
    done < <(link-watch status "$STATE" 2>/dev/null)
    now=$(date +%s)
    printf '['
    for file in "$CONFIG"/*.conf; do
        [ -e "$file" ] || continue
        peer=$(basename "$file" .conf) interface=wg-$(basename "$file" .conf) kind=none
        [ -e "/sys/class/net/$interface" ] && kind=kernel
        [ -S "/run/wireguard/$interface.sock" ] && kind=userspace
        [ $first = yes ] || printf ','
        first=no
        # Fields of a peer's line: interface, public key, preshared key, endpoint, allowed addresses, handshake, rx, tx, keepalive
        wg show "$interface" dump 2>/dev/null | awk -F '\t' -v peer="$peer" -v interface="$interface" -v kind="$kind" -v now="$now" '
            NR == 2 { endpoint = $3; handshake = $5; rx = $6; tx = $7 }
            END {
                printf "\n  {\"peer\": \"%s\", \"interface\": \"%s\", \"implementation\": \"%s\", \"endpoint\": \"%s\", ", peer, interface, kind, endpoint
                printf "\"handshake_age_s\": %s, \"rx_bytes\": %d, \"tx_bytes\": %d, ", (handshake > 0 ? now - handshake : "null"), rx, tx
            }'
        printf '%s, ' "${link[$interface]-"\"link\": \"unknown\", \"rtt_ms\": null, \"since_s\": null, \"lost\": 0"}"
        printf '"applied": %s}' "$([ -e "$STATE/$interface.applied" ] && echo true || echo false)"
    done
    printf '\n]\n'
}
