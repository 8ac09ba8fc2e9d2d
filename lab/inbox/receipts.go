package inbox

import (
	"slices"
	"sync"
	"time"
)

// Receipt is one thing that came in.
type Receipt struct {
	// ID is the delivery's: a mail's Message-ID before the @, and a webhook's webhook-id.
	ID string
	// At is when all of it was here.
	At time.Time
	// Answered tells whether the sender was still there to be told that it was taken. One that was not sends it again.
	Answered bool
}

// receipts notes what came in. R is a Mail or a Webhook.
type receipts[R any] struct {
	mu  sync.Mutex
	all []R
}

func (r *receipts[R]) add(one R) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, one)
}

// All is what came in so far, in the order in which it was answered.
func (r *receipts[R]) All() []R {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.all)
}

// hanging has a receiver take connections and say nothing. Its zero value says what there is to say.
type hanging struct {
	mu sync.Mutex
	// over is closed when the receiver goes on; nil while it does not hang.
	over chan struct{}
	held int
}

// Hang has the receiver say nothing until GoOn.
func (h *hanging) Hang() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.over == nil {
		h.over = make(chan struct{})
	}
}

// GoOn has it say what there is to say.
func (h *hanging) GoOn() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.over != nil {
		close(h.over)
		h.over = nil
	}
}

// Held is how often it has kept a sender waiting.
func (h *hanging) Held() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.held
}

// hold answers what is closed when the receiver goes on; nil where it does not hang.
func (h *hanging) hold() <-chan struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.over == nil {
		return nil
	}
	h.held++
	return h.over
}
