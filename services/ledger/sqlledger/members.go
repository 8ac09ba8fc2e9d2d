package sqlledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"interlock/services/mysqlcluster"
	"interlock/services/rail"
)

// Bounds of one look at the members.
const (
	// findTimeout bounds it: a frozen member never answers, and buyers wait meanwhile.
	findTimeout = 2 * time.Second
	// findGrace is how long a primary that was found waits for the members that have not answered yet: one of them may
	// know better, and one that is frozen must not make every look as long as it can be.
	findGrace = 300 * time.Millisecond
	// findAgain is how often those that have answered are asked again while others have not and there is no primary:
	// while one is frozen another is opened, which whoever waited for the frozen one would miss by up to two seconds.
	findAgain = lookPause
)

// Found is the member to sell on.
type Found struct {
	// DSN is one of those given, Index its place among them.
	DSN   string
	Index int
	// Epoch is the cluster's as the primary has it. A transaction that reads another one is not on this primary any
	// more.
	Epoch int64
	// Members are what all of them said, in the order given.
	Members []mysqlcluster.Member

	answers []answer
}

// answer is what else a member said.
type answer struct {
	dialect dialect
	// applied is what it has, as a set of transactions.
	applied string
	// keepsUp tells that it has all that it was asked for.
	keepsUp bool
	err     error
}

// Find looks for the primary among the members of a MySQL cluster: the one that is writable, semi-synchronous with a
// replica connected, and of the highest epoch. Where there is none the error is UNAVAILABLE and says why, and Found has
// the Members only. It asks all of them side by side, on connections of its own, for at most two seconds, and those
// that answer again while it waits for others; once a primary is found the others have 300 ms more, and one that has
// not answered by then does not Answer.
func Find(ctx context.Context, dsns []string) (Found, error) { return find(ctx, dsns, "") }

// find is Find, and asks which members have all of a set of transactions.
func find(ctx context.Context, dsns []string, set string) (Found, error) {
	ctx, cancel := context.WithTimeout(ctx, findTimeout)
	defer cancel()
	type said struct {
		i      int
		member mysqlcluster.Member
		answer answer
	}
	all := make(chan said, len(dsns)) // one question to each is under way at most
	found := Found{Members: make([]mysqlcluster.Member, len(dsns)), answers: make([]answer, len(dsns))}
	asked, heard := make([]bool, len(dsns)), make([]bool, len(dsns))
	question := func(i int) {
		asked[i] = true
		go func() {
			m, a := askMember(ctx, dsns[i], set)
			all <- said{i, m, a}
		}()
	}
	for i, dsn := range dsns {
		found.Members[i].Name = nameOf(dsn)
		found.answers[i].err = fmt.Errorf("ledger: %s has not answered", found.Members[i].Name)
		question(i)
	}
	again := time.NewTicker(findAgain)
	defer again.Stop()
	var grace <-chan time.Time
	for missing := len(dsns); missing > 0; {
		select {
		case s := <-all:
			if asked[s.i] = false; !heard[s.i] {
				heard[s.i] = true
				missing--
			} else if !s.member.Answers {
				continue // it has answered, and then the time was over
			}
			found.Members[s.i], found.answers[s.i] = s.member, s.answer
			if _, err := mysqlcluster.Primary(found.Members); err == nil && grace == nil {
				timer := time.NewTimer(findGrace)
				defer timer.Stop()
				grace = timer.C
			}
			continue
		case <-again.C:
			for i := range dsns {
				if heard[i] && !asked[i] && grace == nil {
					question(i)
				}
			}
			continue
		case <-grace:
		}
		break
	}
	primary, err := mysqlcluster.Primary(found.Members)
	if err != nil {
		var known *rail.Error
		if errors.As(err, &known) {
			failures := []error{known.Cause}
			for _, a := range found.answers {
				failures = append(failures, a.err)
			}
			known.RetryAfter, known.Cause = retryAfter, errors.Join(failures...)
		}
		return found, err
	}
	found.DSN, found.Index, found.Epoch = dsns[primary], primary, found.Members[primary].Epoch
	return found, nil
}

// askMember asks one member what decides, and whether it has a set of transactions. One that cannot be asked does not
// Answer.
func askMember(ctx context.Context, dsn, set string) (mysqlcluster.Member, answer) {
	m, a := mysqlcluster.Member{Name: nameOf(dsn)}, answer{}
	if err := a.ask(ctx, dsn, set, &m); err != nil {
		a.err = fmt.Errorf("ledger: %s: %w", m.Name, err)
		return m, a
	}
	m.Answers = true
	return m, a
}

func (a *answer) ask(ctx context.Context, dsn, set string, m *mysqlcluster.Member) error {
	c, err := parseDSN(dsn)
	if err != nil {
		return err
	}
	db, err := openWithout(c, unwrapped)
	if err != nil {
		return err
	}
	defer db.Close()
	if a.dialect, err = ask(ctx, db); err != nil {
		return err
	}
	var server, readOnly, semiSync string
	err = mysqlcluster.EachRow(ctx, db, findTimeout, "SELECT "+a.dialect.checkColumns(Replicated)+", "+
		a.dialect.applied(), nil,
		func(r *sql.Rows) error { return r.Scan(&server, &readOnly, &semiSync, &a.applied) })
	if err != nil {
		return err
	}
	state, err := mysqlcluster.ReadSemiSync(ctx, db, findTimeout, a.dialect.semiSync())
	if err != nil {
		return err
	}
	epoch, err := mysqlcluster.ReadEpoch(ctx, db, findTimeout, c.DBName)
	if err != nil {
		return err
	}
	m.Epoch, m.Opened = epoch.Number, epoch.Opened
	m.Writable, m.SemiSync, m.Replicas = !mysqlcluster.IsOn(readOnly), state.Problem() == "", state.Replicas
	if set == "" {
		return nil
	}
	return mysqlcluster.EachRow(ctx, db, findTimeout, "SELECT "+a.dialect.hasApplied(), []any{set},
		func(r *sql.Rows) error { return r.Scan(&a.keepsUp) })
}
