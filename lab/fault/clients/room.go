package clients

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"interlock/lab/fault/history"
	"interlock/lab/load"
)

// Options say who is in the room.
type Options struct {
	// Servers are the addresses that clients know; not all of them need to answer.
	Servers []string
	// Runs are what is sold.
	Runs []*load.Run
	// Token makes a passenger's token.
	Token func(subject string) (string, error)
	// Buyers, Searchers and Subscribers are how many there are. Every subscriber follows one of the runs.
	Buyers, Searchers, Subscribers int
	// Impatient is how many of the buyers ask again almost at once, whatever they are told: somebody wants an answer at any time.
	Impatient int
	// Pause is how long a buyer and a searcher think between two requests.
	Pause time.Duration
	// BuyersPause is how long a buyer thinks instead, on average, where that is not 0.
	BuyersPause time.Duration
	// Patience is how long a client waits for an answer until it asks another server; 0: answerTimeout.
	Patience time.Duration
	// Dawdle is up to how long a buyer takes until it pays or cancels.
	Dawdle time.Duration
	// Seed makes what they want.
	Seed uint64
}

// Room is a room full of people.
type Room struct {
	options Options
	client  *http.Client
	log     *history.Log

	// life ends all, leaving only who would begin something new, following the subscribers alone.
	life, leaving, following context.Context
	end, leave, unfollow     context.CancelFunc
	people, subscribers      sync.WaitGroup
	documents                atomic.Uint64
	// working is held for reading by who changes something, for as long as it is not known what became of it.
	working     sync.RWMutex
	connections connectedness
}

const (
	// idleConnections is how many of one server are kept: as many as ask at once.
	idleConnections = 512
	// idleTime is how long one is kept that nobody needs. What a server holds for clients is looked at, so what a crowd has left
	// behind must be gone soon.
	idleTime = time.Second
)

// Open lets everybody in. Leave and Close end it.
func Open(ctx context.Context, o Options) (*Room, error) {
	if o.BuyersPause == 0 {
		o.BuyersPause = o.Pause
	}
	if o.Patience == 0 {
		o.Patience = answerTimeout
	}
	r := &Room{options: o, log: &history.Log{}, client: &http.Client{Transport: &http.Transport{
		MaxIdleConnsPerHost: idleConnections, IdleConnTimeout: idleTime,
	}}}
	r.life, r.end = context.WithCancel(ctx)
	r.leaving, r.leave = context.WithCancel(r.life)
	r.following, r.unfollow = context.WithCancel(r.life)
	tokens := make([]string, o.Buyers)
	for n := range tokens {
		var err error
		if tokens[n], err = o.Token(buyerName(n)); err != nil {
			r.end()
			return nil, err
		}
	}
	for n, token := range tokens {
		r.people.Go(func() { r.newBuyer(n, token).live() })
	}
	for n := range o.Searchers {
		r.people.Go(func() { r.search(n) })
	}
	for n := range o.Subscribers {
		run := o.Runs[n%len(o.Runs)]
		stream := r.log.Follow(fmt.Sprintf("subscriber-%04d", n), run.RunID)
		r.subscribers.Go(func() { r.subscribe(n, run, stream) })
	}
	return r, nil
}

// Log is what everybody did and heard so far.
func (r *Room) Log() *history.Log { return r.log }

// Servers are the addresses that clients know.
func (r *Room) Servers() []string { return r.options.Servers }

// Runs are what is sold.
func (r *Room) Runs() []*load.Run { return r.options.Runs }

// Leave lets nobody begin anything new, and waits until all know what became of what they have begun, at most until ctx
// ends; who does not know it by then goes without. Subscribers stay.
func (r *Room) Leave(ctx context.Context) {
	r.leave()
	gone := make(chan struct{})
	go func() {
		r.people.Wait()
		close(gone)
	}()
	select {
	case <-gone:
	case <-ctx.Done():
		r.end() // subscribers, too: nothing more is to be learned
		<-gone
	}
}

// Rest lets nobody who buys begin anything new until resume is called, and returns once all know what became of what they
// have begun. On an error nobody rests.
func (r *Room) Rest(ctx context.Context) (resume func(), err error) {
	quiet := make(chan struct{})
	go func() {
		r.working.Lock()
		close(quiet)
	}()
	select {
	case <-quiet:
		return r.working.Unlock, nil
	case <-ctx.Done():
		go func() {
			<-quiet
			r.working.Unlock()
		}()
		return nil, ctx.Err()
	}
}

// Close ends all.
func (r *Room) Close() {
	r.end()
	r.people.Wait()
	r.subscribers.Wait()
	r.client.CloseIdleConnections()
}

func (r *Room) random(stream uint64) *rand.Rand {
	return rand.New(rand.NewPCG(r.options.Seed, stream))
}
