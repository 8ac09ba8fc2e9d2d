package failover

import (
	"context"
	"fmt"

	"interlock/services/rail"
)

// Epoch raises the epoch on the one writable member, after a person or another tool has promoted it. Until then servers
// sell nowhere while the old primary is writable too. The member must be as an opening would have left it. Members that
// do not answer are not looked at: the person or the tool answers for them.
func (sup *Supervisor) Epoch(ctx context.Context) (Opening, error) {
	a, ctx, err := sup.begin(ctx)
	if err != nil {
		return Opening{}, err
	}
	defer a.end()
	opening, err := a.raise(ctx)
	return opening, why(ctx, err)
}

func (a *attempt) raise(ctx context.Context) (Opening, error) {
	members, err := a.look(ctx)
	if err != nil {
		return Opening{}, err
	}
	writable, err := onlyWritable(members)
	if err != nil {
		return Opening{}, err
	}
	m, s := &members[writable], a.sessions[writable]
	if err := a.sup.mayBeOpen(m); err != nil {
		return Opening{}, err
	}
	for i := range members {
		other := &members[i]
		if i == writable || !other.Answers() || m.Record.absent(other.Name) != nil {
			continue
		}
		if err := a.awaitHas(ctx, s, other); err != nil {
			return Opening{}, err
		}
	}
	epoch := lastRecord(members).Epoch + 1
	if err := a.commit(ctx, s, a.sup.opened(epoch, m, members, &m.Record)...); err != nil {
		return Opening{}, err
	}
	return Opening{Primary: m.Name, Epoch: epoch}, nil
}

// onlyWritable finds the one writable member. None, and more than one, are errors.
func onlyWritable(members []Member) (int, error) {
	writable := -1
	for i := range members {
		m := &members[i]
		switch {
		case !m.Answers() || m.ReadOnly:
			continue
		case writable >= 0:
			return -1, rail.Refuse(rail.WrongState, "%s and %s are both writable", members[writable].Name, m.Name)
		}
		writable = i
	}
	if writable < 0 {
		return -1, rail.Refuse(rail.WrongState, "no member is writable: open one")
	}
	return writable, nil
}

// mayBeOpen is nil for a writable member that is as an opening would have left it.
func (sup *Supervisor) mayBeOpen(m *Member) error {
	switch {
	case len(m.Wrong) > 0:
		return rail.Refuse(rail.WrongState, "%s: %s", m.Name, m.Wrong[0])
	case m.Receiver != nil:
		// With a receiver, no later opening could tell that this member has all that was acknowledged. After a restart
		// the member would follow again.
		return rail.Refuse(rail.WrongState, "%s still has a receiver, for %s: "+
			"run STOP REPLICA and RESET REPLICA ALL there",
			m.Name, m.Receiver.Source)
	case !m.Source.Enabled || !m.Source.Active || m.Source.Clients < 1:
		return rail.Refuse(rail.WrongState, "semi-synchronous replication is off on %s, or no replica is connected",
			m.Name)
	}
	return sup.whole(&m.Record)
}

// awaitHas returns once the writable member has what another had. A replica may have a commit that is not finished on
// its primary.
func (a *attempt) awaitHas(ctx context.Context, writable *session, other *Member) error {
	return await(ctx, statementTimeout, func() (bool, string, error) {
		newest, err := a.read(ctx, writable)
		if err != nil {
			return false, "", err
		}
		has, err := contains(ctx, writable, newest.Executed, other.Received())
		return has, fmt.Sprintf("%s lacks what %s has", writable.name, other.Name), err
	})
}
