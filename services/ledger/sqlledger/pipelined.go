package sqlledger

import (
	"context"
	"database/sql"
	"sync"
	"time"

	"interlock/services/ledger"
	"interlock/services/rail"
)

// While a run is being sold, its next batch comes as soon as this one is answered. So the text that commits a batch begins the
// next one's transaction, too, with its first read: the run's. It holds no lock, and what it read is vouched for by the next
// batch's compare-and-set, whoever sells in between. That is one of two round trips less.

// pipelined is a transaction that was begun before its batch came.
type pipelined struct {
	t *transaction
	// rows is what comes behind the commit's answer. Nobody waits for it before the batch is answered; giveUp ends the wait.
	rows   *sql.Rows
	giveUp context.CancelFunc
	begun  time.Time
	end    *time.Timer
	// came is closed once all of it is there: what was read, and whether the transaction did begin.
	came chan struct{}
	head headRow
	ok   bool
}

// mayPipeline tells whether the next batch's transaction may be begun.
func (l *Ledger) mayPipeline(h *primary) bool {
	l.pipelinedMu.Lock()
	defer l.pipelinedMu.Unlock()
	return h.pool.multiStatement && l.options.Durability == Replicated && len(l.pipelined) < maxPipelined
}

// read reads what the transaction reads first, at once, so that what it says of the primary's clock is as new as can be.
func (a *pipelined) read() {
	defer close(a.came)
	defer a.giveUp()
	ok := a.rows.NextResultSet() && a.rows.Next() && a.t.scan(&a.head, a.rows) == nil
	drain(a.rows)
	a.ok = a.rows.Err() == nil && a.rows.Close() == nil && ok
	a.t.broken = !a.ok // Who knows what it is in the middle of.
}

// wait waits for what was read, and ends that wait with ctx.
func (a *pipelined) wait(ctx context.Context) {
	select {
	case <-a.came:
	case <-ctx.Done():
		a.giveUp()
		<-a.came
	}
}

// drain reads what is left of rows while their context can still end that: closing them would, without one.
func drain(rows *sql.Rows) {
	for rows.Next() || rows.NextResultSet() {
		continue
	}
}

// drop ends a transaction that nobody will use.
func (a *pipelined) drop() {
	ctx, cancel := context.WithTimeout(context.Background(), rollbackTimeout)
	defer cancel()
	a.wait(ctx)
	a.t.end()
}

// keep keeps a transaction for the next batch of its run, for a while.
func (l *Ledger) keep(id rail.RunID, a *pipelined) {
	l.pipelinedMu.Lock()
	defer l.pipelinedMu.Unlock()
	if before := l.pipelined[id]; before != nil { // of another batch of the run at the same time
		before.end.Stop()
		go before.drop()
	}
	l.pipelined[id] = a
	go a.read()
	a.end = time.AfterFunc(l.options.PipelinedFor, func() {
		if l.takePipelined(id, a) != nil {
			a.drop()
		}
	})
}

// takePipelined takes the transaction that was begun for a run, or only if it is a certain one; nil where there is none. Who takes
// it ends it.
func (l *Ledger) takePipelined(id rail.RunID, only *pipelined) *pipelined {
	l.pipelinedMu.Lock()
	defer l.pipelinedMu.Unlock()
	a := l.pipelined[id]
	if a == nil || only != nil && a != only {
		return nil
	}
	delete(l.pipelined, id)
	a.end.Stop()
	return a
}

// goOn goes on with a transaction that was begun early for a batch. It is nil where there is none, where the run is to be
// locked, where the primary is another by now, and where the worker has not the maps of the version that was read: those of now
// would be newer.
func (l *Ledger) goOn(ctx context.Context, h *primary, batch *ledger.Batch) (*transaction, *runHead, error) {
	a := l.takePipelined(batch.RunID, nil)
	if a == nil {
		return nil, nil, nil
	}
	if a.t.primary != h || batch.Locking || time.Since(a.begun) > l.options.PipelinedFor {
		go a.drop() // Nobody waits for what nobody wants.
		return nil, nil, nil
	}
	limited, cancel := h.during(ctx, a.t.pool.statement)
	defer cancel()
	a.wait(limited)
	if !a.ok || a.head.head.version != batch.KnownVersion {
		a.t.end()
		return nil, nil, nil
	}
	admission, err := h.breaker.admit()
	if err != nil {
		a.t.end()
		return nil, nil, err
	}
	a.t.admission = admission
	head, err := a.t.head(ctx, &a.head)
	if err == nil {
		head.now = h.clock.after(head.now)
	}
	return a.t, head, err
}

// endPipelined ends every transaction that was begun early.
func (l *Ledger) endPipelined() {
	l.pipelinedMu.Lock()
	all := l.pipelined
	l.pipelined = map[rail.RunID]*pipelined{}
	l.pipelinedMu.Unlock()
	var ending sync.WaitGroup
	for _, a := range all {
		a.end.Stop()
		ending.Go(a.drop)
	}
	ending.Wait()
}
