package paytest

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"interlock/services/ledger"
	"interlock/services/pay"
	"interlock/services/rail"
)

// Keeper is a kind of store, as the suite needs it.
type Keeper struct {
	// New opens an empty store for the length of a test.
	New func(t *testing.T) Kept
}

// Kept is a store, and what the suite does to it from outside.
type Kept struct {
	pay.Store
	// Events are all events that were noted so far and never published, in any order.
	Events func(t *testing.T) []ledger.Event
	// Age makes all that the store has older.
	Age func(t *testing.T, by time.Duration)
}

// RunStore proves that a store keeps its contract.
func RunStore(t *testing.T, keeper Keeper) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T, s Kept)
	}{
		{"Start_TwiceIsOne", startTwiceIsOne},
		{"Start_Conflicts", startConflicts},
		{"Start_TooMany", startTooMany},
		{"Start_SeveralAtOnce", startSeveralAtOnce},
		{"Start_AStrayCharge", startStray},
		{"Start_InOneGroup", startInOneGroup},
		{"Start_GroupsAtOnce", startGroupsAtOnce},
		{"Payments", paymentsByID},
		{"OfOrders", paymentsOfOrders},
		{"Update_KeepsAllFields", updateKeepsAllFields},
		{"Update_ComparesVersions", updateComparesVersions},
		{"Update_InOneGroup", updateInOneGroup},
		{"Update_DueAndCaptureBy", updateTimes},
		{"Update_TellsEachEvent", updateTells},
		{"Update_TellsOfRefunds", updateTellsOfRefunds},
		{"Update_Many", updateMany},
		{"Update_SeveralAtOnce", updateSeveralAtOnce},
		{"Due", due},
		{"Changed", changedSince},
		{"Changed_WithoutHoles", changedWithoutHoles},
		{"Notices", notices},
		{"Notices_WithAChange", noticesWithAChange},
		{"Now", now},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, keeper.New(t)) })
	}
}

// run is the run of the suite's orders.
const run = rail.RunID("T12@2026-10-12")

// Order is the id of the n-th order of a run.
func Order(n int) string { return rail.NewOrderID(run, int64(100+n), "q") }

// NewPayment is a payment that may be created, of an order.
func NewPayment(id, orderID string) *pay.Payment {
	return &pay.Payment{
		ID: id, OrderID: orderID, RunID: run, Amount: rail.Money{Minor: 8_400, Currency: "CNY"}, Provider: "bank",
		State: pay.Created,
	}
}

// payFor is how long the suite's payments are open.
const payFor = 10 * time.Minute

// create notes a payment, which must be new.
func create(t *testing.T, s Kept, id, orderID string) *pay.Payment {
	t.Helper()
	p, created, err := Start(t.Context(), s, NewPayment(id, orderID), payFor)
	require.NoError(t, err)
	require.True(t, created)
	return p
}

// to is the change of a payment to a state.
func to(p *pay.Payment, state pay.State) pay.Change {
	c := pay.Change{Payment: *p, From: p.State, DueIn: -1}
	c.Payment.State, c.Payment.Version = state, p.Version+1
	return c
}

// update writes one change that must succeed, and reads the payment back.
func update(t *testing.T, s Kept, c pay.Change) *pay.Payment {
	t.Helper()
	errs, err := Change(t.Context(), s, []pay.Change{c})
	require.NoError(t, err)
	require.Equal(t, []error{nil}, errs)
	return read(t, s, c.Payment.ID)
}

// read reads a payment, which must be there.
func read(t *testing.T, s Kept, id string) *pay.Payment {
	t.Helper()
	found, err := s.Payments(t.Context(), []string{id})
	require.NoError(t, err)
	require.Len(t, found, 1)
	require.NotNil(t, found[0])
	return found[0]
}

func ids(payments []*pay.Payment) string {
	var all []string
	for _, p := range payments {
		all = append(all, p.ID)
	}
	return strings.Join(all, " ")
}

func requireCode(t *testing.T, code rail.Code, err error) {
	t.Helper()
	require.Error(t, err)
	require.Equal(t, code, rail.CodeOf(err), "%v", err)
}

