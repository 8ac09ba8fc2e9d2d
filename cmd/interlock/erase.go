package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"interlock/services/erasure"
)

type eraseCommand struct {
	Buyer string `required:"" help:"Whose orders: the subject of the buyer's tokens." placeholder:"SUBJECT"`
	Yes   bool   `help:"Do it. Without this it only says what it would do."`
}

// Run forgets a buyer in the orders of runs that are over. That cannot be undone, so without --yes it only says what it
// would do.
func (c eraseCommand) Run(ctx context.Context, settings *Settings, log *slog.Logger, out io.Writer) error {
	opened, err := openAsTheyAre(ctx, settings, log)
	if err != nil {
		return err
	}
	eraser := &erasure.Eraser{Ledger: opened.ledger, Log: log}
	did, do := "would be erased; --yes does it", eraser.Find
	if c.Yes {
		did, do = "erased", eraser.ForgetBuyer
	}
	found, err := do(ctx, c.Buyer)
	if err == nil || found.Orders > 0 {
		_, printErr := fmt.Fprintf(out, "%s of runs that are over, %d of them with passengers: %s\n",
			count(found.Orders, "order"), found.Passengers, did)
		err = errors.Join(err, printErr)
	}
	if found.Left > 0 {
		_, printErr := fmt.Fprintf(out, "%s of runs that are not over: left as they are\n", count(found.Left, "order"))
		err = errors.Join(err, printErr)
	}
	return errors.Join(err, opened.Close())
}
