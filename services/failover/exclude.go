package failover

import (
	"context"

	"interlock/services/rail"
)

// Exclude takes a replica off the list of the members that count: a failover need not reach it from then on. Before
// that is written, the replica applies what it has received, and is made to receive nothing more.
//
// A replica that does not answer is excluded only if the caller vouches that it is stopped and will not come back by
// itself. An order that it acknowledged later could be lost.
func (sup *Supervisor) Exclude(ctx context.Context, member, reason string, vouched bool) error {
	i, err := sup.index(member)
	if err != nil {
		return err
	}
	a, ctx, err := sup.begin(ctx)
	if err != nil {
		return err
	}
	defer a.end()
	return why(ctx, a.exclude(ctx, i, sup.options.Who, reason, vouched))
}

func (a *attempt) exclude(ctx context.Context, i int, by, reason string, vouched bool) error {
	members, err := a.look(ctx)
	if err != nil {
		return err
	}
	p, err := primaryOf(members)
	if err != nil {
		return err
	}
	m, primary := &members[i], a.sessions[p]
	if i == p {
		return rail.Refuse(rail.WrongState, "%s is the primary", m.Name)
	}
	if gone := members[p].Record.absent(m.Name); gone != nil && gone.State == Lost {
		return rail.Refuse(rail.WrongState, "%s does not count: it was given up, and is rebuilt when it comes back",
			m.Name)
	}
	if a.followers(members, p, i) == 0 {
		return rail.Refuse(rail.WrongState,
			"no other replica is connected: without %s, nobody would acknowledge a commit", m.Name)
	}
	if m.Answers() {
		err = a.disconnect(ctx, i, m)
	} else {
		err = a.stays(ctx, primary, m.Name, vouched)
	}
	if err != nil {
		return err
	}
	// A replica that acknowledges this has all that came before it, also what the excluded one alone had acknowledged.
	return a.commit(ctx, primary, a.sup.listed(m.Name, Excluded, "", by, reason))
}

// followers counts the replicas that acknowledge the primary's commits, besides one.
func (a *attempt) followers(members []Member, primary, besides int) int {
	n := 0
	for j := range members {
		if j != primary && j != besides && members[j].Follows(&members[primary]) && members[j].Acknowledges &&
			members[primary].Record.absent(members[j].Name) == nil {
			n++
		}
	}
	return n
}

// disconnect ends a replica's receiving for good: it forgets its source, so that a restart does not connect it again.
// It applies first what it has received, since it may be the only one that acknowledged it.
func (a *attempt) disconnect(ctx context.Context, i int, m *Member) error {
	if m.Receiver == nil {
		return nil
	}
	s := a.sessions[i]
	if err := s.exec(ctx, stopTimeout, "STOP REPLICA IO_THREAD"); err != nil {
		return err
	}
	stopped, err := a.read(ctx, s)
	if err != nil {
		return err
	}
	if reason, err := a.apply(ctx, s, stopped.Received(), applyTimeout); err != nil || reason != "" {
		a.startAgain(ctx, []int{i})
		return refuseFor(m.Name, reason, err)
	}
	return s.forget(ctx)
}

// stays makes as sure as it can that a member which does not answer receives nothing.
func (a *attempt) stays(ctx context.Context, primary *session, member string, vouched bool) error {
	if !vouched {
		return rail.Refuse(rail.WrongState, "%s does not answer, so nobody knows whether it still receives: stop it "+
			"for good, and say so", member)
	}
	var connected int
	const query = "SELECT COUNT(*) FROM performance_schema.processlist WHERE COMMAND LIKE 'Binlog Dump%'"
	if err := primary.one(ctx, lookTimeout, query, nil, &connected); err != nil {
		return err
	}
	answering := 0
	for i, s := range a.sessions {
		if s == nil || a.sup.members[i].name == primary.name {
			continue
		}
		m, err := a.read(ctx, s)
		if err != nil {
			return err
		}
		if m.Receiver != nil && m.Receiver.Source == primary.name && m.Receiver.State == receiverOn {
			answering++
		}
	}
	if connected > answering {
		return rail.Refuse(rail.WrongState, "%d replicas are connected to %s and only %d of them answer: "+
			"%s may be one of them",
			connected, primary.name, answering, member)
	}
	return nil
}
