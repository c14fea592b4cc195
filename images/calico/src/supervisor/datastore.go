package supervisor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/projectcalico/calico/libcalico-go/lib/clientv3"
	cerrors "github.com/projectcalico/calico/libcalico-go/lib/errors"
	"github.com/projectcalico/calico/libcalico-go/lib/options"
)

// What the first attempt at something has, and what the last ones have: on a machine that is too slow for the one, to try the same
// for ever would keep it busy and lead to nothing.
const firstLimit, longestLimit = 10 * time.Second, time.Minute

// until tries again, with growing pauses and more time, until it works or the context ends; it says why it waits,
// once for each reason.
func until(ctx context.Context, what string, do func(context.Context) error) error {
	said, limit := "", firstLimit
	for pause := 500 * time.Millisecond; ; pause = min(2*pause, 5*time.Second) {
		short, cancel := context.WithTimeout(ctx, limit)
		limit = nextLimit(limit)
		err := do(short)
		cancel()
		if err == nil {
			return nil
		}
		if err.Error() != said {
			said = err.Error()
			say("%s: waiting: %v", what, err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
}

func nextLimit(limit time.Duration) time.Duration { return min(2*limit, longestLimit) }

func answers(c clientv3.Interface) func(context.Context) error {
	return func(ctx context.Context) error {
		_, err := c.IPPools().List(ctx, options.ListOptions{})
		return err
	}
}

// describeNode sets the labels that differ, others are left alone, and whether the node is a route reflector.
func describeNode(c clientv3.Interface, node string, labels map[string]string, cluster string) func(context.Context) error {
	return func(ctx context.Context) error {
		n, err := c.Nodes().Get(ctx, node, options.GetOptions{})
		if err != nil {
			return err
		}
		changed := merge(&n.Labels, labels)
		if n.Spec.BGP == nil {
			return fmt.Errorf("node %s has no BGP address yet", node)
		}
		if n.Spec.BGP.RouteReflectorClusterID != cluster {
			n.Spec.BGP.RouteReflectorClusterID, changed = cluster, true
		}
		if !changed {
			return nil
		}
		_, err = c.Nodes().Update(ctx, n, options.SetOptions{})
		var conflict cerrors.ErrorResourceUpdateConflict
		if errors.As(err, &conflict) {
			return fmt.Errorf("somebody else changed the node: %w", err)
		}
		return err
	}
}

// merge tells whether anything had to be changed.
func merge(into *map[string]string, labels map[string]string) bool {
	changed := false
	for k, v := range labels {
		if old, ok := (*into)[k]; ok && old == v {
			continue
		}
		if *into == nil {
			*into = map[string]string{}
		}
		(*into)[k], changed = v, true
	}
	return changed
}

// self runs another part of this binary to its end.
func self(ctx context.Context, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, "/proc/self/exe", args...)
	cmd.Args[0] = name
	text, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w: %s", name, err, lastLine(string(text)))
	}
	return nil
}

func lastLine(text string) string {
	text = strings.TrimSpace(text)
	return text[strings.LastIndexByte(text, '\n')+1:]
}

// applyObjects writes the site's pools, BGP settings and profiles, as calicoctl apply does; without a file, nothing.
func applyObjects(file string) func(context.Context) error {
	return func(ctx context.Context) error {
		if _, err := os.Stat(file); errors.Is(err, os.ErrNotExist) {
			return nil
		}
		return self(ctx, "calicoctl", "apply", "--allow-version-mismatch", "-f", file)
	}
}
