package failover

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"interlock/services/mysqlcluster"
	"interlock/services/rail"
)

// Record is what the ledger says of its cluster.
type Record struct {
	// Epoch rises with every opening; 0: never opened.
	Epoch int64 `json:"epoch"`
	// Primary is the member that was opened last.
	Primary string `json:"primary,omitempty"`
	// Counts are the members that may hold an acknowledged order. Absent are those that hold none. Both together are
	// all that were ever to receive commits.
	Counts []string `json:"counts,omitempty"`
	Absent []Absent `json:"absent,omitempty"`
	// servers are the server_uuids of those that count, "" where it is not known.
	servers map[string]string
	// prepared tells that the tables are there.
	prepared bool
}

// counts is the state of a member that counts.
const counts = "COUNTS"

// Absent is a member that receives nothing, and holds no acknowledged order that others have not.
type Absent struct {
	Member string    `json:"member"`
	State  Absence   `json:"state"`
	Since  time.Time `json:"since"`
	By     string    `json:"by"`
	Reason string    `json:"reason"`
	// server is the server_uuid of a lost member. It is "" where it is not known, and for the other absences.
	server string
}

// Absence says why a member does not count.
type Absence string

// The absences. A supervisor does not take an excluded member in again by itself: a person has put it out.
const (
	Excluded   Absence = "EXCLUDED"
	Left       Absence = "LEFT"
	Rebuilding Absence = "REBUILDING"
	// Lost members may have acknowledged what was given up. The numbers of those transactions are given again to
	// others, and the two cannot be told apart. So a lost member is rebuilt, whatever it seems to have.
	Lost Absence = "LOST"
)

// counts tells whether a member counts. As long as nothing is recorded, all do: the cluster was then opened by other
// means.
func (r *Record) counts(name string) bool {
	return slices.Contains(r.Counts, name) || len(r.Counts) == 0 && r.absent(name) == nil
}

// isServer tells whether a member is the server that counts under its name. Another server in its place has an older
// copy of the data or none, and knows nothing of what the first has acknowledged.
func (r *Record) isServer(m *Member) bool {
	known := r.servers[m.Name]
	return known == "" || known == m.UUID
}

// absent is the entry of an absent member, nil for every other.
func (r *Record) absent(name string) *Absent {
	for i := range r.Absent {
		if r.Absent[i].Member == name {
			return &r.Absent[i]
		}
	}
	return nil
}

// readRecord reads the record. A ledger without the tables was never opened, and has the zero Record.
func readRecord(ctx context.Context, on mysqlcluster.Querier, database string) (Record, error) {
	epoch, err := mysqlcluster.ReadEpoch(ctx, on, lookTimeout, database)
	if err != nil || !epoch.TableExists {
		return Record{}, err
	}
	r := Record{Epoch: epoch.Number, Primary: epoch.Opened, servers: map[string]string{}, prepared: true}
	err = mysqlcluster.EachRow(ctx, on, lookTimeout,
		"SELECT member, state, server_uuid, since, by_whom, reason FROM "+mysqlcluster.Quote(database)+
			".cluster_members ORDER BY member", nil,
		func(row *sql.Rows) error {
			var a Absent
			var server string
			var since int64
			err := row.Scan(&a.Member, &a.State, &server, &since, &a.By, &a.Reason)
			if a.State == counts {
				r.Counts, r.servers[a.Member] = append(r.Counts, a.Member), server
				return err
			}
			a.Since, a.server = time.UnixMilli(since).UTC(), server
			r.Absent = append(r.Absent, a)
			return err
		})
	if mysqlcluster.ErrorNumber(err) == mysqlcluster.ErNoSuchTable {
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

// opened is the changes by which a member was opened, and it and others count.
func (sup *Supervisor) opened(
	epoch int64, primary *Member, members []Member, record *Record, others ...*Member,
) []change {
	changes := []change{{
		"REPLACE INTO " + mysqlcluster.Quote(sup.database) + ".cluster " +
			"(id, epoch, primary_member, opened_at) VALUES (1, ?, ?, " + now + ")",
		[]any{epoch, primary.Name},
	}}
	return append(changes, sup.counting(members, record, append(others, primary)...)...)
}

// counting is the changes by which members count from here on. The first time they name all members that are not known
// to be absent, since all have counted until then.
func (sup *Supervisor) counting(members []Member, record *Record, more ...*Member) (changes []change) {
	if len(record.Counts) == 0 {
		for i := range members {
			if m := &members[i]; record.absent(m.Name) == nil && !slices.Contains(more, m) {
				changes = append(changes, sup.listed(m.Name, counts, m.UUID, "failover", ""))
			}
		}
	}
	for _, m := range more {
		if !slices.Contains(record.Counts, m.Name) || record.servers[m.Name] != m.UUID {
			changes = append(changes, sup.listed(m.Name, counts, m.UUID, "failover", ""))
		}
	}
	return changes
}

// listed is the change by which a member, with a server_uuid, counts or is absent from here on.
func (sup *Supervisor) listed(member string, as Absence, server, by, reason string) change {
	return change{
		"REPLACE INTO " + mysqlcluster.Quote(sup.database) + ".cluster_members " +
			"(member, state, server_uuid, since, by_whom, reason) VALUES (?, ?, ?, " + now + ", ?, ?)",
		[]any{member, string(as), server, cut(by, 128), cut(reason, 1000)},
	}
}

// whole is nil where this supervisor's list has every member that counts. With a list that lacks one, a minority would
// be taken for a majority, and the missing member would not be asked which orders it has.
func (sup *Supervisor) whole(record *Record) error {
	if missing := sup.unlisted(record); len(missing) > 0 {
		return rail.Refuse(rail.WrongState, "%s may hold an acknowledged order and is not in this supervisor's list "+
			"of members: give it the whole list "+
			"(one that is gone for good is excluded first, by a supervisor with the whole list)", missing[0])
	}
	return nil
}

// unlisted are the members that count and are not in this supervisor's list.
func (sup *Supervisor) unlisted(record *Record) []string {
	return slices.DeleteFunc(slices.Clone(record.Counts), func(name string) bool {
		return slices.ContainsFunc(sup.members, func(e endpoint) bool { return e.name == name })
	})
}

// cut shortens text to the width of its column.
func cut(text string, runes int) string {
	all := []rune(text)
	return string(all[:min(len(all), runes)])
}

// commit writes changes in one transaction on a member, and returns once a replica has acknowledged it. The member's
// counters must show that: a commit that returned for another reason proves nothing.
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
		return fmt.Errorf("the supervisor: %s: a commit came back that no replica has acknowledged", on.name)
	}
	return nil
}

func joinRollback(ctx context.Context, on *session, err error) error {
	_ = on.exec(ctx, statementTimeout, "ROLLBACK") // the connection's end would do the same
	return err
}

func readRecordOn(ctx context.Context, s *session, database string) (Record, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	record, err := readRecord(ctx, s.conn, database)
	return record, s.failure("reading the cluster's record", err)
}
