package notify_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"interlock/internal/pause"
	"interlock/services/ledger"
	"interlock/services/notify"
	"interlock/services/notify/notifytest"
	"interlock/services/rail"
)

// world is a service, and all that it works with.
type world struct {
	*notify.Service
	store *notifytest.Memory
	log   *slog.Logger

	mu     sync.Mutex
	orders map[string]*notify.Order
	// down is what reading orders answers.
	down error
	// outcome is what a try comes to; nil is Sent.
	outcome func(ctx context.Context, d *notify.Delivery) notify.Outcome
	// tried are the ids of deliveries, once for each try, and when.
	tried []string
	at    []time.Time
}

func (w *world) Order(_ context.Context, id string) (*notify.Order, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.orders[id], w.down
}

func (w *world) PaidOn(
	_ context.Context, run rail.RunID, after ledger.OrderPlace, limit int,
) (all []*notify.Order, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var ids []string
	for id := range w.orders {
		if (after.ID == "" || id < after.ID) && w.orders[id].RunID == run && w.orders[id].State == rail.Paid {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	slices.Reverse(ids)
	for _, id := range ids[:min(len(ids), limit)] {
		all = append(all, w.orders[id])
	}
	return all, w.down
}

func (w *world) try(ctx context.Context, d *notify.Delivery) notify.Outcome {
	w.mu.Lock()
	w.tried, w.at = append(w.tried, d.ID), append(w.at, time.Now())
	outcome := w.outcome
	w.mu.Unlock()
	if outcome == nil {
		return notify.Outcome{State: notify.Sent, Answer: 250}
	}
	return outcome(ctx, d)
}

func (w *world) Mail(ctx context.Context, d *notify.Delivery, _ *notify.Order) notify.Outcome {
	return w.try(ctx, d)
}

func (w *world) Post(ctx context.Context, d *notify.Delivery, _ *notify.Endpoint) notify.Outcome {
	return w.try(ctx, d)
}

func (w *world) CheckURL(text string) (string, error) {
	if text == "" {
		return "", errors.New("it is no URL")
	}
	return text, nil
}

func (w *world) NewSecret() string { return "whsec_new" }

func (w *world) comesTo(outcome func(context.Context, *notify.Delivery) notify.Outcome) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.outcome = outcome
}

func (w *world) triedOf(id string) (at []time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range w.tried {
		if w.tried[i] == id {
			at = append(at, w.at[i])
		}
	}
	return at
}

// open is a service with one paid order, which nothing is delivered of until run.
func open() *world {
	w := &world{store: &notifytest.Memory{}, log: slog.New(slog.DiscardHandler), orders: map[string]*notify.Order{}}
	w.put(1, rail.Paid)
	w.again()
	return w
}

// again is the service of another process on the same store.
func (w *world) again() {
	w.Service = notify.New(notify.Options{Store: w.store, Orders: w, Mailer: w, Poster: w, Log: w.log})
}

// run delivers until stop, or the end of the test.
func (w *world) run(t *testing.T) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	service := w.Service
	go func() { defer close(done); service.Run(ctx) }()
	stop = sync.OnceFunc(func() { cancel(); <-done })
	t.Cleanup(stop)
	return stop
}

const run = rail.RunID("T12@2019-10-12")

func orderID(n int) string { return fmt.Sprintf("%s/0000%08d", run, n) }

