package cluster

import (
	"context"
	"fmt"

	"interlock/internal/servers"
)

// startGuards starts the supervisors.
func (c *Cluster) startGuards(ctx context.Context) error {
	for range c.options.Guards {
		guard, err := servers.StartProgram(ctx, servers.ProgramOptions{
			Path: c.options.Binary, Env: c.members.GuardEnv(),
			Args:  func(string) []string { return []string{"guard", "--log-level", "INFO"} },
			Ready: func(context.Context, string) error { return nil }, // it serves nobody
		})
		if err != nil {
			return fmt.Errorf("interlock guard: %w", err)
		}
		c.guards = append(c.guards, guard)
	}
	return nil
}

// Guards are the supervisors that run.
func (c *Cluster) Guards() []*servers.Program { return c.guards }
