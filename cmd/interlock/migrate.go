package main

import (
	"context"
	"fmt"
	"log/slog"

	"interlock/services/ledger/sqlledger"
	"interlock/services/notify/sqlnotify"
	"interlock/services/pay/sqlpay"
)

type migrateCommand struct{}

// Run brings the schema of the ledger up to date, that of the payments' database where payments take time, and that of
// the notifications' where something is told. It may run while servers run, and on several machines at once.
func (migrateCommand) Run(ctx context.Context, settings *Settings, log *slog.Logger) error {
	if settings.embedded() {
		if err := settings.dataFolder(); err != nil {
			return err
		}
	}
	if err := sqlledger.Migrate(ctx, ledgerOptions(settings)); err != nil {
		return err
	}
	if settings.paysInTime() || len(settings.PayMySQL) > 0 {
		options, err := paymentsOptions(settings)
		if err == nil {
			err = sqlpay.Migrate(ctx, options)
		}
		if err != nil {
			return fmt.Errorf("the payments' database: %w", err)
		}
	}
	if settings.notifies() || settings.NotifyURL != "" || len(settings.NotifyMySQL) > 0 {
		options, err := notifyOptions(settings)
		if err == nil {
			err = sqlnotify.Migrate(ctx, options)
		}
		if err != nil {
			return fmt.Errorf("the notifications' database: %w", err)
		}
	}
	log.Info("the schema is up to date")
	return nil
}
