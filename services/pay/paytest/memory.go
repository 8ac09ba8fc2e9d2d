// Package paytest has what tests of payments share: a store in memory, a provider that may do anything, and the suite
// that every store passes.
package paytest

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"interlock/services/ledger"
	"interlock/services/pay"
	"interlock/services/rail"
)

// Memory is a store that keeps to its contract, in memory. It must not be copied.
type Memory struct {
	// Clock is the primary's clock; nil is that of the machine. It is set before the first use.
	Clock func() time.Time
	// Before and After are called around each call of a method, with its name; nil: not at all. An error is the call's
	// answer: of Before, so that nothing takes effect, and of After, when it has.
	Before, After func(method string) error

	mu       sync.Mutex
	payments map[string]*pay.Payment
	notices  map[[2]string]bool
	events   []ledger.Event
	commits  int
}

// Events are all events that were noted, in their order.
func (m *Memory) Events() []ledger.Event {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.events)
}

// All are all payments, sorted by id.
func (m *Memory) All() []*pay.Payment {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.list(func(*pay.Payment) bool { return true },
		func(a, b *pay.Payment) int { return cmp.Compare(a.ID, b.ID) })
}

// Forget loses a payment, as a loss that a person accepted does.
func (m *Memory) Forget(id string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.payments, id)
}

// Commits is how many calls of Update there were.
func (m *Memory) Commits() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.commits
}

func (m *Memory) now() time.Time {
	if m.Clock != nil {
		return m.Clock().UTC().Truncate(time.Millisecond)
	}
	return time.Now().UTC().Truncate(time.Millisecond)
}

// do runs a call between the two hooks.
func (m *Memory) do(ctx context.Context, method string, call func() error) error {
	if err := ctx.Err(); err != nil {
		return &rail.Error{Code: rail.Unavailable, Message: "the payments cannot be reached", Cause: err}
	}
	if m.Before != nil {
		if err := m.Before(method); err != nil {
			return err
		}
	}
	m.mu.Lock()
	err := call()
	m.mu.Unlock()
	if err == nil && m.After != nil {
		err = m.After(method)
	}
	return err
}

// list copies payments, sorted.
func (m *Memory) list(which func(*pay.Payment) bool, order func(a, b *pay.Payment) int) []*pay.Payment {
	list := []*pay.Payment{}
	for _, p := range m.payments {
		if which(p) {
			c := *p
			list = append(list, &c)
		}
	}
	slices.SortFunc(list, order)
	return list
}

// Payments is of pay.Store.
func (m *Memory) Payments(ctx context.Context, ids []string) (found []*pay.Payment, err error) {
	found = make([]*pay.Payment, len(ids))
	err = m.do(ctx, "Payments", func() error {
		for i, id := range ids {
			if p := m.payments[id]; p != nil {
				c := *p
				found[i] = &c
			}
		}
		return nil
	})
	return found, err
}

// OfOrders is of pay.Store.
func (m *Memory) OfOrders(ctx context.Context, orderIDs []string) (found []*pay.Payment, err error) {
	err = m.do(ctx, "OfOrders", func() error {
		found = m.list(func(p *pay.Payment) bool { return slices.Contains(orderIDs, p.OrderID) },
			func(a, b *pay.Payment) int {
				return cmp.Or(cmp.Compare(a.OrderID, b.OrderID), a.CreatedAt.Compare(b.CreatedAt),
					cmp.Compare(a.ID, b.ID))
			})
		return nil
	})
	return found, err
}

// Update is of pay.Store.
func (m *Memory) Update(ctx context.Context, b pay.Batch) (written pay.Written, err error) {
	notices := slices.Clone(b.Notices)
	for i := range b.Changes {
		notices = append(notices, b.Changes[i].Notices...)
	}
	for i := range notices {
		if err := notices[i].Check(); err != nil {
			return pay.Written{}, err
		}
	}
	if len(b.Starts)+len(b.Changes) > pay.MaxBatch || len(notices) > pay.MaxBatch {
		return pay.Written{}, errors.New("the batch is too large")
	}
	err = m.do(ctx, "Update", func() error {
		written = pay.Written{Started: make([]pay.Started, len(b.Starts)), Errs: make([]error, len(b.Changes))}
		m.commits++
		for i := range b.Starts {
			written.Started[i] = m.start(&b.Starts[i])
		}
		for i := range b.Changes {
			if written.Errs[i] = m.update(&b.Changes[i]); written.Errs[i] == nil {
				m.heed(b.Changes[i].Notices)
			}
		}
		m.heed(b.Notices)
		return nil
	})
	if err != nil {
		return pay.Written{}, err
	}
	return written, nil
}

