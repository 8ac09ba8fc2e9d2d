package load

import (
	"sync"
	"time"
)

// Journal is what buyers were told over all measurements.
type Journal struct {
	mu           sync.Mutex
	acknowledged []Acknowledged
	soldOut      []NoSeat
	refused      int
	problems     map[string]int
}

// Acknowledged is an order that a buyer was told of.
type Acknowledged struct {
	Number [12]byte
	// Told is the digest of its seat.
	Told uint64
}

// NoSeat is a question that was answered with: nothing is left.
type NoSeat struct {
	Run      *Run
	From, To int8
	Class    int8
	// AskedAt and HeardAt are when: it was decided in between.
	AskedAt, HeardAt time.Time
}

// maxProblems bounds the kinds of trouble that are remembered: the first few explain the rest.
const maxProblems = 20

func (j *Journal) add(b *buyer) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.acknowledged = append(j.acknowledged, b.acknowledged...)
	j.soldOut = append(j.soldOut, b.soldOut...)
	j.refused += b.counts[Refused]
	for what, n := range b.problems {
		if j.problems == nil {
			j.problems = map[string]int{}
		}
		if _, known := j.problems[what]; known || len(j.problems) < maxProblems {
			j.problems[what] += n
		}
	}
}

// Acknowledged are all orders that buyers were told of.
func (j *Journal) Acknowledged() []Acknowledged {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.acknowledged
}

// SoldOut are all questions that were answered with: nothing is left.
func (j *Journal) SoldOut() []NoSeat {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.soldOut
}

// Refused is how many were refused for any other reason.
func (j *Journal) Refused() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.refused
}

// Problems are what went wrong, and how often.
func (j *Journal) Problems() map[string]int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.problems
}
