package load

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"sync/atomic"
	"time"

	"interlock/internal/pause"
)

// Crowd is what all buyers of the lab share.
type Crowd struct {
	Journal  *Journal
	Accounts *Accounts
	// Seed makes keys and trips. It is printed, so that a trip can be seen again.
	Seed uint64

	// documents counts up: no two passengers have one document.
	documents atomic.Uint64
}

// buyer buys one ticket after the other.
type buyer struct {
	crowd   *Crowd
	targets *Targets
	server  string
	number  int
	random  *rand.Rand
	account *Account
	request *request
	conn    *connection

	// window is when answers count.
	window window
	// open tells that the load is offered: each question is another person's, who leaves when refused.
	open   bool
	counts [outcomes]int
	// answered is how many answers, of any kind, came within the window.
	answered int
	// inWindow has the orders that count, by second of the window.
	inWindow []int32
	// latencies, in microseconds, are of the orders that count. Under an offered load they are of all questions that
	// were due within the window, whenever they were served.
	latencies []uint32
	// overloaded are, in microseconds, the times from a question within the window to the answer OVERLOADED.
	overloaded   []uint32
	acknowledged []Acknowledged
	soldOut      []NoSeat
	problems     map[string]int
	// unserved counts those of an offered load that were due within the window and got no order for want of an answer
	// in time.
	unserved int
}

// window is a stretch of time, after a warm-up.
type window struct{ begin, end time.Time }

func (w window) has(t time.Time) bool { return !t.Before(w.begin) && t.Before(w.end) }

// lastCall is until when questions that were due within the window may be asked, or asked again. Without these seconds
// the slowest would be left out of the latencies. Without an end a server that does not answer would never be left.
func (w window) lastCall() time.Time { return w.end.Add(patience) }

func (w window) seconds() float64 { return w.end.Sub(w.begin).Seconds() }

// pauseAfterTrouble keeps a buyer without an answer from asking in a tight circle. maxPause bounds what a server may
// ask for.
const (
	pauseAfterTrouble = 50 * time.Millisecond
	maxPause          = 2 * time.Second
	// maxReplays is how often one key is asked again; a cluster that is well needs one.
	maxReplays = 20
	patience   = 5 * time.Second
)

func (r *Rush) newBuyer(n int, w window) *buyer {
	c, server := r.Crowd, r.Servers[n%len(r.Servers)]
	return &buyer{
		crowd: c, targets: r.Targets, server: server, number: n, window: w, open: r.PerSecond > 0,
		account: c.Accounts.NewAccount(), request: newRequest(server),
		random:   rand.New(rand.NewPCG(c.Seed, c.documents.Add(1)<<20+uint64(n))),
		inWindow: make([]int32, int(w.seconds())+1),
		problems: map[string]int{},
	}
}

// buy asks for one ticket, and asks again with the same key until it is known what became of it. intended is when the
// buyer wanted to ask, which is when the wait begins.
func (b *buyer) buy(ctx context.Context, intended time.Time) error {
	s := b.targets.pick(b.random)
	run := s.now.Load()
	t := RandomTrip(b.random)
	document := b.crowd.documents.Add(1)
	token, err := b.account.Token()
	if err != nil {
		return err
	}
	request := b.request.order(token, run, t, NewKey(b.random, document), document, b.random)
	for replay := 0; replay == 0 || replay < maxReplays && time.Now().Before(b.window.lastCall()); replay++ {
		a := b.ask(ctx, request)
		switch a.outcome {
		case Placed:
			b.placed(a, intended, replay == 0)
			return b.targets.sold(s, run, t.To-t.From)
		case SoldOut:
			b.soldOut = append(b.soldOut, NoSeat{run, int8(t.From), int8(t.To), int8(t.Class), a.asked, a.heard})
			return nil
		case Refused:
			return nil
		case Overloaded, Unavailable:
			b.turnedAway(ctx, a, intended)
			return nil
		}
		// Pending, or no answer at all: only the same key can tell.
		if !a.pause(ctx) {
			return nil
		}
	}
	b.problems["an order stayed unknown"]++
	if b.open {
		b.notServed(intended, time.Now())
	}
	return nil
}

// exchange is a question and its answer.
type exchange struct {
	answer
	asked, heard time.Time
}

// pause waits for as long as the answer says, within bounds. It is false when the context ended before.
func (e exchange) pause(ctx context.Context) bool {
	return pause.For(ctx, min(max(e.retryAfter, pauseAfterTrouble), maxPause))
}

// ask asks once, and counts the answer.
func (b *buyer) ask(ctx context.Context, request []byte) exchange {
	e := exchange{asked: time.Now()}
	e.answer = b.send(ctx, request)
	e.heard = time.Now()
	b.counts[e.outcome]++
	if b.window.has(e.heard) {
		b.answered++
	}
	if e.problem != "" {
		b.problems[e.problem]++
	}
	return e
}

// placed notes an order. It counts where it is the first answer to its key and comes within the window. Under an
// offered load the wait counts of every question that was due within the window.
func (b *buyer) placed(e exchange, intended time.Time, first bool) {
	b.acknowledged = append(b.acknowledged, Acknowledged{e.number, e.told})
	counts := first && b.window.has(e.heard)
	if counts {
		b.inWindow[int(e.heard.Sub(b.window.begin).Seconds())]++
	}
	if b.open {
		counts = b.window.has(intended)
	}
	if counts {
		b.waited(intended, e.heard)
	}
}

// turnedAway notes that nothing was ordered. A buyer of an offered load leaves; else the same one comes again.
func (b *buyer) turnedAway(ctx context.Context, e exchange, intended time.Time) {
	if e.outcome == Overloaded && b.window.has(e.asked) {
		b.overloaded = append(b.overloaded, uint32(e.heard.Sub(e.asked).Microseconds()))
	}
	switch {
	case !b.open:
		e.pause(ctx)
	case e.outcome == Unavailable:
		b.notServed(intended, e.heard)
	}
}

// waited notes a wait.
func (b *buyer) waited(intended, until time.Time) {
	b.latencies = append(b.latencies, uint32(until.Sub(intended).Microseconds()))
}

// notServed notes a question of an offered load that was given up: its wait would have been at least as long.
func (b *buyer) notServed(intended, until time.Time) {
	if b.window.has(intended) {
		b.unserved++
		b.waited(intended, until)
	}
}

// send sends a request over the buyer's connection, a new one where the last broke.
func (b *buyer) send(ctx context.Context, request []byte) answer {
	if b.conn == nil {
		conn, err := dial(ctx, b.server)
		if err != nil {
			return answer{outcome: Broken, problem: problem(err)}
		}
		b.conn = conn
	}
	status, body, err := b.conn.roundTrip(request)
	if err != nil {
		b.leave()
		return answer{outcome: Broken, problem: problem(err)}
	}
	return read(status, body)
}

// problem is what is wrong with a connection, without its addresses: those of a thousand buyers are a thousand
// problems.
func problem(err error) string {
	var failed *net.OpError
	if errors.As(err, &failed) {
		return failed.Op + ": " + failed.Err.Error()
	}
	return err.Error()
}

func (b *buyer) leave() {
	if b.conn != nil {
		b.conn.close()
		b.conn = nil
	}
}
