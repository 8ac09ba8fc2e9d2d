package notifytest_test

import (
	"sync/atomic"
	"testing"
	"time"

	"interlock/services/notify/notifytest"
)

// TestMemory_Conformance has the store that other tests rely on keep the contract, too.
func TestMemory_Conformance(t *testing.T) {
	notifytest.RunStore(t, func(*testing.T) notifytest.Kept {
		var ahead atomic.Int64
		m := &notifytest.Memory{Clock: func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }}
		return notifytest.Kept{Store: m, Age: func(_ *testing.T, by time.Duration) { ahead.Add(int64(by)) }}
	})
}
