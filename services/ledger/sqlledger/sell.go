package sqlledger

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"time"

	"gorm.io/gorm"

	"interlock/services/ledger"
	"interlock/services/rail"
)

// maxKeysPerQuery bounds the pairs in one look for keys: MySQL plans each of them by itself.
const maxKeysPerQuery = 200

// Sell runs one batch in one transaction: see sale.Ledger.
func (l *Ledger) Sell(ctx context.Context, batch ledger.Batch, decide ledger.Decide) (int64, error) {
	if err := l.maySeal(ctx); err != nil {
		return 0, err
	}
	t, head, err := l.openRun(ctx, &batch)
	if t != nil {
		defer t.end()
	}
	if err != nil {
		return 0, definite(err)
	}
	state, err := t.open(ctx, &batch, head)
	if err != nil {
		return 0, definite(err)
	}
	changes, err := decide(state)
	if err != nil {
		return 0, err
	}
	record, err := t.record(state, head.changesBytes, &changes)
	if err != nil {
		return 0, definite(err)
	}
	if batch.MoreExpected && l.mayBegin(t.h) {
		t.next = batch.RunID
	}
	if err := t.commit(ctx, record...); err != nil {
		return 0, err
	}
	if t.begun != nil {
		l.keep(batch.RunID, t.begun)
	}
	return state.Version + 1, nil
}

// open reads what a batch asks for, after its run, and ends the holds that are to end.
func (t *transaction) open(ctx context.Context, batch *ledger.Batch, head *runHead) (_ *ledger.BatchState, err error) {
	if err := t.lookAtSemiSync(ctx, head.server); err != nil {
		return nil, err
	}
	s := &ledger.BatchState{
		Now:     head.now,
		Run:     head.run,
		Version: head.version,
	}
	if batch.ClaimsAt != head.version {
		if s.Claims, err = t.claims(ctx, batch.RunID, batch.ClaimsAt); err != nil {
			return nil, err
		}
	}
	if head.due || len(batch.Cancels) > 0 {
		if !batch.Locking {
			// Orders are locked after their run, by everyone, so that nobody waits in a circle.
			if err := t.lockRun(ctx, batch.RunID, head.version); err != nil {
				return nil, err
			}
		}
		if s.Expired, err = t.expire(ctx, head.next()); err != nil {
			return nil, err
		}
		if s.Cancels, err = t.cancel(ctx, head.next(), batch.Cancels); err != nil {
			return nil, err
		}
	}
	if batch.KnownVersion != head.version {
		maps, err := t.maps(ctx, []*rail.Run{head.run})
		if err != nil {
			return nil, err
		}
		s.Maps = maps[batch.RunID]
	}
	s.Find = func(keys []ledger.OrderKey) (map[ledger.OrderKey]ledger.Replay, error) {
		found, err := t.replays(ctx, batch.RunID, keys)
		return found, definite(err)
	}
	if s.Replays, err = t.replays(ctx, batch.RunID, batch.Keys); err != nil {
		return nil, err
	}
	s.States = func(orderIDs []string) (map[string]rail.OrderState, error) {
		states, err := t.states(ctx, batch.RunID, orderIDs)
		return states, definite(err)
	}
	return s, nil
}

// runHead is a run as a transaction finds it.
type runHead struct {
	run     *rail.Run
	version int64
	// changesBytes is how much of what is sold is not in the maps, noMaps where there are none.
	changesBytes int64
	// server is which one it is, now its clock.
	server string
	now    time.Time
	// due tells that holds are past their time. It is a hint: it may miss one that fell due this moment.
	due bool
}

// next is the moment that a transaction which read the run so may make.
func (h *runHead) next() moment { return moment{run: h.run.ID, version: h.version + 1, now: h.now} }

// headRow is a run's row as the first statement of everything that sells reads it.
type headRow struct {
	found bool
	head  runHead
	run   runRow
	guard guardColumns
}

// scan reads the row, and looks at the clock.
func (t *transaction) scan(h *headRow, r *sql.Rows) error {
	h.found = true
	var now int64
	err := r.Scan(slices.Concat([]any{&h.head.version, &h.head.changesBytes}, h.run.fields(), []any{&now, &h.head.due}, h.guard.fields())...)
	h.head.server, h.head.now = h.guard.server, fromMillis(now)
	if err == nil {
		t.h.clock.saw(h.head.now)
	}
	return err
}

// headQuery is the first statement of everything that sells: the version, and in the same statement the run's state, the
// primary's clock and whether it may be written. Whatever is read after it is at least as new as the version, so that the
// compare-and-set vouches for all of it.
func (t *transaction) headQuery() string {
	d := t.p.dialect
	return "SELECT r.version, r.changes_bytes, " + runColumns + ", " + d.nowAfterLocks() + ", " +
		"EXISTS (SELECT 1 FROM orders o WHERE o.state = 'ON_HOLD' AND o.pay_by <= " + d.now() + " AND o.run_id = r.id), " +
		t.h.guard(t.l.options.Durability) + " FROM runs r WHERE r.id = ?"
}

// readRun sends the first statement.
func (t *transaction) readRun(ctx context.Context, id rail.RunID, locking bool) (*runHead, error) {
	query := t.headQuery()
	if locking {
		query += t.p.dialect.forUpdate()
	}
	var read headRow
	if err := t.rows(ctx, query, []any{string(id)}, func(r *sql.Rows) error { return t.scan(&read, r) }); err != nil {
		return nil, guardFailure(held(err))
	}
	if !read.found {
		return nil, t.notFound(ctx, "there is no run %s", id)
	}
	return t.head(ctx, &read)
}

