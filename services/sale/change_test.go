package sale_test

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"interlock/services/ledger"
	"interlock/services/rail"
	"interlock/services/sale"
)

// to is a change of an order's first ticket.
func (w *twoRuns) to(order *rail.Order, run rail.RunID, to rail.StationCode, class rail.SeatClass) rail.ChangeTicket {
	return rail.ChangeTicket{
		Ticket: rail.TicketRef{OrderID: order.ID}, RunID: run, From: "AAA", To: to, SeatClass: class,
	}
}

// change quotes a change and asks for it.
func (w *twoRuns) change(order *rail.Order, c rail.ChangeTicket, key string) (*sale.ChangeAnswer, error) {
	asker := sale.Asker{Name: order.Buyer}
	quote, _, err := w.QuoteChange(w.ctx(), asker, c)
	if err != nil {
		return nil, err
	}
	return w.Change(w.ctx(), sale.ChangeRequest{Asker: asker, ChangeTicket: c, QuoteID: quote.ID, Key: key})
}

// Every kind of change, from its quote to the money. T12 leaves in 36 hours: 10 % of a rest is kept.
func TestChange(t *testing.T) {
	for name, c := range map[string]struct {
		other   bool
		to      rail.StationCode
		class   rail.SeatClass
		wish    rail.Wish
		price   int64
		pay     int64 // what is to be paid
		back    int64 // what goes back, in fen
		pending bool  // whether the new order waits to be paid
	}{
		"the same run, a shorter trip": {to: "BBB", class: rail.Second, price: 50, back: 45_00},
		"the same run, a longer trip":  {to: "EEE", class: rail.Second, price: 200, pay: 100, pending: true},
		"the same run, a better class": {to: "CCC", class: rail.First, price: 160, pay: 60, pending: true},
		"the same run, another seat":   {to: "CCC", class: rail.Second, wish: rail.Wish{Letter: "d"}, price: 100},
		"another run, dearer": {
			other: true, to: "CCC", class: rail.Second, price: 150, pay: 50, pending: true,
		},
		"another run, cheaper": {other: true, to: "BBB", class: rail.Second, price: 75, back: 22_50},
		"another run and class, dearer": {
			other: true, to: "EEE", class: rail.First, price: 480, pay: 380, pending: true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := openTwoRuns(t, sale.Settings{MaxRunHolds: 1, MaxOpenHolds: 1})
			order := w.bought(t, "ann", w.book.run.ID, 2)
			old := w.line.book
			target := old
			if c.other {
				target = w.line.other
			}
			change := w.to(order, target.run.ID, c.to, c.class)
			change.Wish = c.wish
			quote, _, err := w.QuoteChange(t.Context(), sale.Asker{Name: "ann"}, change)
			require.NoError(t, err)
			require.Equal(t, yuan(c.price), quote.Price)
			require.Equal(t, yuan(c.pay).Minor, quote.Price.Minor-quote.Carried.Minor)
			require.Equal(t, yuan(100).Minor, quote.Carried.Minor+quote.Rest.Minor)
			request := sale.ChangeRequest{
				Asker: sale.Asker{Name: "ann"}, ChangeTicket: change, QuoteID: quote.ID, Key: "change-0001",
			}
			answer, err := w.Change(t.Context(), request)
			require.NoError(t, err)
			id := answer.New.ID
			require.Equal(t, &change.Ticket, answer.New.Replaces)
			require.Equal(t, yuan(c.pay), answer.New.ToPay())
			require.Len(t, answer.Old.Changes, 1)
			if c.pending {
				require.Equal(t, rail.OnHold, answer.New.State)
				require.Equal(t, rail.TicketChanging, answer.Old.TicketState(0))
				_, err = w.give(t, order, "refund-0001", 1)
				require.NoError(t, err, "the other ticket is none the worse")
				w.mustPay(t, answer.New)
			}
			require.Eventually(t, func() bool {
				return w.read(order.ID).Changes[0].State == rail.ChangeDone
			}, 5*time.Second, time.Millisecond)
			now := w.read(order.ID)
			require.Equal(t, rail.TicketChanged, now.TicketState(0))
			require.Equal(t, rail.Paid, w.read(id).State)
			again, err := w.Change(t.Context(), request)
			require.NoError(t, err)
			require.Equal(t, id, again.New.ID, "the same key is the same change")
			require.Equal(t, now.Version, again.Old.Version)

			event := ledger.Event{Type: ledger.EventOrderChanged, OrderID: order.ID}
			require.NoError(t, w.RefundEvent(t.Context(), event))
			back := int64(0)
			for _, r := range w.read(order.ID).Refunds {
				if r.Kind == rail.RefundChanged {
					back += r.Back().Minor
				}
				require.NotZero(t, r.PaidBackAt)
			}
			require.Equal(t, c.back, back)

			_, err = w.change(w.read(id), rail.ChangeTicket{
				Ticket: rail.TicketRef{OrderID: id}, RunID: old.run.ID, From: "BBB", To: "DDD", SeatClass: rail.First,
			}, "change-0002")
			require.Equal(t, "WRONG_STATE input.ticketId", refusalOf(err), "a ticket is changed once")

			// The new ticket goes back: its money is partly that of the old order.
			given, err := w.give(t, w.read(id), "refund-0003")
			require.NoError(t, err)
			require.Equal(t, rail.Returned, given.Order.State)
			require.NoError(t, w.RefundEvent(t.Context(), ledger.Event{Type: ledger.EventOrderRefunded, OrderID: id}))
			require.NotZero(t, w.read(id).Refunds[0].PaidBackAt)
			require.NoError(t, w.check())
		})
	}
}

