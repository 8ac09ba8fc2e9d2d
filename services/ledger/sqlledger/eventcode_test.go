package sqlledger

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"interlock/services/ledger"
	"interlock/services/rail"
)

// TestNotePayment_LongestIDs notes each type of event of a payment, of the longest ids there are, and reads it back.
func TestNotePayment_LongestIDs(t *testing.T) {
	const columnWidth = 288
	run := rail.NewRunID(strings.Repeat("9", 128), rail.NewDate(2026, 10, 12))
	order := rail.NewOrderID(run, 1<<50-1, strings.Repeat("z", 26))
	payment := strings.Repeat("f", 64)
	at := time.UnixMilli(5).UTC()
	var n noted
	for i, kind := range ledger.PaymentEventTypes {
		require.NoError(t, n.notePayment(ledger.Event{
			Type: kind, OrderID: order, PaymentID: payment, PaymentVersion: int64(9 + i),
		}))
		require.Len(t, n.ids, i+1, "each has a row of its own")
		id := n.ids[i]
		require.LessOrEqual(t, len(id), columnWidth)
		got, events, err := unpackEvents(id, at, n.events[id])
		require.NoError(t, err)
		require.Equal(t, run, got)
		require.Equal(t, []ledger.Event{{
			Type: kind, OrderID: order, RunID: run, RunVersion: 1<<50 - 1,
			PaymentID: payment, PaymentVersion: int64(9 + i), Time: at,
		}}, events)
		for cut := 1; cut < len(n.events[id]); cut++ {
			_, events, err := unpackEvents(id, at, n.events[id][:cut])
			require.Error(t, err, "%d bytes of it", cut)
			require.Empty(t, events)
		}
	}
	require.True(t, slices.IsSorted(n.ids), "the rows are in the order of the payment's versions")
}

func TestNotePayment_RefusesWhatCannotBePublished(t *testing.T) {
	var n noted
	good := rail.NewOrderID("T12@2026-10-12", 106, "q")
	for _, e := range []ledger.Event{
		{PaymentID: "7f3a"}, {PaymentID: "7f3a", OrderID: "T12@2026-10-12/1"}, {OrderID: good},
	} {
		e.Type = ledger.EventPaymentEnded
		require.Error(t, n.notePayment(e))
	}
	require.Empty(t, n.ids)
}
