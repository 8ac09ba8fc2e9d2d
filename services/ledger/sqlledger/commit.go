package sqlledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"interlock/services/ledger"
	"interlock/services/mysqlcluster"
	"interlock/services/rail"
)

// commit sends COMMIT, once, and in the same text before it the last statements that write, a compare-and-set first
// and the row of the outbox last.
// Its errors are the caller's answer as they are: *rail.Error and ledger.ErrVersionConflict where nothing was written,
// ledger.ErrInDoubt where the outcome is unknown.
func (t *transaction) commit(ctx context.Context, last ...statement) error {
	_, err := t.commitAndBegin(ctx, "", last)
	return err
}

// commitAndBegin is commit, and begins the next transaction of a run in the same round trip; it returns nil for it
// where next is "".
func (t *transaction) commitAndBegin(ctx context.Context, next rail.RunID, last []statement) (*pipelined, error) {
	last = append(last, t.noted.statements(t.pool.dialect)...)
	if !t.pool.multiStatement || fitting(last) < len(last) {
		if err := t.execAll(ctx, last); err != nil {
			return nil, definite(t.l.refused(err))
		}
		last = nil
	}
	if err := t.mayCommit(ctx); err != nil {
		return nil, err
	}
	// From here on only our own clock may end the wait. A caller that hangs up would leave a session hanging on the
	// server, and it would go unnoticed that the cluster does not acknowledge.
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), t.l.options.CommitTimeout)
	c := commit{t.connection, t.replication, last, next}
	begun, err := c.send(limited)
	if begun != nil {
		begun.giveUp = cancel
	} else {
		defer cancel()
	}
	l := t.l
	l.suspect(t.primary, err)
	switch outcomeOf(err, len(last) > 0) {
	case committed:
		if begun == nil {
			t.release() // else the connection is the next transaction's
		}
		t.connection = nil
		t.admission.committed()
		l.commits.Add(1)
		return begun, nil
	case refused:
		return nil, definite(l.refused(err))
	}
	// It is not to be rolled back by us: it may be written already, and only wait for its replica.
	t.discard()
	t.connection = nil
	l.commitsInDoubt.Add(1)
	if errors.Is(limited.Err(), context.DeadlineExceeded) {
		t.admission.timedOut()
	}
	return nil, fmt.Errorf("%w: %w", ledger.ErrInDoubt, err)
}

// mayCommit is nil where COMMIT may be sent.
func (t *transaction) mayCommit(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return definite(err)
	}
	// A former primary can get no acknowledgement, and would only keep the buyers waiting for one.
	if err := t.l.stillPrimary(t.primary); err != nil {
		return err
	}
	if err := t.admission.confirm(); err != nil {
		return err
	}
	if t.l.options.Durability == Replicated && !t.replication.looked {
		return errors.New("ledger: the replication that this commit rests on was not looked at")
	}
	return nil
}

// outcome is what became of a commit.
type outcome int

const (
	// inDoubt: it may be committed now, or later, or never.
	inDoubt outcome = iota
	// committed: the server has said so, and a replica has it where the ledger is replicated.
	committed
	// refused: the server has said that it did not commit. The transaction is still open.
	refused
)

// outcomeOf is the outcome by the error of a text that ends with COMMIT, or with a question behind it. withStatements
// says that statements which write were in the text, too. What is not known to be a refusal is in doubt.
func outcomeOf(err error, withStatements bool) outcome {
	switch {
	case err == nil:
		return committed
	case refusedCommit(err), withStatements && refusedStatement(err):
		return refused
	}
	return inDoubt
}

// errUnacknowledged says that semi-synchronous replication was switched off while a commit may have waited for it.
var errUnacknowledged = errors.New("the commit was answered, and perhaps by no replica")

// commit is a COMMIT and what is sent with it.
type commit struct {
	*connection
	// replication is what was seen of it before: the commit counts if it has been on ever since.
	replication semiSyncSeen
	// last are sent before COMMIT, in the same text.
	last []statement
	// next is the run whose next transaction is begun behind COMMIT, "" for none.
	next rail.RunID
}

// send sends the commit. A replicated commit's OK is worth nothing by itself: a primary that is shut down, or whose
// semi-synchronous replication is switched off, gives it to every commit that waits for a replica, and no replica has
// them. So the state of replication is asked for behind COMMIT. A server that shuts down never answers this. If
// replication was switched off meanwhile, the answer shows it.
func (c *commit) send(ctx context.Context) (begun *pipelined, err error) {
	text, args := multiStatement(append(c.last, statement{text: "COMMIT"}))
	switch {
	case c.l.options.Durability != Replicated:
		return nil, c.pool.dialect.executed(ctx, c.gorm(ctx).Exec(text, args...).Error)
	case c.pool.multiStatement:
		begun, err = c.sendAndAsk(ctx, text, args)
	default:
		err = c.sendThenAsk(ctx, text)
	}
	if errors.Is(err, errUnacknowledged) {
		c.primary.semiSync.forget()
	}
	return begun, err
}

// sendThenAsk sends a COMMIT that comes by itself, and then the question.
func (c *commit) sendThenAsk(ctx context.Context, text string) error {
	if _, err := c.conn.ExecContext(ctx, text); err != nil {
		return err
	}
	var now mysqlcluster.SemiSync
	ask := c.pool.dialect.semiSyncSince()
	if err := mysqlcluster.EachRow(ctx, c.conn, c.l.options.CommitTimeout, ask, nil,
		now.Scan(c.pool.dialect.semiSync())); err != nil {
		return fmt.Errorf("%w: %s", errUnacknowledged, err.Error()) // COMMIT was not what failed
	}
	return c.replication.acknowledged(&now)
}

// sendAndAsk sends all in one text, and behind it what begins the next transaction. It returns as soon as the
// question is answered: what comes behind the answer is left to the next transaction.
func (c *commit) sendAndAsk(ctx context.Context, text string, args []any) (begun *pipelined, err error) {
	texts := []string{text, c.pool.dialect.semiSyncSince()}
	if c.next != "" {
		texts = append(append(texts, c.pool.dialect.begin()...), c.primary.headQuery(c.l.options.Durability))
		args = append(args, string(c.next))
	}
	rows, err := c.gorm(ctx).Raw(strings.Join(texts, "; "), args...).Rows() // gorm puts the arguments in
	if err != nil {
		return nil, late(ctx, err)
	}
	defer func() {
		if begun != nil {
			return
		}
		drain(rows)
		if closed := rows.Close(); err == nil {
			err = closed
		}
		err = late(ctx, err)
	}()
	var now mysqlcluster.SemiSync
	if err := eachRowOfFirst(rows, now.Scan(c.pool.dialect.semiSync())); err != nil {
		return nil, err
	}
	if err := c.replication.acknowledged(&now); err != nil || c.next == "" {
		return nil, err
	}
	return newPipelined(c.connection, rows), nil
}

// eachRowOfFirst calls scan for each row of the first result of several, and stays before the second.
func eachRowOfFirst(rows *sql.Rows, scan func(*sql.Rows) error) error {
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}
