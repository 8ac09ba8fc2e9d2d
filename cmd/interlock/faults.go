//go:build fault

package main

import (
	"database/sql/driver"
	"fmt"
	"log/slog"
	"os"
	"time"

	"interlock/cmd/interlock/failpoints"
	"interlock/services/ledger/sqlledger"
	"interlock/services/ledger/sqlledger/intercept"
	"interlock/services/messages"
	"interlock/services/notify"
	"interlock/services/pay"
	"interlock/services/sale"
)

// faults are what the lab does to this server, which was built to be broken: it holds batches at failpoints, sets the
// clock off, takes any version, and takes any commit for replicated.
type faults struct {
	control      *failpoints.Control // nil where none is held
	off          time.Duration
	anyVersion   bool
	asynchronous bool
}

// openFaults reads the faults from the environment. They are no settings: this build is not shipped.
func openFaults(log *slog.Logger) (f faults, err error) {
	if off := os.Getenv(failpoints.ClockVariable); off != "" {
		if f.off, err = time.ParseDuration(off); err != nil {
			return f, fmt.Errorf("%s: %w", failpoints.ClockVariable, err)
		}
	}
	f.anyVersion = os.Getenv(failpoints.VersionCheckVariable) == failpoints.VersionCheckOff
	f.asynchronous = os.Getenv(failpoints.ReplicationVariable) == failpoints.ReplicationAssumed
	if path := os.Getenv(failpoints.ControlVariable); path != "" {
		if f.control, err = failpoints.Listen(path, failpoints.Limit); err != nil {
			return f, err
		}
	}
	log.Warn("this server was built to be broken: it is not for selling", "holds_batches", f.control != nil,
		"clock_off", f.off,
		"any_version", f.anyVersion, "asynchronous", f.asynchronous)
	return f, nil
}

// Close lets the batch go on that is held.
func (f faults) Close() error {
	if f.control == nil {
		return nil
	}
	return f.control.Close()
}

func (f faults) ledger(o sqlledger.Options) sqlledger.Options {
	o.Wrap = func(c driver.Connector) driver.Connector {
		if f.anyVersion {
			c = intercept.WithoutVersionCheck(c)
		}
		if f.asynchronous {
			c = intercept.WithoutReplication(c)
		}
		if f.control != nil {
			c = intercept.Intercept(c, f.control.Statement)
		}
		return c
	}
	return o
}

func (f faults) around(o sale.Options) sale.Options {
	if f.control == nil {
		return o
	}
	return f.control.Around(o)
}

func (f faults) relay(r *messages.Relay) {
	if f.control != nil {
		f.control.Relay(r)
	}
}

func (f faults) pay(o pay.Options) pay.Options {
	if f.control == nil {
		return o
	}
	o.Store = f.control.Store(o.Store)
	providers := make([]pay.Provider, len(o.Providers))
	for i, provider := range o.Providers {
		providers[i] = f.control.Provider(provider)
	}
	o.Providers = providers
	return o
}

func (f faults) notify(o notify.Options) notify.Options {
	if f.control == nil {
		return o
	}
	return f.control.Notifications(o)
}

func (f faults) clock() func() time.Time {
	return func() time.Time { return time.Now().Add(f.off) }
}