func (w *world) put(n int, state rail.OrderState) *notify.Order {
	o := &notify.Order{
		ID: orderID(n), RunID: run, Version: 2, State: state, PaidAt: time.Now(), RunStatus: rail.Published,
		Contact: rail.Contact{Email: fmt.Sprintf("to%d@example.com", n), Language: "zh"},
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.orders[o.ID] = o
	return o
}

func event(kind ledger.EventType, n int) ledger.Event {
	return ledger.Event{Type: kind, OrderID: orderID(n), OrderVersion: 2, RunID: run, RunVersion: 9, Time: time.Now()}
}

func (w *world) hears(t *testing.T, e ledger.Event) {
	t.Helper()
	require.NoError(t, w.Handle(t.Context(), e))
}

// all are all deliveries, the oldest first.
func (w *world) all(t *testing.T) []*notify.Delivery {
	t.Helper()
	all, err := w.Deliveries(t.Context(), notify.Filter{Limit: notify.MaxItems})
	require.NoError(t, err)
	slices.Reverse(all)
	return all
}

// bubble runs a test on a clock of its own.
func bubble(t *testing.T, test func(*testing.T)) { synctest.Test(t, test) }

func passes(t *testing.T, d time.Duration) {
	t.Helper()
	require.True(t, pause.For(t.Context(), d))
	synctest.Wait()
}

// TestMail_Once is told of a payment three times, and by two processes: one mail is sent.
func TestMail_Once(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := open()
		w.LookEvery(10 * time.Second)
		w.run(t)
		w.hears(t, event(ledger.EventOrderPaid, 1))
		w.hears(t, event(ledger.EventOrderPaid, 1))
		w.again()
		w.run(t)
		w.hears(t, event(ledger.EventOrderPaid, 1))
		passes(t, time.Hour)
		all := w.all(t)
		require.Len(t, all, 1)
		require.Equal(t, notify.Sent, all[0].State)
		require.Equal(t, 250, all[0].Answer)
		require.Equal(t, notify.Paid, all[0].Kind)
		require.Len(t, w.triedOf(all[0].ID), 1)
	})
}

// TestMail_Soon sends the first mail within a few commits.
func TestMail_Soon(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := open()
		w.run(t)
		begun := time.Now()
		w.hears(t, event(ledger.EventOrderPaid, 1))
		passes(t, time.Second)
		require.Less(t, w.triedOf(w.all(t)[0].ID)[0].Sub(begun), 200*time.Millisecond)
	})
}

// TestMail_WhatIsTold holds events against the mails that they lead to.
func TestMail_WhatIsTold(t *testing.T) {
	for name, c := range map[string]struct {
		kind  ledger.EventType
		spoil func(*notify.Order)
		want  notify.Kind
	}{
		"paid":                        {kind: ledger.EventOrderPaid, want: notify.Paid},
		"refunded":                    {kind: ledger.EventOrderRefunded, want: notify.Refunded},
		"withdrawn":                   {kind: ledger.EventOrderCancelled, want: notify.Withdrawn},
		"a hold given back":           {kind: ledger.EventOrderCancelled, spoil: func(o *notify.Order) { o.PaidAt = time.Time{} }},
		"placed":                      {kind: ledger.EventOrderPlaced},
		"expired":                     {kind: ledger.EventOrderExpired},
		"changing":                    {kind: ledger.EventOrderChanging},
		"changed, of the old order":   {kind: ledger.EventOrderChanged},
		"paid by one without address": {kind: ledger.EventOrderPaid, spoil: func(o *notify.Order) { o.Contact = rail.Contact{} }},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := open()
				w.run(t)
				if c.spoil != nil {
					c.spoil(w.orders[orderID(1)])
				}
				w.hears(t, event(c.kind, 1))
				passes(t, time.Minute)
				if c.want == "" {
					require.Empty(t, w.all(t))
					return
				}
				require.Equal(t, c.want, w.all(t)[0].Kind)
				require.Equal(t, notify.Sent, w.all(t)[0].State)
			})
		})
	}
}

// TestMail_TriedAgain is refused for now until it is taken, or given up after a day.
func TestMail_TriedAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := open()
		w.LookEvery(10 * time.Second)
		w.run(t)
		later := func(context.Context, *notify.Delivery) notify.Outcome {
			return notify.Outcome{State: notify.Pending, Answer: 451, Reason: "not now"}
		}
		w.comesTo(later)
		w.hears(t, event(ledger.EventOrderPaid, 1))
		passes(t, 3*time.Minute)
		d := w.all(t)[0]
		require.Equal(t, notify.Pending, d.State)
		require.Equal(t, 451, d.Answer)
		require.Equal(t, "not now", d.Reason)
		require.Len(t, w.triedOf(d.ID), 3)
		w.comesTo(nil)
		passes(t, time.Hour)
		require.Equal(t, notify.Sent, w.all(t)[0].State)
		require.Empty(t, w.all(t)[0].Reason)

		w.comesTo(later)
		w.put(2, rail.Paid)
		begun := time.Now()
		w.hears(t, event(ledger.EventOrderPaid, 2))
		passes(t, 36*time.Hour)
		d = w.all(t)[1]
		require.Equal(t, notify.GivenUp, d.State)
		at := w.triedOf(d.ID)
		require.Greater(t, at[len(at)-1].Sub(begun), 20*time.Hour)
		require.Less(t, at[len(at)-1].Sub(begun), 28*time.Hour)
		passes(t, 48*time.Hour)
		require.Len(t, w.triedOf(d.ID), len(at))
	})
}