func startTwiceIsOne(t *testing.T, s Kept) {
	before, err := s.Now(t.Context())
	require.NoError(t, err)
	p := create(t, s, "p1", Order(1))
	require.EqualValues(t, 1, p.Version)
	require.False(t, p.CreatedAt.Before(before))
	require.Equal(t, p.CreatedAt, p.ChangedAt)
	require.Equal(t, p.CreatedAt.Add(payFor), p.PayBy)
	require.Equal(t, p.CreatedAt.Add(pay.CreatedDue), p.Due)
	require.Zero(t, p.CaptureBy)
	require.Equal(t, p, read(t, s, "p1"), "what is answered is what is kept")

	opened := to(p, pay.Open)
	opened.Payment.Reference, opened.Payment.RedirectURL = "cs_1", "https://bank.example/cs_1"
	is := update(t, s, opened)
	again, created, err := Start(t.Context(), s, NewPayment("p1", Order(1)), time.Hour)
	require.NoError(t, err)
	require.False(t, created)
	require.Equal(t, is, again, "as it is by now, and open for no longer")
}

func startConflicts(t *testing.T, s Kept) {
	p := create(t, s, "p1", Order(1))
	for name, change := range map[string]func(*pay.Payment){
		"another order":    func(p *pay.Payment) { p.OrderID = Order(2) },
		"another amount":   func(p *pay.Payment) { p.Amount.Minor++ },
		"another currency": func(p *pay.Payment) { p.Amount.Currency = "EUR" },
	} {
		other := NewPayment("p1", Order(1))
		change(other)
		_, created, err := Start(t.Context(), s, other, payFor)
		require.False(t, created, name)
		requireCode(t, rail.IdempotencyConflict, err)
	}
	require.Equal(t, p, read(t, s, "p1"))
	found, err := s.OfOrders(t.Context(), []string{Order(2)})
	require.NoError(t, err)
	require.Empty(t, found)
	// Ids are compared byte by byte.
	for _, id := range []string{"P1", "p1x"} {
		create(t, s, id, Order(1))
	}
}

func startTooMany(t *testing.T, s Kept) {
	states := []pay.State{pay.Created, pay.Open, pay.Authorised, pay.Capturing}
	require.Len(t, pay.OpenStates, len(states), "each is counted")
	last := &pay.Payment{}
	for i := range pay.MaxOpenPayments {
		last = create(t, s, fmt.Sprintf("p%d", i), Order(1))
		if state := states[i%len(states)]; state != pay.Created {
			last = update(t, s, to(last, state))
		}
	}
	_, created, err := Start(t.Context(), s, NewPayment("one-more", Order(1)), payFor)
	require.False(t, created)
	requireCode(t, rail.WrongState, err)
	require.Nil(t, payments(t, s, "one-more")[0])
	_, created, err = Start(t.Context(), s, NewPayment("p0", Order(1)), payFor)
	require.NoError(t, err, "one that is there is answered all the same")
	require.False(t, created)
	create(t, s, "of-another", Order(2))

	for i, state := range []pay.State{
		pay.Releasing, pay.Failed, pay.Released, pay.Captured, pay.Refunding, pay.Refunded,
	} {
		last = update(t, s, to(last, state))
		if state == pay.Releasing {
			last = create(t, s, fmt.Sprintf("again%d", i), Order(1))
			requireFull(t, s)
		}
	}
	create(t, s, "at-last", Order(1))
	requireFull(t, s)
}

// requireFull has the first order have no place for another payment.
func requireFull(t *testing.T, s Kept) {
	t.Helper()
	_, _, err := Start(t.Context(), s, NewPayment("too-many", Order(1)), payFor)
	requireCode(t, rail.WrongState, err)
}

func payments(t *testing.T, s Kept, ids ...string) []*pay.Payment {
	t.Helper()
	found, err := s.Payments(t.Context(), ids)
	require.NoError(t, err)
	require.Len(t, found, len(ids))
	return found
}

func startSeveralAtOnce(t *testing.T, s Kept) {
	// Of one order: as many as may be open, and no more.
	var mu sync.Mutex
	made, refused := 0, 0
	var all sync.WaitGroup
	for i := range 3 * pay.MaxOpenPayments {
		all.Go(func() {
			created, err := patiently(t, s, NewPayment(fmt.Sprintf("p%d", i), Order(1)))
			mu.Lock()
			defer mu.Unlock()
			switch {
			case created:
				made++
			case rail.CodeOf(err) == rail.WrongState:
				refused++
			default:
				t.Errorf("%v", err)
			}
		})
	}
	all.Wait()
	require.Equal(t, pay.MaxOpenPayments, made)
	require.Equal(t, 2*pay.MaxOpenPayments, refused)

	// With one id, of one order and of several: one is made.
	made = 0
	for i := range 8 {
		all.Go(func() {
			created, err := patiently(t, s, NewPayment("same", Order(2+i/6)))
			if err != nil {
				assert.Equal(t, rail.IdempotencyConflict, rail.CodeOf(err), "%v", err)
			}
			mu.Lock()
			defer mu.Unlock()
			if created {
				made++
			}
		})
	}
	all.Wait()
	require.Equal(t, 1, made)
}

