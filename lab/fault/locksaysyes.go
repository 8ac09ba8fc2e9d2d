package fault

import (
	"context"
	"time"
)

// lockSaysYes lets four servers sell the same runs, each with a lock of its own that always says yes. What they keep each
// other from selling twice shows in the compare-and-sets that they lose.
func lockSaysYes() Fault {
	const lost = "interlock_ledger_compare_and_sets_lost_total"
	return Fault{
		Name: "lock_says_yes", Area: lockArea, Shape: Shape{Servers: 4, LockNodes: 3, LocksApart: true}, Lasts: 6 * time.Second,
		// A commit that takes a second fails everybody who waits for its row at the three other servers, once.
		Judged: 3 * judged,
		Inject: func(ctx context.Context, s *Scene) (Heal, error) {
			before, begun := s.sum(ctx, lost), time.Now()
			return func(ctx context.Context) (Injected, error) {
				n := s.sum(ctx, lost) - before
				return Injected{Fired: n > 0, Facts: map[string]any{
					"compare_and_sets_lost": n, "placed_meanwhile": s.Workload.Placed(begun, ""),
				}}, nil
			}, nil
		},
	}
}
