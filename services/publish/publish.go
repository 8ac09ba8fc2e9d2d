// Package publish is the use case of putting a railway's timetable on sale: stations, trains on their dates, a whole
// GTFS feed at once. It also suspends, resumes and withdraws single runs.
//
// It checks all input by the rules of rail before the ledger sees it, and writes through the ledger only. Whether a
// change would hurt an order is decided by the ledger, in the transaction that makes the change.
//
// Invariants:
//
//   - What the ledger refused is nowhere else either.
//   - Where it is not known whether the ledger has done it, the answer is UNAVAILABLE and says so. To repeat it is
//     safe: it then tells availability and the timetables what the first time could not.
//   - Availability and the timetables are told only after the ledger's commit. A failure to tell them is logged and is
//     no error: the publication stands, and repair does the rest.
//   - Publishing the same again changes nothing, at any time, on any server: what is stored depends on the request
//     alone.
//
// A Publisher keeps no state of its own; its methods may be called by many goroutines.
package publish

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"interlock/services/ledger"
	"interlock/services/rail"
)

// Stations finds a station that is published.
type Stations interface {
	Station(code rail.StationCode) (*rail.Station, bool)
}

// Runs finds a run that is published.
type Runs interface {
	Run(id rail.RunID) (*rail.Run, bool)
}

// Publisher publishes timetables.
type Publisher struct {
	Ledger       Ledger
	Availability Availability
	// Timetable, Stations and Runs are this server's copy of what is published. All three may be nil where only Import
	// is called: a process that imports has no searches.
	Timetable Timetable
	Stations  Stations
	Runs      Runs
	// Now tells what today is.
	Now func() time.Time
	// ClosesBefore is how long before its departure selling from a call ends, for every run published from here on.
	ClosesBefore time.Duration
	// Log gets what could not be told after a commit, for which no call fails.
	Log *slog.Logger
}

// Bounds of what is told after a commit.
const (
	// tellMax is how long a publication waits after its commit for each of availability, this server's timetable, the
	// other servers, and the subscribers of orders that it ended. It is long for a healthy server, and short for the
	// caller who waits; repair does the rest.
	tellMax = 3 * time.Second
	// loadRuns is how many runs are loaded into availability in one call, so that each call fits well into tellMax.
	loadRuns = 500
	// repeatAfter is how long a caller should wait before it repeats a publication that is in doubt: about as long as a
	// commit may wait for its replica.
	repeatAfter = 3 * time.Second
)

// tell brings availability and the timetables up to date after a commit, and tells of the orders that it ended. The
// publication has happened, so it is told in full even when its caller has gone. When it is repeated, it is told again:
// the first time may have been cut short after the ledger.
func (p *Publisher) tell(ctx context.Context, left []*rail.Availability, ended ...*rail.Order) {
	ctx = context.WithoutCancel(ctx)
	reached := p.load(ctx, left)
	p.refresh(ctx)
	if !reached {
		return // Redis is away. Other servers and subscribers find out by themselves.
	}
	p.announce(ctx)
	p.announceOrders(ctx, ended)
}

// announceOrders tells subscribers of orders that these have ended.
func (p *Publisher) announceOrders(ctx context.Context, ended []*rail.Order) {
	if len(ended) == 0 {
		return
	}
	p.within(ctx, "not all who watch the orders it ended are told yet", func(ctx context.Context) error {
		for _, o := range ended {
			change := rail.Change{RunID: o.RunID, OrderID: o.ID, Version: o.Version}
			if err := p.Availability.Announce(ctx, change); err != nil {
				return err
			}
		}
		return nil
	})
}

// unsure is an error of the ledger as the caller is told of it. Where the commit is in doubt, that is UNAVAILABLE: to
// repeat the call finds out, without a key.
func unsure(err error) error {
	if !errors.Is(err, ledger.ErrInDoubt) {
		return err
	}
	return &rail.Error{
		Code: rail.Unavailable, Message: "it may have been done: repeat it to find out, which is harmless",
		RetryAfter: repeatAfter, Cause: err,
	}
}

// load stores what is left of runs, and tells whether that worked.
func (p *Publisher) load(ctx context.Context, left []*rail.Availability) bool {
	for len(left) > 0 {
		n := min(len(left), loadRuns)
		if !p.within(ctx, "what is left is not stored yet", func(ctx context.Context) error {
			return p.Availability.Load(ctx, left[:n])
		}) {
			return false
		}
		left = left[n:]
	}
	return true
}

// refresh brings this server's timetable up to date, so that the caller can search at once.
func (p *Publisher) refresh(ctx context.Context) {
	if p.Timetable != nil {
		p.within(ctx, "this server's timetable does not show it yet", p.Timetable.Refresh)
	}
}

// announce tells the other servers, which would find out by themselves a moment later.
func (p *Publisher) announce(ctx context.Context) {
	p.within(ctx, "the other servers are not told yet", p.Availability.AnnouncePublication)
}

// within does one thing that comes after a commit, in tellMax.
func (p *Publisher) within(ctx context.Context, consequence string, do func(context.Context) error) bool {
	ctx, cancel := context.WithTimeout(ctx, tellMax)
	defer cancel()
	err := do(ctx)
	if err != nil {
		p.Log.WarnContext(ctx, "published, but "+consequence, "error", err)
	}
	return err == nil
}

// input is a path below "input".
func input(elements ...string) []string { return append([]string{"input"}, elements...) }
