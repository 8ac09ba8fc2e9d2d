package fault

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"interlock/lab/fault/history"
	"interlock/services/rail"
)

// hands is how many use one key at once.
const hands = 10

// sameKey lets ten hands use one key at the same moment over all servers, again and again, and so for several keys side
// by side.
func sameKey(keysAtOnce int) Fault {
	return Fault{
		Name: "same_key_at_once", Area: buyersArea, Shape: ordinary, Lasts: 4 * time.Second,
		Inject: func(ctx context.Context, s *Scene) (Heal, error) {
			ctx, stop := context.WithCancel(ctx)
			begun := time.Now()
			var asking errgroup.Group
			var keys atomic.Uint64
			seed := s.Random.Uint64()
			for range keysAtOnce {
				asking.Go(func() error {
					for ctx.Err() == nil {
						n := keys.Add(1)
						if err := s.Workload.Together(context.WithoutCancel(ctx), fmt.Sprintf("hands-%d", n), hands,
							seed+n); err != nil {
							return err
						}
					}
					return nil
				})
			}
			return func(context.Context) (Injected, error) {
				stop()
				err := asking.Wait()
				several, across := answeredBySeveral(s.Workload.Log().Calls(), begun)
				return Injected{Fired: several > 0, Facts: map[string]any{
					"keys": keys.Load(), "times_each": hands, "orders_told_by_several_servers": several,
					"longest_key_seconds": across.Seconds(),
				}}, err
			}, nil
		},
	}
}

// answeredBySeveral is how many orders were told by more than one server since a time. longest is the longest that one
// of them took, from its first question to its last answer.
func answeredBySeveral(calls []history.Call, since time.Time) (orders int, longest time.Duration) {
	for request, attempts := range history.ByRequest(calls) {
		told := map[string]bool{}
		for _, a := range attempts {
			if a.Outcome == history.Done {
				told[a.Server] = true
			}
		}
		if request.Kind != history.Place || len(told) < 2 || attempts[0].Start.Before(since) {
			continue
		}
		orders++
		for _, a := range attempts {
			longest = max(longest, attempts[len(attempts)-1].End.Sub(a.Start))
		}
	}
	return orders, longest
}

// holdsExpire lets holds be so short that buyers pay while they run out.
func holdsExpire() Fault {
	return Fault{
		Name: "paying_while_holds_expire", Area: buyersArea,
		Shape: Shape{Servers: 2, LockNodes: 3, Hold: 2 * time.Second}, Lasts: 6 * time.Second,
		Inject: func(_ context.Context, s *Scene) (Heal, error) {
			return func(context.Context) (Injected, error) {
				paid, late := payments(s.Workload.Log().Calls(), "")
				return Injected{
					Fired: paid > 0 && late > 0, Facts: map[string]any{"paid_in_time": paid, "paid_too_late": late},
				}, nil
			}, nil
		},
	}
}

// sameKeyAcrossFailover lets ten hands use one key at once while the primary dies. They ask several servers before its
// death, and are told after it. There are a few such keys: what one of them is for may be sold out.
func sameKeyAcrossFailover() Fault {
	f := combined([]Fault{sameKey(4), primaryKilled()})
	f.Name, f.Area, f.Shape, f.Spoils = "same_key_across_a_failover", buyersArea, supervised, true
	return f.healed(func(s *Scene, proof *Injected) {
		across := 0
		if n := len(s.alone); n > 0 {
			across = toldAcross(s.Workload.Log().Calls(), s.alone[n-1])
		}
		proof.Facts["orders_asked_for_before_and_told_after"] = across
		proof.Fired = proof.Fired && across > 0
	})
}

// toldAcross is how many orders several hands asked several servers for before a gap, and were told of after it.
func toldAcross(calls []history.Call, gap history.Interval) (orders int) {
	for request, attempts := range history.ByRequest(calls) {
		asked, told := map[string]bool{}, 0
		for _, a := range attempts {
			if a.Start.Before(gap.From) {
				asked[a.Server] = true
			}
			if a.Outcome == history.Done && a.End.After(gap.To) {
				told++
			}
		}
		if request.Kind == history.Place && len(asked) > 1 && told > 1 {
			orders++
		}
	}
	return orders
}

// payments are how many orders were paid, and how many came too late, at one server or with "" at all.
func payments(calls []history.Call, server string) (paid, late int) {
	for _, c := range calls {
		switch {
		case c.Kind != history.Pay || server != "" && c.Server != server:
		case c.Outcome == history.Done && c.Order.State == rail.Paid:
			paid++
		case c.Code == "HOLD_EXPIRED":
			late++
		}
	}
	return paid, late
}
