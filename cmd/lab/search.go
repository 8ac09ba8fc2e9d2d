package main

import (
	"context"
	"io"
	"log/slog"
	"time"

	"interlock/lab/cluster"
	"interlock/lab/load"
	"interlock/lab/search"
)

type searchCommand struct {
	measureFlags
	Seconds   int     `default:"15" help:"How long one scenario is."`
	Searchers int     `default:"16" help:"How many search at once."`
	Days      int     `default:"15" help:"How many days of the sample timetable are on sale."`
	PerSecond float64 `default:"150" help:"How many orders a second are sold beside the searches."`
}

// searchLimit is what `lab search` may take altogether.
const searchLimit = 5 * time.Minute

// Run measures, and prints what it measured.
func (c searchCommand) Run(ctx context.Context, log *slog.Logger, out io.Writer) error {
	run := func(ctx context.Context, up *cluster.Cluster, _ time.Duration) (*search.Report, error) {
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
			Server: up.Servers()[0].Addr(), Date: date.String(), Runs: imported.Runs, Days: c.Days, Tokens: up.Tokens(),
			Cluster: up, Window: time.Duration(c.Seconds) * time.Second, Searchers: c.Searchers,
			Train: "G90001", SeatsPerClass: load.SeatsPerClass, OrdersPerSecond: c.PerSecond,
			Command: commandLine(), Log: log,
		})
	}
	return measure(ctx, c.measureFlags, cluster.Options{Log: log}, searchLimit, out, run, search.Text)
}
