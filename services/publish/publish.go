// Package publish puts a railway's timetable on sale: stations, trains on their dates, a whole GTFS feed at once; and
// suspends, resumes and withdraws single runs.
//
// It checks everything that comes in by the rules of rail before the ledger sees it, and never writes anything but
// through the ledger. It never decides whether a change would hurt an order: the ledger does, in the transaction that
// makes the change. It never sells.
//
// Invariants: what the ledger refused is nowhere else either. What the ledger may or may not have done is UNAVAILABLE and
// says so; repeating it finds out, and tells everyone what the first time could not. Availability and the timetables are told only after the
// ledger's commit, and that they could not be told is logged, never answered: the publication stands, and repair heals
// the rest. Publishing the same again changes nothing, today or tomorrow, here or on another server: what is stored
// depends on the request alone, never on when it came.
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

// Publisher is the way in for timetables.
type Publisher struct {
	Ledger       Ledger
	Availability Availability
	// Timetable, Stations and Runs are this server's copy of what is published. All three may be nil where only Import
	// is called, since nobody searches there.
	Timetable Timetable
	Stations  Stations
	Runs      Runs
	// Now tells what today is.
	Now func() time.Time
	// ClosesBefore is how long before its departure selling from a call ends, for every run published from here on.
	ClosesBefore time.Duration
	// Log hears of availability or a timetable that could not be told after a commit: there is nobody else to tell then.
	Log *slog.Logger
}

// Bounds of what is told after a commit.
const (
	// tellMax is how long a publication waits after its commit for each of availability, this server's timetable, the
	// others, and those who watch the orders it ended. It is long for a healthy server and short for whoever waits for the answer; repair does the rest.
	tellMax = 3 * time.Second
	// loadRuns is how many runs are loaded into availability in one call, so that each call fits well into tellMax.
	loadRuns = 500
	// repeatAfter is how long to wait before a publication is repeated of which nobody knows whether it was made: about as
	// long as a commit may wait for its replica.
	repeatAfter = 3 * time.Second
)

// tell brings availability and the timetables up to date after a commit, and tells of the orders it ended. The publication
// has happened, so it is told in full even when its caller has gone. It is told again when it is repeated: the first time
// may have been cut short between the ledger and here.
func (p *Publisher) tell(ctx context.Context, left []*rail.Availability, ended ...*rail.Order) {
	ctx = context.WithoutCancel(ctx)
	reached := p.load(ctx, left)
	p.refresh(ctx)
	if !reached {
		return // Whoever cannot be reached once is not asked again: other servers and subscribers look by themselves.
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
			if err := p.Availability.Announce(ctx, rail.Change{RunID: o.RunID, OrderID: o.ID, Version: o.Version}); err != nil {
				return err
			}
		}
		return nil
	})
}

// unsure makes of an error of the ledger what its caller is told, where nobody knows what became of the commit. There is
// no key to ask again with, and none is needed.
func unsure(err error) error {
	if !errors.Is(err, ledger.ErrInDoubt) {
		return err
	}
	return &rail.Error{
		Code: rail.Unavailable, Message: "it may have been done: repeat it to find out, which is harmless", RetryAfter: repeatAfter, Cause: err,
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

// refresh brings this server's timetable up to date, so that whoever published can search at once.
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