// TestMail_Refused is refused for good: it is not tried again, and others are sent.
func TestMail_Refused(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := open()
		w.LookEvery(10 * time.Second)
		w.run(t)
		w.put(2, rail.Paid)
		w.comesTo(func(_ context.Context, d *notify.Delivery) notify.Outcome {
			if d.OrderID == orderID(1) {
				return notify.Outcome{State: notify.Refused, Answer: 550, Reason: "no such mailbox"}
			}
			return notify.Outcome{State: notify.Sent}
		})
		w.hears(t, event(ledger.EventOrderPaid, 1))
		w.hears(t, event(ledger.EventOrderPaid, 2))
		passes(t, 48*time.Hour)
		for _, d := range w.all(t) {
			require.Len(t, w.triedOf(d.ID), 1)
			require.Equal(t, d.OrderID == orderID(1), d.State == notify.Refused)
		}
	})
}

// TestMail_ProcessDies has a process end while it sends. Another one sends it again, once, and not before the first
// cannot be at it any more.
func TestMail_ProcessDies(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := open()
		w.LookEvery(10 * time.Second)
		stop := w.run(t)
		w.comesTo(func(ctx context.Context, _ *notify.Delivery) notify.Outcome {
			<-ctx.Done() // What came of it is known to no one.
			return notify.Outcome{State: notify.Pending, Reason: "broken off"}
		})
		w.hears(t, event(ledger.EventOrderPaid, 1))
		passes(t, time.Second)
		stop()
		w.comesTo(nil)
		w.again()
		w.run(t)
		passes(t, time.Minute)
		d := w.all(t)[0]
		require.Len(t, w.triedOf(d.ID), 1)
		passes(t, 2*time.Minute)
		require.Equal(t, notify.Sent, w.all(t)[0].State)
		require.Len(t, w.triedOf(d.ID), 2)
		passes(t, 48*time.Hour)
		require.Len(t, w.triedOf(d.ID), 2)
	})
}

// TestMail_NotNoted has the store fail when an event is told, and when a mail was sent.
func TestMail_NotNoted(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := open()
		w.LookEvery(10 * time.Second)
		w.run(t)
		down := errors.New("down")
		var mu sync.Mutex
		failing := true
		w.store.Fail = func(method string) error {
			mu.Lock()
			defer mu.Unlock()
			if failing && method == "Write" {
				return down
			}
			return nil
		}
		require.ErrorIs(t, w.Handle(t.Context(), event(ledger.EventOrderPaid, 1)), down, "it is told again")
		mu.Lock()
		failing = false
		mu.Unlock()
		w.comesTo(func(context.Context, *notify.Delivery) notify.Outcome {
			mu.Lock()
			defer mu.Unlock()
			failing = true
			return notify.Outcome{State: notify.Sent}
		})
		w.hears(t, event(ledger.EventOrderPaid, 1))
		passes(t, 10*time.Second)
		w.comesTo(nil)
		mu.Lock()
		failing = false
		mu.Unlock()
		passes(t, 10*time.Minute)
		d := w.all(t)[0]
		require.Equal(t, notify.Sent, d.State)
		require.Len(t, w.triedOf(d.ID), 2, "nobody knows that it was sent")
	})
}

