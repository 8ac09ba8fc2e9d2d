package sale_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"interlock/services/ledger"
	"interlock/services/pay"
	"interlock/services/rail"
	"interlock/services/sale"
)

// deed is something that happens to a sale, drawn before it is played. a and b choose what it happens to.
type deed struct {
	Kind string
	A, B int
}

// deeds are all kinds, the more frequent ones more than once.
var deeds = []string{
	"place", "pay", "pay", "authorise", "authorise", "tell", "tell", "tell", "tell", "tell again", "tell again",
	"go on", "go on", "go on", "refuse", "wait", "wait long", "withdraw", "lose", "ledger fails", "settlement fails",
}

// TestPaying_AgainstAModel plays anything that may happen to payments in any order. Whatever it was, once all is well
// again, and an hour has passed where orders are gone: an order was PAID only by money that was captured and kept, all
// other money is back, and no order waits. At no time was money captured for an order that is not for it, or given back
// from one that it pays.
func TestPaying_AgainstAModel(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		script := rapid.SliceOfN(rapid.Custom(func(r *rapid.T) deed {
			return deed{
				rapid.SampledFrom(deeds).Draw(r, "kind"),
				rapid.IntRange(0, 3).Draw(r, "a"), rapid.IntRange(0, 4).Draw(r, "b"),
			}
		}), 20, 120).Draw(r, "script")
		var wrong error
		synctest.Test(t, func(t *testing.T) { wrong = newPlay(t).play(script) })
		if wrong != nil {
			r.Fatal(wrong)
		}
	})
}

// play is a sale to which deeds happen.
type play struct {
	*testing.T
	*world
	slow   *slowPay
	orders []string
	told   int  // how many events were told for the first time
	lost   bool // whether an order is gone
	// ledgerFails and settlementFails are what becomes of the next one, 0: nothing.
	ledgerFails, settlementFails atomic.Int32
}

func newPlay(t *testing.T) *play {
	p := &play{T: t, world: openWorld(t, sale.Settings{SweepInterval: 15 * time.Second})}
	p.slow = openSlow(p.world)
	away := &rail.Error{Code: rail.Unavailable, Message: "away"}
	fails := func(next *atomic.Int32, how int32, err error) error {
		if next.CompareAndSwap(how, 0) {
			return err
		}
		return nil
	}
	p.book.deciding = func([]ledger.PaymentStep) error {
		return errors.Join(fails(&p.ledgerFails, 1, ledger.ErrInDoubt), fails(&p.ledgerFails, 2, away))
	}
	p.book.decided = func([]ledger.PaymentStep) error { return fails(&p.ledgerFails, 3, ledger.ErrInDoubt) }
	p.slow.settling = func(noted bool, _ pay.Settlement) error {
		if noted {
			return fails(&p.settlementFails, 1, ledger.ErrInDoubt)
		}
		return errors.Join(fails(&p.settlementFails, 2, away), fails(&p.settlementFails, 3, ledger.ErrInDoubt))
	}
	return p
}

func (p *play) play(script []deed) error {
	ctx, stop := context.WithCancel(p.Context())
	defer synctest.Wait()
	defer stop()
	go p.Sweep(ctx)
	go p.ReconcilePayments(ctx)
	for i, d := range script {
		p.do(d)
		synctest.Wait()
		if len(p.slow.wrong) > 0 {
			return fmt.Errorf("deed %d, %v: %v", i, d, p.slow.wrong)
		}
	}
	p.ledgerFails.Store(0)
	p.settlementFails.Store(0)
	minutes := 20
	if p.lost {
		minutes = 70 // What is older is compared every hour.
	}
	for range minutes { // All is well again: the provider goes on, and every minute the rest is told.
		for p.tell(p.told) {
		}
		for _, id := range p.slow.order {
			p.slow.goOn(id, true)
			if p.slow.state(id) == pay.Open {
				p.slow.goOn(id, false) // Its page is closed.
			}
		}
		<-time.After(time.Minute)
	}
	return p.slow.check()
}

