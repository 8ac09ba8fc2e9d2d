package proxy

import "sync"

// Cutter says where answers to COMMIT break off: every other one, at byte 0, then 1, 2 and so on up to the end of the
// answer, and from 0 again. The others pass, so that something is sold meanwhile. The first of them shows how long an
// answer is. Proxies may share one, and its methods may be called from several goroutines.
type Cutter struct {
	mu   sync.Mutex
	seen int
	// length is how long a whole answer is; 0: not known yet.
	length int
	// planned and cuts are how often an answer was to break off at a byte, and did: some commits get no answer.
	planned, cuts map[int]int
}

// NewCutter has cut nothing yet.
func NewCutter() *Cutter { return &Cutter{planned: map[int]int{}, cuts: map[int]int{}} }

// next is where the next answer breaks off, or nowhere: the first byte at which the fewest did, and were to.
func (c *Cutter) next() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen++
	if c.length == 0 || c.seen%2 == 0 {
		return nowhere
	}
	least := 0
	for at := range c.length + 1 {
		if c.cuts[at] < c.cuts[least] || c.cuts[at] == c.cuts[least] && c.planned[at] < c.planned[least] {
			least = at
		}
	}
	c.planned[least]++
	return least
}

// whole tells how long an answer was that passed.
func (c *Cutter) whole(length int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.length == 0 {
		c.length = length
	}
}

// happened tells that an answer was broken off.
func (c *Cutter) happened(at int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cuts[at]++
}

// Cuts is what was cut so far.
type Cuts struct {
	// AnswerBytes is how long a whole answer is, Answers how many were broken off.
	AnswerBytes, Answers int
	// Missing are the bytes, from 0 to AnswerBytes, at which none was.
	Missing []int
}

// Cuts tells what was cut so far.
func (c *Cutter) Cuts() Cuts {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := Cuts{AnswerBytes: c.length}
	for at := range c.length + 1 {
		all.Answers += c.cuts[at]
		if c.cuts[at] == 0 {
			all.Missing = append(all.Missing, at)
		}
	}
	return all
}
