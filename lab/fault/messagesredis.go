package fault

import (
	"context"
	"errors"
	"strconv"
	"time"

	"interlock/cmd/interlock/failpoints/effects"
	"interlock/internal/pause"
	"interlock/lab/cluster"
)

const messagesLast = 4 * time.Second

// messagesRedisKilled kills the Redis of events. It comes back with what it has on its disk. Buyers get their answers
// meanwhile, and events wait in the ledger.
func messagesRedisKilled() Fault {
	return Fault{
		Name: "messages_redis_killed", Area: messagesArea, Shape: eventsApart, Lasts: messagesLast,
		Inject: func(_ context.Context, s *Scene) (Heal, error) {
			if err := s.Cluster.Messages.Kill(); err != nil {
				return nil, err
			}
			begun := time.Now()
			return func(ctx context.Context) (Injected, error) {
				healed := time.Now()
				waiting, err := unpublished(ctx, s.Cluster)
				proof := Injected{Fired: waiting > 0, Facts: map[string]any{"batches_waiting": waiting}}
				s.later = append(s.later, func(ctx context.Context) []string {
					return append(notHeldUp(s.Workload.Log().Calls(), begun, healed, proof.Facts),
						s.toldAgain(ctx, healed, proof.Facts)...)
				})
				return proof, errors.Join(err, s.Cluster.Messages.Start(ctx))
			}, nil
		},
	}
}

// messagesRedisFlushed empties the Redis of events in the middle of everything. The ledger feeds it again.
func messagesRedisFlushed() Fault {
	return Fault{
		Name: "messages_redis_flushed", Area: messagesArea, Shape: eventsApart, Lasts: messagesLast,
		Inject: func(ctx context.Context, s *Scene) (Heal, error) {
			client := redisAt(s.Cluster.Messages.Addr())
			defer client.Close()
			entries, err := client.XLen(ctx, eventStream).Result()
			if err != nil {
				return nil, err
			}
			lost := s.sum(ctx, "interlock_messages_stream_lost_total")
			if err := client.FlushAll(ctx).Err(); err != nil {
				return nil, err
			}
			begun := time.Now()
			return func(ctx context.Context) (Injected, error) {
				noticed := s.sum(ctx, "interlock_messages_stream_lost_total") - lost
				proof := Injected{Fired: entries > 0 && noticed > 0, Facts: map[string]any{
					"entries_flushed": entries, "losses_noticed": noticed,
					"events_published_again": s.sum(ctx, "interlock_messages_republished_total"),
				}}
				s.later = append(s.later, func(ctx context.Context) []string {
					return s.toldAgain(ctx, begun, proof.Facts)
				})
				return proof, nil
			}, nil
		},
	}
}

// unpublished is how many rows of the outbox wait to be published.
func unpublished(ctx context.Context, c *cluster.Cluster) (int, error) {
	primary, err := primaryOf(ctx, c)
	if err != nil {
		return 0, err
	}
	said, err := ask(ctx, primary, "SELECT COUNT(*) FROM "+cluster.Database+".outbox WHERE stream_millis = 0")
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(said)
}

// toldAgain notes how long after a moment an event took effect that was made after it. wrong says so where none did.
func (s *Scene) toldAgain(ctx context.Context, since time.Time, facts map[string]any) (wrong []string) {
	limited, cancel := context.WithDeadline(ctx, since.Add(tellAgain))
	defer cancel()
	first := time.Time{}
	told := s.awaitEffect(limited, func(e *effects.Effect) bool {
		first = e.At
		return e.Event.Time.After(since)
	})
	if !told || first.Sub(since) > tellAgain {
		return []string{"no event took effect within " + tellAgain.String()}
	}
	facts["told_again_seconds"] = first.Sub(since).Seconds()
	return nil
}

// awaitEffect looks until an effect on the workload's runs is what is waited for, or ctx ends. It looks once at least.
func (s *Scene) awaitEffect(ctx context.Context, is func(*effects.Effect) bool) bool {
	for {
		took, _ := s.log.Of(context.WithoutCancel(ctx), s.runIDs()...) // what cannot be read now is read again
		for i := range took {
			if is(&took[i]) {
				return true
			}
		}
		if pause.For(ctx, derivedPoll); ctx.Err() != nil {
			return false
		}
	}
}
