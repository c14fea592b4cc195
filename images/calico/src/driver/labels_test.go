package driver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	libapi "github.com/projectcalico/calico/libcalico-go/lib/apis/v3"
	"github.com/projectcalico/calico/libcalico-go/lib/clientv3"
	cerrors "github.com/projectcalico/calico/libcalico-go/lib/errors"
	"github.com/projectcalico/calico/libcalico-go/lib/options"
)

// store is as much of etcd as labels need: this node's endpoints.
type store struct {
	clientv3.Interface
	clientv3.WorkloadEndpointInterface
	mu       sync.Mutex
	items    map[string]*libapi.WorkloadEndpoint
	away     bool // etcd does not answer
	conflict int  // so many updates are too late
	updates  int
}

func (s *store) WorkloadEndpoints() clientv3.WorkloadEndpointInterface { return s }

func (s *store) Get(_ context.Context, _, name string, _ options.GetOptions) (*libapi.WorkloadEndpoint, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.away {
		return nil, context.DeadlineExceeded
	}
	w, ok := s.items[name]
	if !ok {
		return nil, cerrors.ErrorResourceDoesNotExist{Identifier: name}
	}
	return w.DeepCopy(), nil
}

func (s *store) Update(_ context.Context, w *libapi.WorkloadEndpoint, _ options.SetOptions) (*libapi.WorkloadEndpoint, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.updates++
	if s.conflict > 0 {
		s.conflict--
		return nil, cerrors.ErrorResourceUpdateConflict{Identifier: w.Name}
	}
	s.items[w.Name] = w.DeepCopy()
	return w, nil
}

func (s *store) of(t *testing.T, d *Driver, endpoint string) libapi.WorkloadEndpoint {
	t.Helper()
	name, err := d.wepName(endpoint)
	if err != nil {
		t.Fatal(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return *s.items[name].DeepCopy()
}

// engine is as much of Docker as labels need.
type engine struct {
	mu      sync.Mutex
	list    []container
	starts  chan string
	streams int
	asked   []string // the filters of each list
}

func (e *engine) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/containers/json" {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.asked = append(e.asked, r.URL.Query().Get("filters"))
		_ = json.NewEncoder(w).Encode(e.list)
		return
	}
	e.mu.Lock()
	e.streams++
	e.mu.Unlock()
	w.WriteHeader(http.StatusOK)
	w.(http.Flusher).Flush()
	for {
		select {
		case <-r.Context().Done():
			return
		case id := <-e.starts:
			if id == "" {
				return // Docker ends the stream
			}
			fmt.Fprintf(w, `{"Type":"container","Action":"start","Actor":{"ID":%q,"Attributes":{}}}`+"\n", id)
			w.(http.Flusher).Flush()
		}
	}
}

func (e *engine) set(list ...container) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.list = list
}

const one, two = "e1e1e1e1e1e1e1e1", "e2e2e2e2e2e2e2e2"

func running(id, endpoint string, labels map[string]string) container {
	c := container{ID: id, State: "running", Labels: labels}
	c.NetworkSettings.Networks = map[string]attachment{
		"calico": {NetworkID: "n", EndpointID: endpoint}, "elsewhere": {NetworkID: "m", EndpointID: "no-endpoint-of-calico"},
	}
	return c
}

func world(t *testing.T) (*Driver, *store, *engine) {
	t.Helper()
	e := &engine{starts: make(chan string)}
	socket := filepath.Join(t.TempDir(), "docker.sock")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: e}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close() })
	s := &store{items: map[string]*libapi.WorkloadEndpoint{}}
	d := New(s, Config{Node: "n1", Docker: socket, State: t.TempDir(), Profile: "p"})
	for _, id := range []string{one, two} {
		name, err := d.wepName(id)
		if err != nil {
			t.Fatal(err)
		}
		w := libapi.NewWorkloadEndpoint()
		w.Name, w.Namespace = name, namespace
		w.Labels = map[string]string{"projectcalico.org/namespace": namespace}
		w.Spec.Endpoint, w.Spec.Node = id, "n1"
		s.items[name] = w
	}
	return d, s, e
}

func within5(t *testing.T, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		if done() {
			return
		}
	}
	t.Fatalf("not within 5 s: %s", what)
}

var pool = map[string]string{labelPfx + "aerie-pool": "demo", labelPfx + "aerie-role": "executor", "other": "x"}

