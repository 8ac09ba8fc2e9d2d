package sqlpay

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"interlock/services/ledger"
	"interlock/services/ledger/sqlledger"
	"interlock/services/pay"
	"interlock/services/rail"
)

// Update writes a batch: see pay.Store. It locks and compares the changed rows in one statement for 500, and writes
// them, the notices and the events in the text that commits.
func (s *Store) Update(ctx context.Context, b pay.Batch) (written pay.Written, err error) {
	notices, err := noticesOf(&b)
	if err != nil {
		return pay.Written{}, err
	}
	if n := len(b.Starts) + len(b.Changes); n > maxPayments {
		return pay.Written{}, fmt.Errorf("sqlpay: %d payments are more than the %d that are changed at a time", n,
			maxPayments)
	}
	// A payment of the same id may have been started of another order meanwhile; the next try finds it. And where the
	// first that locks an order's row ends in vain, those that waited for the row may wait for each other.
	const tries = 4
	for range tries {
		written, err = s.update(ctx, &b, notices)
		var duplicate *ledger.DuplicateError
		if !errors.As(err, &duplicate) && !sqlledger.IsDeadlock(err) {
			break
		}
	}
	if err != nil {
		return pay.Written{}, err
	}
	return written, nil
}

func (s *Store) update(ctx context.Context, b *pay.Batch, notices int) (written pay.Written, err error) {
	err = s.Write(ctx, func(ctx context.Context, x *sqlledger.Tx) (bool, error) {
		started, made, err := starts(ctx, x, b.Starts)
		if err != nil {
			return false, err
		}
		rows, err := lock(ctx, x, b.Changes)
		if err != nil {
			return false, err
		}
		written = pay.Written{Started: started, Errs: make([]error, len(b.Changes))}
		var write []*pay.Payment
		heeded := append(make([]pay.Heeded, 0, notices), b.Notices...)
		for i := range b.Changes {
			p, err := rows.next(&b.Changes[i])
			if err == nil {
				err = tell(x, &b.Changes[i])
			}
			if written.Errs[i] = err; err == nil {
				write, heeded = append(write, p), append(heeded, b.Changes[i].Notices...)
			}
		}
		inserts(x, made, "")
		inserts(x, write, x.OrSet("id", changed...))
		insertNotices(x, heeded)
		// An answer with a payment that was there before rests on this commit, too.
		answers := slices.ContainsFunc(started, func(s pay.Started) bool { return s.Err == nil })
		return answers || len(write)+len(heeded) > 0, nil
	})
	return written, err
}

// locked are the rows of some payments, which no other transaction may change. now is the clock after they were locked.
type locked struct {
	versions  map[string]int64
	captureBy map[string]time.Time
	now       time.Time
}

// lock locks the rows of the changes, in the order of their ids.
func lock(ctx context.Context, x *sqlledger.Tx, changes []pay.Change) (*locked, error) {
	ids := make([]string, len(changes))
	for i := range changes {
		ids[i] = changes[i].Payment.ID
	}
	slices.Sort(ids)
	rows := &locked{map[string]int64{}, map[string]time.Time{}, x.Began()}
	for chunk := range slices.Chunk(slices.Compact(ids), maxIDs) {
		err := x.Rows(ctx, "SELECT id, version, capture_by, "+x.NowAfterLocks()+" FROM payments"+x.By(primaryKey)+
			" WHERE id IN "+sqlledger.Marks(len(chunk))+" ORDER BY id"+x.ForUpdate(), anys(chunk),
			func(r *sql.Rows) error {
				var id string
				var version, now int64
				var captureBy sql.NullInt64
				if err := r.Scan(&id, &version, &captureBy, &now); err != nil {
					return err
				}
				rows.versions[id], rows.captureBy[id] = version, fromNull(captureBy)
				if at := fromMillis(now); at.After(rows.now) {
					rows.now = at
				}
				return nil
			})
		if err != nil {
			return nil, err
		}
	}
	return rows, nil
}

// next is the row that a change makes, or why it is not made. A later change of the same payment goes on from it.
func (l *locked) next(c *pay.Change) (*pay.Payment, error) {
	p := c.Payment
	version, there := l.versions[p.ID]
	if !there || p.Version != version+1 {
		return nil, pay.ErrStale
	}
	if err := check(&p); err != nil {
		return nil, err
	}
	p.ChangedAt, p.CaptureBy, p.Due = l.now, l.captureBy[p.ID], time.Time{}
	if p.CaptureBy.IsZero() && c.CaptureWithin > 0 {
		p.CaptureBy = l.now.Add(c.CaptureWithin)
	}
	if c.DueIn >= 0 {
		p.Due = l.now.Add(c.DueIn)
	}
	l.versions[p.ID], l.captureBy[p.ID] = p.Version, p.CaptureBy
	return &p, nil
}

// tell notes the event that a change calls for. A charge that was not asked for may name an order that no ledger could
// have: nothing waits to hear of that.
func tell(x *sqlledger.Tx, c *pay.Change) error {
	kind, told := c.Event()
	if _, _, ok := rail.VersionInOrderID(c.EventOrder()); !told || !ok {
		return nil
	}
	return x.Note(ledger.Event{
		Type: kind, OrderID: c.EventOrder(), PaymentID: c.Payment.ID, PaymentVersion: c.Payment.Version,
	})
}
