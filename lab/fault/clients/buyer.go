package clients

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"interlock/internal/pause"
	"interlock/lab/fault/history"
	"interlock/lab/load"
	"interlock/services/rail"
)

const (
	orderFields = `order{id number version state total{amount currencyCode} payBy ` +
		`tickets{id coach seat state passenger{name documentNumberMasked}}} userErrors{code message}`
	placeDocument  = `mutation($i:PlaceOrderInput!){placeOrder(input:$i){` + orderFields + `}}`
	payDocument    = `mutation($i:PayOrderInput!){payOrder(input:$i){` + orderFields + ` payment{state redirectUrl}}}`
	cancelDocument = `mutation($i:CancelOrderInput!){cancelOrder(input:$i){` + orderFields + `}}`
)

// Of ten orders, so many are paid and so many given back; the rest stay on hold.
const payOfTen, cancelOfTen = 3, 3

// Where tickets are given back and changed, so many of ten orders are for two, and so many for three.
const twoOfTen, threeOfTen = 3, 2

// buyer buys one ticket after the other.
type buyer struct {
	workload *Workload
	name     string
	token    string
	random   *rand.Rand
	// at is the server that is asked next.
	at int
	// impatient buyers wait for the fewest pause, whatever the answer says.
	impatient bool
}

const buyerFormat = "buyer-%05d"

func buyerName(n int) string { return fmt.Sprintf(buyerFormat, n) }

func (w *Workload) newBuyer(n int, token string) *buyer {
	return &buyer{
		workload: w, name: buyerName(n), token: token, random: w.random(uint64(n)), at: n,
		impatient: n < w.options.Impatient,
	}
}

// live buys until the buyer is to leave.
func (b *buyer) live() {
	if d := b.workload.options.BuyersPause; d > b.workload.options.Pause {
		pause.For(b.workload.leaving, time.Duration(b.random.Int64N(int64(d)))) // not all in step
	}
	for b.workload.leaving.Err() == nil {
		b.trip()
		pause.For(b.workload.leaving, b.thinks())
	}
}

// thinks is how long the buyer thinks until the next purchase. People do not ask in step, also where all of them have
// just been held up by the same.
func (b *buyer) thinks() time.Duration {
	d := b.workload.options.BuyersPause
	if d <= b.workload.options.Pause {
		return d
	}
	return d/2 + time.Duration(b.random.Int64N(int64(d)))
}

// trip is one purchase, and what comes of it.
func (b *buyer) trip() {
	b.workload.working.RLock()
	defer b.workload.working.RUnlock()
	order, call := b.place()
	if order == nil {
		return
	}
	if d := b.workload.options.Dawdle; d > 0 {
		pause.For(b.workload.leaving, time.Duration(b.random.Int64N(int64(d))))
	}
	switch one := b.random.IntN(10); {
	case one < payOfTen:
		if paid := b.pay(order, call); paid != nil && b.workload.options.Returns {
			b.comeBack(paid, call)
		}
	case one < payOfTen+cancelOfTen:
		b.cancel(order, call)
	}
}

// Want is a request for a seat, or for one of each of a party.
type Want struct {
	Run      *load.Run
	From, To int
	Class    rail.SeatClass
	Key      string
	// Passengers are the travellers. Where the buyer gives an address, each has it.
	Passengers []rail.Passenger
}

// passenger makes a traveller with a document of their own.
func (w *Workload) passenger(random *rand.Rand) rail.Passenger {
	return rail.Passenger{
		Name: string(load.AppendName(nil, random)), DocumentNumber: fmt.Sprintf("R%010d", w.documents.Add(1)),
	}
}

// want makes a request for one, with a key of its own.
func (w *Workload) want(random *rand.Rand) Want {
	from, to := random.IntN(load.Calls), random.IntN(load.Calls-1)
	if to >= from {
		to++
	} else {
		from, to = to, from
	}
	return Want{
		Run: w.options.Runs[random.IntN(len(w.options.Runs))], From: from, To: to,
		Class:      load.Classes[random.IntN(len(load.Classes))],
		Key:        fmt.Sprintf("workload-%08x-%08x", random.Uint32(), w.keys.Add(1)),
		Passengers: []rail.Passenger{w.passenger(random)},
	}
}

// party lets others travel along, where tickets are given back.
func (w *Workload) party(want *Want, random *rand.Rand) {
	if !w.options.Returns {
		return
	}
	one := random.IntN(10)
	if one < twoOfTen+threeOfTen {
		want.Passengers = append(want.Passengers, w.passenger(random))
	}
	if one < threeOfTen {
		want.Passengers = append(want.Passengers, w.passenger(random))
	}
}

// input is the mutation's.
func (w Want) input() map[string]any {
	passengers := make([]any, len(w.Passengers))
	for i, p := range w.Passengers {
		passengers[i] = map[string]any{"name": p.Name, "documentNumber": p.DocumentNumber, "seatClass": w.Class}
	}
	input := map[string]any{
		"idempotencyKey": w.Key, "runId": w.Run.ID, "from": load.StationCode(w.From), "to": load.StationCode(w.To),
		"passengers": passengers,
	}
	if to := w.Passengers[0].Contact; to != (rail.Contact{}) {
		input["contact"] = map[string]any{"email": to.Email, "language": to.Language}
	}
	return input
}

