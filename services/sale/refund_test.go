package sale_test

import (
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"interlock/services/ledger"
	"interlock/services/rail"
	"interlock/services/sale"
)

func yuan(n int64) rail.Money { return rail.Money{Minor: 100 * n, Currency: "CNY"} }

// A party gives back one ticket and then the rest: the seats are on sale with each commit, and the money follows.
func TestRefund_OneOfAParty(t *testing.T) {
	w := openTwoRuns(t, sale.Settings{})
	order := w.bought(t, "ann", w.book.run.ID, 3)
	quote, read, err := w.QuoteRefund(t.Context(), sale.Asker{Name: "ann"}, order.ID, rail.TicketsOf(1))
	require.NoError(t, err)
	require.Equal(t, order.ID, read.ID)
	require.Equal(t, yuan(100), quote.Gross)
	require.Equal(t, yuan(10), quote.Fee, "a day and some before the departure")
	require.Equal(t, w.book.run.Departure(0).Add(-24*time.Hour), quote.ValidUntil)
	request := sale.RefundRequest{
		Asker: sale.Asker{Name: "ann"}, OrderID: order.ID, Tickets: rail.TicketsOf(1), QuoteID: quote.ID,
		Key: "refund-0001",
	}
	first, err := w.Refund(t.Context(), request)
	require.NoError(t, err)
	require.Equal(t, rail.Paid, first.Order.State)
	require.Equal(t, rail.TicketRefunded, first.Order.TicketState(1))
	require.Equal(t, rail.TicketIssued, first.Order.TicketState(2))
	require.Equal(t, order.Version+1, first.Order.Version)
	require.Equal(t, yuan(90), first.Refund.Back())
	require.Regexp(t, "^[0-9a-f]{64}$", first.Refund.ID)
	require.Zero(t, first.Refund.PaidBackAt)
	require.Equal(t, 18, w.free(t, w.book))

	again, err := w.Refund(t.Context(), request)
	require.NoError(t, err)
	require.Equal(t, first.Refund, again.Refund)
	require.Equal(t, first.Order.Version, again.Order.Version)
	request.Tickets = rail.TicketsOf(0)
	_, err = w.Refund(t.Context(), request)
	require.Equal(t, "IDEMPOTENCY_CONFLICT input.idempotencyKey", refusalOf(err))

	event := ledger.Event{Type: ledger.EventOrderRefunded, OrderID: order.ID, RunID: order.RunID}
	require.NoError(t, w.RefundEvent(t.Context(), event))
	require.NotZero(t, w.read(order.ID).Refunds[0].PaidBackAt)
	require.Equal(t, int64(21_000), w.bank.left(w.read(order.ID).PaymentID))

	rest, err := w.give(t, order, "refund-0002")
	require.NoError(t, err)
	require.Equal(t, rail.Returned, rest.Order.State)
	require.Equal(t, rail.TicketsOf(0, 2), rest.Refund.Tickets)
	require.Equal(t, 20, w.free(t, w.book))
	for range 2 {
		require.NoError(t, w.RefundEvent(t.Context(), event))
	}
	require.Equal(t, int64(3_000), w.bank.left(w.read(order.ID).PaymentID), "the fees")
	_, err = w.Cancel(t.Context(), "ann", order.ID, "")
	require.Equal(t, "WRONG_STATE input.orderId", refusalOf(err))
}

// free counts the SECOND seats from AAA to CCC that the book has free.
func (w *twoRuns) free(t *testing.T, b *book) int {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	return 20 - len(b.soldSeats(t, rail.Second, 0, 2))
}

