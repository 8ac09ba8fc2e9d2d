package sale_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"interlock/services/ledger"
	"interlock/services/sale"
)

// TestWorkers_ShareARun has four servers sell one run for a minute. In each five seconds of it each serves at least
// half of what would be its share: one whose buyers have the lock all the time stays away long enough for the others to
// get it, and where a turn is one long batch, of which there are a few dozen, none is unlucky for long.
func TestWorkers_ShareARun(t *testing.T) {
	for batch, least := range map[time.Duration]int64{8 * time.Millisecond: 1000, 85 * time.Millisecond: 300} {
		t.Run(batch.String(),
			func(t *testing.T) { synctest.Test(t, func(t *testing.T) { shareARun(t, batch, least) }) })
	}
}

// shareARun has batches of a length, and at least so many requests served in each five seconds.
func shareARun(t *testing.T, batch time.Duration, least int64) {
	const servers, buyers, window, windows = 4, 8, 5 * time.Second, 12
	w := openWorld(t, sale.Settings{})
	w.book.before = func(ledger.Batch) error {
		<-time.After(batch)
		return nil
	}
	services := []*sale.Service{w.Service}
	for len(services) < servers {
		services = append(services, w.open(t, sale.Settings{}))
	}
	end := time.Now().Add(windows * window)
	for i, service := range services {
		for buyer := range buyers {
			go func() {
				for n := 0; time.Now().Before(end); n++ {
					key := fmt.Sprintf("s%db%dn%d", i, buyer, n)
					_, _ = service.Place(t.Context(), "buyer"+key,
						w.order(key, "DOC"+key)) // nearly all are told that it is sold out
					<-time.After(time.Millisecond)
				}
			}()
		}
	}
	before := make([]int64, servers)
	for range windows {
		<-time.After(window)
		served, all := make([]int64, servers), int64(0)
		for i, service := range services {
			requests := service.Stats().Requests
			served[i], before[i] = requests-before[i], requests
			all += served[i]
		}
		require.Greater(t, all, least)
		for i := range served {
			require.Greater(t, served[i]*2*servers, all, "%v", served)
		}
	}
	<-time.After(time.Second)
}
