package sale_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"interlock/services/ledger"
	"interlock/services/rail"
	"interlock/services/sale"
)

// A ticket that is being changed is good for travel. So what it is changed to is paid for before its train leaves, or
// not at all: a ticket that was travelled by pays for no other one.
func TestChange_NotPaidForAfterTheDeparture(t *testing.T) {
	for run := range 2 {
		synctest.Test(t, func(t *testing.T) {
			w := openTwoRuns(t, sale.Settings{})
			order := w.bought(t, "ann", w.book.run.ID, 1)
			departure := w.book.run.Departure(order.From)
			<-time.After(time.Until(departure) - 10*time.Minute)
			target := []rail.RunID{w.book.run.ID, w.line.other.run.ID}[run]
			to := w.to(order, target, "EEE", rail.First)
			to.From = "BBB" // Where the train leaves an hour later.
			answer, err := w.change(order, to, "change-0001")
			require.NoError(t, err)
			require.False(t, answer.New.PayBy.After(departure), answer.New.PayBy)
			<-time.After(11 * time.Minute)
			_, payment, err := w.Pay(t.Context(), "ann", answer.New.ID, "payment-0001")
			require.False(t, err == nil && payment.State == sale.PaymentSucceeded)
			go w.Sweep(t.Context())
			<-time.After(20 * time.Minute)
			require.Equal(t, rail.ChangeEnded, w.read(order.ID).Changes[0].State)
			require.Equal(t, rail.TicketIssued, w.read(order.ID).TicketState(0))
			require.NoError(t, w.check())
		})
	}
}

// A change that was noted before the departure, and whose new order is placed after it, ends without a change: also
// where nothing is to be paid. Where the run does not run, there is no such bound.
func TestChange_NotPlacedAfterTheDeparture(t *testing.T) {
	for _, suspended := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			w := openTwoRuns(t, sale.Settings{})
			order := w.bought(t, "ann", w.book.run.ID, 1)
			<-time.After(time.Until(w.book.run.Departure(order.From)) - 10*time.Minute)
			w.line.other.before = func(ledger.Batch) error { return context.DeadlineExceeded }
			to := w.to(order, w.line.other.run.ID, "BBB", rail.Second)
			_, err := w.change(order, to, "change-0001")
			require.Error(t, err)
			<-time.After(11 * time.Minute)
			w.line.other.mu.Lock()
			w.line.other.before = nil
			w.line.other.mu.Unlock()
			if suspended {
				w.book.set(rail.Suspended)
			}
			answer, err := w.Change(t.Context(), sale.ChangeRequest{
				Asker: sale.Asker{Name: "ann"}, ChangeTicket: to, QuoteID: "any", Key: "change-0001",
			})
			if suspended {
				require.NoError(t, err)
				require.Equal(t, rail.Paid, answer.New.State)
			} else {
				require.Equal(t, "DEPARTED input.change.ticketId", refusalOf(err))
				require.Equal(t, rail.TicketIssued, w.read(order.ID).TicketState(0))
			}
			require.NoError(t, w.check())
		})
	}
}
