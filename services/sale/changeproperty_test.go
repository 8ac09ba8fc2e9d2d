package sale_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"interlock/services/ledger"
	"interlock/services/rail"
	"interlock/services/sale"
)

// act is something that a buyer, an admin or fate does, drawn before it is played.
type act struct {
	Kind    string
	A, B, C int
	// Crash has the server die at one of the calls of the act, counted from 1; 0: it does not.
	Crash int
}

var acts = []string{
	"buy", "buy", "buy", "refund", "refund", "change", "change", "change", "change", "repeat", "use", "use", "pay", "pay", "pay",
	"cancel", "tell", "tell", "wait", "wait long", "suspend", "withdraw",
}

// TestRefundsAndChanges_AgainstAModel plays orders, refunds, changes and inspections on two runs, on two servers that
// die at any call of the ledger or the bank. What was used once stays used, by one inspector. At all times each seat is that of one live ticket or free, and each fen accounted
// for. Once all is well again, nothing waits, and the bank has the price of the tickets that are good, and the fees.
func TestRefundsAndChanges_AgainstAModel(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		script := rapid.SliceOfN(rapid.Custom(func(r *rapid.T) act {
			number := func(name string, most int) int { return rapid.IntRange(0, most).Draw(r, name) }
			return act{
				Kind: rapid.SampledFrom(acts).Draw(r, "kind"), A: number("a", 7), B: number("b", 7), C: number("c", 7),
				Crash: max(0, number("crash", 24)-12),
			}
		}), 10, 60).Draw(r, "script")
		var wrong error
		synctest.Test(t, func(t *testing.T) { wrong = newOffice(t).play(script) })
		if wrong != nil {
			r.Fatal(wrong)
		}
	})
}

// office is where acts happen.
type office struct {
	*twoRuns
	t       *testing.T
	servers []*sale.Service
	orders  []string
	// payments are what buyers have begun to pay: they come back. changes are the last changes that were asked for.
	payments []string
	changes  []sale.ChangeRequest
	// uses are those that inspectors were told of.
	uses map[rail.TicketRef]rail.TicketUse
	// calls counts down to the call at which the server dies. It is dead from then on, until the act is over.
	calls atomic.Int64
	dead  atomic.Bool
}

func newOffice(t *testing.T) *office {
	settings := sale.Settings{SweepInterval: 5 * time.Second}
	o := &office{twoRuns: openTwoRuns(t, settings), t: t, uses: map[rail.TicketRef]rail.TicketUse{}}
	// Its tickets are valid, and so can be used.
	o.line.run = leavesIn(o.line.run, "T12", 23*time.Hour, 80_000_000, 50_000_000)
	o.servers = []*sale.Service{o.Service, o.server(t, settings)}
	o.line.crash = func(when string) error {
		if o.dead.Load() || o.calls.Add(-1) == 0 {
			o.dead.Store(true)
			if when == "after a batch" || when == "after a step" {
				return ledger.ErrInDoubt
			}
			return &rail.Error{Code: rail.Unavailable, Message: "the server has died: " + when}
		}
		return nil
	}
	o.bank.failing = func() error { return o.line.crash("before a refund") }
	return o
}

func (o *office) play(script []act) error {
	ctx, stop := context.WithCancel(o.t.Context())
	defer synctest.Wait()
	defer stop()
	for _, server := range o.servers {
		go server.Sweep(ctx)
	}
	for i, a := range script {
		if a.Crash > 0 {
			o.calls.Store(int64(a.Crash))
		}
		o.do(a)
		synctest.Wait()
		o.calls.Store(0)
		o.dead.Store(false)
		if err := errors.Join(o.check(), o.checkUses()); err != nil {
			return fmt.Errorf("act %d, %+v: %w", i, a, err)
		}
	}
	for _, payment := range o.payments {
		_, _, _ = o.Pay(o.t.Context(), "ann", payment, "payment-0001")
	}
	<-time.After(50 * time.Minute)
	synctest.Wait()
	return o.checkRest()
}

