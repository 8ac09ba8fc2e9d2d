package watch

import (
	"context"
	"sync"
	"time"

	"interlock/internal/logonce"

	"interlock/internal/pause"
	"interlock/services/rail"
)

const (
	// listenRetry is how long to wait before a stream of changes is opened again. The sweeps go on meanwhile.
	listenRetry = time.Second
	// followTimeout is how long the listener may take to follow runs; then it is asked again with the next sweep.
	followTimeout = 2 * time.Second
)

// listen hears of changes until ctx ends.
func (h *Hub) listen(ctx context.Context) {
	listening := logonce.Warn("watch: listening for changes fails", "watch: listening for changes works again")
	for ctx.Err() == nil {
		listener, err := h.availability.Listen(ctx)
		if ctx.Err() == nil {
			listening.Note(ctx, h.Log, err)
		}
		if err == nil {
			h.hear(ctx, listener)
			// What it has to say about closing is of no use to anybody: all it knew is lost either way.
			_ = listener.Close()
		}
		pause.For(ctx, listenRetry)
	}
}

// hear takes changes from a new listener until it or ctx ends.
func (h *Hub) hear(ctx context.Context, listener Listener) {
	h.mu.Lock()
	clear(h.follows)
	for id := range h.watched {
		h.refollow(id)
	}
	h.mu.Unlock()
	ctx, cancel := context.WithCancel(ctx)
	var following sync.WaitGroup
	// Following may wait for the network, and changes must not wait for that.
	following.Go(func() { h.follow(ctx, listener) })
	defer following.Wait()
	defer cancel()
	for {
		select {
		case <-ctx.Done():
			return
		case change, ok := <-listener.Changes():
			if !ok {
				return
			}
			h.changed(change)
		}
	}
}

// changed marks what a change is about, unless that version is known already.
func (h *Hub) changed(change rail.Change) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if change.OrderID != "" {
		if o := h.watchedOrders[change.OrderID]; o != nil && (change.Version == 0 || change.Version > o.latest.Version) {
			o.said = max(o.said, change.Version)
			h.markOrder(o)
		}
		return
	}
	if run := h.watched[change.RunID]; run != nil {
		for _, p := range run.pairs {
			if change.Version == 0 || change.Version > p.version {
				h.markPair(p)
			}
		}
	}
}

// follow keeps the listener at the runs that are watched.
func (h *Hub) follow(ctx context.Context, listener Listener) {
	following := logonce.Warn("watch: following runs fails", "watch: following runs works again")
	followed := map[rail.RunID]struct{}{}
	for {
		select {
		case <-ctx.Done():
			return
		case <-h.followsDirty:
		}
		var looks, joins, leaves []rail.RunID
		h.mu.Lock()
		for id := range h.follows {
			_, is := followed[id]
			_, should := h.watched[id]
			switch {
			case should && !is:
				joins = append(joins, id)
			case !should && is:
				leaves = append(leaves, id)
			}
			if should {
				looks = append(looks, id)
			}
		}
		clear(h.follows)
		h.mu.Unlock()

		err := h.tellListener(ctx, listener.Follow, joins)
		if err == nil {
			for _, id := range joins {
				followed[id] = struct{}{}
			}
			// What happened before the listener followed went unheard.
			h.look(looks)
			err = h.tellListener(ctx, listener.Unfollow, leaves)
		}
		if ctx.Err() != nil {
			return
		}
		following.Note(ctx, h.Log, err)
		if err != nil {
			// Not raised: the next sweep does, so that a listener that fails at once is not asked without pause.
			h.mu.Lock()
			for _, id := range append(looks, leaves...) {
				h.follows[id] = struct{}{}
			}
			h.mu.Unlock()
			continue
		}
		for _, id := range leaves {
			delete(followed, id)
		}
	}
}

// tellListener calls Follow or Unfollow, within a time.
func (h *Hub) tellListener(ctx context.Context, tell func(context.Context, ...rail.RunID) error, ids []rail.RunID) error {
	if len(ids) == 0 {
		return nil
	}
	limited, cancel := context.WithTimeout(ctx, followTimeout)
	defer cancel()
	return tell(limited, ids...)
}

// look marks all that is watched of some runs.
func (h *Hub) look(ids []rail.RunID) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, id := range ids {
		if run := h.watched[id]; run != nil {
			for _, p := range run.pairs {
				h.markPair(p)
			}
			for _, o := range run.orders {
				h.markOrder(o)
			}
		}
	}
}
