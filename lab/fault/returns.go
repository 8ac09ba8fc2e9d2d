package fault

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"interlock/cmd/interlock/failpoints"
	"interlock/internal/pause"
	"interlock/lab/fault/history"
	"interlock/lab/load"
	"interlock/services/rail"
)

// changeKilled kills a server at every step of a change from one run to another, and starts it again each time. Another
// server, or the same one once it is back, carries on: C5 judges that the traveller has one of both tickets, and C12
// the money.
func changeKilled() Fault {
	return Fault{
		Name: "change_killed_at_each_step", Area: refundsArea, Shape: paying, Lasts: time.Second, Alone: true,
		Slow: moneySlow, Returns: true,
		Inject: func(ctx context.Context, s *Scene) (Heal, error) {
			proof := Injected{Fired: true, Facts: map[string]any{}}
			for _, point := range failpoints.ChangePoints() {
				victim, held, release, err := s.holdFirst(ctx, s.Cluster.Servers(), point)
				if err != nil {
					return nil, err
				}
				on, err := s.committed(ctx, held)
				err = errors.Join(err, victim.Kill())
				release()
				if err = errors.Join(err, victim.Start(context.WithoutCancel(ctx))); err != nil {
					return nil, err
				}
				proof.Facts[string(point)] = *held
				proof.Fired = proof.Fired && on && held.Order != ""
			}
			return func(context.Context) (Injected, error) { return proof, nil }, nil
		},
	}
}

// committed tells whether the primary has what a held batch has made.
func (s *Scene) committed(ctx context.Context, held *failpoints.Held) (bool, error) {
	primary, err := primaryOf(ctx, s.Cluster)
	if err != nil {
		return false, err
	}
	version, err := versionOn(ctx, primary, held.Run)
	return held.Made > 0 && version >= held.Made, err
}

// primaryKilledDuringRefunds kills the primary of the ledger and of the payments while tickets are given back and
// changed. One that was just given back, or is being changed, is held until the primary is gone: its buyer was not told,
// and what follows it was not begun.
func primaryKilledDuringRefunds() Fault {
	f := primaryKilled()
	f.Name, f.Area, f.Returns, f.Alone, f.Slow = "primary_killed_during_refunds", refundsArea, true, true, moneySlow
	f.Shape = Shape{Servers: 2, LockNodes: 3, Supervisors: 2, MessagesApart: true, Bank: true, Hold: payHold}
	inject := f.Inject
	f.Inject = func(ctx context.Context, s *Scene) (Heal, error) {
		points := []failpoints.Point{failpoints.AfterRefunded, failpoints.AfterChanging, failpoints.AfterReplaced}
		point := points[s.Seed%uint64(len(points))]
		_, held, release, err := s.holdFirst(ctx, s.Cluster.Servers(), point)
		if err != nil {
			return nil, err
		}
		on, err := s.committed(ctx, held)
		if err != nil {
			release()
			return nil, err
		}
		heal, err := inject(ctx, s)
		release()
		if err != nil {
			return heal, err
		}
		at := time.Now()
		return func(ctx context.Context) (Injected, error) {
			under := hitSince(s.Workload.Log().Calls(), at, history.Refund, history.Change)
			proof, err := heal(ctx)
			proof.Facts["refunds_and_changes_hit"], proof.Facts[string(point)] = under, *held
			proof.Fired = proof.Fired && on && held.Order != ""
			return proof, err
		}, nil
	}
	return f
}

// hitSince is how many requests of some kinds met what broke at a moment: they were under way then, or asked soon after
// it and did not get their answer at once.
func hitSince(calls []history.Call, at time.Time, kinds ...history.Kind) (n int) {
	for request, attempts := range history.ByRequest(calls) {
		if slices.Contains(kinds, request.Kind) && slices.ContainsFunc(attempts, func(c history.Call) bool {
			soon := c.Start.After(at) && c.Start.Before(at.Add(resumeWithin))
			return c.Start.Before(at) && c.End.After(at) || soon && !c.Outcome.Resolved() && c.Code != "QUOTE_STALE"
		}) {
			n++
		}
	}
	return n
}

// bothAtOnce is how many have one ticket given back and changed at the same time, again and again.
const bothAtOnce = 6

