package search

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"
)

// calm is how long nothing must have failed until it is over: when every other search fails, that is one trouble, and not
// a thousand beginnings and ends a second.
const calm = time.Second

// trouble logs when the availability begins to fail and when it answers again, not each search in between; those it
// counts.
type trouble struct {
	failing atomic.Bool
	// last is when it failed last, in nanoseconds of Unix time.
	last  atomic.Int64
	count atomic.Int64
}

func (t *trouble) tell(ctx context.Context, log *slog.Logger, err error) {
	if log == nil {
		log = slog.Default()
	}
	if err != nil {
		t.count.Add(1)
		t.last.Store(time.Now().UnixNano())
		if !t.failing.Swap(true) {
			log.WarnContext(ctx, "search: asking what is left fails; it is not known meanwhile", "error", err)
		}
		return
	}
	// Almost always nothing fails, and then nothing is written that other searches read.
	if t.failing.Load() && time.Now().UnixNano()-t.last.Load() >= int64(calm) && t.failing.CompareAndSwap(true, false) {
		log.InfoContext(ctx, "search: asking what is left works again")
	}
}
