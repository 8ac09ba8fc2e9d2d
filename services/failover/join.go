package failover

import (
	"context"
	"database/sql"
	"fmt"

	"interlock/services/rail"
)

// Include puts a member back on the list of those that count, and lets it follow the primary. One with transactions that the
// primary has not is rebuilt first; then Include returns as soon as that has begun.
func (sup *Supervisor) Include(ctx context.Context, member string) error {
	i, err := sup.index(member)
	if err != nil {
		return err
	}
	return sup.join(ctx, i, true)
}

// join lets a member that follows nobody, or somebody else, follow the primary: as it is where the primary has all that it
// has, rebuilt otherwise. byHand also takes in one that a person has excluded.
func (sup *Supervisor) join(ctx context.Context, i int, byHand bool) error {
	a, ctx, err := sup.begin(ctx)
	if err != nil {
		return err
	}
	defer a.end()
	return why(ctx, a.join(ctx, i, byHand))
}

func (a *attempt) join(ctx context.Context, i int, byHand bool) error {
	members, err := a.look(ctx)
	if err != nil {
		return err
	}
	n, err := a.newcomer(members, i)
	if err != nil {
		return err
	}
	if done, err := a.mayJoin(ctx, n, byHand); done || err != nil {
		return err
	}
	reason, err := a.quiet(ctx, n)
	if err != nil {
		return err
	}
	if reason != "" {
		err := a.rebuild(ctx, members, n.p, i, reason)
		if r := n.member.Receiver; err != nil && ctx.Err() == nil && r != nil && r.State != receiverOff && !a.sup.rebuilds(n.member.Name) {
			a.startAgain(ctx, []int{i}) // as it was
		}
		return err
	}
	if err := a.takeIn(ctx, n); err != nil {
		return err
	}
	a.sup.log.Info("the member follows the primary", "member", n.member.Name, "primary", n.primary.Name)
	return nil
}

// newcomer is a member that is to follow the primary, as both were found.
type newcomer struct {
	members         []Member
	i, p            int
	member, primary *Member
	// absent is the primary's entry that the member is put out by; nil where there is none.
	absent *Absent
	// counts tells that this very server counts already.
	counts bool
	// unheard tells that nobody follows the primary, alone that nobody but perhaps the member does.
	unheard, alone bool
}

// newcomer finds whom a member is to follow: the primary, or a writable member that lacks nothing but a follower.
func (a *attempt) newcomer(members []Member, i int) (*newcomer, error) {
	p, err := primaryOf(members)
	unheard := err != nil
	if unheard {
		if p = lonely(members); p < 0 {
			return nil, err
		}
	}
	m, primary := &members[i], &members[p]
	return &newcomer{
		members: members, i: i, p: p, member: m, primary: primary,
		absent:  primary.Record.absent(m.Name),
		counts:  primary.Record.counts(m.Name) && primary.Record.servers[m.Name] == m.UUID,
		unheard: unheard, alone: unheard || a.followers(members, p, i) == 0,
	}, a.sup.whole(&primary.Record)
}

// mayJoin refuses where the member may not join. Done tells that nothing is left to do.
func (a *attempt) mayJoin(ctx context.Context, n *newcomer, byHand bool) (done bool, err error) {
	m, primary := n.member, n.primary
	switch {
	case n.i == n.p:
		return false, rail.Refuse(rail.WrongState, "%s is the primary", m.Name)
	case !m.Answers():
		return false, rail.Refuse(rail.Unavailable, "%s does not answer", m.Name)
	case !m.ReadOnly:
		return false, rail.Refuse(rail.WrongState, "%s is writable", m.Name)
	case m.Cloning, a.sup.rebuilds(m.Name):
		return true, nil // it will be back
	case n.absent != nil && n.absent.State == Excluded && !byHand:
		return false, rail.Refuse(rail.WrongState, "%s was excluded by %s", m.Name, n.absent.By)
	case n.counts && m.Follows(primary):
		return true, nil
	case n.absent == nil && m.Follows(primary):
		// Somebody else let it follow. It may be the one that acknowledges, so that it goes on meanwhile.
		return true, a.count(ctx, n)
	case n.absent == nil && !n.counts && len(m.Wrong) > 0:
		return false, rail.Refuse(rail.WrongState, "%s: %s", m.Name, m.Wrong[0])
	case n.unheard && elsewhere(m, primary):
		return false, rail.Refuse(rail.WrongState, "%s follows %s, and not %s", m.Name, m.Receiver.Source, primary.Name)
	case n.alone && !primary.Record.counts(m.Name) && len(n.members)-2 >= a.sup.majority():
		// It would acknowledge orders before anybody else knows that it counts, and the others could go on without the two.
		return false, rail.Refuse(rail.WrongState, "%s does not count, and nobody who does follows %s: start one of those", m.Name, primary.Name)
	}
	return false, nil
}

