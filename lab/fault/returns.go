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
	"interlock/internal/servers"
	"interlock/lab/cluster"
	"interlock/lab/fault/history"
	"interlock/lab/load"
	"interlock/services/rail"
)

// withParties adds to a fault's proof of how many parties one ticket had been given back by then, and of how many one
// had been changed, and asks for some.
func withParties(f Fault) Fault {
	return f.healed(func(s *Scene, proof *Injected) {
		refunded, changed := partlyReturned(s.Workload.Log().Calls())
		proof.Facts["parties_with_one_refunded"], proof.Facts["parties_with_one_changed"] = refunded, changed
		proof.Fired = proof.Fired && refunded+changed > 0
	})
}

// partlyReturned is of how many orders with several tickets one was given back, and of how many one was changed.
func partlyReturned(calls []history.Call) (refunded, changed int) {
	party, done := map[string]bool{}, map[history.Request]bool{}
	for _, c := range calls {
		if c.Kind == history.Place && c.Order != nil {
			party[c.Order.Number] = len(c.Order.Tickets) > 1
		}
	}
	for _, c := range calls {
		if c.Outcome != history.Done || c.Ticket == "" || !party[c.Key] || done[c.Request] {
			continue
		}
		done[c.Request] = true
		switch c.Kind {
		case history.Refund:
			refunded++
		case history.Change:
			changed++
		case history.Place, history.Pay, history.Cancel, history.Search:
		}
	}
	return refunded, changed
}

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
// changed. One server holds a step of a change and another one a refund, until the primary is gone: no buyer was told
// of either, and what follows was not begun.
func primaryKilledDuringRefunds() Fault {
	f := primaryKilled()
	f.Name, f.Area, f.Returns, f.Alone, f.Slow = "primary_killed_during_refunds", refundsArea, true, true, moneySlow
	f.Shape = Shape{Servers: 2, LockNodes: 3, Supervisors: 2, MessagesApart: true, Bank: true, Hold: payHold}
	f.Inject = func(ctx context.Context, s *Scene) (Heal, error) {
		steps := []failpoints.Point{failpoints.AfterChanging, failpoints.AfterReplaced}
		change, refund, release, err := s.holdBoth(ctx, steps[s.Seed%uint64(len(steps))])
		if err != nil {
			return nil, err
		}
		defer release()
		var gone time.Time
		heal, err := s.killPrimary(ctx, func() {
			gone = time.Now()
			release() // C10 lets what was committed before be answered for a second.
		})
		if err != nil {
			return nil, err
		}
		return func(ctx context.Context) (Injected, error) {
			calls := s.Workload.Log().Calls()
			proof, err := heal(ctx)
			proof.Facts["refunds_under_way"] = underWayAt(calls, history.Refund, gone)
			proof.Facts["changes_under_way"] = underWayAt(calls, history.Change, gone)
			for _, one := range []*heldReturn{change, refund} {
				one.UnderWay = !toldBy(calls, one.kind, one.Number, gone)
				proof.Facts[string(one.Point)] = one
				proof.Fired = proof.Fired && one.OnPrimary && one.UnderWay
			}
			return proof, err
		}, nil
	}
	return f
}

// heldReturn is a ticket that is given back or changed. A server holds it right after a commit of it.
type heldReturn struct {
	failpoints.Held
	Server string `json:"server"`
	// Number is the number of the order whose ticket it is.
	Number string `json:"number"`
	// OnPrimary tells whether the primary has the commit, UnderWay whether the buyer did not know of it when the
	// primary was gone.
	OnPrimary bool `json:"on_primary"`
	UnderWay  bool `json:"under_way"`

	kind    history.Kind
	release func()
}

// holdReturn has one of some servers hold the next refund or change that comes by a point.
func (s *Scene) holdReturn(
	ctx context.Context, of []*servers.Program, kind history.Kind, point failpoints.Point,
) (h *heldReturn, by *servers.Program, err error) {
	by, held, release, err := s.holdFirst(ctx, of, point)
	if err != nil {
		return nil, nil, err
	}
	h = &heldReturn{Held: *held, Server: by.Addr(), kind: kind, release: release}
	if h.OnPrimary, err = s.committed(ctx, held); err == nil {
		var primary *servers.SQLServer
		if primary, err = primaryOf(ctx, s.Cluster); err == nil {
			// A replacement belongs to the change of another order's ticket.
			h.Number, err = ask(ctx, primary, "SELECT n.number FROM "+cluster.Database+".orders o JOIN "+
				cluster.Database+".orders n ON n.id = COALESCE(o.replaces_order, o.id) WHERE o.id = ?", held.Order)
		}
	}
	if err != nil {
		release()
		return nil, nil, err
	}
	return h, by, nil
}

// bothTries is how often a change and a refund are held. A buyer whose server holds the change asks the other one as
// well, and may be told by it while the refund is waited for. Few buy while one server holds a run, so that no refund
// may come by in time. Then both are held anew.
const bothTries = 3

// holdBoth has one server hold a change at a step, and another a refund, so that neither buyer was told.
func (s *Scene) holdBoth(
	ctx context.Context, step failpoints.Point,
) (change, refund *heldReturn, release func(), err error) {
	all := s.Cluster.Servers()
	var problems []error
	for range bothTries {
		var by *servers.Program
		if change, by, err = s.holdReturn(ctx, all, history.Change, step); err != nil {
			return nil, nil, nil, err
		}
		others := slices.DeleteFunc(slices.Clone(all), func(p *servers.Program) bool { return p == by })
		if refund, _, err = s.holdReturn(ctx, others, history.Refund, failpoints.AfterRefunded); err != nil {
			change.release()
			problems = append(problems, err)
			continue
		}
		release = func() {
			change.release()
			refund.release()
		}
		calls, now := s.Workload.Log().Calls(), time.Now()
		if !toldBy(calls, history.Change, change.Number, now) && !toldBy(calls, history.Refund, refund.Number, now) {
			s.Log.Info("a change and a refund are held", "change", *change, "refund", *refund)
			return change, refund, release, nil
		}
		release()
		problems = append(problems, errors.New("a buyer was told of the change before the refund was held"))
	}
	return nil, nil, nil, errors.Join(problems...)
}

// toldBy tells whether a buyer knew by a moment what became of the ticket of an order.
func toldBy(calls []history.Call, kind history.Kind, number string, at time.Time) bool {
	return slices.ContainsFunc(calls, func(c history.Call) bool {
		return c.Kind == kind && c.Key == number && c.Outcome.Resolved() && !c.End.After(at)
	})
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
