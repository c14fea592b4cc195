package driver

import (
	"testing"
	"time"
)

func TestMayTake(t *testing.T) {
	claim := time.Unix(1000, 0)
	for name, c := range map[string]struct {
		o       owner
		created time.Time
		allowed bool
	}{
		"newer container":          {owner{node: "b", since: claim}, time.Unix(1001, 0), true},
		"of the same second":       {owner{node: "b", since: claim}, claim, true},
		"older container":          {owner{node: "b", since: claim}, time.Unix(999, 0), false},
		"nobody knows its age":     {owner{node: "b", since: claim}, time.Time{}, true},
		"the owner has no date":    {owner{node: "b"}, time.Unix(1, 0), true},
		"dead owner, much younger": {owner{node: "b", since: claim}, time.Unix(99999, 0), true},
	} {
		if got := mayTake(c.o, c.created) == nil; got != c.allowed {
			t.Errorf("%s: allowed %v", name, got)
		}
	}
}

func TestLost(t *testing.T) {
	for handle, want := range map[string]bool{"docker.b": true, "docker.a": false, "": false} {
		if lost(owner{handle: handle}, "A") != want {
			t.Errorf("lost(%q) is not %v", handle, want)
		}
	}
}

func TestOwnerSurvivesItsAttributes(t *testing.T) {
	handle, now := handleOf("Torino-1"), time.Unix(1795575000, 0)
	o := ownerOf(attributes("torino-1", typeFixed, now), &handle)
	if o.node != "torino-1" || o.handle != "docker.torino-1" || !o.fixed || !o.since.Equal(now) {
		t.Errorf("%+v", o)
	}
	if o := ownerOf(map[string]string{attrNode: "x"}, nil); !o.since.IsZero() || o.handle != "" || o.fixed {
		t.Errorf("of an older driver: %+v", o)
	}
}
