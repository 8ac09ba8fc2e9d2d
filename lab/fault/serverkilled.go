package fault

import (
	"context"
	"errors"
	"fmt"
	"time"

	"interlock/cmd/interlock/failpoints"
	"interlock/internal/pause"
)

// serverKilled kills a server at a random moment of the sale, and starts it again.
func serverKilled() Fault {
	return Fault{
		Name: "server_killed", Area: serverArea, Shape: ordinary, Lasts: 4 * time.Second,
		Inject: func(_ context.Context, s *Scene) (Heal, error) {
			victim := s.Cluster.Servers()[s.anyServer()]
			killed := time.Now()
			if err := victim.Kill(); err != nil {
				return nil, err
			}
			return func(ctx context.Context) (Injected, error) {
				under, placed := underway(s.Workload.Log().Calls(), victim.Addr(), killed),
					s.Workload.Placed(killed, victim.Addr())
				proof := Injected{
					Fired: under > 0, Facts: map[string]any{"calls_under_way": under, "placed_by_others": placed},
				}
				if placed == 0 {
					proof.Broken = append(proof.Broken, "the other servers sold nothing meanwhile")
				}
				return proof, victim.Start(ctx)
			}, nil
		},
	}
}

// serverKilledAtEachPoint kills a server at every point of a batch, one after the other, and starts it again each time.
// The other must sell the same run again.
func serverKilledAtEachPoint() Fault {
	return Fault{
		Name: "server_killed_at_each_point", Area: serverArea, Shape: ordinary, Lasts: time.Second, Alone: true,
		Inject: func(ctx context.Context, s *Scene) (Heal, error) {
			var kills []*kill
			for _, point := range failpoints.All() {
				k, err := s.killAt(ctx, point)
				if err != nil {
					return nil, err
				}
				kills = append(kills, k)
			}
			return func(context.Context) (Injected, error) {
				proof := Injected{Fired: true, Facts: map[string]any{}}
				calls := s.Workload.Log().Calls()
				for _, k := range kills {
					k.CallsUnderWay = underway(calls, k.Server, k.at)
					after, ok := soldAgain(calls, k.Run, k.Server, k.at, k.at.Add(sellAgain))
					k.SoldAgain = after.Seconds()
					if !ok {
						proof.Broken = append(proof.Broken,
							fmt.Sprintf("%s was not sold again within %v of the death at %s", k.Run, sellAgain,
								k.Point))
					}
					proof.Facts[string(k.Point)] = k.heldBatch
					// From Redis on, all buyers may have been answered already.
					answered := k.Point == failpoints.BeforeApply || k.Point == failpoints.BeforeUnlock
					proof.Fired = proof.Fired && k.fits(s.Cluster) && (k.CallsUnderWay > 0 || answered)
				}
				return proof, nil
			}, nil
		},
	}
}

// kill is a server's death at an exact point.
type kill struct {
	*heldBatch
	at time.Time
}

// killAt kills a server that holds a batch at a point, starts it again, and waits until another has sold the run again,
// or too long.
func (s *Scene) killAt(ctx context.Context, point failpoints.Point) (*kill, error) {
	victim := s.sellingServer()
	held, release, err := s.hold(ctx, victim, point)
	if err != nil {
		return nil, err
	}
	defer release()
	k := &kill{held, time.Now()}
	if err := errors.Join(victim.Kill(), victim.Start(context.WithoutCancel(ctx))); err != nil {
		return nil, err
	}
	until := k.at.Add(sellAgain)
	for {
		_, ok := soldAgain(s.Workload.Log().Calls(), k.Run, k.Server, k.at, until)
		if ok || time.Now().After(until) || ctx.Err() != nil {
			return k, ctx.Err()
		}
		pause.For(ctx, derivedPoll)
	}
}