// patiently notes a payment, and asks again where the rows are locked for too long: nothing was written then.
func patiently(t *testing.T, s Kept, p *pay.Payment) (created bool, err error) {
	for until := time.Now().Add(time.Minute); ; {
		_, created, err = Start(t.Context(), s, p, payFor)
		if rail.CodeOf(err) != rail.Unavailable || time.Now().After(until) {
			return created, err
		}
		t.Log(err)
	}
}

// startStray notes a charge that was not asked for: it goes back, whatever it says of its order.
func startStray(t *testing.T, s Kept) {
	for i, orderID := range []string{Order(1), "", "no order's id", Order(1)} {
		stray := NewPayment(fmt.Sprintf("stray%d", i), orderID)
		stray.State, stray.Wants, stray.Reference, stray.Amount.Minor = pay.Releasing, pay.Release, "cs_2", 0
		stray.RunID = ""
		p, created, err := Start(t.Context(), s, stray, 0)
		require.NoError(t, err)
		require.True(t, created)
		require.Equal(t, p.CreatedAt, p.Due, "it is due at once")
		require.Equal(t, "cs_2", p.Reference)
		require.Equal(t, pay.Release, p.Wants)
		require.Equal(t, p, read(t, s, p.ID))
		released := to(p, pay.Released)
		released.Payment.Authorised, released.Payment.Released = 500, 500
		require.Equal(t, pay.Released, update(t, s, released).State)
	}
	for i := range pay.MaxOpenPayments {
		create(t, s, fmt.Sprintf("p%d", i), Order(1)) // strays take no place of theirs
	}
	stray := NewPayment("one-more", Order(1))
	stray.State = pay.Releasing
	_, created, err := Start(t.Context(), s, stray, 0)
	require.NoError(t, err, "money goes back however many payments there are")
	require.True(t, created)
}

func paymentsByID(t *testing.T, s Kept) {
	create(t, s, "a", Order(1))
	create(t, s, "b", Order(1))
	found := payments(t, s, "b", "nobody", "a", "b")
	require.Nil(t, found[1])
	require.Equal(t, "b a b", ids([]*pay.Payment{found[0], found[2], found[3]}))
	require.Empty(t, payments(t, s))
	var many []string
	for i := range 1_000 {
		many = append(many, fmt.Sprintf("n%d", i))
	}
	many[999] = "a"
	found = payments(t, s, many...)
	require.Equal(t, "a", found[999].ID)
	require.Nil(t, found[0])
}

func paymentsOfOrders(t *testing.T, s Kept) {
	for _, of := range []struct {
		id    string
		order int
	}{{"z", 1}, {"y", 3}, {"x", 1}, {"w", 2}} {
		create(t, s, of.id, Order(of.order))
		s.Age(t, time.Second)
	}
	found, err := s.OfOrders(t.Context(), []string{Order(3), Order(1), Order(9), Order(1)})
	require.NoError(t, err)
	require.Equal(t, "z x y", ids(found), "sorted by order, and then by when they were made")
	found, err = s.OfOrders(t.Context(), nil)
	require.NoError(t, err)
	require.Empty(t, found)
}

func updateKeepsAllFields(t *testing.T, s Kept) {
	p := create(t, s, "p1", Order(1))
	c := to(p, pay.Captured)
	c.Payment.Reference = strings.Repeat("r", 255)
	c.Payment.RedirectURL = "https://bank.example/" + strings.Repeat("p", 2_027)
	c.Payment.Wants, c.Payment.Reason = pay.Capture, strings.Repeat("ü", 1_000)
	c.Payment.Authorised, c.Payment.Captured, c.Payment.Released, c.Payment.Refunded = 1<<60, 1<<59, 3, 4
	c.Payment.Amount, c.Payment.Tries = rail.Money{Minor: 1 << 60, Currency: "JPY"}, 7
	c.Payment.Refunds = refunds(64, pay.RefundDone) // as many as a payment has
	c.DueIn, c.CaptureWithin = time.Minute, time.Hour
	is := update(t, s, c)
	want := c.Payment
	want.ChangedAt = is.ChangedAt
	want.Due, want.CaptureBy = is.ChangedAt.Add(c.DueIn), is.ChangedAt.Add(c.CaptureWithin)
	require.Equal(t, &want, is)
}

