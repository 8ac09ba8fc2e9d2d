package fault

import (
	"context"
	"errors"
	"syscall"
	"time"

	"interlock/internal/servers"
	"interlock/lab/fault/history"
)

// replicaKilled kills one of the replicas: the other one acknowledges.
func replicaKilled() Fault {
	return Fault{
		Name: "replica_killed", Area: replicationArea, Shape: ordinary, Lasts: 4 * time.Second,
		Inject: func(_ context.Context, s *Scene) (Heal, error) {
			victim := s.Cluster.Replicas[s.Random.IntN(len(s.Cluster.Replicas))]
			if err := victim.Kill(); err != nil {
				return nil, err
			}
			killed := time.Now()
			return func(ctx context.Context) (Injected, error) {
				placed := s.Workload.Placed(killed, "")
				proof := Injected{Fired: ended(victim), Facts: map[string]any{"placed_meanwhile": placed}}
				if placed == 0 {
					proof.Broken = append(proof.Broken, "nothing was sold while one replica was away")
				}
				return proof, victim.Start(ctx)
			}, nil
		},
	}
}

// replicasStopped takes all replicas away, killed or frozen as the seed says. Nothing may be acknowledged until one is
// back. Then every buyer learns the outcome.
func replicasStopped() Fault {
	return Fault{
		Name: "all_replicas_stopped", Area: replicationArea, Shape: ordinary, Lasts: 5 * time.Second,
		Inject: func(ctx context.Context, s *Scene) (Heal, error) {
			killed := s.Random.IntN(2) == 0
			away, back := func(m *servers.SQLServer) error { return m.Freeze(ctx) },
				func(_ context.Context, m *servers.SQLServer) error { return m.Signal(syscall.SIGCONT) }
			if killed {
				away, back = (*servers.SQLServer).Kill,
					func(ctx context.Context, m *servers.SQLServer) error { return m.Start(ctx) }
			}
			giveBack := func(ctx context.Context) error {
				var errs []error
				for _, m := range s.Cluster.Replicas {
					errs = append(errs, back(ctx, m))
				}
				return errors.Join(errs...)
			}
			for _, m := range s.Cluster.Replicas {
				if err := away(m); err != nil {
					return nil, errors.Join(err, giveBack(ctx))
				}
			}
			from := time.Now()
			return func(ctx context.Context) (Injected, error) {
				to := time.Now()
				s.Alone(from, to)
				pending := told(s.Workload.Log().Calls(), history.Pending, "", from)
				return Injected{Fired: pending > 0, Facts: map[string]any{
					"killed": killed, "told_pending": pending, "alone_seconds": to.Sub(from).Seconds(),
				}}, giveBack(ctx)
			}, nil
		},
	}
}

func ended(m *servers.SQLServer) bool {
	select {
	case <-m.Done():
		return true
	default:
		return false
	}
}
