package resolvers_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"interlock/resolvers"
	"interlock/services/rail"
)

var (
	seatAvailability = fmt.Sprintf(
		`subscription { seatAvailability(runIds: [%q, %q], from: "SHH", to: "NJH") {
			version classes { remaining }
		} }`,
		runID, resolvers.EncodeID("Run", "T13@2019-10-12"))
	orderChanged = fmt.Sprintf(`subscription { orderChanged(orderId: %q) { number version } }`, orderID)
)

// streams gives the hub its streams, and returns the end of both.
func (w *world) streams() chan struct{} {
	w.snapshots, w.orders = make(chan *rail.Snapshot), make(chan *rail.Order)
	end := make(chan struct{})
	go func() {
		<-end
		close(w.snapshots)
		close(w.orders)
	}()
	return end
}

func TestSeatAvailability(t *testing.T) {
	w := newWorld()
	end := w.streams()
	next := w.open(t.Context(), t, anonymous, seatAvailability, nil)
	require.Equal(t, []call{
		called("Hub.SubscribeSeats", []rail.RunID{"T12@2019-10-12", "T13@2019-10-12"}, rail.StationCode("SHH"),
			rail.StationCode("NJH")),
	}, w.calls)
	for version := int64(1); version <= 3; version++ {
		w.snapshots <- &rail.Snapshot{
			Run: w.runs["T12@2019-10-12"], From: 0, To: 1,
			Left: rail.Left{Known: true, Version: version, Counts: []uint16{0, 9}},
		}
		response := next()
		require.Empty(t, response.Errors)
		require.JSONEq(t, fmt.Sprintf(`{"seatAvailability": {"version": %d, "classes": [{"remaining": 9}]}}`, version),
			string(response.Data))
	}
	close(end)
	require.Nil(t, next(), "the stream ends with the hub's")
}

func TestSeatAvailability_FromEndToEnd(t *testing.T) {
	w := newWorld()
	close(w.streams())
	require.Nil(t,
		w.open(t.Context(), t, anonymous,
			fmt.Sprintf(`subscription { seatAvailability(runIds: [%q]) { version } }`, runID), nil)())
	require.Equal(t, []call{
		called("Hub.SubscribeSeats", []rail.RunID{"T12@2019-10-12"}, rail.StationCode(""), rail.StationCode("")),
	}, w.calls)
}

func TestOrderChanged(t *testing.T) {
	w := newWorld()
	end := w.streams()
	next := w.open(t.Context(), t, ann, orderChanged, nil)
	require.Equal(t, []call{called("Hub.SubscribeOrder", "first")}, w.calls)
	require.True(t, w.visible(&rail.Order{Buyer: "ann"}))
	require.False(t, w.visible(&rail.Order{Buyer: "bob"}), "another's order is not visible")
	w.orders <- w.listed[1]
	require.JSONEq(t, `{"orderChanged": {"number": "NUMBER1", "version": 3}}`, string(next().Data))
	close(end)
	require.Nil(t, next())
}

func TestSubscriptions_Refused(t *testing.T) {
	for _, c := range []struct{ method, operation, field string }{
		{"Hub.SubscribeSeats", seatAvailability, "seatAvailability"},
		{"Hub.SubscribeOrder", orderChanged, "orderChanged"},
	} {
		w := newWorld()
		w.fail[c.method] = rail.Refuse(rail.NotFound, "no such thing").At("theArgument")
		response := w.open(t.Context(), t, ann, c.operation, nil)()
		require.Equal(t, []string{c.field + ": NOT_FOUND at theArgument"}, told(response.Errors))
		require.Nil(t, response.Data)
	}
}

// An error in the fields of one event does not end the stream.
func TestSubscriptions_AnEventThatCannotBeShown(t *testing.T) {
	w := newWorld()
	end := w.streams()
	next := w.open(t.Context(), t, ann,
		fmt.Sprintf(`subscription { orderChanged(orderId: %q) { run { id } } }`, orderID), nil)
	w.notReady = true
	w.orders <- w.listed[1]
	response := next()
	require.Len(t, response.Errors, 1)
	require.Contains(t, told(response.Errors)[0], "run: UNAVAILABLE")
	close(end)
	require.Nil(t, next())
}

// A client that leaves while an event is on its way leaves no goroutine behind: TestMain looks.
func TestSubscriptions_AClientThatLeaves(t *testing.T) {
	w := newWorld()
	end := w.streams()
	ctx, leave := context.WithCancel(t.Context())
	next := w.open(ctx, t, ann, orderChanged, nil)
	w.orders <- w.listed[0] // taken by the translation, and read by nobody
	leave()
	require.Nil(t, next())
	close(end)
}
