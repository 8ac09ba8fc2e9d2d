package availability_test

import (
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/stretchr/testify/require"

	"interlock/internal/servers/serverstest"
	"interlock/services/availability"
)

// A viewer has two tokens, and the one that is nearly over makes the newer ticket. The older ticket stays good, and
// Redis forgets both in the end.
func TestStreamTickets_TheNewestMayEndFirst(t *testing.T) {
	for name, addr := range map[string]func(*testing.T) string{
		"Redis":     func(t *testing.T) string { t.Helper(); return serverstest.NewRedis(t).Addr() },
		"miniredis": func(t *testing.T) string { t.Helper(); return miniredis.RunT(t).Addr() },
	} {
		t.Run(name, func(t *testing.T) {
			client := connect(t, addr(t))
			tickets := availability.NewStreamTickets(client)
			now := time.Now()
			add := func(id string, until time.Time) {
				added, err := tickets.AddStreamTicket(t.Context(), "ann", id, now, until, 20)
				require.NoError(t, err)
				require.True(t, added)
			}
			add("long", now.Add(30*time.Second))
			add("short", now.Add(time.Millisecond))
			add("over", now.Add(-time.Millisecond))
			left := client.PTTL(t.Context(), "interlock:streamtickets:ann").Val()
			require.InDelta(t, 30*time.Second, left, float64(5*time.Second))
			taken, err := tickets.TakeStreamTicket(t.Context(), "ann", "long")
			require.NoError(t, err)
			require.True(t, taken)
			taken, err = tickets.TakeStreamTicket(t.Context(), "ann", "long")
			require.NoError(t, err)
			require.False(t, taken)
		})
	}
}
