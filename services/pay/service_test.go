package pay_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
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

// world is a service with a store and a provider in memory.
type world struct {
	*pay.Service
	store *paytest.Memory
	bank  *paytest.Provider
	woken int
	// before and after are the provider's hooks. They may be set while the worker works.
	before, after atomic.Pointer[hook]
	log           lines
}

// hook is called before or after each call of the provider.
type hook func(ctx context.Context, method, paymentID string) error

func through(h *atomic.Pointer[hook]) hook {
	return func(ctx context.Context, method, paymentID string) error {
		if f := h.Load(); f != nil {
			return (*f)(ctx, method, paymentID)
		}
		return nil
	}
}

// beforeCalls and afterCalls set the hooks.
func (w *world) beforeCalls(h hook) { w.before.Store(&h) }
func (w *world) afterCalls(h hook)  { w.after.Store(&h) }

// lines is a log that is read while it is written.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// count is how often something was logged.
func (l *lines) count(what string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.text.String(), what)
}

// open makes a world. It is used within a bubble of synctest, where time passes when everything waits.
func open() *world {
	w := &world{store: &paytest.Memory{}, bank: &paytest.Provider{}}
	w.bank.Before, w.bank.After = through(&w.before), through(&w.after)
	w.Service = pay.New(pay.Options{
		Store: w.store, Providers: []pay.Provider{w.bank}, Log: slog.New(slog.NewTextHandler(&w.log, nil)),
		Woken: func() { w.woken++ },
	})
	return w
}

// run runs the worker until the test ends.
func (w *world) run(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); w.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
}

func asked(id string, order int) *pay.Payment {
	return &pay.Payment{
		ID: id, OrderID: orderID(order), RunID: runID, Amount: rail.Money{Minor: price, Currency: "CNY"},
	}
}

const payFor = 15 * time.Minute

func (w *world) start(t *testing.T, id string, order int) *pay.Payment {
	t.Helper()
	p, err := w.Start(t.Context(), asked(id, order), payFor)
	require.NoError(t, err)
	return p
}

func (w *world) is(t *testing.T, id string) *pay.Payment {
	t.Helper()
	all, err := w.Payments(t.Context(), []string{id})
	require.NoError(t, err)
	require.NotNil(t, all[0])
	return all[0]
}

func (w *world) settle(t *testing.T, id string, d pay.Decision) {
	t.Helper()
	errs, err := w.Settle(t.Context(), []pay.Settlement{{PaymentID: id, Decision: d, Within: 2 * time.Minute}})
	require.NoError(t, err)
	require.Nil(t, errs)
}

// tell sends a webhook about a payment's own charge. The provider's clock is that of the payments' primary.
func (w *world) tell(t *testing.T, n pay.Notice) error {
	t.Helper()
	now, err := w.store.Now(t.Context())
	require.NoError(t, err)
	header, body := w.bank.Sign(n, now)
	return w.Webhook(t.Context(), "fake", header, body)
}

func (w *world) events() (types []ledger.EventType) {
	for _, e := range w.store.Events() {
		types = append(types, e.Type)
	}
	return types
}

// bubble runs a test on a clock that moves when all wait. A commit that a test has not waited for begins within an
// interval, and ends in the bubble.
func bubble(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		test(t)
		<-time.After(pay.CommitInterval)
		synctest.Wait()
	})
}

func TestStart(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := open()
		p := w.start(t, "p1", 1)
		require.Equal(t, pay.Open, p.State)
		require.Equal(t, "https://bank.example/ref1", p.RedirectURL)
		require.Equal(t, "ref1", p.Reference)
		require.Equal(t, p.CreatedAt.Add(payFor), p.PayBy)

		again := w.start(t, "p1", 1)
		require.Equal(t, p.RedirectURL, again.RedirectURL)
		require.Equal(t, 1, w.bank.Calls("Authorise"))
		require.Len(t, w.bank.Charges(), 1)

		_, err := w.Start(t.Context(), asked("p1", 2), payFor)
		require.Equal(t, rail.IdempotencyConflict, rail.CodeOf(err))
		for n := 2; n <= pay.MaxOpenPayments; n++ {
			w.start(t, fmt.Sprint("p", n), 1)
		}
		_, err = w.Start(t.Context(), asked("p9", 1), payFor)
		require.Equal(t, rail.WrongState, rail.CodeOf(err))
		w.settle(t, "p1", pay.Release)
		require.Equal(t, pay.Open, w.start(t, "p9", 1).State, "one that goes back is not open")
	})
}

