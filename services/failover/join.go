package failover

import (
	"context"
	"database/sql"
	"fmt"

	"interlock/services/rail"
)

// Include puts a member back on the list of those that count, and has it follow the primary. A member with transactions
// that the primary lacks is rebuilt first. Then Include returns as soon as the rebuilding has begun.
func (sup *Supervisor) Include(ctx context.Context, member string) error {
	i, err := sup.index(member)
	if err != nil {
		return err
	}
	return sup.join(ctx, i, true)
}

// join has a member follow the primary. It follows as it is where the primary has all that it has, and is rebuilt
// otherwise. byHand also takes in a member that a person has excluded.
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
	n, err := a.newcomer(members, i, byHand)
	if err != nil {
		return err
	}
	if done, err := a.mayJoin(ctx, n); done || err != nil {
		return err
	}
	reason, err := a.quiet(ctx, n)
	if err != nil {
		return err
	}
	if reason != "" {
		err := a.rebuild(ctx, members, n.p, i, reason)
		r := n.member.Receiver
		if err != nil && ctx.Err() == nil && r != nil && r.State != receiverOff && !a.sup.rebuilds(n.member.Name) {
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
	// byHand tells that a person asked for it.
	byHand bool
	// absent is the primary's entry by which the member is absent; nil where there is none.
	absent *Absent
	// counts tells that this very server counts already.
	counts bool
	// rebuilding tells that the member is being rebuilt.
	rebuilding bool
	// unheard tells that the primary has no follower. alone tells that it has none but perhaps the member.
	unheard, alone bool
	// outvoted tells that the members other than these two are a majority.
	outvoted bool
}

// newcomer finds the member to follow: the primary, or a writable member that lacks nothing but a follower.
func (a *attempt) newcomer(members []Member, i int, byHand bool) (*newcomer, error) {
	p, err := primaryOf(members)
	unheard := err != nil
	if unheard {
		if p = lonely(members); p < 0 {
			return nil, err
		}
	}
	m, primary := &members[i], &members[p]
	return &newcomer{
		members: members, i: i, p: p, member: m, primary: primary, byHand: byHand,
		absent:     primary.Record.absent(m.Name),
		counts:     primary.Record.counts(m.Name) && primary.Record.servers[m.Name] == m.UUID,
		rebuilding: m.Cloning || a.sup.rebuilds(m.Name),
		unheard:    unheard, alone: unheard || a.followers(members, p, i) == 0,
		outvoted: len(members)-2 >= a.sup.majority(),
	}, a.sup.whole(&primary.Record)
}

// joinState says what there is to do with a newcomer.
type joinState string

// The states.
const (
	// mayFollow: nothing keeps it from following the primary.
	mayFollow joinState = "may follow"
	// follows: it counts and follows the primary. followsUnrecorded: it follows, and is to be recorded.
	follows           joinState = "follows"
	followsUnrecorded joinState = "follows unrecorded"
	// isRebuilt: it is being rebuilt, and will be back.
	isRebuilt joinState = "is rebuilt"
	// The others are refused.
	isPrimary      joinState = "is the primary"
	doesNotAnswer  joinState = "does not answer"
	isWritable     joinState = "is writable"
	isExcluded     joinState = "is excluded"
	isMisset       joinState = "is set wrongly"
	followsAnother joinState = "follows another"
	// wouldBeOnlyWitness: it would acknowledge orders before any other member knows that it counts. The others are a
	// majority, and could go on without the primary and without it.
	wouldBeOnlyWitness joinState = "would be the only witness"
)

// state is the rule. The first case that applies decides: what the member is by itself, and then what it is to the
// primary.
func (n *newcomer) state() joinState {
	switch m := n.member; {
	case n.i == n.p:
		return isPrimary
	case !m.Answers():
		return doesNotAnswer
	case !m.ReadOnly:
		return isWritable
	case n.rebuilding:
		return isRebuilt
	case n.absent != nil && n.absent.State == Excluded && !n.byHand:
		return isExcluded
	case m.Follows(n.primary) && n.counts:
		return follows
	case m.Follows(n.primary) && n.absent == nil:
		return followsUnrecorded
	}
	return n.stateOfOneThatIsApart()
}

// stateOfOneThatIsApart is the state of a member that is to be moved to the primary.
func (n *newcomer) stateOfOneThatIsApart() joinState {
	switch m := n.member; {
	case n.absent == nil && !n.counts && len(m.Wrong) > 0:
		return isMisset
	case n.unheard && elsewhere(m, n.primary):
		return followsAnother
	case n.alone && n.outvoted && !n.primary.Record.counts(m.Name):
		return wouldBeOnlyWitness
	}
	return mayFollow
}

// mayJoin refuses where the member may not join. done tells that nothing is left to do.
func (a *attempt) mayJoin(ctx context.Context, n *newcomer) (done bool, err error) {
	m, primary := n.member, n.primary
	refuse := func(format string, args ...any) (bool, error) {
		return false, rail.Refuse(rail.WrongState, format, args...)
	}
	switch n.state() {
	case mayFollow:
		return false, nil
	case follows, isRebuilt:
		return true, nil
	case followsUnrecorded:
		// A person or a tool let it follow. It may be the one that acknowledges, so that it goes on meanwhile.
		return true, a.count(ctx, n)
	case isPrimary:
		return refuse("%s is the primary", m.Name)
	case doesNotAnswer:
		return false, rail.Refuse(rail.Unavailable, "%s does not answer", m.Name)
	case isWritable:
		return refuse("%s is writable", m.Name)
	case isExcluded:
		return refuse("%s was excluded by %s", m.Name, n.absent.By)
	case isMisset:
		return refuse("%s: %s", m.Name, m.Wrong[0])
	case followsAnother:
		return refuse("%s follows %s, and not %s", m.Name, m.Receiver.Source, primary.Name)
	case wouldBeOnlyWitness:
		return refuse("%s does not count, and nobody who does follows %s: start one of those", m.Name, primary.Name)
	}
	return refuse("%s is in a state that is not known", m.Name)
}

// quiet stops the member's receiver. reason says why the member cannot follow as it is then; "" where it can.
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
		// A copy of the primary's data has that very entry, which the member cannot have received otherwise.
		return "its rebuilding was not finished", nil
	case n.absent.State == Lost && (n.absent.server == "" || n.absent.server == still.UUID):
		return "it may have transactions that were given up", nil
	}
	return "", nil
}