func (w *twoRuns) mustPay(t *testing.T, order *rail.Order) {
	t.Helper()
	_, payment, err := w.Pay(t.Context(), order.Buyer, order.ID, "payment-0002")
	require.NoError(t, err)
	require.Equal(t, sale.PaymentSucceeded, payment.State)
}

// changeScenery is what a case of a refused change arranges.
type changeScenery struct {
	*twoRuns
	order   *rail.Order
	request *sale.ChangeRequest
}

func TestChange_Refusals(t *testing.T) {
	for name, c := range map[string]struct {
		want    string
		arrange func(*changeScenery)
		// late tells that the quote is not refused.
		late bool
	}{
		"the key": {"INVALID input.idempotencyKey", func(s *changeScenery) {
			s.request.Key = "k"
		}, true},
		"no such order": {"NOT_FOUND input.change.orderId", func(s *changeScenery) {
			s.request.Ticket.OrderID += "x"
		}, false},
		"another buyer's": {"NOT_FOUND input.change.orderId", func(s *changeScenery) {
			s.request.Name = "eve"
		}, false},
		"an admin without a reason": {"INVALID input.reason", func(s *changeScenery) {
			s.request.Name, s.request.Admin = "adm", true
		}, true},
		"no such ticket": {"NOT_FOUND input.change.ticketId", func(s *changeScenery) {
			s.request.Ticket.Ticket = 2
		}, false},
		"a ticket below none": {"NOT_FOUND input.change.ticketId", func(s *changeScenery) {
			s.request.Ticket.Ticket = -1
		}, false},
		"no such run": {"NOT_FOUND input.change.runId", func(s *changeScenery) {
			s.request.RunID = "X1@2030-01-01"
		}, false},
		"no such station": {"INVALID input.change.from", func(s *changeScenery) {
			s.request.From = "XXX"
		}, false},
		"the wrong way": {"INVALID input.change.to", func(s *changeScenery) {
			s.request.From, s.request.To = "CCC", "AAA"
		}, false},
		"no such departure": {"INVALID input.change.departure", func(s *changeScenery) {
			s.request.Departure = time.Now()
		}, false},
		"no such class": {"INVALID input.change.seatClass", func(s *changeScenery) {
			s.request.SeatClass = rail.Business
		}, false},
		"no such position": {"INVALID input.change.wish.position", func(s *changeScenery) {
			s.request.Wish.Position = "ROOF"
		}, false},
		"the same ticket": {"WRONG_STATE input.change.ticketId", func(s *changeScenery) {
			s.request.RunID = s.book.run.ID
		}, false},
		"the same seat": {"WRONG_STATE input.change.wish", func(s *changeScenery) {
			s.request.RunID = s.book.run.ID
			s.request.Wish.Letter = strings.TrimLeft(s.order.Tickets[0].Seat, "0123456789")
		}, false},
		"no other seat as wished": {"SOLD_OUT input.change.wish", func(s *changeScenery) {
			s.request.RunID, s.request.Wish.Coach = s.book.run.ID, "99"
		}, true},
		"given back": {"WRONG_STATE input.change.ticketId", func(s *changeScenery) {
			s.mustGive(s.order, 0)
		}, false},
		"being changed": {"WRONG_STATE input.change.ticketId", func(s *changeScenery) {
			s.own(s.order, 0, rail.TicketChanging)
		}, false},
		"changed": {"WRONG_STATE input.change.ticketId", func(s *changeScenery) {
			s.own(s.order, 0, rail.TicketChanged)
		}, false},
		"came from a change": {"WRONG_STATE input.change.ticketId", func(s *changeScenery) {
			s.set(s.order, func(o *rail.Order) { o.Replaces = &rail.TicketRef{} })
		}, false},
		"too many changes": {"WRONG_STATE input.change.ticketId", func(s *changeScenery) {
			s.set(s.order, func(o *rail.Order) { o.Changes = make([]rail.TicketChange, rail.MaxChanges) })
		}, false},
		"not paid": {"WRONG_STATE input.change.orderId", func(s *changeScenery) {
			s.state(s.order, rail.Paying)
		}, false},
		"forgotten": {"WRONG_STATE input.change.ticketId", func(s *changeScenery) {
			s.set(s.order, func(o *rail.Order) { o.ErasedAt = time.Now() })
		}, false},
		"departed": {"DEPARTED input.change.ticketId", func(s *changeScenery) {
			s.book.skew = 37 * time.Hour
		}, true},
		"not on sale": {"NOT_ON_SALE input.change.runId", func(s *changeScenery) {
			s.line.other.set(rail.Suspended)
		}, false},
		"not open": {"SALE_NOT_OPEN input.change.runId", func(s *changeScenery) {
			s.line.other.run.SaleOpensAt = time.Now().Add(time.Hour)
		}, false},
		"closed": {"SALE_CLOSED input.change.runId", func(s *changeScenery) {
			s.line.other.run.ClosesBefore = 90 * time.Hour
		}, false},
		"another currency": {"INVALID input.change.runId", func(s *changeScenery) {
			s.line.other.run.Train.Fares.Currency = "JPY"
		}, false},
		"another quote": {"QUOTE_STALE input.quoteId", func(s *changeScenery) {
			s.request.QuoteID = "x"
		}, true},
		"another class than quoted": {"QUOTE_STALE input.quoteId", func(s *changeScenery) {
			s.request.SeatClass = rail.First
		}, true},
		"the order moved": {"QUOTE_STALE input.quoteId", func(s *changeScenery) {
			s.mustGive(s.order, 1)
		}, true},
		"a later step": {"QUOTE_STALE input.quoteId", func(s *changeScenery) {
			s.book.skew = 13 * time.Hour
		}, true},
		"travels there already": {"ALREADY_TRAVELLING input.change.ticketId", func(s *changeScenery) {
			place := s.twoRuns.order("there", s.order.Tickets[0].Passenger.DocumentNumber)
			place.RunID = s.line.other.run.ID
			if _, err := s.Place(s.ctx(), "eve", place); err != nil {
				panic(err)
			}
		}, true},
		"sold out": {"SOLD_OUT input.change.seatClass", func(s *changeScenery) { s.sellOut() }, true},
	} {
		t.Run(name, func(t *testing.T) {
			w := openTwoRuns(t, sale.Settings{})
			order := w.bought(t, "ann", w.book.run.ID, 2)
			r := sale.ChangeRequest{
				Asker: sale.Asker{Name: "ann"}, Key: "change-0001",
				ChangeTicket: w.to(order, w.line.other.run.ID, "CCC", rail.Second),
			}
			if strings.Contains(name, "wished") {
				r.RunID, r.Wish.Coach = w.book.run.ID, "99"
			}
			quote, _, err := w.QuoteChange(t.Context(), r.Asker, r.ChangeTicket)
			require.NoError(t, err)
			r.QuoteID = quote.ID
			c.arrange(&changeScenery{w, order, &r})
			before, free := w.read(order.ID), w.free(t, w.book)
			placed := len(w.line.other.orders)
			_, _, err = w.QuoteChange(t.Context(), r.Asker, r.ChangeTicket)
			if !c.late {
				require.Equal(t, strings.Replace(c.want, "change.", "", 1), refusalOf(err))
			} else {
				require.NoError(t, err)
			}
			answer, err := w.Change(t.Context(), r)
			require.Equal(t, c.want, refusalOf(err))
			require.Equal(t, strings.HasPrefix(c.want, "QUOTE_STALE"), answer != nil && answer.Quote != nil)
			require.Equal(t, free, w.free(t, w.book))
			now := w.read(order.ID)
			if name == "sold out" || name == "travels there already" {
				// It was begun on one run, and refused by the other: it has ended.
				require.Equal(t, rail.ChangeEnded, now.Changes[0].State)
				require.Empty(t, answer.New)
				require.Equal(t, now.Version, answer.Old.Version)
				_, err = w.Change(t.Context(), r)
				require.Equal(t, "WRONG_STATE input.idempotencyKey", refusalOf(err))
				require.NoError(t, w.check())
				now.Version, now.Changes = before.Version, before.Changes
			} else {
				require.Len(t, w.line.other.orders, placed)
			}
			require.Equal(t, before, now)
		})
	}
}

