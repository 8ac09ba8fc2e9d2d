package sale

import (
	"context"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/sync/errgroup"

	"interlock/internal/logonce"

	"interlock/services/pay"
	"interlock/services/rail"
)

// paymentsLock elects the server that compares payments with the ledger.
const paymentsLock = "payments"

const (
	// compareEvery is how often payments are compared that changed a short time ago: within shortTime where all agreed
	// the last time, and otherwise within longTime; and within the time before, where a comparison did not get through.
	compareEvery = 20 * time.Second
	shortTime    = 2 * time.Minute
	longTime     = 10 * time.Minute
	// compareAllEvery is how often all payments of allTime are compared. That finds what no event tells of, such as
	// orders that were lost with a primary. It takes a part of each second, until it is through.
	compareAllEvery = time.Hour
	allTime         = 48 * time.Hour
	// comparePage is how many payments are compared at a time, compareAtOnce how many of them are acted upon at once.
	comparePage   = 500
	compareAtOnce = 32
	// youngTime is how long a payment may disagree after its last change: its event may be under way.
	youngTime = 5 * time.Second
	// maxAgreed is how many payments are remembered that agreed. Their orders are not read again.
	maxAgreed = 16_384
)

// compared are the states in which a payment has money that is the order's, or has to go back.
var compared = []pay.State{pay.Authorised, pay.Capturing, pay.Captured}

// ReconcilePayments compares until ctx ends what payments there are with what the ledger made of them, and acts anew
// where the two do not agree. So a payment is not stuck whose events were lost, or whose order is gone. One of all
// servers does so. It returns at once where there is no PaymentService.
func (s *Service) ReconcilePayments(ctx context.Context) {
	if s.PaymentService == nil {
		return
	}
	r := newReconciler(s)
	defer r.resign()
	ticker := time.NewTicker(s.settings.SweepInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if r.elected(ctx) && s.begin() {
			r.pass(ctx)
			s.background.Done()
		}
	}
}

// reconciler is one server's part in it.
type reconciler struct {
	*Service
	election
	failing *logonce.Failure
	// agreed has the versions of payments that agreed.
	agreed *lru.Cache[string, int64]
	// calm tells that all that changed lately agreed the last time, but for what was young. throughAt is when the last
	// comparison began that got through; zero before.
	calm      bool
	throughAt time.Time
	// freshAt and allAt are when the next comparison is due. all is where the one of all has come to; nil while none is
	// under way.
	freshAt, allAt time.Time
	all            *pay.Place
}

func newReconciler(s *Service) *reconciler {
	agreed, err := lru.New[string, int64](maxAgreed)
	if err != nil {
		panic(err) // The size is positive.
	}
	return &reconciler{
		Service:  s,
		election: election{locks: s.Lock, name: paymentsLock},
		failing: logonce.Warn(
			"payments cannot be compared with the ledger", "payments are compared with the ledger again"),
		agreed: agreed,
	}
}

// pass does what is due: the comparison of what changed lately, and a part of that of all.
func (r *reconciler) pass(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, compareEvery)
	defer cancel()
	putRight := r.counters.putRight.Load()
	begun := time.Now()
	var err error
	if !begun.Before(r.freshAt) {
		r.freshAt = begun.Add(compareEvery)
		err = r.compareFresh(ctx)
	}
	if r.all == nil && !begun.Before(r.allAt) {
		r.all, r.allAt = &pay.Place{}, begun.Add(compareAllEvery)
	}
	for more := true; more && r.all != nil && err == nil; more = time.Since(begun) < r.settings.SweepInterval/2 {
		err = r.compareNext(ctx)
	}
	r.failing.Note(ctx, r.Log, err)
	if n := r.counters.putRight.Load() - putRight; n > 0 {
		r.Log.WarnContext(ctx, "payments did not agree with their orders, and were acted upon again", "payments", n)
	}
}

// compareFresh compares the payments that changed lately. What cannot be put right yet keeps it from no other.
func (r *reconciler) compareFresh(ctx context.Context) (failed error) {
	begun, within := time.Now(), r.within()
	r.calm = false
	disagreed := 0
	for after, more := (pay.Place{}), true; more; {
		payments, err := r.PaymentService.Changed(ctx, compared, within, after, comparePage)
		if err != nil {
			return err
		}
		n, err := r.compare(ctx, payments)
		if failed == nil {
			failed = err
		}
		disagreed += n
		after, more = next(payments)
	}
	if failed == nil {
		r.calm, r.throughAt = disagreed == 0, begun
	}
	return failed
}

