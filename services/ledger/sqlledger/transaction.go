package sqlledger

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"
	"time"

	"gorm.io/gorm"

	"interlock/services/ledger"
	"interlock/services/mysqlcluster"
	"interlock/services/rail"
)

// transaction is one transaction on one connection of its own. BEGIN, COMMIT and ROLLBACK are statements like any other,
// because database/sql's own Commit knows no deadline, and may answer for a connection that is gone.
type transaction struct {
	l         *Ledger
	primary   *primary
	pool      *pool
	conn      *sql.Conn
	admission *admission // nil: this transaction only reads
	// opening begins the transaction. It is sent with the first read, and is "" from then on.
	opening string
	over    bool // committed, or not to be rolled back
	broken  bool // the connection must not be used again
	// looked says that the state of replication was looked at, and offs how often it had been switched off by then.
	looked bool
	offs   int64
	// next is the run whose next transaction is begun behind this one's COMMIT, "" for none, and begun what came of that.
	next  rail.RunID
	begun *pipelined
}

// write begins a transaction on the primary that may commit. Whoever gets one must call end.
func (l *Ledger) write(ctx context.Context, h *primary, p *pool) (*transaction, error) {
	a, err := h.breaker.admit()
	if err != nil {
		return nil, err
	}
	t, err := l.begin(ctx, h, p, p.dialect.begin())
	if err != nil {
		a.done()
		return nil, locked(err) // SQLite locks every row at once, and right here
	}
	t.admission = a
	return t, nil
}

// snapshot begins a transaction whose reads all see one moment of the primary. Whoever gets one must call end.
func (l *Ledger) snapshot(ctx context.Context) (*transaction, error) {
	h, err := l.primary()
	if err != nil {
		return nil, err
	}
	return l.begin(ctx, h, h.background, h.dialect.beginSnapshot())
}

// openRun begins a sale's transaction with its first read, the run's. Whoever gets a transaction must call end.
func (l *Ledger) openRun(ctx context.Context, batch *ledger.Batch) (*transaction, *runHead, error) {
	id, locking := batch.RunID, batch.Locking
	h, err := l.primary()
	if err != nil {
		return nil, nil, err
	}
	if t, head, err := l.goOn(ctx, h, batch); t != nil || err != nil {
		return t, head, err
	}
	if !h.pool.multiStatement {
		t, err := l.write(ctx, h, h.pool)
		if err != nil {
			return nil, nil, err
		}
		head, err := t.readRun(ctx, id, locking)
		return t, head, err
	}
	a, err := h.breaker.admit()
	if err != nil {
		return nil, nil, err
	}
	for again := false; ; again = true {
		t, err := l.tryBegin(ctx, h, h.pool, nil)
		if err != nil {
			a.done()
			return nil, nil, definite(err)
		}
		t.admission, t.opening = a, strings.Join(h.dialect.begin(), "; ")+"; "
		head, err := t.readRun(ctx, id, locking)
		// As in begin: the server may have closed the pooled connection a moment ago. One that does not answer has not.
		if err == nil || again || t.opening == "" || ctx.Err() != nil || errors.Is(err, context.DeadlineExceeded) {
			return t, head, err
		}
		t.admission, t.broken = nil, true
		t.end()
	}
}

func (l *Ledger) begin(ctx context.Context, h *primary, p *pool, statements []string) (*transaction, error) {
	t, err := l.tryBegin(ctx, h, p, statements)
	if err != nil && isBroken(err) && ctx.Err() == nil && !errors.Is(err, context.DeadlineExceeded) {
		// The server may have closed the pooled connection a moment ago. Nothing was begun, so a fresh one is tried once.
		t, err = l.tryBegin(ctx, h, p, statements)
	}
	return t, definite(err)
}

func (l *Ledger) tryBegin(ctx context.Context, h *primary, p *pool, statements []string) (*transaction, error) {
	connecting, cancel := h.during(ctx, p.wait)
	defer cancel()
	conn, err := p.sql.Conn(connecting)
	if err != nil {
		l.suspect(h, err)
		if gone := l.stillPrimary(h); gone != nil {
			err = gone
		}
		return nil, err
	}
	t := &transaction{l: l, primary: h, pool: p, conn: conn}
	for _, statement := range statements {
		err := t.plain(ctx, statement, p.statement)
		for sqliteCode(err) == sqliteBusy && connecting.Err() == nil {
			// Another process writes. SQLite waits for it by itself, but deaf to deadlines, so only for a moment at a time.
			err = t.plain(ctx, statement, p.statement)
		}
		if err != nil {
			t.broken = true
			t.end()
			return nil, err
		}
	}
	return t, nil
}

