package sqlledger

import (
	"context"
	"database/sql"
	"sync"
	"time"

	"interlock/services/ledger"
	"interlock/services/rail"
)

// While a run is being sold, its next batch comes as soon as this one is answered. So the text that commits a batch
// begins the next one's transaction, too, with its first read: the run's. It holds no lock, and the next batch's
// compare-and-set vouches for what it read: if another server sells in between, it fails. That is one of two round
// trips less.

// pipelined is a transaction that was begun before its batch came.
type pipelined struct {
	*connection
	begun time.Time
	// rows is what comes behind the commit's answer. The commit's buyers do not wait for it; giveUp ends the wait of
	// others.
	rows   *sql.Rows
	giveUp context.CancelFunc
	// end abandons the transaction where no batch comes.
	end *time.Timer
	// came is closed once all of rows was read. head is what they said, and ok that the transaction did begin.
	came chan struct{}
	head headRow
	ok   bool
}

// newPipelined takes a connection over, and what is still to be read from it.
func newPipelined(c *connection, rows *sql.Rows) *pipelined {
	return &pipelined{connection: c, begun: time.Now(), rows: rows, came: make(chan struct{})}
}

// read reads what the transaction reads first. It does so at once: what that says of the primary's clock is then as new
// as can be.
func (b *pipelined) read() {
	defer close(b.came)
	defer b.giveUp()
	ok := b.rows.NextResultSet() && b.rows.Next() && b.primary.scanHead(&b.head, b.rows) == nil
	drain(b.rows)
	b.ok = b.rows.Err() == nil && b.rows.Close() == nil && ok
}

// wait waits for what was read, and ends that wait with ctx.
func (b *pipelined) wait(ctx context.Context) {
	select {
	case <-b.came:
	case <-ctx.Done():
		b.giveUp()
		<-b.came
	}
}

// drain reads what is left of rows while their context can still end that. Closing them would read it without a
// context.
func drain(rows *sql.Rows) {
	for rows.Next() || rows.NextResultSet() {
		continue
	}
}

// abandon ends a transaction that is not used.
func (b *pipelined) abandon() {
	ctx, cancel := context.WithTimeout(context.Background(), rollbackTimeout)
	defer cancel()
	b.wait(ctx)
	b.close()
}

// close ends a transaction whose rows were read.
func (b *pipelined) close() {
	if b.ok {
		b.rollback()
	} else {
		b.discard() // What it is in the middle of is unknown.
	}
}

// pipeline has the transactions that were begun for batches that have not come yet: one a run, and maxPipelined in all.
type pipeline struct {
	// keepFor is how long a transaction waits for its batch.
	keepFor time.Duration

	mu    sync.Mutex
	begun map[rail.RunID]*pipelined
}

// mayBegin tells whether another transaction may be begun.
func (p *pipeline) mayBegin() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.begun) < maxPipelined
}

// keep keeps a transaction for the next batch of its run, for a while.
func (p *pipeline) keep(id rail.RunID, b *pipelined) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if before := p.begun[id]; before != nil { // of another batch of the run at the same time
		before.end.Stop()
		go before.abandon()
	}
	p.begun[id] = b
	go b.read()
	b.end = time.AfterFunc(p.keepFor, func() {
		if p.take(id, b) != nil {
			b.abandon()
		}
	})
}

// take takes the transaction that was begun for a run, or only if it is a certain one; nil where there is none. The
// caller has to end it.
func (p *pipeline) take(id rail.RunID, only *pipelined) *pipelined {
	p.mu.Lock()
	defer p.mu.Unlock()
	b := p.begun[id]
	if b == nil || only != nil && b != only {
		return nil
	}
	delete(p.begun, id)
	b.end.Stop()
	return b
}

// close abandons every transaction.
func (p *pipeline) close() {
	p.mu.Lock()
	all := p.begun
	p.begun = map[rail.RunID]*pipelined{}
	p.mu.Unlock()
	var ending sync.WaitGroup
	for _, b := range all {
		b.end.Stop()
		ending.Go(b.abandon)
	}
	ending.Wait()
}

// mayPipeline tells whether a transaction for the next batch of a run may be begun on a primary, behind a commit there.
func (l *Ledger) mayPipeline(p *primary) bool {
	return p.pool.multiStatement && l.options.Durability == Replicated && l.pipeline.mayBegin()
}

// resume goes on with the transaction that was begun for a batch. nil: there is none; the batch locks; the primary
// changed; it is too old; or the worker's maps are of another version, and maps read now would be newer.
func (l *Ledger) resume(ctx context.Context, p *primary, batch *ledger.Batch) (*transaction, *runHead, error) {
	b := l.pipeline.take(batch.RunID, nil)
	if b == nil {
		return nil, nil, nil
	}
	if b.primary != p || batch.Locking || time.Since(b.begun) > l.pipeline.keepFor {
		go b.abandon() // The batch does not wait for what it cannot use.
		return nil, nil, nil
	}
	limited, cancel := p.during(ctx, b.pool.statement)
	defer cancel()
	b.wait(limited)
	if !b.ok || b.head.head.version != batch.KnownVersion {
		b.close()
		return nil, nil, nil
	}
	admission, err := p.breaker.admit()
	if err != nil {
		b.close()
		return nil, nil, err
	}
	t := &transaction{connection: b.connection, admission: admission}
	head, err := t.head(ctx, &b.head)
	if err != nil {
		t.end()
		return nil, nil, err
	}
	head.now = p.clock.after(head.now)
	return t, head, nil
}
