package failover

import (
	"context"
	"fmt"
	"time"

	"interlock/services/mysqlcluster"
	"interlock/services/rail"
)

// apply has a replica apply all that it has received, within a limit. Where it cannot, reason says why.
func (a *attempt) apply(
	ctx context.Context, s *session, received string, limit time.Duration,
) (reason string, err error) {
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
		err := s.one(ctx, statementTimeout, "SELECT WAIT_FOR_EXECUTED_GTID_SET(?, ?)",
			[]any{received, applySlice.Seconds()}, &late)
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

// follow has a member receive from the primary, which must have all that the member has. What the member has received
// and not yet applied is kept: it may be the only one that acknowledged it.
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
			return rail.Refuse(rail.WrongState, "%s does not apply what it has received: %s",
				s.name, m.Receiver.ApplyError)
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

// forget ends a replica's receiving for good: it does not know any more which source it followed.
func (s *session) forget(ctx context.Context) error {
	for _, statement := range []string{"STOP REPLICA", "RESET REPLICA ALL"} {
		if err := s.exec(ctx, stopTimeout, statement); err != nil {
			return err
		}
	}
	return nil
}