// The passenger whose ticket was given back may travel anew, also on a server that has sold the ticket itself.
func TestRefund_ThePassengerTravelsAnew(t *testing.T) {
	w := openTwoRuns(t, sale.Settings{})
	for _, buyer := range []string{"ann", "bob"} {
		order := w.bought(t, buyer, w.book.run.ID, 2)
		document := order.Tickets[0].Passenger.DocumentNumber
		place := w.order("again-"+buyer, document)
		_, err := w.Place(t.Context(), buyer, place)
		require.Equal(t, "ALREADY_TRAVELLING input.passengers.0.documentNumber", refusalOf(err))
		service := w.server(t, sale.Settings{})
		for _, s := range []*sale.Service{service, w.Service} { // Both know the claims of the run.
			_, err = s.Place(t.Context(), "eve", w.order("look-"+buyer, document))
			require.Error(t, err)
		}
		_, err = w.give(t, order, "refund-0001", 0)
		require.NoError(t, err)
		if buyer == "bob" {
			w.Service = service // It has not carried the refund out.
		}
		_, err = w.Place(t.Context(), buyer, place)
		require.NoError(t, err)
		_, err = w.Place(t.Context(), buyer, w.order("other-"+buyer, order.Tickets[1].Passenger.DocumentNumber))
		require.Equal(t, "ALREADY_TRAVELLING input.passengers.0.documentNumber", refusalOf(err))
	}
}

// scenery is what a case of a refused refund arranges.
type scenery struct {
	*twoRuns
	order   *rail.Order
	request *sale.RefundRequest
}

