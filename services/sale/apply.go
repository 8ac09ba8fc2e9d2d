package sale

import (
	"context"
	"sync"

	"interlock/services/rail"
)

// apply tells Redis what is left and which orders have ended, while the buyers get their answers.
func (w *worker) apply(decided *decision) {
	state := decided.state
	counts := make([]uint16, rail.Pairs(len(w.train.Calls))*len(w.train.Formation.Classes))
	for i, class := range w.train.Formation.Classes {
		w.maps[class].Counts(counts, len(w.train.Formation.Classes), i)
	}
	w.applying.newest(w.service, &rail.Availability{
		RunID: w.run, TrainID: w.train.ID, Version: w.version, Status: state.Run.Status, Counts: counts,
	})
	w.service.announce(append(state.Freed(), decided.changed()...)...)
}

// applier tells Redis what is left on a run, one availability at a time. While it is busy only the newest waits.
type applier struct {
	mu      sync.Mutex
	next    *rail.Availability
	running bool
	done    sync.WaitGroup
}

func (a *applier) newest(s *Service, left *rail.Availability) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.next = left
	if a.running {
		return
	}
	a.running = true
	a.done.Go(func() {
		for left := a.take(); left != nil; left = a.take() {
			ctx, cancel := context.WithTimeout(s.life, s.settings.ApplyTimeout)
			if s.Availability.Apply(ctx, left) != nil {
				s.counters.applyFailed.Add(1)
			}
			cancel()
		}
	})
}

func (a *applier) take() *rail.Availability {
	a.mu.Lock()
	defer a.mu.Unlock()
	left := a.next
	a.next = nil
	a.running = left != nil
	return left
}

func (a *applier) wait() { a.done.Wait() }

// announce tells the watchers of orders that these moved on. No buyer waits for it. Watchers that miss it look again.
func (s *Service) announce(orders ...*rail.Order) {
	if len(orders) == 0 {
		return
	}
	s.background.Go(func() {
		ctx, cancel := context.WithTimeout(s.life, s.settings.ApplyTimeout)
		defer cancel()
		for _, order := range orders {
			change := rail.Change{RunID: order.RunID, OrderID: order.ID, Version: order.Version}
			if s.Availability.Announce(ctx, change) != nil {
				s.counters.applyFailed.Add(1)
			}
		}
	})
}