func updateComparesVersions(t *testing.T, s Kept) {
	p := create(t, s, "p1", Order(1))
	opened := update(t, s, to(p, pay.Open))
	errs, err := Change(t.Context(), s, []pay.Change{to(p, pay.Failed)})
	require.NoError(t, err)
	require.ErrorIs(t, errs[0], pay.ErrStale)
	unknown := to(opened, pay.Failed)
	unknown.Payment.ID = "p2"
	early := to(opened, pay.Failed)
	early.Payment.Version++
	errs, err = Change(t.Context(), s, []pay.Change{unknown, early})
	require.NoError(t, err)
	require.ErrorIs(t, errs[0], pay.ErrStale)
	require.ErrorIs(t, errs[1], pay.ErrStale)
	require.Equal(t, opened, read(t, s, "p1"), "nothing was written")
	require.Nil(t, payments(t, s, "p2")[0])
	require.Empty(t, s.Events(t))
	errs, err = Change(t.Context(), s, nil)
	require.NoError(t, err)
	require.Empty(t, errs)
}

func updateInOneGroup(t *testing.T, s Kept) {
	a, b, c := create(t, s, "a", Order(1)), create(t, s, "b", Order(1)), create(t, s, "c", Order(2))
	stale := to(b, pay.Failed)
	b = update(t, s, to(b, pay.Open))
	authorised := to(c, pay.Authorised)
	capturing := to(&authorised.Payment, pay.Capturing)
	capturing.CaptureWithin = time.Minute
	twice := to(&authorised.Payment, pay.Releasing)
	errs, err := Change(t.Context(), s, []pay.Change{to(a, pay.Authorised), stale, authorised, capturing, twice})
	require.NoError(t, err)
	require.Len(t, errs, 5)
	require.ErrorIs(t, errs[1], pay.ErrStale)
	require.ErrorIs(t, errs[4], pay.ErrStale, "another change of the same group was first")
	require.Equal(t, []error{nil, nil, nil}, []error{errs[0], errs[2], errs[3]})
	require.Equal(t, pay.Authorised, read(t, s, "a").State)
	require.Equal(t, b, read(t, s, "b"), "the one that was stale is as it was")
	is := read(t, s, "c")
	require.Equal(t, pay.Capturing, is.State)
	require.EqualValues(t, 3, is.Version)
	require.False(t, is.CaptureBy.IsZero())
	require.Equal(t, []string{"a.2 authorised", "c.2 authorised"}, told(t, s))
}

// told are the events so far as a subject, a version and a type, sorted.
func told(t *testing.T, s Kept) (all []string) {
	t.Helper()
	for _, e := range s.Events(t) {
		require.Equal(t, run, e.RunID)
		all = append(all, fmt.Sprintf("%s.%d %s", e.Subject(), e.Version(),
			strings.TrimPrefix(string(e.Type), "interlock.payment.")))
	}
	slices.Sort(all)
	return all
}

func updateTimes(t *testing.T, s Kept) {
	p := create(t, s, "p1", Order(1))
	c := to(p, pay.Open)
	c.Payment.Due, c.Payment.CaptureBy = p.CreatedAt.Add(time.Hour), p.CreatedAt.Add(time.Hour) // not looked at
	p = update(t, s, c)
	require.Zero(t, p.Due)
	require.Zero(t, p.CaptureBy)
	c = to(p, pay.Open)
	c.DueIn = 0
	p = update(t, s, c)
	require.Equal(t, p.ChangedAt, p.Due)
	c = to(p, pay.Capturing)
	c.DueIn, c.CaptureWithin = 3*time.Second, time.Minute
	p = update(t, s, c)
	require.Equal(t, p.ChangedAt.Add(3*time.Second), p.Due)
	require.Equal(t, p.ChangedAt.Add(time.Minute), p.CaptureBy)
	c = to(p, pay.Capturing)
	c.CaptureWithin = time.Hour
	again := update(t, s, c)
	require.Equal(t, p.CaptureBy, again.CaptureBy, "it is set once")
	require.Zero(t, again.Due)
	require.Equal(t, p.CreatedAt, again.CreatedAt)
	require.Equal(t, p.PayBy, again.PayBy)
}

