package pay_test

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"interlock/internal/pause"
	"interlock/services/ledger"
	"interlock/services/pay"
	"interlock/services/pay/paytest"
	"interlock/services/rail"
)

// TestMoneyAddsUp lets everything go wrong that may, at every step: the store loses calls and answers, the provider is
// slow, dead, refuses, and answers after the time-out, webhooks are lost, doubled and late, processes die, buyers pay,
// decline, pay twice and too late, and the provider says yes and then no. In the end everybody works again. Then no
// money is held, none is taken that the ledger does not want, and every end was told.
func TestMoneyAddsUp(t *testing.T) {
	captured, parts := 0, 0
	for seed := range uint64(12) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				c := &chaos{
					t: t, random: rand.New(rand.NewPCG(seed, 1)), store: &paytest.Memory{},
					bank: &paytest.Provider{},
				}
				c.play()
				captured, parts = captured+c.captured, parts+c.parts
			})
		})
	}
	require.Positive(t, captured, "there are payments that were paid")
	require.Positive(t, parts, "parts went back")
}

// chaos is a world in which everything goes wrong until it is calm.
type chaos struct {
	t     *testing.T
	store *paytest.Memory
	bank  *paytest.Provider

	mu     sync.Mutex
	random *rand.Rand
	calm   bool
	// process is the one that is alive.
	process *process
	// counts is what the ledger made of each order: the payment that counts. gone are orders that ended.
	counts map[string]string
	gone   map[string]bool
	// twice is how many second charges buyers made.
	twice int
	// wanted are payments whose capture was asked for, at any time.
	wanted map[string]bool
	// asked are the refunds of parts that were asked for, whatever the answer was.
	asked map[string]pay.RefundOrder
	// captured is how many payments succeeded, parts how many parts of them went back.
	captured, parts int
	others          sync.WaitGroup
}

// process is one life of a service. Once it is dead, nothing that it does takes effect.
type process struct {
	*pay.Service
	dead   atomic.Bool
	cancel context.CancelFunc
	done   chan struct{}
}

var errKilled = &rail.Error{Code: rail.Unavailable, Message: "the process is dead"}

// deadStore and deadProvider are what a process sees.
type deadStore struct {
	pay.Store
	of *process
}

func (s deadStore) Update(ctx context.Context, b pay.Batch) (pay.Written, error) {
	if s.of.dead.Load() {
		return pay.Written{}, errKilled
	}
	return s.Store.Update(ctx, b)
}

// odds tells true once in n times, until it is calm.
func (c *chaos) odds(n int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.calm && c.random.IntN(n) == 0
}

// upTo is some time.
func (c *chaos) upTo(d time.Duration) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Duration(c.random.Int64N(int64(d)))
}

// begin begins a process, and kills the one before.
func (c *chaos) begin() {
	p := &process{done: make(chan struct{})}
	p.Service = pay.New(pay.Options{
		Store: deadStore{c.store, p}, Providers: []pay.Provider{c.bank}, Log: slog.New(slog.DiscardHandler),
	})
	var ctx context.Context
	ctx, p.cancel = context.WithCancel(c.t.Context())
	go func() { defer close(p.done); p.Run(ctx) }()
	c.mu.Lock()
	before := c.process
	c.process = p
	c.mu.Unlock()
	if before != nil {
		before.dead.Store(true)
		before.cancel()
		<-before.done
	}
}

func (c *chaos) alive() *process {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.process
}

// faults has the store and the provider go wrong.
func (c *chaos) faults() {
	c.store.Before = func(string) error {
		if c.odds(15) {
			return &rail.Error{Code: rail.Unavailable, Message: "away"}
		}
		return nil
	}
	c.store.After = func(method string) error {
		if method == "Update" && c.odds(15) {
			return ledger.ErrInDoubt
		}
		return nil
	}
	c.bank.Before = func(ctx context.Context, method, id string) error {
		switch {
		case c.odds(8):
			pause.For(ctx, c.upTo(20*time.Second))
			if err := ctx.Err(); err != nil && c.odds(2) {
				return err
			}
		case c.odds(8):
			return errDead
		case method != "Get" && c.odds(40):
			return pay.ErrRefused // It says no, and has not looked.
		}
		if method == "Capture" {
			c.mu.Lock()
			defer c.mu.Unlock()
			if !c.wanted[id] {
				c.t.Errorf("%s is captured, and not wanted", id)
			}
		}
		return nil
	}
	c.bank.After = func(ctx context.Context, _, _ string) error {
		if c.odds(8) {
			pause.For(ctx, c.upTo(20*time.Second)) // It is done, and the answer is late.
			return ctx.Err()
		}
		if c.odds(8) {
			return errDead
		}
		return nil
	}
	c.bank.Notify = func(n pay.Notice) {
		for c.odds(2) || !c.odds(3) {
			c.others.Go(func() { c.deliver(n) })
			if !c.odds(3) {
				return
			}
		}
	}
}

