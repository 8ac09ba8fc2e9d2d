package failover

import (
	"context"
	"fmt"
	"strings"

	"interlock/services/rail"
)

// Opening is what came of making a member writable.
type Opening struct {
	// Primary is the member, Epoch the cluster's now.
	Primary string `json:"primary"`
	Epoch   int64  `json:"epoch"`
	// Already tells that it was open before, and nothing was changed.
	Already bool `json:"already_open,omitempty"`
	// Left are the members that do not count any more: they did not answer.
	Left []string `json:"left,omitempty"`
	// Loss tells that one of them may have held acknowledged orders, and that a person accepted it. Versions have
	// jumped, and Redis has to be rebuilt.
	Loss bool `json:"loss_accepted,omitempty"`
}

// chooseAndOpen makes one member writable. It is for a cluster without a writable member that answers.
func (a *attempt) chooseAndOpen(ctx context.Context, how OpenOptions) (Opening, error) {
	members, err := a.look(ctx)
	if err != nil {
		return Opening{}, err
	}
	for _, m := range members {
		if m.Answers() && !m.ReadOnly {
			return Opening{}, rail.Refuse(rail.WrongState, "%s is writable: a second primary would be opened beside it",
				m.Name)
		}
	}
	stopped, err := a.stopReceivers(ctx, members)
	if err != nil {
		return Opening{}, err
	}
	c, err := a.choose(ctx, how)
	if err != nil {
		a.startAgain(ctx, stopped)
		return Opening{}, err
	}
	return a.open(ctx, c)
}

// stopReceivers stops the receivers of all members that answer. From then on no primary gets another acknowledgement
// from any of them. It returns those that ran.
func (a *attempt) stopReceivers(ctx context.Context, members []Member) (stopped []int, err error) {
	for i, m := range members {
		if m.Answers() && m.Receiver != nil && m.Receiver.State != receiverOff {
			stopped = append(stopped, i)
		}
	}
	err = a.each(func(i int, s *session) error {
		if members[i].Receiver == nil {
			return nil
		}
		return s.exec(ctx, stopTimeout, "STOP REPLICA IO_THREAD")
	})
	if err == nil {
		a.sup.log.Info("the receivers are stopped", "members", len(stopped))
	}
	return stopped, err
}

// startAgain lets receivers go on after a refusal, so that nothing has changed.
func (a *attempt) startAgain(ctx context.Context, stopped []int) {
	for _, i := range stopped {
		if err := a.sessions[i].exec(ctx, statementTimeout, "START REPLICA IO_THREAD"); err != nil {
			a.sup.log.Warn("a receiver could not be started again", "member", a.sessions[i].name, "error", err)
		}
	}
}

// opening is a candidate on its way to being the primary.
type opening struct {
	a *attempt
	c *candidate
	s *session // the candidate's
	// members are how all were found before the first step, epoch the one that the barrier commit writes.
	members []Member
	epoch   int64
}

// open makes the candidate writable, in the one order in which nothing can be answered that no replica has. It may end
// behind every step: the next attempt then goes on from there.
func (a *attempt) open(ctx context.Context, c *candidate) (Opening, error) {
	members, err := a.look(ctx)
	if err != nil {
		return Opening{}, err
	}
	o := &opening{
		a: a, c: c, s: a.sessions[c.index], members: members, epoch: max(c.record.Epoch, lastRecord(members).Epoch) + 1,
	}
	for _, step := range []func(context.Context) error{
		a.confirm,
		o.standAlone,
		o.moveReplicas,
		o.awaitFollower,
		o.switchSourceOn,
		o.admitAdministrators,
		o.prepare,
		o.jumpVersions,
		a.confirm,
		o.commitBarrier,
		o.cutOff,
		o.goOnline,
		a.confirm,
		o.admitEverybody,
	} {
		if err := step(ctx); err != nil {
			return Opening{}, err
		}
	}
	return Opening{Primary: o.s.name, Epoch: o.epoch, Left: c.left, Loss: c.loss}, nil
}

// standAlone makes the candidate one that follows no member and has its source side off.
func (o *opening) standAlone(ctx context.Context) error {
	// A commit that still waits there is a supervisor's own, of an attempt that has ended: all others were kept out.
	for _, statement := range []string{
		"SET GLOBAL rpl_semi_sync_source_enabled = OFF",
		"SET GLOBAL super_read_only = ON",
	} {
		if err := o.s.exec(ctx, stopTimeout, statement); err != nil {
			return err
		}
	}
	if o.members[o.c.index].Receiver == nil {
		return nil
	}
	return o.s.forget(ctx)
}

// moveReplicas has the replicas follow the candidate. One that cannot be moved is looked after later: one that can is
// enough.
func (o *opening) moveReplicas(ctx context.Context) error {
	for _, i := range o.c.replicas {
		if err := o.a.follow(ctx, i, o.c.index); err != nil {
			if ctx.Err() != nil {
				return err
			}
			o.a.sup.log.Warn("a replica does not follow the new primary", "member", o.members[i].Name, "error", err)
		}
	}
	return nil
}

