package effects_test

import (
	"context"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"interlock/cmd/interlock/failpoints/effects"
	"interlock/services/ledger"
	"interlock/services/rail"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const run = rail.RunID("T12@2019-10-12")

func event(what ledger.EventType, version int64) ledger.Event {
	return ledger.Event{
		Type: what, OrderID: "order", OrderVersion: version, RunID: run, RunVersion: 7,
		Time: time.UnixMilli(1_570_000_000_000).UTC(),
	}
}

// TestLog_OnceInEachGroup: two processes note one event many times at once. It takes effect once in each group, the
// others are doubles, and one that tells something else of the same version is counted.
func TestLog_OnceInEachGroup(t *testing.T) {
	path := filepath.Join(t.TempDir(), "effects.db")
	const each = 20
	var logs []*effects.Log
	for range 2 {
		log, err := effects.Open(t.Context(), path)
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, log.Close()) })
		logs = append(logs, log)
	}
	var telling sync.WaitGroup
	for n, log := range logs {
		for _, group := range []string{"one", "other"} {
			handle := log.Handler(group, group+string(rune('a'+n)))
			for range each {
				telling.Go(func() {
					require.NoError(t, handle(context.Background(), event(ledger.EventOrderPlaced, 1)))
				})
			}
		}
	}
	telling.Wait()
	require.NoError(t, logs[0].Handler("one", "a")(t.Context(), event(ledger.EventOrderPaid, 2)))
	require.NoError(t, logs[1].Handler("one", "b")(t.Context(), event(ledger.EventOrderCancelled, 2)))

	found, err := logs[0].Of(t.Context(), run, "no such run")
	require.NoError(t, err)
	require.Len(t, found, 3)
	for _, e := range found[:2] {
		require.Equal(t, event(ledger.EventOrderPlaced, 1), e.Event)
		require.Equal(t, 2*each-1, e.Doubles)
		require.Zero(t, e.Others)
	}
	require.Equal(t, event(ledger.EventOrderPaid, 2), found[2].Event, "the first stands")
	require.Equal(t, 1, found[2].Others)
	require.Equal(t, "a", found[2].Consumer)
	require.Equal(t, "b", found[2].LastConsumer)

	found, err = logs[1].At(t.Context(), "order", 1)
	require.NoError(t, err)
	require.Len(t, found, 2)
	found, err = logs[1].Of(t.Context(), "T13@2019-10-12")
	require.NoError(t, err)
	require.Empty(t, found)
}
