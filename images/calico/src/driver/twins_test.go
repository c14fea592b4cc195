package driver

import (
	"context"
	"net"
	"strings"
	"testing"

	libapi "github.com/projectcalico/calico/libcalico-go/lib/apis/v3"
	"github.com/projectcalico/calico/libcalico-go/lib/options"
)

const both = "10.65.0.0/16=fd7a:ae:1e:2::, 10.66.0.0/24=fd7a:ae:1e:3::"

func TestTwins(t *testing.T) {
	twins, err := ParseTwins(both)
	if err != nil {
		t.Fatal(err)
	}
	for four, six := range map[string]string{
		"10.65.0.0": "fd7a:ae:1e:2::a41:0", "10.65.255.255": "fd7a:ae:1e:2::a41:ffff", "10.66.0.5": "fd7a:ae:1e:3::a42:5",
	} {
		if got := twins.Of(net.ParseIP(four)); got.String() != six {
			t.Errorf("%s: %s", four, got)
		}
		if got := twins.Of(net.ParseIP(four).To4()); got.String() != six {
			t.Errorf("%s in four bytes: %s", four, got)
		}
	}
	for _, none := range []string{"10.66.1.0", "172.31.1.10", "fd7a:ae:1e:2::a41:1"} {
		if got := twins.Of(net.ParseIP(none)); got != nil {
			t.Errorf("%s: %s", none, got)
		}
	}
	if got, err := ParseTwins(""); got != nil || err != nil || got.Of(net.ParseIP("10.65.0.1")) != nil {
		t.Error("no twins without a word", got, err)
	}
	for _, bad := range []string{
		"10.65.0.0/16", "10.65.0.0=fd00::", "10.65.0.0/16=fd00::1", "10.65.0.0/16=10.0.0.0", "fd00::/64=fd01::", "x=fd00::",
	} {
		if _, err := ParseTwins(bad); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

func (s *store) Create(_ context.Context, w *libapi.WorkloadEndpoint, _ options.SetOptions) (*libapi.WorkloadEndpoint, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.items[w.Name] = w.DeepCopy()
	return w, nil
}

func TestAnEndpointHasBothAddresses(t *testing.T) {
	d, s, _ := world(t)
	make := func(id, address string) obj {
		t.Helper()
		r := &request{EndpointID: id, NetworkID: "n"}
		r.Interface = &struct{ Address, AddressIPv6, MacAddress string }{address, "", ""}
		answer, err := d.createEndpoint(context.Background(), r)
		if err != nil {
			t.Fatal(err)
		}
		return answer.(obj)["Interface"].(obj)
	}
	if got := make("e3e3e3e3e3e3", "10.65.0.7/32"); got["AddressIPv6"] != nil {
		t.Error("an address that nobody asked for", got)
	}
	if got := s.of(t, d, "e3e3e3e3e3e3").Spec.IPNetworks; len(got) != 1 || got[0] != "10.65.0.7/32" {
		t.Error(got)
	}
	var err error
	if d.Twins, err = ParseTwins(both); err != nil {
		t.Fatal(err)
	}
	if got := make("e4e4e4e4e4e4", "10.66.0.5/32"); got["AddressIPv6"] != "fd7a:ae:1e:3::a42:5/128" {
		t.Error(got)
	}
	if got := s.of(t, d, "e4e4e4e4e4e4").Spec.IPNetworks; strings.Join(got, " ") != "10.66.0.5/32 fd7a:ae:1e:3::a42:5/128" {
		t.Error(got)
	}
}

func TestATwinIsNotGivenBack(t *testing.T) {
	d, _, _ := world(t) // its store has no addresses: to ask it for one is a nil pointer
	for _, address := range []string{"fd7a:ae:1e:3::a42:5/128", "fd7a:ae:1e:3::a42:5"} {
		if _, err := d.releaseAddress(context.Background(), &request{Address: address, PoolID: anyPool}); err != nil {
			t.Error(err)
		}
	}
}

func TestFormerTwins(t *testing.T) {
	parse := func(text string) (net.IP, *net.IPNet) {
		ip, n, err := net.ParseCIDR(text)
		if err != nil {
			t.Fatal(err)
		}
		n.IP = ip
		return ip, n
	}
	own, lan := parse("172.31.1.10/24")
	_, want := parse("fd7a:ae:1e:1::ac1f:10a/120")
	for text, former := range map[string]bool{
		"fd7b:ae:1e:1::ac1f:10a/120": true,
		"fd7a:ae:1e:1::ac1f:10a/120": false, // the one that is wanted
		"fd7b:ae:1e:1::ac1f:10b/120": false, // somebody else's
		"fd7b:ae:1e:1::ac1f:10a/64":  false, // the site's own business
		"fe80::ac1f:10a/120":         false,
	} {
		if _, have := parse(text); formerTwin(have, own, lan, want) != former {
			t.Errorf("%s: not %v", text, former)
		}
	}
	if _, have := parse("fd7a:ae:1e:1::ac1f:10a/120"); !formerTwin(have, own, lan, nil) {
		t.Error("without IPv6 it is a former one")
	}
}
