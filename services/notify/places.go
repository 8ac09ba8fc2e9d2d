package notify

import "sync"

// How many deliveries are under way at a time. A receiver that hangs has a place for as long as a try may take. So
// mails and webhooks have places of their own, and an endpoint has a few of the latter. One that fails has a single
// place, and all that fail have half of the places together: however many partners are dead, the others are told.
const (
	mailsAtOnce       = 16
	webhooksAtOnce    = 64
	perEndpointAtOnce = 4
	failingAtOnce     = webhooksAtOnce / 2
)

// places count what is under way, by endpoint; "" has the mails.
type places struct {
	mu    sync.Mutex
	taken map[string]int
	// posts are all but the mails. failing are the endpoints that failed before, and have a place.
	posts   int
	failing map[string]bool
}

func newPlaces() places { return places{taken: map[string]int{}, failing: map[string]bool{}} }

// mails are what may be begun of them.
func (p *places) mails() Queue {
	p.mu.Lock()
	defer p.mu.Unlock()
	return Queue{Limit: mailsAtOnce - p.taken[""]}
}

// webhooksTo are what may be begun of each endpoint that is enabled.
func (p *places) webhooksTo(endpoints []*Endpoint) (queues []Queue) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, e := range endpoints {
		room := min(perEndpointAtOnce-p.taken[e.ID], webhooksAtOnce-p.posts)
		if !e.FailingSince.IsZero() {
			room = 1 - p.taken[e.ID]
		}
		if e.Enabled && room > 0 {
			queues = append(queues, Queue{Endpoint: e.ID, Limit: room})
		}
	}
	return queues
}

// take takes a place, if one is free for the delivery. failing says that it goes to an endpoint that fails.
func (p *places) take(d *Delivery, failing bool) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if d.Channel == Webhook {
		if p.posts >= webhooksAtOnce || failing && len(p.failing) >= failingAtOnce {
			return false
		}
		if failing {
			p.failing[d.Endpoint] = true
		}
		p.posts++
	}
	p.taken[d.Endpoint]++
	return true
}

func (p *places) giveBack(d *Delivery) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if d.Channel == Webhook {
		p.posts--
	}
	if p.taken[d.Endpoint]--; p.taken[d.Endpoint] == 0 {
		delete(p.taken, d.Endpoint)
		delete(p.failing, d.Endpoint)
	}
}

// underWay is how many are taken, by channel.
func (p *places) underWay() map[Channel]int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return map[Channel]int{Mail: p.taken[""], Webhook: p.posts}
}
