package supervisor

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/projectcalico/calico/libcalico-go/lib/clientv3"
	"github.com/sirupsen/logrus"

	"aerie/calico/driver"
)

// Run is the container's main program.  SIGTERM ends all daemons and leaves routes, policy and links as
// they are, so traffic goes on until the next container takes over.
func Run() error {
	s, err := Load()
	if err != nil {
		return err
	}
	mtu, err := strconv.Atoi(s.MTU)
	if err != nil || mtu < 576 || mtu > 65535 {
		return fmt.Errorf("CALICO_DOCKER_MTU=%s: write a number of bytes, 576 to 65535", s.MTU)
	}
	networks, err := driver.ParseNetworks(s.Networks)
	if err != nil {
		return fmt.Errorf("CALICO_DOCKER_NETWORKS: %w", err)
	}
	applyDefaults(s.Node)
	for _, dir := range []string{filepath.Dir(birdConfig), filepath.Dir(birdControl), "/var/lib/calico"} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	logrus.SetLevel(logrus.WarnLevel) // of Calico's library in this process; the daemons have settings of their own
	// Nothing is contacted by this; it fails only for settings and files that are wrong.
	c, err := clientv3.NewFromEnv()
	if err != nil {
		return err
	}

	publish := func(since map[string]int64) { publishFixed(since, s.Twins) }
	publish(nil)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	serving, stopServing := context.WithCancel(context.Background())
	defer stopServing()
	d := driver.New(c, driver.Config{
		Node: s.Node, Sockets: s.Sockets, State: s.State, Docker: s.Docker, Profile: s.Profile, MTU: mtu,
		Twins: s.Twins, Reconcile: s.Interval, Publish: publish,
	})
	served := make(chan error, 1)
	go func() { // first of all: Docker may be waiting for it
		served <- d.Serve(serving)
		cancel() // nothing works without the driver
	}()
	farewell := make(chan syscall.Signal, 1)
	var running sync.WaitGroup
	daemons(ctx, c, d, s, networks, &running, farewell)
	<-ctx.Done()
	end(d, farewell)
	running.Wait()
	stopServing()
	return <-served
}

// end lets BIRD go in the way that fits, and the driver with an ending dockerd.
func end(d *driver.Driver, farewell chan<- syscall.Signal) {
	if !d.DockerGone(context.Background()) {
		// This container is being replaced.  BIRD's sudden end is a graceful restart to its peers: they keep the
		// routes for a while.
		farewell <- syscall.SIGKILL
		say("ending; the data plane stays as it is")
		return
	}
	farewell <- syscall.SIGTERM // its peers shall drop this node's routes now
	say("dockerd is ending; serving it until its containers are gone")
	d.Linger(context.Background(), linger)
}

// daemons starts the rest in its order; it returns when all is started or the context has ended.
func daemons(
	ctx context.Context, c clientv3.Interface, d *driver.Driver, s Settings, networks []driver.Network, running *sync.WaitGroup,
	farewell <-chan syscall.Signal,
) {
	start := time.Now()
	steps := []struct {
		what string
		do   func(context.Context) error
	}{
		{"IPv6 address", lanAddress(s)},
		{"machine", shutMachine(s)},
		{"etcd", answers(c)},
		{"startup", func(ctx context.Context) error { return self(ctx, "calico-node", "-startup") }},
		{"node", describeNode(c, s.Node, s.Labels, s.Cluster)},
		{"objects", applyObjects(s.Objects)},
		// Before BIRD: what another node took over must not be announced from here again.
		{"addresses", d.Cut},
	}
	for _, step := range steps {
		if until(ctx, step.what, step.do) != nil {
			return
		}
	}
	say("node %s is ready for its daemons after %v", s.Node, time.Since(start).Round(time.Millisecond))
	children := []child{
		{"felix", []string{"calico-node", "-felix"}, terminate},
		{"confd", []string{"calico-node", "-confd", "-confd-confdir", confdDir}, terminate},
	}
	running.Add(len(children))
	for _, k := range children {
		go k.keep(ctx, running)
	}
	go d.Ensure(ctx, networks)
	go d.Watch(ctx)
	if until(ctx, "bird", func(context.Context) error { return notEmpty(birdConfig) }) != nil {
		return
	}
	// -R: it takes over what the BIRD before it left in the kernel.
	bird := child{
		"bird", []string{"bird", "-R", "-f", "-s", birdControl, "-c", birdConfig},
		func() syscall.Signal { return <-farewell },
	}
	running.Add(1)
	go bird.keep(ctx, running)
}

// lanAddress gives the node its IPv6 address in the LAN. One that it has no more need not be found: the kernel may know no IPv6.
func lanAddress(s Settings) func(context.Context) error {
	return func(context.Context) error {
		err := driver.LanAddress(s.IP, s.IP6)
		if s.IP6 == "" && err != nil {
			say("a former IPv6 address is not looked for: %v", err)
			return nil
		}
		return err
	}
}

// shutMachine lets no container begin a connection to its own machine over IPv6, whatever policies say. Of a machine's IPv6 addresses
// only those in the LAN are the federation's: a cloud may give it others, which "outside" would include. Nothing of a machine's
// is meant for containers over IPv6, but the neighbour discovery of the link.
func shutMachine(s Settings) func(context.Context) error {
	return func(ctx context.Context) error {
		if s.IP6 == "" {
			return nil
		}
		// Before the filter, which Felix begins with its own chain.
		rule := []string{"INPUT", "-i", "cali+", "-m", "conntrack", "--ctstate", "NEW", "!", "-p", "icmpv6", "-j", "DROP"}
		if exec.CommandContext(ctx, "ip6tables", append([]string{"-w", "-t", "mangle", "-C"}, rule...)...).Run() == nil {
			return nil
		}
		text, err := exec.CommandContext(ctx, "ip6tables", append([]string{"-w", "-t", "mangle", "-A"}, rule...)...).CombinedOutput()
		if err != nil {
			return fmt.Errorf("ip6tables: %w: %s", err, lastLine(string(text)))
		}
		return nil
	}
}

func terminate() syscall.Signal { return syscall.SIGTERM }

func notEmpty(path string) error {
	info, err := os.Stat(path)
	if err == nil && info.Size() == 0 {
		err = fmt.Errorf("%s is empty", path)
	}
	return err
}
