package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"time"

	"interlock/services/rail"
)

// findTimeout bounds one look at one member: a frozen one never answers, and buyers wait meanwhile.
const findTimeout = 2 * time.Second

// Found is the member to sell on.
type Found struct {
	// DSN is one of those given, Index its place among them.
	DSN   string
	Index int
	// Epoch is the cluster's as the primary has it. A transaction that reads another one is not on this primary any more.
	Epoch int64
	// Members are what all of them said, in the order given.
	Members []rail.Member
}

// Find looks for the primary among the members of a MySQL cluster: the one that is writable, semi-synchronous with a
// replica connected, and of the highest epoch. Where there is none the error is UNAVAILABLE and says why, and Found has the
// Members only. It asks all of them side by side, each for at most two seconds, on connections of its own.
func Find(ctx context.Context, dsns []string) (Found, error) {
	found := Found{Members: make([]rail.Member, len(dsns))}
	failures := make([]error, len(dsns))
	var asking sync.WaitGroup
	for i, dsn := range dsns {
		asking.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, findTimeout)
			defer cancel()
			found.Members[i], failures[i] = askMember(ctx, dsn)
		})
	}
	asking.Wait()
	i, err := rail.Primary(found.Members)
	if err != nil {
		var known *rail.Error
		if errors.As(err, &known) {
			known.RetryAfter, known.Cause = retryAfter, errors.Join(failures...)
		}
		return found, err
	}
	found.DSN, found.Index, found.Epoch = dsns[i], i, found.Members[i].Epoch
	return found, nil
}

// askMember asks one member what decides. One that cannot be asked does not Answer.
func askMember(ctx context.Context, dsn string) (rail.Member, error) {
	c, err := parseDSN(dsn)
	if err != nil {
		return rail.Member{}, err
	}
	m := rail.Member{Name: c.Addr}
	db, err := openWithout(c, unwrapped)
	if err != nil {
		return m, err
	}
	defer db.Close()
	d, err := ask(ctx, db)
	if err != nil {
		return m, fmt.Errorf("ledger: %s: %w", c.Addr, err)
	}
	var g guardColumns
	err = queryRows(ctx, db, findTimeout, "SELECT "+d.guard(Replicated), nil, func(r *sql.Rows) error { return r.Scan(g.fields()...) })
	if err != nil {
		return m, fmt.Errorf("ledger: %s: %w", c.Addr, err)
	}
	state, err := readSemiSync(ctx, d, db, findTimeout)
	if err != nil {
		return m, fmt.Errorf("ledger: %s: %w", c.Addr, err)
	}
	m.Epoch, m.Opened, err = readEpoch(ctx, db, c.DBName)
	if err != nil {
		return m, fmt.Errorf("ledger: %s: %w", c.Addr, err)
	}
	m.Writable, m.SemiSync, m.Replicas = !isOn(g.readOnly), state.problem() == "", state.replicas
	m.Answers = true
	return m, nil
}