func TestStart_Refuses(t *testing.T) {
	bubble(t, func(t *testing.T) {
		for name, c := range map[string]struct {
			change func(p *pay.Payment)
			payFor time.Duration
			code   rail.Code
		}{
			"no id":             {func(p *pay.Payment) { p.ID = "" }, payFor, rail.Invalid},
			"an id too long":    {func(p *pay.Payment) { p.ID = strings.Repeat("x", 65) }, payFor, rail.Invalid},
			"an id with a sign": {func(p *pay.Payment) { p.ID = "p:1" }, payFor, rail.Invalid},
			"no order":          {func(p *pay.Payment) { p.OrderID = "o1" }, payFor, rail.Invalid},
			"another run":       {func(p *pay.Payment) { p.RunID = "G2@2027-03-01" }, payFor, rail.Invalid},
			"nothing":           {func(p *pay.Payment) { p.Amount.Minor = 0 }, payFor, rail.Invalid},
			"less than nothing": {func(p *pay.Payment) { p.Amount.Minor = -1 }, payFor, rail.Invalid},
			"no currency":       {func(p *pay.Payment) { p.Amount.Currency = "" }, payFor, rail.Invalid},
			"no time":           {func(*pay.Payment) {}, 0, rail.Invalid},
			"too much time":     {func(*pay.Payment) {}, 25 * time.Hour, rail.Invalid},
			"a currency not taken": {
				func(p *pay.Payment) { p.Amount.Currency = "XTS" }, payFor,
				rail.PaymentUnavailable,
			},
			"as much time as can be": {func(*pay.Payment) {}, 24 * time.Hour, ""},
		} {
			w := open()
			p := asked("p1", 1)
			c.change(p)
			_, err := w.Start(t.Context(), p, c.payFor)
			require.Equal(t, c.code, rail.CodeOf(err), name)
			if c.code != "" {
				require.Empty(t, w.store.All(), name)
				require.Empty(t, w.bank.Charges(), name)
			}
			if c.code == rail.PaymentUnavailable {
				var shown *rail.Error
				require.ErrorAs(t, err, &shown)
				require.Equal(t, "XTS is no currency that can be paid in here", shown.Message, "the buyer is told why")
			}
		}
	})
}

// TestStart_ProviderIsSlow waits five seconds, and no longer. The worker goes on, and the next answer has the page.
func TestStart_ProviderIsSlow(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := open()
		w.afterCalls(func(ctx context.Context, method, _ string) error {
			if method == "Authorise" && w.bank.Calls("Authorise") == 1 {
				<-ctx.Done()
				return ctx.Err()
			}
			return nil
		})
		begun := time.Now()
		p := w.start(t, "p1", 1)
		require.Equal(t, 5*time.Second, time.Since(begun))
		require.Equal(t, pay.Created, p.State)
		require.Empty(t, p.RedirectURL)

		w.run(t)
		pause.For(t.Context(), 2*time.Second)
		synctest.Wait()
		p = w.start(t, "p1", 1)
		require.Equal(t, pay.Open, p.State)
		require.NotEmpty(t, p.RedirectURL)
		require.Len(t, w.bank.Charges(), 1, "the first call took effect after all")
	})
}

// TestStart_Refused ends a payment that the provider does not open.
func TestStart_Refused(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := open()
		w.beforeCalls(func(_ context.Context, method, _ string) error {
			if method == "Authorise" {
				return fmt.Errorf("no: %w", pay.ErrRefused)
			}
			return nil
		})
		p := w.start(t, "p1", 1)
		require.Equal(t, pay.Failed, p.State)
		require.Equal(t, "refused", p.Reason)
		require.Equal(t, []ledger.EventType{ledger.EventPaymentEnded}, w.events())
		require.Equal(t, 1, w.woken)
	})
}

