package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"interlock/lab/sell"
)

type sellCommand struct {
	clusterFlags
	JSON    bool     `name:"json" help:"Print one JSON document."`
	Seconds int      `default:"30" help:"How long one round of a scenario is."`
	Rounds  int      `default:"3" help:"How many rounds; a figure is their median."`
	Short   bool     `help:"Only what shows that it is right and faster than the baseline."`
	Only    []string `help:"Only these scenarios." placeholder:"SCENARIO"`
}

// sellLimit is what `lab sell` may take altogether.
const sellLimit = 15 * time.Minute

// Run measures, and prints what it measured.
func (c sellCommand) Run(ctx context.Context, log *slog.Logger, out io.Writer) error {
	begun := time.Now()
	ctx, cancel := context.WithTimeout(ctx, sellLimit)
	defer cancel()
	up, stop, err := c.start(ctx, 1, log)
	if err != nil {
		return err
	}
	report, err := sell.Run(ctx, up, sell.Options{
		Window: time.Duration(c.Seconds) * time.Second, Rounds: c.Rounds, Short: c.Short, Only: c.Only,
		Limit:   sellLimit - time.Since(begun),
		Command: "lab " + strings.Join(os.Args[1:], " "), Log: log,
	})
	if err := errors.Join(err, stop()); err != nil {
		return err
	}
	return show(out, c.JSON, report, sell.Text)
}
