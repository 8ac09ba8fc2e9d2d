package notifytest

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"interlock/services/notify"
	"interlock/services/rail"
)

// Memory is a notify.Store in memory. It must not be copied.
type Memory struct {
	// Clock is its clock; nil is this machine's.
	Clock func() time.Time
	// Fail is asked before each method, by its name; an error is its answer. nil: nothing fails.
	Fail func(method string) error

	mu         sync.Mutex
	deliveries map[string]notify.Delivery
	endpoints  map[string]notify.Endpoint
	writes     int
}

var _ notify.Store = (*Memory)(nil)

func (m *Memory) now() time.Time {
	clock := m.Clock
	if clock == nil {
		clock = time.Now
	}
	return clock().UTC().Truncate(time.Millisecond)
}

// begin locks, and answers what is to fail.
func (m *Memory) begin(ctx context.Context, method string) error {
	m.mu.Lock()
	if m.deliveries == nil {
		m.deliveries, m.endpoints = map[string]notify.Delivery{}, map[string]notify.Endpoint{}
	}
	if m.Fail != nil {
		if err := m.Fail(method); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// Writes is how many batches were written.
func (m *Memory) Writes() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.writes
}

// Now is of notify.Store.
func (m *Memory) Now(ctx context.Context) (time.Time, error) {
	defer m.mu.Unlock()
	if err := m.begin(ctx, "Now"); err != nil {
		return time.Time{}, err
	}
	return m.now(), nil
}

// Write is of notify.Store.
func (m *Memory) Write(ctx context.Context, b notify.Batch) (written notify.Written, err error) {
	defer m.mu.Unlock()
	if err := m.begin(ctx, "Write"); err != nil {
		return written, err
	}
	if err := b.Check(); err != nil {
		return written, err
	}
	m.writes++
	now := m.now()
	written.Errs = make([]error, len(b.Changes))
	for i, c := range b.Changes {
		d := c.Delivery
		if was, there := m.deliveries[d.ID]; !there || d.Version != was.Version+1 {
			written.Errs[i] = notify.ErrStale
			continue
		}
		d.ChangedAt, d.Due = now, time.Time{}
		if d.State == notify.Pending {
			d.Due = now.Add(c.DueIn).Truncate(time.Millisecond)
		}
		m.deliveries[d.ID] = d
	}
	for _, d := range b.New {
		if _, there := m.deliveries[d.ID]; there {
			continue
		}
		d.Version, d.State, d.Tries, d.CreatedAt, d.ChangedAt, d.Due = 1, notify.Pending, 0, now, now, now
		m.deliveries[d.ID] = d
	}
	return written, nil
}

// sorted are deliveries for which a condition holds, by an order, at most limit.
func (m *Memory) sorted(
	limit int, by func(a, b *notify.Delivery) int, is func(*notify.Delivery) bool,
) []*notify.Delivery {
	var all []*notify.Delivery
	for _, d := range m.deliveries {
		if is(&d) {
			all = append(all, &d)
		}
	}
	slices.SortFunc(all, by)
	return all[:min(len(all), max(1, min(limit, notify.MaxItems)))]
}

// Due is of notify.Store.
func (m *Memory) Due(ctx context.Context, queues []notify.Queue) (all []*notify.Delivery, err error) {
	defer m.mu.Unlock()
	if err := m.begin(ctx, "Due"); err != nil {
		return nil, err
	}
	now := m.now()
	by := func(a, b *notify.Delivery) int { return cmp.Or(a.Due.Compare(b.Due), cmp.Compare(a.ID, b.ID)) }
	for _, q := range queues {
		all = append(all, m.sorted(q.Limit, by, func(d *notify.Delivery) bool {
			return d.Endpoint == q.Endpoint && !d.Due.IsZero() && !d.Due.After(now)
		})...)
	}
	slices.SortFunc(all, by)
	return all, nil
}

// Deliveries is of notify.Store.
func (m *Memory) Deliveries(ctx context.Context, ids []string) ([]*notify.Delivery, error) {
	defer m.mu.Unlock()
	if err := m.begin(ctx, "Deliveries"); err != nil {
		return nil, err
	}
	all := make([]*notify.Delivery, len(ids))
	for i, id := range ids {
		if d, there := m.deliveries[id]; there {
			all[i] = &d
		}
	}
	return all, nil
}

// List is of notify.Store.
func (m *Memory) List(ctx context.Context, f notify.Filter) ([]*notify.Delivery, error) {
	defer m.mu.Unlock()
	if err := m.begin(ctx, "List"); err != nil {
		return nil, err
	}
	place := func(d *notify.Delivery) notify.Place { return notify.Place{CreatedAt: d.CreatedAt, ID: d.ID} }
	before := func(a, b notify.Place) int { return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), cmp.Compare(b.ID, a.ID)) }
	return m.sorted(f.Limit, func(a, b *notify.Delivery) int { return before(place(a), place(b)) },
		func(d *notify.Delivery) bool {
			return (f.OrderID == "" || f.OrderID == d.OrderID) && (f.Endpoint == "" || f.Endpoint == d.Endpoint) &&
				(len(f.States) == 0 || slices.Contains(f.States, d.State)) &&
				(f.After == notify.Place{} || before(place(d), f.After) > 0)
		}), nil
}