// plain runs a statement without arguments.
func (t *transaction) plain(ctx context.Context, statement string, limit time.Duration) error {
	ctx, cancel := t.primary.during(ctx, limit)
	defer cancel()
	_, err := t.conn.ExecContext(ctx, statement)
	err = late(ctx, t.pool.dialect.executed(ctx, err))
	t.l.suspect(t.primary, err)
	return err
}

// late says of a statement's error that its time was over, where the driver only says that it was interrupted.
func late(ctx context.Context, err error) error {
	if over := ctx.Err(); err != nil && over != nil && !errors.Is(err, over) {
		return fmt.Errorf("%w: %w", over, err)
	}
	return err
}

// on is gorm on the transaction's connection.
func (t *transaction) on(ctx context.Context) *gorm.DB {
	g := t.pool.gorm.WithContext(ctx)
	g.Statement.ConnPool = t.conn
	return g
}

// exec runs a statement and tells how many rows it changed.
func (t *transaction) exec(ctx context.Context, statement string, args ...any) (int64, error) {
	ctx, cancel := t.primary.during(ctx, t.pool.statement)
	defer cancel()
	result := t.on(ctx).Exec(statement, args...)
	err := late(ctx, t.pool.dialect.executed(ctx, result.Error))
	t.l.suspect(t.primary, err)
	return result.RowsAffected, err
}

// rows runs a query and calls scan for each row. It reads variables of the server too, whose @ gorm takes for its own.
func (t *transaction) rows(ctx context.Context, query string, args []any, scan func(row *sql.Rows) error) error {
	ctx, cancel := t.primary.during(ctx, t.pool.statement)
	defer cancel()
	err := queryRows(ctx, t.conn, t.pool.statement, t.opening+query, args, scan)
	if !isBroken(err) {
		t.opening = ""
	}
	t.l.suspect(t.primary, err)
	return err
}

// queryRows runs a query and calls scan for each row: see mysqlcluster.EachRow. SQLite's rows are read in the same way.
func queryRows(
	ctx context.Context, on mysqlcluster.Querier, limit time.Duration, query string, args []any, scan func(row *sql.Rows) error,
) error {
	return mysqlcluster.EachRow(ctx, on, limit, query, args, scan)
}

// commit sends COMMIT, once, and in the same text before it the last statements that write, a compare-and-set first. Its
// errors are the caller's answer as they are: *rail.Error and ledger.ErrVersionConflict where nothing was written,
// ledger.ErrInDoubt where nobody knows.
func (t *transaction) commit(ctx context.Context, last ...statement) error {
	if !t.pool.multiStatement || fitting(last) < len(last) {
		if err := t.execAll(ctx, last); err != nil {
			return definite(t.l.refused(err))
		}
		last = nil
	}
	if err := ctx.Err(); err != nil {
		return definite(err) // not sent
	}
	// A primary that is none any more can get no acknowledgement, and would only keep the buyers waiting for one.
	if err := t.l.stillPrimary(t.primary); err != nil {
		return err
	}
	if err := t.admission.confirm(); err != nil {
		return err
	}
	// From here on only our own clock may end the wait: a client that hangs up would leave a session hanging on the server,
	// and nobody would learn that the cluster does not acknowledge.
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), t.l.options.CommitTimeout)
	defer func() {
		if t.begun == nil {
			cancel()
			return
		}
		t.begun.giveUp = cancel
	}()
	err := t.sendCommit(limited, last)
	t.l.suspect(t.primary, err)
	switch {
	case err == nil:
		t.over = true
		t.admission.committed()
		t.l.commits.Add(1)
		return nil
	case refusedCommit(err), errors.Is(err, errNotSent), len(last) > 0 && refusedStatement(err):
		return definite(t.l.refused(err))
	}
	// From here on the connection is useless: whatever became of the transaction, it is not to be rolled back by us, as
	// it may be written already and only wait for its replica.
	t.over, t.broken = true, true
	t.l.unknownCommits.Add(1)
	if errors.Is(limited.Err(), context.DeadlineExceeded) {
		t.admission.timedOut()
	}
	return fmt.Errorf("%w: %w", ledger.ErrInDoubt, err)
}

