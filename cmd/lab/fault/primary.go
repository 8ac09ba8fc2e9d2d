package fault

import (
	"context"
	"errors"
	"os"
	"slices"
	"syscall"
	"time"

	"interlock/cmd/lab/fault/history"
	"interlock/cmd/lab/servers"
)

// guarded is a cluster that replaces its primary by itself.
var guarded = Shape{Servers: 2, LockNodes: 3, Guards: 2}

const (
	// failoverLast is until a dead primary comes back: by then another one has taken its place.
	failoverLast = 12 * time.Second
	// resumeWithin is when buying goes on.
	resumeWithin = 10 * time.Second
)

// primaryKilled kills the primary in the middle of the sale. Guard takes over. With an odd seed its data is deleted, and it
// stays away; else it comes back, and joins.
func primaryKilled() Fault {
	return Fault{
		Name: "primary_killed", Area: replicationArea, Shape: guarded, Lasts: failoverLast, Spoils: true,
		Inject: func(ctx context.Context, s *Scene) (Heal, error) {
			victim, err := primaryOf(ctx, s.Cluster)
			if err != nil {
				return nil, err
			}
			killed := time.Now()
			if err := victim.Kill(); err != nil {
				return nil, err
			}
			deleted := s.Seed%2 == 1
			if deleted {
				if err := os.RemoveAll(victim.DataFolder()); err != nil {
					return nil, err
				}
			}
			return func(ctx context.Context) (Injected, error) {
				proof := s.tookOver(ctx, victim, killed)
				proof.Facts["data_deleted"] = deleted
				if deleted {
					return proof, nil
				}
				return proof, victim.Start(ctx)
			}, nil
		},
	}
}

// primaryFrozen freezes the primary until another has taken its place, and thaws it then without anybody fencing it: what
// it still has to say must be nobody's answer.
func primaryFrozen() Fault {
	return Fault{
		Name: "primary_frozen_and_thawed", Area: replicationArea, Shape: guarded, Lasts: failoverLast, Spoils: true,
		Inject: func(ctx context.Context, s *Scene) (Heal, error) {
			victim, err := primaryOf(ctx, s.Cluster)
			if err != nil {
				return nil, err
			}
			frozen := time.Now()
			if err := victim.Signal(syscall.SIGSTOP); err != nil {
				return nil, err
			}
			return func(ctx context.Context) (Injected, error) {
				proof := s.tookOver(ctx, victim, frozen)
				return proof, victim.Signal(syscall.SIGCONT)
			}, nil
		},
	}
}

// primaryRestarted kills the primary and starts it at once, before anybody has taken over: it comes back read-only, and may
// show what no replica has.
func primaryRestarted() Fault {
	return Fault{
		Name: "primary_restarted_before_failover", Area: replicationArea, Shape: guarded, Lasts: failoverLast, Spoils: true,
		Inject: func(ctx context.Context, s *Scene) (Heal, error) {
			victim, err := primaryOf(ctx, s.Cluster)
			if err != nil {
				return nil, err
			}
			killed := time.Now()
			if err := errors.Join(victim.Kill(), victim.Start(ctx)); err != nil {
				return nil, err
			}
			back := time.Since(killed)
			return func(ctx context.Context) (Injected, error) {
				proof := s.resumed(ctx, killed)
				proof.Facts["back_after_seconds"] = back.Seconds()
				return proof, nil
			}, nil
		},
	}
}

// readOnly makes the primary read-only in the middle of the sale, as a person may.
func readOnly() Fault {
	return Fault{
		Name: "read_only_in_a_sale", Area: replicationArea, Shape: guarded, Lasts: failoverLast, Spoils: true,
		Inject: func(ctx context.Context, s *Scene) (Heal, error) {
			victim, err := primaryOf(ctx, s.Cluster)
			if err != nil {
				return nil, err
			}
			begun := time.Now()
			if err := execute(ctx, victim, "SET GLOBAL super_read_only = ON"); err != nil {
				return nil, err
			}
			return func(ctx context.Context) (Injected, error) { return s.resumed(ctx, begun), nil }, nil
		},
	}
}

