package mysqlcluster

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// The prefixes of the variables and states of a primary's semi-synchronous replication.
const (
	MySQLSemiSync   = "rpl_semi_sync_source_"
	MariaDBSemiSync = "rpl_semi_sync_master_"
)

// minSemiSyncTimeout is what passes for "never falls back to asynchronous": no primary is left
// without a replica for that long.
const minSemiSyncTimeout = 24 * time.Hour

// SemiSync is what a server says of its semi-synchronous replication as a primary. All is zero on a server that has not
// loaded it.
type SemiSync struct {
	// Enabled is the switch. Active is false while it is off, and once it has fallen back to asynchronous.
	Enabled, Active bool
	// AfterSync tells that a commit becomes visible only once a replica has acknowledged it.
	AfterSync bool
	// Timeout is how long a commit waits before replication falls back to asynchronous, ten days at most. WaitsAlone
	// tells that a commit waits as long where no replica is connected.
	Timeout    time.Duration
	WaitsAlone bool
	// Count is how many replicas must acknowledge a commit; 0 on MariaDB, where it is always one.
	Count int64
	// Replicas are those connected that acknowledge, Waiting the sessions whose commit waits for one.
	Replicas, Waiting int64
	// Acknowledged and Unacknowledged count commits since the server started.
	Acknowledged, Unacknowledged int64
	// Offs is how often replication was switched off since the server started, by a statement or by a fallback. While
	// it stays the same, and replication is active, every commit was acknowledged before it was answered.
	Offs int64

	read states
}

// states are those of a SemiSync that were read, each a bit.
type states uint8

const (
	statusRead states = 1 << iota
	replicasRead
	waitingRead
	acknowledgedRead
	unacknowledgedRead
)

// SemiSyncStatus asks for all states of a primary's semi-synchronous replication.
func SemiSyncStatus(prefix string) string { return "SHOW GLOBAL STATUS LIKE '" + prefix + "%'" }

// ReadSemiSync reads the variables, and then the states, whose names have a prefix. The limit is for each of the two.
func ReadSemiSync(ctx context.Context, on Querier, limit time.Duration, prefix string) (SemiSync, error) {
	var s SemiSync
	for _, query := range []string{"SHOW GLOBAL VARIABLES LIKE '" + prefix + "%'", SemiSyncStatus(prefix)} {
		if err := EachRow(ctx, on, limit, query, nil, s.Scan(prefix)); err != nil {
			return s, err
		}
	}
	return s, nil
}

// Scan takes rows that have the name and the value of one variable or state. Other names are passed over.
func (s *SemiSync) Scan(prefix string) func(*sql.Rows) error {
	return func(row *sql.Rows) error {
		var name, value string
		if err := row.Scan(&name, &value); err != nil {
			return err
		}
		return s.set(strings.TrimPrefix(strings.ToLower(name), prefix), value)
	}
}

func (s *SemiSync) set(name, value string) (err error) {
	number := func(into *int64) {
		var failure error
		*into, failure = strconv.ParseInt(value, 10, 64)
		if failure != nil && !errors.Is(failure, strconv.ErrRange) { // out of range it is the largest number there is
			err = fmt.Errorf("%s of semi-synchronous replication: %w", name, failure)
		}
	}
	switch name {
	case "enabled":
		s.Enabled = IsOn(value)
	case "status":
		s.Active = IsOn(value)
		if strings.EqualFold(value, "ON") || strings.EqualFold(value, "OFF") {
			s.read |= statusRead
		}
	case "wait_point":
		s.AfterSync = strings.EqualFold(value, "AFTER_SYNC")
	case "timeout":
		var milliseconds int64
		number(&milliseconds)
		// The largest possible value would overflow a Duration.
		s.Timeout = time.Duration(min(milliseconds, (10*minSemiSyncTimeout).Milliseconds())) * time.Millisecond
	case "wait_no_replica", "wait_no_slave":
		s.WaitsAlone = IsOn(value)
	case "wait_for_replica_count":
		number(&s.Count)
	case "clients":
		number(&s.Replicas)
		s.read |= replicasRead
	case "wait_sessions":
		number(&s.Waiting)
		s.read |= waitingRead
	case "yes_tx":
		number(&s.Acknowledged)
		s.read |= acknowledgedRead
	case "no_tx":
		number(&s.Unacknowledged)
		s.read |= unacknowledgedRead
	case "no_times":
		number(&s.Offs)
	}
	return err
}

// Complete is an error that names a state that the server did not say, or a status that is neither ON nor OFF. It is
// for a caller that must guess nothing; a caller that takes what is missing for off or 0 does without it.
func (s *SemiSync) Complete() error {
	for _, state := range []struct {
		bit  states
		name string
	}{
		{statusRead, "status"},
		{replicasRead, "clients"},
		{waitingRead, "wait_sessions"},
		{acknowledgedRead, "yes_tx"},
		{unacknowledgedRead, "no_tx"},
	} {
		if s.read&state.bit == 0 {
			return fmt.Errorf("the server does not say its %s of semi-synchronous replication", state.name)
		}
	}
	return nil
}

// NeverFallsBack tells whether a commit without an acknowledgement waits for a day at least, with and without a replica
// connected.
func (s *SemiSync) NeverFallsBack() bool { return s.Timeout >= minSemiSyncTimeout && s.WaitsAlone }

// Problem says why an acknowledged commit might be on no replica; "" where none might.
func (s *SemiSync) Problem() string {
	switch {
	case !s.Enabled:
		return "semi-synchronous replication is off: an answered order might be lost"
	case !s.Active:
		return "semi-synchronous replication has fallen back to asynchronous: an answered order might be lost"
	case !s.AfterSync:
		return "semi-synchronous replication does not wait AFTER_SYNC: an answered order might be lost"
	case !s.NeverFallsBack():
		return "semi-synchronous replication would fall back to asynchronous: an answered order might be lost"
	}
	return ""
}

// IsOn reads a variable that servers write as 1, ON, YES or TRUE where it is on.
func IsOn(value string) bool {
	switch strings.ToUpper(value) {
	case "", "0", "OFF", "NO", "FALSE":
		return false
	}
	return true
}
