package watch_test

import (
	"context"
	"fmt"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"interlock/services/rail"
	"interlock/services/watch"
)

// asViewer and asClient are contexts of those who ask; they end with the test.
func asViewer(t *testing.T, subject string) context.Context {
	return rail.WithViewer(t.Context(), &rail.Viewer{Subject: subject})
}

func asClient(t *testing.T, address string, stream uint64) context.Context {
	return rail.WithClient(t.Context(), rail.Client{Address: netip.MustParsePrefix(address), Stream: stream})
}

func publishMany(w *world, runs int) []rail.RunID {
	var ids []rail.RunID
	for i := range runs {
		ids = append(ids, w.publish(fmt.Sprint("G", i), "A", "B", "C"))
	}
	return ids
}

func requireOverloaded(t *testing.T, err error) {
	t.Helper()
	var e *rail.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, rail.Overloaded, e.Code)
	require.NotZero(t, e.RetryAfter)
}

// A viewer watches a thousand runs, however they are spread over subscriptions and streams, and no other has less for
// it.
func TestAccounts_OfAViewer(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world, hub *watch.Hub) {
		ids := publishMany(w, watch.MaxRuns)
		var leave context.CancelFunc
		for stream := range watch.DefaultMaxWatchedPerViewer / watch.MaxRuns {
			ctx, cancel := context.WithCancel(rail.WithClient(asViewer(t, "anna"), rail.Client{Stream: uint64(stream)}))
			leave = cancel
			_, err := hub.SubscribeSeats(ctx, ids, "", "")
			require.NoError(t, err)
		}
		_, err := hub.SubscribeSeats(asViewer(t, "anna"), ids[:1], "A", "B")
		requireOverloaded(t, err)
		require.ErrorContains(t, err, "1000 are watched")
		seats, _ := hub.Subscribers()
		require.Equal(t, 10, seats, "who was refused is not counted")
		_, err = hub.SubscribeSeats(asViewer(t, "ben"), ids, "", "")
		require.NoError(t, err)

		leave()
		quiesce()
		_, err = hub.SubscribeSeats(asViewer(t, "anna"), ids[1:], "", "")
		require.NoError(t, err, "what ends makes room")
		_, err = hub.SubscribeSeats(asViewer(t, "anna"), ids[:2], "", "")
		requireOverloaded(t, err)
		_, err = hub.SubscribeSeats(asViewer(t, "anna"), ids[:1], "", "")
		require.NoError(t, err)
	})
}

// A run that has closed is not watched any more, though its subscription goes on with others.
func TestAccounts_RunsThatEnd(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world, hub *watch.Hub) {
		hub.MaxWatchedPerViewer = 2
		ids := publishMany(w, 3)
		_, err := hub.SubscribeSeats(asViewer(t, "anna"), ids[:2], "", "")
		require.NoError(t, err)
		quiesce()
		_, err = hub.SubscribeSeats(asViewer(t, "anna"), ids[2:], "", "")
		requireOverloaded(t, err)
		withdrawn := *w.runs[ids[0]]
		withdrawn.Status = rail.Withdrawn
		w.set(func() { w.runs[ids[0]] = &withdrawn })
		w.say(w.decide(ids[0], rail.Withdrawn))
		quiesce()
		_, err = hub.SubscribeSeats(asViewer(t, "anna"), ids[2:], "", "")
		require.NoError(t, err)
	})
}

// Without a token, subscriptions are counted by stream and by address. Clients at other addresses have no less for it.
func TestAccounts_WithoutAToken(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world, hub *watch.Hub) {
		ids := publishMany(w, watch.MaxRuns)
		perStream := watch.DefaultMaxWatchedPerViewer / watch.MaxRuns
		streams := watch.DefaultMaxWatchedPerAddress / watch.DefaultMaxWatchedPerViewer
		for stream := range streams {
			for range perStream {
				_, err := hub.SubscribeSeats(asClient(t, "203.0.113.7/32", uint64(stream)), ids, "", "")
				require.NoError(t, err)
			}
			_, err := hub.SubscribeSeats(asClient(t, "203.0.113.7/32", uint64(stream)), ids[:1], "", "")
			requireOverloaded(t, err)
			require.ErrorContains(t, err, "this stream")
		}
		_, err := hub.SubscribeSeats(asClient(t, "203.0.113.7/32", 1_000), ids[:1], "", "")
		requireOverloaded(t, err)
		require.ErrorContains(t, err, "at your address")
		require.NotContains(t, err.Error(), "203.0.113.7")
		_, err = hub.SubscribeSeats(asClient(t, "203.0.113.8/32", 1_001), ids, "", "")
		require.NoError(t, err)
		ctx := rail.WithClient(asViewer(t, "anna"),
			rail.Client{Address: netip.MustParsePrefix("203.0.113.7/32"), Stream: 1_002})
		_, err = hub.SubscribeSeats(ctx, ids, "", "")
		require.NoError(t, err, "a token is counted by itself")
	})
}

// An order costs the primary reads, and counts ten.
func TestAccounts_Orders(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world, hub *watch.Hub) {
		order := hold(w.publish("G1", "A", "B"))
		w.put(order)
		ctx, leave := context.WithCancel(asViewer(t, "anna"))
		_, err := hub.SubscribeOrder(ctx, order.ID, anyone)
		require.NoError(t, err)
		for range watch.DefaultMaxWatchedPerViewer/10 - 1 {
			_, err := hub.SubscribeOrder(asViewer(t, "anna"), order.ID, anyone)
			require.NoError(t, err)
		}
		_, err = hub.SubscribeOrder(asViewer(t, "anna"), order.ID, anyone)
		requireOverloaded(t, err)
		leave()
		quiesce()
		_, err = hub.SubscribeOrder(asViewer(t, "anna"), order.ID, anyone)
		require.NoError(t, err)
	})
}
