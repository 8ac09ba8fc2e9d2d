package availability

import (
	"github.com/alicebob/miniredis/v2"
)

// embeddedLocks is the fewest lock nodes of which one may fail.
const embeddedLocks = 3

// Embedded is an in-process Redis for each part, on loopback ports: for who tries Interlock, and for tests. It keeps
// nothing when it ends, and nothing survives that needs to.
type Embedded struct {
	// Addr is the cache's address, LockAddrs are the lock nodes'.
	Addr      string
	LockAddrs []string

	servers []*miniredis.Miniredis
}

// StartEmbedded starts one Redis for the cache and three for the locks.
func StartEmbedded() (*Embedded, error) {
	e := &Embedded{}
	for i := range 1 + embeddedLocks {
		server := miniredis.NewMiniRedis()
		if err := server.Start(); err != nil {
			e.Close()
			return nil, err
		}
		e.servers = append(e.servers, server)
		if i == 0 {
			e.Addr = server.Addr()
			continue
		}
		// Left alone, its keys never expire. With a clock it goes through all keys at each command, which is nothing for
		// a few locks, and no way to treat the cache, whose keys never expire anyway.
		server.ClockTTL(true)
		e.LockAddrs = append(e.LockAddrs, server.Addr())
	}
	return e, nil
}

// Close stops the servers and forgets everything.
func (e *Embedded) Close() {
	for _, server := range e.servers {
		server.Close()
	}
}
