package quota

import (
	"sync"
	"time"
)

// maxMeters bounds how many buckets are counted here. A bucket that is empty is none.
const maxMeters = 100_000

// meters are buckets of this server alone.
type meters struct {
	mu  sync.Mutex
	all map[string]*Meter
}

func newMeters() *meters { return &meters{all: map[string]*Meter{}} }

// take answers a demand as a Store does.
func (m *meters) take(d Demand, now time.Time) Grant {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.makeRoom(now)
	grant := Grant{Refused: -1}
	if d.UpTo {
		b := &d.Buckets[0]
		one := m.of(b.Key)
		grant.Taken = one.TakeUpTo(b.Rate, b.Cost, now)
		grant.Left = one.room(b.Rate, now)
		return grant
	}
	next := make([]Meter, len(d.Buckets))
	for i := range d.Buckets {
		b := &d.Buckets[i]
		next[i] = *m.of(b.Key)
		ok, left, wait := next[i].Take(b.Rate, b.Cost, now)
		if i == 0 {
			grant.Taken, grant.Left = b.Cost, left
		}
		if !ok {
			if i > 0 {
				grant.Left += d.Buckets[0].Cost // It was not taken.
			}
			grant.Taken, grant.Refused, grant.Wait = 0, i, wait
			return grant
		}
	}
	for i := range d.Buckets {
		*m.of(d.Buckets[i].Key) = next[i]
	}
	return grant
}

func (m *meters) of(key string) *Meter {
	one := m.all[key]
	if one == nil {
		one = &Meter{}
		m.all[key] = one
	}
	return one
}

// makeRoom forgets what is empty once there are many, and then others: rather let too much through than grow.
func (m *meters) makeRoom(now time.Time) {
	if len(m.all) < maxMeters {
		return
	}
	for key, one := range m.all {
		if !one.empty.After(now) || len(m.all) >= maxMeters {
			delete(m.all, key)
		}
	}
}
