package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"interlock/services/audit"
)

type verifyCommand struct {
	JSON bool `name:"json" help:"Print one JSON document."`
}

// Run exits with 1 when a promise does not hold, and with 2 when that could not be found out.
func (c verifyCommand) Run(ctx context.Context, settings *Settings, log *slog.Logger, out io.Writer) error {
	opened, err := openStores(ctx, settings, false)
	if err != nil {
		return err
	}
	auditor := audit.Auditor{Ledger: opened.ledger, Log: log}
	if opened.cache != nil {
		auditor.Cache = opened.cache
	} else {
		log.Info("no server runs on this folder, so there is no Redis to hold against the ledger")
	}
	report, err := auditor.Verify(ctx)
	if err := errors.Join(err, opened.Close()); err != nil {
		return err
	}
	if c.JSON {
		err = json.NewEncoder(out).Encode(report)
	} else {
		err = print(out, report)
	}
	if err == nil && !report.OK {
		err = errFound
	}
	return err
}

func print(out io.Writer, report *audit.Report) error {
	for _, d := range report.Defects {
		if _, err := fmt.Fprintf(out, "%s: run %s, coach %s, seat %s: %s\n", d.Check, d.Run, d.Coach, d.Seat, d.Message); err != nil {
			return err
		}
	}
	verdict := "every promise holds"
	if !report.OK {
		verdict = fmt.Sprintf("%d defects", len(report.Defects))
	}
	_, err := fmt.Fprintf(out, "%d runs, %d tickets: %s\n", report.Runs, report.Tickets, verdict)
	return err
}

type rebuildCommand struct {
	Leap bool `help:"First raise every run's version by a million: after a loss of data, so that no version means two things."`
}

// Run rewrites Redis from the ledger.
func (c rebuildCommand) Run(ctx context.Context, settings *Settings, log *slog.Logger, out io.Writer) error {
	opened, err := openStores(ctx, settings, false)
	if err != nil {
		return err
	}
	if opened.cache == nil {
		return errors.Join(fmt.Errorf("%s: %w, and so no Redis to rebuild; a server that starts loads it by itself", settings.Data, errNoServer), opened.Close())
	}
	auditor := audit.Auditor{Ledger: opened.ledger, Cache: opened.cache, Lock: opened.lock, Log: log}
	runs, err := auditor.Rebuild(ctx, c.Leap)
	if err := errors.Join(err, opened.Close()); err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "%d runs rewritten\n", runs)
	return err
}