// takeIn has the member count first, and receive then, so that its record is right at every moment. If no other replica
// could acknowledge that it counts, it receives first. An opening may leave it behind in between. Even then the member
// is asked what it has, because it has a receiver.
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
		state := n.member.Name + " does not reach " + n.primary.Name
		return replica.Follows(&primary) && primary.Source.Clients >= 1, state, err
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

// elsewhere tells whether a member receives from another one than the primary.
func elsewhere(m, primary *Member) bool {
	return m.Receiver != nil && m.Receiver.State == receiverOn && m.Receiver.SourceUUID != primary.UUID
}

// cannotFollow says why a member that receives nothing cannot follow the primary: it has a history of its own, or the
// primary has not kept what it needs. "" where it can follow.
func (a *attempt) cannotFollow(ctx context.Context, p int, m *Member) (string, error) {
	s := a.sessions[p]
	rest := ""
	err := await(ctx, statementTimeout, func() (bool, string, error) {
		primary, err := a.read(ctx, s)
		if err != nil {
			return false, "", err
		}
		rest, err = beyond(ctx, s, m.Received(), primary.Executed)
		// A replica has a commit of the primary's own before the commit is finished there.
		own, err2 := beyond(ctx, s, rest, primary.UUID+":1-"+maxGTID)
		if err == nil {
			err = err2
		}
		state := fmt.Sprintf("%s lacks transactions of its own that %s has: %s", s.name, m.Name, rest)
		return rest == "" || own != "", state, err
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
