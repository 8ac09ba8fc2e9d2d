package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"interlock/lab/cluster"
	"interlock/lab/load"
	"interlock/lab/search"
)

type searchCommand struct {
	clusterFlags
	JSON      bool    `name:"json" help:"Print one JSON document."`
	Seconds   int     `default:"15" help:"How long one scenario is."`
	Searchers int     `default:"16" help:"How many search at once."`
	Days      int     `default:"15" help:"How many days of the sample timetable are on sale."`
	PerSecond float64 `default:"150" help:"How many orders a second are sold beside the searches."`
}

// searchLimit is what `lab search` may take altogether.
const searchLimit = 5 * time.Minute

// Run measures, and prints what it measured.
func (c searchCommand) Run(ctx context.Context, log *slog.Logger, out io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, searchLimit)
	defer cancel()
	up, stop, err := c.start(ctx, 1, log)
	if err != nil {
		return err
	}
	report, err := c.measure(ctx, up, log)
	if err := errors.Join(err, stop()); err != nil {
		return err
	}
	return show(out, c.JSON, report, search.Text)
}

func (c searchCommand) measure(ctx context.Context, up *cluster.Cluster, log *slog.Logger) (*search.Report, error) {
	date, err := search.Tomorrow(time.Now())
	if err != nil {
		return nil, err
	}
	imported, err := search.Import(ctx, up, date, c.Days, log)
	if err != nil {
		return nil, err
	}
	log.Info("the sample timetable is on sale", "from", date, "days", c.Days, "runs", imported.Runs)
	return search.Run(ctx, search.Options{
		Server: up.Servers()[0].Addr(), Date: date.String(), Runs: imported.Runs, Days: c.Days, Tokens: up.Tokens(), Cluster: up,
		Window: time.Duration(c.Seconds) * time.Second, Searchers: c.Searchers, Train: "G90001", SeatsPerClass: load.SeatsPerClass, OrdersPerSecond: c.PerSecond,
		Command: "lab " + strings.Join(os.Args[1:], " "), Log: log,
	})
}
