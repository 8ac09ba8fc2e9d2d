package sale_test

import (
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"interlock/services/ledger"
	"interlock/services/rail"
	"interlock/services/sale"
)

// inspected is a world where the tickets of the first run have been valid for an hour.
func inspected(t *testing.T) *twoRuns {
	w := openTwoRuns(t, sale.Settings{})
	w.book.run = leavesIn(w.book.run, "T12", 23*time.Hour, 80_000_000, 50_000_000)
	return w
}

func useOf(order *rail.Order, ticket int, inspector, key string) sale.UseRequest {
	return sale.UseRequest{
		Inspector: inspector, Ticket: rail.TicketRef{OrderID: order.ID, Ticket: ticket}, Key: key,
	}
}

// One ticket of a party is used once: the first is told so, also again, and everybody else when it was.
func TestUse_Once(t *testing.T) {
	w := inspected(t)
	order := w.bought(t, "ann", w.book.run.ID, 3)
	free := w.free(t, w.book)
	looked, err := w.Inspect(t.Context(), rail.TicketRef{OrderID: order.ID, Ticket: 1})
	require.NoError(t, err)
	require.Equal(t, rail.CheckValid, looked.Check)
	require.Equal(t, order, w.read(order.ID), "looking changes nothing")

	first, err := w.Use(t.Context(), useOf(order, 1, "ines", "use-00001"))
	require.NoError(t, err)
	require.Equal(t, rail.CheckValid, first.Check)
	require.Equal(t, order.Version+1, first.Order.Version)
	use := first.Order.Tickets[1].Use
	require.Equal(t, "ines", use.By)
	require.WithinDuration(t, time.Now(), use.At, time.Minute)
	require.Equal(t, ledger.EventOrderUsed, w.book.changed[len(w.book.changed)-1].Event)

	for _, c := range []struct {
		inspector, key string
		want           rail.TicketCheck
	}{
		{"ines", "use-00001", rail.CheckValid},
		{"ines", "use-00002", rail.CheckUsed},
		{"ivan", "use-00001", rail.CheckUsed},
	} {
		again, err := w.Use(t.Context(), useOf(order, 1, c.inspector, c.key))
		require.NoError(t, err)
		require.Equal(t, c.want, again.Check, "%s, %s", c.inspector, c.key)
		require.Equal(t, use, again.Order.Tickets[1].Use)
		require.Equal(t, first.Order.Version, again.Order.Version)
	}
	looked, err = w.Inspect(t.Context(), rail.TicketRef{OrderID: order.ID, Ticket: 1})
	require.NoError(t, err)
	require.Equal(t, rail.CheckUsed, looked.Check)
	require.Equal(t, free, w.free(t, w.book), "it keeps its seat")
}

// A used ticket can be neither given back nor changed. The others of its party can.
func TestUse_EndsNothingElse(t *testing.T) {
	w := inspected(t)
	order := w.bought(t, "ann", w.book.run.ID, 3)
	old, _, err := w.QuoteRefund(t.Context(), sale.Asker{Name: "ann"}, order.ID, 0)
	require.NoError(t, err)
	_, err = w.Use(t.Context(), useOf(order, 1, "ines", "use-00001"))
	require.NoError(t, err)
	asker := sale.Asker{Name: "ann"}
	_, _, err = w.QuoteRefund(t.Context(), asker, order.ID, rail.TicketsOf(0, 1))
	require.Equal(t, "WRONG_STATE ticketIds.1", refusalOf(err))
	require.ErrorContains(t, err, "the ticket was used")
	_, err = w.Refund(t.Context(), sale.RefundRequest{
		Asker: asker, OrderID: order.ID, Tickets: rail.TicketsOf(0, 1), QuoteID: old.ID, Key: "refund-0001",
	})
	require.Equal(t, "WRONG_STATE input.ticketIds.1", refusalOf(err))
	change := w.to(order, w.line.other.run.ID, "CCC", rail.Second)
	change.Ticket.Ticket = 1
	_, _, err = w.QuoteChange(t.Context(), asker, change)
	require.Equal(t, "WRONG_STATE input.ticketId", refusalOf(err))
	_, err = w.Change(t.Context(), sale.ChangeRequest{
		Asker: asker, ChangeTicket: change, QuoteID: "x", Key: "change-0001",
	})
	require.Equal(t, "WRONG_STATE input.change.ticketId", refusalOf(err))

	_, err = w.Refund(t.Context(), sale.RefundRequest{
		Asker: asker, OrderID: order.ID, QuoteID: old.ID, Key: "refund-0002",
	})
	require.Equal(t, "QUOTE_STALE input.quoteId", refusalOf(err), "the quote was of all three")
	rest, err := w.give(t, order, "refund-0003")
	require.NoError(t, err)
	require.Equal(t, rail.TicketsOf(0, 2), rest.Refund.Tickets)
	require.Equal(t, rail.Paid, rest.Order.State, "the used ticket has its seat")
	_, _, err = w.QuoteRefund(t.Context(), asker, order.ID, 0)
	require.Equal(t, "WRONG_STATE orderId", refusalOf(err))
	require.NoError(t, w.check())
}

