package fault

import (
	"context"
	"fmt"
	"syscall"
	"time"

	"interlock/cmd/interlock/failpoints"
	"interlock/internal/servers"
	"interlock/lab/fault/history"
	"interlock/services/rail"
)

const (
	// frozenLast is longer than a lock lives, and than others may take to sell the same run again.
	frozenLast = 7 * time.Second
	// sellAgain is within what the others must sell a run again that a frozen server was selling.
	sellAgain = 5 * time.Second
)

// serverFrozen stops a server at a random moment of the sale, for longer than its locks last. The others must sell the
// same runs again while it is frozen.
func serverFrozen() Fault {
	return Fault{
		Name: "server_frozen", Area: serverArea, Shape: ordinary, Lasts: frozenLast,
		Inject: func(_ context.Context, s *Scene) (Heal, error) {
			return s.freeze(s.Cluster.Servers()[s.anyServer()], nil)
		},
	}
}

// serverFrozenAt is serverFrozen at an exact point of a batch. When the server thaws it sends what it was about to
// send, long after its lock and the transaction's time were over.
func serverFrozenAt(point failpoints.Point) Fault {
	return Fault{
		Name: "server_frozen_" + string(point), Area: serverArea, Shape: ordinary, Lasts: frozenLast,
		Inject: func(ctx context.Context, s *Scene) (Heal, error) {
			victim := s.sellingServer()
			held, release, err := s.hold(ctx, victim, point)
			if err != nil {
				return nil, err
			}
			heal, err := s.freeze(victim, held)
			if err != nil {
				release()
				return nil, err
			}
			return func(ctx context.Context) (Injected, error) {
				defer release() // the server is told when it has thawed
				return heal(ctx)
			}, nil
		},
	}
}

// freeze stops a server until it is healed. at is the batch that it holds; nil where that is not known.
func (s *Scene) freeze(victim *servers.Program, at *heldBatch) (Heal, error) {
	if err := victim.Signal(syscall.SIGSTOP); err != nil {
		return nil, err
	}
	frozen := time.Now()
	return func(context.Context) (Injected, error) {
		thawed := time.Now()
		err := victim.Signal(syscall.SIGCONT)
		calls := s.Workload.Log().Calls()
		under := underway(calls, victim.Addr(), frozen)
		proof := Injected{
			Fired: under > 0, Facts: map[string]any{
				"calls_under_way": under, "frozen_seconds": thawed.Sub(frozen).Seconds(),
			},
		}
		for _, run := range s.Workload.Runs() {
			after, ok := soldAgain(calls, run.RunID, victim.Addr(), frozen, thawed)
			proof.Facts["sold_again_seconds "+string(run.RunID)] = after.Seconds()
			if !ok || after > sellAgain {
				proof.Broken = append(proof.Broken,
					fmt.Sprintf("%s was not sold again within %v of the freeze", run.RunID, sellAgain))
			}
			if at != nil && at.Run == run.RunID {
				at.SoldAgain = after.Seconds()
			}
		}
		if at != nil {
			at.CallsUnderWay = under
			proof.Facts["held"] = *at
			proof.Fired = proof.Fired && at.fits(s.Cluster)
		}
		return proof, err
	}, nil
}

// underway is how many calls to a server, or to any where it is "", had begun and were not answered at a moment.
func underway(calls []history.Call, server string, at time.Time) (n int) {
	for _, c := range calls {
		if (server == "" || c.Server == server) && c.Kind != history.Search && c.Start.Before(at) && c.End.After(at) {
			n++
		}
	}
	return n
}

// soldAgain is how long after a moment another server first answered a placing on a run with an order, or that there is
// no seat left. The placing began after that moment. Not ok when there was none until an end.
func soldAgain(calls []history.Call, run rail.RunID, except string, from, to time.Time) (after time.Duration, ok bool) {
	for _, c := range calls { // in the order in which answers came
		if c.Run == run && c.Kind == history.Place && c.Server != except && c.Start.After(from) && c.End.Before(to) &&
			(c.Outcome == history.Done || c.Code == "SOLD_OUT") {
			return c.End.Sub(from), true
		}
	}
	return to.Sub(from), false
}
