package main

import (
	"context"
	"io"
	"log/slog"
	"runtime"
	"time"

	"interlock/lab/cluster"
	"interlock/lab/load"
	"interlock/lab/watch"
)

type watchCommand struct {
	measureFlags
	Seconds     int     `default:"30" help:"How long each of the two phases is."`
	Subscribers int     `default:"5000" help:"How many follow the run."`
	PerSecond   float64 `default:"120" help:"How many orders a second are sold."`
}

// watchLimit is what `lab watch` may take altogether.
const watchLimit = 5 * time.Minute

// Run measures, and prints what it measured.
func (c watchCommand) Run(ctx context.Context, log *slog.Logger, out io.Writer) error {
	run := func(ctx context.Context, up *cluster.Cluster, _ time.Duration) (*watch.Report, error) {
		server := up.Servers()[0]
		return watch.Run(ctx, watch.Options{
			Server: server.Addr(), Pid: server.Pid(), Tokens: up.Tokens(), Subscribers: c.Subscribers,
			Window: time.Duration(c.Seconds) * time.Second,
			Train:  "G90002", SeatsPerClass: load.SeatsPerClass, OrdersPerSecond: c.PerSecond,
			Versions: map[string]string{
				string(up.Flavor()): up.Primary.Version(), "Redis": up.Cache.Version(), "Go": runtime.Version(),
			},
			Command: commandLine(), Log: log,
		})
	}
	return measure(ctx, c.measureFlags, cluster.Options{Log: log}, watchLimit, out, run, watch.Text)
}