func TestSettle(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := open()
		for _, id := range []string{"p1", "p2", "p3"} {
			w.start(t, id, 1)
		}
		require.True(t, w.bank.Do(paytest.ActPay, "p1"))
		require.NoError(t, w.tell(t, pay.Notice{ID: "n1", PaymentID: "p1"}))
		errs, err := w.Settle(t.Context(), []pay.Settlement{
			{PaymentID: "p1", Decision: pay.Capture, Within: time.Minute},
			{PaymentID: "p2", Decision: pay.Release},
			{PaymentID: "unknown", Decision: pay.Release},
			{PaymentID: "p3", Decision: "MAYBE"},
			{PaymentID: "p3", Decision: pay.Capture},
			{PaymentID: "p3", Decision: pay.Capture, Within: 2 * time.Hour},
			{PaymentID: "p2", Decision: pay.Capture, Within: time.Minute},
		})
		require.NoError(t, err)
		var codes []rail.Code
		for _, e := range errs {
			codes = append(codes, rail.CodeOf(e))
		}
		require.Equal(t, []rail.Code{"", "", rail.NotFound, rail.Invalid, rail.Invalid, rail.Invalid, rail.WrongState},
			codes)
		p := w.is(t, "p1")
		require.Equal(t, pay.Capturing, p.State)
		require.Equal(t, time.Minute, p.CaptureBy.Sub(p.ChangedAt))
		require.Equal(t, pay.Releasing, w.is(t, "p2").State)
		require.Equal(t, pay.Open, w.is(t, "p3").State)

		_, err = w.Settle(t.Context(), make([]pay.Settlement, pay.MaxBatch+1))
		require.Equal(t, rail.Invalid, rail.CodeOf(err))

		// A repetition changes nothing, and yet rests on a commit of its own.
		version, captureBy := p.Version, p.CaptureBy
		w.settle(t, "p1", pay.Capture)
		p = w.is(t, "p1")
		require.Equal(t, pay.Capturing, p.State)
		require.Equal(t, captureBy, p.CaptureBy)
		require.Equal(t, version+1, p.Version)
	})
}

// TestSettle_InDoubt is told of a commit of unknown outcome as the store tells it.
func TestSettle_InDoubt(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := open()
		w.start(t, "p1", 1)
		w.store.After = func(method string) error {
			if method == "Update" {
				return ledger.ErrInDoubt
			}
			return nil
		}
		_, err := w.Settle(t.Context(), []pay.Settlement{{PaymentID: "p1", Decision: pay.Release}})
		require.ErrorIs(t, err, ledger.ErrInDoubt)
	})
}

// life takes a payment through a whole life, with the three webhooks that a card's payment has at Stripe.
func (w *world) life(t *testing.T, id string, order int) {
	t.Helper()
	w.start(t, id, order)
	if !w.bank.Do(paytest.ActPay, id) {
		t.Error("the page is not open")
	}
	w.hears(t, pay.Notice{ID: id + "-held", PaymentID: id, Tells: pay.ChargeAuthorised},
		pay.Notice{ID: id + "-completed", PaymentID: id, Reference: w.is(t, id).Reference, Tells: pay.ChargeAuthorised})
	w.settle(t, id, pay.Capture)
	for w.is(t, id).State != pay.Captured {
		pause.For(t.Context(), time.Millisecond)
	}
	w.hears(t, pay.Notice{ID: id + "-captured", PaymentID: id, Tells: pay.ChargeCaptured})
}

// hears sends webhooks at once, and waits until all were taken.
func (w *world) hears(t *testing.T, notices ...pay.Notice) {
	t.Helper()
	var all sync.WaitGroup
	for _, n := range notices {
		all.Go(func() {
			if err := w.tell(t, n); err != nil {
				t.Errorf("%s: %v", n.ID, err)
			}
		})
	}
	all.Wait()
}