// TestMail_OrderCannotBeRead waits until it can, and writes to nobody who was forgotten meanwhile.
func TestMail_OrderCannotBeRead(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := open()
		w.LookEvery(10 * time.Second)
		w.run(t)
		w.mu.Lock()
		w.down = rail.Refuse(rail.Unavailable, "no primary")
		w.mu.Unlock()
		require.Equal(t, rail.Unavailable, rail.CodeOf(w.Handle(t.Context(), event(ledger.EventOrderPaid, 1))))
		require.Empty(t, w.all(t))
		w.mu.Lock()
		w.down = nil
		w.mu.Unlock()
		w.comesTo(func(context.Context, *notify.Delivery) notify.Outcome {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.orders[orderID(1)].Contact = rail.Contact{}
			return notify.Outcome{State: notify.Pending}
		})
		w.hears(t, event(ledger.EventOrderPaid, 1))
		passes(t, time.Hour)
		d := w.all(t)[0]
		require.Equal(t, notify.Skipped, d.State)
		require.Len(t, w.triedOf(d.ID), 1)
	})
}

// TestRun_IsTold suspends and resumes a run with many orders: each buyer is told of each once, and late news is not.
func TestRun_IsTold(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := open()
		const buyers = 450
		for n := range buyers {
			w.put(n+1, rail.Paid).RunStatus = rail.Suspended
		}
		w.put(buyers+1, rail.OnHold)
		w.orders[orderID(7)].Contact = rail.Contact{}
		w.orders[orderID(8)].RunStatus = rail.Published // as if it were resumed by then
		suspended := ledger.Event{Type: ledger.EventRunSuspended, RunID: run, RunVersion: 12, Time: time.Now()}
		w.run(t)
		w.hears(t, suspended)
		w.hears(t, suspended)
		passes(t, time.Minute)
		states := map[notify.State]int{}
		for _, d := range w.all(t) {
			states[d.State]++
			require.Equal(t, notify.Suspended, d.Kind)
		}
		require.Equal(t, map[notify.State]int{notify.Sent: buyers - 2, notify.Skipped: 1}, states)
	})
}

// TestResend sends tickets again, bounded, and the same key once.
func TestResend(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := open()
		w.LookEvery(10 * time.Second)
		w.run(t)
		refused := func(code rail.Code, n int, key string) {
			t.Helper()
			_, err := w.Resend(t.Context(), orderID(n), key)
			require.Equal(t, code, rail.CodeOf(err), "%v", err)
		}
		refused(rail.NotFound, 9, "resend-00")
		refused(rail.Invalid, 1, "short")
		w.put(2, rail.OnHold)
		refused(rail.WrongState, 2, "resend-00")
		w.put(3, rail.Paid).Contact = rail.Contact{}
		refused(rail.WrongState, 3, "resend-00")
		first, err := w.Resend(t.Context(), orderID(1), "resend-01")
		require.NoError(t, err)
		passes(t, time.Second)
		again, err := w.Resend(t.Context(), orderID(1), "resend-01")
		require.NoError(t, err)
		require.Equal(t, first.ID, again.ID)
		require.Equal(t, notify.Sent, again.State)
		for _, key := range []string{"resend-02", "resend-03"} {
			_, err := w.Resend(t.Context(), orderID(1), key)
			require.NoError(t, err)
		}
		refused(rail.WrongState, 1, "resend-04")
		passes(t, time.Hour)
		_, err = w.Resend(t.Context(), orderID(1), "resend-04")
		require.NoError(t, err)
		passes(t, time.Minute)
		require.Len(t, w.all(t), 4)
	})
}

func (w *world) endpoint(t *testing.T, id string, events ...ledger.EventType) {
	t.Helper()
	e := notifytest.Endpoint(id)
	e.Events = events
	_, err := w.PutEndpoint(t.Context(), e)
	require.NoError(t, err)
}