func TestAStartIsLabelledAtOnce(t *testing.T) {
	d, s, e := world(t)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go d.watchStarts(ctx)
	within5(t, "reconcile is woken for what started before", func() bool { return len(d.wake) == 1 })
	e.set(running("c1", one, pool))
	e.starts <- "c1"
	within5(t, "labels", func() bool { return s.of(t, d, one).Labels["aerie-pool"] == "demo" })
	w := s.of(t, d, one)
	if w.Labels["aerie-role"] != "executor" || w.Labels["projectcalico.org/namespace"] != namespace || w.Spec.ContainerID != "c1" {
		t.Errorf("%v %v", w.Labels, w.Spec.ContainerID)
	}
	if _, ok := w.Labels["other"]; ok {
		t.Error("only labels for Calico are copied")
	}
	if got := s.of(t, d, two); got.Labels["aerie-pool"] != "" {
		t.Error("another container's endpoint has its labels")
	}
	if e.asked[len(e.asked)-1] != `{"id":["c1"]}` {
		t.Error(e.asked)
	}
	<-d.wake
	e.starts <- "" // the stream breaks
	within5(t, "it listens again, and reconcile looks for what was missed", func() bool { return len(d.wake) == 1 })
	if e.streams != 2 {
		t.Errorf("%d streams", e.streams)
	}
}

func TestLabelsWithoutDockersWord(t *testing.T) {
	d, s, e := world(t)
	done := make(chan struct{})
	go func() { d.label("n", one); close(done) }()
	within5(t, "it looks again", func() bool { e.mu.Lock(); defer e.mu.Unlock(); return len(e.asked) > 1 })
	e.set(running("c1", one, pool))
	<-done
	if s.of(t, d, one).Labels["aerie-pool"] != "demo" || e.asked[0] != `{"network":["n"]}` {
		t.Error(s.of(t, d, one).Labels, e.asked)
	}
}

func TestLabelsWaitForEtcd(t *testing.T) {
	d, s, e := world(t)
	e.set(running("c1", one, pool))
	s.away = true
	done := make(chan struct{})
	go func() { d.labelContainer(context.Background(), "c1"); close(done) }()
	within5(t, "it tries again", func() bool { e.mu.Lock(); defer e.mu.Unlock(); return len(e.asked) > 1 })
	s.mu.Lock()
	s.away, s.conflict = false, 2
	s.mu.Unlock()
	<-done
	if s.of(t, d, one).Labels["aerie-pool"] != "demo" || s.updates != 3 {
		t.Error(s.of(t, d, one).Labels, s.updates)
	}
}

func TestReconcileLabelsWhatCameMeanwhile(t *testing.T) {
	d, s, _ := world(t)
	containers := []container{running("c1", one, pool), running("c2", two, nil)}
	list := func() map[string]libapi.WorkloadEndpoint {
		return map[string]libapi.WorkloadEndpoint{one: s.of(t, d, one), two: s.of(t, d, two)}
	}
	mine := list()
	d.relabel(context.Background(), mine, containers)
	if got := s.of(t, d, one); got.Labels["aerie-pool"] != "demo" || got.Spec.ContainerID != "c1" {
		t.Errorf("%v %v", got.Labels, got.Spec.ContainerID)
	}
	if got := s.of(t, d, two); got.Labels["aerie-pool"] != "" || got.Spec.ContainerID != "c2" {
		t.Errorf("%v %v", got.Labels, got.Spec.ContainerID)
	}
	if _, ok := mine[one].Labels["aerie-pool"]; ok {
		t.Error("the list that others use was changed")
	}
	before := s.updates
	d.relabel(context.Background(), list(), containers)
	if s.updates != before {
		t.Error("what is labelled is written again")
	}
}

func TestPatchLeavesWhatIsNotCalicos(t *testing.T) {
	d, s, _ := world(t)
	if !d.patch(context.Background(), "no-endpoint-of-calico", container{ID: "c"}) || s.updates != 0 {
		t.Error("tried again for ever")
	}
	s.conflict = 100
	if d.patch(context.Background(), one, running("c1", one, pool)) {
		t.Error("said to be done")
	}
}

func TestEventsThatDockerRefuses(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "docker.sock")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.NotFoundHandler()}
	go func() { _ = server.Serve(l) }()
	defer server.Close()
	err = newDocker(socket).started(context.Background(), func() { t.Error("listens") }, func(string) { t.Error("started") })
	var status statusError
	if !errors.As(err, &status) || !strings.Contains(err.Error(), "404") {
		t.Error(err)
	}
}