// TestLife goes through a whole payment: paid, decided, captured.
func TestLife(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := open()
		slowly(w.store, time.Millisecond)
		w.run(t)
		w.life(t, "p1", 1)
		p := w.is(t, "p1")
		require.Equal(t, pay.Captured, p.State)
		require.True(t, p.Due.IsZero())
		require.Equal(t, [4]int64{price, price, 0, 0}, [4]int64{p.Authorised, p.Captured, p.Released, p.Refunded})
		require.Equal(t, []ledger.EventType{ledger.EventPaymentAuthorised, ledger.EventPaymentCaptured}, w.events())
		require.Equal(t, 2, w.woken)
		require.LessOrEqual(t, w.store.Commits(), 8,
			"noted, opened, authorised (and the second webhook), decided, taken by the worker, captured, "+
				"the third webhook")
		require.Equal(t, 1, w.bank.Calls("Get"), "to find out that it is authorised")

		w.settle(t, "p1", pay.Release)
		passes(t, time.Second)
		require.Equal(t, pay.Refunded, w.is(t, "p1").State)
		require.Equal(t, int64(price), w.bank.Charges()[0].Refunded)
		require.Equal(t, ledger.EventPaymentEnded, w.events()[2])
	})
}

// TestLife_HundredAtOnce shares commits: a hundred lives at once have hardly more than one alone.
func TestLife_HundredAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := open()
		slowly(w.store, 10*time.Millisecond)
		w.run(t)
		var all sync.WaitGroup
		for n := range 100 {
			all.Go(func() { w.life(t, fmt.Sprint("p", n), n) })
		}
		all.Wait()
		require.Len(t, w.store.All(), 100)
		t.Log("commits", w.store.Commits(), "questions", w.bank.Calls("Get"))
		require.LessOrEqual(t, w.store.Commits(), 30)
		require.LessOrEqual(t, w.bank.Calls("Get"), 110)
		require.EqualValues(t, 300, w.Stats().Webhooks[pay.WebhookHeeded])
	})
}

func TestReads_AreBounded(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := open()
		w.start(t, "p1", 1)
		for n, ask := range []func() error{
			func() error { _, err := w.Payments(t.Context(), make([]string, pay.MaxBatch+1)); return err },
			func() error { _, err := w.OfOrders(t.Context(), make([]string, pay.MaxBatch+1)); return err },
			func() error { _, err := w.Changed(t.Context(), nil, 0, pay.Place{}, pay.MaxBatch+1); return err },
			func() error { _, err := w.Changed(t.Context(), nil, 0, pay.Place{}, 0); return err },
			func() error { _, err := w.Changed(t.Context(), nil, -1, pay.Place{}, 1); return err },
			func() error { _, err := w.Changed(t.Context(), []pay.State{"X"}, 0, pay.Place{}, 1); return err },
			func() error { _, err := w.Reconcile(t.Context(), 32*24*time.Hour); return err },
			func() error { _, err := w.Reconcile(t.Context(), -1); return err },
		} {
			require.Equal(t, rail.Invalid, rail.CodeOf(ask()), n)
		}
		of, err := w.OfOrders(t.Context(), []string{orderID(1)})
		require.NoError(t, err)
		require.Len(t, of, 1)
		pause.For(t.Context(), time.Hour)
		for within, want := range map[time.Duration]int{0: 1, 2 * time.Hour: 1, time.Minute: 0} {
			changed, err := w.Changed(t.Context(), nil, within, pay.Place{}, 10)
			require.NoError(t, err)
			require.Len(t, changed, want, within)
		}
	})
}