// oneInMailed is of how many buyers one gives an address: to print a ticket takes longer than to sell it.
const oneInMailed = 4

// Address is what a buyer of a run gives with an order, by the order's key; "" for buyers who give none.
func Address(buyer, key string, run rail.RunID) string {
	var n int
	if _, err := fmt.Sscanf(buyer, buyerFormat, &n); err != nil || n%oneInMailed != 0 {
		return ""
	}
	return key + "@" + MailDomain(run)
}

// MailDomain is where the addresses of a run's buyers are, and of all runs of its train.
func MailDomain(run rail.RunID) string {
	train, _, _ := strings.Cut(string(run), "@")
	return strings.ToLower(train) + ".example"
}

// call is the call for a request, before it is made.
func (w Want) call(name string) history.Call {
	return history.Call{
		Request: history.Request{Kind: history.Place, Buyer: name, Key: w.Key}, Run: w.Run.RunID, From: w.From,
		To: w.To, Class: w.Class,
		Passengers: w.Passengers,
	}
}

// place asks for a seat, or for those of a party. The order is nil without them.
func (b *buyer) place() (*history.Order, history.Call) {
	want := b.workload.want(b.random)
	b.workload.party(&want, b.random)
	if to := Address(b.name, want.Key, want.Run.RunID); to != "" && b.workload.options.Mails {
		for i := range want.Passengers {
			want.Passengers[i].Contact = rail.Contact{Email: to, Language: "zh"}
		}
	}
	return b.insist(want.call(b.name), placeDocument, "placeOrder", want.input())
}

// pay returns the order once it is paid; nil where that was refused.
func (b *buyer) pay(order *history.Order, placed history.Call) *history.Order {
	placed.Request = history.Request{Kind: history.Pay, Buyer: b.name, Key: order.Number}
	if b.workload.options.Bank {
		_, paid := b.payAtBank(placed, order, func(page string) {
			pause.For(b.workload.life, time.Duration(b.random.Int64N(int64(pageThink))))
			b.atPage(page)
		})
		return paid
	}
	paid, _ := b.insist(placed, payDocument, "payOrder",
		map[string]any{"orderId": order.ID, "idempotencyKey": "pay-" + order.Number})
	return paid
}

func (b *buyer) cancel(order *history.Order, placed history.Call) {
	placed.Request = history.Request{Kind: history.Cancel, Buyer: b.name, Key: order.Number}
	b.insist(placed, cancelDocument, "cancelOrder", map[string]any{"orderId": order.ID})
}

// insist asks one server after the other the same thing, until the outcome is known. A buyer that is leaving insists
// still: every outcome is to be known.
func (b *buyer) insist(c history.Call, document, field string, input map[string]any) (*history.Order, history.Call) {
	return b.ask(c, document, field, input, func(r reply) bool { return r.outcome.Resolved() })
}

// ask is insist with another end: until an answer is enough.
func (b *buyer) ask(
	c history.Call, document, field string, input map[string]any, enough func(reply) bool,
) (*history.Order, history.Call) {
	servers := b.workload.options.Servers
	for {
		c.Server, c.Order = servers[b.at%len(servers)], nil
		answer := b.workload.mutate(b.workload.life, &c, b.token, document, field, input)
		if enough(answer) {
			return c.Order, c
		}
		if answer.outcome != history.Waiting {
			b.at++
		}
		if !b.wait(answer) {
			return nil, c
		}
	}
}

// wait waits until it is time to ask again; false where the buyer's life has ended.
func (b *buyer) wait(r reply) bool {
	longest := longestPause
	if b.impatient {
		longest = fewestPause
	}
	return pause.For(b.workload.life, min(max(r.retryAfter, fewestPause), longest))
}

// Together sends one request so many times at the same moment, over all servers in turn, and returns once each is
// resolved. It is for a key that several hands use at once.
func (w *Workload) Together(ctx context.Context, subject string, times int, stream uint64) error {
	w.working.RLock()
	defer w.working.RUnlock()
	token, err := w.options.Token(subject)
	if err != nil {
		return err
	}
	random := w.random(stream)
	want := w.want(random)
	begin, done := make(chan struct{}), make(chan struct{})
	for n := range times {
		w.people.Go(func() {
			defer func() { done <- struct{}{} }()
			one := &buyer{workload: w, name: subject, token: token, at: n}
			<-begin
			one.insist(want.call(subject), placeDocument, "placeOrder", want.input())
		})
	}
	close(begin)
	for range times {
		<-done
	}
	return context.Cause(ctx)
}

// Buy asks for a seat until the outcome is known, the at-th server first, and returns the last call.
func (w *Workload) Buy(subject string, at int, want Want) (history.Call, error) {
	token, err := w.options.Token(subject)
	if err != nil {
		return history.Call{}, err
	}
	one := &buyer{workload: w, name: subject, token: token, at: at}
	_, c := one.insist(want.call(subject), placeDocument, "placeOrder", want.input())
	return c, nil
}

// Placed is how many orders clients have been told of since a time, by servers other than one.
func (w *Workload) Placed(since time.Time, except string) (n int) {
	for _, c := range w.log.Calls() {
		if c.Kind == history.Place && c.Outcome == history.Done && c.Start.After(since) && c.Server != except {
			n++
		}
	}
	return n
}
