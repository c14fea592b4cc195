package driver

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	api "github.com/projectcalico/api/pkg/apis/projectcalico/v3"
	cerrors "github.com/projectcalico/calico/libcalico-go/lib/errors"
	"github.com/projectcalico/calico/libcalico-go/lib/options"
)

// createNetwork keeps the profile's name (-o profile=NAME) and makes the profile if it is
// missing. It allows nothing: what containers may do is said by policies, or by a profile that is there before.
func (d *Driver) createNetwork(ctx context.Context, r *request) (any, error) {
	profile := d.profileOption(r)
	if err := d.ensureProfile(ctx, profile); err != nil {
		return nil, err
	}
	return obj{}, os.WriteFile(d.stateFile(r.NetworkID), []byte(profile), 0o600)
}

func (d *Driver) profileOption(r *request) string {
	if g, ok := r.Options["com.docker.network.generic"].(obj); ok {
		if p, ok := g["profile"].(string); ok && p != "" {
			return p
		}
	}
	return d.Profile
}

func (d *Driver) ensureProfile(ctx context.Context, name string) error {
	p := api.NewProfile()
	p.Name = name
	p.Spec.LabelsToApply = map[string]string{"docker-network": name}
	_, err := d.c.Profiles().Create(ctx, p, options.SetOptions{})
	var exists cerrors.ErrorResourceAlreadyExists
	if errors.As(err, &exists) {
		return nil
	}
	return err
}

func (d *Driver) deleteNetwork(_ context.Context, r *request) (any, error) {
	err := os.Remove(d.stateFile(r.NetworkID))
	if errors.Is(err, os.ErrNotExist) {
		err = nil
	}
	return obj{}, err
}

func (d *Driver) stateFile(network string) string {
	return filepath.Join(d.State, filepath.Base(network))
}

// profileOf is the profile of a network's endpoints; the default one for a network that an earlier
// container of this driver made and that is not written down here.
func (d *Driver) profileOf(network string) string {
	if b, err := os.ReadFile(d.stateFile(network)); err == nil && len(b) > 0 {
		return string(b)
	}
	return d.Profile
}
