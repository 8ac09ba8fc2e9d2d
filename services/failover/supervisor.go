package failover

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"interlock/services/rail"
)

// Supervisor looks after one cluster. Close gives its connections back.
type Supervisor struct {
	options  Options
	log      *slog.Logger
	database string
	members  []endpoint
	readers  []*sql.DB // for looking without the locks
	// rebuilding waits for the members that this process is rebuilding. underway has their names.
	rebuilding sync.WaitGroup
	mu         sync.Mutex
	underway   map[string]bool
}

// New makes a supervisor. It does not connect yet.
func New(o Options) (*Supervisor, error) {
	members, err := endpoints(o.Members)
	if err != nil {
		return nil, err
	}
	if o.Replication.User == "" {
		return nil, errors.New("the supervisor: the user that replicas log in as is needed")
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Who == "" {
		o.Who = "unknown"
	}
	sup := &Supervisor{
		options: o, log: o.Log, database: members[0].config.DBName, members: members, underway: map[string]bool{},
	}
	for _, m := range members {
		connector, err := m.connector()
		if err != nil {
			return nil, err
		}
		db := sql.OpenDB(connector)
		db.SetMaxOpenConns(2) // one that looks, and one beside it for a person's status
		sup.readers = append(sup.readers, db)
	}
	return sup, nil
}

// Close closes what was opened. It waits for rebuildings of Supervise, whose context must have ended.
func (sup *Supervisor) Close() error {
	sup.rebuilding.Wait()
	var errs []error
	for _, db := range sup.readers {
		errs = append(errs, db.Close())
	}
	return errors.Join(errs...)
}

// majority is how many members' locks make an attempt.
func (sup *Supervisor) majority() int { return len(sup.members)/2 + 1 }

// look reads every member side by side, each within a limit. A member that does not answer has a Problem.
func (sup *Supervisor) look(ctx context.Context, limit time.Duration) []Member {
	members := make([]Member, len(sup.members))
	var all sync.WaitGroup
	for i, e := range sup.members {
		all.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, limit)
			defer cancel()
			m, err := readMember(ctx, sup.readers[i], sup.database)
			if err != nil {
				m = Member{Problem: err.Error()}
			}
			m.Name = e.name
			members[i] = m
		})
	}
	all.Wait()
	return members
}

// rebuilds tells whether this process is rebuilding a member.
func (sup *Supervisor) rebuilds(name string) bool {
	sup.mu.Lock()
	defer sup.mu.Unlock()
	return sup.underway[name]
}

// index finds a member by its name.
func (sup *Supervisor) index(name string) (int, error) {
	i := slices.IndexFunc(sup.members, func(e endpoint) bool { return e.name == name })
	if i < 0 {
		return 0, rail.Refuse(rail.NotFound, "there is no member %s in the list", name)
	}
	return i, nil
}
