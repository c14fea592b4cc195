package supervisor

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"aerie/calico/driver"
)

func TestParseProtocols(t *testing.T) {
	s := parseProtocols([]string{
		"2002-Name       Proto      Table      State  Since         Info",
		"1002-kernel1    Kernel     master4    up     03:02:34.237  ",
		" device1    Device     ---        up     03:02:34.237  ",
		" Mesh_172_28_20_11 BGP        ---        start  03:07:23.432  Connect       Socket: Connection closed",
		" Mesh_172_28_20_12 BGP        ---        up     03:02:54.326  Established   ",
		"0000 ",
	})
	if s.Total != 2 || s.Established != 1 || len(s.Down) != 1 || s.Down[0] != "Mesh_172_28_20_11" {
		t.Errorf("%+v", s)
	}
}

func TestFixedFunction(t *testing.T) {
	text := fixedFunction(map[string]int64{"10.66.0.6": 1795575001, "10.66.0.5": 1795575000}, nil)
	a, b := strings.Index(text, "net = 10.66.0.5/32 then bgp_local_pref = 1795575000;"), strings.Index(text, "10.66.0.6/32")
	if a < 0 || b < a || !strings.Contains(text, "function newest_first() {\n") {
		t.Error(text)
	}
	if text := fixedFunction(nil, nil); !strings.HasSuffix(text, "() {\n}\n") {
		t.Error(text)
	}
}

func TestFixedFunctionOfBothFamilies(t *testing.T) {
	twins, err := driver.ParseTwins("10.66.0.0/24=fd7a:ae:1e:3::")
	if err != nil {
		t.Fatal(err)
	}
	text := fixedFunction(map[string]int64{"10.66.0.5": 1795575000}, twins)
	for _, line := range []string{"net = 10.66.0.5/32 then", "net = fd7a:ae:1e:3::a42:5/128 then bgp_local_pref = 1795575000;"} {
		if !strings.Contains(text, line) {
			t.Error(text)
		}
	}
}

func TestIPv6IsWholeOrNot(t *testing.T) {
	for name, value := range map[string]string{
		"NODENAME": "torino-1", "IP": "172.31.1.10/24", "ETCD_ENDPOINTS": "https://172.31.1.10:2379",
	} {
		t.Setenv(name, value)
	}
	for _, c := range []struct{ six, twins, says string }{
		{"", "", ""},
		{"fd7a:ae:1e:1::ac1f:10a/120", "10.65.0.0/16=fd7a:ae:1e:2::", ""},
		{"fd7a:ae:1e:1::ac1f:10a/120", "", "go together"},
		{"", "10.65.0.0/16=fd7a:ae:1e:2::", "go together"},
		{"fd7a:ae:1e:1::ac1f:10a", "10.65.0.0/16=fd7a:ae:1e:2::", "IPv6 address"},
		{"172.31.1.10/24", "10.65.0.0/16=fd7a:ae:1e:2::", "IPv6 address"},
		{"fd7a:ae:1e:1::ac1f:10a/120", "10.65.0.0/16", "CALICO_TWINS"},
	} {
		t.Setenv("IP6", c.six)
		t.Setenv("CALICO_TWINS", c.twins)
		s, err := Load()
		if c.says == "" && (err != nil || s.IP6 != c.six || (len(s.Twins) > 0) != (c.twins != "")) {
			t.Errorf("%+v: %+v %v", c, s, err)
		}
		if c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)) {
			t.Errorf("%+v: %v", c, err)
		}
		if on := defaults("torino-1")["FELIX_IPV6SUPPORT"]; on != strconv.FormatBool(c.six != "") {
			t.Errorf("%+v: Felix %s", c, on)
		}
	}
}

func TestLabels(t *testing.T) {
	labels, err := parseLabels("site=torino, front-end=true,")
	if err != nil || len(labels) != 2 || labels["front-end"] != "true" {
		t.Error(labels, err)
	}
	if _, err := parseLabels("torino"); err == nil {
		t.Error("a word is no label")
	}
	var have map[string]string
	if !merge(&have, labels) || merge(&have, labels) || have["site"] != "torino" {
		t.Error(have)
	}
}

func TestNextPause(t *testing.T) {
	if p := nextPause(0, 0); p != firstPause {
		t.Error(p)
	}
	if p := nextPause(20*time.Second, time.Second); p != longestWait {
		t.Error(p)
	}
	if p := nextPause(longestWait, 2*steady); p != firstPause {
		t.Error(p)
	}
}

func TestAttemptsGetMoreTimeUpToAMinute(t *testing.T) {
	limits := []time.Duration{}
	for limit := firstLimit; len(limits) < 5; limit = nextLimit(limit) {
		limits = append(limits, limit/time.Second)
	}
	if fmt.Sprint(limits) != fmt.Sprint([]time.Duration{10, 20, 40, 60, 60}) {
		t.Error(limits)
	}
}

func TestUntilGivesTheSecondAttemptMoreTime(t *testing.T) {
	seen := []time.Duration{}
	err := until(context.Background(), "slow", func(ctx context.Context) error {
		end, _ := ctx.Deadline()
		seen = append(seen, time.Until(end).Round(time.Second))
		if len(seen) < 2 {
			return context.DeadlineExceeded
		}
		return nil
	})
	if err != nil || len(seen) != 2 || seen[1] <= seen[0] {
		t.Error(err, seen)
	}
}

func TestLoadNamesWhatIsMissing(t *testing.T) {
	t.Setenv("NODENAME", "torino-1")
	t.Setenv("IP", "172.31.1.10/24")
	t.Setenv("ETCD_ENDPOINTS", "")
	if _, err := Load(); err == nil || !strings.Contains(err.Error(), "ETCD_ENDPOINTS") {
		t.Error(err)
	}
	t.Setenv("ETCD_ENDPOINTS", "https://172.31.1.10:2379")
	if s, err := Load(); err != nil || s.Profile != "aerie" || s.Interval != 15*time.Second {
		t.Errorf("%+v %v", s, err)
	}
	t.Setenv("CALICO_REFLECTOR_CLUSTER", "torino")
	if _, err := Load(); err == nil || !strings.Contains(err.Error(), "IPv4 address") {
		t.Error(err)
	}
	t.Setenv("CALICO_REFLECTOR_CLUSTER", "172.31.1.10")
	if s, err := Load(); err != nil || s.Cluster != "172.31.1.10" {
		t.Errorf("%+v %v", s, err)
	}
	t.Setenv("NODENAME", "Torino-1")
	if _, err := Load(); err == nil || !strings.Contains(err.Error(), "lower case") {
		t.Error(err)
	}
}

func TestLastLine(t *testing.T) {
	if lastLine("a\nb\n") != "b" || lastLine("") != "" {
		t.Error("last line")
	}
}
