package driver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"

	libapi "github.com/projectcalico/calico/libcalico-go/lib/apis/v3"
	cerrors "github.com/projectcalico/calico/libcalico-go/lib/errors"
	"github.com/projectcalico/calico/libcalico-go/lib/names"
	"github.com/projectcalico/calico/libcalico-go/lib/options"
	"github.com/vishvananda/netlink"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	linkPfx = "cali"
	linkID  = 11 // characters of the endpoint's id in the link's name (15 at most in all)
)

func hostIf(id string) string { return linkPfx + id[:linkID] }
func peerIf(id string) string { return "tmp" + id[:linkID] }

func (d *Driver) wepName(endpoint string) (string, error) {
	ids := names.WorkloadEndpointIdentifiers{Node: d.Node, Orchestrator: namespace, Endpoint: endpoint}
	return ids.CalculateWorkloadEndpointName(false)
}

func (d *Driver) createEndpoint(ctx context.Context, r *request) (any, error) {
	if r.Interface == nil || r.Interface.Address == "" {
		return nil, errors.New("the network must use Calico IPAM (--ipam-driver calico)")
	}
	ip, _, err := net.ParseCIDR(r.Interface.Address)
	if err != nil {
		return nil, err
	}
	v4 := ip.To4()
	if v4 == nil {
		return nil, fmt.Errorf("%s is no IPv4 address", ip)
	}
	return d.writeEndpoint(ctx, r, v4, d.Twins.Of(v4))
}

// writeEndpoint is for an endpoint with these addresses; `v6` is nil if it has none.
func (d *Driver) writeEndpoint(ctx context.Context, r *request, v4, v6 net.IP) (any, error) {
	mac, resp := r.Interface.MacAddress, obj{}
	if mac == "" {
		mac = fmt.Sprintf("02:42:%02x:%02x:%02x:%02x", v4[0], v4[1], v4[2], v4[3])
		resp["MacAddress"] = mac
	}
	name, err := d.wepName(r.EndpointID)
	if err != nil {
		return nil, err
	}
	addresses := []string{v4.String() + "/32"}
	if v6 != nil {
		addresses = append(addresses, v6.String()+"/128")
		resp["AddressIPv6"] = v6.String() + "/128" // Docker takes it from the driver, whatever its network says of IPv6
	}
	w := libapi.NewWorkloadEndpoint()
	w.ObjectMeta = metav1.ObjectMeta{Name: name, Namespace: namespace}
	w.Spec = libapi.WorkloadEndpointSpec{
		Orchestrator: namespace, Workload: namespace, Node: d.Node, Endpoint: r.EndpointID,
		InterfaceName: hostIf(r.EndpointID), MAC: mac, IPNetworks: addresses,
		Profiles: []string{d.profileOf(r.NetworkID)},
	}
	_, err = d.c.WorkloadEndpoints().Create(ctx, w, options.SetOptions{})
	var exists cerrors.ErrorResourceAlreadyExists // from an earlier try: the same endpoint
	if err != nil && !errors.As(err, &exists) {
		return nil, err
	}
	return obj{"Interface": resp}, nil
}

func (d *Driver) deleteEndpoint(ctx context.Context, r *request) (any, error) {
	delLink(hostIf(r.EndpointID))
	name, err := d.wepName(r.EndpointID)
	if err != nil {
		return nil, err
	}
	_, err = d.c.WorkloadEndpoints().Delete(ctx, namespace, name, options.DeleteOptions{})
	var gone cerrors.ErrorResourceDoesNotExist
	if errors.As(err, &gone) {
		err = nil
	}
	return obj{}, err
}

// join makes the veth pair; libnetwork moves the peer into the container, and Felix, which
// watches both etcd and the host's links, adds the route, the sysctls and the policy.
func (d *Driver) join(ctx context.Context, r *request) (any, error) {
	delLink(hostIf(r.EndpointID))
	name, err := d.wepName(r.EndpointID)
	if err != nil {
		return nil, err
	}
	w, err := d.c.WorkloadEndpoints().Get(ctx, namespace, name, options.GetOptions{})
	if err != nil {
		return nil, err
	}
	mac, err := net.ParseMAC(w.Spec.MAC)
	if err != nil {
		return nil, err
	}
	la := netlink.NewLinkAttrs()
	la.Name, la.MTU = hostIf(r.EndpointID), d.MTU
	veth := &netlink.Veth{LinkAttrs: la, PeerName: peerIf(r.EndpointID), PeerHardwareAddr: mac}
	if err := netlink.LinkAdd(veth); err != nil {
		return nil, fmt.Errorf("veth: %w", err)
	}
	answer := obj{
		"InterfaceName": obj{"SrcName": peerIf(r.EndpointID), "DstPrefix": "cali"},
		"Gateway":       gateway,
	}
	routes := []obj{{"Destination": gateway + "/32", "RouteType": 1, "NextHop": ""}}
	if slices.ContainsFunc(w.Spec.IPNetworks, isTwin) {
		if err := withIPv6(veth); err != nil {
			return nil, err
		}
		answer["GatewayIPv6"] = gateway6
		routes = append(routes, obj{"Destination": gateway6 + "/128", "RouteType": 1, "NextHop": ""})
	} else {
		noIPv6(la.Name)
	}
	answer["StaticRoutes"] = routes
	if err := netlink.LinkSetUp(veth); err != nil {
		return nil, fmt.Errorf("veth: %w", err)
	}
	go d.label(r.NetworkID, r.EndpointID)
	return answer, nil
}

func (d *Driver) leave(_ context.Context, r *request) (any, error) {
	delLink(hostIf(r.EndpointID))
	return obj{}, nil
}

func delLink(name string) {
	l, err := netlink.LinkByName(name)
	if err != nil {
		return
	}
	if err := netlink.LinkDel(l); err != nil {
		logf("%s: %v", name, err)
	}
}
