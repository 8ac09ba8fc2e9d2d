package fault

import (
	"context"
	"fmt"
	"slices"
	"time"

	"interlock/internal/pause"
	"interlock/internal/servers"
	"interlock/lab/fault/check"
	"interlock/lab/fault/history"
)

const (
	cacheLast = 4 * time.Second
	// atOnce is less than any client waits for a cache, and more than an order takes on a busy machine.
	atOnce = time.Second
	// comeBack is the part of the subscribers that must be back after they were cut off.
	comeBack = 0.99
)

// cacheKilled kills the cache; it comes back empty.
func cacheKilled() Fault {
	f := cacheAway("cache_killed", (*servers.RedisServer).Kill, restart)
	f.RedisLate, f.RedisWhy = check.AllTime,
		"it comes back empty, and its clients ask once a second whether a dead one is back"
	return f
}

// cacheHung freezes the cache: it takes connections and says nothing.
func cacheHung() Fault { return cacheAway("cache_hung", freeze, thaw) }

// cacheAway takes the cache away. Buyers get their answers all the same. Searchers are told that it is not known what
// is left.
func cacheAway(
	name string, away func(*servers.RedisServer) error, back func(context.Context, *servers.RedisServer) error,
) Fault {
	return Fault{
		Name: name, Area: cacheArea, Shape: ordinary, Lasts: cacheLast,
		Inject: func(_ context.Context, s *Scene) (Heal, error) {
			if err := away(s.Cluster.Cache); err != nil {
				return nil, err
			}
			begun := time.Now()
			return func(ctx context.Context) (Injected, error) {
				healed, unknown := time.Now(), 0
				for _, c := range s.Workload.Log().Calls() {
					if c.Kind == history.Search && c.Code == "UNKNOWN" && c.Start.After(begun) {
						unknown++
					}
				}
				proof := Injected{Fired: unknown > 0, Facts: map[string]any{"searches_not_known": unknown}}
				// Calls that are held up now have no answer yet that could be looked at.
				s.later = append(s.later, func(context.Context) []string {
					return notHeldUp(s.Workload.Log().Calls(), begun, healed, proof.Facts)
				})
				return proof, back(ctx, s.Cluster.Cache)
			}, nil
		},
	}
}

// notHeldUp notes how the placings, payments and cancellations of a time fared. wrong says so where one of them was not
// answered at once.
func notHeldUp(calls []history.Call, from, to time.Time, facts map[string]any) (wrong []string) {
	placed, without, slowest := 0, 0, time.Duration(0)
	for _, c := range calls {
		if c.Kind == history.Search || !c.Start.After(from) || c.Start.After(to) {
			continue
		}
		slowest = max(slowest, c.End.Sub(c.Start))
		switch {
		case !c.Outcome.Resolved():
			without++
		case c.Kind == history.Place && c.Outcome == history.Done:
			placed++
		}
	}
	facts["placed_meanwhile"], facts["without_answer"], facts["slowest_answer_ms"] = placed, without,
		slowest.Milliseconds()
	if placed == 0 || without > 0 || slowest > atOnce {
		wrong = append(wrong, "buyers were held up while the cache was away")
	}
	return wrong
}

// cacheFlushed empties the cache in the middle of everything.
func cacheFlushed() Fault {
	return Fault{
		Name: "cache_flushed", Area: cacheArea, Shape: ordinary, Lasts: cacheLast,
		Inject: func(ctx context.Context, s *Scene) (Heal, error) {
			client := redisAt(s.Cluster.Cache.Addr())
			defer client.Close()
			before, err := client.DBSize(ctx).Result()
			if err != nil {
				return nil, err
			}
			reloads := s.sum(ctx, "interlock_redis_reloads_total")
			if err := client.FlushAll(ctx).Err(); err != nil {
				return nil, err
			}
			return func(ctx context.Context) (Injected, error) {
				loaded := s.sum(ctx, "interlock_redis_reloads_total") - reloads
				return Injected{
					Fired: before > 0 && loaded > 0,
					Facts: map[string]any{"keys_flushed": before, "full_loads": loaded},
				}, nil
			}, nil
		},
	}
}

// pubSubCut cuts every connection that listens at the cache, again and again.
func pubSubCut() Fault {
	const every = 500 * time.Millisecond
	return Fault{
		Name: "pub_sub_cut", Area: cacheArea, Shape: ordinary, Lasts: cacheLast,
		Inject: func(ctx context.Context, s *Scene) (Heal, error) {
			ctx, stop := context.WithCancel(ctx)
			cut, done := int64(0), make(chan struct{})
			go func() {
				defer close(done)
				client := redisAt(s.Cluster.Cache.Addr())
				defer client.Close()
				for ctx.Err() == nil {
					// Another fault may have taken the cache away: then there is no connection to cut.
					cut += client.ClientKillByFilter(ctx, "TYPE", "pubsub").Val()
					pause.For(ctx, every)
				}
			}()
			return func(context.Context) (Injected, error) {
				stop()
				<-done
				return Injected{Fired: cut > 0, Facts: map[string]any{"connections_cut": cut}}, nil
			}, nil
		},
	}
}

// stormLate is how much later a server reads the primary's answers while it answers five thousand at once.
const stormLate = 40 * time.Millisecond

// subscribersReconnect cuts five thousand subscribers off at once, and all come back at once.
func subscribersReconnect() Fault {
	const crowd = 5_000
	return Fault{
		Name: "subscribers_reconnect", Area: cacheArea, Shape: ordinary, Lasts: 2 * cacheLast, Subscribers: crowd,
		Late: stormLate,
		Inject: func(_ context.Context, s *Scene) (Heal, error) {
			before := s.Workload.Following()
			s.Workload.Reconnect()
			begun := time.Now()
			return func(context.Context) (Injected, error) {
				back := connectedSince(s.Workload.Log().Streams(), begun)
				proof := Injected{
					Fired: before == crowd && back > 0, Facts: map[string]any{"cut_off": before, "back": back},
				}
				if float64(back) < comeBack*crowd {
					proof.Broken = append(proof.Broken, fmt.Sprintf("only %d of %d subscribers came back", back, crowd))
				}
				return proof, nil
			}, nil
		},
	}
}

// connectedSince is how many subscribers have connected since a time.
func connectedSince(streams []history.Stream, since time.Time) (n int) {
	for _, stream := range streams {
		if slices.ContainsFunc(stream.Events, func(e history.Seen) bool { return e.First && e.At.After(since) }) {
			n++
		}
	}
	return n
}
