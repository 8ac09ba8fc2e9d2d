package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"interlock/lab/cluster"
)

// measureFlags are those of every command that measures on a cluster of its own.
type measureFlags struct {
	clusterFlags
	JSON bool `name:"json" help:"Print one JSON document."`
}

// judged is what such a command prints. OK tells whether all that it promises held.
type judged interface{ OK() bool }

// measure starts a cluster with one server, measures on it, ends it and prints the report. All of that may take limit.
// run is told how much of it is left once the cluster is up. The error is errFound for a report that is not all right.
func measure[R judged](
	ctx context.Context, f measureFlags, o cluster.Options, limit time.Duration, out io.Writer,
	run func(ctx context.Context, up *cluster.Cluster, left time.Duration) (R, error), text func(R) string,
) error {
	begun := time.Now()
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	o.Servers = 1
	up, stop, err := f.start(ctx, o)
	if err != nil {
		return err
	}
	report, err := run(ctx, up, limit-time.Since(begun))
	if err := errors.Join(err, stop()); err != nil {
		return err
	}
	return show(out, f.JSON, report, text)
}

// commandLine is how lab was called, for the report.
func commandLine() string { return "lab " + strings.Join(os.Args[1:], " ") }

// show prints a report, as one JSON document or as text. The error is errFound for one that is not all right.
func show[R judged](out io.Writer, asJSON bool, report R, text func(R) string) (err error) {
	if asJSON {
		encoder := json.NewEncoder(out)
		encoder.SetIndent("", "  ")
		err = encoder.Encode(report)
	} else {
		_, err = fmt.Fprint(out, text(report))
	}
	if err == nil && !report.OK() {
		err = errFound
	}
	return err
}
