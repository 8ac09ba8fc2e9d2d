package fault

import (
	"context"
	"errors"
	"syscall"
	"time"

	"interlock/internal/pause"
	"interlock/internal/servers"
)

const (
	// straightLimit is how long an answer to a commit on a thawed primary is waited for. A replica's takes
	// milliseconds.
	straightLimit = 2 * time.Second
	// shutWithin is when supervisors must have shut it.
	shutWithin = 10 * time.Second
)

// primaryFrozen freezes the primary until another has taken its place. Then it thaws the old one while no supervisor
// can fence it: no client may be answered what is committed on it.
func primaryFrozen() Fault {
	return Fault{
		Name: "primary_frozen_and_thawed", Area: replicationArea, Shape: supervised, Lasts: failoverLast, Spoils: true,
		Inject: func(ctx context.Context, s *Scene) (Heal, error) {
			victim, err := primaryOf(ctx, s.Cluster)
			if err != nil {
				return nil, err
			}
			freezing := time.Now()
			if err := victim.Freeze(ctx); err != nil {
				return nil, err
			}
			frozen := time.Now()
			asked := s.askNow(ctx)
			return func(ctx context.Context) (Injected, error) {
				proof := s.tookOver(ctx, victim, freezing, frozen)
				err := s.thawUnfenced(ctx, victim, &proof)
				deleted, burying := s.bury(victim)
				proof.Facts["data_deleted"] = deleted
				select {
				case asking := <-asked:
					err = errors.Join(err, asking)
				case <-ctx.Done():
				}
				return proof, errors.Join(err, burying)
			}, nil
		},
	}
}

// askNow lets a new client ask every server for a seat: while the primary is frozen, all other clients wait for their
// answers. The error comes once the outcome is known.
func (s *Scene) askNow(ctx context.Context) <-chan error {
	done, stream := make(chan error, 1), s.Random.Uint64()
	go func() {
		done <- s.Workload.Together(context.WithoutCancel(ctx), "latecomer", len(s.Cluster.Servers()), stream)
	}()
	return done
}

// thawUnfenced thaws an old primary while the supervisors are frozen, commits on it, and lets the supervisors go on.
// The fault has taken place only if the old primary was writable, let that commit wait, and was shut then.
func (s *Scene) thawUnfenced(ctx context.Context, victim *servers.SQLServer, proof *Injected) error {
	err := s.signalSupervisors(syscall.SIGSTOP)
	thawed := time.Now()
	err = errors.Join(err, victim.Signal(syscall.SIGCONT))
	if err == nil {
		err = s.commitStraight(ctx, victim, proof)
	}
	placed := s.Workload.Placed(thawed, "")
	freed := time.Now()
	if err := errors.Join(err, s.signalSupervisors(syscall.SIGCONT)); err != nil {
		return err
	}
	shut := false
	for !shut && time.Since(freed) < shutWithin && ctx.Err() == nil {
		// It ends when it is copied anew, which happens only to a member that is shut.
		said, err := ask(ctx, victim, "SELECT @@GLOBAL.read_only")
		if shut = err == nil && said == "1"; !shut {
			pause.For(ctx, derivedPoll)
		}
	}
	proof.Facts["placed_beside_it"], proof.Facts["shut_after_seconds"] = placed, time.Since(freed).Seconds()
	proof.Facts["shut"], proof.Fired = shut, proof.Fired && shut
	if placed == 0 {
		proof.Broken = append(proof.Broken, "nothing was sold while the old primary was writable beside the new one")
	}
	return nil
}

// commitStraight writes into the ledger on an old primary, as a server would that takes it for the primary still.
func (s *Scene) commitStraight(ctx context.Context, victim *servers.SQLServer, proof *Injected) error {
	readOnly, err := ask(ctx, victim, "SELECT @@GLOBAL.read_only")
	if err != nil {
		return err
	}
	limited, cancel := context.WithTimeout(ctx, straightLimit)
	defer cancel()
	told, err := s.commitOn(limited, victim, "thawed")
	if err != nil {
		return err
	}
	said := <-told
	proof.Facts["thawed_writable"], proof.Facts["commit_on_it"] = readOnly == "0", saidOf(said)
	proof.Fired = proof.Fired && readOnly == "0" && errors.Is(said, context.DeadlineExceeded)
	if said == nil {
		proof.Unsafe = append(proof.Unsafe, "the old primary answered a commit that no replica has")
	}
	return nil
}
