package sale_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"interlock/services/rail"
	"interlock/services/sale"
)

// TestClerks_ShareARun has four servers sell one run for five seconds. Each serves at least half of what would be its share, and
// one whose buyers have the lock all the time stays away long enough for the others to get it.
func TestClerks_ShareARun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const servers, buyers = 4, 8
		w := openWorld(t, sale.Settings{})
		w.book.before = func(rail.Batch) error {
			<-time.After(8 * time.Millisecond)
			return nil
		}
		offices := []*sale.Office{w.Office}
		for len(offices) < servers {
			offices = append(offices, w.open(t, sale.Settings{}))
		}
		end := time.Now().Add(5 * time.Second)
		for i, office := range offices {
			for buyer := range buyers {
				go func() {
					for n := 0; time.Now().Before(end); n++ {
						key := fmt.Sprintf("s%db%dn%d", i, buyer, n)
						_, _ = office.Place(t.Context(), "buyer"+key, w.order(key, "DOC"+key)) // nearly all are told that it is sold out
						<-time.After(time.Millisecond)
					}
				}()
			}
		}
		<-time.After(time.Until(end))
		served, all := make([]int64, servers), int64(0)
		for i, office := range offices {
			served[i] = office.Stats().Requests
			all += served[i]
		}
		require.Greater(t, all, int64(1000))
		for i := range served {
			require.Greater(t, served[i]*2*servers, all, "%v", served)
		}
		<-time.After(time.Second)
	})
}
