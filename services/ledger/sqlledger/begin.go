package sqlledger

import (
	"context"
	"errors"
	"strings"
)

// write begins a transaction that may commit. The caller must call end.
func (l *link) write(ctx context.Context, on *pool) (*transaction, error) {
	return l.admitted(on, func() (*transaction, error) { return l.begin(ctx, on, on.dialect.begin()) })
}

// writeReading is write with a first query. Where the pool takes several statements at once, it goes out in the text
// that begins the transaction.
func (l *link) writeReading(ctx context.Context, on *pool, first query) (*transaction, error) {
	if on.multiStatement {
		return l.admitted(on, func() (*transaction, error) {
			t, err := onFreshConnection(ctx, func() (*transaction, error) {
				return l.beginReading(ctx, on, on.dialect.begin(), first)
			})
			return t, definite(err)
		})
	}
	t, err := l.write(ctx, on)
	if err != nil {
		return nil, err
	}
	if err := t.read(ctx, first); err != nil {
		t.end()
		return nil, locked(err)
	}
	return t, nil
}

// admitted begins a transaction that may commit, where the breaker admits one.
func (l *link) admitted(on *pool, begin func() (*transaction, error)) (*transaction, error) {
	a, err := on.primary.breaker.admit()
	if err != nil {
		return nil, err
	}
	t, err := begin()
	if err != nil {
		a.done()
		return nil, locked(err) // SQLite locks every row at once, and right here
	}
	t.admission = a
	return t, nil
}

// snapshot begins a transaction whose reads all see one moment of the primary. The caller must call end.
func (l *link) snapshot(ctx context.Context) (*transaction, error) {
	p, err := l.primary()
	if err != nil {
		return nil, err
	}
	return l.begin(ctx, p.background, p.dialect.beginSnapshot())
}

// begin begins a transaction by statements.
func (l *link) begin(ctx context.Context, on *pool, statements []string) (*transaction, error) {
	t, err := onFreshConnection(ctx, func() (*transaction, error) { return l.tryBegin(ctx, on, statements) })
	return t, definite(err)
}

// onFreshConnection begins a transaction, and once more where the connection was broken. A server may have closed a
// pooled connection a moment ago: nothing was begun then, and the next one is fresh. A server that does not answer has
// not closed it, so a deadline is not tried again.
func onFreshConnection(ctx context.Context, begin func() (*transaction, error)) (*transaction, error) {
	t, err := begin()
	if err != nil && isBroken(err) && ctx.Err() == nil && !errors.Is(err, context.DeadlineExceeded) {
		return begin()
	}
	return t, err
}

func (l *link) tryBegin(ctx context.Context, on *pool, statements []string) (*transaction, error) {
	waiting, cancel := on.primary.during(ctx, on.wait)
	defer cancel()
	c, err := l.connect(waiting, on)
	if err != nil {
		return nil, err
	}
	for _, statement := range statements {
		err := c.run(ctx, statement, on.statement)
		for sqliteCode(err) == sqliteBusy && waiting.Err() == nil {
			// Another process writes. SQLite would wait for it and keep to no deadline, so it waits for a moment at a
			// time.
			err = c.run(ctx, statement, on.statement)
		}
		if err != nil {
			c.discard()
			return nil, err
		}
	}
	return &transaction{connection: c}, nil
}

// beginReading begins a transaction and reads in one round trip.
func (l *link) beginReading(ctx context.Context, on *pool, statements []string, first query) (*transaction, error) {
	waiting, cancel := on.primary.during(ctx, on.wait)
	defer cancel()
	c, err := l.connect(waiting, on)
	if err != nil {
		return nil, err
	}
	first.text = strings.Join(statements, "; ") + "; " + first.text
	err = c.read(ctx, first)
	switch {
	case err == nil:
		return &transaction{connection: c}, nil
	case isBroken(err):
		c.discard()
	default:
		c.rollback() // The query failed, so the transaction was begun.
	}
	return nil, err
}
