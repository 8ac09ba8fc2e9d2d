package fault

import (
	"context"
	"time"
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
				under, placed := underway(s.Workload.Log().Calls(), victim.Addr(), killed), s.Workload.Placed(killed, victim.Addr())
				proof := Injected{Fired: under > 0, Facts: map[string]any{"calls_under_way": under, "placed_by_others": placed}}
				if placed == 0 {
					proof.Broken = append(proof.Broken, "the other servers sold nothing meanwhile")
				}
				return proof, victim.Start(ctx)
			}, nil
		},
	}
}