// sellOut sells every seat of the second run.
func (w *twoRuns) sellOut() {
	for i := range 5 {
		var documents []string
		for k := range 4 {
			documents = append(documents, "OUT"+string(rune('A'+i))+string(rune('A'+k)))
		}
		place := w.order("out"+string(rune('A'+i)), documents...)
		place.RunID = w.line.other.run.ID
		if _, err := w.Place(w.ctx(), "eve", place); err != nil {
			panic(err)
		}
	}
}

// A key is of one change: with another ticket, run or class it is refused, and the first change goes on.
func TestChange_AKeyForTwo(t *testing.T) {
	for _, run := range []int{0, 1} {
		w := openTwoRuns(t, sale.Settings{})
		order := w.bought(t, "ann", w.book.run.ID, 2)
		runs := []rail.RunID{w.book.run.ID, w.line.other.run.ID}
		_, err := w.change(order, w.to(order, runs[run], "CCC", rail.First), "change-0001")
		require.NoError(t, err)
		for _, other := range []func(*rail.ChangeTicket){
			func(c *rail.ChangeTicket) { c.Ticket.Ticket = 1 },
			func(c *rail.ChangeTicket) { c.RunID = runs[1-run] },
			func(c *rail.ChangeTicket) { c.To = "DDD" },
		} {
			c := w.to(order, runs[run], "CCC", rail.First)
			other(&c)
			_, err = w.Change(t.Context(), sale.ChangeRequest{
				Asker: sale.Asker{Name: "ann"}, ChangeTicket: c, QuoteID: "any", Key: "change-0001",
			})
			require.Equal(t, "IDEMPOTENCY_CONFLICT input.idempotencyKey", refusalOf(err))
		}
		require.Equal(t, rail.ChangeOpen, w.read(order.ID).Changes[0].State)
	}
}