// primaryTerminatedAlone ends the primary in order while no replica hears it: it answers the commits that wait OK, and
// nobody has them. Then the replicas are back.
func primaryTerminatedAlone() Fault {
	const aloneFor = 1500 * time.Millisecond
	return Fault{
		Name: "primary_terminated_while_replicas_are_stopped", Area: replicationArea, Shape: guarded, Lasts: 3 * time.Second, Spoils: true,
		Inject: func(ctx context.Context, s *Scene) (Heal, error) {
			victim, err := primaryOf(ctx, s.Cluster)
			if err != nil {
				return nil, err
			}
			var frozen []*servers.SQLServer
			thaw := func() error {
				var errs []error
				for _, m := range frozen {
					errs = append(errs, m.Signal(syscall.SIGCONT))
				}
				return errors.Join(errs...)
			}
			for _, m := range s.Cluster.Members().Servers {
				if m == victim {
					continue
				}
				if err := m.Signal(syscall.SIGSTOP); err != nil {
					return nil, errors.Join(err, thaw())
				}
				frozen = append(frozen, m)
			}
			from := time.Now()
			wait(ctx, aloneFor) // until commits wait
			ending := time.Now()
			if err := victim.Signal(syscall.SIGTERM); err != nil {
				return nil, errors.Join(err, thaw())
			}
			return func(context.Context) (Injected, error) {
				to := time.Now()
				s.Alone(from, to)
				under := underway(s.Room.Log().Calls(), "", ending)
				return Injected{Fired: under > 0, Facts: map[string]any{
					"calls_under_way": under, "primary_ended": ended(victim), "alone_seconds": to.Sub(from).Seconds(),
				}}, thaw()
			}, nil
		},
	}
}

// primaryAndReplicaKilled leaves one member of three: guard has to refuse, since the dead replica may have what the living
// one has not. Once both are started again, all goes on.
func primaryAndReplicaKilled() Fault {
	return Fault{
		Name: "primary_and_replica_killed", Area: replicationArea, Shape: guarded, Lasts: 6 * time.Second, Spoils: true,
		Inject: func(ctx context.Context, s *Scene) (Heal, error) {
			victim, err := primaryOf(ctx, s.Cluster)
			if err != nil {
				return nil, err
			}
			members := s.Cluster.Members().Servers
			replica := members[(slices.Index(members, victim)+1)%len(members)]
			killed := time.Now()
			if err := errors.Join(replica.Kill(), victim.Kill()); err != nil {
				return nil, err
			}
			gone := time.Now()
			return func(ctx context.Context) (Injected, error) {
				under, placed := underway(s.Room.Log().Calls(), "", killed), s.Room.Placed(gone, "")
				proof := Injected{Fired: under > 0, Facts: map[string]any{"calls_under_way": under, "placed_meanwhile": placed}}
				if placed > 0 {
					proof.Broken = append(proof.Broken, "orders were sold by one member of three")
				}
				return proof, errors.Join(replica.Start(ctx), victim.Start(ctx))
			}, nil
		},
	}
}

// sameKeyAcrossFailover lets ten hands use one key at once while the primary dies.
func sameKeyAcrossFailover() Fault {
	f := together([]Fault{sameKey(), primaryKilled()})
	f.Name, f.Area, f.Shape, f.Spoils = "same_key_across_a_failover", buyersArea, guarded, true
	return f
}

// tookOver is the proof that another member is the primary now, and that buying went on in time.
func (s *Scene) tookOver(ctx context.Context, victim *servers.SQLServer, since time.Time) Injected {
	proof := s.resumed(ctx, since)
	now, err := primaryOf(ctx, s.Cluster)
	switch {
	case err != nil: // told already
	case now == victim:
		proof.Fired = false
	default:
		proof.Facts["primary_was"], proof.Facts["primary_is"] = victim.Addr(), now.Addr()
	}
	return proof
}

// resumed is the proof that something happened to a primary that was being sold on, that there is one again, and that
// buying went on in time.
func (s *Scene) resumed(ctx context.Context, since time.Time) Injected {
	calls := s.Room.Log().Calls()
	under := underway(calls, "", since)
	proof := Injected{Fired: under > 0, Facts: map[string]any{"calls_under_way": under}}
	if _, err := primaryOf(ctx, s.Cluster); err != nil {
		proof.Broken = append(proof.Broken, "there is no primary: "+err.Error())
	}
	searches, failed := 0, 0
	resumed := time.Duration(0)
	for _, c := range calls { // in the order in which answers came
		switch {
		case c.Start.Before(since):
		case c.Kind == history.Search:
			searches++
			if c.Outcome != history.Done {
				failed++
			}
		case c.Kind == history.Place && c.Outcome == history.Done && resumed == 0:
			resumed = c.End.Sub(since)
		}
	}
	proof.Facts["resumed_after_seconds"] = resumed.Seconds()
	proof.Facts["searches"], proof.Facts["searches_failed"] = searches, failed
	if resumed == 0 || resumed > resumeWithin {
		proof.Broken = append(proof.Broken, "buying did not go on within "+resumeWithin.String())
	}
	if searches == 0 || failed > 0 {
		proof.Broken = append(proof.Broken, "searching stopped")
	}
	return proof
}