// TestWebhooks goes to the endpoints that are told of an event, each once.
func TestWebhooks(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := open()
		w.endpoint(t, "all")
		w.endpoint(t, "paid", ledger.EventOrderPaid)
		w.endpoint(t, "refunds", ledger.EventOrderRefunded)
		w.run(t)
		for range 2 {
			w.hears(t, event(ledger.EventOrderPlaced, 5))
			w.hears(t, event(ledger.EventOrderPaid, 1))
			w.hears(t, ledger.Event{Type: ledger.EventRunWithdrawn, RunID: run, RunVersion: 30, Time: time.Now()})
		}
		passes(t, time.Minute)
		var told []string
		for _, d := range w.all(t) {
			require.Equal(t, notify.Sent, d.State)
			require.Len(t, w.triedOf(d.ID), 1)
			told = append(told, string(d.Kind)+" "+d.Endpoint)
		}
		require.ElementsMatch(t, []string{
			"interlock.order.placed all", "interlock.order.paid all", "interlock.order.paid paid", "paid ",
			"interlock.run.withdrawn all",
		}, told)
		_, err := w.PutEndpoint(t.Context(), func() *notify.Endpoint {
			e := notifytest.Endpoint("x")
			e.Events = []ledger.EventType{"interlock.order.stolen"}
			return e
		}())
		require.Equal(t, rail.Invalid, rail.CodeOf(err))
	})
}

// TestWebhooks_OneHangs has an endpoint hang, and floods it. Another's webhooks are posted all the same.
func TestWebhooks_OneHangs(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := open()
		w.endpoint(t, "hangs")
		w.endpoint(t, "well", ledger.EventOrderPaid)
		w.comesTo(func(ctx context.Context, d *notify.Delivery) notify.Outcome {
			if d.Endpoint != "hangs" {
				return notify.Outcome{State: notify.Sent}
			}
			<-ctx.Done()
			return notify.Outcome{State: notify.Pending, Reason: "no answer"}
		})
		w.run(t)
		for n := range 200 {
			w.hears(t, event(ledger.EventOrderPlaced, n+10))
		}
		begun := time.Now()
		w.hears(t, event(ledger.EventOrderPaid, 1))
		passes(t, time.Second)
		for _, d := range w.all(t) {
			if d.Endpoint == "well" || d.Channel == notify.Mail {
				require.Equal(t, notify.Sent, d.State)
				require.Less(t, w.triedOf(d.ID)[0].Sub(begun), time.Second)
			}
		}
	})
}

// TestWebhooks_ManyHang has more endpoints hang than there are places. One that is well is told, the first time within
// the time of a try, and later at once.
func TestWebhooks_ManyHang(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := open()
		for n := range notify.MaxEndpoints - 1 {
			w.endpoint(t, fmt.Sprint("hangs-", n), ledger.EventOrderPlaced)
		}
		w.endpoint(t, "well", ledger.EventOrderPaid)
		w.comesTo(func(ctx context.Context, d *notify.Delivery) notify.Outcome {
			if d.Channel == notify.Mail || d.Endpoint == "well" {
				return notify.Outcome{State: notify.Sent}
			}
			pause.For(ctx, 20*time.Second)
			return notify.Outcome{State: notify.Pending, Reason: "no answer"}
		})
		stop := w.run(t)
		for n := range 4 {
			w.hears(t, event(ledger.EventOrderPlaced, n+10))
		}
		passes(t, time.Minute)
		for round := range 8 {
			w.put(round+100, rail.Paid)
			begun := time.Now()
			w.hears(t, event(ledger.EventOrderPaid, round+100))
			passes(t, 7*time.Second)
			found, err := w.Deliveries(t.Context(), notify.Filter{OrderID: orderID(round + 100), Limit: 10})
			require.NoError(t, err)
			require.Len(t, found, 2)
			for _, d := range found {
				require.Equal(t, notify.Sent, d.State)
				require.Less(t, w.triedOf(d.ID)[0].Sub(begun), 2*time.Second, "round %d", round)
			}
		}
		stop()
		passes(t, time.Second) // What was begun is noted.
	})
}

