package driver

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
)

// Twins say which IPv6 address goes with an IPv4 one: the same 32 bits at the end of another network. So nobody gives out IPv6
// addresses: whoever has the IPv4 address has its twin, from the same moment and until the same moment.
type Twins []twins

type twins struct {
	of netip.Prefix
	in netip.Addr // its last 32 bits are zero
}

// ParseTwins reads "10.65.0.0/16=fd7a:ae:1e:2::,10.66.0.0/24=fd7a:ae:1e:3::".
func ParseTwins(text string) (Twins, error) {
	var out Twins
	for _, word := range strings.Split(text, ",") {
		if word = strings.TrimSpace(word); word == "" {
			continue
		}
		four, six, _ := strings.Cut(word, "=")
		of, err := netip.ParsePrefix(four)
		in, err6 := netip.ParseAddr(six)
		if err != nil || err6 != nil || !of.Addr().Is4() || !in.Is6() || in.Is4In6() || in.As16() != low32(in, [4]byte{}) {
			return nil, fmt.Errorf("%q: write IPV4-NETWORK=IPV6-ADDRESS with 32 zero bits last, for instance 10.65.0.0/16=fd7a:ae:1e:2::", word)
		}
		out = append(out, twins{of.Masked(), in})
	}
	return out, nil
}

func low32(in netip.Addr, low [4]byte) [16]byte {
	all := in.As16()
	copy(all[12:], low[:])
	return all
}

// Of gives the twin of an address, nil if it has none.
func (t Twins) Of(ip net.IP) net.IP {
	v4, ok := netip.AddrFromSlice(ip)
	if v4 = v4.Unmap(); !ok || !v4.Is4() {
		return nil
	}
	for _, each := range t {
		if each.of.Contains(v4) {
			all := low32(each.in, v4.As4())
			return net.IP(all[:])
		}
	}
	return nil
}

// isTwin: of an endpoint's addresses those that no allocation stands for.
func isTwin(address string) bool { return strings.Contains(address, ":") }
