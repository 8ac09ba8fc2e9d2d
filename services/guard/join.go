package guard

import (
	"context"
	"database/sql"
	"fmt"

	"interlock/services/rail"
)

// join lets a member that follows nobody, or somebody else, follow the primary: as it is where the primary has all that it
// has, rebuilt otherwise. byHand also takes in one that a person has excluded.
func (g *Guard) join(ctx context.Context, i int, byHand bool) error {
	a, ctx, err := g.begin(ctx)
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
	p, err := primaryOf(members)
	alone := err != nil
	if alone {
		if p = lonely(members); p < 0 {
			return err
		}
	}
	m, primary := &members[i], &members[p]
	if err := a.g.whole(&primary.Record); err != nil {
		return err
	}
	gone := primary.Record.absent(m.Name)
	known := primary.Record.counts(m.Name) && primary.Record.servers[m.Name] == m.UUID
	unheard := alone // nobody follows it at all
	alone = alone || a.followers(members, p, i) == 0
	switch {
	case i == p:
		return rail.Refuse(rail.WrongState, "%s is the primary", m.Name)
	case !m.Answers():
		return rail.Refuse(rail.Unavailable, "%s does not answer", m.Name)
	case !m.ReadOnly:
		return rail.Refuse(rail.WrongState, "%s is writable", m.Name)
	case m.Cloning, a.g.rebuilds(m.Name):
		return nil // it will be back
	case gone != nil && gone.State == Excluded && !byHand:
		return rail.Refuse(rail.WrongState, "%s was excluded by %s", m.Name, gone.By)
	case known && m.Follows(primary):
		return nil
	case gone == nil && m.Follows(primary):
		// Somebody else let it follow. It may be the one that acknowledges, so that it goes on meanwhile.
		return a.commit(ctx, a.sessions[p], a.g.counting(members, &primary.Record, m)...)
	case gone == nil && !known && len(m.Wrong) > 0:
		return rail.Refuse(rail.WrongState, "%s: %s", m.Name, m.Wrong[0])
	case unheard && elsewhere(m, primary):
		return rail.Refuse(rail.WrongState, "%s follows %s, and not %s", m.Name, m.Receiver.Source, primary.Name)
	case alone && !primary.Record.counts(m.Name) && len(members)-2 >= a.g.majority():
		// It would acknowledge orders before anybody else knows that it counts, and the others could go on without the two.
		return rail.Refuse(rail.WrongState, "%s does not count, and nobody who does follows %s: start one of those", m.Name, primary.Name)
	}
	s := a.sessions[i]
	if m.Receiver != nil {
		if err := s.exec(ctx, stopTimeout, "STOP REPLICA IO_THREAD"); err != nil {
			return err
		}
	}
	still, err := a.read(ctx, s)
	if err != nil {
		return err
	}
	reason, err := a.cannotFollow(ctx, p, &still)
	if err != nil {
		return err
	}
	if own := still.Record.absent(m.Name); reason == "" && gone != nil && gone.State == Rebuilding &&
		(own == nil || own.State != Rebuilding || !own.Since.Equal(gone.Since)) {
		// A copy of the primary has that very entry, which it cannot have received.
		reason = "its rebuilding was not finished"
	}
	if reason == "" && gone != nil && gone.State == Lost && (gone.server == "" || gone.server == still.UUID) {
		reason = "it may have transactions that were given up"
	}
	if reason != "" {
		err := a.rebuild(ctx, members, p, i, reason)
		if err != nil && ctx.Err() == nil && m.Receiver != nil && m.Receiver.State != receiverOff && !a.g.rebuilds(m.Name) {
			a.startAgain(ctx, []int{i}) // as it was
		}
		return err
	}
	// It counts from here on, and receives from there on: in this order, unless there is nobody else to acknowledge that. Should
	// it be left behind in between it is asked what it has all the same, since it has a receiver.
	list := func() error { return a.commit(ctx, a.sessions[p], a.g.counting(members, &primary.Record, m)...) }
	if !known && !alone {
		if err := list(); err != nil {
			return err
		}
	}
	if err := a.follow(ctx, i, p); err != nil {
		return err
	}
	if !known && alone {
		err := await(ctx, followTimeout, func() (bool, string, error) {
			now, err := a.read(ctx, a.sessions[p])
			if err != nil {
				return false, "", err
			}
			replica, err := a.read(ctx, s)
			return replica.Follows(&now) && now.Source.Clients >= 1, m.Name + " does not reach " + primary.Name, err
		})
		if err != nil {
			return err
		}
		if err := list(); err != nil {
			return err
		}
	}
	a.g.log.Info("the member follows the primary", "member", m.Name, "primary", primary.Name)
	return nil
}

