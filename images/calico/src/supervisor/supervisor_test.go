package supervisor

import (
	"strings"
	"testing"
	"time"
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
	text := fixedFunction(map[string]int64{"10.66.0.6": 1795575001, "10.66.0.5": 1795575000})
	a, b := strings.Index(text, "net = 10.66.0.5/32 then bgp_local_pref = 1795575000;"), strings.Index(text, "10.66.0.6/32")
	if a < 0 || b < a || !strings.Contains(text, "function newest_first() {\n") {
		t.Error(text)
	}
	if text := fixedFunction(nil); !strings.HasSuffix(text, "() {\n}\n") {
		t.Error(text)
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
