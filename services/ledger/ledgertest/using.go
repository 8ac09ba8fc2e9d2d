package ledgertest

import (
	"testing"

	"github.com/stretchr/testify/require"

	"interlock/services/ledger"
	"interlock/services/ledger/sqlledger"
	"interlock/services/rail"
)

// use marks a ticket of an order as used, at the time of a batch.
func (c *worker) use(run rail.RunID, id string, ticket int) (*rail.Order, error) {
	return c.change(run, id, func(s *ledger.BatchState, o *rail.Order) ledger.OrderChange {
		next := *o
		next.Tickets, next.Version = append([]rail.Ticket(nil), o.Tickets...), o.Version+1
		next.Tickets[ticket].Own = rail.TicketUsed
		next.Tickets[ticket].Use = rail.TicketUse{ID: refundID("use"), By: "ines", At: s.Now}
		return ledger.OrderChange{Order: &next, Event: ledger.EventOrderUsed}
	})
}

// useOne marks one ticket of three. It keeps its seat, its document travels, and what becomes of the others leaves the
// use as it is.
func useOne(t *testing.T, s *suite) {
	l, c, run := s.published(t)
	o := paidParty(t, l, c, run, "wang", 3)
	taken(t, l, 2)
	version := s.version(t, run)
	after, err := c.use(run, o.ID, 1)
	require.NoError(t, err)
	require.Equal(t, after, read(t, l, o.ID))
	require.Equal(t, version+1, s.version(t, run))
	require.Equal(t, o.Version+1, after.Version)
	require.Equal(t, rail.Paid, after.State)
	require.Equal(t, []rail.TicketState{rail.TicketIssued, rail.TicketUsed, rail.TicketIssued},
		[]rail.TicketState{after.TicketState(0), after.TicketState(1), after.TicketState(2)})
	require.Equal(t, []string{event("order.used", o.ID, o.Version+1)}, taken(t, l, 1))
	lives, err := lifeOf(c, run, o.ID)
	require.NoError(t, err)
	require.Equal(t, ledger.OrderLife{State: rail.Paid}, lives, "its document travels")
	RequireSold(t, l)

	_, err = c.giveBack(run, o.ID, "a", rail.TicketsOf(0, 2))
	require.NoError(t, err)
	_, err = l.Correct(t.Context(), ledger.Correction{OrderID: o.ID, Ticket: 1, Name: "Li", By: "mei", Reason: "typing"})
	require.NoError(t, err)
	last := read(t, l, o.ID)
	require.Equal(t, rail.Paid, last.State, "one of its tickets has its seat")
	require.Equal(t, after.Tickets[1].Use, last.Tickets[1].Use)
	require.Equal(t, "Li", last.Tickets[1].Passenger.Name)
	require.Equal(t, last.Tickets[1].Use, written(t, l, o).Tickets[1].Use)
	RequireSold(t, l)
}

// useWithdrawn withdraws the run of a used ticket: the use stays, and the price goes back.
func useWithdrawn(t *testing.T, s *suite) {
	l, c, run := s.soldBeside(t)
	o := paidParty(t, l, c, run, "wang", 2)
	used, err := c.use(run, o.ID, 0)
	require.NoError(t, err)
	_, _, err = l.Withdraw(t.Context(), run, "no track", "mei", true)
	require.NoError(t, err)
	after := read(t, l, o.ID)
	require.Equal(t, rail.TicketCancelled, after.TicketState(0))
	require.Equal(t, used.Tickets[0].Use, after.Tickets[0].Use)
	require.Len(t, after.Refunds, 1)
	require.Equal(t, rail.TicketsOf(0, 1), after.Refunds[0].Tickets)
	RequireSold(t, l)
}

// written is an order as an audit reads it.
func written(t *testing.T, l *sqlledger.Ledger, o *rail.Order) *ledger.WrittenOrder {
	t.Helper()
	for snapshot, err := range l.AuditSnapshots(t.Context(), "", 100) {
		require.NoError(t, err)
		for _, w := range snapshot.Orders {
			if w.ID == o.ID {
				return w
			}
		}
	}
	require.FailNow(t, "the order is in no snapshot")
	return nil
}