// TestWebhooks_DeadOnesHaveNoPlaces disables as many failing endpoints as may fail at once, and lets as many more rest.
// One that has failed once is told again.
func TestWebhooks_DeadOnesHaveNoPlaces(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := open()
		for n := range 80 {
			e := notifytest.Endpoint(fmt.Sprint("dead-", n))
			e.FailingSince, e.Enabled = time.Now(), n >= 40
			_, err := w.PutEndpoint(t.Context(), e)
			require.NoError(t, err)
		}
		e := notifytest.Endpoint("hiccup")
		e.Events, e.FailingSince = []ledger.EventType{ledger.EventOrderPlaced}, time.Now()
		_, err := w.PutEndpoint(t.Context(), e)
		require.NoError(t, err)
		w.run(t)
		w.hears(t, event(ledger.EventOrderPlaced, 1))
		passes(t, time.Minute)
		all := w.every(t, "hiccup")
		require.Len(t, all, 1)
		require.Equal(t, notify.Sent, all[0].State)
	})
}

// TestHandle_InDoubtIsNoTry: what passes by itself must not make a dead letter.
func TestHandle_InDoubtIsNoTry(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := open()
		for _, passing := range []error{
			ledger.ErrInDoubt, fmt.Errorf("writing: %w", context.DeadlineExceeded), ledger.ErrLocked,
		} {
			w.store.Fail = func(method string) error {
				if method == "Write" {
					return passing
				}
				return nil
			}
			require.Equal(t, rail.Unavailable, rail.CodeOf(w.Handle(t.Context(), event(ledger.EventOrderPaid, 1))))
		}
		w.store.Fail = nil
		require.NoError(t, w.Handle(t.Context(), event(ledger.EventOrderPaid, 1)))
	})
}

// TestMail_Panics has what writes a mail panic: it is tried again, and the others are sent.
func TestMail_Panics(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := open()
		w.put(2, rail.Paid)
		w.comesTo(func(_ context.Context, d *notify.Delivery) notify.Outcome {
			if d.OrderID == orderID(1) {
				panic("planted")
			}
			return notify.Outcome{State: notify.Sent}
		})
		w.run(t)
		w.hears(t, event(ledger.EventOrderPaid, 1))
		w.hears(t, event(ledger.EventOrderPaid, 2))
		passes(t, time.Second)
		all := w.all(t)
		require.Len(t, all, 2)
		for _, d := range all {
			require.Equal(t, map[bool]notify.State{true: notify.Pending, false: notify.Sent}[d.OrderID == orderID(1)], d.State)
		}
	})
}

// TestWebhooks_Backlog skips what waits for an endpoint that is disabled or dropped, more than a page of it.
func TestWebhooks_Backlog(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := open()
		w.LookEvery(10 * time.Second)
		for _, id := range []string{"disabled", "dropped"} {
			w.endpoint(t, id)
		}
		w.comesTo(func(ctx context.Context, d *notify.Delivery) notify.Outcome {
			pause.For(ctx, time.Hour) // It is ended after a minute.
			return notify.Outcome{State: notify.Pending, Reason: "no answer"}
		})
		w.run(t)
		const events = 600
		for n := range events {
			w.hears(t, event(ledger.EventOrderPlaced, n+10))
		}
		passes(t, time.Second)
		_, err := w.DropEndpoint(t.Context(), "dropped")
		require.NoError(t, err)
		e, err := w.Endpoint(t.Context(), "disabled")
		require.NoError(t, err)
		next := *e
		next.Enabled, next.Version = false, e.Version+1
		_, err = w.PutEndpoint(t.Context(), &next)
		require.NoError(t, err)
		passes(t, 3*time.Minute)
		states := func(endpoint string) map[notify.State]int {
			t.Helper()
			all := map[notify.State]int{}
			for _, d := range w.every(t, endpoint) {
				all[d.State]++
				_, err := w.Replay(t.Context(), d.ID)
				require.Equal(t, rail.WrongState, rail.CodeOf(err), "%v", err)
			}
			return all
		}
		require.Equal(t, map[notify.State]int{notify.Skipped: events}, states("dropped"))
		require.Equal(t, map[notify.State]int{notify.Skipped: events}, states("disabled"))
	})
}

