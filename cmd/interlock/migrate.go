package main

import (
	"context"
	"log/slog"

	"interlock/services/ledger/sqlledger"
)

type migrateCommand struct{}

// Run brings the ledger's schema up to date. It may run while servers run, and on several machines at once.
func (migrateCommand) Run(ctx context.Context, settings *Settings, log *slog.Logger) error {
	if settings.embedded() {
		if err := settings.dataFolder(); err != nil {
			return err
		}
	}
	if err := sqlledger.Migrate(ctx, ledgerOptions(settings)); err != nil {
		return err
	}
	log.Info("the schema is up to date")
	return nil
}