// What cannot be used says why, and stays as it is. The primary's clock decides.
func TestUse_Refusals(t *testing.T) {
	for name, c := range map[string]struct {
		want    rail.TicketCheck
		arrange func(*twoRuns, *rail.Order, *sale.UseRequest)
	}{
		"not valid yet by the primary's clock": {
			rail.CheckNotValidYet, func(w *twoRuns, _ *rail.Order, _ *sale.UseRequest) { w.book.skew = -2 * time.Hour },
		},
		"over by the primary's clock": {rail.CheckOver, func(w *twoRuns, _ *rail.Order, _ *sale.UseRequest) {
			w.book.skew = 80 * time.Hour
		}},
		"withdrawn": {rail.CheckCancelled, func(w *twoRuns, _ *rail.Order, _ *sale.UseRequest) { w.book.withdrawRun() }},
		"being paid": {rail.CheckNotPaid, func(w *twoRuns, o *rail.Order, _ *sale.UseRequest) {
			w.state(o, rail.Paying)
		}},
		"given back": {rail.CheckRefunded, func(w *twoRuns, o *rail.Order, _ *sale.UseRequest) { w.mustGive(o, 0) }},
		"changed": {rail.CheckChanged, func(w *twoRuns, o *rail.Order, _ *sale.UseRequest) {
			w.own(o, 0, rail.TicketChanged)
		}},
		"being changed": {rail.CheckChanging, func(w *twoRuns, o *rail.Order, _ *sale.UseRequest) {
			w.own(o, 0, rail.TicketChanging)
		}},
		"no such ticket": {rail.CheckNotFound, func(_ *twoRuns, _ *rail.Order, q *sale.UseRequest) {
			q.Ticket.Ticket = 2
		}},
		"no such order": {rail.CheckNotFound, func(_ *twoRuns, _ *rail.Order, q *sale.UseRequest) {
			q.Ticket.OrderID += "x"
		}},
		"no such run": {rail.CheckNotFound, func(_ *twoRuns, _ *rail.Order, q *sale.UseRequest) {
			q.Ticket.OrderID = "X1@2030-01-01/00000001"
		}},
		"no order at all": {rail.CheckNotFound, func(_ *twoRuns, _ *rail.Order, q *sale.UseRequest) {
			q.Ticket.OrderID = "x"
		}},
	} {
		t.Run(name, func(t *testing.T) {
			w := inspected(t)
			order := w.bought(t, "ann", w.book.run.ID, 2)
			request := useOf(order, 0, "ines", "use-00001")
			c.arrange(w, order, &request)
			before := w.read(order.ID)
			is, err := w.Use(t.Context(), request)
			require.NoError(t, err)
			require.Equal(t, c.want, is.Check)
			require.Equal(t, before, w.read(order.ID))
			if w.book.skew == 0 { // Looking goes by the server's clock.
				is, err = w.Inspect(t.Context(), request.Ticket)
				require.NoError(t, err)
				require.Equal(t, c.want, is.Check)
			}
		})
	}
	w := inspected(t)
	order := w.bought(t, "ann", w.book.run.ID, 1)
	_, err := w.Use(t.Context(), useOf(order, 0, "ines", "short"))
	require.Equal(t, "INVALID input.idempotencyKey", refusalOf(err))
	require.Equal(t, order, w.read(order.ID))
	w.book.set(rail.Suspended)
	is, err := w.Use(t.Context(), useOf(order, 0, "ines", "use-00001"))
	require.NoError(t, err)
	require.Equal(t, rail.CheckValid, is.Check, "a suspended run sells nothing, and travels")
}

