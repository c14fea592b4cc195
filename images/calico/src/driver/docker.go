package driver

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// docker is as much of Docker's API as is needed.  Lists take no container lock, so they answer
// while a container is being started.
type docker struct{ http *http.Client }

type container struct {
	ID              string `json:"Id"`
	Names           []string
	Created         int64 // Unix seconds
	State           string
	Labels          map[string]string
	NetworkSettings struct{ Networks map[string]attachment }
}

type attachment struct {
	NetworkID, EndpointID, IPAddress, MacAddress, GlobalIPv6Address string
	IPAMConfig                                                      *struct{ IPv4Address string }
}

func newDocker(socket string) *docker {
	return &docker{&http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", socket)
		},
	}}}
}

// statusError is an answer of Docker's that is no success.
type statusError struct {
	code int
	text string
}

func (e statusError) Error() string { return fmt.Sprintf("docker: %d %s", e.code, e.text) }

func (k *docker) call(ctx context.Context, method, path string, body, out any) error {
	var sent io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return err
		}
		sent = bytes.NewReader(b)
	}
	q, err := http.NewRequestWithContext(ctx, method, "http://docker"+path, sent)
	if err != nil {
		return err
	}
	q.Header.Set("Content-Type", "application/json")
	resp, err := k.http.Do(q)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode >= 300 && resp.StatusCode != http.StatusNotModified {
		b, _ := io.ReadAll(io.LimitReader(resp.Body, 1000))
		return statusError{resp.StatusCode, strings.TrimSpace(string(b))}
	}
	if out == nil {
		return nil
	}
	return json.NewDecoder(resp.Body).Decode(out)
}

// containers lists all of them, or those of a network, also the stopped ones.
func (k *docker) containers(ctx context.Context, network string) ([]container, error) {
	return k.list(ctx, "network", network)
}

// list gives the containers of which Docker's filter is true; all of them for an empty value.
func (k *docker) list(ctx context.Context, filter, value string) ([]container, error) {
	q := url.Values{"all": {"1"}}
	if value != "" {
		q.Set("filters", `{"`+filter+`":["`+value+`"]}`)
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	var out []container
	return out, k.call(ctx, http.MethodGet, "/containers/json?"+q.Encode(), nil, &out)
}

// started tells the id of each container that starts, until Docker or the context ends; `listening` once nothing is missed.
func (k *docker) started(ctx context.Context, listening func(), tell func(id string)) error {
	q := url.Values{"filters": {`{"type":["container"],"event":["start"]}`}}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://docker/events?"+q.Encode(), nil)
	if err != nil {
		return err
	}
	resp, err := k.http.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return statusError{resp.StatusCode, "events"}
	}
	listening()
	for events := json.NewDecoder(resp.Body); ; {
		var e struct{ Actor struct{ ID string } }
		if err := events.Decode(&e); err != nil {
			return err
		}
		if e.Actor.ID != "" {
			tell(e.Actor.ID)
		}
	}
}

func withEndpoint(list []container, endpoint string) (container, attachment, bool) {
	for _, c := range list {
		for _, a := range c.NetworkSettings.Networks {
			if a.EndpointID != "" && a.EndpointID == endpoint {
				return c, a, true
			}
		}
	}
	return container{}, attachment{}, false
}

// created is when the newest container that asks for this very address was made; zero if there is none.
// While dockerd is starting, and starts old containers again, its API does not answer: that is an error.
func (k *docker) created(ctx context.Context, ip string) (time.Time, error) {
	ctx, cancel := context.WithTimeout(ctx, 6*time.Second)
	defer cancel()
	list, err := k.containers(ctx, "")
	return newestWanting(list, ip), err
}

func newestWanting(list []container, ip string) time.Time {
	var newest time.Time
	for _, c := range list {
		for _, a := range c.NetworkSettings.Networks {
			if a.IPAMConfig != nil && a.IPAMConfig.IPv4Address == ip {
				if t := time.Unix(c.Created, 0); t.After(newest) {
					newest = t
				}
			}
		}
	}
	return newest
}

// stopEndpoint stops the container that had an endpoint; it has lost its address and would serve nobody.
func (k *docker) stopEndpoint(endpoint, ip string) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	list, err := k.containers(ctx, "")
	if err != nil {
		logf("cannot look for the container that lost %s: %v", ip, err)
		return
	}
	if c, _, ok := withEndpoint(list, endpoint); ok {
		k.stop(ctx, c, ip)
	}
}

func (k *docker) stop(ctx context.Context, c container, ip string) {
	logf("stopping container %.12s %v: its address %s belongs to another one now", c.ID, c.Names, ip)
	if err := k.call(ctx, http.MethodPost, "/containers/"+c.ID+"/stop?t=2", nil, nil); err != nil {
		logf("cannot stop container %.12s: %v", c.ID, err)
	}
}

// DockerGone tells whether dockerd does not serve its API any more: it is ending, and with it all containers.
func (d *Driver) DockerGone(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	return d.docker.call(ctx, http.MethodGet, "/version", nil, nil) != nil
}

// Linger waits until no endpoint is left on this node, `most` at the longest: an ending dockerd takes its
// containers' endpoints down by this driver, and would wait 15 s for each call that nobody answers.
func (d *Driver) Linger(ctx context.Context, most time.Duration) {
	const quiet = time.Second // for the calls that follow the removal of the last link
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	for empty := time.Duration(0); empty < quiet; {
		const pause = 200 * time.Millisecond
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
		if empty += pause; len(links()) > 0 {
			empty = 0
		}
	}
}
