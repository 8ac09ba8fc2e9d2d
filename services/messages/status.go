package messages

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"interlock/internal/logonce"
	"interlock/internal/pause"
	"interlock/services/ledger"
)

const (
	// monitorInterval is the pause between two looks for metrics: about as often as they are read.
	monitorInterval = 10 * time.Second
	// lookTimeout bounds a look.
	lookTimeout = 5 * time.Second
	// Overdue is how old an event may get in the outbox before something is wrong: long beside a failover.
	Overdue = time.Minute
)

// Status is how messages stand.
type Status struct {
	Backlog ledger.Backlog
	// Groups are those of the stream and of the ledger, sorted by name. A group that the stream does not have has a
	// name alone.
	Groups []Group
}

// Well tells whether nothing waits for a person.
func (s *Status) Well() bool {
	return s.Backlog.OldestUnpublished < Overdue &&
		!slices.ContainsFunc(s.Groups, func(g Group) bool { return g.Dead > 0 || g.Lag > Overdue })
}

// Look asks the ledger and the stream how messages stand. What it could ask is in the status even where err says that
// the other did not answer.
func Look(ctx context.Context, outbox Outbox, stream Stream) (status Status, ledgerErr, streamErr error) {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	status.Groups, streamErr = stream.Groups(ctx)
	if status.Backlog, ledgerErr = outbox.Backlog(ctx); ledgerErr != nil {
		return status, ledgerErr, streamErr
	}
	names, ledgerErr := outbox.EventGroups(ctx)
	for i, name := range names {
		at, has := slices.BinarySearchFunc(status.Groups, name,
			func(g Group, name string) int { return strings.Compare(g.Name, name) })
		if !has {
			status.Groups = slices.Insert(status.Groups, at, Group{Name: names[i]})
		}
	}
	return status, ledgerErr, streamErr
}

// Monitor looks now and then how messages stand. Its fields are set before Run.
type Monitor struct {
	Outbox Outbox
	Stream Stream
	Log    *slog.Logger

	latest atomic.Pointer[looked]
}

type looked struct {
	Status
	streamErr error
}

// Run looks until ctx ends.
func (m *Monitor) Run(ctx context.Context) {
	silent := logonce.Warn("the stream of events does not answer: events wait in the ledger",
		"the stream of events answers again")
	for ctx.Err() == nil {
		status, ledgerErr, streamErr := Look(ctx, m.Outbox, m.Stream)
		if ctx.Err() != nil {
			return
		}
		silent.Note(ctx, m.Log, streamErr)
		next := &looked{status, streamErr}
		if last := m.latest.Load(); last != nil && ledgerErr != nil {
			next.Backlog = last.Backlog // The ledger's own metrics say that it is away.
		}
		m.latest.Store(next)
		pause.For(ctx, monitorInterval)
	}
}

// Status is the latest look. err is why the stream did not answer; the groups are empty then. known is false before the
// first look.
func (m *Monitor) Status() (status Status, known bool, err error) {
	last := m.latest.Load()
	if last == nil {
		return Status{}, false, nil
	}
	return last.Status, true, last.streamErr
}
