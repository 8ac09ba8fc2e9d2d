package fault

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"interlock/internal/pause"
	"interlock/internal/servers"
)

// supervised is a cluster that replaces its primary by itself.
var supervised = Shape{Servers: 2, LockNodes: 3, Supervisors: 2}

const (
	// failoverLast is until a dead primary comes back: by then another one has taken its place.
	failoverLast = 12 * time.Second
	// resumeWithin is when buying goes on.
	resumeWithin = 10 * time.Second
	// noPrimaryYet is why Redis may be late where the supervisor takes over only after the healing.
	noPrimaryYet = "there is no primary to be up to date with until the supervisor has taken over"
)

// bury deletes a dead primary's data with an odd seed: all that was answered has to be elsewhere, and it stays away.
// With an even one it comes back, and joins.
func (s *Scene) bury(dead *servers.SQLServer) (deleted bool, err error) {
	if s.Seed%2 == 0 {
		return false, nil
	}
	s.deleted = append(s.deleted, dead)
	return true, errors.Join(dead.Kill(), os.RemoveAll(dead.DataFolder()))
}

// primaryKilled kills the primary while a commit waits for its replica. The supervisor takes over.
func primaryKilled() Fault {
	return Fault{
		Name: "primary_killed", Area: replicationArea, Shape: supervised, Lasts: failoverLast, Spoils: true,
		Inject: func(ctx context.Context, s *Scene) (Heal, error) { return s.killPrimary(ctx, func() {}) },
	}
}

// killPrimary kills the primary while a commit waits, and calls then as soon as it is gone.
func (s *Scene) killPrimary(ctx context.Context, then func()) (Heal, error) {
	victim, err := primaryOf(ctx, s.Cluster)
	if err != nil {
		return nil, err
	}
	waiting, killed, err := whileCommitting(ctx, victim, victim.Kill)
	if err != nil {
		return nil, err
	}
	gone := time.Now()
	then()
	deleted, err := s.bury(victim)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) (Injected, error) {
		proof := s.tookOver(ctx, victim, killed, gone)
		proof.Fired = proof.Fired && waiting > 0
		proof.Facts["commits_waiting"], proof.Facts["data_deleted"] = waiting, deleted
		if deleted {
			return proof, nil
		}
		return proof, victim.Start(ctx)
	}, nil
}

// primaryRestarted kills the primary while a commit waits, and starts it again before the supervisor has taken over,
// which is held up meanwhile. The primary comes back read-only and may show what no replica has. Nothing may be sold on
// it until it is opened. With an odd seed it dies again before that, and its data is deleted.
func primaryRestarted() Fault {
	return Fault{
		Name: "primary_restarted_before_failover", Area: replicationArea, Shape: supervised, Lasts: 8 * time.Second,
		Spoils: true,
		Inject: func(ctx context.Context, s *Scene) (_ Heal, err error) {
			victim, err := primaryOf(ctx, s.Cluster)
			if err != nil {
				return nil, err
			}
			if err := s.signalSupervisors(syscall.SIGSTOP); err != nil {
				return nil, errors.Join(err, s.signalSupervisors(syscall.SIGCONT))
			}
			waiting, killed, err := whileCommitting(ctx, victim, victim.Kill)
			gone := time.Now()
			err = errors.Join(err, victim.Start(ctx))
			back := time.Now()
			readOnly, asking := ask(ctx, victim, "SELECT @@GLOBAL.super_read_only")
			_, none := primaryOf(ctx, s.Cluster)
			deleted, burying := s.bury(victim)
			thawed := time.Now()
			if err := errors.Join(err, asking, burying, s.signalSupervisors(syscall.SIGCONT)); err != nil {
				return nil, err
			}
			s.Alone(gone, thawed)
			return func(ctx context.Context) (Injected, error) {
				proof := s.resumed(ctx, killed, thawed)
				proof.Fired = proof.Fired && waiting > 0 && none != nil
				proof.Facts["commits_waiting"], proof.Facts["data_deleted"] = waiting, deleted
				proof.Facts["back_after_seconds"] = back.Sub(killed).Seconds()
				proof.Facts["back_read_only"] = readOnly == "1"
				proof.Facts["nobody_was_primary"] = fmt.Sprint(none)
				if readOnly != "1" {
					proof.Unsafe = append(proof.Unsafe, "it came back writable")
				}
				return proof, nil
			}, nil
		},
	}
}

