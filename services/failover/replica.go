package failover

import (
	"context"
	"fmt"
	"strings"
	"time"

	"interlock/services/mysqlcluster"
	"interlock/services/rail"
)

// apply lets a replica apply all that it has received, for so long at most. Where it cannot, it says why.
func (a *attempt) apply(ctx context.Context, s *session, received string, limit time.Duration) (reason string, err error) {
	err = s.exec(ctx, statementTimeout, "START REPLICA SQL_THREAD")
	if mysqlcluster.ErrorNumber(err) != 0 {
		return fmt.Sprintf("its applier cannot be started: %v", err), nil
	}
	if err != nil {
		return "", err
	}
	begun := time.Now()
	for time.Since(begun) < limit {
		var late int
		err := s.one(ctx, statementTimeout, "SELECT WAIT_FOR_EXECUTED_GTID_SET(?, ?)", []any{received, applySlice.Seconds()}, &late)
		if err != nil || late == 0 {
			return "", err
		}
		m, err := a.read(ctx, s)
		if err != nil {
			return "", err
		}
		if m.Receiver == nil || !m.Receiver.Applying {
			said := "it does not say why"
			if m.Receiver != nil && m.Receiver.ApplyError != "" {
				said = m.Receiver.ApplyError
			}
			return "it cannot apply what it has received: " + said, nil
		}
	}
	return fmt.Sprintf("it has not applied what it has received within %v", limit), nil
}

// follow lets a member receive from the primary, which must have all that the member has. What it has received and not yet
// applied is kept: it may be the one that acknowledged it.
func (a *attempt) follow(ctx context.Context, replica, primary int) error {
	s, source := a.sessions[replica], a.sup.members[primary]
	m, err := a.read(ctx, s)
	if err != nil {
		return err
	}
	login := a.sup.options.Replication
	where := "CHANGE REPLICATION SOURCE TO SOURCE_HOST = ?, SOURCE_PORT = ?, SOURCE_USER = ?, SOURCE_PASSWORD = ?, " +
		"SOURCE_HEARTBEAT_PERIOD = 1, SOURCE_CONNECT_RETRY = 1, SOURCE_RETRY_COUNT = 86400, GET_SOURCE_PUBLIC_KEY = 1"
	args := []any{source.host, source.port, login.User, login.Password}
	if m.Receiver == nil || !m.Receiver.automatic {
		where += ", SOURCE_AUTO_POSITION = 1"
	} else {
		// Without a running applier the server would throw the relay log away.
		if err := s.exec(ctx, statementTimeout, "START REPLICA SQL_THREAD"); err != nil {
			return err
		}
		if m, err = a.read(ctx, s); err != nil {
			return err
		}
		if !m.Receiver.Applying {
			return rail.Refuse(rail.WrongState, "%s does not apply what it has received: %s", s.name, m.Receiver.ApplyError)
		}
	}
	for _, step := range []change{
		{"SET GLOBAL rpl_semi_sync_source_enabled = OFF", nil},
		{"SET GLOBAL super_read_only = ON", nil},
		{"STOP REPLICA IO_THREAD", nil},
		{where, args},
		{"SET GLOBAL offline_mode = OFF", nil},
		{"START REPLICA", nil},
	} {
		if m.Receiver == nil && step.statement == "STOP REPLICA IO_THREAD" {
			continue
		}
		if err := s.exec(ctx, stopTimeout, step.statement, step.args...); err != nil {
			return err
		}
	}
	return nil
}

// awaitFollower returns once a replica is connected to the candidate.
func (a *attempt) awaitFollower(ctx context.Context, c *candidate) error {
	return await(ctx, followTimeout, func() (bool, string, error) {
		members, err := a.look(ctx)
		if err != nil {
			return false, "", err
		}
		states := []string{}
		for _, i := range c.replicas {
			m := &members[i]
			if m.Follows(&members[c.index]) {
				return true, "", nil
			}
			if m.Receiver != nil {
				states = append(states, m.Name+" "+m.Receiver.State+" "+m.Receiver.Error)
			}
		}
		return false, "no replica connects to " + members[c.index].Name + ": " + strings.Join(states, ", "), nil
	})
}

// standAlone makes a read-only member one that follows nobody and has its source side off. A commit that still waits there
// is a supervisor's own, of an attempt that has ended: everybody else was kept out.
func (a *attempt) standAlone(ctx context.Context, s *session, m *Member) error {
	for _, statement := range []string{"SET GLOBAL rpl_semi_sync_source_enabled = OFF", "SET GLOBAL super_read_only = ON"} {
		if err := s.exec(ctx, stopTimeout, statement); err != nil {
			return err
		}
	}
	if m.Receiver == nil {
		return nil
	}
	return s.forget(ctx)
}

// cutOff lets nobody receive from anybody but the candidate, not even after a restart: it would acknowledge the commits of an
// old primary that lives. What is thrown away unapplied the candidate has, and whoever acknowledged the barrier.
func (a *attempt) cutOff(ctx context.Context, candidate int) error {
	members, err := a.look(ctx)
	if err != nil {
		return err
	}
	p := &members[candidate]
	return a.each(func(i int, s *session) error {
		m := &members[i]
		if i == candidate || !m.Answers() || m.Receiver == nil || m.Receiver.Source == p.Name || m.Follows(p) {
			return nil
		}
		a.sup.log.Warn("a replica could not be moved: it is to join anew", "member", m.Name, "followed", m.Receiver.Source)
		return s.forget(ctx)
	})
}

// forget ends a replica's receiving for good: it does not know any more whom it followed.
func (s *session) forget(ctx context.Context) error {
	for _, statement := range []string{"STOP REPLICA", "RESET REPLICA ALL"} {
		if err := s.exec(ctx, stopTimeout, statement); err != nil {
			return err
		}
	}
	return nil
}
