package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"strings"

	"github.com/alecthomas/kong"

	"interlock/services/audit"
	"interlock/services/pay/sqlpay"
)

type verifyCommand struct {
	JSON bool `name:"json" help:"Print one JSON document."`
}

// Run exits with 1 when a promise does not hold, and with 2 when it could not find out. It changes nothing.
func (c verifyCommand) Run(ctx context.Context, settings *Settings, log *slog.Logger, out io.Writer) error {
	opened, err := openAsTheyAre(ctx, settings, log)
	if err != nil {
		return err
	}
	if err := opened.ledger.KeysFit(ctx); err != nil {
		return errors.Join(err, opened.Close())
	}
	auditor := audit.Auditor{Ledger: opened.ledger, Log: log}
	if opened.cache != nil {
		auditor.Cache = opened.cache
	} else {
		auditor.Idle = true
		log.Info("no server runs on this folder, so there is no Redis to compare with the ledger, and holds past " +
			"their time do not end")
	}
	written, err := openWrittenPayments(ctx, settings, log)
	if err != nil {
		return errors.Join(err, opened.Close())
	}
	if written != nil {
		opened.close = append(opened.close, written.Close)
		auditor.Payments = written
	}
	report, err := auditor.Verify(ctx)
	if err = errors.Join(err, opened.Close()); err != nil {
		return err
	}
	if c.JSON {
		err = json.NewEncoder(out).Encode(report)
	} else {
		err = print(out, report)
	}
	if err == nil && !report.OK {
		return errFound
	}
	return err
}

// openWrittenPayments opens the database of payments that take time, as it is; nil where there is none. In an embedded
// folder there is one also where payments are made at once by now.
func openWrittenPayments(ctx context.Context, s *Settings, log *slog.Logger) (*sqlpay.Store, error) {
	options, err := paymentsOptions(s)
	if err != nil {
		return nil, err
	}
	if s.embedded() {
		if _, err := os.Stat(options.Path); errors.Is(err, fs.ErrNotExist) {
			return nil, nil // To open what is not there would make it.
		}
	} else if !s.paysInTime() && len(s.PayMySQL) == 0 {
		return nil, nil
	}
	options.Log = log
	written, err := sqlpay.Open(ctx, options)
	if err != nil {
		return nil, fmt.Errorf("the payments' database: %w", err)
	}
	return written, nil
}

func print(out io.Writer, report *audit.Report) error {
	for _, d := range report.Defects {
		where := d.Check + ": "
		for _, part := range []struct{ name, value string }{
			{"", d.Row}, {"run ", string(d.Run)}, {"order ", d.Order}, {"coach ", d.Coach}, {"seat ", d.Seat},
		} {
			if part.value != "" {
				where += part.name + part.value + ", "
			}
		}
		if _, err := fmt.Fprintf(out, "%s: %s\n", strings.TrimSuffix(where, ", "), d.Message); err != nil {
			return err
		}
	}
	verdict := "every promise holds"
	if !report.OK {
		verdict = count(len(report.Defects)+report.More, "defect")
	}
	if report.More > 0 {
		verdict += fmt.Sprintf(", of which the first %d are shown", len(report.Defects))
	}
	payments := ""
	if report.Payments > 0 {
		payments = ", " + count(report.Payments, "payment")
	}
	_, err := fmt.Fprintf(out, "%s, %s%s: %s\n", count(report.Runs, "run"), count(report.Tickets, "ticket"), payments,
		verdict)
	return err
}

// rebuildHelp is a help text that is too long for a line of the struct below.
var rebuildHelp = kong.Vars{
	"jump_versions_help": "First raise every run's version by a million: after a loss of data, so that no version " +
		"means two things.",
}

type rebuildCommand struct {
	JumpVersions bool `help:"${jump_versions_help}"`
}

// Run rewrites Redis from the ledger.
func (c rebuildCommand) Run(ctx context.Context, settings *Settings, log *slog.Logger, out io.Writer) error {
	opened, err := openAsTheyAre(ctx, settings, log)
	if err != nil {
		return err
	}
	if opened.cache == nil {
		return errors.Join(fmt.Errorf("%s: %w, and so no Redis to rebuild; a server that starts loads it by itself",
			settings.Data, errNoServer), opened.Close())
	}
	auditor := audit.Auditor{Ledger: opened.ledger, Cache: opened.cache, Lock: opened.lock, Log: log}
	runs, err := auditor.Rebuild(ctx, c.JumpVersions)
	// An error may name runs that cannot be read, when all others were rewritten.
	if runs > 0 || err == nil {
		_, printErr := fmt.Fprintf(out, "%s compared, %d rewritten\n", count(runs, "run"), auditor.Stats().Repaired)
		err = errors.Join(err, printErr)
	}
	return errors.Join(err, opened.Close())
}

// count is a number of things in words: "1 run", "2 runs".
func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
