package availabilitytest

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"interlock/services/availability"
)

// streamTicketsOnce: of many who take one ticket at the same moment, one gets it; and no other ticket is touched.
func streamTicketsOnce(t *testing.T, f *fixture) {
	tickets, others := availability.NewStreamTickets(f.client), availability.NewStreamTickets(f.connect(t))
	now := time.Now()
	for _, id := range []string{"one", "two"} {
		added, err := tickets.AddStreamTicket(t.Context(), "ann", id, now, now.Add(time.Minute), 5)
		require.NoError(t, err)
		require.True(t, added)
	}
	var taken atomic.Int64
	var all sync.WaitGroup
	for i := range 16 {
		from := tickets
		if i%2 == 1 {
			from = others // another server
		}
		all.Go(func() {
			ok, err := from.TakeStreamTicket(t.Context(), "ann", "one")
			if err == nil && ok {
				taken.Add(1)
			}
		})
	}
	all.Wait()
	require.EqualValues(t, 1, taken.Load())
	for holder, id := range map[string]string{"ann": "three", "bob": "two"} {
		ok, err := tickets.TakeStreamTicket(t.Context(), holder, id)
		require.NoError(t, err)
		require.False(t, ok, "%s of %s", id, holder)
	}
	ok, err := tickets.TakeStreamTicket(t.Context(), "ann", "two")
	require.NoError(t, err)
	require.True(t, ok)
}

// streamTicketsBounded: a holder has so many tickets, and those that have ended or were taken do not count.
func streamTicketsBounded(t *testing.T, f *fixture) {
	tickets := availability.NewStreamTickets(f.client)
	now := time.Now()
	add := func(holder, id string, at time.Time) bool {
		t.Helper()
		added, err := tickets.AddStreamTicket(t.Context(), holder, id, at, at.Add(30*time.Second), 2)
		require.NoError(t, err)
		return added
	}
	require.True(t, add("ann", "1", now))
	require.True(t, add("ann", "2", now.Add(10*time.Second)))
	require.False(t, add("ann", "3", now.Add(29*time.Second)))
	ok, err := tickets.TakeStreamTicket(t.Context(), "ann", "3")
	require.NoError(t, err)
	require.False(t, ok, "nothing was kept of it")
	require.True(t, add("bob", "1", now), "each holder has their own")
	require.True(t, add("ann", "4", now.Add(30*time.Second)), "the first has ended")
	require.False(t, add("ann", "5", now.Add(31*time.Second)))
	ok, err = tickets.TakeStreamTicket(t.Context(), "ann", "4")
	require.NoError(t, err)
	require.True(t, ok)
	require.True(t, add("ann", "6", now.Add(31*time.Second)), "one was taken")
	left, err := f.client.PTTL(t.Context(), "interlock:streamtickets:ann").Result()
	require.NoError(t, err)
	require.InDelta(t, 30*time.Second, left, float64(5*time.Second), "nothing stays for ever")
}

// streamTicketsForgotten: a ticket that Redis has lost cannot be used.
func streamTicketsForgotten(t *testing.T, f *fixture) {
	tickets := availability.NewStreamTickets(f.client)
	now := time.Now()
	added, err := tickets.AddStreamTicket(t.Context(), "ann", "1", now, now.Add(time.Minute), 2)
	require.NoError(t, err)
	require.True(t, added)
	require.NoError(t, f.server.FlushAll(t.Context()))
	ok, err := tickets.TakeStreamTicket(t.Context(), "ann", "1")
	require.NoError(t, err)
	require.False(t, ok)
}
