package paytest_test

import (
	"sync/atomic"
	"testing"
	"time"

	"interlock/services/ledger"
	"interlock/services/pay/paytest"
)

// TestMemory_Conformance has the store that other tests rely on keep the contract, too.
func TestMemory_Conformance(t *testing.T) {
	paytest.RunStore(t, paytest.Keeper{New: func(*testing.T) paytest.Kept {
		var ahead atomic.Int64
		m := &paytest.Memory{Clock: func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }}
		return paytest.Kept{
			Store:  m,
			Events: func(*testing.T) []ledger.Event { return m.Events() },
			Age:    func(_ *testing.T, by time.Duration) { ahead.Add(int64(by)) },
		}
	}})
}