// TestWebhook_Outcomes has each kind of webhook: what it is answered, and what it changes.
func TestWebhook_Outcomes(t *testing.T) {
	bubble(t, func(t *testing.T) {
		own := pay.Notice{ID: "n1", PaymentID: "p1"}
		for name, c := range map[string]struct {
			provider string
			notice   pay.Notice
			age      time.Duration
			header   func(http.Header)
			body     func([]byte) []byte
			code     rail.Code
			outcome  pay.WebhookOutcome
		}{
			"good": {notice: own, outcome: pay.WebhookHeeded},
			"forged": {
				notice: own, header: func(h http.Header) { h.Set("Signature", "bad 1") },
				code: rail.Unauthenticated, outcome: pay.WebhookForged,
			},
			"unsigned": {
				notice: own, header: func(h http.Header) { h.Del("Signature") },
				code: rail.Unauthenticated, outcome: pay.WebhookForged,
			},
			"old": {notice: own, age: time.Hour, code: rail.Unauthenticated, outcome: pay.WebhookTooOld},
			"from the future": {
				notice: own, age: -time.Hour, code: rail.Unauthenticated,
				outcome: pay.WebhookTooOld,
			},
			"too large": {notice: own, body: func(b []byte) []byte {
				return append(b, make([]byte, 64<<10)...)
			}, code: rail.Invalid, outcome: pay.WebhookForged},
			"another's":            {provider: "nobody", notice: own, code: rail.NotFound, outcome: pay.WebhookForged},
			"of nothing of ours":   {notice: pay.Notice{ID: "n1"}, outcome: pay.WebhookOfOthers},
			"of a payment unknown": {notice: pay.Notice{ID: "n1", PaymentID: "p7"}, outcome: pay.WebhookHeeded},
			"of a charge unknown": {
				notice:  pay.Notice{ID: "n1", PaymentID: "p1", Reference: "ref7"},
				outcome: pay.WebhookHeeded,
			},
		} {
			w := open()
			w.start(t, "p1", 1)
			require.True(t, w.bank.Do(paytest.ActPay, "p1"))
			header, body := w.bank.Sign(c.notice, time.Now().Add(-c.age))
			if c.header != nil {
				c.header(header)
			}
			if c.body != nil {
				body = c.body(body)
			}
			if c.provider == "" {
				c.provider = "fake"
			}
			err := w.Webhook(t.Context(), c.provider, header, body)
			require.Equal(t, c.code, rail.CodeOf(err), name)
			want := pay.Open
			if c.outcome == pay.WebhookHeeded && c.notice == own {
				want = pay.Authorised
			}
			require.Equal(t, want, w.is(t, "p1").State, name)
			require.Len(t, w.store.All(), 1, name)
			require.Equal(t, map[pay.WebhookOutcome]int64{c.outcome: 1}, w.Stats().Webhooks, name)
		}
	})
}

// TestWebhook_Replayed takes a webhook once: a second time the provider is not asked.
func TestWebhook_Replayed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := open()
		w.start(t, "p1", 1)
		require.True(t, w.bank.Do(paytest.ActPay, "p1"))
		for range 3 {
			require.NoError(t, w.tell(t, pay.Notice{ID: "n1", PaymentID: "p1"}))
		}
		require.Equal(t, 1, w.bank.Calls("Get"))
		require.Equal(t, []ledger.EventType{ledger.EventPaymentAuthorised}, w.events())
		require.Equal(t, int64(2), w.Stats().Webhooks[pay.WebhookRepeated])
	})
}

// TestWebhook_IsSentAgain has something fail behind a webhook: it is no success, and takes effect the next time.
func TestWebhook_IsSentAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		away := &rail.Error{Code: rail.Unavailable, Message: "away"}
		for _, failing := range []string{"HeededBefore", "Payments", "Get", "Update"} {
			w := open()
			w.start(t, "p1", 1)
			require.True(t, w.bank.Do(paytest.ActPay, "p1"))
			var broken error = away
			w.store.Before = func(method string) error {
				if method == failing {
					return broken
				}
				return nil
			}
			w.beforeCalls(func(_ context.Context, method, _ string) error {
				if method == failing && broken != nil {
					return errors.New("the line is dead")
				}
				return nil
			})
			err := w.tell(t, pay.Notice{ID: "n1", PaymentID: "p1"})
			require.Equal(t, rail.Unavailable, rail.CodeOf(err), failing)
			broken = nil
			require.NoError(t, w.tell(t, pay.Notice{ID: "n1", PaymentID: "p1"}), failing)
			require.Equal(t, pay.Authorised, w.is(t, "p1").State, failing)
			require.Len(t, w.events(), 1, failing)
		}
	})
}

