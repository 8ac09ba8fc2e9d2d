package sale_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"interlock/services/ledger"
	"interlock/services/rail"
	"interlock/services/sale"
)

// changeID is the id of a change that a buyer is going to ask for. It is no secret of the server's.
func changeID(order *rail.Order, key string) string {
	digest := sha256.New()
	for _, part := range []string{"interlock change", order.ID, order.Buyer, key} {
		fmt.Fprintf(digest, "%d:%s", len(part), part)
	}
	return hex.EncodeToString(digest.Sum(nil))
}

// A buyer who takes the key of a change for an ordinary order has no change by it: the old ticket stays good, whatever
// became of the ordinary order.
func TestChange_ItsKeyIsTakenByAnOrdinaryOrder(t *testing.T) {
	for run := range 2 {
		for _, paid := range []bool{true, false} {
			synctest.Test(t, func(t *testing.T) {
				w := openTwoRuns(t, sale.Settings{})
				order := w.bought(t, "ann", w.book.run.ID, 1)
				target := []rail.RunID{w.book.run.ID, w.line.other.run.ID}[run]
				place := w.order("other", "OTHERDOC")
				place.RunID, place.IdempotencyKey = target, changeID(order, "change-0001")
				ordinary, err := w.Place(t.Context(), "ann", place)
				require.NoError(t, err)
				if paid {
					w.mustPay(t, ordinary)
				}
				batches := len(w.book.batches)
				_, err = w.change(order, w.to(order, target, "BBB", rail.Second), "change-0001")
				require.Equal(t, "IDEMPOTENCY_CONFLICT input.idempotencyKey", refusalOf(err))
				require.LessOrEqual(t, len(w.book.batches), batches+2, "the batch is not sold again and again")
				go w.Sweep(t.Context())
				<-time.After(20 * time.Minute)
				require.Equal(t, rail.TicketIssued, w.read(order.ID).TicketState(0))
				require.NoError(t, w.check())
			})
		}
	}
}

// A change that was noted and not placed yet is repeated with its key, for something else. The key is of the first.
func TestChange_AKeyForTwoBeforeTheNewOrder(t *testing.T) {
	for name, to := range map[string]rail.StationCode{"cheaper than what is carried over": "BBB", "dearer": "EEE"} {
		t.Run(name, func(t *testing.T) {
			w := openTwoRuns(t, sale.Settings{})
			order := w.bought(t, "ann", w.book.run.ID, 1)
			w.line.other.before = func(ledger.Batch) error { return context.DeadlineExceeded }
			first := w.to(order, w.line.other.run.ID, "CCC", rail.Second)
			_, err := w.change(order, first, "change-0001")
			require.Error(t, err)
			require.Equal(t, rail.ChangeOpen, w.read(order.ID).Changes[0].State)
			w.line.other.mu.Lock()
			w.line.other.before = nil
			w.line.other.mu.Unlock()
			request := sale.ChangeRequest{
				Asker: sale.Asker{Name: "ann"}, ChangeTicket: w.to(order, w.line.other.run.ID, to, rail.Second),
				QuoteID: "any", Key: "change-0001",
			}
			_, err = w.Change(t.Context(), request)
			require.Equal(t, "IDEMPOTENCY_CONFLICT input.idempotencyKey", refusalOf(err))
			require.Empty(t, w.line.other.orders)
			request.ChangeTicket = first
			answer, err := w.Change(t.Context(), request)
			require.NoError(t, err)
			require.Equal(t, yuan(50), answer.New.ToPay())
			require.NoError(t, w.check())
		})
	}
}

// The other run has other fares by the time that the new order of a noted change is placed: the buyer has agreed to the
// price of the quote, and to none else.
func TestChange_OtherFaresBeforeTheNewOrder(t *testing.T) {
	for name, fare := range map[string]int64{"cheaper than what is carried over": 10_000_000, "dearer": 90_000_000} {
		synctest.Test(t, func(t *testing.T) {
			w := openTwoRuns(t, sale.Settings{})
			order := w.bought(t, "ann", w.book.run.ID, 1)
			w.line.other.before = func(ledger.Batch) error { return context.DeadlineExceeded }
			to := w.to(order, w.line.other.run.ID, "CCC", rail.Second)
			_, err := w.change(order, to, "change-0001")
			require.Error(t, err)
			w.line.other.mu.Lock()
			w.line.other.before = nil
			w.line.other.run = leavesIn(newRun(t), "T13", 60*time.Hour, 120_000_000, fare)
			w.line.other.mu.Unlock()
			_, err = w.Change(t.Context(), sale.ChangeRequest{
				Asker: sale.Asker{Name: "ann"}, ChangeTicket: to, QuoteID: "any", Key: "change-0001",
			})
			require.Equal(t, "QUOTE_STALE input.quoteId", refusalOf(err), name)
			require.Equal(t, rail.TicketIssued, w.read(order.ID).TicketState(0))
			require.NoError(t, w.check())
		})
	}
}

// A passenger's name is corrected while a change of the ticket is on its way to the worker: the new ticket has the new
// name.
func TestChange_ANameThatWasCorrectedMeanwhile(t *testing.T) {
	for run := range 2 {
		w := openTwoRuns(t, sale.Settings{})
		order := w.bought(t, "ann", w.book.run.ID, 1)
		w.book.before = func(ledger.Batch) error {
			w.set(w.read(order.ID), func(o *rail.Order) {
				o.Tickets = []rail.Ticket{o.Tickets[0]}
				o.Tickets[0].Passenger.Name = "Corrected"
			})
			w.book.before = nil
			return nil
		}
		target := []rail.RunID{w.book.run.ID, w.line.other.run.ID}[run]
		answer, err := w.change(order, w.to(order, target, "BBB", rail.Second), "change-0001")
		require.NoError(t, err)
		require.Equal(t, "Corrected", answer.New.Tickets[0].Passenger.Name)
	}
}

// Changes that cannot be finished, as the cluster of their new orders is away, do not keep others from it.
func TestChange_ManyThatCannotBeFinished(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := openTwoRuns(t, sale.Settings{})
		order := w.bought(t, "ann", w.book.run.ID, 1)
		stuck := *w.read(order.ID)
		w.line.other.before = func(ledger.Batch) error { return context.DeadlineExceeded }
		w.book.mu.Lock()
		for n := range 600 {
			one := stuck
			one.ID = fmt.Sprintf("%s/stuck%07d", one.RunID, n)
			one.Tickets = []rail.Ticket{stuck.Tickets[0]}
			one.Tickets[0].Own = rail.TicketChanging
			one.Changes = []rail.TicketChange{{
				ID: fmt.Sprintf("%064d", n), To: w.line.other.run.ID, State: rail.ChangeOpen, DueAt: time.Now(),
			}}
			w.book.orders[one.ID] = &one
		}
		w.book.mu.Unlock()
		_, err := w.change(order, w.to(order, w.book.run.ID, "EEE", rail.First), "change-0001")
		require.NoError(t, err)
		go w.Sweep(t.Context())
		<-time.After(30 * time.Minute)
		require.Equal(t, rail.ChangeEnded, w.read(order.ID).Changes[0].State)
	})
}