// quiet stops the member's receiver, and says why it cannot follow as it is then: "" where it can.
func (a *attempt) quiet(ctx context.Context, n *newcomer) (reason string, err error) {
	s := a.sessions[n.i]
	if n.member.Receiver != nil {
		if err := s.exec(ctx, stopTimeout, "STOP REPLICA IO_THREAD"); err != nil {
			return "", err
		}
	}
	still, err := a.read(ctx, s)
	if err != nil {
		return "", err
	}
	if reason, err := a.cannotFollow(ctx, n.p, &still); reason != "" || err != nil || n.absent == nil {
		return reason, err
	}
	own := still.Record.absent(n.member.Name)
	switch {
	case n.absent.State == Rebuilding && (own == nil || own.State != Rebuilding || !own.Since.Equal(n.absent.Since)):
		// A copy of the primary has that very entry, which it cannot have received.
		return "its rebuilding was not finished", nil
	case n.absent.State == Lost && (n.absent.server == "" || n.absent.server == still.UUID):
		return "it may have transactions that were given up", nil
	}
	return "", nil
}

// takeIn lets the member count, and receive. It counts from here on, and receives from there on: in this order, unless there
// is nobody else to acknowledge that. Should it be left behind in between it is asked what it has all the same, since it has
// a receiver.
func (a *attempt) takeIn(ctx context.Context, n *newcomer) error {
	if !n.counts && !n.alone {
		if err := a.count(ctx, n); err != nil {
			return err
		}
	}
	if err := a.follow(ctx, n.i, n.p); err != nil || n.counts || !n.alone {
		return err
	}
	err := await(ctx, followTimeout, func() (bool, string, error) {
		primary, err := a.read(ctx, a.sessions[n.p])
		if err != nil {
			return false, "", err
		}
		replica, err := a.read(ctx, a.sessions[n.i])
		return replica.Follows(&primary) && primary.Source.Clients >= 1, n.member.Name + " does not reach " + n.primary.Name, err
	})
	if err != nil {
		return err
	}
	return a.count(ctx, n)
}

// count records on the primary that the member counts.
func (a *attempt) count(ctx context.Context, n *newcomer) error {
	return a.commit(ctx, a.sessions[n.p], a.sup.counting(n.members, &n.primary.Record, n.member)...)
}

// elsewhere tells whether a member receives from another one.
func elsewhere(m, primary *Member) bool {
	return m.Receiver != nil && m.Receiver.State == receiverOn && m.Receiver.SourceUUID != primary.UUID
}

// cannotFollow says why a member that receives nothing cannot follow the primary: it has a history of its own, or the
// primary has not kept what it needs. "" where it can.
func (a *attempt) cannotFollow(ctx context.Context, p int, m *Member) (string, error) {
	s := a.sessions[p]
	rest := ""
	err := await(ctx, statementTimeout, func() (bool, string, error) {
		primary, err := a.read(ctx, s)
		if err != nil {
			return false, "", err
		}
		rest, err = beyond(ctx, s, m.Received(), primary.Executed)
		// A commit of the primary's own that is under way is on a replica before it is there.
		own, err2 := beyond(ctx, s, rest, primary.UUID+":1-"+maxGTID)
		if err == nil {
			err = err2
		}
		return rest == "" || own != "", fmt.Sprintf("%s lacks transactions of its own that %s has: %s", s.name, m.Name, rest), err
	})
	if err != nil {
		return "", err
	}
	if rest != "" {
		return "it has transactions that nobody acknowledged: " + rest, nil
	}
	var keeps sql.NullBool
	query := "SELECT GTID_SUBSET(@@GLOBAL.gtid_purged, ?)"
	if err := s.one(ctx, lookTimeout, query, []any{m.Received()}, &keeps); err != nil {
		return "", err
	}
	if !keeps.Bool {
		return "the primary has not kept the transactions that it lacks", nil
	}
	return "", nil
}
