package fault

import (
	"context"
	"strconv"
	"time"

	"interlock/internal/pause"
	"interlock/internal/servers"
	"interlock/lab/cluster"
	"interlock/lab/fault/check"
	"interlock/lab/load"
)

// looks is how often resources are looked at. Pools and occasional clients fill and empty them by chance.
const looks = 5

// least is what the processes of a cluster hold at least within half a second.
func least(ctx context.Context, c *cluster.Cluster) ([]check.Resources, error) {
	all, err := resources(ctx, c)
	for range looks - 1 {
		if err != nil {
			return nil, err
		}
		pause.For(ctx, derivedPoll)
		var again []check.Resources
		again, err = resources(ctx, c)
		for i := range min(len(all), len(again)) {
			a, b := &all[i], again[i]
			a.Goroutines, a.Files, a.Connections = min(a.Goroutines, b.Goroutines), min(a.Files, b.Files),
				min(a.Connections, b.Connections)
		}
	}
	return all, err
}

// resources are what servers, supervisors and members hold. Those of a kind are added up: after a fault buyers ask
// other servers than before it, another supervisor leads, and another member is the primary. A member that does not
// answer counts as holding nothing.
func resources(ctx context.Context, c *cluster.Cluster) ([]check.Resources, error) {
	ofServers, ofSupervisors := check.Resources{Processes: "the servers"}, check.Resources{Processes: "the supervisors"}
	for _, server := range c.Servers() {
		figures, err := load.Metrics(ctx, server.Addr())
		if err != nil {
			return nil, err
		}
		ofServers.Goroutines += int(figures["go_goroutines"])
		ofServers.Files += int(figures["process_open_fds"])
	}
	for _, supervisor := range c.Supervisors() {
		ofSupervisors.Files += servers.OpenFiles(supervisor.Pid())
	}
	ofMembers := check.Resources{Processes: "the members"}
	for _, member := range c.Members().Servers {
		ofMembers.Connections += connections(ctx, member)
	}
	return []check.Resources{ofServers, ofSupervisors, ofMembers}, nil
}

// connectionsTimeout bounds one look at a member; one that is being copied anew does not answer.
const connectionsTimeout = time.Second

// connections are those that a member has. They are many where clients have left some open. 0 for a member that does
// not answer.
func connections(ctx context.Context, member *servers.SQLServer) int {
	ctx, cancel := context.WithTimeout(ctx, connectionsTimeout)
	defer cancel()
	said, err := ask(ctx, member, "SELECT VARIABLE_VALUE FROM performance_schema.global_status WHERE VARIABLE_NAME "+
		"= 'Threads_connected'")
	if err != nil {
		return 0
	}
	n, _ := strconv.Atoi(said) // MySQL says a number
	return n
}

// sum adds a figure up over all servers that answer.
func (s *Scene) sum(ctx context.Context, name string) (total float64) {
	for _, server := range s.Cluster.Servers() {
		if figures, err := load.Metrics(ctx, server.Addr()); err == nil {
			total += figures[name]
		}
	}
	return total
}
