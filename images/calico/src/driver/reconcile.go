package driver

import (
	"context"
	"net"
	"strings"
	"time"

	libapi "github.com/projectcalico/calico/libcalico-go/lib/apis/v3"
	cnet "github.com/projectcalico/calico/libcalico-go/lib/net"
	"github.com/projectcalico/calico/libcalico-go/lib/options"
	"github.com/projectcalico/calico/libcalico-go/lib/watch"
	"github.com/vishvananda/netlink"
)

// watchEndpoints wakes Reconcile when an endpoint of this node is deleted, by whomever.
func (d *Driver) watchEndpoints(ctx context.Context) {
	for ctx.Err() == nil {
		w, err := d.c.WorkloadEndpoints().Watch(ctx, options.ListOptions{Namespace: namespace})
		if err == nil {
			for e := range w.ResultChan() {
				gone, ok := e.Previous.(*libapi.WorkloadEndpoint)
				if e.Type == watch.Deleted && ok && gone.Spec.Node == d.Node {
					d.wakeUp()
				}
				if e.Type == watch.Error {
					break
				}
			}
			w.Stop()
		}
		select {
		case <-ctx.Done():
		case <-time.After(5 * time.Second):
		}
	}
}

// Reconcile sets right what happened behind the driver's back: addresses that another node has taken
// over, and endpoints and addresses whose containers are gone.
func (d *Driver) Reconcile(ctx context.Context) {
	d.mu.Lock()
	defer d.mu.Unlock()
	list, err := d.c.WorkloadEndpoints().List(ctx, options.ListOptions{Namespace: namespace})
	if err != nil {
		logf("reconcile: %v", err)
		return
	}
	mine := map[string]libapi.WorkloadEndpoint{} // by endpoint id
	for _, w := range list.Items {
		if w.Spec.Node == d.Node {
			mine[w.Spec.Endpoint] = w
		}
	}
	containers, err := d.docker.containers(ctx, "")
	if err != nil {
		logf("reconcile: %v", err)
	}
	d.cutLost(ctx, mine, containers)
	if err == nil {
		d.relabel(ctx, mine, containers)
		d.sweep(ctx, mine, containers)
	}
}

// Cut does only the part that must come before BGP announces this node's addresses again: what another
// node has taken over meanwhile is taken off this node.  Docker need not answer.
func (d *Driver) Cut(ctx context.Context) error {
	list, err := d.c.WorkloadEndpoints().List(ctx, options.ListOptions{Namespace: namespace})
	if err != nil {
		return err
	}
	mine := map[string]libapi.WorkloadEndpoint{}
	for _, w := range list.Items {
		if w.Spec.Node == d.Node {
			mine[w.Spec.Endpoint] = w
		}
	}
	short, cancel := context.WithTimeout(ctx, 2*time.Second)
	containers, _ := d.docker.containers(short, "")
	cancel()
	d.cutLost(ctx, mine, containers)
	return d.recall(ctx, mine)
}

// recall reads from etcd which fixed addresses this node has.
func (d *Driver) recall(ctx context.Context, mine map[string]libapi.WorkloadEndpoint) error {
	for _, w := range mine {
		for _, n := range w.Spec.IPNetworks {
			ip := cnet.ParseIP(strings.Split(n, "/")[0])
			if ip == nil || isTwin(n) {
				continue
			}
			o, err := d.ownerOf(ctx, *ip)
			if err != nil {
				return err
			}
			if o.fixed && !lost(o, d.Node) {
				d.fixed.add(ip.String(), o.since.Unix(), nil)
			}
		}
	}
	d.fixed.publish(d.Publish)
	return nil
}

// cutLost removes the links of endpoints that are not in etcd any more and whose address another node
// has, and stops their containers.  An endpoint that is merely missing is written again.
func (d *Driver) cutLost(ctx context.Context, mine map[string]libapi.WorkloadEndpoint, containers []container) {
	known := map[string]bool{}
	for id := range mine {
		known[hostIf(id)] = true
	}
	for _, c := range containers {
		for _, a := range c.NetworkSettings.Networks {
			if c.State != "running" || len(a.EndpointID) < linkID || a.IPAddress == "" {
				continue
			}
			name := hostIf(a.EndpointID)
			if _, err := netlink.LinkByName(name); err != nil || known[name] {
				continue // not one of Calico's, or all is well
			}
			if d.isLost(ctx, a.IPAddress) {
				delLink(name)
				d.docker.stop(ctx, c, a.IPAddress)
			} else {
				d.restore(ctx, c, a)
			}
			known[name] = true
		}
	}
	for name, ips := range links() {
		for _, ip := range ips {
			if !known[name] && d.isLost(ctx, ip) {
				logf("%s has %s, which belongs to another node: removed", name, ip)
				delLink(name)
				break
			}
		}
	}
}