func (m *Memory) start(s *pay.Start) pay.Started {
	p := &s.Payment
	if known := m.payments[p.ID]; known != nil {
		if known.OrderID != p.OrderID || known.Amount != p.Amount {
			return pay.Started{Err: rail.Refuse(rail.IdempotencyConflict, "that payment is of another order or amount")}
		}
		noted := *known
		return pay.Started{Payment: &noted}
	}
	open := m.list(func(o *pay.Payment) bool {
		return o.OrderID == p.OrderID && slices.Contains(pay.OpenStates, o.State)
	}, func(a, b *pay.Payment) int { return 0 })
	if p.State == pay.Created && len(open) >= pay.MaxOpenPayments {
		return pay.Started{Err: rail.Refuse(rail.WrongState, "the order has %d open payments", len(open))}
	}
	now := m.now()
	noted := *p
	noted.PayBy, noted.CreatedAt, noted.ChangedAt, noted.Version = now.Add(s.PayFor), now, now, 1
	noted.Tries, noted.CaptureBy, noted.Due = 0, time.Time{}, now
	if p.State == pay.Created {
		noted.Due = now.Add(pay.CreatedDue)
	}
	if m.payments == nil {
		m.payments = map[string]*pay.Payment{}
	}
	c := noted
	m.payments[p.ID] = &c
	return pay.Started{Payment: &noted, Created: true}
}

func (m *Memory) heed(notices []pay.Heeded) {
	if m.notices == nil {
		m.notices = map[[2]string]bool{}
	}
	for i := range notices {
		m.notices[[2]string{notices[i].Provider, notices[i].Notice.ID}] = true
	}
}

func (m *Memory) update(c *pay.Change) error {
	row := m.payments[c.Payment.ID]
	if row == nil || row.Version != c.Payment.Version-1 {
		return pay.ErrStale
	}
	now, next := m.now(), c.Payment
	next.ChangedAt, next.CaptureBy, next.Due = now, row.CaptureBy, time.Time{}
	if c.DueIn >= 0 {
		next.Due = now.Add(c.DueIn)
	}
	if next.CaptureBy.IsZero() && c.CaptureWithin > 0 {
		next.CaptureBy = now.Add(c.CaptureWithin)
	}
	m.payments[next.ID] = &next
	if eventType, told := c.Event(); told {
		run, version, _ := rail.VersionInOrderID(c.EventOrder())
		m.events = append(m.events, ledger.Event{
			Type: eventType, OrderID: c.EventOrder(), RunID: run, RunVersion: version, PaymentID: next.ID,
			PaymentVersion: next.Version, Time: now,
		})
	}
	return nil
}

// Due is of pay.Store.
func (m *Memory) Due(ctx context.Context, isOpen bool, limit int) (due []*pay.Payment, err error) {
	err = m.do(ctx, "Due", func() error {
		now := m.now()
		due = m.list(func(p *pay.Payment) bool {
			return !p.Due.IsZero() && !p.Due.After(now) && (p.State == pay.Open) == isOpen
		},
			func(a, b *pay.Payment) int { return cmp.Or(a.Due.Compare(b.Due), cmp.Compare(a.ID, b.ID)) })
		due = due[:min(limit, len(due))]
		return nil
	})
	return due, err
}

// Changed is of pay.Store.
func (m *Memory) Changed(ctx context.Context, states []pay.State, since time.Time, after pay.Place, limit int,
) (changed []*pay.Payment, err error) {
	place := func(p *pay.Payment, at time.Time, id string) int {
		return cmp.Or(p.ChangedAt.Compare(at), cmp.Compare(p.ID, id))
	}
	err = m.do(ctx, "Changed", func() error {
		changed = m.list(func(p *pay.Payment) bool {
			return (len(states) == 0 || slices.Contains(states, p.State)) && !p.ChangedAt.Before(since) &&
				place(p, after.At, after.ID) > 0
		}, func(a, b *pay.Payment) int { return place(a, b.ChangedAt, b.ID) })
		changed = changed[:min(limit, len(changed))]
		return nil
	})
	return changed, err
}

// HeededBefore is of pay.Store.
func (m *Memory) HeededBefore(ctx context.Context, provider string, ids []string) (before []bool, err error) {
	err = m.do(ctx, "HeededBefore", func() error {
		before = make([]bool, len(ids))
		for i, id := range ids {
			before[i] = m.notices[[2]string{provider, id}]
		}
		return nil
	})
	return before, err
}

// Now is of pay.Store.
func (m *Memory) Now(ctx context.Context) (now time.Time, err error) {
	err = m.do(ctx, "Now", func() error {
		now = m.now()
		return nil
	})
	return now, err
}
