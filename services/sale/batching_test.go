package sale_test

import (
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"interlock/services/ledger"
	"interlock/services/sale"
)

// TestWorker_WaitsForThoseItAnswered has six buyers ask again some milliseconds after their answers, each a little
// later than the one before. A worker that served the first to come back at once would serve one and five in turn, for
// ever.
func TestWorker_WaitsForThoseItAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const buyers, orders, commit = 6, 3, 20 * time.Millisecond
		w := openWorld(t, sale.Settings{})
		w.book.before = func(ledger.Batch) error {
			<-time.After(commit)
			return nil
		}
		place := func(buyer, n int) {
			_, err := w.Place(t.Context(), fmt.Sprint("buyer", buyer),
				w.order(fmt.Sprint("b", buyer, "n", n), fmt.Sprintf("DOC%d000%d", buyer, n)))
			assert.NoError(t, err)
		}
		var wait sync.WaitGroup
		for buyer := range buyers {
			wait.Go(func() {
				place(buyer, 0)
				for n := 1; n < orders; n++ {
					<-time.After(time.Duration(1+buyer) * time.Millisecond)
					place(buyer, n)
				}
			})
			synctest.Wait() // the first buyer's order is in the ledger before the second one comes
		}
		wait.Wait()
		require.EqualValues(t, buyers*orders, w.Stats().Placed)
		require.EqualValues(t, 1+orders, w.Stats().Batches, "the first buyer, the other five, and then all together")

		// Five of them do not come back: the one who does waits for them no longer than one look around.
		begun := time.Now()
		place(0, orders)
		require.Equal(t, commit+2*time.Millisecond, time.Since(begun))
		// From then on he is alone, and waits for nobody.
		begun = time.Now()
		place(0, orders+1)
		require.Equal(t, commit, time.Since(begun))
	})
}
