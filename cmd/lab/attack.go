package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"interlock/lab/attack"
	"interlock/lab/cluster"
)

type attackCommand struct {
	clusterFlags
	JSON      bool     `name:"json" help:"Print one JSON document."`
	Seconds   int      `default:"6" help:"How long an attack is, and as long again what it is held against."`
	PerSecond float64  `default:"150" help:"How many buyers come in a second."`
	Only      []string `help:"Only these attacks." placeholder:"ATTACK"`
}

// attackLimit is what `lab attack` may take altogether: all attacks, some of which are played again.
const attackLimit = 10 * time.Minute

// Run attacks, and prints what came of it.
func (c attackCommand) Run(ctx context.Context, log *slog.Logger, out io.Writer) error {
	begun := time.Now()
	ctx, cancel := context.WithTimeout(ctx, attackLimit)
	defer cancel()
	up, stop, err := c.startWith(ctx, cluster.Options{Servers: 1, Strict: true, Log: log})
	if err != nil {
		return err
	}
	report, err := attack.Run(ctx, up, attack.Options{
		Window: time.Duration(c.Seconds) * time.Second, PerSecond: c.PerSecond, Only: c.Only, Limit: attackLimit - time.Since(begun),
		Command: "lab " + strings.Join(os.Args[1:], " "), Log: log,
	})
	if err := errors.Join(err, stop()); err != nil {
		return err
	}
	return show(out, c.JSON, report, attack.Text)
}
