package driver

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestParseNetworks(t *testing.T) {
	got, err := ParseNetworks(" calico, fixed=10.66.0.0/24 ,")
	if err != nil || len(got) != 2 || got[0] != (Network{"calico", ""}) || got[1] != (Network{"fixed", "10.66.0.0/24"}) {
		t.Errorf("%v %v", got, err)
	}
	for _, bad := range []string{"fixed=", "fixed=10.66.0.0", "=10.66.0.0/24"} {
		if _, err := ParseNetworks(bad); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

const listing = `[
 {"Id": "a", "Created": 10, "State": "exited", "NetworkSettings": {"Networks":
   {"fixed": {"EndpointID": "", "IPAMConfig": {"IPv4Address": "10.66.0.5"}}}}},
 {"Id": "b", "Created": 20, "State": "running", "NetworkSettings": {"Networks":
   {"fixed": {"EndpointID": "e2", "IPAddress": "10.66.0.5", "IPAMConfig": {"IPv4Address": "10.66.0.5"}}}}},
 {"Id": "c", "Created": 30, "State": "running", "NetworkSettings": {"Networks":
   {"calico": {"EndpointID": "e3", "IPAddress": "10.65.0.7", "IPAMConfig": null}}}}]`

func TestContainersOfDocker(t *testing.T) {
	var list []container
	if err := json.Unmarshal([]byte(listing), &list); err != nil {
		t.Fatal(err)
	}
	if got := newestWanting(list, "10.66.0.5"); got.Unix() != 20 {
		t.Errorf("newest: %v", got)
	}
	if got := newestWanting(list, "10.65.0.7"); !got.IsZero() {
		t.Errorf("an address that was not asked for: %v", got)
	}
	if c, a, ok := withEndpoint(list, "e3"); !ok || c.ID != "c" || a.IPAddress != "10.65.0.7" {
		t.Errorf("%v %v %v", c, a, ok)
	}
	if _, _, ok := withEndpoint(list, ""); ok {
		t.Error("a container without an endpoint has none")
	}
}

func TestHasAddress(t *testing.T) {
	if !hasAddress([]string{"10.0.0.1/32"}, "10.0.0.1") || hasAddress([]string{"10.0.0.11/32"}, "10.0.0.1") {
		t.Error("whole addresses are compared")
	}
}

func TestInterfaceNamesFit(t *testing.T) {
	id := strings.Repeat("0123456789abcdef", 4)
	if n := hostIf(id); len(n) != 15 || n != "cali0123456789a" {
		t.Error(n)
	}
	if n := peerIf(id); len(n) > 15 {
		t.Error(n)
	}
}

func TestLabelsForPolicies(t *testing.T) {
	got := endpointLabels(map[string]string{"org.projectcalico.label.role": "web", "other": "x"})
	if len(got) != 1 || got["role"] != "web" {
		t.Error(got)
	}
}

func TestBounded(t *testing.T) {
	calls := 0
	fails := func(context.Context, *request) (any, error) { calls++; return nil, errors.New("no") }
	if _, err := bounded("/IpamDriver.RequestAddress", fails, &request{}); err == nil || calls != 1 {
		t.Errorf("a refusal is told at once: %v after %d calls", err, calls)
	}
	if _, err := bounded("/NetworkDriver.DeleteEndpoint", fails, &request{}); err != nil {
		t.Errorf("giving back never fails: %v", err)
	}
	calls = 0
	slow := func(context.Context, *request) (any, error) {
		if calls++; calls < 3 {
			return nil, context.DeadlineExceeded
		}
		return "done", nil
	}
	if out, err := bounded("/IpamDriver.RequestAddress", slow, &request{}); out != "done" || err != nil || calls != 3 {
		t.Errorf("%v %v after %d calls", out, err, calls)
	}
}

func TestOverdue(t *testing.T) {
	d := New(nil, Config{Node: "n"})
	next := map[string]time.Time{}
	if d.overdue("x", next) || len(next) != 1 {
		t.Error("suspect at first sight")
	}
	d.suspects["y"] = time.Now().Add(-2 * patience)
	if !d.overdue("y", next) {
		t.Error("not even after so long")
	}
}

func TestFixedAddresses(t *testing.T) {
	var f fixedAddresses
	var told map[string]int64
	tell := func(m map[string]int64) { told = m }
	f.add("10.66.0.5", 7, tell)
	f.remove("10.65.0.1", func(map[string]int64) { t.Error("nothing changed") })
	if told["10.66.0.5"] != 7 {
		t.Error(told)
	}
	f.remove("10.66.0.5", tell)
	if len(told) != 0 {
		t.Error(told)
	}
}

func TestServeReplacesADeadSocket(t *testing.T) {
	dir := t.TempDir()
	old, err := net.Listen("unix", SocketPath(dir))
	if err != nil {
		t.Fatal(err)
	}
	old.(*net.UnixListener).SetUnlinkOnClose(false)
	old.Close()
	d := New(nil, Config{Node: "n", Sockets: dir, State: filepath.Join(dir, "state")})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- d.Serve(ctx) }()
	client := http.Client{Transport: &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
		return net.Dial("unix", SocketPath(dir))
	}}}
	var resp *http.Response
	for i := 0; i < 100; i++ {
		if resp, err = client.Post("http://x/Plugin.Activate", "", nil); err == nil {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if err != nil {
		t.Fatal(err)
	}
	var answer struct{ Implements []string }
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || len(answer.Implements) != 2 {
		t.Error(answer, err)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(SocketPath(dir)); !errors.Is(err, os.ErrNotExist) {
		t.Error("the socket is left behind")
	}
}
