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

// Options say which clients there are, and what they want.
type Options struct {
	// Servers are the addresses that clients know; not all of them need to answer.
	Servers []string
	// Runs are what is sold.
	Runs []*load.Run
	// Token makes a passenger's token.
	Token func(subject string) (string, error)
	// Buyers, Searchers and Subscribers are how many there are. Every subscriber follows one of the runs.
	Buyers, Searchers, Subscribers int
	// Impatient is how many of the buyers ask again almost at once, whatever the answer says: so there is a question at
	// any time.
	Impatient int
	// Pause is how long a buyer and a searcher think between two requests.
	Pause time.Duration
	// BuyersPause is how long a buyer thinks instead, on average, where that is not 0.
	BuyersPause time.Duration
	// Patience is how long a client waits for an answer until it asks another server; 0: answerTimeout.
	Patience time.Duration
	// Dawdle is up to how long a buyer takes until it pays or cancels.
	Dawdle time.Duration
	// Bank says that orders are paid on a bank's page.
	Bank bool
	// Mails says that some buyers give an address for mails; see Address.
	Mails bool
	// Returns says that buyers give tickets back that they have paid for, and change them.
	Returns bool
	// Seed makes what they want.
	Seed uint64
}

// Workload is a workload full of people.
type Workload struct {
	options Options
	client  *http.Client
	log     *history.Log

	// life ends all clients, leaving those that would begin something new, and following the subscribers alone.
	life, leaving, following context.Context
	end, leave, unfollow     context.CancelFunc
	people, subscribers      sync.WaitGroup
	documents, keys          atomic.Uint64
	// working is held for reading by each client that changes something, until the outcome is known.
	working     sync.RWMutex
	connections connectedness
}

const (
	// idleConnections is how many of one server are kept: as many as ask at once.
	idleConnections = 512
	// idleTime is how long an idle connection is kept. Checks look at what a server holds for clients, so connections
	// that are not needed any more must be gone soon.
	idleTime = time.Second
)

// Open starts the clients. Leave and Close end them.
func Open(ctx context.Context, o Options) (*Workload, error) {
	if o.BuyersPause == 0 {
		o.BuyersPause = o.Pause
	}
	if o.Patience == 0 {
		o.Patience = answerTimeout
	}
	w := &Workload{options: o, log: &history.Log{}, client: &http.Client{Transport: &http.Transport{
		MaxIdleConnsPerHost: idleConnections, IdleConnTimeout: idleTime,
	}}}
	w.life, w.end = context.WithCancel(ctx)
	w.leaving, w.leave = context.WithCancel(w.life)
	w.following, w.unfollow = context.WithCancel(w.life)
	tokens := make([]string, o.Buyers)
	for n := range tokens {
		var err error
		if tokens[n], err = o.Token(buyerName(n)); err != nil {
			w.end()
			return nil, err
		}
	}
	for n, token := range tokens {
		w.people.Go(func() { w.newBuyer(n, token).live() })
	}
	for n := range o.Searchers {
		w.people.Go(func() { w.search(n) })
	}
	for n := range o.Subscribers {
		run := o.Runs[n%len(o.Runs)]
		stream := w.log.Follow(fmt.Sprintf("subscriber-%04d", n), run.RunID)
		w.subscribers.Go(func() { w.subscribe(n, run, stream) })
	}
	return w, nil
}

// Log is what the clients did and heard so far.
func (w *Workload) Log() *history.Log { return w.log }

// Servers are the addresses that clients know.
func (w *Workload) Servers() []string { return w.options.Servers }

// Runs are what is sold.
func (w *Workload) Runs() []*load.Run { return w.options.Runs }

// Leave ends all clients but the subscribers, once each knows the outcome of what it has begun. It waits at most until
// ctx ends, and then ends those that do not know.
func (w *Workload) Leave(ctx context.Context) {
	w.leave()
	gone := make(chan struct{})
	go func() {
		w.people.Wait()
		close(gone)
	}()
	select {
	case <-gone:
	case <-ctx.Done():
		w.end() // subscribers, too: nothing more is to be learned
		<-gone
	}
}

// Rest keeps buyers from beginning anything new until resume is called. It returns once each knows the outcome of what
// it has begun. On an error all go on.
func (w *Workload) Rest(ctx context.Context) (resume func(), err error) {
	quiet := make(chan struct{})
	go func() {
		w.working.Lock()
		close(quiet)
	}()
	select {
	case <-quiet:
		return w.working.Unlock, nil
	case <-ctx.Done():
		go func() {
			<-quiet
			w.working.Unlock()
		}()
		return nil, ctx.Err()
	}
}

// Close ends all.
func (w *Workload) Close() {
	w.end()
	w.people.Wait()
	w.subscribers.Wait()
	w.client.CloseIdleConnections()
}

func (w *Workload) random(stream uint64) *rand.Rand {
	return rand.New(rand.NewPCG(w.options.Seed, stream))
}
