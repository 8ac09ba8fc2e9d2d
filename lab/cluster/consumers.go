package cluster

import (
	"context"
	"fmt"
	"net"
	"slices"

	"interlock/cmd/interlock/failpoints"
	"interlock/internal/servers"
)

// The groups of the lab's consumers. InOrder has one consumer, which is told the events of a subject in the order of
// their versions. Shared has a consumer in each process, and what one leaves another takes over.
const (
	InOrder = "lab-in-order"
	Shared  = "lab-shared"
)

// effectsFile is the consumers' log, in the folder of the first.
const effectsFile = "effects.db"

// ofPayments marks a consumer of the events of payments.
const ofPayments = "@payments"

// startConsumers starts the consumers, if there are to be any: each for the events of the ledger, and once more for
// those of payments.
func (c *Cluster) startConsumers(ctx context.Context) error {
	if !c.options.Consumers {
		return nil
	}
	for n, consumers := range [][]string{{InOrder + "/one", Shared + "/first"}, {Shared + "/second"}} {
		if c.options.Bank {
			for _, who := range slices.Clone(consumers) {
				consumers = append(consumers, who+ofPayments)
			}
		}
		effects := effectsFile
		if n > 0 {
			effects = c.Effects()
		}
		var env []string
		if c.options.Breakable {
			env = []string{failpoints.ControlVariable + "=" + controlFile}
		}
		process, err := servers.StartProgram(ctx, servers.ProgramOptions{
			Path: c.options.Binary, Env: env, Ready: listens,
			Args: func(addr string) []string {
				return append([]string{
					"consume", "--listen", addr, "--messages", c.Messages.Addr(), "--log-level", "WARN",
					"--effects", effects,
				}, consumers...)
			},
		})
		if err != nil {
			return fmt.Errorf("interlock consume: %w", err)
		}
		c.consumers = append(c.consumers, process)
	}
	return nil
}

// listens is nil where there is a listener at addr.
func listens(ctx context.Context, addr string) error {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	return conn.Close()
}

// Consumers are the processes that consume events. The first has the consumer of InOrder.
func (c *Cluster) Consumers() []*servers.Program { return c.consumers }

// Effects is the path of the consumers' log of effects.
func (c *Cluster) Effects() string { return c.consumers[0].Path(effectsFile) }
