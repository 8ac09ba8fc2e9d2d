package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"runtime"
	"strings"
	"time"

	"interlock/lab/load"
	"interlock/lab/watch"
)

type watchCommand struct {
	clusterFlags
	JSON        bool    `name:"json" help:"Print one JSON document."`
	Seconds     int     `default:"30" help:"How long each of the two phases is."`
	Subscribers int     `default:"5000" help:"How many follow the run."`
	PerSecond   float64 `default:"120" help:"How many orders a second are sold."`
}

// watchLimit is what `lab watch` may take altogether.
const watchLimit = 5 * time.Minute

// Run measures, and prints what it measured.
func (c watchCommand) Run(ctx context.Context, log *slog.Logger, out io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, watchLimit)
	defer cancel()
	up, stop, err := c.start(ctx, 1, log)
	if err != nil {
		return err
	}
	server := up.Servers()[0]
	report, err := watch.Run(ctx, watch.Options{
		Server: server.Addr(), Pid: server.Pid(), Tokens: up.Tokens(), Subscribers: c.Subscribers,
		Window: time.Duration(c.Seconds) * time.Second, Train: "G90002", SeatsPerClass: load.SeatsPerClass, OrdersPerSecond: c.PerSecond,
		Versions: map[string]string{string(up.Flavor()): up.Primary.Version(), "Redis": up.Cache.Version(), "Go": runtime.Version()},
		Command:  "lab " + strings.Join(os.Args[1:], " "), Log: log,
	})
	if err := errors.Join(err, stop()); err != nil {
		return err
	}
	return show(out, c.JSON, report, watch.Text)
}
