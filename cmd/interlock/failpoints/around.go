package failpoints

import (
	"context"
	"strings"
	"time"

	"interlock/services/ledger"
	"interlock/services/ledger/sqlledger/intercept"
	"interlock/services/lock"
	"interlock/services/rail"
	"interlock/services/sale"
)

// Around wraps what a sale works with.
func (c *Control) Around(o sale.Options) sale.Options {
	o.Ledger = heldLedger{o.Ledger, c}
	o.Lock = heldLock{o.Lock, c}
	o.Availability = heldAvailability{o.Availability, c}
	return o
}

// batchKey is the key of the batch in the context of its statements.
type batchKey struct{}

type heldLedger struct {
	sale.Ledger
	control *Control
}

// Sell is the ledger's, with a point before it, two among its statements, and one after it.
func (l heldLedger) Sell(ctx context.Context, batch ledger.Batch, decide ledger.Decide) (int64, error) {
	b := &Held{Run: batch.RunID}
	l.control.at(AfterLock, *b)
	var steps []step
	version, err := l.Ledger.Sell(context.WithValue(ctx, batchKey{}, b), batch,
		func(s *ledger.BatchState) (ledger.BatchChanges, error) {
			changes, err := decide(s)
			b.Read, b.Orders = s.Version, len(changes.Orders)
			steps = stepsOf(&changes)
			return changes, err
		})
	if err == nil && b.Orders > 0 {
		b.Made = version
		l.control.at(AfterCommit, *b)
	}
	for _, s := range steps {
		if err == nil {
			b.Made, b.Order = version, s.order
			l.control.at(s.point, *b)
		}
	}
	return version, err
}

// step is what a batch does for a ticket that is given back or changed.
type step struct {
	point Point
	order string
}

// stepsOf are the tickets that are given back, and the steps of changes from one run to another. Those within one run
// are one commit.
func stepsOf(changes *ledger.BatchChanges) (steps []step) {
	for i := range changes.Changed {
		c := &changes.Changed[i]
		run, _ := rail.RunOfOrder(c.Order.ID)
		point := map[ledger.EventType]Point{
			ledger.EventOrderChanging: AfterChanging, ledger.EventOrderChanged: AfterChanged,
			ledger.EventOrderUnchanged: AfterUnchanged,
		}[c.Event]
		if c.Event == ledger.EventOrderRefunded {
			steps = append(steps, step{AfterRefunded, c.Order.ID})
		}
		if point != "" && len(c.Changes) > 0 && c.Changes[0].To != run {
			steps = append(steps, step{point, c.Order.ID})
		}
	}
	for i := range changes.Orders {
		o := changes.Orders[i].Order
		if o == nil || o.Replaces == nil {
			continue
		}
		if old, _ := rail.RunOfOrder(o.Replaces.OrderID); old != o.RunID {
			steps = append(steps, step{AfterReplaced, o.ID})
		}
	}
	return steps
}

// lateLimit is how long a statement may take after it was held: by then its own deadline is over.
const lateLimit = 5 * time.Second

// Statement is an interceptor that holds the writes, and COMMIT. A batch is written and committed in one text, which
// the database executes to its end. So a batch that is to be held in between is sent in two texts, as a batch is that
// is too large for one.
//
// A held statement is sent even when its deadline is over: a process may be frozen between its look at the clock and
// the sending.
func (c *Control) Statement(ctx context.Context, s *intercept.Statement) error {
	b, ok := ctx.Value(batchKey{}).(*Held)
	if !ok || b.Orders == 0 {
		return s.Send()
	}
	if strings.HasPrefix(s.Query, "UPDATE runs SET version") && c.at(BeforeUpdate, *b) {
		s.Context = late(ctx)
	}
	if s.Commits() && c.wants(BeforeCommit, *b) {
		if err := s.SendBeforeCommit(); err != nil {
			return err
		}
		if c.at(BeforeCommit, *b) {
			s.Context = late(ctx)
		}
	}
	return s.Send()
}

// late is a context for a statement that is sent when the batch's own context is over.
func late(ctx context.Context) context.Context {
	late, cancel := context.WithTimeout(context.WithoutCancel(ctx), lateLimit)
	context.AfterFunc(late, cancel) // It is not canceled earlier: the answer is read after the statement was sent.
	return late
}

type heldLock struct {
	sale.Lock
	control *Control
}

func (l heldLock) Acquire(ctx context.Context, name string) (lock.Lease, error) {
	lease, err := l.Lock.Acquire(ctx, name)
	if err != nil {
		return nil, err
	}
	return heldLease{lease, l.control, rail.RunID(name)}, nil
}

type heldLease struct {
	lock.Lease
	control *Control
	run     rail.RunID
}

func (l heldLease) Release() {
	l.control.at(BeforeUnlock, Held{Run: l.run})
	l.Lease.Release()
}

type heldAvailability struct {
	sale.Availability
	control *Control
}

func (a heldAvailability) Apply(ctx context.Context, left *rail.Availability) error {
	a.control.at(BeforeApply, Held{Run: left.RunID, Made: left.Version})
	return a.Availability.Apply(ctx, left)
}
