package fault

import (
	"context"
	"errors"
	"fmt"
	"time"

	"interlock/cmd/interlock/failpoints"
	"interlock/cmd/interlock/failpoints/effects"
	"interlock/internal/servers"
	"interlock/lab/cluster"

	"github.com/redis/go-redis/v9"
)

// consumerKilled kills each process of consumers at every point, one after the other. The first is started again at
// once, and goes on with what it had. The second stays dead until the other process has taken over what it had.
func consumerKilled() Fault {
	return Fault{
		Name: "consumer_killed_at_each_point", Area: messagesArea, Shape: eventsApart, Lasts: time.Second, Alone: true,
		Slow: settleLimit,
		Inject: func(ctx context.Context, s *Scene) (Heal, error) {
			var kills []*consumerKill
			for _, point := range failpoints.ConsumerPoints() {
				for n, victim := range s.Cluster.Consumers() {
					k, err := s.killConsumerAt(ctx, victim, point, n > 0)
					if err != nil {
						return nil, err
					}
					kills = append(kills, k)
				}
			}
			return func(context.Context) (Injected, error) {
				proof := Injected{Fired: true, Facts: map[string]any{}}
				for _, k := range kills {
					name := fmt.Sprintf("%s of %s/%s", k.Point, k.Group, k.Consumer)
					proof.Facts[name] = k
					proof.Fired = proof.Fired && k.fits()
					proof.Broken = append(proof.Broken, k.broken(name)...)
				}
				return proof, nil
			}, nil
		},
	}
}

// consumerKill is a consumer's death with an event in its hands, and what the log and the stream had of it just then.
type consumerKill struct {
	failpoints.Held
	// StaysDead says that the process is started again only once another has what it had.
	StaysDead bool `json:"stays_dead"`
	// TookEffect and Pending tell whether the event had taken effect, and whether the stream knew it for the
	// consumer's.
	TookEffect bool `json:"took_effect"`
	Pending    bool `json:"pending"`
	// Settled is how long it took until it had taken effect and was acknowledged; 0: too long. By is who was told last.
	Settled float64 `json:"settled_seconds"`
	By      string  `json:"settled_by"`
	// Doubles is how often it was told again, where it had taken effect.
	Doubles int `json:"doubles"`
}

// fits tells whether the log and the stream were as they must be at the point.
func (k *consumerKill) fits() bool {
	return k.Pending && k.TookEffect == (k.Point != failpoints.AfterRead)
}

// broken is what did not hold afterwards.
func (k *consumerKill) broken(name string) (broken []string) {
	if k.Settled == 0 {
		broken = append(broken, fmt.Sprintf("%s: the event was not settled within %v", name, settleLimit))
	}
	if k.TookEffect && k.Doubles == 0 {
		broken = append(broken, name+": what was not acknowledged was not told again")
	}
	if taken := k.By != k.Consumer; k.Settled > 0 && taken != k.StaysDead {
		broken = append(broken, fmt.Sprintf("%s: it was settled by %s", name, k.By))
	}
	return broken
}

// killConsumerAt kills a process of consumers that holds an event at a point, and waits until the event is settled, or
// too long.
func (s *Scene) killConsumerAt(
	ctx context.Context, victim *servers.Program, point failpoints.Point, staysDead bool,
) (*consumerKill, error) {
	_, held, release, err := s.holdFirst(ctx, []*servers.Program{victim}, point)
	if err != nil {
		return nil, err
	}
	defer release()
	k := &consumerKill{Held: *held, StaysDead: staysDead}
	before, err := s.effectOf(ctx, held)
	if err != nil {
		return nil, err
	}
	k.TookEffect = before != nil
	if k.Pending, err = pending(ctx, s.Cluster, held); err != nil {
		return nil, err
	}
	s.Log.Info("a consumer is held", "event", *k)
	killed := time.Now()
	if err := victim.Kill(); err != nil {
		return nil, err
	}
	start := func() error { return victim.Start(context.WithoutCancel(ctx)) }
	if !staysDead {
		if err := start(); err != nil {
			return nil, err
		}
	}
	err = s.awaitSettled(ctx, k, killed)
	if staysDead {
		err = errors.Join(err, start())
	}
	return k, err
}

// awaitSettled waits until the event has taken effect and is pending no more, or too long.
func (s *Scene) awaitSettled(ctx context.Context, k *consumerKill, since time.Time) error {
	took, err := until(ctx, since, settleLimit, func() (bool, error) {
		// The log comes last: what is acknowledged has been noted.
		waits, err := pending(ctx, s.Cluster, &k.Held)
		if err != nil || waits {
			return false, err
		}
		now, err := s.effectOf(ctx, &k.Held)
		if err != nil || now == nil {
			return false, err
		}
		k.By, k.Doubles = now.LastConsumer, now.Doubles
		return true, nil
	})
	if err == nil && took <= settleLimit {
		k.Settled = took.Seconds()
	}
	return err
}

// effectOf is the effect that an event has had in the group that holds it; nil for none.
func (s *Scene) effectOf(ctx context.Context, held *failpoints.Held) (*effects.Effect, error) {
	all, err := s.log.At(ctx, held.Subject, held.Version)
	for i := range all {
		if all[i].Group == held.Group {
			return &all[i], err
		}
	}
	return nil, err
}

// pending tells whether an event was given to a consumer of its group that has not acknowledged it.
func pending(ctx context.Context, c *cluster.Cluster, held *failpoints.Held) (bool, error) {
	client := redisAt(c.Messages.Addr())
	defer client.Close()
	found, err := client.XPendingExt(ctx, &redis.XPendingExtArgs{
		Stream: eventStream, Group: held.Group, Start: held.Entry, End: held.Entry, Count: 1,
	}).Result()
	return len(found) > 0, err
}