// A change that is not paid ends by itself, and its ticket is as it was: it can be changed again.
func TestChange_EndsByItself(t *testing.T) {
	for _, run := range []int{0, 1} {
		for _, cancels := range []bool{true, false} {
			synctest.Test(t, func(t *testing.T) {
				w := openTwoRuns(t, sale.Settings{})
				order := w.bought(t, "ann", w.book.run.ID, 1)
				c := w.to(order, []rail.RunID{w.book.run.ID, w.line.other.run.ID}[run], "CCC", rail.First)
				answer, err := w.change(order, c, "change-0001")
				require.NoError(t, err)
				go w.Sweep(t.Context())
				if cancels {
					_, err = w.Cancel(t.Context(), "ann", answer.New.ID, "")
					require.NoError(t, err)
					event := ledger.Event{Type: ledger.EventOrderCancelled, OrderID: answer.New.ID}
					require.NoError(t, w.ChangeEvent(t.Context(), event))
				} else {
					<-time.After(17*time.Minute + 3*time.Second)
				}
				now := w.read(order.ID)
				require.Equal(t, rail.ChangeEnded, now.Changes[0].State)
				require.Equal(t, rail.TicketIssued, now.TicketState(0))
				answer, err = w.change(order, c, "change-0002")
				require.NoError(t, err)
				require.Equal(t, rail.OnHold, answer.New.State)
				require.NoError(t, w.check())
			})
		}
	}
}