// sendCommit sends COMMIT behind the last statements. A replicated commit's OK is worth nothing by itself: a primary that is
// shut down, or whose semi-synchronous replication is switched off, gives it to every commit that waits for a replica, and
// none has it. So the state of replication is asked for behind it, in the same text where the connection takes several
// statements: whoever is shutting down does not come to answer that, and who has switched it off since it was looked at
// says so.
func (t *transaction) sendCommit(ctx context.Context, last []statement) error {
	text, args := multiStatement(append(last, statement{text: "COMMIT"}))
	if t.l.options.Durability != Replicated {
		return t.pool.dialect.executed(ctx, t.on(ctx).Exec(text, args...).Error)
	}
	if !t.looked {
		return fmt.Errorf("nobody has looked at the replication that this commit rests on: %w", errNotSent)
	}
	var now mysqlcluster.SemiSync
	ask, err := t.pool.dialect.semiSyncSince(), error(nil)
	if t.pool.multiStatement {
		err = t.sendMultiStatement(ctx, text+"; "+ask, args, now.Scan(t.pool.dialect.semiSync()))
	} else if _, err := t.conn.ExecContext(ctx, text); err != nil {
		return err
	} else if err := queryRows(ctx, t.conn, t.l.options.CommitTimeout, ask, nil, now.Scan(t.pool.dialect.semiSync())); err != nil {
		return fmt.Errorf("%w: %s", errUnacknowledged, err.Error()) // COMMIT was not what failed
	}
	if err == nil && !(now.Active && now.Offs == t.offs) {
		err = errUnacknowledged
	}
	if errors.Is(err, errUnacknowledged) {
		t.primary.semiSync.forget()
	}
	if err != nil && t.begun != nil {
		drain(t.begun.rows)
		_ = t.begun.rows.Close() // The connection is not used again: nobody knows what became of the commit.
		t.conn, t.begun = t.begun.t.conn, nil
	}
	return err
}

// sendMultiStatement sends a text that ends with COMMIT and a question, and behind it what begins the next transaction. The order is
// written by gorm.
func (t *transaction) sendMultiStatement(ctx context.Context, text string, args []any, scan func(*sql.Rows) error) (err error) {
	if t.next != "" {
		text = strings.Join(append([]string{text}, append(t.pool.dialect.begin(), t.headQuery())...), "; ")
		args = append(args, string(t.next))
	}
	rows, err := t.on(ctx).Raw(text, args...).Rows()
	if err != nil {
		return late(ctx, err)
	}
	defer func() {
		if t.begun == nil {
			drain(rows)
			if closed := rows.Close(); err == nil {
				err = closed
			}
		}
		err = late(ctx, err)
	}()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil || t.next == "" {
		return err
	}
	// The connection is the next transaction's, with what is still to be read from it.
	t.begun = &pipelined{t: &transaction{l: t.l, primary: t.primary, pool: t.pool, conn: t.conn}, rows: rows, begun: time.Now(), came: make(chan struct{})}
	t.conn = nil
	return nil
}

// errUnacknowledged says that semi-synchronous replication was switched off while a commit may have waited for it.
var errUnacknowledged = errors.New("the commit was answered, and perhaps by no replica")

// errNotSent says that COMMIT was not sent.
var errNotSent = errors.New("the commit was not sent")

// end rolls back what was not committed and gives the connection back, or throws it away where it can be trusted no
// longer. It is harmless after commit.
func (t *transaction) end() {
	if !t.over && !t.broken {
		// The caller's context may be over by now; the server must hear of the end all the same.
		if err := t.plain(context.Background(), "ROLLBACK", rollbackTimeout); err != nil {
			t.broken = true
		}
	}
	if t.conn != nil { // else it is the next transaction's
		if t.broken {
			_ = t.conn.Raw(func(any) error { return driver.ErrBadConn }) // makes database/sql close it
		}
		_ = t.conn.Close()
	}
	if t.admission != nil {
		t.admission.done()
	}
}
