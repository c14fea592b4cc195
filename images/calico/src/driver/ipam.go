package driver

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	api "github.com/projectcalico/api/pkg/apis/projectcalico/v3"
	cerrors "github.com/projectcalico/calico/libcalico-go/lib/errors"
	"github.com/projectcalico/calico/libcalico-go/lib/ipam"
	cnet "github.com/projectcalico/calico/libcalico-go/lib/net"
	"github.com/projectcalico/calico/libcalico-go/lib/options"
)

// requestPool: with --subnet the network is bound to that Calico IP pool, without it to all
// pools whose node selector takes this node. Docker's own gateway is never a pool address.
func (d *Driver) requestPool(ctx context.Context, r *request) (any, error) {
	if r.V6 || r.SubPool != "" {
		return nil, errors.New("IPv6 and --ip-range are not supported")
	}
	gw := obj{"com.docker.network.gateway": "0.0.0.0/0"}
	if r.Pool == "" {
		return obj{"PoolID": anyPool, "Pool": "0.0.0.0/0", "Data": gw}, nil
	}
	pools, err := d.c.IPPools().List(ctx, options.ListOptions{})
	if err != nil {
		return nil, err
	}
	for _, p := range pools.Items {
		if p.Spec.CIDR == r.Pool {
			return obj{"PoolID": r.Pool, "Pool": r.Pool, "Data": gw}, nil
		}
	}
	return nil, fmt.Errorf("no IPPool has the CIDR %s", r.Pool)
}

func (d *Driver) requestAddress(ctx context.Context, r *request) (any, error) {
	if r.Options["RequestAddressType"] == "com.docker.network.gateway" {
		return nil, errors.New("a gateway cannot be asked for")
	}
	if r.Address != "" { // docker run --ip
		ip := cnet.ParseIP(r.Address)
		if ip == nil {
			return nil, fmt.Errorf("bad address %q", r.Address)
		}
		if err := d.take(ctx, *ip); err != nil {
			return nil, err
		}
		return obj{"Address": ip.String() + "/32"}, nil
	}
	args := ipam.AutoAssignArgs{
		Num4: 1, HandleID: &d.handle, Attrs: attributes(d.Node, typeAny, time.Now()), Hostname: d.Node,
		IntendedUse: api.IPPoolAllowedUseWorkload,
	}
	if r.PoolID != anyPool {
		_, n, err := cnet.ParseCIDR(r.PoolID)
		if err != nil {
			return nil, err
		}
		args.IPv4Pools = []cnet.IPNet{*n}
	}
	got, _, err := d.c.IPAM().AutoAssign(ctx, args)
	if err != nil {
		return nil, err
	}
	if got == nil || len(got.IPs) == 0 {
		return nil, errors.New("no address is left for this node")
	}
	return obj{"Address": got.IPs[0].IP.String() + "/32"}, nil
}

// take assigns a certain address to this node, from whoever has it.  Each step is a compare-and-swap
// on the address's block in etcd: of several takers one at a time gets on, and the last one keeps it.
func (d *Driver) take(ctx context.Context, ip cnet.IP) error {
	for try := 0; try < 5; try++ {
		now := time.Now()
		err := d.assign(ctx, ip, now)
		if err == nil {
			d.fixed.add(ip.String(), now.Unix(), d.Publish)
			return d.removeEndpointsWith(ctx, ip)
		}
		var exists cerrors.ErrorResourceAlreadyExists
		if !errors.As(err, &exists) {
			return err
		}
		o, err := d.ownerOf(ctx, ip)
		if err != nil {
			return err
		}
		if o.handle == "" { // given back just now
			continue
		}
		if o.node != d.Node {
			created, err := d.docker.created(ctx, ip.String())
			if err != nil {
				return fmt.Errorf("the address is node %s's, and Docker does not tell who wants it here: %w", o.node, err)
			}
			if err := mayTake(o, created); err != nil {
				return err
			}
			logf("taking %s over from node %s, which has had it since %s", ip, o.node, o.since.UTC().Format(time.RFC3339))
		}
		_, err = d.c.IPAM().ReleaseIPs(ctx, ipam.ReleaseOptions{Address: ip.String(), Handle: o.handle})
		if err != nil && !isConflict(err) { // at a conflict: somebody else took it meanwhile
			return err
		}
	}
	return fmt.Errorf("%s is wanted by too many at once", ip)
}

func (d *Driver) assign(ctx context.Context, ip cnet.IP, now time.Time) error {
	return d.c.IPAM().AssignIP(ctx, ipam.AssignIPArgs{
		IP: ip, HandleID: &d.handle, Attrs: attributes(d.Node, typeFixed, now), Hostname: d.Node,
	})
}

// ownerOf is the zero owner for an address that nobody has.
func (d *Driver) ownerOf(ctx context.Context, ip cnet.IP) (owner, error) {
	attrs, handle, err := d.c.IPAM().GetAssignmentAttributes(ctx, ip)
	var none cerrors.ErrorResourceDoesNotExist
	if errors.As(err, &none) {
		return owner{}, nil
	}
	if err != nil {
		return owner{}, err
	}
	return ownerOf(attrs, handle), nil
}

// removeEndpointsWith deletes every endpoint that still has the address, on any node.  Felix over there
// takes the route away at once; the container itself is stopped by that node's driver.
func (d *Driver) removeEndpointsWith(ctx context.Context, ip cnet.IP) error {
	list, err := d.c.WorkloadEndpoints().List(ctx, options.ListOptions{Namespace: namespace})
	if err != nil {
		return err
	}
	for _, w := range list.Items {
		if !hasAddress(w.Spec.IPNetworks, ip.String()) {
			continue
		}
		logf("removing endpoint %.12s of node %s, which had %s", w.Spec.Endpoint, w.Spec.Node, ip)
		if w.Spec.Node == d.Node {
			delLink(hostIf(w.Spec.Endpoint))
			go d.docker.stopEndpoint(w.Spec.Endpoint, ip.String())
		}
		_, err := d.c.WorkloadEndpoints().Delete(ctx, namespace, w.Name, options.DeleteOptions{UID: &w.UID})
		var gone cerrors.ErrorResourceDoesNotExist
		if err != nil && !errors.As(err, &gone) {
			return err
		}
	}
	return nil
}

func hasAddress(networks []string, ip string) bool {
	for _, n := range networks {
		if strings.Split(n, "/")[0] == ip {
			return true
		}
	}
	return false
}

// releaseAddress gives an address back, unless it has gone to another node, or to another endpoint here.
func (d *Driver) releaseAddress(ctx context.Context, r *request) (any, error) {
	ip := strings.Split(r.Address, "/")[0]
	if isTwin(ip) { // it goes with the IPv4 address
		return obj{}, nil
	}
	if r.PoolID != anyPool {
		list, err := d.c.WorkloadEndpoints().List(ctx, options.ListOptions{Namespace: namespace})
		if err != nil {
			return nil, err
		}
		for _, w := range list.Items {
			if w.Spec.Node == d.Node && hasAddress(w.Spec.IPNetworks, ip) {
				return obj{}, nil
			}
		}
	}
	d.fixed.remove(ip, d.Publish)
	_, err := d.c.IPAM().ReleaseIPs(ctx, ipam.ReleaseOptions{Address: ip, Handle: d.handle})
	if isConflict(err) { // it is another node's now
		err = nil
	}
	return obj{}, err
}

// isConflict: the allocation has another handle than was named.
func isConflict(err error) bool {
	var conflict cerrors.ErrorResourceUpdateConflict
	return errors.As(err, &conflict)
}
