package fault

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"interlock/internal/pause"
	"interlock/lab/fault/check"
	"interlock/lab/fault/history"
	"interlock/services/availability"
	"interlock/services/rail"
)

// heard is a message about a run's version.
type heard struct {
	rail.Change
	at time.Time
}

// listener notes every message about the workload's runs.
type listener struct {
	store  *store
	source availability.Listener
	done   chan struct{}

	mu       sync.Mutex
	messages []heard
}

// listen listens at the cache until the listener is closed.
func (s *Scene) listen(ctx context.Context) (*listener, error) {
	store, err := openStore(s.Cluster)
	if err != nil {
		return nil, err
	}
	source, err := store.Listen(ctx)
	if err != nil {
		return nil, errors.Join(err, store.close())
	}
	var ids []rail.RunID
	for _, run := range s.Workload.Runs() {
		ids = append(ids, run.RunID)
	}
	if err := source.Follow(ctx, ids...); err != nil {
		return nil, errors.Join(err, source.Close(), store.close())
	}
	l := &listener{store: store, source: source, done: make(chan struct{})}
	go func() {
		defer close(l.done)
		for change := range source.Changes() {
			if change.OrderID != "" {
				continue
			}
			l.mu.Lock()
			l.messages = append(l.messages, heard{change, time.Now()})
			l.mu.Unlock()
		}
	}()
	return l, nil
}

// all are the messages so far.
func (l *listener) all() []heard {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.messages)
}

func (l *listener) close() error {
	err := l.source.Close()
	<-l.done
	return errors.Join(err, l.store.close())
}

// oldSnapshot delivers what was left of each run at the beginning again and again, twice each time, to the cache and to
// all who listen. No reader may be thrown back to it.
func oldSnapshot() Fault {
	return Fault{
		Name: "old_snapshot_delivered", Area: cacheArea, Shape: ordinary, Lasts: cacheLast,
		Inject: func(ctx context.Context, s *Scene) (Heal, error) {
			store, err := openStore(s.Cluster)
			if err != nil {
				return nil, err
			}
			old, err := store.entries(ctx, s)
			if err != nil {
				return nil, errors.Join(err, store.close())
			}
			d := &redelivery{scene: s, store: store, old: old, top: make([]int64, len(old))}
			ctx, stop := context.WithCancel(ctx)
			done := make(chan error, 1)
			go func() { done <- d.repeat(ctx) }()
			return func(context.Context) (Injected, error) {
				stop()
				err := <-done
				return d.proof(), errors.Join(err, store.close())
			}, nil
		},
	}
}

// redelivery delivers old entries, and looks at what becomes of the new ones.
type redelivery struct {
	scene *Scene
	store *store
	// old are the entries that are delivered, top the highest version that was seen of each.
	old []*rail.Availability
	top []int64
	// delivered is how often one was delivered, behind by how many versions at most, and wentBack how often the cache
	// had an older version than before.
	delivered, wentBack int
	behind              int64
}

// repeat delivers until ctx ends.
func (d *redelivery) repeat(ctx context.Context) error {
	const every = 100 * time.Millisecond
	for ctx.Err() == nil {
		if err := d.deliver(context.WithoutCancel(ctx)); err != nil {
			return err
		}
		pause.For(ctx, every)
	}
	return nil
}

// deliver delivers every entry twice that is old by now.
func (d *redelivery) deliver(ctx context.Context) error {
	if err := d.look(ctx); err != nil {
		return err
	}
	for i, one := range d.old {
		if d.top[i] == one.Version {
			continue
		}
		d.behind = max(d.behind, d.top[i]-one.Version)
		change := rail.Change{RunID: one.RunID, Version: one.Version}
		for range 2 {
			if err := errors.Join(d.store.Apply(ctx, one), d.store.Announce(ctx, change)); err != nil {
				return err
			}
			d.delivered++
		}
	}
	return d.look(ctx)
}

// look notes the versions that the cache has.
func (d *redelivery) look(ctx context.Context) error {
	now, err := d.store.entries(ctx, d.scene)
	if err != nil {
		return err
	}
	for i, one := range now {
		if one.Version < d.top[i] {
			d.wentBack++
		}
		d.top[i] = max(d.top[i], one.Version)
	}
	return nil
}

func (d *redelivery) proof() Injected {
	proof := Injected{
		Fired: d.delivered > 0,
		Facts: map[string]any{"delivered_late": d.delivered, "versions_behind_at_most": d.behind},
	}
	if d.wentBack > 0 {
		proof.Unsafe = append(proof.Unsafe,
			fmt.Sprintf("the cache went back to an older version %d times", d.wentBack))
	}
	return proof
}

