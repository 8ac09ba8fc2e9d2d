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
	// recordAge is how old a record may be that lets a buyer through. The buyer may exceed a limit by what another
	// server sells to them meanwhile. Only a record that was read after the request refuses it.
	recordAge = 2 * time.Second
	// cancelsPerHold is how many orders a buyer may cancel in a day for each order that may be open. It is more than a
	// person cancels. A program that places and cancels for ever has nothing open and lets nothing lapse; without this
	// limit it would leave so many orders behind that reading its record takes too long.
	cancelsPerHold = 100
	// recordTimeout bounds reading records. Without an answer no request is refused: a ledger that does not answer this
	// sells nothing either.
	recordTimeout = time.Second
)

// buyerLimits keeps the limits that span runs: open holds on all runs, documents a day, runs that are closed to a
// buyer. It reads the ledger's records of the buyers who come, many with one question, beside the sale's transactions.
type buyerLimits struct {
	service *Service

	mu      sync.Mutex
	known   *lru.Cache[string, *record]
	reading bool
	// next are the buyers of the next question, and asked is closed when it is answered.
	next  map[string]bool
	asked chan struct{}
}

// record is a buyer's record as it was at a time, and what this server has done since. The lock of buyerLimits guards
// it.
type record struct {
	ledger.BuyerRecord
	at time.Time
	// orders and documents are those of the requests under way, with how many requests each is in. Most buyers come
	// once, so no map is made before something is in it.
	orders    map[keyOnRun]int
	documents map[string]int
	// asking tells that the ledger is asked for the record. told are the documents of requests that ended meanwhile:
	// the ledger's answer may be older than they are.
	asking bool
	told   map[string]bool
}

func newBuyerLimits(s *Service) *buyerLimits {
	known, _ := lru.New[string, *record](maxBuyers) // It fails for sizes below 1 only.
	return &buyerLimits{service: s, known: known, next: map[string]bool{}, asked: make(chan struct{})}
}

// limited tells whether any limit is on.
func (s *Settings) limited() bool {
	return s.MaxOpenHolds > 0 || s.MaxLapsedHolds > 0 || s.MaxDocuments > 0
}

// enter returns why the buyer may have no further order, nil if they may. An order that the key has already is theirs
// all the same. The caller must call leave once it is known what became of the request.
func (b *buyerLimits) enter(ctx context.Context, place *placing) (leave func(*answer), refusal error) {
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

// anew returns a buyer's record after it was read anew, or could not be read. The lock must be held, and is given up
// meanwhile.
func (b *buyerLimits) anew(ctx context.Context, buyer string) *record {
	b.mu.Unlock()
	b.read(ctx, buyer)
	b.mu.Lock()
	return b.of(buyer)
}

// keyOnRun tells a buyer's orders under way apart: a key is unique on its run.
type keyOnRun struct {
	run rail.RunID
	key string
}

func (p *placing) keyOnRun() keyOnRun { return keyOnRun{p.body.RunID, p.key.Key} }

// leave notes what became of a request.
func (b *buyerLimits) leave(r *record, key keyOnRun, place *placing, entered bool, a *answer) {
	b.mu.Lock()
	defer b.mu.Unlock()
	less(r.orders, key)
	if !entered {
		return
	}
	// An order in doubt counts as placed. The record is read again before it refuses a request.
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
func (b *buyerLimits) of(buyer string) *record {
	r, ok := b.known.Get(buyer)
	if !ok {
		r = &record{}
		b.known.Add(buyer, r)
	}
	return r
}

// refusal is what a buyer's record says of a request: the first limit that it would exceed. Requests under way count,
// so that many at once do not pass a limit. The lock must be held.
func (b *buyerLimits) refusal(r *record, place *placing) error {
	if err := b.closedRun(r, place); err != nil {
		return err
	}
	if err := b.tooManyCancels(r); err != nil {
		return err
	}
	if err := b.tooManyHolds(r, place); err != nil {
		return err
	}
	return b.tooManyDocuments(r, place)
}

// closedRun refuses a run on which too many of the buyer's holds have lapsed.
func (b *buyerLimits) closedRun(r *record, place *placing) error {
	limit, lapsed := b.service.settings.MaxLapsedHolds, r.Lapsed[place.body.RunID]
	if limit <= 0 || lapsed < limit {
		return nil
	}
	return rail.Refuse(rail.HoldLimit,
		"you let %d orders on this run lapse in the last 24 hours: it is closed to you until then", lapsed).
		At("input", "runId")
}

func (b *buyerLimits) tooManyCancels(r *record) error {
	limit := b.service.settings.MaxOpenHolds
	if limit <= 0 || r.Cancelled < cancelsPerHold*limit {
		return nil
	}
	return rail.Refuse(rail.HoldLimit, "you have cancelled %d orders in the last 24 hours: "+
		"you may place no more until some of that is longer ago", r.Cancelled).At("input")
}

// tooManyHolds counts the record's open holds and the orders under way. A request does not count against its
// repetition.
func (b *buyerLimits) tooManyHolds(r *record, place *placing) error {
	limit, holds := b.service.settings.MaxOpenHolds, r.OpenHolds+len(r.orders)
	if r.orders[place.keyOnRun()] > 0 {
		holds--
	}
	if limit <= 0 || holds < limit {
		return nil
	}
	return rail.Refuse(rail.HoldLimit,
		"you have %d unpaid orders, those under way included: pay or cancel one first", holds).At("input")
}

// tooManyDocuments refuses the first document of the request that is one too many.
func (b *buyerLimits) tooManyDocuments(r *record, place *placing) error {
	limit := b.service.settings.MaxDocuments
	if limit <= 0 {
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
		if n++; n > limit {
			return rail.Refuse(rail.DocumentLimit, "you have asked for tickets for %d different documents "+
				"in the last 24 hours, and may not for more", limit).
				At("input", "passengers", rail.Index(i), "documentNumber")
		}
	}
	return nil
}

// read waits until a buyer's record was read anew, or could not be read. A service that is closed reads none.
func (b *buyerLimits) read(ctx context.Context, buyer string) {
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

// serve asks the ledger for the records of all buyers who wait, until none waits.
func (b *buyerLimits) serve() {
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

// ask reads the records of some buyers.
func (b *buyerLimits) ask(buyers map[string]bool) {
	list := make([]string, 0, len(buyers))
	b.mu.Lock()
	for buyer := range buyers {
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