// TestWebhook_TogetherWithItsChange writes a webhook in the commit of what it told of, and in none before: a process
// that dies in between has not heeded it.
func TestWebhook_TogetherWithItsChange(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := open()
		w.start(t, "p1", 1)
		require.True(t, w.bank.Do(paytest.ActPay, "p1"))
		heeded := func(id string) bool {
			t.Helper()
			before, err := paytest.HeededBefore(t.Context(), w.store, "fake", id)
			require.NoError(t, err)
			return before
		}
		before := w.store.Commits()
		w.store.Before = func(method string) error {
			if method == "Update" {
				return &rail.Error{Code: rail.Unavailable, Message: "away"}
			}
			return nil
		}
		require.Error(t, w.tell(t, pay.Notice{ID: "n1", PaymentID: "p1"}))
		require.False(t, heeded("n1"))
		require.Equal(t, before, w.store.Commits())
		w.store.Before = nil
		require.NoError(t, w.tell(t, pay.Notice{ID: "n1", PaymentID: "p1"}))
		require.Equal(t, 1, w.store.Commits()-before)
		require.Equal(t, pay.Authorised, w.is(t, "p1").State)
		require.True(t, heeded("n1"))
		for _, n := range []pay.Notice{
			{ID: "n2", PaymentID: "p1"},
			{ID: "n3", PaymentID: "unknown"},
			{ID: "n4", PaymentID: "p1", Reference: "unknown"},
			{ID: "n5", PaymentID: "p1", Tells: pay.ChargeAuthorised},
		} {
			before++
			require.NoError(t, w.tell(t, n))
			require.Equal(t, 1, w.store.Commits()-before, "%s changes nothing, and is written", n.ID)
			require.True(t, heeded(n.ID), n.ID)
		}
	})
}

// TestWebhook_OfWhatIsKnown asks the provider unless a payment is known to be as far as a notice tells of its charge.
func TestWebhook_OfWhatIsKnown(t *testing.T) {
	bubble(t, func(t *testing.T) {
		for name, c := range map[string]struct {
			captured bool
			notice   pay.Notice
			asks     int
		}{
			"authorised, and was":         {false, pay.Notice{Tells: pay.ChargeAuthorised}, 0},
			"of its own charge":           {false, pay.Notice{Tells: pay.ChargeAuthorised, Reference: "ref1"}, 0},
			"of another charge":           {false, pay.Notice{Tells: pay.ChargeAuthorised, Reference: "ref2"}, 1},
			"captured, and is not":        {false, pay.Notice{Tells: pay.ChargeCaptured}, 1},
			"captured by us":              {true, pay.Notice{Tells: pay.ChargeCaptured}, 0},
			"authorised, told late":       {true, pay.Notice{Tells: pay.ChargeAuthorised}, 0},
			"something else (a refund)":   {true, pay.Notice{}, 1},
			"a status that is not waited": {true, pay.Notice{Tells: pay.ChargeClosed}, 1},
		} {
			w := paid(t)
			if c.captured {
				w.settle(t, "p1", pay.Capture)
				passes(t, 100*time.Millisecond)
				require.Equal(t, pay.Captured, w.is(t, "p1").State)
			}
			before := w.bank.Calls("Get")
			c.notice.ID, c.notice.PaymentID = "n2", "p1"
			require.NoError(t, w.tell(t, c.notice), name)
			require.Equal(t, c.asks, w.bank.Calls("Get")-before, name)
		}
	})
}