func (p *play) do(d deed) {
	order := pick(p.orders, d.A)
	switch d.Kind {
	case "place":
		n := len(p.orders)
		o, err := p.Place(p.Context(), "ann", p.order(fmt.Sprint("order", n), fmt.Sprint("DOC", 1000+n)))
		if err == nil {
			p.orders = append(p.orders, o.ID)
		}
	case "pay":
		if order != "" {
			_, _, _ = p.Pay(p.Context(), "ann", order, fmt.Sprint("payment-", d.B%2))
		}
	case "authorise":
		if payment := pick(p.slow.in(pay.Open), d.A); payment != "" {
			p.slow.authorise(payment)
		}
	case "tell":
		p.tell(p.told + d.B%2) // in order, or the one after it
	case "tell again":
		p.tell(p.told - 1 - d.A - d.B)
	case "go on", "refuse":
		moving := p.slow.in(pay.Capturing, pay.Releasing, pay.Refunding)
		if d.Kind == "refuse" {
			moving = append(moving, p.slow.in(pay.Open)...)
		}
		if payment := pick(moving, d.A); payment != "" {
			p.slow.goOn(payment, d.Kind == "go on")
		}
	case "wait":
		<-time.After(time.Duration(1+d.A) * 7 * time.Second)
	case "wait long":
		<-time.After(time.Duration(1+d.A) * 4 * time.Minute)
	case "withdraw":
		if o := p.at(order); o != nil && o.State.Live() && (d.B == 0 || o.State == rail.Paid) {
			p.book.withdraw(order)
		}
	case "lose":
		// A person accepted the loss of the last commits.
		if o := p.at(order); o != nil && d.B == 0 && o.PaidAt.IsZero() {
			p.lost = true
			p.book.mu.Lock()
			delete(p.book.orders, order)
			p.book.mu.Unlock()
		}
	case "ledger fails":
		p.ledgerFails.Store(int32(1 + d.A%3))
	case "settlement fails":
		p.settlementFails.Store(int32(1 + d.A%3))
	}
}

// at is an order as the ledger has it now; nil where it is gone.
func (p *play) at(order string) *rail.Order {
	p.book.mu.Lock()
	defer p.book.mu.Unlock()
	return p.book.read(order)
}

// tell tells an event, and whether there was one and it was handled. A try that fails is made again later, and one that
// is lost is not.
func (p *play) tell(i int) bool {
	p.slow.mu.Lock()
	events := p.slow.events
	p.slow.mu.Unlock()
	if i < 0 || i >= len(events) {
		return false
	}
	handled := p.PaymentEvent(p.Context(), events[i]) == nil
	if handled && i >= p.told {
		p.told = i + 1 // What was left out is lost: events may be, where a stream is.
	}
	return handled
}

func pick(from []string, i int) string {
	if len(from) == 0 {
		return ""
	}
	return from[i%len(from)]
}

// Money that was kept for an order goes back once the order is gone, however long it agreed.
func TestReconcilePayments_AnOrderThatIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := openWorld(t, sale.Settings{})
		slow := openSlow(w)
		order, err := w.Place(t.Context(), "ann", w.order("order", "DOC00001"))
		require.NoError(t, err)
		payWith(t, w.Service, order.ID, "payment-0001")
		ctx, stop := context.WithCancel(t.Context())
		go w.ReconcilePayments(ctx)
		slow.authorise(slow.last())
		require.NoError(t, w.PaymentEvent(t.Context(), slow.event()))
		slow.goOn(slow.last(), true)
		require.NoError(t, w.PaymentEvent(t.Context(), slow.event()))
		<-time.After(5 * time.Hour)
		require.Equal(t, pay.Captured, slow.state(slow.last()))
		require.Zero(t, w.Stats().PutRight, "nothing was to be put right")
		w.book.mu.Lock()
		delete(w.book.orders, order.ID)
		w.book.mu.Unlock()
		<-time.After(time.Hour + time.Minute)
		require.Equal(t, pay.Refunding, slow.state(slow.last()))
		stop()
		synctest.Wait()
	})
}