// within is how far compareFresh looks back. While the ledger or the payments were away, no comparison got through, and
// what changed then is looked at once they are back.
func (r *reconciler) within() time.Duration {
	within := longTime
	if r.calm {
		within = shortTime
	}
	if !r.throughAt.IsZero() {
		within += time.Since(r.throughAt)
	}
	return min(within, allTime)
}

// compareNext compares the next page of all payments. What was known to agree is looked at as well: its order may be
// gone.
func (r *reconciler) compareNext(ctx context.Context) error {
	payments, err := r.PaymentService.Changed(ctx, compared, allTime, *r.all, comparePage)
	if err != nil {
		return err
	}
	for _, p := range payments {
		r.agreed.Remove(p.ID)
	}
	if _, err := r.compare(ctx, payments); err != nil {
		return err
	}
	after, more := next(payments)
	r.all = &after
	if !more {
		r.all = nil
	}
	return nil
}

// next is where a list of payments goes on, and whether it does.
func next(payments []*pay.Payment) (after pay.Place, more bool) {
	if len(payments) > 0 {
		last := payments[len(payments)-1]
		after = pay.Place{At: last.ChangedAt, ID: last.ID}
	}
	return after, len(payments) >= comparePage
}

// compare compares payments with their orders, acts upon those that do not agree and are not young, and tells how many
// those are.
func (r *reconciler) compare(ctx context.Context, payments []*pay.Payment) (disagreed int, err error) {
	var unsure []*pay.Payment
	var ids []string
	for _, p := range payments {
		if version, ok := r.agreed.Get(p.ID); !ok || version != p.Version {
			unsure, ids = append(unsure, p), append(ids, p.OrderID)
		}
	}
	if len(unsure) == 0 {
		return 0, nil
	}
	orders, err := r.Ledger.OrdersByID(ctx, ids)
	if err != nil {
		return 0, err
	}
	var suspects []*pay.Payment
	for i, p := range unsure {
		if agrees(p, orders[i]) {
			r.agreed.Add(p.ID, p.Version)
		} else {
			suspects = append(suspects, p)
		}
	}
	return r.act(ctx, suspects)
}

// agrees tells whether a payment and its order, nil where it is gone, are as they are to be.
func agrees(p *pay.Payment, order *rail.Order) bool {
	switch p.State {
	case pay.Capturing:
		return earned(order, p.ID) || order != nil && order.PaymentID == p.ID && order.State == rail.Paying
	case pay.Captured:
		return earned(order, p.ID)
	}
	return false // The ledger has yet to decide, or the payment to hear of it.
}

// act acts upon payments that do not agree, but for those that are young, and tells how many it acted upon.
func (r *reconciler) act(ctx context.Context, suspects []*pay.Payment) (acted int, err error) {
	if len(suspects) == 0 {
		return 0, nil
	}
	young, err := r.young(ctx)
	if err != nil {
		return 0, err
	}
	var acting errgroup.Group
	acting.SetLimit(compareAtOnce)
	for _, p := range suspects {
		if !young[p.ID] {
			acted++
			acting.Go(func() error { return r.putRight(ctx, p) })
		}
	}
	return acted, acting.Wait()
}

// young are the payments that have changed a moment ago, by the payments' own clock.
func (r *reconciler) young(ctx context.Context) (map[string]bool, error) {
	young := map[string]bool{}
	for after, more := (pay.Place{}), true; more; {
		payments, err := r.PaymentService.Changed(ctx, compared, youngTime, after, comparePage)
		if err != nil {
			return nil, err
		}
		for _, p := range payments {
			young[p.ID] = true
		}
		after, more = next(payments)
	}
	return young, nil
}

// putRight acts upon a payment as its event would. The order that was read decides nothing: a step of the ledger does.
func (r *reconciler) putRight(ctx context.Context, p *pay.Payment) error {
	var err error = rail.Refuse(rail.NotFound, "it is of no order")
	if run, ok := rail.RunOfOrder(p.OrderID); ok {
		err = paymentOf{r.Service, p.ID, p.OrderID, run}.actAgain(ctx, p.State)
	}
	switch {
	case err == nil:
		r.counters.putRight.Add(1)
	case rail.CodeOf(err) != rail.Unavailable:
		r.Log.ErrorContext(ctx, "a payment does not agree with its order, and cannot be put right",
			"payment", p.ID, "order", p.OrderID, "state", p.State, "error", err)
		return nil // The others are none the worse for it.
	}
	return err
}

// actAgain acts upon a payment that is in a state as the event of that state would.
func (p paymentOf) actAgain(ctx context.Context, state pay.State) error {
	switch state {
	case pay.Authorised:
		return p.authorised(ctx)
	case pay.Captured:
		return p.captured(ctx)
	}
	return p.checked(ctx)
}