// head is what was read, where it may be sold on.
func (t *transaction) head(ctx context.Context, read *headRow) (*runHead, error) {
	if err := t.guarded(&read.guard); err != nil {
		return nil, err
	}
	runs, err := t.runs(ctx, []runRow{read.run})
	if err != nil {
		return nil, err
	}
	read.head.run = runs[0]
	return &read.head, nil
}

// lockRun locks a run that was read without a lock, unless somebody else has sold on it since.
func (t *transaction) lockRun(ctx context.Context, id rail.RunID, version int64) error {
	locked := int64(-1)
	err := t.rows(ctx, "SELECT version FROM runs WHERE id = ?"+t.p.dialect.forUpdate(), []any{string(id)}, func(r *sql.Rows) error {
		return r.Scan(&locked)
	})
	if err != nil {
		return held(err)
	}
	if locked != version {
		return t.l.lost()
	}
	return nil
}

// replays finds the orders that keys have already.
func (t *transaction) replays(ctx context.Context, run rail.RunID, keys []ledger.OrderKey) (map[ledger.OrderKey]ledger.Replay, error) {
	found := map[ledger.OrderKey]ledger.Replay{}
	for chunk := range slices.Chunk(keys, maxKeysPerQuery) {
		ids, err := t.takenKeys(ctx, run, chunk)
		if err != nil {
			return nil, err
		}
		if len(ids) == 0 {
			continue // as nearly always
		}
		entries, err := t.orders(ctx, func(g *gorm.DB) *gorm.DB { return g.Where("run_id = ? AND id IN ?", string(run), ids) })
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			found[ledger.OrderKey{Buyer: e.row.Buyer, Key: e.row.IdempotencyKey}] = ledger.Replay{Order: e.order, BodyHash: e.row.BodyHash}
		}
	}
	return found, nil
}

// takenKeys finds the ids of the orders that keys have.
func (t *transaction) takenKeys(ctx context.Context, id rail.RunID, keys []ledger.OrderKey) ([]string, error) {
	query := "SELECT id FROM orders WHERE run_id = ? AND " + t.p.dialect.keysIn(len(keys))
	args := make([]any, 0, 1+2*len(keys))
	args = append(args, string(id))
	for _, k := range keys {
		args = append(args, k.Buyer, k.Key)
	}
	var ids []string
	err := t.rows(ctx, query, args, func(r *sql.Rows) error {
		var order string
		err := r.Scan(&order)
		ids = append(ids, order)
		return err
	})
	return ids, err
}

// record are the statements that write what was decided, the version first.
func (t *transaction) record(s *ledger.BatchState, changesBytes int64, changes *ledger.BatchChanges) ([]statement, error) {
	id := s.Run.ID
	prefix := rail.OrderIDsFrom(id, s.Version+1)
	var orders, tickets, asked [][]any
	for i := range changes.Orders {
		n := &changes.Orders[i]
		o := n.Order
		if !strings.HasPrefix(o.ID, prefix) || o.RunID != id || len(n.Documents) != len(o.Tickets) || len(o.Tickets) == 0 {
			return nil, fmt.Errorf("ledger: the order %s is not one of the run %s at the version %d, or its tickets and documents do not match",
				o.ID, id, s.Version+1)
		}
		orders = append(orders, []any{
			string(id), o.ID, o.Number, o.Buyer, n.Key, n.BodyHash, o.Version, string(o.State), clip(o.StateReason, rail.MaxReason), o.TrainID,
			o.From, o.To, o.Total.Minor, string(o.Total.Currency), o.PlacedAt.UnixMilli(), o.PayBy.UnixMilli(), 0, s.Version + 1,
		})
		for k := range o.Tickets {
			ticket := &o.Tickets[k]
			key, sealed := t.l.seal(o.ID, k, ticket.Passenger)
			tickets = append(tickets, []any{
				string(id), o.ID, k, string(ticket.SeatClass), ticket.SeatIndex, ticket.Coach, ticket.Seat, ticket.Price.Minor,
				string(ticket.Price.Currency), sealed, key, n.Documents[k],
			})
		}
	}
	for _, a := range changes.Asked {
		asked = append(asked, []any{string(id), a.Buyer, a.Document, s.Now.UnixMilli()})
	}
	d := t.p.dialect
	bytes, maps, err := t.recordMaps(s, changesBytes, changes)
	if err != nil {
		return nil, err
	}
	return slices.Concat(
		[]statement{d.compareAndSet(id, s.Version, change{", changes_bytes = ?", []any{bytes}})},
		maps,
		d.inserts("INSERT INTO orders", []string{
			"run_id", "id", "number", "buyer", "idempotency_key", "body_hash", "version", "state", "state_reason", "train_id",
			"from_call", "to_call", "total_minor", "currency", "placed_at", "pay_by", "pay_attempts", "placed_run_version",
		}, orders),
		d.inserts("INSERT INTO tickets", []string{
			"run_id", "order_id", "n", "seat_class", "seat_index", "coach", "seat", "price_minor", "currency", "personal",
			"personal_key", "document",
		}, tickets),
		d.inserts("REPLACE INTO asked_documents", []string{"run_id", "buyer", "document", "at"}, asked),
	), nil
}
