package guard

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"
)

// Record is what the ledger says of its cluster.
type Record struct {
	// Epoch rises with every opening; 0: never opened.
	Epoch int64 `json:"epoch"`
	// Primary is the member that was opened last.
	Primary string `json:"primary,omitempty"`
	// Absent are the members that do not count.
	Absent []Absent `json:"absent,omitempty"`
	// prepared tells that the tables are there.
	prepared bool
}

// Absent is a member that receives nothing, and holds no acknowledged order that others have not.
type Absent struct {
	Member string    `json:"member"`
	State  Absence   `json:"state"`
	Since  time.Time `json:"since"`
	By     string    `json:"by"`
	Reason string    `json:"reason"`
}

// Absence says why a member does not count.
type Absence string

// The absences. Guards take only those members in again by themselves that no person has put out.
const (
	Excluded   Absence = "EXCLUDED"
	Left       Absence = "LEFT"
	Rebuilding Absence = "REBUILDING"
)

// absent is the entry of a member, or nil.
func (r *Record) absent(name string) *Absent {
	for i := range r.Absent {
		if r.Absent[i].Member == name {
			return &r.Absent[i]
		}
	}
	return nil
}

func quoted(name string) string { return "`" + strings.ReplaceAll(name, "`", "``") + "`" }

// readRecord reads the record; a ledger without the tables was never opened.
func readRecord(ctx context.Context, on querier, database string) (Record, error) {
	var r Record
	err := queryRows(ctx, on, lookTimeout, "SELECT epoch, primary_member FROM "+quoted(database)+".cluster WHERE id = 1", nil,
		func(row *sql.Rows) error { return row.Scan(&r.Epoch, &r.Primary) })
	switch serverError(err) {
	case erNoSuchTable, erUnknownDatabase:
		return Record{}, nil
	}
	if err != nil {
		return Record{}, err
	}
	r.prepared = true
	err = queryRows(ctx, on, lookTimeout,
		"SELECT member, state, since, by_whom, reason FROM "+quoted(database)+".absent_members ORDER BY member", nil,
		func(row *sql.Rows) error {
			var a Absent
			var since int64
			err := row.Scan(&a.Member, &a.State, &since, &a.By, &a.Reason)
			a.Since = time.UnixMilli(since).UTC()
			r.Absent = append(r.Absent, a)
			return err
		})
	if serverError(err) == erNoSuchTable {
		err = nil // the migration is half replicated
	}
	return r, err
}

// now is the member's clock in milliseconds.
const now = "CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED)"

// change is one statement of a commit.
type change struct {
	statement string
	args      []any
}

// opened writes that a member was opened.
func (g *Guard) opened(epoch int64, primary string) change {
	return change{
		"REPLACE INTO " + quoted(g.database) + ".cluster (id, epoch, primary_member, opened_at) VALUES (1, ?, ?, " + now + ")",
		[]any{epoch, primary},
	}
}

// leaves writes that a member does not count from here on.
func (g *Guard) leaves(member string, state Absence, by, reason string) change {
	return change{
		"REPLACE INTO " + quoted(g.database) + ".absent_members (member, state, since, by_whom, reason) VALUES (?, ?, " + now + ", ?, ?)",
		[]any{member, string(state), cut(by, 128), cut(reason, 1000)},
	}
}

// returns writes that a member counts again.
func (g *Guard) returns(member string) change {
	return change{"DELETE FROM " + quoted(g.database) + ".absent_members WHERE member = ?", []any{member}}
}

// cut shortens text to the width of its column.
func cut(text string, runes int) string {
	all := []rune(text)
	return string(all[:min(len(all), runes)])
}

// commit writes changes in one transaction on a member and returns once a replica has acknowledged it, which the member's
// counters must show: a commit that came back for another reason proves nothing.
func (a *attempt) commit(ctx context.Context, on *session, changes ...change) error {
	before, err := a.read(ctx, on)
	if err != nil {
		return err
	}
	if err := on.exec(ctx, statementTimeout, "START TRANSACTION"); err != nil {
		return err
	}
	for _, c := range changes {
		if err := on.exec(ctx, statementTimeout, c.statement, c.args...); err != nil {
			return joinRollback(ctx, on, err)
		}
	}
	if err := on.exec(ctx, barrierTimeout, "COMMIT"); err != nil {
		return err
	}
	after, err := a.read(ctx, on)
	if err != nil {
		return err
	}
	if !after.Source.Enabled || !after.Source.Active || after.Source.acknowledged <= before.Source.acknowledged ||
		after.Source.unacknowledged != before.Source.unacknowledged {
		return fmt.Errorf("guard: %s: a commit came back that no replica has acknowledged", on.name)
	}
	return nil
}

func joinRollback(ctx context.Context, on *session, err error) error {
	_ = on.exec(ctx, statementTimeout, "ROLLBACK") // the connection's end would do the same
	return err
}