// What no event tells of is found by comparing: within a minute, and within an hour where an order is gone.
func TestReconcilePayments(t *testing.T) {
	type scene struct {
		*world
		slow  *slowPay
		order string
		id    string
	}
	tell := func(s *scene) { require.NoError(t, s.PaymentEvent(context.Background(), s.slow.event())) }
	for name, c := range map[string]struct {
		before func(s *scene)
		within time.Duration
		want   pay.State
		order  rail.OrderState
	}{
		"authorised, and not told": {
			before: func(s *scene) { s.slow.authorise(s.id) },
			within: time.Minute, want: pay.Capturing, order: rail.Paying,
		},
		"decided, and the settlement was lost": {
			before: func(s *scene) {
				s.slow.authorise(s.id)
				s.slow.settling = func(bool, pay.Settlement) error { return ledger.ErrInDoubt }
				require.Error(t, s.PaymentEvent(context.Background(), s.slow.event()))
				s.slow.settling = nil
			},
			within: time.Minute, want: pay.Capturing, order: rail.Paying,
		},
		"captured, and not told": {
			before: func(s *scene) { s.slow.authorise(s.id); tell(s); s.slow.goOn(s.id, true) },
			within: time.Minute, want: pay.Captured, order: rail.Paid,
		},
		"captured after the deadline": {
			before: func(s *scene) {
				s.slow.authorise(s.id)
				tell(s)
				s.slow.goOn(s.id, true)
				<-time.After(6 * time.Minute)
			},
			within: time.Minute, want: pay.Refunding, order: rail.Cancelled,
		},
		"authorised for a hold that ended": {
			before: func(s *scene) { s.slow.authorise(s.id); <-time.After(15 * time.Minute) },
			within: time.Minute, want: pay.Releasing, order: rail.Expired,
		},
		"withdrawn while it is captured": {
			before: func(s *scene) { s.slow.authorise(s.id); tell(s); s.book.withdraw(s.order) },
			within: time.Minute, want: pay.Releasing, order: rail.Cancelled,
		},
		"paid, and withdrawn later": {
			before: func(s *scene) {
				s.slow.authorise(s.id)
				tell(s)
				s.slow.goOn(s.id, true)
				tell(s)
				s.book.withdraw(s.order)
			},
			within: 2 * time.Hour, want: pay.Captured, order: rail.Cancelled,
		},
		"the order is gone": {
			before: func(s *scene) {
				s.slow.authorise(s.id)
				tell(s)
				s.slow.goOn(s.id, true)
				tell(s)
				<-time.After(24 * time.Hour)
				s.book.mu.Lock()
				delete(s.book.orders, s.order)
				s.book.mu.Unlock()
			},
			within: time.Hour + time.Minute, want: pay.Refunding,
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := openWorld(t, sale.Settings{})
				s := &scene{world: w, slow: openSlow(w)}
				order, err := w.Place(t.Context(), "ann", w.order("order", "DOC00001"))
				require.NoError(t, err)
				payWith(t, w.Service, order.ID, "payment-0001")
				s.order, s.id = order.ID, s.slow.last()
				c.before(s)
				before, young := s.slow.state(s.id), time.Since(s.slow.payments[s.id].ChangedAt) < time.Second
				ctx, stop := context.WithCancel(t.Context())
				go w.ReconcilePayments(ctx)
				<-time.After(3 * time.Second)
				synctest.Wait()
				if young {
					require.Equal(t, before, s.slow.state(s.id), "its event may be under way")
					require.Zero(t, w.Stats().PutRight)
				}
				<-time.After(c.within)
				synctest.Wait()
				require.Equal(t, c.want, s.slow.state(s.id))
				w.book.mu.Lock()
				if o := w.book.read(s.order); o != nil {
					require.Equal(t, c.order, o.State)
				}
				w.book.mu.Unlock()
				require.Empty(t, s.slow.wrong)
				stop()
				synctest.Wait()
			})
		})
	}
}

