package cluster

import (
	"context"
	"fmt"

	"interlock/internal/servers"
)

// startSupervisors starts the supervisors.
func (c *Cluster) startSupervisors(ctx context.Context) error {
	for range c.options.Supervisors {
		supervisor, err := servers.StartProgram(ctx, servers.ProgramOptions{
			Path: c.options.Binary, Env: c.members.SupervisorEnv(),
			Args:  func(string) []string { return []string{"failover", "--log-level", "INFO"} },
			Ready: func(context.Context, string) error { return nil }, // it serves no requests
		})
		if err != nil {
			return fmt.Errorf("interlock failover: %w", err)
		}
		c.supervisors = append(c.supervisors, supervisor)
	}
	return nil
}

// Supervisors are the supervisors that run.
func (c *Cluster) Supervisors() []*servers.Program { return c.supervisors }
