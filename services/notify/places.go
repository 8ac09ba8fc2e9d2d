package notify

import "sync"

// How many deliveries are under way at a time. A receiver that hangs has a place for as long as a try may take. So
// mails and webhooks have places of their own, and an endpoint has a few of the latter.
const (
	mailsAtOnce       = 16
	webhooksAtOnce    = 64
	perEndpointAtOnce = 4
)

// places count what is under way.
type places struct {
	mu    sync.Mutex
	taken map[Channel]int
	// of are those of endpoints.
	of map[string]int
}

func newPlaces() places { return places{taken: map[Channel]int{}, of: map[string]int{}} }

// free is how many places of a channel are free, and which endpoints have all of theirs.
func (p *places) free(c Channel) (n int, full []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for endpoint, taken := range p.of {
		if taken >= perEndpointAtOnce {
			full = append(full, endpoint)
		}
	}
	if c == Webhook {
		return webhooksAtOnce - p.taken[c], full
	}
	return mailsAtOnce - p.taken[c], nil
}

// take takes a place, if one is free for the delivery.
func (p *places) take(d *Delivery) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if d.Channel == Webhook {
		if p.of[d.Endpoint] >= perEndpointAtOnce {
			return false
		}
		p.of[d.Endpoint]++
	}
	p.taken[d.Channel]++
	return true
}

func (p *places) giveBack(d *Delivery) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.taken[d.Channel]--
	if d.Channel == Webhook {
		if p.of[d.Endpoint]--; p.of[d.Endpoint] == 0 {
			delete(p.of, d.Endpoint)
		}
	}
}

// underWay is how many are taken, by channel.
func (p *places) underWay() map[Channel]int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return map[Channel]int{Mail: p.taken[Mail], Webhook: p.taken[Webhook]}
}