// signalSupervisors sends a signal to every supervisor.
func (s *Scene) signalSupervisors(sig syscall.Signal) error {
	var errs []error
	for _, g := range s.Cluster.Supervisors() {
		errs = append(errs, g.Signal(sig))
	}
	return errors.Join(errs...)
}

// readOnly makes the primary read-only in the middle of the sale, as a person may. The supervisor opens it again, or
// another one.
func readOnly() Fault {
	return Fault{
		Name: "read_only_in_a_sale", Area: replicationArea, Shape: supervised, Lasts: failoverLast, Spoils: true,
		Inject: func(ctx context.Context, s *Scene) (Heal, error) {
			victim, err := primaryOf(ctx, s.Cluster)
			if err != nil {
				return nil, err
			}
			before, err := epochOf(ctx, victim)
			if err != nil {
				return nil, err
			}
			begun := time.Now()
			if err := execute(ctx, victim, "SET GLOBAL super_read_only = ON"); err != nil {
				return nil, err
			}
			return func(ctx context.Context) (Injected, error) {
				proof := s.resumed(ctx, begun, begun)
				now, err := primaryOf(ctx, s.Cluster)
				if err != nil {
					return proof, nil // told already
				}
				after, err := epochOf(ctx, now)
				// Nothing is sold on a member that is read-only, and only the supervisor opens one.
				proof.Fired = proof.Fired && after > before
				proof.Facts["epoch_before"], proof.Facts["epoch_after"] = before, after
				return proof, err
			}, nil
		},
	}
}

const (
	// shutdownSaid is how MySQL says that it was asked to end.
	shutdownSaid = "Received SHUTDOWN"
	// endLimit is how long it may take to end once its replicas hear it again.
	endLimit = 10 * time.Second
)

// primaryTerminatedAlone ends the primary in order while no replica is there: it answers the commits that wait OK, and
// no other member has them. Then the replicas are back, and the supervisor takes over.
func primaryTerminatedAlone() Fault {
	return Fault{
		Name: "primary_terminated_while_replicas_are_stopped", Area: replicationArea, Shape: supervised,
		Lasts: 3 * time.Second, Spoils: true, RedisLate: resumeWithin, RedisWhy: noPrimaryYet,
		Inject: func(ctx context.Context, s *Scene) (Heal, error) {
			t := &termination{Scene: s}
			if err := t.inject(ctx); err != nil {
				return nil, errors.Join(err, t.startReplicas(ctx))
			}
			return t.heal, nil
		},
	}
}

// termination is the orderly end of a primary whose replicas are stopped.
type termination struct {
	*Scene
	victim   *servers.SQLServer
	replicas []*servers.SQLServer
	// aloneSince is when the last replica was gone, ending when the primary was told to end.
	aloneSince, ending time.Time
	// waiting is how many commits waited then. told is what the primary says to a client that believes its OK.
	waiting int
	told    <-chan error
}

func (t *termination) inject(ctx context.Context) (err error) {
	const aloneFor = 1500 * time.Millisecond
	if t.victim, err = primaryOf(ctx, t.Cluster); err != nil {
		return err
	}
	for _, m := range t.Cluster.Members().Servers {
		if m == t.victim {
			continue
		}
		t.replicas = append(t.replicas, m)
		if err := m.Kill(); err != nil {
			return err
		}
	}
	t.aloneSince = time.Now()
	if t.told, err = t.commitOn(ctx, t.victim, "alone"); err != nil {
		return err
	}
	pause.For(ctx, aloneFor) // until commits wait
	t.waiting, t.ending, err = whileCommitting(ctx, t.victim, func() error { return t.victim.Signal(syscall.SIGTERM) })
	return err
}