func TestRefund_Refusals(t *testing.T) {
	depart := func(s *scenery) { s.book.skew = 37 * time.Hour }
	for name, c := range map[string]struct {
		want string
		// quote tells that the quote is refused the same.
		quote   bool
		arrange func(*scenery)
	}{
		"the key": {want: "INVALID input.idempotencyKey", arrange: func(s *scenery) { s.request.Key = "short" }},
		"a reason that is too long": {want: "INVALID input.reason", arrange: func(s *scenery) {
			s.request.Reason = strings.Repeat("x", 257)
		}},
		"no such order": {want: "NOT_FOUND input.orderId", quote: true, arrange: func(s *scenery) {
			s.request.OrderID += "x"
		}},
		"no such run": {want: "NOT_FOUND input.orderId", quote: true, arrange: func(s *scenery) {
			s.request.OrderID = "X1@2030-01-01/00000001"
		}},
		"another buyer's": {want: "NOT_FOUND input.orderId", quote: true, arrange: func(s *scenery) {
			s.request.Name = "eve"
		}},
		"an admin without a reason": {want: "INVALID input.reason", arrange: func(s *scenery) {
			s.request.Name, s.request.Admin = "adm", true
		}},
		"more than is left": {want: "WRONG_STATE input.ticketIds.0", quote: true, arrange: func(s *scenery) {
			s.mustGive(s.order, 0)
			s.request.Tickets = rail.TicketsOf(0, 1)
		}},
		"all was given back": {want: "WRONG_STATE input.orderId", quote: true, arrange: func(s *scenery) {
			s.mustGive(s.order, 0, 1)
		}},
		"a ticket it does not have": {want: "NOT_FOUND input.ticketIds.5", quote: true, arrange: func(s *scenery) {
			s.request.Tickets = rail.TicketsOf(5)
		}},
		"no ticket that an order has": {want: "NOT_FOUND input.ticketIds", quote: true, arrange: func(s *scenery) {
			s.request.Tickets = 1 << 15
		}},
		"a ticket that is being changed": {
			want: "WRONG_STATE input.ticketIds.1", quote: true,
			arrange: func(s *scenery) {
				s.own(s.order, 1, rail.TicketChanging)
				s.request.Tickets = rail.TicketsOf(1)
			},
		},
		"a ticket that was changed": {want: "WRONG_STATE input.ticketIds.1", quote: true, arrange: func(s *scenery) {
			s.own(s.order, 1, rail.TicketChanged)
			s.request.Tickets = rail.TicketsOf(1)
		}},
		"a ticket that was used": {want: "WRONG_STATE input.ticketIds.1", quote: true, arrange: func(s *scenery) {
			s.own(s.order, 1, rail.TicketUsed)
			s.request.Tickets = rail.TicketsOf(1)
		}},
		"one was used, and one is being changed": {
			want: "WRONG_STATE input.orderId", quote: true, arrange: func(s *scenery) {
				s.own(s.order, 0, rail.TicketUsed)
				s.own(s.order, 1, rail.TicketChanging)
				s.request.Tickets = 0
			},
		},
		"all tickets are being changed": {want: "WRONG_STATE input.orderId", quote: true, arrange: func(s *scenery) {
			s.own(s.order, 0, rail.TicketChanging)
			s.own(s.order, 1, rail.TicketChanging)
			s.request.Tickets = 0
		}},
		"not paid": {want: "WRONG_STATE input.orderId", quote: true, arrange: func(s *scenery) {
			s.state(s.order, rail.Paying)
		}},
		"withdrawn": {want: "WRONG_STATE input.orderId", quote: true, arrange: func(s *scenery) {
			s.state(s.order, rail.Cancelled)
		}},
		"departed":      {want: "DEPARTED input.orderId", arrange: depart},
		"another quote": {want: "QUOTE_STALE input.quoteId", arrange: func(s *scenery) { s.request.QuoteID = "x" }},
		"another set": {want: "QUOTE_STALE input.quoteId", arrange: func(s *scenery) {
			s.request.Tickets = rail.TicketsOf(1)
		}},
		"the order moved": {want: "QUOTE_STALE input.quoteId", arrange: func(s *scenery) { s.mustGive(s.order, 1) }},
		"a later step": {want: "QUOTE_STALE input.quoteId", arrange: func(s *scenery) {
			s.book.skew = 13 * time.Hour
		}},
	} {
		t.Run(name, func(t *testing.T) {
			w := openTwoRuns(t, sale.Settings{})
			order := w.bought(t, "ann", w.book.run.ID, 2)
			request := &sale.RefundRequest{
				Asker: sale.Asker{Name: "ann"}, OrderID: order.ID, Tickets: rail.TicketsOf(0), Key: "refund-0001",
			}
			quote, _, err := w.QuoteRefund(t.Context(), request.Asker, order.ID, request.Tickets)
			require.NoError(t, err)
			request.QuoteID = quote.ID
			c.arrange(&scenery{w, order, request})
			before, free := w.read(order.ID), w.free(t, w.book)
			if c.quote {
				_, _, err := w.QuoteRefund(t.Context(), request.Asker, request.OrderID, request.Tickets)
				require.Equal(t, strings.Replace(c.want, "input.", "", 1), refusalOf(err))
			}
			answer, err := w.Refund(t.Context(), *request)
			require.Equal(t, c.want, refusalOf(err))
			require.Equal(t, strings.HasPrefix(c.want, "QUOTE_STALE"), answer != nil && answer.Quote != nil)
			require.Equal(t, before, w.read(order.ID))
			require.Equal(t, free, w.free(t, w.book))
			if answer != nil && answer.Quote != nil {
				request.QuoteID = answer.Quote.ID
				_, err = w.Refund(t.Context(), *request)
				require.NoError(t, err, "the new quote holds")
			}
		})
	}
}

func (w *twoRuns) mustGive(order *rail.Order, tickets ...int) {
	quote, _, err := w.QuoteRefund(w.ctx(), sale.Asker{Name: order.Buyer}, order.ID, rail.TicketsOf(tickets...))
	if err == nil {
		_, err = w.Refund(w.ctx(), sale.RefundRequest{
			Asker: sale.Asker{Name: order.Buyer}, OrderID: order.ID, Tickets: rail.TicketsOf(tickets...),
			QuoteID: quote.ID, Key: "refund-before",
		})
	}
	if err != nil {
		panic(err)
	}
}

// own sets the own state of a ticket, and state that of an order, as something else has.
func (w *twoRuns) own(order *rail.Order, ticket int, own rail.TicketState) {
	w.set(order, func(o *rail.Order) { o.Tickets[ticket].Own = own })
}

func (w *twoRuns) state(order *rail.Order, state rail.OrderState) {
	w.set(order, func(o *rail.Order) { o.State, o.CaptureBy = state, time.Now().Add(time.Hour) })
}