// lastMessageLost keeps every message about a run from being published, the last one before all is quiet included.
// Those who follow the run must come to its last version all the same.
func lastMessageLost() Fault {
	return Fault{
		Name: "last_message_lost", Area: cacheArea, Shape: ordinary, Lasts: 2 * time.Second,
		Inject: func(ctx context.Context, s *Scene) (Heal, error) {
			listener, err := s.listen(ctx)
			if err != nil {
				return nil, err
			}
			// A listener that has heard something would hear the rest, too.
			for limited := time.Now().Add(heardWait); len(listener.all()) == 0 && time.Now().Before(limited); {
				pause.For(ctx, heardPoll)
			}
			if err := listener.store.publishing(ctx, "-publish"); err != nil {
				return nil, errors.Join(err, listener.close())
			}
			return func(ctx context.Context) (Injected, error) {
				proof := Injected{Facts: map[string]any{}}
				err := s.atRest(ctx, func(quiet time.Time) error { return s.missed(ctx, quiet, listener, &proof) })
				return proof, errors.Join(err, listener.store.publishing(ctx, "+publish"), listener.close())
			}, nil
		},
	}
}

// publishing changes whether clients of the cache may publish. What is left is stored before it is said, so a script
// that may not say it has stored it.
func (c *store) publishing(ctx context.Context, rule string) error {
	return c.client.Do(ctx, "ACL", "SETUSER", "default", rule).Err()
}

// missed proves that no message told of the last versions, and that subscribers came to them all the same.
func (s *Scene) missed(ctx context.Context, quiet time.Time, l *listener, proof *Injected) error {
	last, reached, err := s.lastVersions(ctx, quiet)
	if err != nil {
		return err
	}
	proof.Facts["reached_after_ms"] = time.Since(quiet).Milliseconds()
	messages, said := l.all(), map[rail.RunID]int64{}
	for _, m := range messages {
		said[m.RunID] = max(said[m.RunID], m.Version)
	}
	proof.Fired = len(messages) > 0
	for run, version := range last {
		proof.Fired = proof.Fired && said[run] < version
		proof.Facts["last_version "+string(run)] = version
		proof.Facts["last_version_said "+string(run)] = said[run]
	}
	if !reached {
		proof.Broken = append(proof.Broken,
			"a subscriber did not reach the last version within "+check.ReachTime.String())
	}
	return nil
}

const (
	// heardWait is far longer than a run is quiet while it is sold.
	heardWait = 3 * time.Second
	heardPoll = 10 * time.Millisecond
)

// restLimit is for all to learn the outcome of what they have begun: a moment, where everything else is well.
const restLimit = 8 * time.Second

// atRest does something while no buyer buys. Another fault may keep buyers from coming to rest: then it is left out,
// and that is no error.
func (s *Scene) atRest(ctx context.Context, do func(since time.Time) error) error {
	limited, cancel := context.WithTimeout(ctx, restLimit)
	defer cancel()
	resume, err := s.Workload.Rest(limited)
	if err != nil {
		return ctx.Err()
	}
	defer resume()
	return do(time.Now())
}

// lastVersions are the versions of the runs after the last change. reached tells whether all who follow them came to
// these in time.
func (s *Scene) lastVersions(
	ctx context.Context, quiet time.Time,
) (last map[rail.RunID]int64, reached bool, err error) {
	primary, err := primaryOf(ctx, s.Cluster)
	if err != nil {
		return nil, false, err
	}
	last = map[rail.RunID]int64{}
	for _, run := range s.Workload.Runs() {
		if last[run.RunID], err = versionOn(ctx, primary, run.RunID); err != nil {
			return nil, false, err
		}
	}
	for {
		if check.Streams(s.Workload.Log().Streams(), last, quiet).OK {
			return last, true, nil
		}
		if time.Since(quiet) > check.ReachTime || ctx.Err() != nil {
			return last, false, ctx.Err()
		}
		pause.For(ctx, derivedPoll)
	}
}

// delays are how long after a message each subscriber had what it told of, in ascending order.
func delays(messages []heard, streams []history.Stream) []time.Duration {
	var all []time.Duration
	for _, stream := range streams {
		next := 0
		for _, m := range messages { // in the order in which they were said
			if m.RunID != stream.Run || m.Version == 0 {
				continue
			}
			for next < len(stream.Events) && stream.Events[next].Version < m.Version {
				next++
			}
			if next == len(stream.Events) {
				break // what comes of it is not known yet
			}
			all = append(all, max(0, stream.Events[next].At.Sub(m.at)))
		}
	}
	slices.Sort(all)
	return all
}
