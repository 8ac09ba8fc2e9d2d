package quota

import (
	"context"
	"fmt"
	"time"
)

// Alone is a store of this process alone.
type Alone struct {
	Now    func() time.Time
	meters *meters
}

// NewAlone makes one.
func NewAlone(now func() time.Time) *Alone { return &Alone{now, newMeters()} }

// Take implements Store.
func (a *Alone) Take(_ context.Context, demands []Demand) ([]Grant, error) {
	if len(demands) > MaxDemands {
		return nil, fmt.Errorf("%d demands are too many", len(demands))
	}
	grants := make([]Grant, len(demands))
	for i := range demands {
		grants[i] = a.meters.take(demands[i], a.Now())
	}
	return grants, nil
}

// Held is how many leases and meters there are.
func (l *Limiter) Held() (leases, meters int) {
	l.leases.mu.Lock()
	defer l.leases.mu.Unlock()
	l.backstop.mu.Lock()
	defer l.backstop.mu.Unlock()
	return len(l.leases.all), len(l.backstop.all)
}
