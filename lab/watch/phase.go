package watch

import (
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"interlock/lab/background"
)

const (
	// maxLag bounds what a histogram tells apart: nothing is waited for longer.
	maxLag = 2 * time.Minute
	// digits is three: a thousandth is less than two runs differ by.
	digits = 3
)

func newHistogram() *hdrhistogram.Histogram {
	return hdrhistogram.New(1, maxLag.Microseconds(), digits)
}

func record(h *hdrhistogram.Histogram, d time.Duration) {
	_ = h.RecordValue(min(max(d, 0), maxLag).Microseconds()) // in range, so it cannot fail
}

// quantile is in milliseconds.
func quantile(h *hdrhistogram.Histogram, percentile float64) float64 {
	return float64(h.ValueAtQuantile(percentile)) / 1e3
}

// phase is what happened between two times. All subscribers must have ended.
func (l *lab) phase(log background.Log, from, until time.Time) Phase {
	p := Phase{Seconds: until.Sub(from).Seconds()}
	orders, lags := newHistogram(), newHistogram()
	for _, ack := range log.Acks {
		if !ack.HeardAt.Before(from) && ack.HeardAt.Before(until) {
			p.Orders++
			record(orders, ack.HeardAt.Sub(ack.AskedAt))
		}
	}
	for _, s := range l.subscribers {
		for i, e := range s.all {
			now := l.shown(e)
			if now.HeardAt.Before(from) || !now.HeardAt.Before(until) {
				continue
			}
			p.Events++
			if i == 0 || e.first || e.left < 0 || s.all[i-1].left < 0 {
				continue
			}
			if lag, ok := log.Since(l.shown(s.all[i-1]), now); ok {
				record(lags, lag)
			}
		}
	}
	p.OrdersPerSecond, p.EventsPerSecond = float64(p.Orders)/p.Seconds, float64(p.Events)/p.Seconds
	p.EventsPerSubscriberPerSecond = p.EventsPerSecond / float64(max(1, len(l.subscribers)))
	p.OrderP50, p.OrderP99 = quantile(orders, 50), quantile(orders, 99)
	p.LagP50, p.LagP99, p.LagMax = quantile(lags, 50), quantile(lags, 99), quantile(lags, 100)
	return p
}

func (l *lab) shown(e seen) background.Shown {
	at := l.begun.Add(time.Duration(e.at))
	return background.Shown{AskedAt: at, HeardAt: at, Orders: background.Capacity(l.run) - int(e.left)}
}
