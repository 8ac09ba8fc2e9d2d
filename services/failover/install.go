package failover

import (
	"context"
	"fmt"

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
	// Loss tells that one of them may have held acknowledged orders, and that somebody accepted it. Versions have jumped, and
	// Redis wants rebuilding.
	Loss bool `json:"loss_accepted,omitempty"`
}

// installation says what is wanted of an opening.
type installation struct {
	// want is the member to open; empty: one that has everything.
	want string
	// acceptLoss goes on where a member that may hold acknowledged orders does not answer, or is not in the list.
	acceptLoss bool
	// knowsAll tells that the last primary was found under these same locks to have all that anybody has acknowledged, and has
	// been read-only since. A first attempt moves receivers, by which that could not be told any more.
	knowsAll bool
}

// install makes one member writable. It is for a cluster without a writable member that answers.
func (a *attempt) install(ctx context.Context, how installation) (Opening, error) {
	members, err := a.look(ctx)
	if err != nil {
		return Opening{}, err
	}
	for _, m := range members {
		if m.Answers() && !m.ReadOnly {
			return Opening{}, rail.Refuse(rail.WrongState, "%s is writable: a second primary would be opened beside it", m.Name)
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

// stopReceivers stops the receivers of all members that answer. From then on no primary gets another acknowledgement from
// any of them. It returns those that ran.
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

// open makes the candidate writable, in the one order in which nothing can be answered that no replica has.
func (a *attempt) open(ctx context.Context, c *candidate) (Opening, error) {
	s, log := a.sessions[c.index], a.sup.log
	epoch := c.record.Epoch
	members, err := a.look(ctx)
	if err != nil {
		return Opening{}, err
	}
	for _, m := range members {
		epoch = max(epoch, m.Record.Epoch)
	}
	epoch++
	if err := a.confirm(ctx); err != nil {
		return Opening{}, err
	}
	if err := a.standAlone(ctx, s, &members[c.index]); err != nil {
		return Opening{}, err
	}
	for _, i := range c.replicas {
		// One that cannot be moved is looked after later; one that can is enough.
		if err := a.follow(ctx, i, c.index); err != nil {
			if ctx.Err() != nil {
				return Opening{}, err
			}
			log.Warn("a replica does not follow the new primary", "member", members[i].Name, "error", err)
		}
	}
	if err := a.awaitFollower(ctx, c); err != nil {
		return Opening{}, err
	}
	if err := s.exec(ctx, statementTimeout, "SET GLOBAL rpl_semi_sync_source_enabled = ON"); err != nil {
		return Opening{}, err
	}
	err = await(ctx, followTimeout, func() (bool, string, error) {
		m, err := a.read(ctx, s)
		return m.Source.Enabled && m.Source.Active && m.Source.Clients >= 1,
			fmt.Sprintf("semi-synchronous replication does not begin on %s: %d replicas connected", s.name, m.Source.Clients), err
	})
	if err != nil {
		return Opening{}, err
	}
	log.Info("replicas are connected and the source side is on", "member", s.name)

	// From here on administrators may write, nobody else.
	if err := s.exec(ctx, statementTimeout, "SET GLOBAL super_read_only = OFF"); err != nil {
		return Opening{}, err
	}
	if err := a.prepare(ctx, s, c); err != nil {
		return Opening{}, err
	}
	if c.loss {
		// Before the record says that who was lost does not count: an attempt that ends here is refused again, and not opened
		// by the next one with versions that mean something else already.
		if err := a.confirm(ctx); err != nil {
			return Opening{}, err
		}
		if err := a.sup.options.JumpVersions(ctx, s.dsn); err != nil {
			return Opening{}, fmt.Errorf("the supervisor: raising the versions: %w", err)
		}
	}
	var joining []*Member
	for _, i := range c.joining {
		joining = append(joining, &members[i])
	}
	changes := a.sup.opened(epoch, &members[c.index], members, &c.record, joining...)
	as := Left
	if c.loss {
		as = Lost
	}
	for _, name := range c.left {
		changes = append(changes, a.sup.listed(name, as, c.record.servers[name], "failover", "it did not answer when "+s.name+" took over"))
	}
	if err := a.confirm(ctx); err != nil {
		return Opening{}, err
	}
	if err := a.commit(ctx, s, changes...); err != nil {
		return Opening{}, err
	}
	log.Info("the barrier commit is acknowledged", "member", s.name, "epoch", epoch)
	if err := a.cutOff(ctx, c.index); err != nil {
		return Opening{}, err
	}
	if err := s.exec(ctx, statementTimeout, "SET GLOBAL offline_mode = OFF"); err != nil {
		return Opening{}, err
	}
	if err := a.confirm(ctx); err != nil {
		return Opening{}, err
	}
	if err := s.exec(ctx, statementTimeout, "SET GLOBAL read_only = OFF"); err != nil {
		return Opening{}, err
	}
	log.Info("the member is writable", "member", s.name, "epoch", epoch, "left", c.left, "loss_accepted", c.loss)
	return Opening{Primary: s.name, Epoch: epoch, Left: c.left, Loss: c.loss}, nil
}

// prepare makes the ledger's tables where a member is opened for the first time.
func (a *attempt) prepare(ctx context.Context, s *session, c *candidate) error {
	if c.record.prepared {
		return nil
	}
	if a.sup.options.Prepare == nil {
		return rail.Refuse(rail.WrongState, "%s has no table for the cluster's epoch, and nobody makes it", s.name)
	}
	// A migration that is broken off cannot go on: it is finished even if the attempt ends meanwhile.
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), prepareTimeout)
	defer cancel()
	if err := a.sup.options.Prepare(limited, s.dsn); err != nil {
		return fmt.Errorf("the supervisor: making the ledger's tables on %s: %w", s.name, err)
	}
	return nil
}
