package attack

import (
	"context"
	"sync"
	"time"

	"interlock/internal/pause"
)

// pace lets the attackers of one attack together ask so many times a second at most. What was not asked in time is not
// asked later: a slow server does not meet a crowd for it.
type pace struct {
	interval time.Duration

	mu   sync.Mutex
	next time.Time
}

func newPace(perSecond float64) *pace {
	return &pace{interval: time.Duration(float64(time.Second) / perSecond)}
}

// turn waits until the caller may ask. It is false when the context ended before.
func (p *pace) turn(ctx context.Context) bool {
	p.mu.Lock()
	if now := time.Now(); p.next.Before(now) {
		p.next = now
	}
	at := p.next
	p.next = p.next.Add(p.interval)
	p.mu.Unlock()
	return pause.For(ctx, time.Until(at))
}
