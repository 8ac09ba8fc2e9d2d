package pay

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"path"
	"sync"
	"time"

	"interlock/internal/pause"
	"interlock/lab/load"
	"interlock/services/rail"
)

// payment is how one fared.
type payment struct {
	// order is the order's id, token its buyer's.
	order, token string
	// session is the last part of the page's address.
	session string
	// asked is when payOrder was sent, begun when its answer came, and paid when the buyer heard that the order is
	// paid.
	asked, begun, paid time.Time
}

// payers place orders at a steady rate, and pay for them if they are to.
type payers struct {
	lab       *lab
	pay       bool
	transport http.Transport
	all       sync.WaitGroup

	mu       sync.Mutex
	paid     []payment
	failed   int
	problem  error
	underWay int
	most     int
}

func newPayers(l *lab, pay bool) *payers {
	return &payers{lab: l, pay: pay, transport: http.Transport{
		MaxIdleConnsPerHost: atOnce, IdleConnTimeout: time.Second,
	}}
}

// payLimit is within what a payment must be over.
const payLimit = 30 * time.Second

// run lets one after the other come until ctx ends, by chance and independent of each other, and waits until each knows
// what became of the order.
func (p *payers) run(ctx context.Context, targets *load.Targets) {
	mean := float64(time.Second) / p.lab.PerSecond
	next := time.Now()
	for pause.For(ctx, time.Until(next)) {
		next = next.Add(time.Duration(rand.ExpFloat64() * mean))
		p.all.Go(func() {
			limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), payLimit)
			defer cancel()
			if err := p.one(limited, targets.First()); err != nil {
				p.mu.Lock()
				p.failed++
				p.problem = err
				p.mu.Unlock()
			}
		})
	}
	p.all.Wait()
	p.transport.CloseIdleConnections()
}

const (
	orderFields = `order{id state} userErrors{code message}`
	placeOrder  = `mutation($i:PlaceOrderInput!){did:placeOrder(input:$i){` + orderFields + `}}`
	payOrder    = `mutation($i:PayOrderInput!){did:payOrder(input:$i){` + orderFields + ` payment{state redirectUrl}}}`
)

// answer is what both mutations answer.
type answer struct {
	Did struct {
		Order      *struct{ ID, State string }
		Payment    *struct{ State, RedirectURL string }
		UserErrors []struct{ Code, Message string }
	}
}

// ask sends a mutation. An answer without an order is an error.
func ask(ctx context.Context, api load.API, mutation string, input map[string]any) (*answer, error) {
	var a answer
	err := api.Ask(ctx, mutation, map[string]any{"i": input}, &a)
	if err == nil && (a.Did.Order == nil || len(a.Did.UserErrors) > 0) {
		err = fmt.Errorf("refused: %+v", a.Did.UserErrors)
	}
	return &a, err
}

// one places an order, and pays for it.
func (p *payers) one(ctx context.Context, run *load.Run) error {
	token, err := p.lab.crowd.Accounts.Next()
	if err != nil {
		return err
	}
	api := load.API{Server: p.lab.Server, Token: token}
	name := fmt.Sprintf("%016x", rand.Uint64())
	from := rand.IntN(load.Calls - 1)
	placed, err := ask(ctx, api, placeOrder, map[string]any{
		"idempotencyKey": "payer-" + name, "runId": run.ID,
		"from": load.StationCode(from), "to": load.StationCode(from + 1),
		"passengers": []any{map[string]any{
			"name": "王秀英", "documentNumber": "C" + name, "seatClass": load.Classes[rand.IntN(len(load.Classes))],
		}},
		"contact": map[string]any{"email": name + "@example.com", "language": "zh"},
	})
	if err != nil || !p.pay {
		return err
	}
	order := placed.Did.Order.ID
	events, err := load.OpenOrder(ctx, &p.transport, p.lab.Server, token, order)
	if err != nil {
		return err
	}
	defer events.Close()
	p.begins(1)
	defer p.begins(-1)
	one := payment{order: order, token: token, asked: time.Now()}
	begun, err := ask(ctx, api, payOrder, map[string]any{"orderId": order, "idempotencyKey": "payer-" + name})
	if err != nil {
		return err
	}
	one.begun = time.Now()
	if begun.Did.Payment == nil || begun.Did.Payment.RedirectURL == "" {
		return fmt.Errorf("there is no page to pay on: %+v", begun.Did)
	}
	one.session = path.Base(begun.Did.Payment.RedirectURL)
	if err := awaitPaid(events); err != nil {
		return err
	}
	one.paid = time.Now()
	p.mu.Lock()
	p.paid = append(p.paid, one)
	p.mu.Unlock()
	return nil
}

// begins counts a payment that begins, or one less that is under way.
func (p *payers) begins(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.underWay += n
	p.most = max(p.most, p.underWay)
}

// awaitPaid waits until a subscription tells that its order is paid.
func awaitPaid(events *load.Events) error {
	for {
		text, err := events.Next()
		if err != nil {
			return fmt.Errorf("the order was not paid: %w", err)
		}
		var event struct {
			Data struct {
				OrderChanged *struct{ State rail.OrderState }
			}
		}
		if err := json.Unmarshal(text, &event); err != nil {
			return err
		}
		switch order := event.Data.OrderChanged; {
		case order == nil:
			return fmt.Errorf("no order: %s", text)
		case order.State == rail.Paid:
			return nil
		case order.State == rail.Cancelled, order.State == rail.Expired:
			return errors.New("the order was not paid: it is " + string(order.State))
		}
	}
}

const (
	// mailsWithin is how long after a window the last mail may be on its way.
	mailsWithin = 30 * time.Second
	// mailsPoll is the pause between two looks for it.
	mailsPoll = 100 * time.Millisecond
	mailOf    = `query($o:ID!){order(id:$o){paidAt mails{kind state changedAt}}}`
)

// mails are how long after each payment its mail was sent, by the clock of the databases. late is how many were not.
func (p *payers) mails(ctx context.Context) (after []time.Duration, late int, err error) {
	ctx, cancel := context.WithTimeout(ctx, mailsWithin)
	defer cancel()
	for i := range p.paid {
		one := &p.paid[i]
		took, sent, err := p.mailed(ctx, one)
		switch {
		case err != nil && ctx.Err() == nil:
			return nil, 0, err
		case !sent:
			late++
		default:
			after = append(after, took)
		}
	}
	return after, late, nil
}

// mailed waits until the mail of a payment was sent.
func (p *payers) mailed(ctx context.Context, one *payment) (took time.Duration, sent bool, err error) {
	var a struct {
		Order *struct {
			PaidAt time.Time
			Mails  []struct {
				Kind, State string
				ChangedAt   time.Time
			}
		}
	}
	api := load.API{Server: p.lab.Server, Token: one.token}
	for {
		if err := api.Ask(ctx, mailOf, map[string]any{"o": one.order}, &a); err != nil {
			return 0, false, err
		}
		if a.Order != nil {
			for _, m := range a.Order.Mails {
				if m.Kind == "paid" && m.State == "SENT" {
					return m.ChangedAt.Sub(a.Order.PaidAt), true, nil
				}
			}
		}
		if !pause.For(ctx, mailsPoll) {
			return 0, false, nil
		}
	}
}