func updateTells(t *testing.T, s Kept) {
	var want []string
	for _, state := range pay.States {
		p := create(t, s, strings.ToLower(string(state)), Order(len(want)))
		if state != pay.Created {
			p = update(t, s, to(p, state))
		}
		p = update(t, s, to(p, state)) // within a state
		switch state {
		case pay.Authorised, pay.Captured:
			want = append(want, fmt.Sprintf("%s.2 %s", p.ID, p.ID))
		case pay.Failed, pay.Released, pay.Refunded:
			want = append(want, p.ID+".2 ended")
		case pay.Created, pay.Open, pay.Capturing, pay.Releasing, pay.Refunding:
		}
		slices.Sort(want)
		require.Equal(t, want, told(t, s), "after %s", state)
	}
	events := s.Events(t)
	require.Len(t, events, 5)
	for _, e := range events {
		p := read(t, s, e.PaymentID)
		require.Equal(t, p.OrderID, e.OrderID)
		runID, version, ok := rail.VersionInOrderID(p.OrderID)
		require.True(t, ok)
		require.Equal(t, runID, e.RunID)
		require.Equal(t, version, e.RunVersion)
		require.Zero(t, e.OrderVersion)
		require.WithinDuration(t, p.ChangedAt, e.Time, 10*time.Second)
	}
}

// refunds are so many refunds of a payment, of orders of their own.
func refunds(many int, state pay.RefundState) pay.RefundList {
	all := make([]pay.Refund, many)
	for i := range all {
		all[i] = pay.Refund{State: state, RefundOrder: pay.RefundOrder{
			ID: fmt.Sprintf("%064x", i), OrderID: Order(100 + i), Amount: rail.Money{Minor: int64(1 + i), Currency: "CNY"},
		}}
	}
	return pay.NewRefundList(all)
}

// updateTellsOfRefunds has a refund asked for and done. The event is of the refund's order, and not of the payment's.
func updateTellsOfRefunds(t *testing.T, s Kept) {
	p := update(t, s, to(create(t, s, "p1", Order(1)), pay.Captured))
	before := len(s.Events(t))
	asked := to(p, pay.Captured)
	asked.Payment.Refunds = refunds(1, pay.RefundPending)
	p = update(t, s, asked)
	require.Equal(t, asked.Payment.Refunds, p.Refunds)
	require.Len(t, s.Events(t), before, "nothing is told of what was asked for")
	done := to(p, pay.Captured)
	done.Payment.Refunds, done.RefundOf = refunds(1, pay.RefundDone), Order(100)
	p = update(t, s, done)
	require.Equal(t, done.Payment.Refunds, p.Refunds)
	at := slices.IndexFunc(s.Events(t), func(e ledger.Event) bool { return e.Type == ledger.EventPaymentRefunded })
	require.Len(t, s.Events(t), before+1)
	require.GreaterOrEqual(t, at, 0)
	told := s.Events(t)[at]
	require.Equal(t, []any{Order(100), "p1", p.Version}, []any{told.OrderID, told.PaymentID, told.PaymentVersion})
}

func updateMany(t *testing.T, s Kept) {
	const many = 1_000
	var changes []pay.Change
	for i := range many {
		p := NewPayment(fmt.Sprintf("p%04d", i), Order(i))
		noted, _, err := Start(t.Context(), s, p, payFor)
		require.NoError(t, err)
		c := to(noted, pay.Authorised)
		c.Payment.RedirectURL = strings.Repeat("u", 2_000)
		if i%10 == 0 {
			c.Payment.Version++
		}
		changes = append(changes, c)
	}
	errs, err := Change(t.Context(), s, changes)
	require.NoError(t, err)
	for i, err := range errs {
		if i%10 == 0 {
			require.ErrorIs(t, err, pay.ErrStale)
		} else {
			require.NoError(t, err)
		}
	}
	is, err := s.Changed(t.Context(), []pay.State{pay.Authorised}, time.Time{}, pay.Place{}, many)
	require.NoError(t, err)
	require.Len(t, is, many-many/10)
	require.Len(t, s.Events(t), many-many/10)
}

// updateSeveralAtOnce has several change the same payments at once, in groups of different orders: each change that is
// not stale is one version.
func updateSeveralAtOnce(t *testing.T, s Kept) {
	const some, writers, rounds = 6, 4, 10
	for i := range some {
		create(t, s, fmt.Sprintf("p%d", i), Order(i))
	}
	var mu sync.Mutex
	written := map[string]int64{}
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			for range rounds {
				found, err := s.Changed(t.Context(), nil, time.Time{}, pay.Place{}, some)
				if !assert.NoError(t, err) {
					return
				}
				var group []pay.Change
				for _, p := range found {
					group = append(group, to(p, pay.Open))
				}
				if w%2 == 0 {
					slices.Reverse(group)
				}
				errs, err := Change(t.Context(), s, group)
				if rail.CodeOf(err) == rail.Unavailable {
					continue // The rows were locked for too long, and nothing was written.
				}
				if !assert.NoError(t, err) {
					return
				}
				mu.Lock()
				for i, err := range errs {
					if err == nil {
						written[group[i].Payment.ID]++
					} else {
						assert.ErrorIs(t, err, pay.ErrStale)
					}
				}
				mu.Unlock()
			}
		})
	}
	all.Wait()
	for id, n := range written {
		require.Equal(t, 1+n, read(t, s, id).Version)
	}
	require.Len(t, written, some)
}

