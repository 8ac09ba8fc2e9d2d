//go:build !fault

package main

import (
	"log/slog"
	"time"

	"interlock/services/ledger/sqlledger"
	"interlock/services/sale"
)

// faults are what the proving ground may do to a server that was built for it. This one is built to be shipped, and
// cannot be told to do any of it.
type faults struct{}

func openFaults(*slog.Logger) (faults, error) { return faults{}, nil }

// Close closes nothing.
func (faults) Close() error { return nil }

func (faults) ledger(o sqlledger.Options) sqlledger.Options { return o }

func (faults) around(o sale.Options) sale.Options { return o }

func (faults) clock() func() time.Time { return time.Now }
