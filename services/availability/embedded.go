package availability

import (
	"github.com/alicebob/miniredis/v2"
)

// embeddedLocks is the fewest lock nodes of which one may fail.
const embeddedLocks = 3

// Embedded is a Redis in this process for each part, on loopback ports. It is for trying Interlock out, and for tests.
// What it holds is lost when it ends; all of it can be made anew.
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
		// Without a clock its keys never expire. With one it goes through all keys at each command. That is nothing for
		// a few locks, and too much for the cache, whose keys never expire anyway.
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
