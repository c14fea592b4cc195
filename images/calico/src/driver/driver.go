// Package driver is Calico's orchestrator plugin for Docker: a libnetwork remote driver (network and
// IPAM) of LOCAL scope, so that it works on any Docker with remote drivers and needs no cluster store
// in Docker itself.  Addresses come from Calico IPAM and each endpoint becomes a Calico
// WorkloadEndpoint in etcd; Felix and BIRD do all the rest.
//
//	driver.go     what it is made of            server.go     the plugin's socket
//	ipam.go       addresses                     network.go    networks, profiles
//	owner.go      who may have a fixed address  endpoint.go   endpoints, veth pairs
//	docker.go     Docker's own API              reconcile.go  what was left behind or taken away
//	ensure.go     Docker networks that must exist       labels.go     what policies know a container by
//	twins.go      which IPv6 address goes with which    link6.go      IPv6 on a link, and on the LAN
package driver

import (
	"context"
	"log"
	"sync"
	"time"

	"github.com/projectcalico/calico/libcalico-go/lib/clientv3"
)

const (
	namespace = "libnetwork" // the namespace and orchestrator that libcalico-go knows for Docker
	gateway   = "169.254.1.1"
	anyPool   = "CalicoPoolIPv4"
	labelPfx  = "org.projectcalico.label." // container label prefix copied onto the endpoint
)

// Config is what the driver must be told.
type Config struct {
	Node      string
	Sockets   string // where Docker looks for plugins
	State     string // one file per Docker network: its profile's name
	Docker    string // Docker's own socket
	Profile   string // Calico profile of networks made without -o profile=
	MTU       int    // of the containers' interfaces, in bytes
	Twins     Twins  // the containers' IPv6 addresses; none: IPv4 only
	Reconcile time.Duration
	// Publish is told of all fixed addresses of this node, and when (Unix seconds) it got each.
	Publish func(map[string]int64)
}

// Driver serves one node.
type Driver struct {
	Config
	c        clientv3.Interface
	docker   *docker
	handle   string // of this node's address allocations
	wake     chan struct{}
	fixed    fixedAddresses
	mu       sync.Mutex
	suspects map[string]time.Time // what has been without a container, since when
}

type obj = map[string]any

// request is the union of what libnetwork sends.
type request struct {
	NetworkID, EndpointID, PoolID, Address, Pool, SubPool, SandboxKey string
	V6                                                                bool
	Interface                                                         *struct{ Address, AddressIPv6, MacAddress string }
	Options                                                           obj
}

// New makes a driver; nothing is contacted yet.
func New(c clientv3.Interface, cfg Config) *Driver {
	return &Driver{
		Config: cfg, c: c, docker: newDocker(cfg.Docker), handle: handleOf(cfg.Node),
		wake: make(chan struct{}, 1), suspects: map[string]time.Time{},
	}
}

func logf(format string, args ...any) { log.Printf("docker-driver: "+format, args...) }

// Watch reconciles now and then, and at once when somebody else removes an endpoint of this node.
func (d *Driver) Watch(ctx context.Context) {
	go d.watchEndpoints(ctx)
	go d.watchStarts(ctx)
	tick := time.NewTicker(d.Config.Reconcile)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-d.wake:
		}
		pass, cancel := context.WithTimeout(ctx, time.Minute)
		d.Reconcile(pass)
		cancel()
	}
}