// One of all servers compares, many pages of payments are all compared, and trouble is told once.
func TestReconcilePayments_PagesOnOneServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := openWorld(t, sale.Settings{})
		slow := openSlow(w)
		other := w.open(t, sale.Settings{})
		other.Payments, other.PaymentService = slow, slow
		const payments = 1_201
		for i := range payments {
			id := fmt.Sprintf("p%04d", i)
			slow.payments[id] = &pay.Payment{
				ID: id, OrderID: fmt.Sprintf("%s/gone%d", w.book.run.ID, i), State: pay.Captured,
				Authorised: 1, Captured: 1,
				ChangedAt: time.Now().Add(-time.Hour), Version: 1,
			}
		}
		ctx, stop := context.WithCancel(t.Context())
		go w.ReconcilePayments(ctx)
		synctest.Wait()
		go other.ReconcilePayments(ctx)
		<-time.After(30 * time.Second)
		stop()
		synctest.Wait()
		for id, p := range slow.payments {
			require.Equal(t, pay.Refunding, p.State, id)
		}
		require.EqualValues(t, payments, w.Stats().PutRight+other.Stats().PutRight)
		require.True(t, w.Stats().PutRight == payments || other.Stats().PutRight == payments, "one of them did")
	})
}

// After an outage of the payments it looks at all that changed meanwhile, within a minute.
func TestReconcilePayments_AfterAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := openWorld(t, sale.Settings{})
		slow := openSlow(w)
		order, err := w.Place(t.Context(), "ann", w.order("order", "DOC00001"))
		require.NoError(t, err)
		payWith(t, w.Service, order.ID, "payment-0001")
		ctx, stop := context.WithCancel(t.Context())
		go w.ReconcilePayments(ctx)
		<-time.After(time.Minute)
		var away error = rail.Refuse(rail.Unavailable, "away")
		slow.mu.Lock()
		slow.listing = func(time.Duration) error { return away }
		slow.mu.Unlock()
		<-time.After(time.Minute)
		slow.authorise(slow.last()) // No event tells, and the hold ends.
		<-time.After(30 * time.Minute)
		slow.mu.Lock()
		away = nil
		slow.mu.Unlock()
		<-time.After(time.Minute)
		require.Equal(t, pay.Releasing, slow.state(slow.last()))
		stop()
		synctest.Wait()
	})
}

// A page of payments that cannot be put right keeps no other page from it.
func TestReconcilePayments_SomeThatFail(t *testing.T) {
	for _, code := range []rail.Code{rail.Internal, rail.Unavailable} {
		synctest.Test(t, func(t *testing.T) {
			w := openWorld(t, sale.Settings{})
			slow := openSlow(w)
			slow.settling = func(_ bool, s pay.Settlement) error {
				if s.PaymentID < "p0500" {
					return rail.Refuse(code, "broken")
				}
				return nil
			}
			const payments = 1_201
			for i := range payments {
				id := fmt.Sprintf("p%04d", i)
				slow.payments[id] = &pay.Payment{
					ID: id, OrderID: fmt.Sprintf("%s/gone%d", w.book.run.ID, i), State: pay.Captured, Authorised: 1,
					Captured:  1,
					ChangedAt: time.Now().Add(-time.Minute), Version: 1,
				}
			}
			ctx, stop := context.WithCancel(t.Context())
			go w.ReconcilePayments(ctx)
			<-time.After(10 * time.Second)
			stop()
			synctest.Wait()
			for id, p := range slow.payments {
				require.Equal(t, id < "p0500", p.State == pay.Captured, "%s, %s", id, code)
			}
		})
	}
}

// While payments come all the time, those that are young are no reason to look far back.
func TestReconcilePayments_LooksNoFurtherBackForTheYoung(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := openWorld(t, sale.Settings{})
		slow := openSlow(w)
		var furthest time.Duration
		begun := time.Now()
		slow.listing = func(within time.Duration) error {
			for _, p := range slow.payments {
				p.ChangedAt = time.Now()
			}
			if time.Since(begun) > time.Minute && within < time.Hour {
				furthest = max(furthest, within)
			}
			return nil
		}
		slow.payments["p"] = &pay.Payment{
			ID: "p", OrderID: string(w.book.run.ID) + "/1", State: pay.Authorised,
			Version: 1,
		}
		ctx, stop := context.WithCancel(t.Context())
		go w.ReconcilePayments(ctx)
		<-time.After(10 * time.Minute)
		stop()
		synctest.Wait()
		require.InDelta(t, 2*time.Minute, furthest, float64(time.Minute))
		require.Zero(t, w.Stats().PutRight)
	})
}
