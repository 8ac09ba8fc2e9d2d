package gateway

import "sync/atomic"

// inFlight counts the operations in flight, up to a limit.
type inFlight struct {
	limit int64
	now   atomic.Int64
}

func (f *inFlight) start() bool {
	if f.now.Add(1) > f.limit {
		f.now.Add(-1)
		return false
	}
	return true
}

func (f *inFlight) end() { f.now.Add(-1) }
