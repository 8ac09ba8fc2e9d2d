package sqlledger

import (
	"cmp"
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
	// findAgain is how often those that have answered are asked again while others have not and there is no primary: a
	// primary that is opened while another member is frozen would go unnoticed for up to two seconds.
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
// the Members only.
//
// It asks all members side by side, on connections of its own, for at most two seconds. While it waits for some, it
// asks the others again. Once a primary is found, the rest have 300 ms more. A member that has not answered by then
// does not Answer.
func Find(ctx context.Context, dsns []string) (Found, error) {
	return find(ctx, &Options{Members: dsns}, "")
}

// find is Find for the options' members and where their epoch is, and asks which members have all of a set of
// transactions.
func find(ctx context.Context, o *Options, set string) (Found, error) {
	ctx, cancel := context.WithTimeout(ctx, findTimeout)
	defer cancel()
	s := newSurvey(ctx, o, set)
	again := time.NewTicker(findAgain)
	defer again.Stop()
	var grace <-chan time.Time // runs once a primary is found
	for s.missing > 0 {
		select {
		case one := <-s.answers:
			s.take(&one)
			if grace == nil && s.hasPrimary() {
				grace = time.After(findGrace)
			}
		case <-again.C:
			if grace == nil {
				s.askAgain()
			}
		case <-grace:
			return s.result()
		}
	}
	return s.result()
}

// survey asks all members side by side.
type survey struct {
	ctx  context.Context
	dsns []string
	// clusterDatabase is where the epoch is read; "": in the database that a data source name has.
	clusterDatabase string
	// set is the transactions that members are asked for.
	set string
	// answers has room for one of each member: no member is asked twice at a time.
	answers chan surveyed
	// asked tells which members are being asked, heard which have answered, and missing is how many have not.
	asked, heard []bool
	missing      int
	found        Found
}

// surveyed is what the member in place i said.
type surveyed struct {
	i      int
	member mysqlcluster.Member
	answer answer
}

func newSurvey(ctx context.Context, o *Options, set string) *survey {
	n := len(o.Members)
	s := &survey{
		ctx: ctx, dsns: o.Members, clusterDatabase: o.ClusterDatabase, set: set, answers: make(chan surveyed, n),
		asked: make([]bool, n), heard: make([]bool, n),
		missing: n, found: Found{Members: make([]mysqlcluster.Member, n), answers: make([]answer, n)},
	}
	for i, dsn := range o.Members {
		s.found.Members[i].Name = nameOf(dsn)
		s.found.answers[i].err = fmt.Errorf("ledger: %s has not answered", s.found.Members[i].Name)
		s.ask(i)
	}
	return s
}

func (s *survey) ask(i int) {
	s.asked[i] = true
	go func() {
		m, a := s.askMember(s.dsns[i])
		s.answers <- surveyed{i, m, a}
	}()
}

// askAgain asks the members that have answered before.
func (s *survey) askAgain() {
	for i := range s.dsns {
		if s.heard[i] && !s.asked[i] {
			s.ask(i)
		}
	}
}

// take notes an answer. A member that answered once, and cannot be asked again, keeps its answer: the time was over.
func (s *survey) take(one *surveyed) {
	s.asked[one.i] = false
	if s.heard[one.i] && !one.member.Answers {
		return
	}
	if !s.heard[one.i] {
		s.heard[one.i] = true
		s.missing--
	}
	s.found.Members[one.i], s.found.answers[one.i] = one.member, one.answer
}

// hasPrimary tells whether what was heard so far is enough to choose a primary.
func (s *survey) hasPrimary() bool {
	_, err := mysqlcluster.Primary(s.found.Members)
	return err == nil
}

// result is the primary among the members, by what they said.
func (s *survey) result() (Found, error) {
	primary, err := mysqlcluster.Primary(s.found.Members)
	if err == nil {
		s.found.DSN, s.found.Index, s.found.Epoch = s.dsns[primary], primary, s.found.Members[primary].Epoch
		return s.found, nil
	}
	var known *rail.Error
	if errors.As(err, &known) {
		failures := []error{known.Cause}
		for _, a := range s.found.answers {
			failures = append(failures, a.err)
		}
		known.RetryAfter, known.Cause = retryAfter, errors.Join(failures...)
	}
	return s.found, err
}

// askMember asks one member what decides, and whether it has the set of transactions. One that cannot be asked does not
// Answer.
func (s *survey) askMember(dsn string) (mysqlcluster.Member, answer) {
	m, a := mysqlcluster.Member{Name: nameOf(dsn)}, answer{}
	if err := a.ask(s, dsn, &m); err != nil {
		a.err = fmt.Errorf("ledger: %s: %w", m.Name, err)
		return m, a
	}
	m.Answers = true
	return m, a
}

func (a *answer) ask(s *survey, dsn string, m *mysqlcluster.Member) error {
	ctx := s.ctx
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
	epoch, err := mysqlcluster.ReadEpoch(ctx, db, findTimeout, cmp.Or(s.clusterDatabase, c.DBName))
	if err != nil {
		return err
	}
	m.Epoch, m.Opened = epoch.Number, epoch.Opened
	m.Writable, m.SemiSync, m.Replicas = !mysqlcluster.IsOn(readOnly), state.Problem() == "", state.Replicas
	if s.set == "" {
		return nil
	}
	return mysqlcluster.EachRow(ctx, db, findTimeout, "SELECT "+a.dialect.hasApplied(), []any{s.set},
		func(r *sql.Rows) error { return r.Scan(&a.keepsUp) })
}
