package driver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

type handler = func(context.Context, *request) (any, error)

func (d *Driver) handlers() map[string]handler {
	none := func(context.Context, *request) (any, error) { return obj{}, nil }
	fixed := func(answer obj) handler { return func(context.Context, *request) (any, error) { return answer, nil } }
	return map[string]handler{
		"/Plugin.Activate":                           fixed(obj{"Implements": []string{"NetworkDriver", "IpamDriver"}}),
		"/NetworkDriver.GetCapabilities":             fixed(obj{"Scope": "local", "ConnectivityScope": "global"}),
		"/NetworkDriver.CreateNetwork":               d.createNetwork,
		"/NetworkDriver.DeleteNetwork":               d.deleteNetwork,
		"/NetworkDriver.CreateEndpoint":              d.createEndpoint,
		"/NetworkDriver.DeleteEndpoint":              d.deleteEndpoint,
		"/NetworkDriver.EndpointOperInfo":            fixed(obj{"Value": obj{}}),
		"/NetworkDriver.Join":                        d.join,
		"/NetworkDriver.Leave":                       d.leave,
		"/NetworkDriver.DiscoverNew":                 none,
		"/NetworkDriver.DiscoverDelete":              none,
		"/NetworkDriver.ProgramExternalConnectivity": none,
		"/NetworkDriver.RevokeExternalConnectivity":  none,
		"/IpamDriver.GetCapabilities":                fixed(obj{"RequiresMACAddress": false}),
		"/IpamDriver.GetDefaultAddressSpaces": fixed(
			obj{"LocalDefaultAddressSpace": "CalicoLocal", "GlobalDefaultAddressSpace": "CalicoGlobal"}),
		"/IpamDriver.RequestPool":    d.requestPool,
		"/IpamDriver.ReleasePool":    none,
		"/IpamDriver.RequestAddress": d.requestAddress,
		"/IpamDriver.ReleaseAddress": d.releaseAddress,
	}
}

// SocketPath is where Docker finds the driver.
func SocketPath(dir string) string { return filepath.Join(dir, "calico.sock") }

// Serve listens until the context ends, and then removes the socket.
func (d *Driver) Serve(ctx context.Context) error {
	for _, p := range []string{d.Sockets, d.State} {
		if err := os.MkdirAll(p, 0o755); err != nil {
			return err
		}
	}
	path := SocketPath(d.Sockets)
	l, err := replaceSocket(path)
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	for path, h := range d.handlers() {
		mux.HandleFunc(path, d.serve(path, h))
	}
	server := &http.Server{Handler: mux}
	go func() {
		<-ctx.Done()
		_ = os.Remove(path)
		_ = server.Close()
	}()
	logf("listening on %s for node %s", path, d.Node)
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// replaceSocket listens at path, in the place of whatever was there, without a moment between the two.
func replaceSocket(path string) (net.Listener, error) {
	fresh := path + ".new"
	if err := os.Remove(fresh); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: fresh, Net: "unix"})
	if err != nil {
		return nil, err
	}
	l.SetUnlinkOnClose(false)
	if err := errors.Join(os.Chmod(fresh, 0o600), os.Rename(fresh, path)); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

func (d *Driver) serve(path string, h handler) http.HandlerFunc {
	return func(w http.ResponseWriter, q *http.Request) {
		var r request
		if err := json.NewDecoder(q.Body).Decode(&r); err != nil && q.ContentLength > 0 {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		start := time.Now()
		out, err := bounded(path, h, &r)
		w.Header().Set("Content-Type", "application/vnd.docker.plugins.v1.1+json")
		if err != nil {
			logf("%s net=%.12s ep=%.12s addr=%s: %v", path, r.NetworkID, r.EndpointID, r.Address, err)
			w.WriteHeader(http.StatusInternalServerError)
			out = obj{"Err": "calico: " + strings.TrimPrefix(err.Error(), "calico: ")}
		} else if took := time.Since(start); took > time.Second {
			logf("%s net=%.12s ep=%.12s took %v", path, r.NetworkID, r.EndpointID, took.Round(time.Millisecond))
		}
		_ = json.NewEncoder(w).Encode(out)
	}
}

// Taking calls are tried three times (a dead etcd member's connections last up to 40 s); what gives
// back is tried once and then left to reconcile.  libcalico-go's own retries may outlive a context.
const (
	takeTries = 3
	takeLimit = 20 * time.Second
	giveLimit = 5 * time.Second
)

func gives(path string) bool {
	return strings.Contains(path, "Release") || strings.Contains(path, "Delete") || strings.HasSuffix(path, "Leave")
}

// bounded keeps Docker, which holds a lock meanwhile, from waiting for etcd without end.
func bounded(path string, h handler, r *request) (any, error) {
	tries, limit := takeTries, takeLimit
	if gives(path) {
		tries, limit = 1, giveLimit
	}
	var out any
	var err error
	for i := 0; i < tries; i++ {
		if out, err = within(limit, h, r); !timedOut(err) {
			break
		}
		logf("%s: etcd did not answer in %v", path, limit)
	}
	if gives(path) && err != nil {
		logf("%s: %v (left to reconcile)", path, err)
		return obj{}, nil
	}
	return out, err
}

func within(limit time.Duration, h handler, r *request) (any, error) {
	type result struct {
		out any
		err error
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	done := make(chan result, 1)
	go func() {
		out, err := h(ctx, r)
		done <- result{out, err}
	}()
	select {
	case res := <-done:
		return res.out, res.err
	case <-time.After(limit + time.Second):
		return nil, fmt.Errorf("etcd: %w", context.DeadlineExceeded)
	}
}

func timedOut(err error) bool {
	return err != nil && (errors.Is(err, context.DeadlineExceeded) ||
		strings.Contains(err.Error(), context.DeadlineExceeded.Error()))
}
