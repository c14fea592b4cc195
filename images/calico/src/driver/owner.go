package driver

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Attributes of an allocation in Calico's IPAM.
const (
	attrNode  = "node"
	attrType  = "type"
	typeFixed = "docker-fixed" // asked for by its number
	typeAny   = "docker"
	attrSince = "since" // Unix seconds: when this node got the address
)

// owner is who holds a fixed address at the moment.
type owner struct {
	node   string
	handle string
	fixed  bool
	since  time.Time // zero if it is not written down
}

func handleOf(node string) string { return "docker." + strings.ToLower(node) }

func attributes(node, kind string, now time.Time) map[string]string {
	return map[string]string{attrNode: node, attrType: kind, attrSince: strconv.FormatInt(now.Unix(), 10)}
}

func ownerOf(attrs map[string]string, handle *string) owner {
	o := owner{node: attrs[attrNode], fixed: attrs[attrType] == typeFixed}
	if handle != nil {
		o.handle = *handle
	}
	if s, err := strconv.ParseInt(attrs[attrSince], 10, 64); err == nil {
		o.since = time.Unix(s, 0)
	}
	return o
}

// mayTake decides whether a container made at `created` (zero: unknown) may have a fixed address that
// another node's owner `o` holds.  The last one to be made wins, since whoever makes containers (Mesos)
// knows which of them is meant.  A container that is older than the present owner's claim lost the
// address while its machine was away, and Docker is merely starting it again.
func mayTake(o owner, created time.Time) error {
	if created.IsZero() || o.since.IsZero() || !created.Before(o.since) {
		return nil
	}
	return fmt.Errorf("the address went to node %s at %s, after this container was made; remove the container",
		o.node, o.since.UTC().Format(time.RFC3339))
}

// lost tells whether an address that this node's container has now belongs to another node.
func lost(o owner, node string) bool {
	return o.handle != "" && o.handle != handleOf(node)
}