func due(t *testing.T, s Kept) {
	of := func(isOpen bool, limit int) string {
		t.Helper()
		found, err := s.Due(t.Context(), isOpen, limit)
		require.NoError(t, err)
		return ids(found)
	}
	list := func(limit int) string { t.Helper(); return of(true, limit) }
	require.Empty(t, list(10))
	for i, in := range []time.Duration{3 * time.Minute, time.Minute, -1, 2 * time.Minute, 2 * time.Minute, 0} {
		p := create(t, s, fmt.Sprintf("p%d", i), Order(i))
		c := to(p, pay.Open)
		c.DueIn = in
		update(t, s, c)
	}
	require.Equal(t, "p5", list(10))
	s.Age(t, 90*time.Second)
	require.Equal(t, "p5 p1", list(10), "the longest first")
	s.Age(t, time.Hour)
	require.Equal(t, "p5 p1 p3 p4 p0", list(10))
	require.Equal(t, "p5 p1", list(2))
	update(t, s, to(read(t, s, "p5"), pay.Open))
	require.Equal(t, "p1 p3 p4 p0", list(10), "the one that is done with is not due any more")
	create(t, s, "new", Order(9))
	require.Equal(t, "p1 p3 p4 p0", list(10), "who started it has some time")
	s.Age(t, pay.CreatedDue)
	require.Equal(t, "p1 p3 p4 p0", list(10))
	require.Equal(t, "new", of(false, 10), "open pages stand before no other")
	c := to(read(t, s, "p3"), pay.Releasing)
	c.DueIn = 0
	update(t, s, c)
	require.Equal(t, "p1 p4 p0", list(10))
	require.Equal(t, "new p3", of(false, 10))
	require.Equal(t, "new", of(false, 1))
}

func changedSince(t *testing.T, s Kept) {
	list := func(since time.Time, states ...pay.State) string {
		t.Helper()
		found, err := s.Changed(t.Context(), states, since, pay.Place{}, 100)
		require.NoError(t, err)
		return ids(found)
	}
	for i, state := range []pay.State{pay.Open, pay.Authorised, pay.Captured, pay.Authorised} {
		update(t, s, to(create(t, s, fmt.Sprintf("p%d", i), Order(i)), state))
		s.Age(t, time.Minute)
	}
	now, err := s.Now(t.Context())
	require.NoError(t, err)
	require.Equal(t, "p0 p1 p2 p3", list(time.Time{}), "in the order of their changes")
	require.Equal(t, "p1 p3", list(time.Time{}, pay.Authorised))
	require.Equal(t, "p1 p2 p3", list(time.Time{}, pay.Captured, pay.Authorised))
	require.Equal(t, "p2 p3", list(now.Add(-150*time.Second)))
	require.Equal(t, "p3", list(now.Add(-150*time.Second), pay.Authorised, pay.Open))
	require.Empty(t, list(now))
	at := read(t, s, "p2").ChangedAt
	require.Equal(t, "p2 p3", list(at), "at that moment or later")
	require.Equal(t, "p3", list(at.Add(time.Millisecond)))
	update(t, s, to(read(t, s, "p0"), pay.Open))
	require.Equal(t, "p1 p2 p3 p0", list(time.Time{}), "what changes again is at the end")
}