// deliver sends a webhook, late, and again until it is taken, or gives up.
func (c *chaos) deliver(n pay.Notice) {
	for try := range 5 {
		pause.For(c.t.Context(), c.upTo(time.Minute)*time.Duration(try+1)/2)
		header, body := c.bank.Sign(n, time.Now())
		if c.alive().Webhook(c.t.Context(), "fake", header, body) == nil && !c.odds(4) {
			return
		}
	}
}

// buyer starts a payment until it has a page, and then does things.
func (c *chaos) buyer(id string, order int) {
	pause.For(c.t.Context(), c.upTo(3*time.Minute))
	for range 6 {
		p, err := c.alive().Start(c.t.Context(), asked(id, order), 2*time.Minute)
		if err == nil && p.State != pay.Created {
			break
		}
		pause.For(c.t.Context(), c.upTo(10*time.Second))
	}
	for range 4 {
		pause.For(c.t.Context(), c.upTo(90*time.Second))
		c.mu.Lock()
		act := paytest.Acts[c.random.IntN(len(paytest.Acts))]
		if c.random.IntN(2) == 0 {
			act = paytest.ActPay
		}
		c.mu.Unlock()
		if c.bank.Do(act, id) && act == paytest.ActPayTwice {
			c.mu.Lock()
			c.twice++
			c.mu.Unlock()
		}
	}
}

// ledger is told of events, at least once and in the order of each payment, and decides as the ledger does: the first
// authorised payment of an order counts, unless the order is gone.
func (c *chaos) ledger() {
	for told := 0; ; {
		for _, e := range c.store.Events()[told:] {
			for c.handle(e) != nil {
				if !pause.For(c.t.Context(), c.upTo(3*time.Second)) {
					return
				}
			}
			if !c.odds(5) {
				told++
			}
		}
		if !pause.For(c.t.Context(), 200*time.Millisecond) {
			return
		}
	}
}

func (c *chaos) handle(e ledger.Event) error {
	decision := pay.Release
	c.mu.Lock()
	switch {
	case e.Type == ledger.EventPaymentEnded:
		if c.counts[e.OrderID] == e.PaymentID {
			c.gone[e.OrderID] = true
		}
		c.mu.Unlock()
		return nil
	case !c.gone[e.OrderID] && c.counts[e.OrderID] == "" && !c.calm && c.random.IntN(6) == 0:
		c.gone[e.OrderID] = true // The hold ended.
	case !c.gone[e.OrderID] && c.counts[e.OrderID] == "":
		c.counts[e.OrderID] = e.PaymentID
	}
	if !c.gone[e.OrderID] && c.counts[e.OrderID] == e.PaymentID {
		decision, c.wanted[e.PaymentID] = pay.Capture, true
	}
	c.mu.Unlock()
	if decision == pay.Capture && c.odds(6) {
		defer func() { // The run is withdrawn while it is paid.
			c.mu.Lock()
			c.gone[e.OrderID] = true
			c.mu.Unlock()
		}()
	}
	errs, err := c.alive().Settle(c.t.Context(), []pay.Settlement{
		{PaymentID: e.PaymentID, Decision: decision, Within: 2 * time.Minute},
	})
	if err != nil {
		return err
	}
	if decision == pay.Capture && errs != nil && rail.CodeOf(errs[0]) == rail.WrongState {
		c.mu.Lock()
		c.gone[e.OrderID] = true
		c.mu.Unlock()
	}
	return nil
}

// sweep is what the sale does now and then: it lets go what does not count.
func (c *chaos) sweep() {
	for _, p := range c.store.All() {
		c.mu.Lock()
		counts := !c.gone[p.OrderID] && c.counts[p.OrderID] == p.ID
		c.mu.Unlock()
		if !counts && (p.State == pay.Authorised || p.State == pay.Capturing || p.State == pay.Captured) {
			_, err := c.alive().Settle(c.t.Context(), []pay.Settlement{{PaymentID: p.ID, Decision: pay.Release}})
			require.NoError(c.t, err)
		}
	}
}

