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
	source availability.Listener
	done   chan struct{}

	mu       sync.Mutex
	messages []heard
}

// listen listens until the listener is closed, which is to be done before the store is.
func (c *store) listen(ctx context.Context, s *Scene) (*listener, error) {
	source, err := c.Listen(ctx)
	if err != nil {
		return nil, err
	}
	var ids []rail.RunID
	for _, run := range s.Workload.Runs() {
		ids = append(ids, run.RunID)
	}
	if err := source.Follow(ctx, ids...); err != nil {
		return nil, errors.Join(err, source.Close())
	}
	l := &listener{source: source, done: make(chan struct{})}
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
	return err
}

// oldSnapshot delivers what was left of each run at the beginning again and again, twice each time, to the cache and to
// all who listen. Whoever reads must not be thrown back to it.
func oldSnapshot() Fault {
	const every = 100 * time.Millisecond
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
			ctx, stop := context.WithCancel(ctx)
			delivered, behind, back, done := 0, int64(0), 0, make(chan error, 1)
			top := make([]int64, len(old))
			look := func(ctx context.Context) error {
				now, err := store.entries(ctx, s)
				if err != nil {
					return err
				}
				for i, one := range now {
					if one.Version < top[i] {
						back++
					}
					top[i] = max(top[i], one.Version)
				}
				return nil
			}
			deliver := func(ctx context.Context) error {
				if err := look(ctx); err != nil {
					return err
				}
				for i, one := range old {
					if top[i] == one.Version {
						continue // it is not old yet
					}
					behind = max(behind, top[i]-one.Version)
					for range 2 {
						if err := errors.Join(store.Apply(ctx, one),
							store.Announce(ctx, rail.Change{RunID: one.RunID, Version: one.Version})); err != nil {
							return err
						}
						delivered++
					}
				}
				return look(ctx)
			}
			go func() {
				for ctx.Err() == nil {
					if err := deliver(context.WithoutCancel(ctx)); err != nil {
						done <- err
						return
					}
					pause.For(ctx, every)
				}
				done <- nil
			}()
			return func(context.Context) (Injected, error) {
				stop()
				err := <-done
				proof := Injected{
					Fired: delivered > 0,
					Facts: map[string]any{"delivered_late": delivered, "versions_behind_at_most": behind},
				}
				if back > 0 {
					proof.Unsafe = append(proof.Unsafe,
						fmt.Sprintf("the cache went back to an older version %d times", back))
				}
				return proof, errors.Join(err, store.close())
			}, nil
		},
	}
}

// lastMessageLost keeps every message about a run from being published, the last one before all is quiet included. Who
// follows the run must come to its last version all the same.
func lastMessageLost() Fault {
	return Fault{
		Name: "last_message_lost", Area: cacheArea, Shape: ordinary, Lasts: 2 * time.Second,
		Inject: func(ctx context.Context, s *Scene) (Heal, error) {
			store, err := openStore(s.Cluster)
			if err != nil {
				return nil, err
			}
			listener, err := store.listen(ctx, s)
			if err != nil {
				return nil, errors.Join(err, store.close())
			}
			// Who has heard something would hear the rest, too.
			for limited := time.Now().Add(heardWait); len(listener.all()) == 0 && time.Now().Before(limited); {
				pause.For(ctx, heardPoll)
			}
			// What is left is stored before it is said: a script that may not say it has stored it.
			publishing := func(ctx context.Context, rule string) error {
				return store.client.Do(ctx, "ACL", "SETUSER", "default", rule).Err()
			}
			if err := publishing(ctx, "-publish"); err != nil {
				return nil, errors.Join(err, listener.close(), store.close())
			}
			return func(ctx context.Context) (Injected, error) {
				proof := Injected{Facts: map[string]any{}}
				err := s.atRest(ctx, func(quiet time.Time) error {
					last, reached, err := s.lastVersions(ctx, quiet)
					if err != nil {
						return err
					}
					proof.Fired = len(listener.all()) > 0
					proof.Facts["reached_after_ms"] = time.Since(quiet).Milliseconds()
					said := map[rail.RunID]int64{}
					for _, m := range listener.all() {
						said[m.RunID] = max(said[m.RunID], m.Version)
					}
					for run, version := range last {
						proof.Fired = proof.Fired && said[run] < version
						proof.Facts["last_version "+string(run)], proof.Facts["last_version_said "+string(run)] = version, said[run]
					}
					if !reached {
						proof.Broken = append(proof.Broken,
							"a subscriber did not reach the last version within "+check.ReachTime.String())
					}
					return nil
				})
				return proof, errors.Join(err, publishing(ctx, "+publish"), listener.close(), store.close())
			}, nil
		},
	}
}

const (
	// heardWait is far longer than a run is quiet while it is sold.
	heardWait = 3 * time.Second
	heardPoll = 10 * time.Millisecond
)

// restLimit is for all to learn what became of what they have begun: with everything else well, a moment.
const restLimit = 8 * time.Second

// atRest does something while nobody buys. Where buyers do not come to rest, which another fault may keep them from, it
// is not done, and that is no error.
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

// lastVersions are the last versions of the runs, which nobody changes any more, and whether all who follow them came
// to them in time.
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