// changedWithoutHoles pages through payments of which many have changed at one moment, while others change.
func changedWithoutHoles(t *testing.T, s Kept) {
	const many, page = 23, 4
	var groups [][]pay.Change
	for i := range many {
		p := create(t, s, fmt.Sprintf("p%02d", (i*7)%many), Order(i))
		if i%8 == 0 {
			groups = append(groups, nil)
		}
		groups[len(groups)-1] = append(groups[len(groups)-1], to(p, pay.Captured))
	}
	for _, g := range groups {
		_, err := Change(t.Context(), s, g)
		require.NoError(t, err)
	}
	all, err := s.Changed(t.Context(), nil, time.Time{}, pay.Place{}, 100)
	require.NoError(t, err)
	require.Len(t, all, many)
	var paged []*pay.Payment
	var place pay.Place
	for {
		found, err := s.Changed(t.Context(), []pay.State{pay.Captured}, time.Time{}, place, page)
		require.NoError(t, err)
		if len(found) == 0 {
			break
		}
		require.LessOrEqual(t, len(found), page)
		paged = append(paged, found...)
		last := found[len(found)-1]
		place = pay.Place{At: last.ChangedAt, ID: last.ID}
		if len(paged) == page {
			update(t, s, to(paged[0], pay.Refunding))    // one that was listed
			update(t, s, to(all[many-1], pay.Refunding)) // and one that was not
		}
	}
	require.Equal(t, ids(all[:many-1]), ids(paged))
}

// heeded tells whether a notice was written.
func heeded(t *testing.T, s Kept, provider, id string) bool {
	t.Helper()
	before, err := HeededBefore(t.Context(), s, provider, id)
	require.NoError(t, err)
	return before
}

// noticesWithAChange are written with the change that they led to, and left where it is stale.
func noticesWithAChange(t *testing.T, s Kept) {
	a, b := create(t, s, "a", Order(1)), create(t, s, "b", Order(1))
	told := func(ids ...string) (all []pay.Heeded) {
		for _, id := range ids {
			n := pay.Notice{ID: id, PaymentID: "a", Reference: "cs_1"}
			all = append(all, pay.Heeded{Provider: "bank", Notice: n, Body: []byte(`{"id": "` + id + `"}`)})
		}
		return all
	}
	good, stale := to(a, pay.Authorised), to(b, pay.Authorised)
	good.Notices = told("evt_1", "evt_2")
	stale.Payment.Version++
	stale.Notices = told("evt_3")
	written, err := s.Update(t.Context(), pay.Batch{
		Changes: []pay.Change{good, stale}, Notices: told("evt_4", "evt_1"), // one comes twice
	})
	require.NoError(t, err)
	require.NoError(t, written.Errs[0])
	require.ErrorIs(t, written.Errs[1], pay.ErrStale)
	before, err := s.HeededBefore(t.Context(), "bank", []string{"evt_1", "evt_2", "evt_3", "evt_4", "evt_5", "evt_1"})
	require.NoError(t, err)
	require.Equal(t, []bool{true, true, false, true, false, true}, before)
	again := to(b, pay.Authorised)
	again.Notices = told("evt_1", "evt_3")
	update(t, s, again)
	require.True(t, heeded(t, s, "bank", "evt_3"))

	bad := to(read(t, s, "a"), pay.Capturing)
	bad.Notices = []pay.Heeded{{Provider: "bank"}}
	_, err = s.Update(t.Context(), pay.Batch{Changes: []pay.Change{bad}, Notices: told("evt_6")})
	requireCode(t, rail.Invalid, err)
	require.Equal(t, pay.Authorised, read(t, s, "a").State, "nothing of it was written")
	require.False(t, heeded(t, s, "bank", "evt_6"))
}

func notices(t *testing.T, s Kept) {
	note := func(provider, id string) {
		t.Helper()
		n := pay.Notice{ID: id, PaymentID: "p1", Reference: "cs_1"}
		require.NoError(t, Heed(t.Context(), s, provider, n, []byte(`{"id": "`+id+`"}`)))
	}
	require.False(t, heeded(t, s, "bank", "evt_1"))
	note("bank", "evt_1")
	require.True(t, heeded(t, s, "bank", "evt_1"))
	note("bank", "evt_1")
	require.True(t, heeded(t, s, "bank", "evt_1"), "it is heeded once more, and still")
	require.False(t, heeded(t, s, "bank", "evt_2"))
	require.False(t, heeded(t, s, "bank", "EVT_1"))
	require.False(t, heeded(t, s, "stripe", "evt_1"), "another provider's")
	require.NoError(t, Heed(t.Context(), s, "bank", pay.Notice{ID: "evt_3"}, nil), "one of nothing of ours")
	before, err := s.HeededBefore(t.Context(), "bank", nil)
	require.NoError(t, err)
	require.Empty(t, before)

	// A provider sends a notice several times at once.
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() { assert.NoError(t, Heed(t.Context(), s, "bank", pay.Notice{ID: "evt_4"}, []byte("{}"))) })
	}
	all.Wait()

	// As many as there may be, of the largest.
	many := make([]pay.Heeded, pay.MaxBatch)
	for i := range many {
		many[i] = pay.Heeded{Provider: "bank", Notice: pay.Notice{ID: fmt.Sprint("many", i)}, Body: []byte("{}")}
		if i%10 == 0 {
			many[i].Body = make([]byte, 64<<10)
		}
	}
	_, err = s.Update(t.Context(), pay.Batch{Notices: many})
	require.NoError(t, err)
	require.True(t, heeded(t, s, "bank", "many999"))
	_, err = s.Update(t.Context(), pay.Batch{Notices: append(many, many[0])})
	require.Error(t, err)
}