func (t *termination) heal(ctx context.Context) (Injected, error) {
	to := time.Now()
	t.Alone(t.aloneSince, to)
	under, gone := underway(t.Workload.Log().Calls(), "", t.ending), ended(t.victim)
	said, err := lastSaid(t.victim, shutdownSaid)
	deleted, burying := t.bury(t.victim)
	believer := t.believerWasTold()
	facts := map[string]any{
		"calls_under_way": under, "commits_waiting": t.waiting, "mysql_said": said, "primary_ended": gone,
		"who_believes_ok_was_told": believer, "data_deleted": deleted, "alone_seconds": to.Sub(t.aloneSince).Seconds(),
	}
	err = errors.Join(err, burying, t.startReplicas(ctx))
	back := time.Now()
	t.later = append(t.later, func(ctx context.Context) []string { return t.goesOn(ctx, facts, t.ending, back) })
	if !deleted {
		err = errors.Join(err, t.awaitEnd())
		facts["ended_after_seconds"] = time.Since(t.ending).Seconds()
		err = errors.Join(err, t.victim.Start(ctx))
	}
	fired := under > 0 && t.waiting > 0 && said != "" && believer == "OK"
	return Injected{Fired: fired, Facts: facts}, err
}

// believerWasTold is what the primary has said so far to the client that believes it.
func (t *termination) believerWasTold() string {
	select {
	case err := <-t.told:
		return saidOf(err)
	default:
		return "nothing"
	}
}

func (t *termination) startReplicas(ctx context.Context) error {
	var errs []error
	for _, m := range t.replicas {
		errs = append(errs, m.Start(ctx))
	}
	return errors.Join(errs...)
}

// awaitEnd waits until the primary has ended, and kills it where that takes too long.
func (t *termination) awaitEnd() error {
	select {
	case <-t.victim.Done():
		return nil
	case <-time.After(endLimit):
		return t.victim.Kill()
	}
}

// primaryAndReplicaKilled leaves one member of three: the supervisor has to refuse, since the dead replica may have
// what the living one has not. Once the replica is back the supervisor takes over.
func primaryAndReplicaKilled() Fault {
	return Fault{
		Name: "primary_and_replica_killed", Area: replicationArea, Shape: supervised, Lasts: 6 * time.Second,
		Spoils:    true,
		RedisLate: resumeWithin, RedisWhy: noPrimaryYet,
		Inject: func(ctx context.Context, s *Scene) (Heal, error) {
			victim, err := primaryOf(ctx, s.Cluster)
			if err != nil {
				return nil, err
			}
			members := s.Cluster.Members().Servers
			replica := members[(slices.Index(members, victim)+1)%len(members)]
			if err := replica.Kill(); err != nil {
				return nil, err
			}
			waiting, killed, err := whileCommitting(ctx, victim, victim.Kill)
			if err != nil {
				return nil, errors.Join(err, replica.Start(ctx))
			}
			gone := time.Now()
			deleted, err := s.bury(victim)
			if err != nil {
				return nil, errors.Join(err, replica.Start(ctx))
			}
			return func(ctx context.Context) (Injected, error) {
				under, placed := underway(s.Workload.Log().Calls(), "", killed), s.Workload.Placed(gone, "")
				s.Alone(gone, time.Now())
				refusal, err := s.refusal(killed)
				proof := Injected{Fired: under > 0 && waiting > 0 && refusal != "", Facts: map[string]any{
					"calls_under_way": under, "commits_waiting": waiting, "placed_meanwhile": placed,
					"data_deleted":       deleted,
					"supervisor_refused": refusal,
				}}
				if placed > 0 {
					proof.Unsafe = append(proof.Unsafe, "orders were sold by one member of three")
				}
				if !strings.Contains(refusal, "only 1 of 3 members answer") {
					proof.Broken = append(proof.Broken, "the supervisor did not refuse for want of a majority")
				}
				err = errors.Join(err, replica.Start(ctx))
				back := time.Now()
				s.later = append(s.later,
					func(ctx context.Context) []string { return s.goesOn(ctx, proof.Facts, killed, back) })
				if !deleted {
					err = errors.Join(err, victim.Start(ctx))
				}
				return proof, err
			}, nil
		},
	}
}