// TestWebhook_SeveralAtOnce asks once for all that came before it asks, and again for what came after.
func TestWebhook_SeveralAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := open()
		w.start(t, "p1", 1)
		w.beforeCalls(func(ctx context.Context, method, _ string) error {
			if method == "Get" {
				pause.For(ctx, time.Second)
			}
			return nil
		})
		// The first asks while nothing is paid yet. What comes while it asks must not rest on that answer.
		w.afterCalls(func(_ context.Context, method, _ string) error {
			if method == "Get" {
				w.bank.Do(paytest.ActPay, "p1")
			}
			return nil
		})
		var all sync.WaitGroup
		all.Go(func() { w.hears(t, pay.Notice{ID: "n0", PaymentID: "p1"}) })
		pause.For(t.Context(), 500*time.Millisecond)
		for n := range 20 {
			all.Go(func() { w.hears(t, pay.Notice{ID: fmt.Sprint("n", 1+n/2), PaymentID: "p1"}) }) // each twice
		}
		all.Go(func() { w.hears(t, pay.Notice{ID: "n0", PaymentID: "p1"}) })
		all.Wait()
		require.Equal(t, 2, w.bank.Calls("Get"))
		require.Equal(t, pay.Authorised, w.is(t, "p1").State)
		require.Equal(t, map[pay.WebhookOutcome]int64{pay.WebhookHeeded: 21, pay.WebhookRepeated: 1},
			w.Stats().Webhooks)
		require.LessOrEqual(t, w.store.Commits(), 4, "noted, opened, and two of webhooks")
	})
}

// TestWebhook_CallerHangsUp has the one hang up who asks for all: the others are answered.
func TestWebhook_CallerHangsUp(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := open()
		w.start(t, "p1", 1)
		require.True(t, w.bank.Do(paytest.ActPay, "p1"))
		w.beforeCalls(func(ctx context.Context, method, _ string) error {
			if method == "Get" {
				pause.For(ctx, time.Second)
			}
			return ctx.Err()
		})
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		var all sync.WaitGroup
		tell := func(ctx context.Context, id string) error {
			header, body := w.bank.Sign(pay.Notice{ID: id, PaymentID: "p1"}, time.Now())
			return w.Webhook(ctx, "fake", header, body)
		}
		all.Go(func() { _ = tell(ctx, "n1") })
		pause.For(t.Context(), 5*time.Millisecond)
		all.Go(func() { w.hears(t, pay.Notice{ID: "n2", PaymentID: "p1"}) })
		pause.For(t.Context(), time.Millisecond)
		hasty, stop := context.WithTimeout(t.Context(), time.Millisecond)
		defer stop()
		require.ErrorIs(t, tell(hasty, "n2"), context.DeadlineExceeded)
		all.Wait()
		require.Equal(t, pay.Authorised, w.is(t, "p1").State)
		require.Equal(t, 2, w.bank.Calls("Get"))
	})
}

// TestWebhook_PaidTwice lets the second charge of a payment go, whichever is told first.
func TestWebhook_PaidTwice(t *testing.T) {
	bubble(t, func(t *testing.T) {
		for _, order := range [][2]string{{"ref1", "ref2"}, {"ref2", "ref1"}} {
			w := open()
			w.run(t)
			w.start(t, "p1", 1)
			require.True(t, w.bank.Do(paytest.ActPay, "p1"))
			require.True(t, w.bank.Do(paytest.ActPayTwice, "p1"))
			for n, reference := range order {
				for range 2 {
					require.NoError(t, w.tell(t, pay.Notice{
						ID: fmt.Sprint("n", n), PaymentID: "p1",
						Reference: reference,
					}))
				}
			}
			w.settle(t, "p1", pay.Capture)
			passes(t, 100*time.Millisecond)
			require.Equal(t, pay.Captured, w.is(t, "p1").State)
			charges := w.bank.Charges()
			require.Equal(t, int64(price), charges[0].Captured)
			require.Equal(t, pay.ChargeClosed, charges[1].Status)
			require.Equal(t, int64(price), charges[1].Released)
			all := w.store.All()
			require.Len(t, all, 2)
			require.Equal(t, pay.Released, all[1].State)
			require.Equal(t, orderID(1), all[1].OrderID)
		}
	})
}
