package main

import (
	"context"
	"io"
	"log/slog"
	"time"

	"interlock/lab/attack"
	"interlock/lab/cluster"
)

type attackCommand struct {
	measureFlags
	Seconds   int      `default:"6" help:"How long an attack is, and as long again what it is held against."`
	PerSecond float64  `default:"150" help:"How many buyers come in a second."`
	Only      []string `help:"Only these attacks." placeholder:"ATTACK"`
}

// attackLimit is what `lab attack` may take altogether: all attacks, some of which are played again.
const attackLimit = 10 * time.Minute

// Run attacks, and prints what came of it.
func (c attackCommand) Run(ctx context.Context, log *slog.Logger, out io.Writer) error {
	run := func(ctx context.Context, up *cluster.Cluster, left time.Duration) (*attack.Report, error) {
		return attack.Run(ctx, up, attack.Options{
			Window: time.Duration(c.Seconds) * time.Second, PerSecond: c.PerSecond, Only: c.Only,
			Limit: left, Command: commandLine(), Log: log,
		})
	}
	return measure(ctx, c.measureFlags, cluster.Options{Strict: true, Log: log}, attackLimit, out, run, attack.Text)
}
