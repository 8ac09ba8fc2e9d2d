package sale

import (
	"context"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"interlock/services/ledger"
	"interlock/services/rail"
)

const (
	// maxBuyers is how many buyers a server remembers, at up to a kilobyte each.
	maxBuyers = 32_768
	// recordAge is how old a record may be that a buyer is let through by: he may exceed his limits by what another
	// server sells him meanwhile. He is refused only by one that was read after he asked.
	recordAge = 2 * time.Second
	// cancelsPerHold is how many orders a buyer may cancel in a day for each that may be open. No person does that, and
	// a program that places and cancels for ever has nothing open and lets nothing lapse: it would leave so many orders
	// behind that reading what buyers did takes longer than anybody waits for it.
	cancelsPerHold = 100
	// recordTimeout bounds reading records. Without an answer no request is refused: a ledger that does not answer
	// sells nothing.
	recordTimeout = time.Second
)

// buyers keeps the limits that span runs: open holds in all, documents a day, runs that are closed to a buyer. It reads
// the ledger's records of the buyers who come, of many with one question, beside the sale and not in it.
type buyers struct {
	service *Service

	mu      sync.Mutex
	known   *lru.Cache[string, *record]
	reading bool
	// next are the buyers of the next question, and asked is closed when it is answered.
	next  map[string]bool
	asked chan struct{}
}

// record is a buyer's record as it was at a time, and what this server has done with it since. The lock of buyers
// guards it.
type record struct {
	ledger.BuyerRecord
	at time.Time
	// orders are under way, by key; documents are those of requests under way, by how many. Most buyers come once: no
	// map is made before something is in it.
	orders    map[keyOnRun]int
	documents map[string]int
	// told are the documents of requests that ended while the ledger is asked, which asking says. The answer may be
	// older.
	asking bool
	told   map[string]bool
}

func newBuyers(s *Service) *buyers {
	known, _ := lru.New[string, *record](maxBuyers) // It fails for sizes below 1 only.
	return &buyers{service: s, known: known, next: map[string]bool{}, asked: make(chan struct{})}
}

// limited tells whether any limit is on.
func (s *Settings) limited() bool {
	return s.MaxOpenHolds > 0 || s.MaxLapsedHolds > 0 || s.MaxDocuments > 0
}

// enter answers with the refusal of a new order, nil where the buyer may have it; one that the key has already is his
// all the same. leave is to be called once it is known what became of it.
func (b *buyers) enter(ctx context.Context, place *placing) (leave func(*answer), refusal error) {
	if !b.service.settings.limited() {
		return func(*answer) {}, nil
	}
	now := time.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	r := b.of(place.key.Buyer)
	if r.at.Before(now.Add(-recordAge)) {
		r = b.anew(ctx, place.key.Buyer)
	}
	if refusal = b.refusal(r, place); refusal != nil && r.at.Before(now) {
		r = b.anew(ctx, place.key.Buyer)
		if refusal = b.refusal(r, place); r.at.Before(now) {
			refusal = nil
		}
	}
	key := place.keyOnRun()
	count(&r.orders, key)
	if refusal == nil {
		for _, document := range place.documents {
			count(&r.documents, document)
		}
	}
	return func(a *answer) { b.leave(r, key, place, refusal == nil, a) }, refusal
}

// anew is a buyer's record once it has been read anew, or could not be. The lock must be held, and is given up
// meanwhile.
func (b *buyers) anew(ctx context.Context, buyer string) *record {
	b.mu.Unlock()
	b.read(ctx, buyer)
	b.mu.Lock()
	return b.of(buyer)
}

// keyOnRun is what an order under way is told from others of its buyer by: keys are once of a run.
type keyOnRun struct {
	run rail.RunID
	key string
}

func (p *placing) keyOnRun() keyOnRun { return keyOnRun{p.body.RunID, p.key.Key} }

// leave notes what became of a request.
func (b *buyers) leave(r *record, key keyOnRun, place *placing, entered bool, a *answer) {
	b.mu.Lock()
	defer b.mu.Unlock()
	less(r.orders, key)
	if !entered {
		return
	}
	// An order whose outcome is unknown counts as placed. The ledger is asked again before that refuses a request.
	placed := a.err == nil && !a.replayed || rail.CodeOf(a.err) == rail.OrderPending
	if placed {
		r.OpenHolds++
	}
	for _, document := range place.documents {
		less(r.documents, document)
		if placed || rail.CodeOf(a.err) == rail.AlreadyTravelling {
			add(&r.Documents, document)
			if r.asking {
				add(&r.told, document)
			}
		}
	}
}