// The run of the old ticket is withdrawn while the ticket is being changed. What the new order becomes decides: the
// money of one ticket goes back, and never that of both or of neither.
func TestChange_WithdrawnMeanwhile(t *testing.T) {
	for _, paid := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			w := openTwoRuns(t, sale.Settings{})
			order := w.bought(t, "ann", w.book.run.ID, 2)
			answer, err := w.change(order, w.to(order, w.line.other.run.ID, "CCC", rail.Second), "change-0001")
			require.NoError(t, err)
			w.book.withdrawRun()
			go w.Sweep(t.Context())
			if paid {
				w.mustPay(t, answer.New)
			}
			<-time.After(20 * time.Minute)
			now := w.read(order.ID)
			require.Equal(t, rail.Cancelled, now.State)
			want := int64(1_00_00)
			if !paid {
				want += 1_00_00
			}
			back := int64(0)
			for _, r := range now.Refunds {
				require.Equal(t, rail.RefundWithdrawn, r.Kind)
				require.NotZero(t, r.PaidBackAt)
				back += r.Back().Minor
			}
			require.Equal(t, want, back)
			require.NoError(t, w.check())
		})
	}
}

// A request for the new order that comes after the change was given up finds its key taken by an order that is
// cancelled. So the old ticket is good, and there is no new one.
func TestChange_APlacingThatComesTooLate(t *testing.T) {
	for _, to := range []rail.StationCode{"BBB", "CCC"} { // The new ticket is cheaper, or dearer.
		synctest.Test(t, func(t *testing.T) {
			w := openTwoRuns(t, sale.Settings{})
			w.lock.yes = true
			other := w.server(t, sale.Settings{})
			order := w.bought(t, "ann", w.book.run.ID, 1)
			goOn, stalled := make(chan struct{}), false
			w.line.other.mu.Lock()
			w.line.other.before = func(ledger.Batch) error {
				if !stalled {
					stalled = true
					<-goOn // The server freezes before its batch begins.
				}
				return nil
			}
			w.line.other.mu.Unlock()
			_, err := w.change(order, w.to(order, w.line.other.run.ID, to, rail.Second), "change-0001")
			require.Equal(t, "ORDER_PENDING ", refusalOf(err))
			go other.Sweep(t.Context())
			<-time.After(17*time.Minute + 3*time.Second)
			require.Equal(t, rail.ChangeEnded, w.read(order.ID).Changes[0].State)
			close(goOn)
			synctest.Wait()
			<-time.After(time.Minute)
			require.Len(t, w.line.other.orders, 1)
			for _, n := range w.line.other.orders {
				require.Equal(t, rail.Cancelled, n.State)
				require.Empty(t, n.Tickets)
			}
			require.NoError(t, w.checkRest())
		})
	}
}

