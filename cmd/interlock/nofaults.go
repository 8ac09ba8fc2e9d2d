//go:build !fault

package main

import (
	"log/slog"
	"time"

	"interlock/services/ledger/sqlledger"
	"interlock/services/messages"
	"interlock/services/notify"
	"interlock/services/pay"
	"interlock/services/sale"
)

// faults are what the lab can do to a server that was built with the tag fault. This build is shipped, and has none of
// it.
type faults struct{}

func openFaults(*slog.Logger) (faults, error) { return faults{}, nil }

// Close closes nothing.
func (faults) Close() error { return nil }

func (faults) ledger(o sqlledger.Options) sqlledger.Options { return o }

func (faults) around(o sale.Options) sale.Options { return o }

func (faults) relay(*messages.Relay) {}

func (faults) pay(o pay.Options) pay.Options { return o }

func (faults) notify(o notify.Options) notify.Options { return o }

func (faults) clock() func() time.Time { return time.Now }

// FaultCommands are commands of the build that is not shipped.
type FaultCommands struct{}
