package supervisor

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	"aerie/calico/driver"
)

// health is what `calico-node health` prints, as JSON.
type health struct {
	Healthy bool     `json:"healthy"`
	Felix   bool     `json:"felix"`
	BIRD    bool     `json:"bird"`
	Driver  bool     `json:"driver"`
	BGP     sessions `json:"bgp"`
	Errors  []string `json:"errors,omitempty"`
}

// Health prints the node's state; the exit status is 0 if Felix, BIRD and the Docker driver are up.
// BGP sessions that are down are told but do not count: the fault may be the peer's.
func Health() int {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	var h health
	note := func(what string, err error) bool {
		if err != nil {
			h.Errors = append(h.Errors, fmt.Sprintf("%s: %v", what, err))
		}
		return err == nil
	}
	h.Felix = note("felix", felixReady(ctx))
	var err error
	h.BGP, err = birdSessions(ctx)
	h.BIRD = note("bird", err)
	h.Driver = note("driver", driverAnswers(ctx, driver.SocketPath(env("CALICO_PLUGIN_DIR", "/run/docker/plugins"))))
	h.Healthy = h.Felix && h.BIRD && h.Driver
	_ = json.NewEncoder(os.Stdout).Encode(h)
	if !h.Healthy {
		return 1
	}
	return 0
}

func felixReady(ctx context.Context) error {
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://127.0.0.1:"+env("FELIX_HEALTHPORT", felixPort)+"/readiness", nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(q)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode >= 300 {
		return fmt.Errorf("not ready: %s", resp.Status)
	}
	return nil
}

func driverAnswers(ctx context.Context, socket string) error {
	client := http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", socket)
		},
	}}
	q, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://driver/Plugin.Activate", nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(q)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}