// every lists all deliveries to an endpoint.
func (w *world) every(t *testing.T, endpoint string) (all []*notify.Delivery) {
	t.Helper()
	f := notify.Filter{Endpoint: endpoint, Limit: notify.MaxItems}
	for {
		page, err := w.Deliveries(t.Context(), f)
		require.NoError(t, err)
		all = append(all, page...)
		if len(page) < notify.MaxItems {
			return all
		}
		last := page[len(page)-1]
		f.After = notify.Place{CreatedAt: last.CreatedAt, ID: last.ID}
	}
}

// TestWorker_LeavesToOthersWhatItDoesNotTell has a process that neither mails nor posts. It gives up what no other has
// begun for a day.
func TestWorker_LeavesToOthersWhatItDoesNotTell(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := open()
		w.LookEvery(time.Minute)
		w.endpoint(t, "partner")
		w.hears(t, event(ledger.EventOrderPaid, 1))
		w.Mailer, w.Poster = nil, nil
		w.run(t)
		for _, state := range []notify.State{notify.Pending, notify.GivenUp} {
			passes(t, 24*time.Hour)
			all := w.all(t)
			require.Len(t, all, 2)
			for _, d := range all {
				require.Equal(t, state, d.State)
				require.Zero(t, d.Tries)
			}
		}
	})
}

// TestWebhooks_Dead disables an endpoint that takes nothing for days, and one that wants nothing more. Its deliveries
// can be replayed once it is enabled again.
func TestWebhooks_Dead(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := open()
		w.LookEvery(10 * time.Second)
		w.endpoint(t, "dead")
		w.endpoint(t, "gone")
		w.comesTo(func(_ context.Context, d *notify.Delivery) notify.Outcome {
			switch {
			case d.Channel == notify.Mail:
				return notify.Outcome{State: notify.Sent}
			case d.Endpoint == "gone":
				return notify.Outcome{State: notify.Refused, Answer: 410, Gone: true}
			}
			return notify.Outcome{State: notify.Pending, Answer: 500}
		})
		w.run(t)
		for n := range 6 {
			w.hears(t, event(ledger.EventOrderPlaced, n+10))
			passes(t, 24*time.Hour)
		}
		for id, why := range map[string]string{"dead": "it took nothing for five days", "gone": "it answered 410: it wants nothing more"} {
			e, err := w.Endpoint(t.Context(), id)
			require.NoError(t, err)
			require.False(t, e.Enabled)
			require.Equal(t, why, e.DisabledWhy)
		}
		w.hears(t, event(ledger.EventOrderPlaced, 100))
		before := len(w.all(t))
		passes(t, 48*time.Hour)
		require.Len(t, w.all(t), before, "it is told nothing more")
		first := w.all(t)[0]
		require.NotEqual(t, notify.Pending, first.State)

		w.comesTo(nil)
		e, err := w.Endpoint(t.Context(), first.Endpoint)
		require.NoError(t, err)
		next := *e
		next.Enabled, next.DisabledWhy, next.FailingSince, next.Version = true, "", time.Time{}, e.Version+1
		_, err = w.PutEndpoint(t.Context(), &next)
		require.NoError(t, err)
		_, err = w.Replay(t.Context(), first.ID)
		require.NoError(t, err)
		passes(t, time.Minute)
		require.Equal(t, notify.Sent, w.all(t)[0].State)
		_, err = w.Replay(t.Context(), "none")
		require.Equal(t, rail.NotFound, rail.CodeOf(err))
	})
}

// TestWebhooks_RetryAfter leaves a receiver alone for as long as it wants, a day at most.
func TestWebhooks_RetryAfter(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := open()
		w.LookEvery(10 * time.Second)
		w.endpoint(t, "slow")
		w.comesTo(func(context.Context, *notify.Delivery) notify.Outcome {
			return notify.Outcome{State: notify.Pending, Answer: 429, RetryIn: time.Hour}
		})
		w.run(t)
		w.hears(t, event(ledger.EventOrderPlaced, 1))
		passes(t, 59*time.Minute)
		d := w.all(t)[0]
		require.Len(t, w.triedOf(d.ID), 1)
		passes(t, 2*time.Minute)
		require.Len(t, w.triedOf(d.ID), 2)
	})
}