// elsewhere tells whether a member receives from another one.
func elsewhere(m, primary *Member) bool {
	return m.Receiver != nil && m.Receiver.State == receiverOn && m.Receiver.SourceUUID != primary.UUID
}

// lonely is the one writable member where all that it lacks to be the primary is somebody who acknowledges, -1 where there is
// none: its orders wait, and it is the last that was opened.
func lonely(members []Member) int {
	found := -1
	for i := range members {
		m := &members[i]
		switch {
		case !m.Answers() || m.ReadOnly:
			continue
		case found >= 0 || m.Source.Clients > 0 || !m.Source.Enabled || !m.Source.Active:
			return -1
		}
		found = i
	}
	if found < 0 || lastRecord(members).Epoch != members[found].Record.Epoch || members[found].Record.Primary != members[found].Name {
		return -1
	}
	return found
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

// maxGTID is the largest number a transaction can have.
const maxGTID = "9223372036854775806"

// fence keeps a member that was primary, and does not know that it is not, from ever answering anybody: it hangs up on all
// clients, those whose commit waits for a replica above all. Only then is its source side switched off, which lets such
// commits finish where nobody hears of them; and then it can be made read-only.
func (g *Guard) fence(ctx context.Context, i int) error {
	a, ctx, err := g.begin(ctx)
	if err != nil {
		return err
	}
	defer a.end()
	return why(ctx, a.fence(ctx, i))
}

func (a *attempt) fence(ctx context.Context, i int) error {
	members, err := a.look(ctx)
	if err != nil {
		return err
	}
	if !stale(members, i) {
		return nil // it was, a moment ago
	}
	s := a.sessions[i]
	if err := s.exec(ctx, statementTimeout, "SET GLOBAL offline_mode = ON"); err != nil {
		return err
	}
	if err := a.hangUp(ctx, s); err != nil {
		return err
	}
	for _, statement := range []string{"SET GLOBAL rpl_semi_sync_source_enabled = OFF", "SET GLOBAL super_read_only = ON"} {
		if err := s.exec(ctx, statementTimeout, statement); err != nil {
			return err
		}
	}
	a.g.log.Warn("an old primary was writable; it is shut now, and has answered nobody since it was replaced", "member", s.name)
	return nil
}

// stale tells whether a member is writable although another was opened later.
func stale(members []Member, i int) bool {
	m := &members[i]
	if !m.Answers() || m.ReadOnly {
		return false
	}
	for j := range members {
		other := &members[j]
		if j != i && other.Answers() && other.Record.Epoch > m.Record.Epoch &&
			(!other.ReadOnly || other.Record.Primary != other.Name) {
			return true
		}
	}
	return false
}

// hangUp ends the connections of administrators too whose commit waits for a replica: going offline spares them. KILL closes
// the connection at once, though the session goes on waiting.
func (a *attempt) hangUp(ctx context.Context, s *session) error {
	ended := map[int64]bool{}
	return await(ctx, statementTimeout, func() (bool, string, error) {
		var waiting []int64
		const query = "SELECT ID FROM performance_schema.processlist WHERE STATE LIKE 'Waiting for semi-sync ACK%'"
		err := s.query(ctx, lookTimeout, query, nil, func(row *sql.Rows) error {
			var id int64
			err := row.Scan(&id)
			if !ended[id] {
				waiting = append(waiting, id)
			}
			return err
		})
		if err != nil {
			return false, "", err
		}
		for _, id := range waiting {
			if err := s.exec(ctx, statementTimeout, "KILL ?", id); err != nil && serverError(err) != erNoSuchThread {
				return false, "", err
			}
			ended[id] = true
		}
		return len(waiting) == 0, fmt.Sprintf("ever new sessions on %s wait for a replica", s.name), nil
	})
}