func (c *chaos) play() {
	c.counts, c.gone, c.wanted = map[string]string{}, map[string]bool{}, map[string]bool{}
	c.asked = map[string]pay.RefundOrder{}
	c.faults()
	c.begin()
	var buyers sync.WaitGroup
	for n := range 24 {
		buyers.Go(func() { c.buyer(fmt.Sprint("p", n), n/2) }) // Two payments of each order.
	}
	go c.ledger()
	for range 12 {
		pause.For(c.t.Context(), c.upTo(time.Minute))
		c.askBack()
		c.begin()
	}
	buyers.Wait()
	c.mu.Lock()
	c.calm = true
	c.mu.Unlock()
	c.others.Wait()
	pause.For(c.t.Context(), 5*time.Minute)
	c.sweep()
	for _, o := range c.asked {
		c.askAgain(o)
	}
	c.begin() // It reconciles after a minute.
	pause.For(c.t.Context(), 10*time.Minute)
	synctest.Wait()
	c.judge()
	c.process.cancel()
	<-c.process.done
}

// askBack asks for parts of what was captured, small and large, some of them again.
func (c *chaos) askBack() {
	for _, p := range c.store.All() {
		c.mu.Lock()
		counts := !c.gone[p.OrderID] && c.counts[p.OrderID] == p.ID
		c.mu.Unlock()
		if !counts || p.State != pay.Captured || !c.odds(2) {
			continue
		}
		o := pay.RefundOrder{
			ID: fmt.Sprintf("%064x", len(c.asked)), PaymentID: p.ID, OrderID: p.OrderID,
			Amount: rail.Money{Minor: 1 + int64(c.upTo(price)), Currency: "CNY"},
		}
		c.asked[o.ID] = o
		for range 3 {
			_, err := c.alive().Refund(c.t.Context(), o)
			if code := rail.CodeOf(err); err == nil || code == rail.Invalid || code == rail.WrongState {
				break
			}
			pause.For(c.t.Context(), c.upTo(10*time.Second))
		}
	}
}

// askAgain asks for a refund once more, now that all is calm: it is done, or there was not enough left.
func (c *chaos) askAgain(o pay.RefundOrder) {
	_, err := c.alive().Refund(c.t.Context(), o)
	require.Contains(c.t, []rail.Code{"", rail.Invalid, rail.WrongState}, rail.CodeOf(err), "%v", err)
}

func (c *chaos) judge() {
	charges := c.bank.Charges()
	events := c.store.Events()
	require.LessOrEqual(c.t, len(charges), 24+c.twice, "a payment was opened twice")
	kept := map[string]int64{}
	for _, p := range c.store.All() {
		told := fmt.Sprintf("%+v", p)
		require.Contains(c.t, []pay.State{pay.Failed, pay.Released, pay.Captured, pay.Refunded}, p.State, told)
		require.True(c.t, p.Due.IsZero(), told)
		require.Equal(c.t, p.Authorised, p.Captured+p.Released, told)
		kept[p.OrderID] += p.Captured - p.Refunded
		var back int64
		for _, r := range p.RefundsAsked() {
			require.Equal(c.t, c.asked[r.ID], r.RefundOrder)
			require.Equal(c.t, pay.RefundDone, r.State, told)
			back += r.Amount.Minor
			c.parts++
		}
		if p.State == pay.Captured {
			require.Equal(c.t, back, p.Refunded, told)
			c.captured++
			require.Equal(c.t, p.ID, c.counts[p.OrderID], told)
			require.Equal(c.t, p.Amount.Minor, p.Captured, told)
		} else {
			require.Equal(c.t, p.Captured, p.Refunded, told)
		}
		require.True(c.t, slices.ContainsFunc(events, func(e ledger.Event) bool {
			end := ledger.EventPaymentEnded
			if p.State == pay.Captured {
				end = ledger.EventPaymentCaptured
			}
			return e.PaymentID == p.ID && e.Type == end
		}), "the end is not told: %s", told)
		if p.Reference != "" {
			at := slices.IndexFunc(charges, func(c pay.Charge) bool { return c.Reference == p.Reference })
			theirs := charges[at]
			require.Equal(c.t, [4]int64{theirs.Authorised, theirs.Captured, theirs.Released, theirs.Refunded},
				[4]int64{p.Authorised, p.Captured, p.Released, p.Refunded}, "%s, and at the provider %+v", told, theirs)
		}
	}
	for _, theirs := range charges {
		require.NotEqual(c.t, pay.ChargeOpen, theirs.Status, "%+v", theirs)
		require.Equal(c.t, theirs.Authorised, theirs.Captured+theirs.Released, "%+v", theirs)
		kept[theirs.OrderID] -= theirs.Captured - theirs.Refunded
	}
	for order, difference := range kept {
		require.Zero(c.t, difference, "%s: we and the provider do not say the same", order)
	}
}
