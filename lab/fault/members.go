package fault

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"interlock/internal/pause"
	"interlock/internal/servers"
	"interlock/lab/fault/history"
)

const (
	// followTime is how long a member may need until it has all that the primary has: it may have to be copied anew and
	// to be started before it is taken in.
	followTime = 30 * time.Second
	// caughtUpSeconds is how long one look waits for what a replica has received and not applied yet.
	caughtUpSeconds = 10
)

// members are the tickets that every member has of the runs, once the replicas have caught up. The primary's come
// first. A member whose data was deleted is not asked.
func (e *evidence) members(ctx context.Context) ([]history.Member, error) {
	position, err := ask(ctx, e.primary, "SELECT @@GLOBAL.gtid_executed")
	if err != nil {
		return nil, err
	}
	tickets, err := e.tickets(ctx, e.primary)
	if err != nil {
		return nil, err
	}
	all := []history.Member{{Name: e.primary.Addr(), Tickets: tickets}}
	for _, server := range e.cluster.Members().Servers {
		if server == e.primary {
			continue
		}
		m := history.Member{Name: server.Addr(), Deleted: slices.Contains(e.deleted, server)}
		if !m.Deleted {
			m.Restarted, err = e.awaitFollower(ctx, server, position)
			if err == nil {
				m.Tickets, err = e.tickets(ctx, server)
			}
			if err != nil {
				m.Problem = err.Error()
			}
		}
		all = append(all, m)
	}
	return all, ctx.Err()
}

// awaitFollower waits until a member follows the primary and has all up to a position. Rebuilding a member ends its
// process. On a machine of its own a service manager would start it again; here this does.
func (e *evidence) awaitFollower(
	ctx context.Context, server *servers.SQLServer, position string,
) (restarted bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, followTime)
	defer cancel()
	for {
		if ended(server) {
			rebuilt, err := e.rebuilt(server)
			if err != nil || !rebuilt {
				return restarted, errors.Join(err, errors.New("it has ended"))
			}
			if err := server.Start(ctx); err != nil {
				return restarted, err
			}
			restarted = true
		}
		if err = e.follows(ctx, server, position); err == nil {
			return restarted, nil
		}
		if pause.For(ctx, derivedPoll); ctx.Err() != nil {
			return restarted, err
		}
	}
}

// follows is nil where a member is connected to the primary and has all up to a position.
func (e *evidence) follows(ctx context.Context, server *servers.SQLServer, position string) error {
	connected, err := ask(ctx, server, "SELECT COUNT(*) FROM "+
		"performance_schema.replication_connection_configuration c "+
		"JOIN performance_schema.replication_connection_status s ON s.CHANNEL_NAME = c.CHANNEL_NAME "+
		"WHERE c.PORT = ? AND s.SERVICE_STATE = 'ON'", e.primary.Port())
	if err != nil {
		return err
	}
	if connected != "1" {
		return errors.New("it does not follow the primary")
	}
	late, err := ask(ctx, server, "SELECT WAIT_FOR_EXECUTED_GTID_SET(?, ?)", position, caughtUpSeconds)
	if err == nil && late != "0" {
		err = errors.New("it is behind")
	}
	return err
}

// rebuilt tells whether a supervisor has had a member rebuilt.
func (e *evidence) rebuilt(server *servers.SQLServer) (bool, error) {
	said := fmt.Sprintf(`msg="the member is rebuilt from the primary" member=%s `, server.Addr())
	for _, g := range e.cluster.Supervisors() {
		log, err := os.ReadFile(g.LogPath())
		if err != nil {
			return false, err
		}
		if strings.Contains(string(log), said) {
			return true, nil
		}
	}
	return false, nil
}