func add(to *map[string]bool, document string) {
	if *to == nil {
		*to = map[string]bool{}
	}
	(*to)[document] = true
}

func count[K comparable](in *map[K]int, key K) {
	if *in == nil {
		*in = map[K]int{}
	}
	(*in)[key]++
}

func less[K comparable](of map[K]int, key K) {
	if of[key]--; of[key] <= 0 {
		delete(of, key)
	}
}

// of is a buyer's record. The lock must be held.
func (b *buyers) of(buyer string) *record {
	r, ok := b.known.Get(buyer)
	if !ok {
		r = &record{}
		b.known.Add(buyer, r)
	}
	return r
}

// refusal is what a buyer's record says of a request. Requests under way count, so that many at once do not pass a
// limit. The lock must be held.
func (b *buyers) refusal(r *record, place *placing) error {
	s, run := &b.service.settings, place.body.RunID
	if s.MaxLapsedHolds > 0 && r.Lapsed[run] >= s.MaxLapsedHolds {
		return rail.Refuse(rail.HoldLimit, "you let %d orders on this run lapse in the last 24 hours: it is closed to you until then", r.Lapsed[run]).
			At("input", "runId")
	}
	if s.MaxOpenHolds > 0 && r.Cancelled >= cancelsPerHold*s.MaxOpenHolds {
		return rail.Refuse(rail.HoldLimit, "you have cancelled %d orders in the last 24 hours: you may place no more until some of that is longer ago", r.Cancelled).
			At("input")
	}
	underWay := len(r.orders)
	if r.orders[place.keyOnRun()] > 0 {
		underWay--
	}
	if s.MaxOpenHolds > 0 && r.OpenHolds+underWay >= s.MaxOpenHolds {
		return rail.Refuse(rail.HoldLimit, "you have %d unpaid orders, those under way included: pay or cancel one first", r.OpenHolds+underWay).At("input")
	}
	if s.MaxDocuments <= 0 {
		return nil
	}
	n := len(r.Documents)
	for document := range r.documents {
		if !r.Documents[document] {
			n++
		}
	}
	for i, document := range place.documents {
		if r.Documents[document] || r.documents[document] > 0 {
			continue
		}
		if n++; n > s.MaxDocuments {
			return rail.Refuse(rail.DocumentLimit, "you have asked for tickets for %d different documents in the last 24 hours, and may not for more", s.MaxDocuments).
				At("input", "passengers", rail.Index(i), "documentNumber")
		}
	}
	return nil
}

// read waits until a buyer's record has been read anew, or could not be. A service that was closed reads none.
func (b *buyers) read(ctx context.Context, buyer string) {
	b.mu.Lock()
	if !b.reading {
		if !b.service.begin() {
			b.mu.Unlock()
			return
		}
		b.reading = true
		go func() {
			defer b.service.background.Done()
			b.serve()
		}()
	}
	b.next[buyer] = true
	done := b.asked
	b.mu.Unlock()
	select {
	case <-done:
	case <-ctx.Done():
	}
}

// serve asks the ledger for all that wait, until none does.
func (b *buyers) serve() {
	for {
		b.mu.Lock()
		next, asked := b.next, b.asked
		if len(next) == 0 {
			b.reading = false
			b.mu.Unlock()
			return
		}
		b.next, b.asked = map[string]bool{}, make(chan struct{})
		b.mu.Unlock()
		b.ask(next)
		close(asked)
	}
}

func (b *buyers) ask(who map[string]bool) {
	list := make([]string, 0, len(who))
	b.mu.Lock()
	for buyer := range who {
		list = append(list, buyer)
		b.of(buyer).asking = true
	}
	b.mu.Unlock()
	ctx, cancel := context.WithTimeout(b.service.life, recordTimeout)
	defer cancel()
	at := time.Now()
	records, err := b.service.Ledger.Buyers(ctx, list, b.service.settings.Hold, b.service.settings.MaxDocuments > 0)
	if err != nil {
		b.service.counters.unlimited.Add(int64(len(list)))
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, buyer := range list {
		r := b.of(buyer)
		if record := records[buyer]; err == nil && record != nil {
			r.BuyerRecord, r.at = *record, at
			for document := range r.told {
				add(&r.Documents, document)
			}
		}
		r.asking, r.told = false, nil
	}
}