// The commit of a use is lost: the inspector asks again with the same key, and it is the same use.
func TestUse_InDoubt(t *testing.T) {
	w := inspected(t)
	order := w.bought(t, "ann", w.book.run.ID, 1)
	w.book.lost = func() bool { w.book.lost = nil; return true }
	_, err := w.Use(t.Context(), useOf(order, 0, "ines", "use-00001"))
	require.Equal(t, "ORDER_PENDING ", refusalOf(err))
	is, err := w.Use(t.Context(), useOf(order, 0, "ines", "use-00001"))
	require.NoError(t, err)
	require.Equal(t, rail.CheckValid, is.Check)
	require.Equal(t, order.Version+1, is.Order.Version)
}

// A whole party is marked in one batch, one of its tickets by two inspectors. An order changes once in a batch, so that
// the others are asked for again.
func TestUse_APartyInOneBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := inspected(t)
		order := w.bought(t, "ann", w.book.run.ID, 3)
		hold := make(chan struct{})
		w.book.mu.Lock()
		batches := len(w.book.batches)
		w.book.before = func(ledger.Batch) error { <-hold; return nil }
		w.book.mu.Unlock()
		go func() { _, _ = w.Place(t.Context(), "eve", w.order("eve", "DOC9999")) }()
		synctest.Wait()
		told := make(chan rail.TicketCheck, 4)
		for _, q := range []sale.UseRequest{
			useOf(order, 0, "ines", "use-00001"), useOf(order, 1, "ines", "use-00001"),
			useOf(order, 2, "ines", "use-00001"), useOf(order, 0, "ivan", "use-00001"),
		} {
			go func() {
				is, err := w.Use(t.Context(), q)
				if err != nil {
					told <- rail.TicketCheck(err.Error())
					return
				}
				told <- is.Check
			}()
		}
		synctest.Wait()
		close(hold)
		require.ElementsMatch(t, []rail.TicketCheck{
			rail.CheckValid, rail.CheckValid, rail.CheckValid, rail.CheckUsed,
		}, []rail.TicketCheck{<-told, <-told, <-told, <-told})
		require.Equal(t, order.Version+3, w.read(order.ID).Version)
		require.Len(t, w.book.batches, batches+4, "eve's, and one for each ticket: none was refused")
		require.NoError(t, w.check())
	})
}

// Inspectors on two servers mark all tickets of a party at once, each of them twice: one is told VALID of each, and the
// other USED, by the first.
func TestUse_AtOnce(t *testing.T) {
	w := inspected(t)
	w.lock.yes = true
	servers := []*sale.Service{w.Service, w.server(t, sale.Settings{})}
	for round := range 10 {
		order := w.bought(t, "ann", w.book.run.ID, 2)
		told := make([]*sale.Inspected, 2*len(servers))
		errs := make([]error, len(told))
		var all sync.WaitGroup
		for i := range told {
			all.Go(func() {
				q := useOf(order, i%2, fmt.Sprint("inspector", i/2), "use-00001")
				told[i], errs[i] = servers[i/2].Use(t.Context(), q)
			})
		}
		all.Wait()
		for ticket := range 2 {
			checks := map[rail.TicketCheck]int{}
			for i := ticket; i < len(told); i += 2 {
				require.NoError(t, errs[i], round)
				checks[told[i].Check]++
				require.Equal(t, w.read(order.ID).Tickets[ticket].Use, told[i].Order.Tickets[ticket].Use)
			}
			require.Equal(t, map[rail.TicketCheck]int{rail.CheckValid: 1, rail.CheckUsed: 1}, checks)
		}
		require.NoError(t, w.check())
		w.book.withdrawRun()
		w.book.set(rail.Published)
	}
}
