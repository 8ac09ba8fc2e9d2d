package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
)

type serveCommand struct {
	Demo     bool `help:"Put the sample timetable on sale, from today on."`
	DemoDays int  `default:"5" help:"How many days of it."`
}

// Run serves until it is told to stop.
func (c serveCommand) Run(ctx context.Context, settings *Settings, log *slog.Logger, out io.Writer) error {
	tradeMemoryForSpeed(log)
	spareProcessors()
	server, err := Open(ctx, settings, log)
	if err != nil {
		return err
	}
	log.Info("serving", "url", server.URL(), "version", version, "ledger", server.stores.ledger.Flavor(),
		"durability", server.durability(), "payments", settings.payments(), "ticket_key", server.ticketKey())
	if settings.embedded() {
		log.Info("nothing is configured: this is the embedded default, SQLite and an in-process Redis in one "+
			"folder; for real sales give --mysql, --redis and --lock-redis",
			"folder", settings.Data)
	}
	if !c.Demo {
		return server.Run(ctx)
	}
	server.prepare("the sample timetable is being put on sale")
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	demo := make(chan error, 1)
	go func() {
		err := server.publishDemo(ctx, c.DemoDays)
		if err == nil {
			err = server.tellDemo(ctx, c.DemoDays, out)
		}
		if errors.Is(err, context.Canceled) {
			err = nil
		}
		if err != nil {
			stop()
		}
		demo <- err
	}()
	err = server.Run(ctx)
	stop()
	return errors.Join(<-demo, err)
}

// prepare makes the server unready with a reason; "" ends that, and leaves readiness to the checks.
func (s *Server) prepare(what string) {
	if what == "" {
		s.preparing.Store(nil)
		return
	}
	s.preparing.Store(&what)
}