func (w *twoRuns) set(order *rail.Order, to func(*rail.Order)) {
	b := w.line.ofOrder(order.ID)
	b.mu.Lock()
	defer b.mu.Unlock()
	next := *b.orders[order.ID]
	next.Tickets = append([]rail.Ticket(nil), next.Tickets...)
	to(&next)
	b.orders[order.ID] = &next
}

// A suspended run gives all back without a fee, also after it should have left.
func TestRefund_OfASuspendedRunIsFree(t *testing.T) {
	for _, skew := range []time.Duration{0, 35 * time.Hour, 80 * time.Hour} {
		w := openTwoRuns(t, sale.Settings{})
		order := w.bought(t, "ann", w.book.run.ID, 1)
		w.book.set(rail.Suspended)
		w.book.skew = skew
		answer, err := w.give(t, order, "refund-0001")
		require.NoError(t, err)
		require.Equal(t, rail.Returned, answer.Order.State)
		require.Zero(t, answer.Refund.Fee.Minor)
		require.Equal(t, yuan(100), answer.Refund.Back())
	}
}

// An admin gives back the tickets of others for the same fee, and that is recorded; an own order needs no reason.
func TestRefund_ByAnAdmin(t *testing.T) {
	w := openTwoRuns(t, sale.Settings{})
	for i, buyer := range []string{"ann", "adm"} {
		order := w.bought(t, buyer, w.book.run.ID, 1)
		admin := sale.Asker{Name: "adm", Admin: true, Reason: []string{"  fell ill ", ""}[i]}
		quote, _, err := w.QuoteRefund(t.Context(), admin, order.ID, 0)
		require.NoError(t, err)
		answer, err := w.Refund(t.Context(), sale.RefundRequest{
			Asker: admin, OrderID: order.ID, QuoteID: quote.ID, Key: "refund-0001",
		})
		require.NoError(t, err)
		require.Equal(t, yuan(10), answer.Refund.Fee)
		change := w.book.changed[i]
		require.Equal(t, [][]string{{"adm", "fell ill"}, {"", ""}}[i], []string{change.By, change.Reason})
		require.Equal(t, buyer == "ann", change.What == ledger.WhatRefund)
	}
}

// Two requests for one order in one batch: one gives the ticket back, and the other is told the new quote; two with one
// key are one refund.
func TestRefund_TwoInOneBatch(t *testing.T) {
	for _, sameKey := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			w := openTwoRuns(t, sale.Settings{})
			order := w.bought(t, "ann", w.book.run.ID, 2)
			quote, _, err := w.QuoteRefund(t.Context(), sale.Asker{Name: "ann"}, order.ID, 1)
			require.NoError(t, err)
			hold := make(chan struct{})
			w.book.mu.Lock()
			w.book.before = func(ledger.Batch) error { <-hold; return nil }
			w.book.mu.Unlock()
			go func() { _, _ = w.Place(t.Context(), "eve", w.order("eve", "DOC9999")) }()
			synctest.Wait()
			answers := make(chan string, 2)
			for _, key := range []string{"refund-0001", "refund-0002"} {
				if sameKey {
					key = "refund-0001"
				}
				go func() {
					_, err := w.Refund(t.Context(), sale.RefundRequest{
						Asker: sale.Asker{Name: "ann"}, OrderID: order.ID, Tickets: 1, QuoteID: quote.ID, Key: key,
					})
					answers <- refusalOf(err)
				}()
			}
			synctest.Wait()
			close(hold)
			got := []string{<-answers, <-answers}
			want := []string{"", "WRONG_STATE input.ticketIds.0"}
			if sameKey {
				want[1] = ""
			}
			require.ElementsMatch(t, want, got)
			require.Len(t, w.read(order.ID).Refunds, 1)
			w.book.mu.Lock()
			require.Len(t, w.book.batches[len(w.book.batches)-1].Orders, 1, "they were one batch")
			w.book.mu.Unlock()
		})
	}
}