// awaitFollower returns once a replica is connected to the candidate.
func (o *opening) awaitFollower(ctx context.Context) error {
	return await(ctx, followTimeout, func() (bool, string, error) {
		members, err := o.a.look(ctx)
		if err != nil {
			return false, "", err
		}
		states := []string{}
		for _, i := range o.c.replicas {
			m := &members[i]
			if m.Follows(&members[o.c.index]) {
				return true, "", nil
			}
			if m.Receiver != nil {
				states = append(states, m.Name+" "+m.Receiver.State+" "+m.Receiver.Error)
			}
		}
		return false, "no replica connects to " + members[o.c.index].Name + ": " + strings.Join(states, ", "), nil
	})
}

// switchSourceOn has the candidate's commits wait for a replica from here on, and returns once one would be heard.
func (o *opening) switchSourceOn(ctx context.Context) error {
	if err := o.s.exec(ctx, statementTimeout, "SET GLOBAL rpl_semi_sync_source_enabled = ON"); err != nil {
		return err
	}
	err := await(ctx, followTimeout, func() (bool, string, error) {
		m, err := o.a.read(ctx, o.s)
		state := fmt.Sprintf("semi-synchronous replication does not begin on %s: %d replicas connected",
			o.s.name, m.Source.Clients)
		return m.Source.Enabled && m.Source.Active && m.Source.Clients >= 1, state, err
	})
	if err == nil {
		o.a.sup.log.Info("replicas are connected and the source side is on", "member", o.s.name)
	}
	return err
}

// admitAdministrators lets administrators write, and no others.
func (o *opening) admitAdministrators(ctx context.Context) error {
	return o.s.exec(ctx, statementTimeout, "SET GLOBAL super_read_only = OFF")
}

// prepare makes the ledger's tables where a member is opened for the first time.
func (o *opening) prepare(ctx context.Context) error {
	if o.c.record.prepared {
		return nil
	}
	if o.a.sup.options.Prepare == nil {
		return rail.Refuse(rail.WrongState, "%s has no table for the cluster's epoch, and nobody makes it", o.s.name)
	}
	// A migration that is broken off cannot go on: it is finished even if the attempt ends meanwhile.
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), prepareTimeout)
	defer cancel()
	if err := o.a.sup.options.Prepare(limited, o.s.dsn); err != nil {
		return fmt.Errorf("the supervisor: making the ledger's tables on %s: %w", o.s.name, err)
	}
	return nil
}

// jumpVersions raises all versions where orders may be lost. It comes before the barrier, which records that the lost
// members do not count. An attempt that ends in between is refused again: no later one opens a member with versions
// that have meant something else.
func (o *opening) jumpVersions(ctx context.Context) error {
	if !o.c.loss {
		return nil
	}
	if err := o.a.confirm(ctx); err != nil {
		return err
	}
	if err := o.a.sup.options.JumpVersions(ctx, o.s.dsn); err != nil {
		return fmt.Errorf("the supervisor: raising the versions: %w", err)
	}
	return nil
}

// commitBarrier writes the new epoch, and which members count from here on. Once a replica has acknowledged that, it
// has everything that came before.
func (o *opening) commitBarrier(ctx context.Context) error {
	c, sup := o.c, o.a.sup
	var joining []*Member
	for _, i := range c.joining {
		joining = append(joining, &o.members[i])
	}
	changes := sup.opened(o.epoch, &o.members[c.index], o.members, &c.record, joining...)
	as := Left
	if c.loss {
		as = Lost
	}
	reason := "it did not answer when " + o.s.name + " took over"
	for _, name := range c.left {
		changes = append(changes, sup.listed(name, as, c.record.servers[name], "failover", reason))
	}
	if err := o.a.commit(ctx, o.s, changes...); err != nil {
		return err
	}
	sup.log.Info("the barrier commit is acknowledged", "member", o.s.name, "epoch", o.epoch)
	return nil
}

// cutOff has every replica of another member forget its source, also over a restart. Otherwise it would acknowledge the
// commits of an old primary that lives. It loses what it has received and not applied. The candidate has that, and so
// has the replica that acknowledged the barrier commit.
func (o *opening) cutOff(ctx context.Context) error {
	members, err := o.a.look(ctx)
	if err != nil {
		return err
	}
	p := &members[o.c.index]
	return o.a.each(func(i int, s *session) error {
		m := &members[i]
		if i == o.c.index || !m.Answers() || m.Receiver == nil || m.Receiver.Source == p.Name || m.Follows(p) {
			return nil
		}
		o.a.sup.log.Warn("a replica could not be moved: it is to join anew",
			"member", m.Name, "followed", m.Receiver.Source)
		return s.forget(ctx)
	})
}

// goOnline lets servers connect. They can only read yet.
func (o *opening) goOnline(ctx context.Context) error {
	return o.s.exec(ctx, statementTimeout, "SET GLOBAL offline_mode = OFF")
}

// admitEverybody is the last step: servers may write.
func (o *opening) admitEverybody(ctx context.Context) error {
	if err := o.s.exec(ctx, statementTimeout, "SET GLOBAL read_only = OFF"); err != nil {
		return err
	}
	o.a.sup.log.Info("the member is writable",
		"member", o.s.name, "epoch", o.epoch, "left", o.c.left, "loss_accepted", o.c.loss)
	return nil
}