// startInOneGroup starts payments in one commit, with changes of others: each has an answer of its own, the same as
// alone.
func startInOneGroup(t *testing.T, s Kept) {
	known := create(t, s, "known", Order(1))
	open := create(t, s, "open", Order(2))
	start := func(id string, order int, change func(p *pay.Payment)) pay.Start {
		p := NewPayment(id, Order(order))
		if change != nil {
			change(p)
		}
		return pay.Start{Payment: *p, PayFor: payFor}
	}
	stray := func(p *pay.Payment) { p.State, p.Wants = pay.Releasing, pay.Release }
	batch := pay.Batch{
		Starts: []pay.Start{
			start("known", 1, nil),
			start("known", 1, func(p *pay.Payment) { p.Amount.Minor++ }),
			start("z", 3, nil),
			start("z", 3, nil),
			start("z", 4, nil),
			start("stray", 1, stray),
		},
		Changes: []pay.Change{to(open, pay.Authorised)},
	}
	for i := range pay.MaxOpenPayments {
		batch.Starts = append(batch.Starts, start(fmt.Sprint("n", i), 1, nil))
	}
	written, err := s.Update(t.Context(), batch)
	require.NoError(t, err)
	require.Equal(t, []error{nil}, written.Errs)
	require.Equal(t, pay.Authorised, read(t, s, "open").State)
	var got []string
	for i, one := range written.Started {
		got = append(got, fmt.Sprintf("%s %t %s", batch.Starts[i].Payment.ID, one.Created, rail.CodeOf(one.Err)))
		if one.Err == nil {
			require.Equal(t, one.Payment, read(t, s, batch.Starts[i].Payment.ID))
		} else {
			require.Nil(t, one.Payment)
		}
	}
	want := []string{
		"known false ", "known false IDEMPOTENCY_CONFLICT", "z true ", "z false ", "z false IDEMPOTENCY_CONFLICT",
		"stray true ", "n0 true ", "n1 true ", "n2 true ", "n3 true ", "n4 false WRONG_STATE",
	}
	require.Equal(t, want, got, "the open ones are counted with those of the table, and of the batch")
	require.Equal(t, known, read(t, s, "known"))
	requireFull(t, s)
	require.Nil(t, payments(t, s, "n4")[0])
}

// startGroupsAtOnce has groups of several processes start payments of the same orders, in different orders.
func startGroupsAtOnce(t *testing.T, s Kept) {
	const orders, groups = 8, 6
	var mu sync.Mutex
	made := map[string]int{}
	var all sync.WaitGroup
	for g := range groups {
		all.Go(func() {
			var batch pay.Batch
			for n := range 2 * orders {
				p := NewPayment(fmt.Sprintf("p%d-%d", g%3, n), Order(n%orders)) // two processes each are asked the same
				batch.Starts = append(batch.Starts, pay.Start{Payment: *p, PayFor: payFor})
			}
			if g%2 == 0 {
				slices.Reverse(batch.Starts)
			}
			var written pay.Written
			for range 20 {
				var err error
				if written, err = s.Update(t.Context(), batch); err == nil {
					break
				}
				assert.Equal(t, rail.Unavailable, rail.CodeOf(err), "%v", err)
			}
			mu.Lock()
			defer mu.Unlock()
			for i, one := range written.Started {
				if one.Created {
					made[batch.Starts[i].Payment.OrderID]++
				} else if one.Err != nil {
					assert.Equal(t, rail.WrongState, rail.CodeOf(one.Err), "%v", one.Err)
				}
			}
		})
	}
	all.Wait()
	for n := range orders {
		require.Equal(t, pay.MaxOpenPayments, made[Order(n)], "of six that were asked for")
	}
}

func now(t *testing.T, s Kept) {
	at, err := s.Now(t.Context())
	require.NoError(t, err)
	require.WithinDuration(t, time.Now(), at, time.Minute)
	require.Equal(t, time.UTC, at.Location())
}