// refundAndChangeAtOnce has one ticket given back and changed at the same moment, over two servers, again and again.
// Exactly one of both takes place, unless the change is refused for want of a seat, or was begun and comes to nothing.
func refundAndChangeAtOnce() Fault {
	return Fault{
		Name: "refund_and_change_at_once", Area: refundsArea, Shape: paying, Lasts: bankLast, Alone: true,
		Slow: moneySlow, Returns: true,
		Inject: func(ctx context.Context, s *Scene) (Heal, error) {
			asking, stop := context.WithCancel(ctx)
			var people errgroup.Group
			var pairs, refunds, changes, twice, neither atomic.Int64
			seed := s.Random.Uint64()
			for n := range bothAtOnce {
				people.Go(func() error {
					for i := uint64(0); asking.Err() == nil; i++ {
						stream := seed + i*bothAtOnce + uint64(n)
						back, changed, ok := s.Workload.Both(context.WithoutCancel(ctx), fmt.Sprintf("both-%d-%d", n, i), stream)
						if !ok {
							continue
						}
						pairs.Add(1)
						refunded, is := back.Outcome == history.Done, changed.Outcome == history.Done
						switch {
						case refunded && is:
							twice.Add(1)
						case refunded:
							refunds.Add(1)
						case is:
							changes.Add(1)
						case changed.Code != "SOLD_OUT":
							neither.Add(1)
						}
					}
					return nil
				})
			}
			return func(context.Context) (Injected, error) {
				stop()
				err := people.Wait()
				proof := Injected{
					Fired: refunds.Load() > 0 && changes.Load() > 0,
					Facts: map[string]any{
						"pairs": pairs.Load(), "refunds_won": refunds.Load(), "changes_won": changes.Load(),
					},
				}
				if n := twice.Load(); n > 0 {
					proof.Unsafe = append(proof.Unsafe, fmt.Sprintf("%d tickets were given back and changed", n))
				}
				if n := neither.Load(); n > 0 {
					proof.Unsafe = append(proof.Unsafe, fmt.Sprintf("%d tickets were neither given back nor changed", n))
				}
				return proof, err
			}, nil
		},
	}
}

// payFirst is how many orders of a run are paid before the run is withdrawn.
const payFirst = 10

// paidAround is how many orders of a run were paid at a moment, and how many payments were under way.
func paidAround(calls []history.Call, run rail.RunID, at time.Time) (paid, under int) {
	for request, attempts := range history.ByRequest(calls) {
		last := attempts[len(attempts)-1]
		switch {
		case request.Kind != history.Pay || last.Run != run || !attempts[0].Start.Before(at):
		case last.End.After(at):
			under++
		case last.Outcome == history.Done:
			paid++
		}
	}
	return paid, under
}

// withdrawnWhilePaying withdraws one of the runs while people pay for it. C12 judges that all their money goes back.
func withdrawnWhilePaying() Fault {
	return Fault{
		Name: "withdrawn_while_paying", Area: refundsArea, Shape: paying, Lasts: bankLast, Alone: true,
		Slow: moneySlow, Returns: true,
		Inject: func(ctx context.Context, s *Scene) (Heal, error) {
			runs := s.Workload.Runs()
			run := runs[s.Random.IntN(len(runs))]
			admin, err := load.AdminToken(s.Cluster.Tokens())
			if err != nil {
				return nil, err
			}
			// Some are to have paid by then. Others always pay just then.
			for paid, _ := paidAround(s.Workload.Log().Calls(), run.RunID, time.Now()); paid < payFirst; {
				if !pause.For(ctx, derivedPoll) {
					return nil, ctx.Err()
				}
				paid, _ = paidAround(s.Workload.Log().Calls(), run.RunID, time.Now())
			}
			if err := load.Withdraw(ctx, s.Cluster.Servers()[0].Addr(), admin, run); err != nil {
				return nil, err
			}
			at := time.Now()
			return func(context.Context) (Injected, error) {
				paid, under := paidAround(s.Workload.Log().Calls(), run.RunID, at)
				return Injected{Fired: paid > 0 && under > 0, Facts: map[string]any{
					"run": run.RunID, "paid_before": paid, "payments_under_way": under,
				}}, nil
			}, nil
		},
	}
}