// A commit in doubt is ORDER_PENDING until the ledger says, and the same key then finds the refund.
func TestRefund_InDoubt(t *testing.T) {
	w := openTwoRuns(t, sale.Settings{})
	order := w.bought(t, "ann", w.book.run.ID, 1)
	lost := true
	w.book.lost = func() bool { defer func() { lost = false }(); return lost }
	quote, _, err := w.QuoteRefund(t.Context(), sale.Asker{Name: "ann"}, order.ID, 0)
	require.NoError(t, err)
	request := sale.RefundRequest{
		Asker: sale.Asker{Name: "ann"}, OrderID: order.ID, QuoteID: quote.ID, Key: "refund-0001",
	}
	_, err = w.Refund(t.Context(), request)
	require.Equal(t, "ORDER_PENDING ", refusalOf(err))
	answer, err := w.Refund(t.Context(), request)
	require.NoError(t, err)
	require.Equal(t, yuan(90), answer.Refund.Back())
	require.Len(t, w.read(order.ID).Refunds, 1)
}

// Money that no event has led to is given back by the sweep; a provider that takes time is asked again.
func TestRefund_TheMoneyIsRetried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := openTwoRuns(t, sale.Settings{})
		order := w.bought(t, "ann", w.book.run.ID, 1)
		var away atomic.Bool
		away.Store(true)
		w.bank.failing = func() error {
			if away.Load() {
				return &rail.Error{Code: rail.Unavailable, Message: "away"}
			}
			return nil
		}
		w.bank.slow = true
		_, err := w.give(t, order, "refund-0001")
		require.NoError(t, err)
		event := ledger.Event{Type: ledger.EventOrderRefunded, OrderID: order.ID, RunID: order.RunID}
		require.Equal(t, rail.Unavailable, rail.CodeOf(w.RefundEvent(t.Context(), event)))
		go w.Sweep(t.Context())
		<-time.After(3 * time.Minute)
		require.Zero(t, w.read(order.ID).Refunds[0].PaidBackAt)
		away.Store(false)
		<-time.After(62 * time.Second)
		require.Zero(t, w.read(order.ID).Refunds[0].PaidBackAt, "it is under way")
		require.NoError(t, w.PaymentEvent(t.Context(), ledger.Event{
			Type: ledger.EventPaymentRefunded, OrderID: order.ID, PaymentID: w.read(order.ID).PaymentID,
		}))
		require.NotZero(t, w.read(order.ID).Refunds[0].PaidBackAt)
		require.Equal(t, int64(1_000), w.bank.left(w.read(order.ID).PaymentID))
	})
}

// The sandbox gives back what it took, once for each id, and no more.
func TestSandbox_Refund(t *testing.T) {
	sandbox, order := sale.NewSandbox(), &rail.Order{ID: "o", Total: yuan(10), Carried: yuan(2)}
	_, err := sandbox.Charge(t.Context(), order, "p", time.Minute)
	require.NoError(t, err)
	for _, c := range []struct {
		payment, id string
		amount      rail.Money
		code        rail.Code
	}{
		{"p", "a", yuan(5), ""},
		{"p", "a", yuan(5), ""},
		{"p", "a", yuan(4), rail.IdempotencyConflict},
		{"p", "b", yuan(4), rail.Invalid},
		{"p", "b", yuan(0), rail.Invalid},
		{"p", "b", rail.Money{Minor: 300, Currency: "JPY"}, rail.Invalid},
		{"p", "b", yuan(3), ""},
		{"p", "c", rail.Money{Minor: 1, Currency: "CNY"}, rail.Invalid},
		{"of another process", "d", yuan(9), ""},
	} {
		done, err := sandbox.Refund(t.Context(), refundOrder(c.payment, c.id, c.amount))
		require.Equal(t, c.code, rail.CodeOf(err), c)
		require.Equal(t, c.code == "", done)
	}
	_, err = sale.NoPayments{}.Refund(t.Context(), refundOrder("p", "a", yuan(1)))
	require.Equal(t, rail.PaymentUnavailable, rail.CodeOf(err))
}