// restore writes an endpoint again that etcd has lost (an old backup, a wiped datastore).
func (d *Driver) restore(ctx context.Context, c container, a attachment) {
	ip := cnet.ParseIP(a.IPAddress)
	if ip == nil || ip.To4() == nil {
		return
	}
	logf("endpoint %.12s with %s is not in etcd: written again", a.EndpointID, a.IPAddress)
	if o, err := d.ownerOf(ctx, *ip); err == nil && o.handle == "" {
		if err := d.assign(ctx, *ip, time.Now()); err != nil {
			logf("%s: %v", ip, err)
			return
		}
	}
	r := &request{EndpointID: a.EndpointID, NetworkID: a.NetworkID}
	r.Interface = &struct{ Address, AddressIPv6, MacAddress string }{a.IPAddress + "/32", "", a.MacAddress}
	// One that was made before it could have an IPv6 address has none.
	if _, err := d.writeEndpoint(ctx, r, ip.To4(), net.ParseIP(a.GlobalIPv6Address)); err != nil {
		logf("endpoint %.12s: %v", a.EndpointID, err)
		return
	}
	d.patch(ctx, a.EndpointID, c)
}

func (d *Driver) isLost(ctx context.Context, address string) bool {
	ip := cnet.ParseIP(address)
	if ip == nil {
		return false
	}
	o, err := d.ownerOf(ctx, *ip)
	return err == nil && lost(o, d.Node)
}

// links are the host's ends of the endpoints, with the addresses that the kernel routes to them.
func links() map[string][]string {
	found := map[string][]string{}
	all, err := netlink.LinkList()
	if err != nil {
		logf("links: %v", err)
		return found
	}
	for _, l := range all {
		name := l.Attrs().Name
		if !strings.HasPrefix(name, linkPfx) || len(name) != len(linkPfx)+linkID {
			continue
		}
		found[name] = nil
		routes, err := netlink.RouteList(l, netlink.FAMILY_V4)
		if err != nil {
			continue
		}
		for _, r := range routes {
			if r.Dst != nil {
				found[name] = append(found[name], r.Dst.IP.String())
			}
		}
	}
	return found
}

// patience is how long an endpoint may be without a container: Docker shows it only once the container runs.
const patience = 90 * time.Second

// sweep removes this node's endpoints, and their addresses, that have had no container for some
// time: what a wiped or hard-stopped Docker never came back to release.
func (d *Driver) sweep(ctx context.Context, mine map[string]libapi.WorkloadEndpoint, containers []container) {
	live := map[string]bool{}
	for _, c := range containers {
		for _, a := range c.NetworkSettings.Networks {
			live[a.EndpointID] = true
		}
	}
	next, used := map[string]time.Time{}, map[string]bool{}
	for id, w := range mine {
		if live[id] || !d.overdue(id, next) {
			for _, n := range w.Spec.IPNetworks {
				used[strings.Split(n, "/")[0]] = true
			}
			continue
		}
		logf("endpoint %.12s has no container: removed", id)
		if _, err := d.deleteEndpoint(ctx, &request{EndpointID: id}); err != nil {
			logf("endpoint %.12s: %v", id, err)
		}
		for _, n := range w.Spec.IPNetworks {
			d.release(ctx, strings.Split(n, "/")[0])
		}
	}
	ips, err := d.c.IPAM().IPsByHandle(ctx, d.handle)
	if err == nil {
		for _, ip := range ips {
			if k := ip.String(); !used[k] && d.overdue(k, next) {
				logf("address %s has no endpoint: released", k)
				d.release(ctx, k)
			}
		}
	}
	d.suspects = next
}

// overdue notes in `next` that something is suspect, and tells whether it has been so for long.
func (d *Driver) overdue(what string, next map[string]time.Time) bool {
	since, seen := d.suspects[what]
	if !seen {
		since = time.Now()
	}
	next[what] = since
	return time.Since(since) > patience
}

func (d *Driver) release(ctx context.Context, ip string) {
	if _, err := d.releaseAddress(ctx, &request{Address: ip, PoolID: anyPool}); err != nil {
		logf("address %s: %v", ip, err)
	}
}
