package search

import (
	"context"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"interlock/internal/pause"
	"interlock/lab/background"
	"interlock/lab/load"
)

// maxShown bounds how many answers one watcher remembers: a few minutes of a thousand a second.
const maxShown = 300_000

// watch asks what is left on the leg that all orders of a sale cross, in a closed loop until ctx ends, and returns how
// many orders it was shown each time.
func watch(ctx context.Context, server string, run *load.Run) ([]background.Shown, error) {
	c := newClient(server, 1)
	defer c.close()
	s, err := c.newSearcher(question{background.From(), background.To(), run.RunID.Date().String()})
	if err != nil {
		return nil, err
	}
	var all []background.Shown
	for ctx.Err() == nil && len(all) < maxShown {
		a, err := s.ask(ctx)
		if ctx.Err() != nil {
			break
		}
		left, known := 0, false
		if err == nil {
			left, known, err = s.left(run)
		}
		if err != nil || !known { // an answer that shows nothing makes the next one older
			pause.For(ctx, pauseAfterTrouble)
			continue
		}
		all = append(all, background.Shown{
			AskedAt: a.askedAt, HeardAt: a.heardAt, Orders: background.Capacity(run) - left,
		})
	}
	return all, nil
}

// watchers ask side by side.
func watchers(ctx context.Context, server string, run *load.Run, n int) ([][]background.Shown, error) {
	seen, errs := make([][]background.Shown, n), make([]error, n)
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { seen[i], errs[i] = watch(ctx, server, run) })
	}
	all.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return seen, nil
}

// ages fills in how old what was shown was.
func (s *Selling) ages(log background.Log, seen [][]background.Shown) {
	since, orders := hdrhistogram.New(1, time.Minute.Microseconds(), digits),
		hdrhistogram.New(1, time.Minute.Microseconds(), digits)
	for _, watcher := range seen {
		for i, shown := range watcher {
			s.LackedMax = max(s.LackedMax, log.Lacked(shown).Seconds()*1e3)
			if i == 0 {
				continue
			}
			if age, ok := log.Since(watcher[i-1], shown); ok {
				_ = since.RecordValue(min(age, time.Minute).Microseconds()) // in range, so it cannot fail
			}
		}
	}
	for _, ack := range log.Acks {
		_ = orders.RecordValue(min(ack.HeardAt.Sub(ack.AskedAt), time.Minute).Microseconds()) // likewise
	}
	s.Orders, s.OrderP99 = len(log.Acks), milliseconds(orders, 99)
	s.StalenessP50, s.StalenessP99, s.StalenessMax = milliseconds(since, 50), milliseconds(since, 99),
		float64(since.Max())/1e3
}
