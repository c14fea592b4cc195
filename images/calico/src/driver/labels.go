package driver

import (
	"context"
	"errors"
	"strings"
	"time"

	libapi "github.com/projectcalico/calico/libcalico-go/lib/apis/v3"
	cerrors "github.com/projectcalico/calico/libcalico-go/lib/errors"
	"github.com/projectcalico/calico/libcalico-go/lib/options"
)

// Policies know a container by its labels, which are copied onto its endpoint: without them it reaches nobody. Docker shows a
// container's endpoint only once the container runs, so this follows its start: by Docker's word that it has started, which takes
// some milliseconds; by looking, should that word be lost; and by reconcile, for what came while this driver was away.

// labelPatience is how long the labels of a container that starts are waited for; then they are reconcile's.
const labelPatience = 15 * time.Second

// watchStarts labels the endpoints of every container as soon as it runs.
func (d *Driver) watchStarts(ctx context.Context) {
	for ctx.Err() == nil {
		_ = d.docker.started(ctx, d.wakeUp, func(id string) { go d.labelContainer(ctx, id) })
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
}

// wakeUp has Reconcile run soon.
func (d *Driver) wakeUp() {
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// labelContainer is for a container that has just started: all its endpoints are known to Docker.
func (d *Driver) labelContainer(ctx context.Context, id string) {
	untilDone(ctx, labelPatience, func(ctx context.Context) bool {
		list, err := d.docker.list(ctx, "id", id)
		if err != nil {
			return false
		}
		done := true
		for _, c := range list {
			for _, a := range c.NetworkSettings.Networks {
				done = (a.EndpointID == "" || d.patch(ctx, a.EndpointID, c)) && done
			}
		}
		return done
	})
}

// label is for an endpoint that has just been joined to a container, which may run already or be about to.
func (d *Driver) label(network, endpoint string) {
	untilDone(context.Background(), labelPatience, func(ctx context.Context) bool {
		list, err := d.docker.containers(ctx, network)
		if err != nil {
			return false
		}
		c, _, found := withEndpoint(list, endpoint)
		return found && d.patch(ctx, endpoint, c)
	})
}

// untilDone tries at once, and again after growing pauses.
func untilDone(ctx context.Context, patience time.Duration, try func(context.Context) bool) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for pause := 50 * time.Millisecond; !try(ctx); pause = min(2*pause, time.Second) {
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

// relabel gives every endpoint of this node what its container's labels say.
func (d *Driver) relabel(ctx context.Context, mine map[string]libapi.WorkloadEndpoint, containers []container) {
	for _, c := range containers {
		for _, a := range c.NetworkSettings.Networks {
			if w, ok := mine[a.EndpointID]; ok && putLabels(&w, c) {
				logf("endpoint %.12s of %v had no labels: set", a.EndpointID, c.Names)
				d.patch(ctx, a.EndpointID, c)
			}
		}
	}
}

func endpointLabels(of map[string]string) map[string]string {
	labels := map[string]string{}
	for k, v := range of {
		if name, ok := strings.CutPrefix(k, labelPfx); ok {
			labels[name] = v
		}
	}
	return labels
}

// putLabels tells whether anything had to be changed. The map of the endpoint's labels may be shared: a new one is made.
func putLabels(w *libapi.WorkloadEndpoint, c container) bool {
	labels, changed := map[string]string{}, w.Spec.ContainerID != c.ID
	for k, v := range w.Labels {
		labels[k] = v
	}
	for k, v := range endpointLabels(c.Labels) {
		if old, ok := labels[k]; !ok || old != v {
			labels[k], changed = v, true
		}
	}
	w.Labels, w.Spec.ContainerID = labels, c.ID
	return changed
}

// patch writes the container's labels onto its endpoint. True: nothing is left to do, also if the endpoint is none of Calico's.
func (d *Driver) patch(ctx context.Context, endpoint string, c container) bool {
	name, err := d.wepName(endpoint)
	if err != nil {
		return true
	}
	for i := 0; i < 5; i++ {
		w, err := d.c.WorkloadEndpoints().Get(ctx, namespace, name, options.GetOptions{})
		if err != nil {
			var gone cerrors.ErrorResourceDoesNotExist
			return errors.As(err, &gone)
		}
		if !putLabels(w, c) {
			return true
		}
		_, err = d.c.WorkloadEndpoints().Update(ctx, w, options.SetOptions{})
		if err == nil {
			return true
		}
		logf("labels of %.12s: %v", endpoint, err)
	}
	return false
}
