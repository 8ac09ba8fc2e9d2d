package watch

import (
	"context"
	"slices"
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
			// An error of closing would change nothing: all that it knew is lost either way.
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
	// Following may wait for the network. Changes are heard meanwhile.
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
		if o := h.watchedOrders[change.OrderID]; o != nil &&
			(change.Version == 0 || change.Version > o.latest.Version) {
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

// follow keeps the listener at the runs that are watched, until ctx ends.
func (h *Hub) follow(ctx context.Context, listener Listener) {
	following := logonce.Warn("watch: following runs fails", "watch: following runs works again")
	f := follower{hub: h, listener: listener, followed: map[rail.RunID]struct{}{}}
	for {
		select {
		case <-ctx.Done():
			return
		case <-h.followsDirty:
		}
		due := f.take()
		err := f.tell(ctx, due)
		if ctx.Err() != nil {
			return
		}
		following.Note(ctx, h.Log, err)
		if err != nil {
			f.putBack(due)
		}
	}
}

// follower tells one listener which runs to follow. It belongs to one goroutine.
type follower struct {
	hub      *Hub
	listener Listener
	// followed are the runs that the listener was told to follow, and not to leave.
	followed map[rail.RunID]struct{}
}

// followChanges is what to do about the runs of Hub.follows.
type followChanges struct {
	// joins are to be followed, leaves are not to be followed any more.
	joins, leaves []rail.RunID
	// looks are to be read once the joins are followed: what happened before that went unheard.
	looks []rail.RunID
}

// take empties Hub.follows, and says what to do about its runs.
func (f *follower) take() followChanges {
	f.hub.mu.Lock()
	defer f.hub.mu.Unlock()
	var due followChanges
	for id := range f.hub.follows {
		_, is := f.followed[id]
		_, should := f.hub.watched[id]
		switch {
		case should && !is:
			due.joins = append(due.joins, id)
		case !should && is:
			due.leaves = append(due.leaves, id)
		}
		if should {
			due.looks = append(due.looks, id)
		}
	}
	clear(f.hub.follows)
	return due
}

// tell tells the listener, and has the runs read. After an error some of it may be done; to do it again is cheap.
func (f *follower) tell(ctx context.Context, due followChanges) error {
	if err := within(ctx, f.listener.Follow, due.joins); err != nil {
		return err
	}
	for _, id := range due.joins {
		f.followed[id] = struct{}{}
	}
	f.hub.look(due)
	if err := within(ctx, f.listener.Unfollow, due.leaves); err != nil {
		return err
	}
	for _, id := range due.leaves {
		delete(f.followed, id)
	}
	return nil
}

// putBack leaves the runs to the next sweep, which raises the signal. Raised here, it would have a listener that fails
// at once asked without pause.
func (f *follower) putBack(due followChanges) {
	f.hub.mu.Lock()
	defer f.hub.mu.Unlock()
	for _, id := range append(due.looks, due.leaves...) {
		f.hub.follows[id] = struct{}{}
	}
}

// within calls Follow or Unfollow with some runs, if there are any, for at most followTimeout.
func within(ctx context.Context, tell func(context.Context, ...rail.RunID) error, ids []rail.RunID) error {
	if len(ids) == 0 {
		return nil
	}
	limited, cancel := context.WithTimeout(ctx, followTimeout)
	defer cancel()
	return tell(limited, ids...)
}

// look marks all that is watched of the runs that were joined, and of the others what changed unheard. A run may have
// thousands of watched orders, and one more of them must not have all the others read.
func (h *Hub) look(due followChanges) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, id := range due.looks {
		run, joined := h.watched[id], slices.Contains(due.joins, id)
		if run == nil {
			continue
		}
		for _, p := range run.pairs {
			h.markPair(p)
		}
		for _, o := range run.orders {
			if joined || o.unheard {
				o.unheard = false
				h.markOrder(o)
			}
		}
	}
}
