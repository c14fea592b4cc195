package driver

import (
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"

	"github.com/vishvananda/netlink"
)

// gateway6 is the containers' IPv6 gateway: the host's end of every link has this address, which no router passes on.
const gateway6 = "fe80::1"

// noIPv6 takes IPv6 off the host's end of a link whose endpoint has no IPv6 address: a container that gave itself a link-local one
// would be something that no endpoint in Calico stands for.
func noIPv6(link string) {
	if err := sysctl6(link, "disable_ipv6", "1"); err != nil {
		logf("%s: %v", link, err)
	}
}

// withIPv6 makes the host's end the container's gateway, and nothing more: no address by itself, no word of the container's
// about routers is believed.
func withIPv6(link netlink.Link) error {
	for _, s := range [][2]string{
		{"addr_gen_mode", "1"}, {"accept_ra", "0"}, {"accept_redirects", "0"}, {"disable_ipv6", "0"},
	} {
		if err := sysctl6(link.Attrs().Name, s[0], s[1]); err != nil {
			return err
		}
	}
	return addAddress(link, &net.IPNet{IP: net.ParseIP(gateway6), Mask: net.CIDRMask(64, 128)})
}

// addAddress adds one that is usable at once: nobody else can have it, so it is not asked for (RFC 4862, 5.4).
func addAddress(link netlink.Link, address *net.IPNet) error {
	err := netlink.AddrReplace(link, &netlink.Addr{IPNet: address, Flags: syscall.IFA_F_NODAD})
	if err != nil {
		return fmt.Errorf("%s on %s: %w", address, link.Attrs().Name, err)
	}
	return nil
}

// sysctl6 is no error where the kernel has no IPv6 at all.
func sysctl6(link, name, value string) error {
	err := os.WriteFile("/proc/sys/net/ipv6/conf/"+link+"/"+name, []byte(value), 0o644)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

// LanAddress gives the interface that has the node's IPv4 address `four` (both with the length of their networks) the address `six`,
// and takes from it what was the twin of `four` before; with "" it only does the latter.
func LanAddress(four, six string) error {
	own, lan, err := net.ParseCIDR(four)
	if err != nil {
		return err
	}
	link, err := linkWith(own)
	if err != nil {
		return err
	}
	var want *net.IPNet
	if six != "" {
		ip, n, err := net.ParseCIDR(six)
		if err != nil {
			return err
		}
		want = &net.IPNet{IP: ip, Mask: n.Mask}
		for _, s := range [][2]string{{"all", "forwarding"}, {link.Attrs().Name, "forwarding"}} {
			if err := sysctl6(s[0], s[1], "1"); err != nil {
				return err
			}
		}
		if err := sysctl6(link.Attrs().Name, "disable_ipv6", "0"); err != nil {
			return err
		}
		if err := addAddress(link, want); err != nil {
			return err
		}
	}
	have, err := netlink.AddrList(link, netlink.FAMILY_V6)
	if err != nil {
		return err
	}
	for _, a := range have {
		if formerTwin(a.IPNet, own, lan, want) {
			logf("%s: %s is no address of this node any more: removed", link.Attrs().Name, a.IPNet)
			if err := netlink.AddrDel(link, &a); err != nil {
				return err
			}
		}
	}
	return nil
}

// formerTwin: an address on the LAN that is the node's IPv4 address in another network than the one wanted.
func formerTwin(have *net.IPNet, own net.IP, lan, want *net.IPNet) bool {
	ones, _ := have.Mask.Size()
	length, _ := lan.Mask.Size()
	return ones == length+96 && len(have.IP) == net.IPv6len && have.IP.IsGlobalUnicast() &&
		net.IP(have.IP[12:]).Equal(own) && (want == nil || !have.IP.Equal(want.IP))
}

func linkWith(own net.IP) (netlink.Link, error) {
	all, err := netlink.LinkList()
	if err != nil {
		return nil, err
	}
	for _, l := range all {
		if l.Type() == "wireguard" || l.Type() == "tuntap" {
			continue // a tunnel's end has the front-end's LAN address too
		}
		addresses, err := netlink.AddrList(l, netlink.FAMILY_V4)
		if err != nil {
			continue // it may be gone
		}
		for _, a := range addresses {
			if a.IP.Equal(own) {
				return l, nil
			}
		}
	}
	return nil, fmt.Errorf("no interface has %s", own)
}