// A refund and a change of one ticket at once, on two servers, time and again: one of them has it.
func TestChange_AndRefundAtOnce(t *testing.T) {
	w := openTwoRuns(t, sale.Settings{})
	w.lock.yes = true
	other := w.server(t, sale.Settings{})
	won := map[rail.TicketState]int{}
	for i := range 40 {
		order := w.bought(t, "ann", w.book.run.ID, 1)
		asker, c := sale.Asker{Name: "ann"}, w.to(order, w.book.run.ID, "BBB", rail.Second)
		give, _, err := w.QuoteRefund(t.Context(), asker, order.ID, 0)
		require.NoError(t, err)
		change, _, err := w.QuoteChange(t.Context(), asker, c)
		require.NoError(t, err)
		var both sync.WaitGroup
		var given, changed error
		both.Go(func() {
			_, given = other.Refund(t.Context(), sale.RefundRequest{
				Asker: asker, OrderID: order.ID, QuoteID: give.ID, Key: "refund-0001",
			})
		})
		both.Go(func() {
			_, changed = w.Change(t.Context(), sale.ChangeRequest{
				Asker: asker, ChangeTicket: c, QuoteID: change.ID, Key: "change-0001",
			})
		})
		both.Wait()
		require.NotEqual(t, given == nil, changed == nil, "%d: %v, %v", i, given, changed)
		won[w.read(order.ID).Tickets[0].Own]++
		require.NoError(t, w.check())
		if changed == nil {
			w.mustGive(w.newest(), 0)
		}
	}
	require.Equal(t, 40, won[rail.TicketRefunded]+won[rail.TicketChanged], won)
}

// newest is the order of the first run that was placed last.
func (w *twoRuns) newest() *rail.Order {
	w.book.mu.Lock()
	defer w.book.mu.Unlock()
	ids := slices.Sorted(maps.Keys(w.book.orders))
	return w.book.orders[ids[len(ids)-1]]
}

// Two changes of one order that finish in one batch are both finished.
func TestChange_TwoFinishInOneBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := openTwoRuns(t, sale.Settings{})
		order := w.bought(t, "ann", w.book.run.ID, 2)
		for i := range 2 {
			c := w.to(order, w.book.run.ID, "CCC", rail.First)
			c.Ticket.Ticket = i
			_, err := w.change(order, c, "change-000"+string(rune('1'+i)))
			require.NoError(t, err)
		}
		go w.Sweep(t.Context())
		<-time.After(18 * time.Minute)
		now := w.read(order.ID)
		require.Equal(t, []rail.ChangeState{rail.ChangeEnded, rail.ChangeEnded},
			[]rail.ChangeState{now.Changes[0].State, now.Changes[1].State})
		require.Equal(t, rail.TicketsOf(0, 1), now.Seated())
		require.NoError(t, w.check())
	})
}

// The run of the old ticket was published anew, with other fares, since a server has heard of it.
func TestChange_OfARunPublishedAnew(t *testing.T) {
	w := openTwoRuns(t, sale.Settings{})
	order := w.bought(t, "ann", w.book.run.ID, 1)
	c := w.to(order, w.book.run.ID, "BBB", rail.Second)
	quote, _, err := w.QuoteChange(t.Context(), sale.Asker{Name: "ann"}, c)
	require.NoError(t, err)
	w.book.before = func(ledger.Batch) error {
		w.book.mu.Lock()
		defer w.book.mu.Unlock()
		run := *w.book.run
		fares := *run.Train.Fares
		fares.PerKm = []rail.KmRate{
			{SeatClass: rail.First, MicrosPerKm: 1}, {SeatClass: rail.Second, MicrosPerKm: 60_000_000},
		}
		run.Train = rail.NewTrain("T12", "T", "UTC", run.Train.Calls, run.Train.Formation, &fares)
		w.book.run = &run
		return nil
	}
	request := sale.ChangeRequest{
		Asker: sale.Asker{Name: "ann"}, ChangeTicket: c, QuoteID: quote.ID, Key: "change-0001",
	}
	answer, err := w.Change(t.Context(), request)
	require.Equal(t, "QUOTE_STALE input.quoteId", refusalOf(err))
	require.Equal(t, yuan(60), answer.Quote.Price)
	request.QuoteID = answer.Quote.ID
	answer, err = w.Change(t.Context(), request)
	require.NoError(t, err)
	require.Equal(t, yuan(60), answer.New.Total)
}
