package driver

import (
	"maps"
	"sync"
)

// fixedAddresses are those of this node that were asked for by their number, and when it got each.
// BIRD announces them with that time as preference: of two nodes with the same address (one of them
// dead, or cut off, and not known to be so yet) all peers choose the newer one at once.
type fixedAddresses struct {
	mu    sync.Mutex
	since map[string]int64
}

func (f *fixedAddresses) add(ip string, since int64, publish func(map[string]int64)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.since == nil {
		f.since = map[string]int64{}
	}
	f.since[ip] = since
	if publish != nil {
		publish(maps.Clone(f.since))
	}
}

func (f *fixedAddresses) remove(ip string, publish func(map[string]int64)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, ok := f.since[ip]; !ok {
		return
	}
	delete(f.since, ip)
	if publish != nil {
		publish(maps.Clone(f.since))
	}
}

func (f *fixedAddresses) publish(publish func(map[string]int64)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if publish != nil {
		publish(maps.Clone(f.since))
	}
}
