package main

import (
	"context"
	"io"
	"log/slog"
	"time"

	"interlock/lab/cluster"
	"interlock/lab/sell"
)

type sellCommand struct {
	measureFlags
	Seconds int      `default:"30" help:"How long one round of a scenario is."`
	Rounds  int      `default:"3" help:"How many rounds; a figure is their median."`
	Short   bool     `help:"Only what shows that it is right and faster than the baseline."`
	Only    []string `help:"Only these scenarios." placeholder:"SCENARIO"`
	Quotas  []string `help:"How often clients may ask; without it, as often as they can." placeholder:"QUOTA"`
}

// sellLimit is what `lab sell` may take altogether.
const sellLimit = 15 * time.Minute

// Run measures, and prints what it measured.
func (c sellCommand) Run(ctx context.Context, log *slog.Logger, out io.Writer) error {
	run := func(ctx context.Context, up *cluster.Cluster, left time.Duration) (*sell.Report, error) {
		return sell.Run(ctx, up, sell.Options{
			Window: time.Duration(c.Seconds) * time.Second, Rounds: c.Rounds, Short: c.Short, Only: c.Only,
			Limit: left, Command: commandLine(), Log: log,
		})
	}
	return measure(ctx, c.measureFlags, cluster.Options{Quotas: c.Quotas, Log: log}, sellLimit, out, run, sell.Text)
}