// Endpoints is of notify.Store.
func (m *Memory) Endpoints(ctx context.Context) (all []*notify.Endpoint, err error) {
	defer m.mu.Unlock()
	if err := m.begin(ctx, "Endpoints"); err != nil {
		return nil, err
	}
	for _, e := range m.endpoints {
		all = append(all, &e)
	}
	slices.SortFunc(all, func(a, b *notify.Endpoint) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.ID, b.ID))
	})
	return all, nil
}

// PutEndpoint is of notify.Store.
func (m *Memory) PutEndpoint(ctx context.Context, e *notify.Endpoint) error {
	defer m.mu.Unlock()
	if err := m.begin(ctx, "PutEndpoint"); err != nil {
		return err
	}
	if err := e.Check(); err != nil {
		return err
	}
	was, there := m.endpoints[e.ID]
	if there != (e.Version > 1) || there && was.Version != e.Version-1 {
		return notify.ErrStale
	}
	if !there && len(m.endpoints) >= notify.MaxEndpoints {
		return rail.Refuse(rail.Overloaded, "there are %d endpoints, which is the most", len(m.endpoints))
	}
	next := *e
	next.CreatedAt, next.ChangedAt = was.CreatedAt, m.now()
	if !there {
		next.CreatedAt = next.ChangedAt
	}
	m.endpoints[e.ID] = next
	return nil
}

// DropEndpoint is of notify.Store.
func (m *Memory) DropEndpoint(ctx context.Context, id string) (was bool, err error) {
	defer m.mu.Unlock()
	if err := m.begin(ctx, "DropEndpoint"); err != nil {
		return false, err
	}
	_, was = m.endpoints[id]
	delete(m.endpoints, id)
	return was, nil
}

// Skip is of notify.Store.
func (m *Memory) Skip(ctx context.Context, endpoint, reason string, limit int) (int, error) {
	return m.end(ctx, "Skip", notify.Skipped, reason, limit, func(d *notify.Delivery) bool { return d.Endpoint == endpoint })
}

// GiveUp is of notify.Store.
func (m *Memory) GiveUp(ctx context.Context, since time.Time, reason string, limit int) (int, error) {
	return m.end(ctx, "GiveUp", notify.GivenUp, reason, limit, func(d *notify.Delivery) bool {
		return d.ChangedAt.Before(since) && !d.Due.After(m.now())
	})
}

func (m *Memory) end(
	ctx context.Context, method string, state notify.State, reason string, limit int, is func(*notify.Delivery) bool,
) (ended int, err error) {
	defer m.mu.Unlock()
	if err := m.begin(ctx, method); err != nil {
		return 0, err
	}
	for id, d := range maps.Clone(m.deliveries) {
		if ended < limit && d.State == notify.Pending && is(&d) {
			d.State, d.Reason, d.Due, d.ChangedAt, d.Version = state, reason, time.Time{}, m.now(), d.Version+1
			m.deliveries[id] = d
			ended++
		}
	}
	return ended, nil
}

// Forget is of notify.Store.
func (m *Memory) Forget(ctx context.Context, before time.Time, limit int) (removed int, err error) {
	defer m.mu.Unlock()
	if err := m.begin(ctx, "Forget"); err != nil {
		return 0, err
	}
	for id, d := range maps.Clone(m.deliveries) {
		if removed < limit && d.State != notify.Pending && d.ChangedAt.Before(before) {
			delete(m.deliveries, id)
			removed++
		}
	}
	return removed, nil
}
