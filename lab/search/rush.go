package search

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"interlock/internal/pause"
)

const (
	// maxLatency bounds what the histogram tells apart: no answer is waited for longer.
	maxLatency = 2 * searchTimeout
	// digits is three: a thousandth is less than two runs differ by.
	digits = 3
	// pauseAfterTrouble keeps a searcher without an answer from asking in a tight circle.
	pauseAfterTrouble = 20 * time.Millisecond
)

// rush lets some searchers ask one question in a closed loop until ctx ends. heard, if set, is told each answer, by
// many goroutines at once. An answer that comes after the end does not count.
func rush(
	ctx context.Context, server string, q question, searchers, offers int, heard func(answer),
) (*Searches, error) {
	c := newClient(server, searchers)
	defer c.close()
	begun := time.Now()
	parts := make([]*part, searchers)
	var all sync.WaitGroup
	for n := range parts {
		s, err := c.newSearcher(q)
		if err != nil {
			return nil, err
		}
		parts[n] = &part{searcher: s, offers: offers, heard: heard}
	}
	for _, p := range parts {
		all.Go(func() { p.run(ctx) })
	}
	all.Wait()
	result := &Searches{
		From: q.from, To: q.to, Searchers: searchers, Offers: offers, Seconds: time.Since(begun).Seconds(),
	}
	for _, p := range parts {
		result.Searches += len(p.latencies)
		result.Unknown += p.unknown
		result.Wrong += p.wrong
		result.AnswerBytes = max(result.AnswerBytes, p.bytes)
		if p.problem != nil {
			result.Problem = p.problem.Error()
		}
	}
	result.SearchesPerSecond = float64(result.Searches) / result.Seconds
	result.latencies(parts)
	return result, nil
}

// latencies fills in the percentiles, corrected for what a closed loop leaves out, as HdrHistogram does. A searcher
// asks once an interval on average. During a long wait others would have asked, and waited for the rest of it.
func (s *Searches) latencies(parts []*part) {
	if s.Searches == 0 {
		return
	}
	interval := int64(s.Seconds * 1e6 * float64(s.Searchers) / float64(s.Searches))
	whole := hdrhistogram.New(1, maxLatency.Microseconds(), digits)
	for _, p := range parts {
		for _, l := range p.latencies {
			// in range, so it cannot fail
			_ = whole.RecordCorrectedValue(min(l.Microseconds(), maxLatency.Microseconds()), interval)
		}
	}
	s.P50Milliseconds, s.P99Milliseconds = milliseconds(whole, 50), milliseconds(whole, 99)
	s.MaxMilliseconds = float64(whole.Max()) / 1e3
}

func milliseconds(h *hdrhistogram.Histogram, percentile float64) float64 {
	return float64(h.ValueAtQuantile(percentile)) / 1e3
}

// part is what one searcher has seen.
type part struct {
	searcher  *searcher
	offers    int
	heard     func(answer)
	latencies []time.Duration
	unknown   int
	wrong     int
	bytes     int
	problem   error
}

func (p *part) run(ctx context.Context) {
	for ctx.Err() == nil {
		a, err := p.searcher.ask(ctx)
		switch {
		case err != nil && ctx.Err() != nil: // its time was over
		case err != nil:
			p.wrong++
			p.problem = err
			pause.For(ctx, pauseAfterTrouble)
		case a.offers != p.offers:
			p.wrong++
			p.problem = fmt.Errorf("an answer with %d offers, not %d", a.offers, p.offers)
		default:
			p.latencies = append(p.latencies, a.heardAt.Sub(a.askedAt))
			p.bytes = max(p.bytes, a.bytes)
			if a.unknown > 0 {
				p.unknown++
			}
			if p.heard != nil {
				p.heard(a)
			}
		}
	}
}
