package driver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"
)

// Network is a Docker network that must exist on this node.
type Network struct {
	Name   string
	Subnet string // of the IPPool it is bound to; empty: any pool of this node
}

// ParseNetworks reads "calico,fixed=10.66.0.0/24".
func ParseNetworks(text string) ([]Network, error) {
	var out []Network
	for _, word := range strings.Split(text, ",") {
		if word = strings.TrimSpace(word); word == "" {
			continue
		}
		name, subnet, bound := strings.Cut(word, "=")
		if _, _, err := net.ParseCIDR(subnet); name == "" || bound && err != nil {
			return nil, fmt.Errorf("%q: write NAME or NAME=SUBNET, for instance fixed=10.66.0.0/24", word)
		}
		out = append(out, Network{name, subnet})
	}
	return out, nil
}

// Ensure makes the networks that Docker lacks; it goes on until all are there or the context ends.
func (d *Driver) Ensure(ctx context.Context, networks []Network) {
	for pause := 500 * time.Millisecond; ; pause = min(2*pause, 15*time.Second) {
		missing := 0
		for _, n := range networks {
			if err := d.ensure(ctx, n); err != nil {
				missing++
				logf("network %s: %v", n.Name, err)
			}
		}
		if missing == 0 {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

func (d *Driver) ensure(ctx context.Context, n Network) error {
	ctx, cancel := context.WithTimeout(ctx, 90*time.Second)
	defer cancel()
	var found struct{ Driver string }
	err := d.docker.call(ctx, http.MethodGet, "/networks/"+n.Name, nil, &found)
	if err == nil {
		if found.Driver != "calico" {
			return fmt.Errorf("there is one of driver %q by that name; remove it", found.Driver)
		}
		return nil
	}
	var status statusError
	if !errors.As(err, &status) || status.code != http.StatusNotFound {
		return err
	}
	ipam := obj{"Driver": "calico"}
	if n.Subnet != "" {
		ipam["Config"] = []obj{{"Subnet": n.Subnet}}
	}
	body := obj{
		"Name": n.Name, "Driver": "calico", "CheckDuplicate": true, "IPAM": ipam,
		"Options": obj{"profile": d.Profile},
	}
	if err := d.docker.call(ctx, http.MethodPost, "/networks/create", body, nil); err != nil {
		return err
	}
	logf("network %s made", n.Name)
	return nil
}