func (o *office) do(a act) {
	ctx, server := o.t.Context(), o.servers[a.C%2]
	order, b := pick(o.orders, a.A), []*book{o.line.book, o.line.other}[a.B%2]
	switch a.Kind {
	case "buy":
		o.buy(ctx, server, b, a)
	case "refund":
		if quote, _, err := server.QuoteRefund(ctx, sale.Asker{Name: "ann"}, order, rail.TicketSet(a.B)); err == nil {
			_, _ = server.Refund(ctx, sale.RefundRequest{
				Asker: sale.Asker{Name: "ann"}, OrderID: order, Tickets: rail.TicketSet(a.B), QuoteID: quote.ID,
				Key: fmt.Sprint("refund-000", a.C),
			})
		}
	case "change":
		o.changeTo(ctx, server, b, order, a)
	case "use":
		o.use(ctx, server, rail.TicketRef{OrderID: order, Ticket: a.B % 3}, fmt.Sprint("inspector", a.C))
	case "repeat":
		if len(o.changes) > 0 {
			o.note(server.Change(ctx, o.changes[a.A%len(o.changes)]))
		}
	case "pay":
		// The latest orders are those that wait.
		if n := len(o.orders); n > 0 {
			o.pay(ctx, server, o.orders[n-1-a.A%min(n, 3)])
		}
	case "cancel":
		_, _ = server.Cancel(ctx, "ann", order, "")
	case "tell":
		for _, kind := range []ledger.EventType{ledger.EventOrderPaid, ledger.EventOrderCancelled} {
			_ = server.ChangeEvent(ctx, ledger.Event{Type: kind, OrderID: order})
			_ = server.RefundEvent(ctx, ledger.Event{Type: kind, OrderID: order})
		}
	case "wait":
		<-time.After(time.Duration(1+a.A) * 20 * time.Second)
	case "wait long":
		<-time.After(time.Duration(1+a.A) * 5 * time.Minute)
	case "suspend":
		if status := []rail.RunStatus{rail.Suspended, rail.Published}[a.A%2]; b.status() != rail.Withdrawn {
			b.set(status)
		}
	case "withdraw":
		if a.A == 0 {
			b.withdrawRun()
		}
	}
}

// status is that of the run.
func (b *book) status() rail.RunStatus {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.run.Status
}

// use marks a ticket, and keeps what the inspector was told.
func (o *office) use(ctx context.Context, server *sale.Service, ticket rail.TicketRef, who string) {
	is, err := server.Use(ctx, sale.UseRequest{Inspector: who, Ticket: ticket, Key: "use-00001"})
	if err == nil && (is.Check == rail.CheckValid || is.Check == rail.CheckUsed) {
		use := is.Order.Tickets[ticket.Ticket].Use
		if was, ok := o.uses[ticket]; ok {
			use = was // checkUses compares it.
		}
		o.uses[ticket] = use
	}
}

// checkUses holds what inspectors were told against the books.
func (o *office) checkUses() error {
	for ticket, use := range o.uses {
		if is := o.read(ticket.OrderID).Tickets[ticket.Ticket]; is.Use != use || is.Own != rail.TicketUsed {
			return fmt.Errorf("an inspector was told of %+v of %+v, and it is %q, %+v", use, ticket, is.Own, is.Use)
		}
	}
	return nil
}

func (o *office) pay(ctx context.Context, server *sale.Service, order string) {
	o.payments = append(o.payments, order)
	_, _, _ = server.Pay(ctx, "ann", order, "payment-0001")
}

func (o *office) buy(ctx context.Context, server *sale.Service, b *book, a act) {
	o.n++
	var documents []string
	for i := range 1 + a.A%3 {
		documents = append(documents, fmt.Sprint("DOC", 1000*o.n+i))
	}
	place := o.order(fmt.Sprint("buy", o.n), documents...)
	place.RunID = b.run.ID
	if order, err := server.Place(ctx, "ann", place); err == nil {
		o.orders = append(o.orders, order.ID)
		o.pay(ctx, server, order.ID)
	}
}

func (o *office) changeTo(ctx context.Context, server *sale.Service, b *book, order string, a act) {
	c := rail.ChangeTicket{
		Ticket: rail.TicketRef{OrderID: order, Ticket: a.A % 2}, RunID: b.run.ID, From: "AAA",
		To:        []rail.StationCode{"BBB", "CCC", "DDD"}[a.C%3],
		SeatClass: []rail.SeatClass{rail.Second, rail.First}[a.B/2%2],
		Wish:      rail.Wish{Letter: []string{"", "A", "D"}[a.B%3]},
	}
	asker := sale.Asker{Name: "ann"}
	if quote, _, err := server.QuoteChange(ctx, asker, c); err == nil {
		request := sale.ChangeRequest{
			Asker: asker, ChangeTicket: c, QuoteID: quote.ID, Key: fmt.Sprint("change-000", a.C),
		}
		o.changes = append(o.changes, request)
		o.note(server.Change(ctx, request))
	}
}

// note keeps the new order of a change.
func (o *office) note(answer *sale.ChangeAnswer, _ error) {
	if answer != nil && answer.New != nil && !slices.Contains(o.orders, answer.New.ID) {
		o.orders = append(o.orders, answer.New.ID)
	}
}
